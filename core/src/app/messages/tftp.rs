//! TFTP (RFC 1350): requests to read or write a file.

use super::{Format, parser};
use crate::Dir;
use crate::app::plain::{TFTP_BEGINS, be16};
use crate::app::{OVER_UDP, ProtoDef};
use crate::event::Fields;

pub static TFTP: ProtoDef = ProtoDef {
    name: "tftp",
    over: OVER_UDP,
    recognise: TFTP_BEGINS,
    parser: parser::<Tftp>(),
    record: "tftp",
    by_message: true,
    ..ProtoDef::NONE
};

pub(super) struct Tftp;

impl Format for Tftp {
    /// Data, acknowledgements and errors belong to a transfer, which has no transaction of its own.
    fn read(msg: &[u8], _: Dir) -> Option<u128> {
        matches!(be16(msg, 0), Some(1 | 2)).then_some(0)
    }

    fn text(_: &[u8], _: u8, _: u32) -> Option<&[u8]> {
        None
    }

    fn log(msg: &[u8], _: Dir, out: &mut dyn Fields) {
        let Some(kind) = be16(msg, 0) else { return };
        out.str("packet", if kind == 1 { "read" } else { "write" });
        // Both names end with a zero byte.
        let mut texts = msg.get(2..).unwrap_or(&[]).split(|b| *b == 0);
        out.bytes("file", texts.next().unwrap_or(&[]));
        out.bytes("mode", texts.next().unwrap_or(&[]));
    }
}
