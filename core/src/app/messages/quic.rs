//! QUIC (RFC 9000, RFC 8999): the version in long headers. What lies in encrypted parts is not read.

use super::{BOTH, Format, field, parser};
use crate::Dir;
use crate::app::plain::QUIC_BEGINS;
use crate::app::{BufferDef, OVER_UDP, ProtoDef};

pub static QUIC: ProtoDef = ProtoDef {
    name: "quic",
    over: OVER_UDP,
    buffers: BUFFERS,
    recognise: QUIC_BEGINS,
    parser: parser::<Quic>(),
    ..ProtoDef::NONE
};

static BUFFERS: &[BufferDef] = &[field("quic.version", BOTH, false)];

pub(super) struct Quic;

impl Format for Quic {
    /// Packets with a long header, and Google's older ones that name a version.
    fn read(msg: &[u8], _: Dir) -> Option<u128> {
        version(msg).map(|_| 0)
    }

    fn log(_: &[u8], _: Dir, _: &mut dyn crate::event::Fields) {}

    fn text(msg: &[u8], _: u8, index: u32) -> Option<&[u8]> {
        version(msg).filter(|_| index == 0)
    }
}

fn version(msg: &[u8]) -> Option<&[u8]> {
    let first = *msg.first()?;
    if first & 0x80 != 0 {
        return msg.get(1..5);
    }
    // Bit 6 is set in every packet of the standard; before it, bit 0 announces a version behind the connection's number.
    if first & 0x40 == 0 && first & 1 != 0 && first & 8 != 0 {
        return msg.get(9..13);
    }
    None
}
