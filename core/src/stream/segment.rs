//! What a session sees of a packet: its TCP fields, numbers that wrap around, and ranges of them (RFC 9293, RFC 2018).

use crate::Dir;
use crate::packet::Packet;

pub(super) const FIN: u8 = 1;
pub(super) const SYN: u8 = 2;
pub(super) const RST: u8 = 4;
pub(super) const ACK: u8 = 16;
pub(super) const URG: u8 = 32;

/// Greatest window scale (RFC 7323), assumed for sessions picked up in the middle.
pub(super) const WSCALE_MAX: u8 = 14;

/// `a` before `b` in sequence space.
pub(super) const fn lt(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}
pub(super) const fn leq(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) <= 0
}
pub(super) const fn gt(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) > 0
}
pub(super) const fn geq(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) >= 0
}

/// The fields of a packet that the machine looks at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seg {
    pub(super) dir: Dir,
    pub(super) flags: u8,
    pub(super) seq: u32,
    /// `seq` plus the payload's length.
    pub(super) end: u32,
    pub(super) ack: u32,
    pub(super) len: u32,
    pub(super) window: u16,
    pub(super) wscale: Option<u8>,
    pub(super) ts: Option<(u32, u32)>,
    pub(super) sack_ok: bool,
    pub(super) fast_open: bool,
    pub(super) signed: bool,
    /// Packet time, seconds.
    pub(super) now: u32,
    pub(super) sack: SackBlocks,
}

/// The SACK blocks of one packet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SackBlocks {
    pub(super) blocks: [(u32, u32); 4],
    pub(super) n: u8,
}

impl SackBlocks {
    #[inline(never)]
    fn of(pkt: &Packet<'_>) -> SackBlocks {
        let mut sack = SackBlocks::default();
        for (i, b) in pkt.tcp.sack.of(pkt.data).chunks_exact(8).take(4).enumerate() {
            if let (Some(l), Some(r)) = (b.first_chunk::<4>(), b.last_chunk::<4>()) {
                sack.blocks[i] = (u32::from_be_bytes(*l), u32::from_be_bytes(*r));
                sack.n = i as u8 + 1;
            }
        }
        sack
    }
}

impl Seg {
    pub(super) fn new(pkt: &Packet<'_>, dir: Dir, len: u32) -> Seg {
        let t = &pkt.tcp;
        let sack = if t.sack.is_empty() { SackBlocks::default() } else { SackBlocks::of(pkt) };
        Seg {
            dir,
            flags: t.flags,
            seq: t.seq,
            end: t.seq.wrapping_add(len),
            ack: t.ack,
            len,
            window: t.window,
            wscale: t.wscale.map(|w| w.min(WSCALE_MAX)),
            ts: t.timestamp,
            sack_ok: t.sack_permitted,
            fast_open: t.fast_open.is_some(),
            signed: t.signed,
            now: (pkt.ts / 1_000_000_000) as u32,
            sack,
        }
    }

    pub(super) const fn has(&self, flags: u8) -> bool {
        self.flags & flags == flags
    }

    pub(super) const fn any(&self, flags: u8) -> bool {
        self.flags & flags != 0
    }
}

/// What the peer has acknowledged beyond its cumulative acknowledgment: disjoint, sorted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sack {
    ranges: [(u32, u32); 4],
    n: u8,
}

impl Sack {
    /// Bytes covered.
    pub(super) fn size(&self) -> u32 {
        self.ranges[..usize::from(self.n)].iter().fold(0, |s, r| s.wrapping_add(r.1.wrapping_sub(r.0)))
    }

    /// Drops what lies before `ack`.
    pub(super) fn prune(&mut self, ack: u32) {
        if self.n == 0 {
            return;
        }
        let old = *self;
        self.n = 0;
        for &(l, r) in &old.ranges[..usize::from(old.n)] {
            if gt(r, ack) {
                self.ranges[usize::from(self.n)] = (if lt(l, ack) { ack } else { l }, r);
                self.n += 1;
            }
        }
    }

    /// Adds a range; with four held, one that touches none of them is forgotten.
    pub(super) fn add(&mut self, mut l: u32, mut r: u32) {
        let old = *self;
        let mut kept = [(0u32, 0u32); 5];
        let mut n = 0;
        for &(a, b) in &old.ranges[..usize::from(old.n)] {
            if lt(b, l) || gt(a, r) {
                kept[n] = (a, b);
                n += 1;
            } else {
                l = if lt(a, l) { a } else { l };
                r = if gt(b, r) { b } else { r };
            }
        }
        let at = kept[..n].iter().position(|k| gt(k.0, l)).unwrap_or(n);
        kept.copy_within(at..n, at + 1);
        kept[at] = (l, r);
        n += 1;
        self.n = n.min(4) as u8;
        self.ranges.copy_from_slice(&kept[..4]);
    }

    /// Whether all of `blocks` is known already.
    pub(super) fn knows(&self, blocks: &SackBlocks, ack: u32) -> bool {
        blocks.blocks[..usize::from(blocks.n)].iter().all(|&(l, r)| {
            leq(r, ack) || self.ranges[..usize::from(self.n)].iter().any(|&(a, b)| leq(a, l) && geq(b, r))
        })
    }
}
