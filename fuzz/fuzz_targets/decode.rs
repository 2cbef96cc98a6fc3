//! A frame of any link type is decoded, every packet in it keeps within the frame, and the short way for plain frames
//! leads where the general one does.
#![no_main]
use libfuzzer_sys::fuzz_target;
use tidegate_core::packet::{DecodeConfig, Decoder, PacketBuf};
use tidegate_fuzz::Input;

const LINKS: &[u16] = &[
    1, 0, 12, 14, 101, 113, 276, 108, 9, 50, 104, 228, 229, 105, 127, 192, 51, 166, 204, 205, 206, 107, 239,
    242, 247,
];

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let b = input.byte();
    let link = LINKS.get(usize::from(b)).copied().unwrap_or(1);
    let frame = input.0;
    let mut out = PacketBuf::new(16);
    let decoder = Decoder::new(DecodeConfig::default());
    let n = decoder.decode(frame, link, 1, 1, &mut out);
    assert_eq!(n, out.len());
    let mut general = PacketBuf::new(16);
    decoder.decode_any(frame, link, 1, 1, &mut general);
    assert_eq!(format!("{:?}", &*out), format!("{:?}", &*general));
    for p in out.iter() {
        assert!(p.payload().len() <= p.data.len());
        assert!(p.anomalies().count() <= 512);
    }
});
