//! Packets in, verdicts out.

use tidegate_core::engine::Frame;
use tidegate_core::event::Verdict;

/// Ethernet, as `link_type`.
pub const TG_LINK_ETHERNET: u16 = 1;
/// IPv4 or IPv6 without a link header, as `link_type`.
pub const TG_LINK_RAW_IP: u16 = 101;

/// LINKTYPE_NULL of captures, whose own number is 0, as `link_type`.
pub const TG_LINK_NULL: u16 = 0xffff;

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
    /// LINKTYPE_ number; 0 is taken for TG_LINK_ETHERNET, and LINKTYPE_NULL is TG_LINK_NULL.
    pub link_type: u16,
    /// Zero.
    pub reserved: u32,
}

const _: () = assert!(size_of::<tg_packet>() == 40);

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
    /// Whether its bytes are there.
    #[inline]
    pub(crate) fn whole(&self) -> bool {
        !self.data.is_null() || self.len == 0
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
        Frame { data, ts: self.ts_ns, link: link(self.link_type), index: self.index, ..Frame::default() }
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
