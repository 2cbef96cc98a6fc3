//! AF_PACKET: frames of any Linux interface through a ring shared with the kernel (TPACKET_V3), for machines without a
//! port of DPDK. Several rings of one fanout group share an interface: the kernel spreads flows over them, both
//! directions to the same one.
//!
//! In: the name of an interface. Out: [`Block`]s of frames that lie in the ring until the block is dropped. Owns the
//! socket and the mapping (packet(7); Documentation/networking/packet_mmap.rst).
#![allow(unsafe_code)]

pub mod inline;

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tidegate_core::engine::Frame;
use tidegate_core::event::Verdict;
use tidegate_core::packet::Checksum;
use tidegate_core::packet::checksum::Sums;

use super::now_ns;
use super::worker::{Worker, add};

/// Bytes of a block, and blocks of a ring.
const BLOCK: usize = 1 << 20;
const BLOCKS: usize = 32;
/// Milliseconds after which the kernel hands over a block that is not full.
const RETIRE_MS: u32 = 10;
/// Room in front of a frame for a VLAN tag that the kernel took out.
const RESERVE: libc::c_int = 4;
/// Frames given to an engine at a time.
const BURST: usize = 64;

/// Counters of an interface's rings.
#[derive(Debug, Default)]
pub struct RingStats {
    pub packets: AtomicU64,
    /// The ring was full.
    pub drops: AtomicU64,
}

/// One ring of an interface.
#[derive(Debug)]
pub struct Ring {
    fd: OwnedFd,
    map: NonNull<u8>,
    /// The block looked at next.
    at: usize,
    /// LINKTYPE_ of the interface.
    pub link: u16,
    loopback: bool,
    pub stats: Arc<RingStats>,
}

// SAFETY: the mapping belongs to this value alone and is not bound to a thread.
unsafe impl Send for Ring {}

/// Frames handed over by the kernel; goes back to it when dropped.
#[derive(Debug)]
pub struct Block<'r> {
    base: NonNull<u8>,
    left: u32,
    next: usize,
    link: u16,
    loopback: bool,
    _ring: std::marker::PhantomData<&'r mut Ring>,
}

fn option<T>(fd: &OwnedFd, level: libc::c_int, name: libc::c_int, value: &T) -> io::Result<()> {
    // SAFETY: `value` is a plain structure of the kernel's interface, read for its whole size.
    let r = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            level,
            name,
            std::ptr::from_ref(value).cast(),
            size_of::<T>() as libc::socklen_t,
        )
    };
    if r == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// An interface's number and kind (ARPHRD_).
pub fn interface(name: &str) -> io::Result<(i32, u32)> {
    if name.contains('/') || name.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{name}: not an interface")));
    }
    let sys = |what: &str| {
        std::fs::read_to_string(format!("/sys/class/net/{name}/{what}"))
            .map_err(|_| io::Error::new(io::ErrorKind::NotFound, format!("{name}: no such interface")))
    };
    let index = sys("ifindex")?.trim().parse().unwrap_or(0);
    Ok((index, sys("type")?.trim().parse().unwrap_or(1)))
}

/// A socket that hears nothing yet.
fn socket() -> io::Result<OwnedFd> {
    // SAFETY: creates a socket; the protocol 0 keeps frames out until it is bound.
    let raw = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
    if raw < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a new descriptor that nobody else has.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

/// From here on the socket hears everything on an interface, whomever it is for.
fn listen(fd: &OwnedFd, index: i32) -> io::Result<()> {
    // SAFETY: all zeros are a valid sockaddr_ll.
    let mut here: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    here.sll_family = libc::AF_PACKET as u16;
    here.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
    here.sll_ifindex = index;
    // SAFETY: the address is read for its size.
    let r = unsafe {
        libc::bind(
            fd.as_raw_fd(),
            std::ptr::from_ref(&here).cast(),
            size_of::<libc::sockaddr_ll>() as libc::socklen_t,
        )
    };
    if r != 0 {
        return Err(io::Error::last_os_error());
    }
    let promiscuous = libc::packet_mreq {
        mr_ifindex: index,
        mr_type: libc::PACKET_MR_PROMISC as u16,
        mr_alen: 0,
        mr_address: [0; 8],
    };
    option(fd, libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, &promiscuous)
}

/// Adds what the kernel counted on a socket since it was asked last.
fn count(fd: &OwnedFd, stats: &RingStats) {
    // SAFETY: all zeros are a valid tpacket_stats_v3, of which other sockets fill in the beginning.
    let mut s: libc::tpacket_stats_v3 = unsafe { std::mem::zeroed() };
    let mut len = size_of::<libc::tpacket_stats_v3>() as libc::socklen_t;
    // SAFETY: room for the whole structure.
    let r = unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            std::ptr::from_mut(&mut s).cast(),
            &mut len,
        )
    };
    if r == 0 {
        add(&stats.packets, u64::from(s.tp_packets));
        add(&stats.drops, u64::from(s.tp_drops));
    }
}

impl Ring {
    /// Opens a ring on `interface`. `fanout`: the group that shares it, and how many do.
    pub fn open(interface: &str, fanout: Option<u16>) -> io::Result<Ring> {
        let not_there = |e: io::Error| io::Error::new(e.kind(), format!("{interface}: {e}"));
        let (index, kind) = self::interface(interface)?;
        let loopback = kind == u32::from(libc::ARPHRD_LOOPBACK);
        // Tunnels without a link header give IP packets.
        let link = if kind == u32::from(libc::ARPHRD_ETHER) || loopback { 1 } else { 101 };
        let fd = socket().map_err(not_there)?;
        option(
            &fd,
            libc::SOL_PACKET,
            libc::PACKET_VERSION,
            &(libc::tpacket_versions::TPACKET_V3 as libc::c_int),
        )?;
        option(&fd, libc::SOL_PACKET, libc::PACKET_RESERVE, &RESERVE)?;
        let request = libc::tpacket_req3 {
            tp_block_size: BLOCK as u32,
            tp_block_nr: BLOCKS as u32,
            tp_frame_size: 2048,
            tp_frame_nr: (BLOCK / 2048 * BLOCKS) as u32,
            tp_retire_blk_tov: RETIRE_MS,
            tp_sizeof_priv: 0,
            tp_feature_req_word: 0,
        };
        option(&fd, libc::SOL_PACKET, libc::PACKET_RX_RING, &request)?;
        // SAFETY: a new mapping of the ring that was just made, of its whole size.
        let map = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                BLOCK * BLOCKS,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                fd.as_raw_fd(),
                0,
            )
        };
        let map = match NonNull::new(map.cast::<u8>()) {
            Some(m) if map != libc::MAP_FAILED => m,
            _ => return Err(not_there(io::Error::last_os_error())),
        };
        // From here on dropping the ring unmaps it.
        let ring = Ring { fd, map, at: 0, link, loopback, stats: Arc::default() };
        listen(&ring.fd, index).map_err(not_there)?;
        if let Some(group) = fanout {
            // Fragments have no ports, so they would not go where their flow goes: the kernel puts them together before
            // the hash, and the rings get the whole datagram.
            let mode = libc::PACKET_FANOUT_HASH | libc::PACKET_FANOUT_FLAG_DEFRAG as libc::c_uint;
            option(&ring.fd, libc::SOL_PACKET, libc::PACKET_FANOUT, &(u32::from(group) | mode << 16))?;
        }
        Ok(ring)
    }

    fn block(&self) -> NonNull<u8> {
        // SAFETY: `at` is below BLOCKS, so this stays inside the mapping.
        unsafe { self.map.add(self.at * BLOCK) }
    }

    fn status(block: NonNull<u8>) -> &'static AtomicU32 {
        const AT: usize = std::mem::offset_of!(libc::tpacket_block_desc, hdr)
            + std::mem::offset_of!(libc::tpacket_hdr_v1, block_status);
        // SAFETY: the status lies at this offset of every block, is aligned, and is written by the kernel and by us as
        // a whole word. The reference is used at once, while the mapping lives.
        unsafe { AtomicU32::from_ptr(block.as_ptr().add(AT).cast()) }
    }

    /// The next block, after at most `wait`; `None` when there is none yet.
    pub fn next(&mut self, wait: Duration) -> io::Result<Option<Block<'_>>> {
        let block = self.block();
        if Ring::status(block).load(Ordering::Acquire) & libc::TP_STATUS_USER == 0 {
            let mut p = libc::pollfd { fd: self.fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
            let ms = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
            // SAFETY: one pollfd.
            let r = unsafe { libc::poll(&mut p, 1, ms) };
            if r < 0 {
                let e = io::Error::last_os_error();
                return if e.kind() == io::ErrorKind::Interrupted { Ok(None) } else { Err(e) };
            }
            if p.revents & libc::POLLERR != 0 {
                // The interface went down, or away.
                return Err(io::Error::new(io::ErrorKind::NetworkDown, "the interface is down"));
            }
            if Ring::status(block).load(Ordering::Acquire) & libc::TP_STATUS_USER == 0 {
                return Ok(None);
            }
        }
        self.at = (self.at + 1) % BLOCKS;
        // SAFETY: the kernel handed the block over (Acquire above), so its header is written and stays.
        let head = unsafe {
            block
                .as_ptr()
                .add(std::mem::offset_of!(libc::tpacket_block_desc, hdr))
                .cast::<libc::tpacket_hdr_v1>()
                .read_unaligned()
        };
        Ok(Some(Block {
            base: block,
            left: head.num_pkts,
            next: head.offset_to_first_pkt as usize,
            link: self.link,
            loopback: self.loopback,
            _ring: std::marker::PhantomData,
        }))
    }

    /// Adds what the kernel counted since it was asked last.
    pub fn count(&self) {
        count(&self.fd, &self.stats);
    }

    /// Gives frames to a worker until it is told to stop.
    pub fn run(mut self, w: &mut Worker) -> io::Result<()> {
        let mut verdicts = [Verdict::Forward; BURST];
        let mut counted = 0;
        let mut result = Ok(());
        while !w.stopping() {
            let now = now_ns();
            if now.wrapping_sub(counted) > 1_000_000_000 {
                counted = now;
                self.count();
            }
            match self.next(Duration::from_millis(50)) {
                Ok(None) => add(&w.counters.idle, 1),
                Ok(Some(mut block)) => loop {
                    let mut frames = [Frame { ts: 0, link: block.link, ..Frame::default() }; BURST];
                    let n = block.take(&mut frames);
                    if n == 0 {
                        break;
                    }
                    let frames = &frames[..n];
                    add(&w.counters.received, n as u64);
                    add(&w.counters.received_bytes, frames.iter().map(|f| f.data.len() as u64).sum());
                    w.inspect(frames, &mut verdicts[..n]);
                    w.between(now_ns());
                },
                // An interface that went down may come up again.
                Err(e) if e.kind() == io::ErrorKind::NetworkDown => {
                    std::thread::sleep(Duration::from_millis(100));
                }
                Err(e) => {
                    result = Err(e);
                    break;
                }
            }
            w.between(now_ns());
        }
        self.count();
        w.finish();
        result
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: the whole mapping, which nobody borrows any more.
        unsafe { libc::munmap(self.map.as_ptr().cast(), BLOCK * BLOCKS) };
    }
}

impl<'r> Block<'r> {
    /// The next frames of the block; how many. Frames stay valid as long as the block, which `'b` keeps borrowed.
    pub fn take<'b>(&'b mut self, out: &mut [Frame<'b>]) -> usize {
        let mut n = 0;
        while n < out.len() && self.left > 0 {
            self.left -= 1;
            let at = self.next;
            let size = size_of::<libc::tpacket3_hdr>();
            if at.checked_add(size + size_of::<libc::sockaddr_ll>() + 8).is_none_or(|end| end > BLOCK) {
                self.left = 0;
                break;
            }
            // SAFETY: the header lies inside the block, which is ours until it is given back.
            let h = unsafe { self.base.as_ptr().add(at).cast::<libc::tpacket3_hdr>().read_unaligned() };
            self.next = at.saturating_add(h.tp_next_offset as usize);
            let mut start = at + usize::from(h.tp_mac);
            let mut len = h.tp_snaplen as usize;
            if start.checked_add(len).is_none_or(|end| end > BLOCK)
                || start < at + size + usize::try_from(RESERVE).unwrap_or(0)
            {
                continue;
            }
            if self.loopback {
                // TPACKET_ALIGN(sizeof(struct tpacket3_hdr))
                let address = at + size.next_multiple_of(16);
                // SAFETY: the address follows the header, inside the block (checked above).
                let a =
                    unsafe { self.base.as_ptr().add(address).cast::<libc::sockaddr_ll>().read_unaligned() };
                // What leaves by the loopback comes in by it, too.
                if a.sll_pkttype == libc::PACKET_OUTGOING {
                    continue;
                }
            }
            if h.tp_status & libc::TP_STATUS_VLAN_VALID != 0 && len >= 12 {
                let tpid = if h.tp_status & libc::TP_STATUS_VLAN_TPID_VALID != 0 {
                    h.hv1.tp_vlan_tpid
                } else {
                    libc::ETH_P_8021Q as u16
                };
                // SAFETY: four reserved bytes lie in front of the frame (checked above); the addresses move into them,
                // and the tag takes the place behind. The block is ours.
                unsafe {
                    let to = self.base.as_ptr().add(start - 4);
                    std::ptr::copy(to.add(4), to, 12);
                    to.add(12).cast::<[u8; 2]>().write(tpid.to_be_bytes());
                    to.add(14).cast::<[u8; 2]>().write((h.hv1.tp_vlan_tci as u16).to_be_bytes());
                }
                start -= 4;
                len += 4;
            }
            // SAFETY: inside the block (checked above), written by the kernel before it was handed over, and left alone
            // until the block is dropped, which the borrow of `self` delays.
            let data = unsafe { std::slice::from_raw_parts(self.base.as_ptr().add(start), len) };
            let ts = u64::from(h.tp_sec) * 1_000_000_000 + u64::from(h.tp_nsec);
            out[n] = Frame { data, ts, link: self.link, sums: sums(h.tp_status), ..Frame::default() };
            n += 1;
        }
        n
    }
}

/// What the kernel says of a frame's checksums: it has checked them, or its own are still to be filled in.
fn sums(status: u32) -> Sums {
    if status & (libc::TP_STATUS_CSUM_VALID | libc::TP_STATUS_CSUMNOTREADY) != 0 {
        // Of the IP header it says nothing here.
        Sums { transport: Checksum::Good, ..Sums::UNKNOWN }
    } else {
        Sums::UNKNOWN
    }
}

impl Drop for Block<'_> {
    fn drop(&mut self) {
        Ring::status(self.base).store(libc::TP_STATUS_KERNEL, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[ignore = "needs root"]
    fn root_loopback_is_heard_once() {
        let mut ring = Ring::open("lo", None).unwrap();
        let from = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        from.send_to(b"tidegate loopback test", to.local_addr().unwrap()).unwrap();
        let mut seen = 0;
        for _ in 0..20 {
            let Some(mut b) = ring.next(Duration::from_millis(50)).unwrap() else { continue };
            loop {
                let mut frames = [Frame::default(); 4];
                let n = b.take(&mut frames);
                seen += frames[..n].iter().filter(|f| f.data.ends_with(b"tidegate loopback test")).count();
                assert!(frames[..n].iter().all(|f| f.ts > 1_600_000_000_000_000_000));
                if n == 0 {
                    break;
                }
            }
        }
        assert_eq!(seen, 1);
        assert!(Ring::open("no-such-interface", None).is_err());
    }
}
