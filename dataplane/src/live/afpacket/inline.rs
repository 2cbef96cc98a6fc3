//! Two interfaces joined: what comes in by one goes out by the other, unless a verdict says otherwise. Plain AF_PACKET sockets,
//! read and written by bursts: a ring of blocks (as for watching) would hold frames back until a block is full or old.
//!
//! In: the names of two Ethernet interfaces. Out: frames on their way, answers to rejected ones, counters. Owns two sockets and
//! the buffers that frames lie in while they are inspected. The kernel sees the frames as well: the interfaces should
//! have no addresses, and their offloads (GRO, TSO, checksums of others) off, or frames come in that cannot go out.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate_core::engine::Frame;
use tidegate_core::event::Verdict;
use tidegate_core::packet::checksum::Sums;

use super::{RingStats, count, interface, listen, option, socket, sums};
use crate::live::now_ns;
use crate::live::reject::{LONGEST, Rejecter};
use crate::live::worker::{Worker, add};

/// Frames read at a time: what a block list looks up at a time.
const BURST: usize = 64;
/// Room for one frame behind the room for a VLAN tag that the kernel took out.
const TAG: usize = 4;
const ROOM: usize = TAG + (64 << 10) + 64;
/// Bytes that may wait in the kernel, each way.
const WAITING: libc::c_int = 16 << 20;
/// Longest wait for an interface that takes nothing.
const PATIENCE: Duration = Duration::from_millis(2);
/// Longest wait for a frame, milliseconds.
const REST: libc::c_int = 10;

/// One interface.
#[derive(Debug)]
struct Wire {
    name: String,
    fd: OwnedFd,
    buf: Vec<u8>,
    /// The burst: where frames lie in `buf`, and what the kernel says of their checksums.
    frames: [(usize, usize, Sums); BURST],
    stats: Arc<RingStats>,
    /// Frames whose checksums are still to be filled in, and frames too long to be sent: said once.
    unfinished: bool,
    too_long: bool,
    told: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Pair {
    wires: [Wire; 2],
    answer: Vec<u8>,
    rejecter: Rejecter,
    busy: bool,
}

fn last() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

impl Wire {
    fn open(name: &str) -> io::Result<Wire> {
        let (index, kind) = interface(name)?;
        if kind != u32::from(libc::ARPHRD_ETHER) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{name}: not an Ethernet interface"),
            ));
        }
        let fd = socket().map_err(|e| io::Error::new(e.kind(), format!("{name}: {e}")))?;
        option(&fd, libc::SOL_PACKET, libc::PACKET_AUXDATA, &1)?;
        // What we send is heard by everybody who listens there; kernels before 4.20 are told apart by each frame's kind.
        let _ = option(&fd, libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, &1);
        for (force, ask) in [(libc::SO_RCVBUFFORCE, libc::SO_RCVBUF), (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF)]
        {
            // Without the right to more, as much as is allowed.
            if option(&fd, libc::SOL_SOCKET, force, &WAITING).is_err() {
                option(&fd, libc::SOL_SOCKET, ask, &WAITING)?;
            }
        }
        listen(&fd, index).map_err(|e| io::Error::new(e.kind(), format!("{name}: {e}")))?;
        Ok(Wire {
            name: name.to_owned(),
            fd,
            buf: vec![0; BURST * ROOM],
            frames: [(0, 0, Sums::UNKNOWN); BURST],
            stats: Arc::default(),
            unfinished: false,
            too_long: false,
            told: false,
        })
    }

    /// Reads a burst into `frames`: how many, and how many more were too long to be kept.
    fn receive(&mut self) -> io::Result<(usize, u64)> {
        // SAFETY: all of these are plain structures of the kernel's interface, for which zeros are valid.
        let (mut heads, mut names): ([libc::mmsghdr; BURST], [libc::sockaddr_ll; BURST]) =
            unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
        let mut parts = [libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; BURST];
        // Aligned as control messages must be.
        let mut controls = [[0u64; 8]; BURST];
        for (i, slot) in self.buf.chunks_exact_mut(ROOM).enumerate() {
            let room = &mut slot[TAG..];
            parts[i] = libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: room.len() };
            let h = &mut heads[i].msg_hdr;
            h.msg_name = (&raw mut names[i]).cast();
            h.msg_namelen = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
            h.msg_iov = &raw mut parts[i];
            h.msg_iovlen = 1;
            h.msg_control = (&raw mut controls[i]).cast();
            h.msg_controllen = size_of_val(&controls[i]) as _;
        }
        // SAFETY: every header names memory of its own that lives and is not touched during the call.
        let r = unsafe {
            libc::recvmmsg(
                self.fd.as_raw_fd(),
                heads.as_mut_ptr(),
                BURST as libc::c_uint,
                libc::MSG_DONTWAIT as _,
                std::ptr::null_mut(),
            )
        };
        if r < 0 {
            let e = io::Error::last_os_error();
            return match e.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok((0, 0)),
                _ => Err(e),
            };
        }
        let (mut n, mut lost) = (0, 0);
        for (i, h) in heads.iter().enumerate().take(usize::try_from(r).unwrap_or(0)) {
            if names[i].sll_pkttype == libc::PACKET_OUTGOING {
                continue;
            }
            if h.msg_hdr.msg_flags & libc::MSG_TRUNC != 0 {
                self.too_long = true;
                lost += 1;
                continue;
            }
            let (mut start, mut len) = (i * ROOM + TAG, h.msg_len as usize);
            let mut said = Sums::UNKNOWN;
            if let Some(aux) = auxdata(&h.msg_hdr) {
                said = sums(aux.tp_status);
                self.unfinished |= aux.tp_status & libc::TP_STATUS_CSUMNOTREADY != 0;
                if aux.tp_status & libc::TP_STATUS_VLAN_VALID != 0 && len >= 12 {
                    let known = aux.tp_status & libc::TP_STATUS_VLAN_TPID_VALID != 0;
                    let tpid = if known { aux.tp_vlan_tpid } else { libc::ETH_P_8021Q as u16 };
                    // The addresses move into the room in front; the tag takes the place behind them.
                    self.buf.copy_within(start..start + 12, start - TAG);
                    start -= TAG;
                    len += TAG;
                    self.buf[start + 12..start + 14].copy_from_slice(&tpid.to_be_bytes());
                    self.buf[start + 14..start + 16].copy_from_slice(&aux.tp_vlan_tci.to_be_bytes());
                }
            }
            self.frames[n] = (start, len, said);
            n += 1;
        }
        Ok((n, lost))
    }

    /// Sends frames; how many went out, and their bytes. One that the interface refuses is left out, and the rest when it takes nothing in time.
    fn send(&mut self, frames: &[&[u8]]) -> (u64, u64) {
        // SAFETY: a plain structure of the kernel's interface, for which zeros are valid.
        let mut heads: [libc::mmsghdr; BURST] = unsafe { std::mem::zeroed() };
        let mut parts = [libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; BURST];
        let n = frames.len().min(BURST);
        for (i, f) in frames[..n].iter().enumerate() {
            // The kernel only reads it.
            parts[i] = libc::iovec { iov_base: f.as_ptr().cast_mut().cast(), iov_len: f.len() };
            heads[i].msg_hdr.msg_iov = &raw mut parts[i];
            heads[i].msg_hdr.msg_iovlen = 1;
        }
        let (mut at, mut sent, mut bytes, mut until) = (0, 0, 0, None);
        while at < n {
            // SAFETY: headers name frames that live during the call and are only read.
            let r = unsafe {
                libc::sendmmsg(
                    self.fd.as_raw_fd(),
                    heads[at..].as_mut_ptr(),
                    (n - at) as libc::c_uint,
                    libc::MSG_DONTWAIT as _,
                )
            };
            if let Ok(done @ 1..) = usize::try_from(r) {
                sent += done as u64;
                bytes += frames[at..n].iter().take(done).map(|f| f.len() as u64).sum::<u64>();
                at += done;
                continue;
            }
            match last() {
                libc::EINTR => {}
                libc::EAGAIN | libc::ENOBUFS => {
                    if Instant::now() > *until.get_or_insert_with(|| Instant::now() + PATIENCE) {
                        break;
                    }
                    poll(&mut [(&self.fd, libc::POLLOUT)], 1);
                }
                libc::ENETDOWN | libc::ENXIO => break,
                e => {
                    self.too_long |= e == libc::EMSGSIZE;
                    at += 1;
                }
            }
        }
        (sent, bytes)
    }

    /// Counters, and what there is to complain of.
    fn count(&mut self) {
        count(&self.fd, &self.stats);
        if !self.told && (self.unfinished || self.too_long) {
            self.told = true;
            let what =
                if self.too_long { "frames longer than can go on" } else { "frames without their checksums" };
            eprintln!(
                "{}: {what} come in; turn its offloads off, and those of the other end if it is virtual \
                 (ethtool -K {} gro off lro off tso off gso off tx off)",
                self.name, self.name
            );
        }
    }
}

/// What the kernel tells beside a frame.
fn auxdata(h: &libc::msghdr) -> Option<libc::tpacket_auxdata> {
    // SAFETY: the header was filled in by the kernel, and its control buffer lives.
    let mut c = unsafe { libc::CMSG_FIRSTHDR(h) };
    // SAFETY: CMSG_FIRSTHDR and CMSG_NXTHDR give null or a whole control header inside the buffer.
    while let Some(head) = unsafe { c.as_ref() } {
        if head.cmsg_level == libc::SOL_PACKET
            && head.cmsg_type == libc::PACKET_AUXDATA
            && head.cmsg_len as u64
                >= (size_of::<libc::cmsghdr>() + size_of::<libc::tpacket_auxdata>()) as u64
        {
            // SAFETY: the message is that long.
            return Some(unsafe { libc::CMSG_DATA(c).cast::<libc::tpacket_auxdata>().read_unaligned() });
        }
        // SAFETY: as above.
        c = unsafe { libc::CMSG_NXTHDR(h, c) };
    }
    None
}

/// Waits until one of the sockets is ready, or for so many milliseconds.
fn poll<const N: usize>(what: &mut [(&OwnedFd, libc::c_short); N], ms: libc::c_int) {
    let mut fds =
        what.each_ref().map(|(fd, events)| libc::pollfd { fd: fd.as_raw_fd(), events: *events, revents: 0 });
    // SAFETY: N descriptions. What it says does not matter: sockets are tried anyway.
    unsafe { libc::poll(fds.as_mut_ptr(), N as libc::nfds_t, ms) };
}

impl Pair {
    /// Opens both interfaces. `busy`: never rest.
    pub fn open(names: [&str; 2], busy: bool) -> io::Result<Pair> {
        let wires = [Wire::open(names[0])?, Wire::open(names[1])?];
        Ok(Pair { wires, answer: Vec::with_capacity(LONGEST), rejecter: Rejecter::default(), busy })
    }

    /// Counters by interface.
    pub fn stats(&self) -> [Arc<RingStats>; 2] {
        self.wires.each_ref().map(|w| w.stats.clone())
    }

    /// Passes frames on until the worker is told to stop.
    pub fn run(mut self, w: &mut Worker) -> io::Result<()> {
        w.sink.replacing.enabled = true;
        let mut counted = 0;
        let mut result = Ok(());
        while !w.stopping() {
            let now = now_ns();
            if now.wrapping_sub(counted) > 1_000_000_000 {
                counted = now;
                self.wires.iter_mut().for_each(Wire::count);
            }
            // Before frames that came while nothing was to do: new rules and lists hold for them.
            w.between(now);
            // Nobody keeps rules in hardware here.
            w.sink.ended.clear();
            let mut got = 0;
            for from in 0..2 {
                match self.pass(from, w, now) {
                    Ok(n) => got += n,
                    // An interface that went down may come up again; the other one's frames have nowhere to go meanwhile.
                    Err(e) if e.raw_os_error() == Some(libc::ENETDOWN) => {}
                    Err(e) => result = Err(e),
                }
            }
            if result.is_err() {
                break;
            }
            if got == 0 {
                add(&w.counters.idle, 1);
                if !self.busy {
                    let [a, b] = &self.wires;
                    poll(&mut [(&a.fd, libc::POLLIN), (&b.fd, libc::POLLIN)], REST);
                }
            }
        }
        self.wires.iter_mut().for_each(Wire::count);
        w.finish();
        result
    }

    /// Sees one burst from an interface off; how many frames there were.
    fn pass(&mut self, from: usize, w: &mut Worker, now: u64) -> io::Result<usize> {
        let [a, b] = &mut self.wires;
        let (from, to) = if from == 0 { (a, b) } else { (b, a) };
        let (n, lost) = from.receive()?;
        add(&w.counters.received, n as u64 + lost);
        add(&w.counters.shed_tx, lost);
        if n == 0 {
            return Ok(0);
        }
        let mut frames = [Frame { ts: now, link: 1, ..Frame::default() }; BURST];
        for (f, &(start, len, sums)) in frames.iter_mut().zip(&from.frames[..n]) {
            f.data = from.buf.get(start..start + len).unwrap_or(&[]);
            f.sums = sums;
        }
        let frames = &frames[..n];
        add(&w.counters.received_bytes, frames.iter().map(|f| f.data.len() as u64).sum());
        let mut verdicts = [Verdict::Forward; BURST];
        w.inspect(frames, &mut verdicts[..n]);
        if !w.sink.replacing.is_empty() {
            // Frames borrow the buffer; they are taken again when it is changed.
            let done = w.sink.replacing.apply(&mut from.buf);
            add(&w.counters.replaced, done);
        }
        let mut frames = [Frame { ts: now, link: 1, ..Frame::default() }; BURST];
        for (f, &(start, len, _)) in frames.iter_mut().zip(&from.frames[..n]) {
            f.data = from.buf.get(start..start + len).unwrap_or(&[]);
        }
        let frames = &frames[..n];
        let by_policy = w.last_was_policy;
        let mut out: [&[u8]; BURST] = [&[]; BURST];
        let (mut going, mut bypassed, mut dropped, mut rejected, mut answers) = (0, 0, 0, 0, 0);
        for (i, f) in frames.iter().enumerate() {
            match verdicts[i] {
                Verdict::Forward | Verdict::Bypass => {
                    bypassed += u64::from(verdicts[i] == Verdict::Bypass);
                    out[going] = f.data;
                    going += 1;
                }
                // The policy's are counted where they were decided.
                Verdict::Drop => dropped += u64::from(!by_policy || w.was_listed(i)),
                Verdict::Reject { to_src, to_dst } => {
                    dropped += 1;
                    rejected += 1;
                    if to_dst && self.rejecter.answer(f.data, false, &mut self.answer) {
                        answers += to.send(&[&self.answer]).0;
                    }
                    if to_src && self.rejecter.answer(f.data, true, &mut self.answer) {
                        answers += send_back(&from.fd, &self.answer);
                    }
                }
            }
        }
        let (sent, bytes) = to.send(&out[..going]);
        let c = &w.counters;
        for (counter, n) in [
            (&c.bypassed, bypassed),
            (&c.dropped, dropped),
            (&c.rejected, rejected),
            (&c.answers, answers),
            (&c.forwarded, sent),
            (&c.forwarded_bytes, bytes),
            (&c.shed_tx, going as u64 - sent),
        ] {
            add(counter, n);
        }
        Ok(n)
    }
}

/// Sends an answer out by the interface whose frames are being looked at; 1 when it went.
fn send_back(fd: &OwnedFd, frame: &[u8]) -> u64 {
    // SAFETY: the frame is only read.
    let r = unsafe { libc::send(fd.as_raw_fd(), frame.as_ptr().cast(), frame.len(), libc::MSG_DONTWAIT) };
    u64::from(r >= 0)
}
