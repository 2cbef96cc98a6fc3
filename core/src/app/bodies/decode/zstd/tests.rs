//! Against streams of the reference encoder (zstd 1.5.4), and a decoder of others (`ruzstd`).

use super::*;
use crate::app::bodies::decode::tests::text;
use proptest::prelude::*;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use std::io::Read;

const WIRES: [&[u8]; 4] = [
    include_bytes!("../testdata/text_1.zst"),
    // Without a checksum.
    include_bytes!("../testdata/text_22.zst"),
    // Of unknown size.
    include_bytes!("../testdata/text_stream.zst"),
    // A skippable frame, then two.
    include_bytes!("../testdata/text_frames.zst"),
];

/// What is decoded, whether to an end, and the same in any cut.
fn decode(z: &mut Zstd, wire: &[u8], cut: usize) -> (Vec<u8>, Status) {
    let (mut all, mut out, mut last) = (Vec::new(), vec![0; 777], Status::NeedsInput);
    for mut part in wire.chunks(cut.max(1)) {
        loop {
            let (status, n) = z.decode(&mut part, &mut out);
            all.extend_from_slice(&out[..n]);
            last = status;
            if status != Status::MoreOutput {
                break;
            }
        }
        if last != Status::NeedsInput {
            break;
        }
    }
    z.reset();
    (all, last)
}

fn theirs(wire: &[u8]) -> Option<Vec<u8>> {
    let mut all = Vec::new();
    let mut decoder = ruzstd::decoding::StreamingDecoder::new(wire).ok()?;
    decoder.read_to_end(&mut all).ok()?;
    Some(all)
}

#[test]
fn streams_of_the_reference() {
    let (mut z, text) = (Zstd::new(Zstd::MOST), text());
    for wire in WIRES {
        for cut in [1, 2, 7, 1000, 1 << 20] {
            let (got, status) = decode(&mut z, wire, cut);
            assert!(got == text && status == Status::NeedsInput, "{} {cut} {status:?}", got.len());
        }
    }
    // What follows the last frame is left alone.
    let (got, status) = decode(&mut z, &[WIRES[0], b"and more"].concat(), 100);
    assert!(got == text && status == Status::Done);
}

#[test]
fn a_window_beyond_the_memory_goes_as_far_as_it_reaches() {
    let mut z = Zstd::new(0);
    let mut noise = 1u32;
    let mut far: Vec<u8> = (0..400_000)
        .map(|_| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (noise >> 24) as u8
        })
        .collect();
    far.extend_from_within(..1000);
    let wire = compress_to_vec(&far[..], CompressionLevel::Fastest);
    let (got, _) = decode(&mut z, &wire, 5000);
    assert!(far.starts_with(&got) && got.len() >= 256 << 10, "{}", got.len());
    assert!(z.ring.capacity() < 300_000);
}

#[test]
fn what_is_no_stream() {
    let mut z = Zstd::new(Zstd::MOST);
    for wire in [
        &b"plain text"[..],
        b"\x28\xb5\x2f\xfd\x08\0\0\0\0\0\0",
        b"\x28\xb5\x2f\xfd\x01\0\x07\0\0\0\0",
        b"\x28\xb5\x2f\xfd\0\0\x07\0\0",
    ] {
        assert_eq!(decode(&mut z, wire, 3), (Vec::new(), Status::Failed), "{wire:x?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_data(data in proptest::collection::vec(0u8..40, 0..4000), repeat in 1usize..60, cut in 1usize..300) {
        let data = data.repeat(repeat);
        let wire = compress_to_vec(&data[..], CompressionLevel::Fastest);
        let mut z = Zstd::new(Zstd::MOST);
        let (got, status) = decode(&mut z, &wire, cut);
        prop_assert!(got == data && status == Status::NeedsInput);
    }

    /// Damage gives the same in any cut, never panics, and what both decoders take to its end is equal.
    #[test]
    fn damage(which in 0usize..4, at in 0usize..8000, byte: u8, end in 20usize..8400, cut in 1usize..300) {
        let mut wire = WIRES[which][..end.min(WIRES[which].len())].to_vec();
        let at = at % wire.len();
        wire[at] ^= byte;
        let mut z = Zstd::new(Zstd::MOST);
        let whole = decode(&mut z, &wire, 1 << 20);
        prop_assert!(decode(&mut z, &wire, cut) == whole);
        if which < 3 && whole.1 == Status::NeedsInput && let Some(want) = theirs(&wire) {
            prop_assert!(want == whole.0);
        }
    }

    #[test]
    fn any_bytes(data in proptest::collection::vec(any::<u8>(), 0..600), kind in 0u8..4, cut in 1usize..50) {
        let block = (data.len() as u32) << 3 | u32::from(kind) << 1 | 1;
        let mut wire = b"\x28\xb5\x2f\xfd\0\x58".to_vec();
        wire.extend(&block.to_le_bytes()[..3]);
        wire.extend(&data);
        let mut z = Zstd::new(Zstd::MOST);
        let whole = decode(&mut z, &wire, 1 << 20);
        prop_assert!(decode(&mut z, &wire, cut) == whole);
    }
}
