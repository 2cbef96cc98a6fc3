//! Packets of DPDK: owned singly ([`Mbuf`]) and by bursts ([`Burst`]).

use std::ffi::CString;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use tidegate_core::packet::Checksum;
use tidegate_core::packet::checksum::Sums;
use tidegate_dpdk_sys as sys;

use super::{DpdkError, Eal};

/// Most packets in a burst.
pub const MAX_BURST: usize = 64;

const IP_SUM: u64 = (sys::TG_RX_IP_CKSUM_GOOD | sys::TG_RX_IP_CKSUM_BAD) as u64;
const L4_SUM: u64 = (sys::TG_RX_L4_CKSUM_GOOD | sys::TG_RX_L4_CKSUM_BAD) as u64;

/// Checksums by flags of a packet of this type. Of tunnels, a port that knows them speaks of the inner packet.
fn sums(flags: u64, kind: u32) -> Sums {
    if kind & sys::TG_PTYPE_TUNNEL != 0 || flags & u64::from(sys::TG_RX_OUTER_CKSUM) != 0 {
        return Sums::UNKNOWN;
    }
    let of = |mask: u64, bad: u32| match flags & mask {
        0 => Checksum::Unchecked,
        n if n == u64::from(bad) => Checksum::Bad,
        // Right, or both bits: not in the data, but known to be right.
        _ => Checksum::Good,
    };
    Sums { network: of(IP_SUM, sys::TG_RX_IP_CKSUM_BAD), transport: of(L4_SUM, sys::TG_RX_L4_CKSUM_BAD) }
}

/// A pool of mbufs. It lives as long as the EAL, which is as long as the process: handles are plain copies.
#[derive(Clone, Copy, Debug)]
pub struct Pool {
    pub(super) raw: NonNull<sys::rte_mempool>,
}

// SAFETY: mempools are made for concurrent use by any thread (rte_mempool.h; flags 0 = multi-producer, multi-consumer).
unsafe impl Send for Pool {}
// SAFETY: as above.
unsafe impl Sync for Pool {}

impl Pool {
    /// Makes a pool of `count` mbufs with `room` bytes of data each, on a memory socket (-1: any).
    pub fn new(_eal: Eal, name: &str, count: u32, room: u16, socket: i32) -> Result<Pool, DpdkError> {
        let c_name = CString::new(name)?;
        // A cache may not exceed two thirds of the pool; 256 is what the drivers' bursts like.
        let cache = if count >= 2048 { 256 } else { 0 };
        let room = room.saturating_add(sys::TG_HEADROOM as u16);
        // SAFETY: the name is NUL-terminated and copied by DPDK; `_eal` proves that the EAL runs.
        let raw = unsafe { sys::tg_pool_create(c_name.as_ptr(), count, cache, room, socket) };
        NonNull::new(raw)
            .map(|raw| Pool { raw })
            .ok_or_else(|| DpdkError::last(format!("a pool of {count} packets of {room} bytes ({name})")))
    }

    /// Mbufs that are free: in the pool or in caches of lcores.
    pub fn available(&self) -> u32 {
        // SAFETY: the pool lives as long as the process.
        unsafe { sys::tg_pool_available(self.raw.as_ptr()) }
    }

    /// All mbufs of the pool.
    pub fn size(&self) -> u32 {
        // SAFETY: as above.
        unsafe { sys::tg_pool_size(self.raw.as_ptr()) }
    }

    /// A packet with a copy of `data`; `None` when the pool is empty or `data` is longer than one mbuf.
    pub fn packet(&self, data: &[u8]) -> Option<Mbuf> {
        let len = u16::try_from(data.len()).ok()?;
        // SAFETY: `data` has `len` bytes; the pool lives.
        let raw = unsafe { sys::tg_mbuf_from(self.raw.as_ptr(), data.as_ptr().cast(), len) };
        NonNull::new(raw).map(|raw| Mbuf { raw })
    }
}

/// A packet (a chain of one or more segments), freed when dropped. There is no second handle to it.
#[derive(Debug)]
#[repr(transparent)]
pub struct Mbuf {
    raw: NonNull<sys::rte_mbuf>,
}

// SAFETY: an mbuf belongs to one handle; pools take mbufs back from any thread.
unsafe impl Send for Mbuf {}

impl Drop for Mbuf {
    fn drop(&mut self) {
        // SAFETY: this handle owns the mbuf and nobody else can name it.
        unsafe { sys::tg_mbuf_free(self.raw.as_ptr()) }
    }
}

impl Mbuf {
    /// Takes an mbuf over.
    ///
    /// # Safety
    /// `raw` must be a valid packet whose only owner is the caller, who must not use it afterwards.
    pub unsafe fn from_raw(raw: NonNull<sys::rte_mbuf>) -> Mbuf {
        Mbuf { raw }
    }

    /// Gives the mbuf away without freeing it.
    pub fn into_raw(self) -> NonNull<sys::rte_mbuf> {
        ManuallyDrop::new(self).raw
    }

    /// Reads a field of the mbuf itself.
    ///
    /// # Safety
    /// A `T` must lie at `offset` of every struct rte_mbuf (the shim computes the offsets with offsetof).
    #[inline(always)]
    unsafe fn field<T: Copy>(&self, offset: u32) -> T {
        // SAFETY: the mbuf is live and the caller names one of its fields.
        unsafe { self.raw.as_ptr().byte_add(offset as usize).cast::<T>().read() }
    }

    /// Bytes of all segments.
    #[inline]
    pub fn len(&self) -> usize {
        // SAFETY: pkt_len is a uint32_t.
        unsafe { self.field::<u32>(sys::TG_MBUF_PKT_LEN) as usize }
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of segments.
    #[inline]
    pub fn segments(&self) -> u16 {
        // SAFETY: nb_segs is a uint16_t.
        unsafe { self.field::<u16>(sys::TG_MBUF_NB_SEGS) }
    }

    /// The port that it came in by.
    #[inline]
    pub fn port(&self) -> u16 {
        // SAFETY: port is a uint16_t.
        unsafe { self.field::<u16>(sys::TG_MBUF_PORT) }
    }

    #[inline]
    fn flags(&self) -> u64 {
        // SAFETY: ol_flags is a uint64_t.
        unsafe { self.field::<u64>(sys::TG_MBUF_OL_FLAGS) }
    }

    /// The hash that the port computed.
    #[inline]
    pub fn rss_hash(&self) -> Option<u32> {
        // SAFETY: hash.rss is the first uint32_t of the union `hash`.
        (self.flags() & u64::from(sys::TG_RX_RSS_HASH) != 0).then(|| unsafe { self.field(sys::TG_MBUF_RSS) })
    }

    /// What the port says of the checksums of the outermost packet.
    #[inline]
    pub fn sums(&self) -> Sums {
        let flags = self.flags();
        if flags & (IP_SUM | L4_SUM) == 0 {
            return Sums::UNKNOWN;
        }
        // SAFETY: packet_type is a uint32_t.
        let kind = unsafe { self.field::<u32>(sys::TG_MBUF_PACKET_TYPE) };
        sums(flags, kind)
    }

    /// The VLAN tag that the port took out of the frame.
    #[inline]
    pub fn stripped_vlan(&self) -> Option<u16> {
        // SAFETY: vlan_tci is a uint16_t.
        (self.flags() & u64::from(sys::TG_RX_VLAN_STRIPPED) != 0)
            .then(|| unsafe { self.field(sys::TG_MBUF_VLAN_TCI) })
    }

    /// Puts a VLAN tag back that the port took out, so that the frame is what was on the wire. `false` when there was no
    /// room for it.
    pub fn restore_vlan(&mut self) -> bool {
        let mut raw = self.raw.as_ptr();
        // SAFETY: the mbuf is live and ours alone; DPDK works in its headroom and may put another mbuf in its place.
        let r = unsafe { sys::tg_mbuf_restore_vlan(&mut raw) };
        if let Some(new) = NonNull::new(raw) {
            self.raw = new;
        }
        r == 0
    }

    /// The bytes of the first segment: the whole frame when there is only one.
    #[inline]
    pub fn head(&self) -> &[u8] {
        // SAFETY: buf_addr, data_off and data_len describe data_len initialised bytes inside the segment's buffer, which
        // lives as long as the mbuf, and nobody writes to them while `self` is borrowed.
        unsafe {
            let buf = self.field::<*const u8>(sys::TG_MBUF_BUF_ADDR);
            let off = self.field::<u16>(sys::TG_MBUF_DATA_OFF);
            let len = self.field::<u16>(sys::TG_MBUF_DATA_LEN);
            if buf.is_null() {
                &[]
            } else {
                std::slice::from_raw_parts(buf.add(usize::from(off)), usize::from(len))
            }
        }
    }

    /// The frame when it is in one segment.
    #[inline]
    pub fn data(&self) -> Option<&[u8]> {
        (self.segments() == 1).then(|| self.head())
    }

    /// Appends all segments to `out`; `false` (and nothing appended) when they exceed its room.
    pub fn copy_to(&self, out: &mut Vec<u8>) -> bool {
        if out.capacity() - out.len() < self.len() {
            return false;
        }
        let before = out.len();
        let mut next = Some(self.raw);
        while let Some(raw) = next {
            // A handle that does not free: the chain is `self`'s.
            let segment = ManuallyDrop::new(Mbuf { raw });
            let bytes = segment.head();
            if out.capacity() - out.len() < bytes.len() {
                out.truncate(before);
                return false;
            }
            out.extend_from_slice(bytes);
            // SAFETY: `next` is a pointer to a segment of the same chain, or NULL.
            next = NonNull::new(unsafe { segment.field::<*mut sys::rte_mbuf>(sys::TG_MBUF_NEXT) });
        }
        true
    }

    #[inline]
    fn wide_field(&self, offset: u32) -> u64 {
        // SAFETY: dynamic fields of eight bytes are registered within the mbuf (rte_mbuf_dyn.h); their offsets come
        // from there.
        unsafe { self.field::<u64>(offset) }
    }
}

/// Where drivers put a packet's time.
#[derive(Clone, Copy, Debug)]
pub struct Timestamps {
    offset: u32,
    flag: u64,
}

impl Timestamps {
    /// Looks it up; `None` while no driver has registered it.
    pub fn find(_eal: Eal) -> Option<Timestamps> {
        let (mut offset, mut flag) = (0, 0);
        // SAFETY: two places for the answers; `_eal` proves that the EAL runs.
        (unsafe { sys::tg_timestamp_lookup(&mut offset, &mut flag) } == 0)
            .then_some(Timestamps { offset: offset as u32, flag })
    }

    /// The packet's time in units of its driver.
    #[inline]
    pub fn of(self, m: &Mbuf) -> Option<u64> {
        (m.flags() & self.flag != 0).then(|| m.wide_field(self.offset))
    }
}

/// A number of our own in each mbuf: the packet's place in its source, for packets that go from lcore to lcore.
#[derive(Clone, Copy, Debug)]
pub struct IndexField {
    offset: u32,
}

impl IndexField {
    /// Registers it.
    pub fn register(_eal: Eal) -> Result<IndexField, DpdkError> {
        // SAFETY: a NUL-terminated name, copied; `_eal` proves that the EAL runs.
        let at = unsafe { sys::tg_field_register(c"tidegate_index".as_ptr(), 8) };
        if at < 0 {
            return Err(DpdkError::last("a field for packet numbers"));
        }
        Ok(IndexField { offset: at as u32 })
    }

    #[inline]
    pub fn get(self, m: &Mbuf) -> u64 {
        m.wide_field(self.offset)
    }

    #[inline]
    pub fn set(self, m: &mut Mbuf, value: u64) {
        // SAFETY: eight aligned bytes at this offset were registered for us; the mbuf is ours alone.
        unsafe { m.raw.as_ptr().byte_add(self.offset as usize).cast::<u64>().write(value) }
    }
}

/// Up to [`MAX_BURST`] packets, owned.
#[derive(Debug)]
pub struct Burst {
    slots: [*mut sys::rte_mbuf; MAX_BURST],
    len: usize,
    _owns: PhantomData<Mbuf>,
}

// SAFETY: as Mbuf.
unsafe impl Send for Burst {}

impl Default for Burst {
    fn default() -> Self {
        Burst::new()
    }
}

impl Drop for Burst {
    fn drop(&mut self) {
        self.free();
    }
}

impl Burst {
    pub const fn new() -> Burst {
        Burst { slots: [std::ptr::null_mut(); MAX_BURST], len: 0, _owns: PhantomData }
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether no packet fits any more.
    pub fn is_full(&self) -> bool {
        self.len == MAX_BURST
    }

    /// The packets.
    #[inline]
    pub fn packets(&self) -> &[Mbuf] {
        // SAFETY: the first `len` slots are non-null, valid packets owned by this burst, and Mbuf is a transparent
        // non-null pointer to one.
        unsafe { std::slice::from_raw_parts(self.slots.as_ptr().cast::<Mbuf>(), self.len) }
    }

    /// The packets, to be changed in place.
    #[inline]
    pub fn packets_mut(&mut self) -> &mut [Mbuf] {
        // SAFETY: as above; exchanging handles within the slice keeps each packet in one slot.
        unsafe { std::slice::from_raw_parts_mut(self.slots.as_mut_ptr().cast::<Mbuf>(), self.len) }
    }

    /// Adds a packet; gives it back when the burst is full.
    #[inline]
    pub fn push(&mut self, m: Mbuf) -> Result<(), Mbuf> {
        match self.slots.get_mut(self.len) {
            Some(slot) => {
                *slot = m.into_raw().as_ptr();
                self.len += 1;
                Ok(())
            }
            None => Err(m),
        }
    }

    /// Takes the last packet out.
    pub fn pop(&mut self) -> Option<Mbuf> {
        self.len = self.len.checked_sub(1)?;
        NonNull::new(self.slots[self.len]).map(|raw| Mbuf { raw })
    }

    /// Takes all packets out, in order, into `f`.
    #[inline]
    pub fn drain(&mut self, mut f: impl FnMut(usize, Mbuf)) {
        // Should `f` panic, the packets that it has not seen are forgotten rather than freed twice.
        let n = std::mem::take(&mut self.len);
        for (i, slot) in self.slots.iter().enumerate().take(n) {
            if let Some(raw) = NonNull::new(*slot) {
                f(i, Mbuf { raw });
            }
        }
    }

    /// Frees all packets.
    #[inline]
    pub fn free(&mut self) {
        let n = std::mem::take(&mut self.len);
        if n != 0 {
            // SAFETY: the first n slots were owned packets; with `len` 0 nobody reaches them again.
            unsafe { sys::tg_mbuf_free_bulk(self.slots.as_mut_ptr(), n as u32) }
        }
    }

    /// Fills the free slots by `take(first free slot, how many there are)`, which says how many it filled.
    ///
    /// # Safety
    /// `take` must write that many owned packets from the first slot on.
    #[inline]
    pub(super) unsafe fn fill(&mut self, take: impl FnOnce(*mut *mut sys::rte_mbuf, u16) -> u16) -> usize {
        let room = MAX_BURST - self.len;
        let n = usize::from(take(self.slots[self.len..].as_mut_ptr(), room as u16)).min(room);
        self.len += n;
        n
    }

    /// Offers the packets to `give(first slot, how many)`, which says how many of the first it took; the rest moves up.
    ///
    /// # Safety
    /// `give` must own the packets that it says it took, and leave the others alone.
    #[inline]
    pub(super) unsafe fn empty(&mut self, give: impl FnOnce(*mut *mut sys::rte_mbuf, u16) -> u16) -> usize {
        if self.len == 0 {
            return 0;
        }
        let n = usize::from(give(self.slots.as_mut_ptr(), self.len as u16)).min(self.len);
        if n < self.len {
            self.slots.copy_within(n..self.len, 0);
        }
        self.len -= n;
        n
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_of_checksums() {
        use Checksum::{Bad, Good, Unchecked};
        let said = |flags: u32, kind| {
            let s = sums(u64::from(flags), kind);
            (s.network, s.transport)
        };
        assert_eq!(said(0, 0), (Unchecked, Unchecked));
        assert_eq!(said(sys::TG_RX_IP_CKSUM_GOOD | sys::TG_RX_L4_CKSUM_BAD, 0), (Good, Bad));
        assert_eq!(said(sys::TG_RX_IP_CKSUM_BAD, 0), (Bad, Unchecked));
        assert_eq!(said(sys::TG_RX_L4_CKSUM_BAD | sys::TG_RX_L4_CKSUM_GOOD, 0), (Unchecked, Good));
        // VXLAN, by its type or because the outer header was looked at, too.
        assert_eq!(said(sys::TG_RX_L4_CKSUM_BAD, 0x3000), (Unchecked, Unchecked));
        assert_eq!(said(sys::TG_RX_L4_CKSUM_BAD | sys::TG_RX_OUTER_CKSUM, 0), (Unchecked, Unchecked));
    }
}
