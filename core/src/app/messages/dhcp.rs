//! DHCP (RFC 2131, options of RFC 2132): who got which address, and for how long.

use core::fmt;

use super::{Format, number, parser};
use crate::Dir;
use crate::app::plain::{DHCP_BEGINS, be32};
use crate::app::{IntDef, OVER_UDP, ProtoDef, event_at};
use crate::event::Fields;

pub static DHCP: ProtoDef = ProtoDef {
    name: "dhcp",
    over: OVER_UDP,
    ints: INTS,
    events: EVENTS,
    recognise: DHCP_BEGINS,
    parser: parser::<Dhcp>(),
    record: "dhcp",
    by_message: true,
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

/// Options of which records tell, by number (RFC 2132).
const SUBNET_MASK: u8 = 1;
const ROUTERS: u8 = 3;
const DNS_SERVERS: u8 = 6;
const HOSTNAME: u8 = 12;
const REQUESTED: u8 = 50;
const LEASE: u8 = 51;
const KIND: u8 = 53;
const PARAMETERS: u8 = 55;
const RENEWAL: u8 = 58;
const REBINDING: u8 = 59;
const VENDOR_CLASS: u8 = 60;
const CLIENT: u8 = 61;

const KINDS: [&str; 8] = ["discover", "offer", "request", "decline", "ack", "nak", "release", "inform"];
const ACK: u8 = 5;

/// Names of asked-for options; others have none in records.
const ASKED: [(u8, &str); 8] = [
    (1, "subnet_mask"),
    (3, "router"),
    (6, "dns_server"),
    (15, "domain"),
    (35, "arp_timeout"),
    (42, "ntp_server"),
    (66, "tftp_server_name"),
    (150, "tftp_server_ip"),
];

pub(super) struct Dhcp;

fn address(out: &mut dyn Fields, key: &str, value: Option<&[u8]>) {
    if let Some([a, b, c, d]) = value {
        out.fmt(key, format_args!("{a}.{b}.{c}.{d}"));
    }
}

fn addresses(out: &mut dyn Fields, key: &str, value: &[u8]) {
    out.begin_array(key);
    for a in value.chunks_exact(4) {
        address(out, "", Some(a));
    }
    out.end_array();
}

/// Bytes in pairs of hexadecimal digits with colons.
struct Colons<'m>(&'m [u8]);

impl fmt::Display for Colons<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, b) in self.0.iter().enumerate() {
            write!(f, "{}{b:02x}", if i > 0 { ":" } else { "" })?;
        }
        Ok(())
    }
}

/// One option of an extended record.
fn log_option(kind: u8, value: &[u8], out: &mut dyn Fields) {
    match kind {
        CLIENT => {
            // The first byte says of which kind it is: 1, a hardware address, or anything.
            if let [1, mac @ ..] = value {
                out.fmt("client_id", format_args!("{}", Colons(mac)));
            } else if let Some(id) = value.get(1..) {
                out.bytes("client_id", id);
            }
        }
        SUBNET_MASK => address(out, "subnet_mask", Some(value)),
        REQUESTED => address(out, "requested_ip", Some(value)),
        ROUTERS => addresses(out, "routers", value),
        DNS_SERVERS => addresses(out, "dns_servers", value),
        VENDOR_CLASS => out.bytes("vendor_class_identifier", value),
        LEASE | RENEWAL | REBINDING => {
            let name = match kind {
                LEASE => "lease_time",
                RENEWAL => "renewal_time",
                _ => "rebinding_time",
            };
            if let Some(t) = be32(value, 0) {
                out.u64(name, u64::from(t));
            }
        }
        PARAMETERS => {
            out.begin_array("params");
            for wanted in value {
                if let Some((_, name)) = ASKED.iter().find(|(n, _)| n == wanted) {
                    out.str("", name);
                }
            }
            out.end_array();
        }
        _ => {}
    }
}

fn kind_of(msg: &[u8]) -> Option<u8> {
    let mut found = None;
    options(msg, |kind, value| {
        if kind == KIND {
            found = value.first().copied();
        }
    });
    found
}

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
        if msg.len() < FIXED {
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

    fn log(msg: &[u8], _: Dir, out: &mut dyn Fields) {
        let reply = msg.first() == Some(&2);
        let extended = out.wants("extended");
        // A brief record tells who has which address: that is what an acknowledgement says.
        if !extended && kind_of(msg) != Some(ACK) {
            return;
        }
        out.str("type", if reply { "reply" } else { "request" });
        out.u64("id", be32(msg, 4).unwrap_or(0).into());
        // A hardware address is as long as the message says; the field has 16 bytes.
        let mac = usize::from(msg.get(2).copied().unwrap_or(0)).min(16);
        out.fmt("client_mac", format_args!("{}", Colons(msg.get(28..28 + mac).unwrap_or(&[]))));
        address(out, "assigned_ip", msg.get(16..20));
        if extended {
            address(out, "client_ip", msg.get(12..16));
            if reply {
                address(out, "relay_ip", msg.get(24..28));
                address(out, "next_server_ip", msg.get(20..24));
            }
        }
        options(msg, |kind, value| match kind {
            KIND => {
                let name = value.first().and_then(|n| KINDS.get(usize::from(n.wrapping_sub(1))));
                out.str("dhcp_type", name.copied().unwrap_or("unknown"));
            }
            HOSTNAME if !value.is_empty() => out.bytes("hostname", value),
            _ if extended => log_option(kind, value, out),
            _ => {}
        });
    }
}
