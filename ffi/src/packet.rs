//! Packets in, verdicts out.

use std::borrow::Cow;

use tidegate_core::engine::Frame;
use tidegate_core::event::Verdict;
use tidegate_core::packet::Checksum;
use tidegate_core::packet::checksum::Sums;

use crate::error::{Error, TG_ERR_INVALID, TG_ERR_NULL};

/// Ethernet, as `link_type`.
pub const TG_LINK_ETHERNET: u16 = 1;
/// IPv4 or IPv6 without a link header, as `link_type`.
pub const TG_LINK_RAW_IP: u16 = 101;

/// LINKTYPE_NULL of captures, whose own number is 0, as `link_type`.
pub const TG_LINK_NULL: u16 = 0xffff;

/// `vlan` is the outermost tag of the packet, which its receiver took out of the bytes. For `flags` of tg_packet.
pub const TG_PACKET_VLAN: u16 = 1;
/// The receiver found the IPv4 header's checksum right.
pub const TG_PACKET_NETWORK_GOOD: u16 = 2;
/// The receiver found it wrong.
pub const TG_PACKET_NETWORK_BAD: u16 = 4;
/// The receiver found the checksum of TCP or UDP right, or the packet never left this machine and its sender's card
/// was to fill it in.
pub const TG_PACKET_TRANSPORT_GOOD: u16 = 8;
/// The receiver found it wrong.
pub const TG_PACKET_TRANSPORT_BAD: u16 = 16;

const KNOWN: u16 = 31;

/// A packet of the caller, who keeps its bytes until the call that it is given to returns. Members that are not known
/// are zero.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct tg_packet {
    /// The frame from its link header on.
    pub data: *const u8,
    /// Its bytes.
    pub len: u32,
    /// Hash that the network card computed; it comes back in events and decides nothing.
    pub rss_hash: u32,
    /// When it was seen, nanoseconds since the Unix epoch. Time in the engine is what packets and tg_engine_tick say.
    pub ts_ns: u64,
    /// Its number in its source, from 1 (EVE `pcap_cnt`); 0: none.
    pub index: u64,
    /// Port it came from; it comes back in events and decides nothing.
    pub port: u16,
    /// LINKTYPE_ number; 0 is taken for TG_LINK_ETHERNET, and LINKTYPE_NULL is TG_LINK_NULL. Packets of unknown ones
    /// are counted (`unknown_link` of tg_stats), told to the log once an engine, and not looked into.
    pub link_type: u16,
    /// Bytes on the wire, when fewer were captured: these are what flows count, and the packet is not taken for a
    /// damaged one. Its headers must be there; fragments must be whole. 0: as many as `len`. A tag that was taken out
    /// does not count.
    pub wire_len: u32,
    /// With TG_PACKET_VLAN: priority and identifier as on the wire (TCI), in the machine's byte order.
    pub vlan: u16,
    /// A sum of TG_PACKET_ values. What is not said of checksums, tg_engine_config decides.
    pub flags: u16,
    /// Zero, else TG_ERR_INVALID.
    pub reserved: u32,
}

const _: () = assert!(size_of::<tg_packet>() == 48);

/// What becomes of a packet: one of the TG_VERDICT_ values.
pub type tg_verdict = u8;
/// It goes on.
pub const TG_VERDICT_FORWARD: tg_verdict = 0;
/// It is dropped.
pub const TG_VERDICT_DROP: tg_verdict = 1;
/// It is dropped, and its sender is told (TCP reset, ICMP unreachable), which is the caller's to do.
pub const TG_VERDICT_REJECT_SRC: tg_verdict = 2;
/// It is dropped, and its receiver is told.
pub const TG_VERDICT_REJECT_DST: tg_verdict = 3;
/// It is dropped, and both ends are told.
pub const TG_VERDICT_REJECT_BOTH: tg_verdict = 4;
/// It goes on, and no further packet of its flow needs to be shown to the engine.
pub const TG_VERDICT_BYPASS: tg_verdict = 5;

impl tg_packet {
    /// Whether its bytes are there, and nothing asks for what is not known here.
    #[inline]
    pub(crate) fn whole(&self) -> bool {
        let said = self.flags != 0 || self.reserved != 0;
        (!self.data.is_null() || self.len == 0) && (!said || self.makes_sense())
    }

    fn makes_sense(&self) -> bool {
        let both = |a: u16, b: u16| self.flags & (a | b) == a | b;
        self.flags & !KNOWN == 0
            && self.reserved == 0
            && !both(TG_PACKET_NETWORK_GOOD, TG_PACKET_NETWORK_BAD)
            && !both(TG_PACKET_TRANSPORT_GOOD, TG_PACKET_TRANSPORT_BAD)
    }

    /// What is wrong with a packet that is not [`tg_packet::whole`].
    #[cold]
    pub(crate) fn wrong(&self) -> Error {
        let (status, text) = if self.data.is_null() && self.len > 0 {
            (TG_ERR_NULL, Cow::Borrowed("data of a packet is NULL"))
        } else if self.reserved != 0 {
            (TG_ERR_INVALID, Cow::Borrowed("reserved of a packet is not 0"))
        } else {
            let text = format!(
                "flags of a packet is {:#x}: a sum of TG_PACKET_ values ({KNOWN:#x} at most), a checksum good or bad",
                self.flags
            );
            (TG_ERR_INVALID, text.into())
        };
        Error { status, text }
    }

    fn sums(&self) -> Sums {
        let of = |good: u16, bad: u16| match self.flags & (good | bad) {
            0 => Checksum::Unchecked,
            f if f == good => Checksum::Good,
            _ => Checksum::Bad,
        };
        Sums {
            network: of(TG_PACKET_NETWORK_GOOD, TG_PACKET_NETWORK_BAD),
            transport: of(TG_PACKET_TRANSPORT_GOOD, TG_PACKET_TRANSPORT_BAD),
        }
    }

    /// The packet as the engine takes it.
    ///
    /// # Safety
    /// It is [`tg_packet::whole`], and its bytes can be read for as long as `'a`.
    #[inline]
    pub(crate) unsafe fn frame<'a>(&self) -> Frame<'a> {
        let data =
            if self.data.is_null() { std::ptr::NonNull::dangling().as_ptr() } else { self.data.cast_mut() };
        // SAFETY: as above; of none any pointer that is not NULL is right.
        let data = unsafe { std::slice::from_raw_parts(data, self.len as usize) };
        let mut f = Frame {
            data,
            ts: self.ts_ns,
            link: link(self.link_type),
            index: self.index,
            wire: self.wire_len,
            ..Frame::default()
        };
        if self.flags != 0 {
            f.sums = self.sums();
            f.vlan = (self.flags & TG_PACKET_VLAN != 0).then_some(self.vlan);
        }
        f
    }
}

/// The engine's number of a link type.
#[inline]
pub(crate) const fn link(given: u16) -> u16 {
    match given {
        0 => TG_LINK_ETHERNET,
        TG_LINK_NULL => 0,
        n => n,
    }
}

/// The number that [`link`] reads as `n`.
pub(crate) const fn link_back(n: u16) -> u16 {
    if n == 0 { TG_LINK_NULL } else { n }
}

#[inline]
pub(crate) const fn verdict(v: Verdict) -> tg_verdict {
    match v {
        Verdict::Forward => TG_VERDICT_FORWARD,
        Verdict::Drop => TG_VERDICT_DROP,
        Verdict::Reject { to_src: true, to_dst: true } => TG_VERDICT_REJECT_BOTH,
        Verdict::Reject { to_src: false, to_dst: true } => TG_VERDICT_REJECT_DST,
        Verdict::Reject { .. } => TG_VERDICT_REJECT_SRC,
        Verdict::Bypass => TG_VERDICT_BYPASS,
    }
}
