use super::*;
use miniz_oxide::deflate::{compress_to_vec, compress_to_vec_zlib};
use proptest::prelude::*;

struct Out {
    bytes: Vec<u8>,
    pool: BytePool,
}

impl Sink for Out {
    fn decoded(&mut self, b: &[u8]) -> bool {
        self.bytes.extend_from_slice(b);
        self.bytes.len() < 1 << 20
    }
    fn pool(&mut self) -> &mut BytePool {
        &mut self.pool
    }
}

fn gzip(d: &[u8]) -> Vec<u8> {
    let mut v = b"\x1f\x8b\x08\x1c\0\0\0\0\0\0\x02\0xxname\0comment\0".to_vec();
    v.extend(compress_to_vec(d, 6));
    v.extend([1, 2, 3, 4, 5, 6, 7, 8]);
    v
}

fn decoders(inflate: usize) -> Decoders {
    Decoders::new(
        Room {
            inflate,
            brotli: 1,
            lzma: 1,
            lzma_memory: 1 << 18,
            brotli_memory: 16 << 20,
            zstd: 1,
            zstd_memory: 9 << 20,
        },
        7,
    )
}

fn run(codings: &[Coding], data: &[u8], cut: usize) -> Vec<u8> {
    with(&mut decoders(4), codings, data, cut)
}

fn with(d: &mut Decoders, codings: &[Coding], data: &[u8], cut: usize) -> Vec<u8> {
    let mut o = Out { bytes: Vec::new(), pool: BytePool::new(1 << 18) };
    let id = d.open(codings, Addr::default(), &mut o.pool).unwrap();
    for part in data.chunks(cut) {
        d.feed(id, part, &mut o);
    }
    d.finish(id, &mut o);
    d.close(id, &mut o.pool);
    assert_eq!((d.used(), o.pool.in_use()), (0, 0));
    o.bytes
}

#[test]
fn every_coding_named_rightly_and_wrongly() {
    let text = b"X5O!P%@AP[4 some text some text some text".repeat(40);
    let wires = [gzip(&text), compress_to_vec(&text, 6), compress_to_vec_zlib(&text, 6)];
    for wire in &wires {
        for coding in [Coding::Gzip, Coding::Deflate, Coding::Zlib] {
            for cut in [1, 7, 10_000] {
                assert_eq!(run(&[coding], wire, cut), text);
            }
        }
    }
    let two = gzip(&compress_to_vec(&text, 6));
    assert_eq!(run(&[Coding::Gzip, Coding::Deflate], &two, 3), text);
    assert_eq!(run(&[Coding::Gzip], b"X5O!P plain", 4), b"X5O!P plain");
}

#[test]
fn what_was_decoded_before_damage_counts() {
    let text: Vec<u8> = (0..20_000u32).flat_map(|i| i.to_string().into_bytes()).collect();
    let mut wire = gzip(&text);
    let n = wire.len();
    wire.truncate(n / 2);
    let got = run(&[Coding::Gzip], &wire, 100);
    assert!(got.len() > 1000 && text.starts_with(&got));
    wire.extend([0xff; 100]);
    let got = run(&[Coding::Gzip], &wire, 100);
    assert!(got.len() > 1000);
}

#[test]
fn no_free_state_passes_the_bytes() {
    let mut d = decoders(1);
    let mut o = Out { bytes: Vec::new(), pool: BytePool::new(1 << 18) };
    let id = d.open(&[Coding::Gzip, Coding::Gzip], Addr::default(), &mut o.pool).unwrap();
    assert_eq!(d.refused, 1);
    d.feed(id, &gzip(b"abc"), &mut o);
    assert_eq!(o.bytes, b"abc");
}

/// One that idles gives way, the flooder's before others'; what it held is free, and its number is void.
#[test]
fn the_longest_idle_gives_way() {
    let client = |n: u8| Addr::v4([10, 0, 0, n]);
    for by_one in [true, false] {
        let mut d = decoders(16);
        let mut o = Out { bytes: Vec::new(), pool: BytePool::new(1 << 18) };
        let wire = gzip(b"abcdef");
        let other = d.open(&[Coding::Gzip], client(0), &mut o.pool).unwrap();
        d.feed(other, &wire[..20], &mut o);
        let mut flood = Vec::new();
        for n in 1..100 {
            let id = d.open(&[Coding::Gzip], client(if by_one { 1 } else { n }), &mut o.pool).unwrap();
            d.feed(id, &wire[..20], &mut o);
            flood.push(id);
        }
        assert_eq!((d.refused, d.evicted), (0, 84));
        // A flood from one address is at the cost of that one; from many, at the cost of who rests longest.
        assert_eq!(d.holds(other), by_one);
        let living = flood.iter().filter(|f| d.holds(**f)).count();
        assert_eq!(living, 16 - usize::from(by_one));
        assert!(!d.holds(flood[0]) && d.holds(flood[98]));
        d.feed(flood[0], &wire[20..], &mut o);
        assert_eq!(o.bytes, b"");
        d.feed(flood[98], &wire[20..], &mut o);
        assert_eq!(o.bytes, b"abcdef");
        if by_one {
            d.feed(other, &wire[20..], &mut o);
            assert_eq!(o.bytes, b"abcdefabcdef");
        }
        flood.iter().chain([&other]).for_each(|f| d.close(*f, &mut o.pool));
        assert_eq!((d.used(), o.pool.in_use()), (0, 0));
    }
}

/// What `text.br` and `text*.lzma` hold. They were made by zlib of node 18 and by lzma of Python 3.11.
pub(super) fn text() -> Vec<u8> {
    let line = |i: usize| alloc::format!("record {} of {}\n", i * 7919 % 1000, i % 37);
    (0..9000).flat_map(|i| line(i).into_bytes()).collect()
}

const TEXT_BR: &[u8] = include_bytes!("testdata/text.br");
const TEXT_LZMA: &[u8] = include_bytes!("testdata/text.lzma");

#[test]
fn brotli_and_lzma() {
    let text = text();
    // Without an end marker, and with other properties.
    let known = include_bytes!("testdata/text_known.lzma");
    let other = include_bytes!("testdata/text_lc0lp2.lzma");
    let mut d = decoders(4);
    for cut in [1, 2, 7, 1000, 1 << 20] {
        assert_eq!(with(&mut d, &[Coding::Brotli], TEXT_BR, cut), text);
        for wire in [TEXT_LZMA, known, other] {
            assert!(with(&mut d, &[Coding::Lzma], wire, cut) == text);
        }
        assert_eq!(with(&mut d, &[Coding::Gzip, Coding::Brotli], &gzip(TEXT_BR), cut), text);
        assert_eq!(with(&mut d, &[Coding::Lzma, Coding::Gzip], TEXT_LZMA, cut), text);
    }
    assert_eq!(d.refused, 0);
}

#[test]
fn another_coding_than_brotli_or_lzma() {
    let text = b"X5O!P%@AP[4 some text some text some text".repeat(400);
    for wire in [gzip(&text), compress_to_vec(&text, 6), compress_to_vec_zlib(&text, 6)] {
        for coding in [Coding::Brotli, Coding::Lzma] {
            for cut in [1, 10, 100_000] {
                assert!(run(&[coding], &wire, cut) == text);
            }
        }
    }
    let plain = b"no coding at all, whatever the header says".repeat(10);
    assert_eq!(run(&[Coding::Lzma], &plain, 3), plain);
}

#[test]
fn bombs_end_where_the_sink_says() {
    let ends = |coding, wire: &[u8]| {
        let got = run(&[coding], wire, 5);
        assert!(got.len() >= 1 << 18 && got.len() <= (1 << 20) + STEP, "{}", got.len());
        assert!(got.iter().all(|b| *b == 0));
    };
    ends(Coding::Brotli, include_bytes!("testdata/zeros.br"));
    // Its dictionary is larger than the memory: decoded until that is full.
    ends(Coding::Lzma, include_bytes!("testdata/zeros.lzma"));
    // A window of 16 MB is not decoded.
    let wide = include_bytes!("testdata/wide.br");
    assert_eq!(run(&[Coding::Brotli], wide, 1000), wide);
}

#[test]
fn decoders_are_few() {
    let mut d = decoders(4);
    let mut o = Out { bytes: Vec::new(), pool: BytePool::new(1 << 18) };
    let first = d.open(&[Coding::Brotli], Addr::default(), &mut o.pool).unwrap();
    let second = d.open(&[Coding::Brotli], Addr::default(), &mut o.pool).unwrap();
    assert_eq!((d.refused, d.evicted), (0, 1));
    d.feed(first, TEXT_BR, &mut o);
    assert_eq!(o.bytes, b"");
    d.feed(second, TEXT_BR, &mut o);
    assert_eq!(o.bytes, text());
    d.close(first, &mut o.pool);
    d.close(second, &mut o.pool);
    assert_eq!((d.used(), with(&mut d, &[Coding::Brotli], TEXT_BR, 9)), (0, text()));
}

use alloc::string::ToString;

proptest! {
    #[test]
    fn any_bytes_in_any_cut(data in proptest::collection::vec(any::<u8>(), 0..600),
                            head in 0usize..4, cut in 1usize..50) {
        let mut wire = match head {
            0 => Vec::new(),
            1 => b"\x1f\x8b\x08\0\0\0\0\0\0\0".to_vec(),
            2 => gzip(&data),
            _ => compress_to_vec_zlib(&data, 3),
        };
        wire.extend(&data);
        let codings = [Coding::Gzip, Coding::Deflate];
        // The same decoders: what they did before does not show.
        let mut d = decoders(4);
        let mut run = |codings: &[Coding], cut| with(&mut d, codings, &wire, cut);
        prop_assert_eq!(run(&codings[..1], cut), run(&codings[..1], 100_000));
        prop_assert_eq!(run(&codings, cut), run(&codings, 100_000));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn damage_in_any_cut(lzma: bool, at in 0usize..7000, byte: u8, head in 20usize..7000, cut in 1usize..300) {
        let (coding, wire) =
            if lzma { (Coding::Lzma, TEXT_LZMA) } else { (Coding::Brotli, TEXT_BR) };
        let mut wire = wire.to_vec();
        wire[at] ^= byte;
        wire.truncate(head);
        let mut d = decoders(1);
        let whole = with(&mut d, &[coding], &wire, 1 << 20);
        prop_assert!(with(&mut d, &[coding], &wire, cut) == whole);
    }

    #[test]
    fn any_bytes_as_brotli_or_lzma(lzma: bool, data in proptest::collection::vec(any::<u8>(), 0..600),
                                   props in 0u8..60, cut in 1usize..50) {
        let (coding, mut wire) = if lzma {
            (Coding::Lzma, [&[props, 0, 0, 1, 0][..], &[0xff; 8], &[0]].concat())
        } else {
            (Coding::Brotli, Vec::new())
        };
        wire.extend(&data);
        let mut d = decoders(1);
        let whole = with(&mut d, &[coding], &wire, 1 << 20);
        prop_assert!(with(&mut d, &[coding], &wire, cut) == whole);
    }
}
