//! RoCEv2: InfiniBand transport headers in UDP (InfiniBand Architecture vol. 1, ch. 9, and annex A17).

use super::{Packet, Roce, Span};

/// Services: the upper three bits of an opcode.
const RC: u8 = 0;
const UC: u8 = 1;
const RD: u8 = 2;
const UD: u8 = 3;

/// Decodes the base transport header and its extensions; `false` when the payload is too short for one.
pub(super) fn decode(p: &mut Packet<'_>, off: usize, end: usize) -> bool {
    let Some((mut r, from, to)) = p.data.get(off..end).and_then(read) else { return false };
    if from < to {
        r.data = Span::new(off + from, to - from);
    }
    p.roce = Some(r);
    true
}

/// Reads the headers at the start of a datagram: they, and where the data begins and ends. `None` when it is too short
/// or of another version of the transport.
pub fn read(b: &[u8]) -> Option<(Roce, usize, usize)> {
    let h = b.first_chunk::<12>()?;
    // Transport version 0 is the only one there is.
    if h[1] & 0x0f != 0 {
        return None;
    }
    let opcode = h[0];
    let mut r = Roce {
        opcode,
        solicited: h[1] & 0x80 != 0,
        pad: h[1] >> 4 & 3,
        pkey: u16::from_be_bytes([h[2], h[3]]),
        dest_qp: u32::from_be_bytes([0, h[5], h[6], h[7]]),
        ack_req: h[8] & 0x80 != 0,
        psn: u32::from_be_bytes([0, h[9], h[10], h[11]]),
        ..Roce::default()
    };
    let parts = extensions(opcode);
    let mut at = 12;
    if opcode >> 5 == RD {
        at += 4;
    }
    if parts & DETH != 0 || opcode >> 5 == RD {
        if let Some(&[a, b, c, d, _, e, f, g]) = chunk::<8>(b, at) {
            r.deth = Some((u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([0, e, f, g])));
        }
        at += 8;
    }
    if parts & RETH != 0 {
        if let Some(&[a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, q]) = chunk::<16>(b, at) {
            let va = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
            r.reth = Some((va, u32::from_be_bytes([i, j, k, l]), u32::from_be_bytes([m, n, o, q])));
        }
        at += 16;
    }
    if parts & ATOMIC != 0 {
        at += 28;
    }
    if parts & AETH != 0 {
        if let Some(&[s, a, b, c]) = chunk::<4>(b, at) {
            r.aeth = Some((s, u32::from_be_bytes([0, a, b, c])));
        }
        at += 4;
    }
    if parts & ATOMIC_ACK != 0 {
        at += 8;
    }
    if parts & IMMEDIATE != 0 {
        r.immediate = chunk::<4>(b, at).map(|b| u32::from_be_bytes(*b));
        at += 4;
    }
    if parts & INVALIDATE != 0 {
        at += 4;
    }
    // The invariant CRC and the pad follow the data.
    Some((r, at, b.len().saturating_sub(4 + usize::from(r.pad))))
}

/// `N` bytes at `at`.
fn chunk<const N: usize>(b: &[u8], at: usize) -> Option<&[u8; N]> {
    b.get(at..)?.first_chunk()
}

const DETH: u8 = 1;
const RETH: u8 = 2;
const AETH: u8 = 4;
const IMMEDIATE: u8 = 8;
const ATOMIC: u8 = 16;
const ATOMIC_ACK: u8 = 32;
const INVALIDATE: u8 = 64;

/// Which extension headers an opcode has (table 38 of the architecture).
const fn extensions(opcode: u8) -> u8 {
    let service = opcode >> 5;
    if service == UD {
        return match opcode & 0x1f {
            4 => DETH,
            5 => DETH | IMMEDIATE,
            _ => 0,
        };
    }
    if service > UD {
        return 0;
    }
    match opcode & 0x1f {
        3 | 5 => IMMEDIATE,
        6 | 10 => RETH,
        9 => IMMEDIATE,
        11 => RETH | IMMEDIATE,
        12 => RETH,
        13 | 15 | 16 | 17 => AETH,
        18 => AETH | ATOMIC_ACK,
        19 | 20 => ATOMIC,
        22 | 23 => INVALIDATE,
        _ => 0,
    }
}

/// The name of an opcode: its service and operation, as packet analysers write them.
pub const fn opcode_name(opcode: u8) -> &'static str {
    const RC_NAMES: [&str; 24] = [
        "RC_SEND_FIRST",
        "RC_SEND_MIDDLE",
        "RC_SEND_LAST",
        "RC_SEND_LAST_IMMEDIATE",
        "RC_SEND_ONLY",
        "RC_SEND_ONLY_IMMEDIATE",
        "RC_RDMA_WRITE_FIRST",
        "RC_RDMA_WRITE_MIDDLE",
        "RC_RDMA_WRITE_LAST",
        "RC_RDMA_WRITE_LAST_IMMEDIATE",
        "RC_RDMA_WRITE_ONLY",
        "RC_RDMA_WRITE_ONLY_IMMEDIATE",
        "RC_RDMA_READ_REQUEST",
        "RC_RDMA_READ_RESPONSE_FIRST",
        "RC_RDMA_READ_RESPONSE_MIDDLE",
        "RC_RDMA_READ_RESPONSE_LAST",
        "RC_RDMA_READ_RESPONSE_ONLY",
        "RC_ACKNOWLEDGE",
        "RC_ATOMIC_ACKNOWLEDGE",
        "RC_CMP_SWAP",
        "RC_FETCH_ADD",
        "RC_RESYNC",
        "RC_SEND_LAST_INVALIDATE",
        "RC_SEND_ONLY_INVALIDATE",
    ];
    const UC_NAMES: [&str; 12] = [
        "UC_SEND_FIRST",
        "UC_SEND_MIDDLE",
        "UC_SEND_LAST",
        "UC_SEND_LAST_IMMEDIATE",
        "UC_SEND_ONLY",
        "UC_SEND_ONLY_IMMEDIATE",
        "UC_RDMA_WRITE_FIRST",
        "UC_RDMA_WRITE_MIDDLE",
        "UC_RDMA_WRITE_LAST",
        "UC_RDMA_WRITE_LAST_IMMEDIATE",
        "UC_RDMA_WRITE_ONLY",
        "UC_RDMA_WRITE_ONLY_IMMEDIATE",
    ];
    let op = (opcode & 0x1f) as usize;
    match opcode >> 5 {
        RC if op < RC_NAMES.len() => RC_NAMES[op],
        UC if op < UC_NAMES.len() => UC_NAMES[op],
        RD => "RD",
        UD if op == 4 => "UD_SEND_ONLY",
        UD if op == 5 => "UD_SEND_ONLY_IMMEDIATE",
        4 if op == 1 => "CNP",
        _ => "UNKNOWN",
    }
}
