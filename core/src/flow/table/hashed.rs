//! The first stage over a burst: a packet or its head in, the key of its flow hashed out.

use super::super::entry;
use super::super::key::{Kind, key_of};
use super::{FlowTable, Key, NIL};
use crate::packet::{Addr, Head, L3, L4, Packet};

/// What a packet's flow key is, computed once per packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hashed {
    /// What an entry of a bucket says of the flow, its own part apart; see [`entry`].
    pub(super) want: [u64; 2],
    pub(super) hash: u64,
    /// The flow that its bucket named for it when its lines were asked for: a guess.
    pub(super) hint: u32,
    pub(super) kind: Kind,
    /// The ends were exchanged to have them in order.
    pub(super) flipped: bool,
}

impl Hashed {
    pub(crate) const NONE: Hashed =
        Hashed { want: [0; 2], hash: 0, hint: NIL, kind: Kind::None, flipped: false };

    #[cfg(test)]
    pub(in super::super) fn sum(&self) -> (u64, [u64; 2]) {
        (self.hash, self.want)
    }

    /// Whether packets of this kind have a flow.
    pub fn is_tracked(&self) -> bool {
        self.kind != Kind::None
    }

    /// The entry alone says that a flow is the right one.
    #[inline]
    pub(super) const fn is_exact(&self) -> bool {
        entry::is_exact(self.want)
    }
}

impl FlowTable {
    /// The key of `pkt` and its hash: the first stage over a burst.
    #[inline]
    pub fn hash(&self, pkt: &Packet<'_>) -> Hashed {
        if pkt.l3 == L3::Ipv4
            && matches!(pkt.l4, L4::Tcp | L4::Udp)
            && !pkt.invalid
            && self.untagged(&pkt.vlan, pkt.recursion)
        {
            return self.hash_plain(&pkt.src, &pkt.dst, pkt.sp, pkt.dp, pkt.l4 == L4::Udp, Kind::Plain);
        }
        self.hash_any(pkt)
    }

    /// The same for a head.
    #[inline]
    pub fn hash_head(&self, head: &Head) -> Hashed {
        if !head.v6 && (head.vlans == 0 || !self.cfg.vlan_tracking) {
            return self.hash_plain(&head.src, &head.dst, head.sp, head.dp, head.proto == 17, Kind::Plain);
        }
        self.hash_key(&Key::of_head(head), Kind::Plain)
    }

    #[inline(never)]
    pub(super) fn hash_any(&self, pkt: &Packet<'_>) -> Hashed {
        let (key, kind) = key_of(pkt);
        if kind == Kind::None { Hashed::NONE } else { self.hash_key(&key, kind) }
    }

    /// Nothing but addresses, ports and protocol tells the flow apart.
    #[inline]
    fn untagged(&self, vlan: &[u16; 3], recursion: u8) -> bool {
        (*vlan == [0; 3] || !self.cfg.vlan_tracking) && self.cfg.depth(recursion) == 0
    }

    /// TCP and UDP over IPv4, which is nearly every packet: the entry is the key.
    #[inline(always)]
    fn hash_plain(&self, src: &Addr, dst: &Addr, sp: u16, dp: u16, udp: bool, kind: Kind) -> Hashed {
        let number = |a: &Addr| u32::from_le_bytes([a.0[0], a.0[1], a.0[2], a.0[3]]);
        let end = |a: &Addr, p: u16| u64::from(number(a)) << 16 | u64::from(p);
        let (s, d) = (end(src, sp), end(dst, dp));
        let flipped = d < s;
        let (a, b) = if flipped { (d, s) } else { (s, d) };
        let w0 = a >> 16 | b >> 16 << 32;
        let ports = (a & 0xffff) | (b & 0xffff) << 16;
        let what = if udp { entry::UDP } else { entry::TCP };
        let hash = self.nh.two(w0, ports | what);
        Hashed { want: [w0, ports | what], hash, hint: NIL, kind, flipped }
    }

    /// Any key. What does not fit into an entry leaves 96 bits of a second hash there, and the flow's key decides.
    #[inline(never)]
    pub(super) fn hash_key(&self, key: &Key, kind: Kind) -> Hashed {
        if !key.v6 && matches!(key.proto, 6 | 17) && self.untagged(&key.vlan, key.recursion) {
            return self.hash_plain(&key.src, &key.dst, key.sp, key.dp, key.proto == 17, kind);
        }
        let vlan = if self.cfg.vlan_tracking { key.vlan } else { [0; 3] };
        let rec = self.cfg.depth(key.recursion);
        let number = |a: &Addr| u128::from_le_bytes(a.0);
        let (sp, dp) = key.cmp_ports();
        let (src, dst) = (number(&key.src), number(&key.dst));
        let flipped = kind != Kind::OneWay && (dst, dp) < (src, sp);
        let (a, b, pa, pb) = if flipped { (dst, src, dp, sp) } else { (src, dst, sp, dp) };
        let w4 = u64::from(pa) | u64::from(pb) << 16 | u64::from(key.proto) << 32 | u64::from(rec) << 40;
        let w5 = u64::from(vlan[0])
            | u64::from(vlan[1]) << 16
            | u64::from(vlan[2]) << 32
            | u64::from(key.v6) << 48;
        let [hash, more] = self.nh.six([a as u64, (a >> 64) as u64, b as u64, (b >> 64) as u64, w4, w5]);
        Hashed { want: [more, hash >> 32 | entry::BY_KEY], hash, hint: NIL, kind, flipped }
    }
}
