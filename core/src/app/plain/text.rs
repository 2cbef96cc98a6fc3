//! Beginnings of protocols of lines of text.

use super::{def, is, start, start_nocase, yes_if};
use crate::Dir;
use crate::Dir::{ToClient, ToServer};
use crate::app::{OVER_TCP, OVER_UDP, Probe, ProtoDef, Recognise, Seen, Verdict};

/// How SMTP begins (RFC 5321).
pub const SMTP_BEGINS: Recognise = Recognise {
    patterns: &[
        start_nocase(b"EHLO", ToServer, OVER_TCP),
        start_nocase(b"HELO", ToServer, OVER_TCP),
        start_nocase(b"QUIT", ToServer, OVER_TCP),
    ],
    probes: &[Probe { over: OVER_TCP, ports: &[25, 465], probe: probe_banner, dirs: 2, min_bytes: 0 }],
    confirm: None,
    first: 0,
};

/// A server's `220` greets in SMTP and FTP alike: it counts only beside a client that was recognised.
fn probe_banner(b: &[u8], _: Dir) -> Verdict {
    if b.len() < 5 {
        return Verdict::Unsure;
    }
    match b {
        [b'2', b'2', b'0', b' ' | b'-', rest @ ..] => {
            if rest.contains(&b'\n') {
                Verdict::Likely
            } else {
                Verdict::Unsure
            }
        }
        _ => Verdict::No,
    }
}

/// How FTP begins (RFC 959).
pub const FTP_BEGINS: Recognise = Recognise {
    patterns: &[
        start_nocase(b"220 (", ToClient, OVER_TCP),
        start_nocase(b"FEAT", ToServer, OVER_TCP),
        start_nocase(b"USER ", ToServer, OVER_TCP),
        start_nocase(b"PASS ", ToServer, OVER_TCP),
        start_nocase(b"PORT ", ToServer, OVER_TCP),
    ],
    probes: &[Probe { over: OVER_TCP, ports: &[21], probe: probe_ftp, dirs: 3, min_bytes: 0 }],
    confirm: Some(confirm_ftp),
    first: 0,
};

fn confirm_ftp(_: &[u8], seen: &Seen) -> Verdict {
    yes_if(seen.pattern.dir == ToClient || !is(seen.other, "pop3"))
}

fn probe_ftp(b: &[u8], dir: Dir) -> Verdict {
    match dir {
        ToClient => probe_banner(b, dir),
        ToServer if b.len() < 5 => Verdict::Unsure,
        ToServer => yes_if(b.get(..4) == Some(b"QUIT")),
    }
}

/// How SSH begins (RFC 4253 4.2).
pub const SSH_BEGINS: Recognise = Recognise {
    patterns: &[start_nocase(b"SSH-", ToServer, OVER_TCP), start_nocase(b"SSH-", ToClient, OVER_TCP)],
    probes: &[],
    confirm: None,
    first: 0,
};

const BOTH: u8 = OVER_TCP | OVER_UDP;

/// How SIP begins (RFC 3261).
pub const SIP_BEGINS: Recognise = Recognise {
    patterns: &[
        start(b"REGISTER", ToServer, BOTH),
        start(b"INVITE", ToServer, BOTH),
        start(b"ACK", ToServer, BOTH),
        start(b"BYE", ToServer, BOTH),
        start(b"CANCEL", ToServer, BOTH),
        start(b"UPDATE", ToServer, BOTH),
        start(b"REFER", ToServer, BOTH),
        start(b"PRACK", ToServer, BOTH),
        start(b"SUBSCRIBE", ToServer, BOTH),
        start(b"NOTIFY", ToServer, BOTH),
        start(b"PUBLISH", ToServer, BOTH),
        start(b"MESSAGE", ToServer, BOTH),
        start(b"INFO", ToServer, BOTH),
        start(b"OPTIONS", ToServer, BOTH),
        start(b"SIP/2.0", ToClient, BOTH),
        start(b"SIP/2.0", ToServer, BOTH),
    ],
    probes: &[],
    confirm: Some(confirm_sip),
    first: 0,
};

/// Several methods are HTTP's and RTSP's as well: the version at the end of the line tells.
fn confirm_sip(b: &[u8], _: &Seen) -> Verdict {
    let line = b.split(|c| *c == b'\n').next().unwrap_or(b);
    if b.starts_with(b"SIP/2.0") || line.windows(7).any(|w| w == b"SIP/2.0") {
        Verdict::Yes
    } else if line.len() == b.len() && b.len() < 256 {
        Verdict::Unsure
    } else {
        Verdict::No
    }
}

pub static SIP: ProtoDef = def("sip", BOTH, SIP_BEGINS);
