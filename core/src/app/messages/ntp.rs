//! NTP (RFC 5905): the first bytes of a packet.

use super::{BOTH, Format, field, number, parser};
use crate::Dir;
use crate::app::plain::{NTP_BEGINS, is_ntp};
use crate::app::{BufferDef, IntDef, OVER_UDP, ProtoDef, event_at};
use crate::event::Fields;

pub static NTP: ProtoDef = ProtoDef {
    name: "ntp",
    over: OVER_UDP,
    buffers: BUFFERS,
    ints: INTS,
    events: EVENTS,
    recognise: NTP_BEGINS,
    parser: parser::<Ntp>(),
    record: "ntp",
    by_message: true,
    ..ProtoDef::NONE
};

static EVENTS: &[&str] = &["malformed_data"];

static BUFFERS: &[BufferDef] = &[field("ntp.reference_id", BOTH, false)];

static INTS: &[IntDef] = &[number("ntp.version", &[]), number("ntp.mode", MODES), number("ntp.stratum", &[])];

/// RFC 5905, figure 10.
static MODES: &[(&str, u64)] = &[
    ("symmetric_active", 1),
    ("symmetric_passive", 2),
    ("client", 3),
    ("server", 4),
    ("broadcast", 5),
    ("control", 6),
    ("private", 7),
];

pub(super) struct Ntp;

impl Format for Ntp {
    const BROKEN: Option<u8> = Some(event_at(EVENTS, "malformed_data"));

    fn read(msg: &[u8], _: Dir) -> Option<u128> {
        let version = msg.first()? >> 3 & 7;
        (matches!(version, 3 | 4) && is_ntp(msg)).then_some(0)
    }

    fn text(msg: &[u8], _: u8, index: u32) -> Option<&[u8]> {
        msg.get(12..16).filter(|_| index == 0)
    }

    fn number(msg: &[u8], local: u8, _: u32) -> Option<u64> {
        let first = u64::from(*msg.first()?);
        Some(match local {
            0 => first >> 3 & 7,
            1 => first & 7,
            _ => u64::from(*msg.get(1)?),
        })
    }

    fn log(msg: &[u8], _: Dir, out: &mut dyn Fields) {
        for (local, name) in ["version", "mode", "stratum"].into_iter().enumerate() {
            if let Some(n) = Self::number(msg, local as u8, 0) {
                out.u64(name, n);
            }
        }
        if let Some([a, b, c, d]) = Self::text(msg, 0, 0) {
            out.fmt("reference_id", format_args!("{a:02x}:{b:02x}:{c:02x}:{d:02x}"));
        }
    }
}
