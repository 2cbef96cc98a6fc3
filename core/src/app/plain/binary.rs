//! Beginnings of SMB, DCERPC, NFS and Kerberos.

use super::{be16, be32, ber, start, yes_if};
use crate::Dir;
use crate::Dir::{ToClient, ToServer};
use crate::app::{OVER_TCP, OVER_UDP, Pattern, Probe, Recognise, Seen, Verdict};

const fn at4(bytes: &'static [u8], dir: Dir) -> Pattern {
    Pattern { bytes, caseless: false, offset: 4, depth: 8, dir, over: OVER_TCP }
}

/// How SMB begins: a NetBIOS session header, then the magic of version 1, 2 or an encrypted 3.
pub const SMB_BEGINS: Recognise = Recognise {
    patterns: &[
        at4(b"\xffSMB", ToServer),
        at4(b"\xffSMB", ToClient),
        at4(b"\xfeSMB", ToServer),
        at4(b"\xfeSMB", ToClient),
        at4(b"\xfdSMB", ToServer),
        at4(b"\xfdSMB", ToClient),
    ],
    probes: &[Probe { over: OVER_TCP, ports: &[139, 445], probe: probe_smb, dirs: 3, min_bytes: 36 }],
    confirm: Some(confirm_smb),
    first: 0,
};

fn smb_magic(b: &[u8]) -> bool {
    matches!(b.get(4..8), Some([0xfd..=0xff, b'S', b'M', b'B']))
}

fn confirm_smb(b: &[u8], seen: &Seen) -> Verdict {
    if b.len() < 36 {
        return Verdict::Unsure;
    }
    if !smb_magic(b) || b.first() != Some(&0) {
        return Verdict::No;
    }
    let [client, server] = seen.ports;
    if client == 445 && server != 445 { Verdict::Reversed } else { Verdict::Yes }
}

fn probe_smb(b: &[u8], _: Dir) -> Verdict {
    match b.first() {
        None => Verdict::Unsure,
        Some(0) => {
            if b.len() < 8 {
                Verdict::Unsure
            } else {
                yes_if(smb_magic(b))
            }
        }
        // Another NetBIOS session packet comes first: look at what follows it.
        Some(0x81..=0x85) => {
            let Some(len) = be16(b, 2) else { return Verdict::Unsure };
            match b.get(4 + usize::from(len)..) {
                Some(next) if next.len() >= 8 => yes_if(smb_magic(next)),
                _ => yes_if(b.first() != Some(&0x85) && len <= 68),
            }
        }
        Some(_) => Verdict::No,
    }
}

/// How DCERPC begins (C706): version 5 over TCP, version 4 over UDP.
pub const DCERPC_BEGINS: Recognise = Recognise {
    patterns: &[
        start(b"\x05\x00", ToServer, OVER_TCP),
        start(b"\x05\x00", ToClient, OVER_TCP),
        start(b"\x04\x00", ToServer, OVER_UDP),
    ],
    probes: &[],
    confirm: Some(confirm_dcerpc),
    first: 0,
};

fn confirm_dcerpc(b: &[u8], seen: &Seen) -> Verdict {
    let reversed = |is_request: bool| {
        if is_request == (seen.dir == ToServer) { Verdict::Yes } else { Verdict::Reversed }
    };
    if seen.pattern.over == OVER_UDP {
        let (Some(kind), Some(flags2), Some(&[d0, d1]), true) =
            (b.get(1), b.get(3), b.get(4..6).and_then(|d| d.first_chunk::<2>()), b.len() >= 80)
        else {
            return Verdict::No;
        };
        if flags2 & 0xfc != 0 || d0 & 0xee != 0 || d1 > 3 {
            return Verdict::No;
        }
        return match kind {
            0 | 1 | 8 => reversed(true),
            2..=7 | 9 | 10 => reversed(false),
            _ => Verdict::No,
        };
    }
    if b.len() < 16 {
        return Verdict::Unsure;
    }
    let (Some(minor), Some(kind), Some(&[d0, d1])) =
        (b.get(1), b.get(2), b.get(4..6).and_then(|d| d.first_chunk::<2>()))
    else {
        return Verdict::No;
    };
    if *minor > 1 || d0 & 0xee != 0 || d1 > 3 || *kind > 19 {
        return Verdict::No;
    }
    reversed(matches!(kind, 0 | 11 | 14 | 16 | 18 | 19))
}

/// How NFS begins: ONC RPC (RFC 5531) of program 100003.
pub const NFS_BEGINS: Recognise = Recognise {
    patterns: &[],
    probes: &[
        Probe { over: OVER_TCP, ports: &[2049], probe: probe_nfs_tcp, dirs: 3, min_bytes: 28 },
        Probe { over: OVER_UDP, ports: &[2049], probe: probe_nfs_udp, dirs: 3, min_bytes: 0 },
    ],
    confirm: None,
    first: 0,
};

fn probe_nfs_tcp(b: &[u8], _: Dir) -> Verdict {
    if b.len() < 28 {
        return Verdict::Unsure;
    }
    let len = be32(b, 0).unwrap_or(0) & 0x7fff_ffff;
    match be32(b, 8) {
        Some(0) => yes_if(len >= 40 && call(b.get(4..).unwrap_or(&[]))),
        Some(1) => yes_if(len >= 24 && reply(b.get(4..).unwrap_or(&[]))),
        _ => Verdict::No,
    }
}

fn probe_nfs_udp(b: &[u8], _: Dir) -> Verdict {
    match be32(b, 4) {
        // A call of procedure 0 without credentials, as those who look for servers make, is none yet.
        Some(0) => yes_if(b.len() >= 48 && call(b)),
        Some(1) => yes_if(b.len() >= 32 && reply(b)),
        _ => Verdict::No,
    }
}

fn call(b: &[u8]) -> bool {
    be32(b, 8) == Some(2) && be32(b, 12) == Some(100_003) && matches!(be32(b, 16), Some(2..=4))
}

fn reply(b: &[u8]) -> bool {
    be32(b, 8) == Some(0) && be32(b, 12).is_some_and(|flavor| flavor <= 6)
}

/// How Kerberos begins (RFC 4120).
pub const KRB5_BEGINS: Recognise = Recognise {
    patterns: &[],
    probes: &[
        Probe { over: OVER_TCP, ports: &[88], probe: probe_krb5_tcp, dirs: 3, min_bytes: 0 },
        Probe { over: OVER_UDP, ports: &[88], probe: probe_krb5, dirs: 3, min_bytes: 0 },
    ],
    confirm: None,
    first: 0,
};

fn probe_krb5_tcp(b: &[u8], dir: Dir) -> Verdict {
    if b.len() < 14 {
        return Verdict::Unsure;
    }
    match be32(b, 0) {
        Some(len) if len <= 16384 => probe_krb5(b.get(4..).unwrap_or(&[]), dir),
        _ => Verdict::No,
    }
}

fn probe_krb5(b: &[u8], _: Dir) -> Verdict {
    if b.len() < 10 {
        return Verdict::Unsure;
    }
    let Some((id, _, at)) = ber(b) else { return Verdict::No };
    if id & 0xc0 != 0x40 || id & 0x1f > 30 {
        return Verdict::No;
    }
    let Some((0x30, _, inner)) = b.get(at..).and_then(ber) else { return Verdict::No };
    // pvno: a context tag, then INTEGER 5.
    yes_if(b.get(at + inner + 2..at + inner + 5) == Some(&[2, 1, 5]))
}
