//! Beginnings of protocols over TCP.

use super::{be16, be32, ber, le16, yes_if};
use crate::Dir;
use crate::Dir::ToServer;
use crate::app::{OVER_TCP, OVER_UDP, Probe, Recognise, Verdict};

const BOTH: u8 = 3;

const fn probe(ports: &'static [u16], f: fn(&[u8], Dir) -> Verdict) -> Probe {
    Probe { over: OVER_TCP, ports, probe: f, dirs: BOTH, min_bytes: 0 }
}

/// Telnet (RFC 854): recognised by its option negotiation.
pub const TELNET_BEGINS: Recognise = Recognise { probes: &[probe(&[23], probe_telnet)], ..Recognise::NONE };

fn probe_telnet(b: &[u8], _: Dir) -> Verdict {
    match b {
        [] | [0xff] => Verdict::Unsure,
        [0xff, c, ..] => yes_if(*c >= 0xf0),
        _ => Verdict::No,
    }
}

/// LDAP (RFC 4511) and CLDAP.
pub const LDAP_BEGINS: Recognise = Recognise {
    probes: &[
        probe(&[389, 3268], probe_ldap),
        Probe { over: OVER_UDP, ports: &[389, 3268], probe: probe_ldap, dirs: BOTH, min_bytes: 0 },
    ],
    ..Recognise::NONE
};

fn probe_ldap(b: &[u8], _: Dir) -> Verdict {
    match b.first() {
        None => return Verdict::Unsure,
        Some(0x30) => {}
        Some(_) => return Verdict::No,
    }
    let Some((_, _, at)) = ber(b) else { return if b.len() < 6 { Verdict::Unsure } else { Verdict::No } };
    // messageID INTEGER, then a protocolOp with an APPLICATION tag.
    match (b.get(at), b.get(at + 1)) {
        (Some(2), Some(&n)) if (1..=4).contains(&n) => match b.get(at + 2 + usize::from(n)) {
            Some(op) => yes_if(op & 0xc0 == 0x40 && op & 0x1f <= 25),
            None => Verdict::Unsure,
        },
        (Some(_), Some(_)) => Verdict::No,
        _ => Verdict::Unsure,
    }
}

/// Modbus/TCP.
pub const MODBUS_BEGINS: Recognise = Recognise {
    probes: &[Probe { over: OVER_TCP, ports: &[502], probe: probe_modbus, dirs: BOTH, min_bytes: 8 }],
    first: 1,
    ..Recognise::NONE
};

fn probe_modbus(b: &[u8], _: Dir) -> Verdict {
    match (be16(b, 2), be16(b, 4)) {
        (Some(0), Some(len)) => yes_if((2..=254).contains(&len)),
        (Some(_), Some(_)) => Verdict::No,
        _ => Verdict::Unsure,
    }
}

/// DNP3 (IEEE 1815) link frames.
pub const DNP3_BEGINS: Recognise = Recognise {
    probes: &[Probe { over: OVER_TCP, ports: &[20000], probe: probe_dnp3, dirs: BOTH, min_bytes: 10 }],
    ..Recognise::NONE
};

/// The highest bit of the control byte says that the master speaks.
fn probe_dnp3(b: &[u8], dir: Dir) -> Verdict {
    match b {
        [0x05, 0x64, len, control, ..] if *len >= 5 => {
            let master = control & 0x80 != 0;
            if master == (dir == ToServer) { Verdict::Yes } else { Verdict::Reversed }
        }
        [] | [0x05] | [0x05, 0x64] | [0x05, 0x64, _] => Verdict::Unsure,
        _ => Verdict::No,
    }
}

/// EtherNet/IP encapsulation.
pub const ENIP_BEGINS: Recognise = Recognise {
    probes: &[
        Probe { over: OVER_TCP, ports: &[44818], probe: probe_enip, dirs: BOTH, min_bytes: 24 },
        Probe { over: OVER_UDP, ports: &[44818], probe: probe_enip, dirs: BOTH, min_bytes: 0 },
    ],
    ..Recognise::NONE
};

fn probe_enip(b: &[u8], _: Dir) -> Verdict {
    let (Some(cmd), Some(status), true) = (le16(b, 0), super::le32(b, 8), b.len() >= 24) else {
        return Verdict::Unsure;
    };
    let known = matches!(cmd, 0 | 4 | 0x63 | 0x64 | 0x65 | 0x66 | 0x6f | 0x70 | 0x72 | 0x73);
    let sound = matches!(status, 0..=3 | 0x64 | 0x65 | 0x69);
    yes_if(known && sound && be32(b, 20) == Some(0))
}
