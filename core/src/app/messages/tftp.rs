//! TFTP (RFC 1350): requests to read or write a file.

use super::{Format, parser};
use crate::Dir;
use crate::app::plain::{TFTP_BEGINS, be16};
use crate::app::{OVER_UDP, ProtoDef};

pub static TFTP: ProtoDef = ProtoDef {
    name: "tftp",
    over: OVER_UDP,
    recognise: TFTP_BEGINS,
    parser: parser::<Tftp>(),
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
}
