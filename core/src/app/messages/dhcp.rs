//! DHCP (RFC 2131, options of RFC 2132): times of leases.

use super::{Format, number, parser};
use crate::Dir;
use crate::app::plain::{DHCP_BEGINS, be32};
use crate::app::{IntDef, OVER_UDP, ProtoDef, event_at};

pub static DHCP: ProtoDef = ProtoDef {
    name: "dhcp",
    over: OVER_UDP,
    ints: INTS,
    events: EVENTS,
    recognise: DHCP_BEGINS,
    parser: parser::<Dhcp>(),
    ..ProtoDef::NONE
};

static INTS: &[IntDef] =
    &[number("dhcp.leasetime", &[]), number("dhcp.renewal_time", &[]), number("dhcp.rebinding_time", &[])];

/// Options of the numbers above.
const OPTIONS: [u8; 3] = [51, 58, 59];

static EVENTS: &[&str] = &["truncated_options", "malformed_options"];
const TRUNCATED: u8 = event_at(EVENTS, "truncated_options");
const MALFORMED: u8 = event_at(EVENTS, "malformed_options");

/// Bytes before the options, the cookie included.
const FIXED: usize = 240;

pub(super) struct Dhcp;

/// Calls `f` with each option; which event its end gives.
fn options(msg: &[u8], mut f: impl FnMut(u8, &[u8])) -> Option<u8> {
    let mut at = FIXED;
    loop {
        match msg.get(at) {
            Some(0) => at += 1,
            Some(255) => return None,
            Some(&kind) => {
                let Some(&len) = msg.get(at + 1) else { return Some(TRUNCATED) };
                let end = at + 2 + usize::from(len);
                let Some(value) = msg.get(at + 2..end) else { return Some(TRUNCATED) };
                // A time of another size means nothing.
                if OPTIONS.contains(&kind) && len != 4 {
                    return Some(MALFORMED);
                }
                f(kind, value);
                at = end;
            }
            None => return Some(TRUNCATED),
        }
    }
}

impl Format for Dhcp {
    fn read(msg: &[u8], _: Dir) -> Option<u128> {
        if msg.len() < FIXED || be32(msg, 236) != Some(0x6382_5363) {
            return None;
        }
        Some(options(msg, |_, _| {}).map_or(0, |ev| 1 << ev))
    }

    fn text(_: &[u8], _: u8, _: u32) -> Option<&[u8]> {
        None
    }

    fn number(msg: &[u8], local: u8, _: u32) -> Option<u64> {
        let wanted = *OPTIONS.get(usize::from(local))?;
        let mut found = None;
        options(msg, |kind, value| {
            if kind == wanted {
                found = be32(value, 0).map(u64::from);
            }
        });
        found
    }
}
