//! Beginnings of protocols of lines of text.

use super::{is, start, start_nocase, yes_if};
use crate::Dir;
use crate::Dir::{ToClient, ToServer};
use crate::app::{OVER_TCP, OVER_UDP, Probe, Recognise, Seen, Verdict};

/// How SMTP begins (RFC 5321).
pub const SMTP_BEGINS: Recognise = Recognise {
    patterns: &[
        start_nocase(b"EHLO", ToServer, OVER_TCP),
        start_nocase(b"HELO", ToServer, OVER_TCP),
        start_nocase(b"QUIT", ToServer, OVER_TCP),
    ],
    probes: &[Probe { over: OVER_TCP, ports: &[25, 465], probe: probe_smtp, dirs: 2, min_bytes: 0 }],
    confirm: None,
    first: 0,
};

/// An SMTP server greets with its name.
fn probe_smtp(b: &[u8], dir: Dir) -> Verdict {
    let name = b.get(4..).unwrap_or(&[]);
    let n = name
        .iter()
        .position(|c| !(c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-')))
        .unwrap_or(name.len());
    match probe_banner(b, dir) {
        Verdict::Likely if n == 0 => Verdict::No,
        v => v,
    }
}

/// A server's `220` greets in SMTP and FTP alike: it does not count beside a client that was recognised as
/// something else.
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

/// How SIP begins (RFC 3261).
pub const SIP_BEGINS: Recognise = Recognise {
    patterns: &[
        start(b"REGISTER", ToServer, OVER_TCP),
        start(b"INVITE", ToServer, OVER_TCP),
        start(b"ACK", ToServer, OVER_TCP),
        start(b"BYE", ToServer, OVER_TCP),
        start(b"CANCEL", ToServer, OVER_TCP),
        start(b"UPDATE", ToServer, OVER_TCP),
        start(b"REFER", ToServer, OVER_TCP),
        start(b"PRACK", ToServer, OVER_TCP),
        start(b"SUBSCRIBE", ToServer, OVER_TCP),
        start(b"NOTIFY", ToServer, OVER_TCP),
        start(b"PUBLISH", ToServer, OVER_TCP),
        start(b"MESSAGE", ToServer, OVER_TCP),
        start(b"INFO", ToServer, OVER_TCP),
        start(b"OPTIONS", ToServer, OVER_TCP),
        start(b"SIP/2.0", ToClient, OVER_TCP),
        start(b"SIP/2.0", ToServer, OVER_TCP),
        start(b"REGISTER", ToServer, OVER_UDP),
        start(b"INVITE", ToServer, OVER_UDP),
        start(b"ACK", ToServer, OVER_UDP),
        start(b"BYE", ToServer, OVER_UDP),
        start(b"CANCEL", ToServer, OVER_UDP),
        start(b"UPDATE", ToServer, OVER_UDP),
        start(b"REFER", ToServer, OVER_UDP),
        start(b"PRACK", ToServer, OVER_UDP),
        start(b"SUBSCRIBE", ToServer, OVER_UDP),
        start(b"NOTIFY", ToServer, OVER_UDP),
        start(b"PUBLISH", ToServer, OVER_UDP),
        start(b"MESSAGE", ToServer, OVER_UDP),
        start(b"INFO", ToServer, OVER_UDP),
        start(b"OPTIONS", ToServer, OVER_UDP),
        start(b"SIP/2.0", ToClient, OVER_UDP),
    ],
    probes: &[Probe { over: OVER_UDP, ports: &[5060, 5061], probe: probe_sip, dirs: 3, min_bytes: 0 }],
    confirm: Some(confirm_sip),
    first: 0,
};

/// The first line: a request towards the server, a response towards the client.
fn probe_sip(b: &[u8], dir: Dir) -> Verdict {
    let Some(end) = b.iter().position(|c| matches!(c, b'\r' | b'\n')) else { return Verdict::No };
    let line = b.get(..end).unwrap_or(b);
    yes_if(match dir {
        ToServer => line.ends_with(b" SIP/2.0") || line.ends_with(b" SIP/1.0"),
        ToClient => line.starts_with(b"SIP/"),
    })
}

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
