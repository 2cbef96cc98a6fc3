//! What is kept of a datagram whose fragments are awaited, and of each fragment.

use super::NIL;
use super::overlap::{Extent, Rule};
use crate::keyed::Sip13;
use crate::packet::{Addr, Packet};
use crate::pool::PBuf;

/// What the fragments of one datagram have in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) src: Addr,
    pub(super) dst: Addr,
    pub(super) id: u32,
    /// IPv4: the protocol. IPv6 fragments may differ in it, so it is the fragment header's own number.
    pub(super) proto: u8,
    pub(super) v6: bool,
    pub(super) recursion: u8,
    pub(super) vlan: [u16; 3],
}

impl Key {
    pub(super) fn of(p: &Packet<'_>, id: u32) -> Key {
        Key {
            src: p.src,
            dst: p.dst,
            id,
            proto: p.proto,
            v6: p.is_ipv6(),
            recursion: p.recursion,
            vlan: p.vlan,
        }
    }

    pub(super) fn hash(&self, sip: &Sip13) -> u64 {
        let word = |b: &[u8; 16], at: usize| {
            b.get(at..).and_then(|b| b.first_chunk::<8>()).map_or(0, |b| u64::from_le_bytes(*b))
        };
        let what = u64::from(self.id)
            | u64::from(self.proto) << 32
            | u64::from(self.recursion) << 40
            | u64::from(self.v6) << 48;
        let vlan = u64::from(self.vlan[0]) | u64::from(self.vlan[1]) << 16 | u64::from(self.vlan[2]) << 32;
        sip.words([
            word(&self.src.0, 0),
            word(&self.src.0, 8),
            word(&self.dst.0, 0),
            word(&self.dst.0, 8),
            what,
            vlan,
        ])
    }
}

#[derive(Debug)]
pub(super) struct Tracker {
    pub(super) key: Key,
    pub(super) hash: u64,
    pub(super) rule: Rule,
    /// Head and tail of the fragments, in order of offset.
    pub(super) first: u32,
    pub(super) last: u32,
    pub(super) count: u32,
    /// Of many fragments: see [`super::index`].
    pub(super) index: PBuf,
    /// Bytes held, overlaps counted twice.
    pub(super) held: u32,
    /// Where the fragment that reaches furthest ends.
    pub(super) top: u32,
    pub(super) seen_last: bool,
    /// Looks for a hole that found one although enough bytes were there.
    pub(super) vain: u8,
    /// Time of the last fragment.
    pub(super) ts: u64,
    /// The next tracker of the same bucket.
    pub(super) chain: u32,
    /// Neighbours in the order of `ts`.
    pub(super) older: u32,
    pub(super) newer: u32,
}

impl Default for Tracker {
    fn default() -> Self {
        Tracker {
            key: Key::default(),
            hash: 0,
            rule: Rule::Bsd,
            first: NIL,
            last: NIL,
            count: 0,
            index: PBuf::new(),
            held: 0,
            top: 0,
            seen_last: false,
            vain: 0,
            ts: 0,
            chain: NIL,
            older: NIL,
            newer: NIL,
        }
    }
}

#[derive(Debug)]
pub(super) struct Frag {
    pub(super) x: Extent,
    /// More fragments follow it.
    pub(super) more: bool,
    /// Neighbours in order of offset.
    pub(super) next: u32,
    pub(super) prev: u32,
    /// For the first fragment of a datagram the headers before its data, then the data.
    pub(super) bytes: PBuf,
    pub(super) head: u32,
    pub(super) l3_off: u32,
    pub(super) l3_len: u32,
    pub(super) nh_off: u32,
    pub(super) nh: u8,
    pub(super) link: u16,
}

impl Default for Frag {
    fn default() -> Self {
        Frag {
            x: Extent::default(),
            more: false,
            next: NIL,
            prev: NIL,
            bytes: PBuf::new(),
            head: 0,
            l3_off: 0,
            l3_len: 0,
            nh_off: 0,
            nh: 0,
            link: 0,
        }
    }
}
