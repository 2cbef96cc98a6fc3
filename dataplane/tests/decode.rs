//! The short way of decoding leads where the general one does, on every frame of the captures there are and on frames
//! made from them by changing bytes.

mod common;

use common::{captures, frames, read, shared, traffic};
use tidegate_core::packet::{Decoder, MAX_PER_FRAME, PacketBuf};

/// Whether the frame has a head.
fn agree(decoder: &Decoder, data: &[u8], link: u16) -> bool {
    let (mut short, mut general) = (PacketBuf::new(MAX_PER_FRAME), PacketBuf::new(MAX_PER_FRAME));
    decoder.decode(data, link, 5, 9, &mut short);
    decoder.decode_any(data, link, 5, 9, &mut general);
    assert_eq!(format!("{:?}", &*short), format!("{:?}", &*general), "{data:02x?}");
    link == 1 && decoder.head(data).is_some()
}

/// Frames as they are, and each with a byte changed; checks that enough of them have heads.
fn all_agree(frames: impl Iterator<Item = (Vec<u8>, u16)>) {
    let decoder = Decoder::default();
    let (mut all, mut heads) = (0u32, 0u32);
    let mut random = 1u64;
    for (data, link) in frames {
        all += 1;
        heads += u32::from(agree(&decoder, &data, link));
        // One byte of the headers is another.
        random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let mut changed = data;
        if let Some(b) = changed.get_mut((random >> 33) as usize % 80) {
            *b = (random >> 56) as u8;
        }
        agree(&decoder, &changed, link);
    }
    println!("{all} frames, {heads} of them with heads");
    assert!(heads > all / 4);
}

#[test]
fn short_and_general_way_agree() {
    all_agree(frames(&traffic::everything().frames).iter().map(|f| (f.data.to_vec(), f.link)));
}

#[test]
#[ignore = "needs ../shared"]
fn shared_short_and_general_way_agree_on_captures() {
    let files = captures(&shared().join("captures"), 64 << 10);
    let packets = |p: &std::path::PathBuf| read(p).into_iter().take(200).collect::<Vec<_>>();
    all_agree(files.iter().flat_map(packets).map(|(p, link)| (p.data, link)));
}
