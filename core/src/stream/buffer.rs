//! One direction's bytes: segments go in at stream offsets, in order and out of order; contiguous blocks come out.
//!
//! Owns one sliding buffer in the pool, its list of segment borders while data is unsettled, and its list of
//! blocks beyond a hole. A direction in order with everything read holds no block of the pool at all.
//!
//! # Which data wins
//!
//! Where a new segment overlaps one that is buffered and not yet acknowledged, the receiving host's policy decides
//! for each old segment (after J. Novak and S. Sturges, "Target-Based TCP Stream Reassembly", 2007):
//!
//! | new begins … | new data wins with |
//! |---|---|
//! | before the old | BSD, HP-UX 10, IRIX, Windows, Windows 2003, Linux (both), macOS; Solaris and HP-UX 11 if it also reaches the old end |
//! | with the old | old Linux, Solaris, HP-UX 11 if it reaches the old end; Linux if it goes beyond |
//! | after the old | Solaris, HP-UX 11 if it goes beyond the old end |
//!
//! `First` and Vista always keep the old data, `Last` always takes the new.

use super::policy::OsPolicy;
use crate::pool::{BytePool, PBuf, PoolFull, Scratch};

/// Where a segment or block lies in the stream: offsets, end exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) start: u64,
    pub(super) end: u64,
}

const ENTRY: usize = 16;
/// Most borders of segments kept: looking through them costs about as much as a few ordinary packets.
const MOST_SEGMENTS: usize = 512;

/// A sorted list of ranges in the pool.
#[derive(Clone, Copy, Debug, Default)]
struct Ranges(PBuf);

impl Ranges {
    fn len(&self) -> usize {
        self.0.len() / ENTRY
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn get(&self, pool: &BytePool, i: usize) -> Option<Range> {
        let b = self.0.get(pool).get(i * ENTRY..)?;
        let (s, rest) = b.split_first_chunk::<8>()?;
        let e = rest.first_chunk::<8>()?;
        Some(Range { start: u64::from_le_bytes(*s), end: u64::from_le_bytes(*e) })
    }

    fn encode(r: Range) -> [u8; ENTRY] {
        let mut b = [0; ENTRY];
        b[..8].copy_from_slice(&r.start.to_le_bytes());
        b[8..].copy_from_slice(&r.end.to_le_bytes());
        b
    }

    fn push(&mut self, pool: &mut BytePool, r: Range) -> Result<(), PoolFull> {
        self.0.extend(pool, &Self::encode(r))
    }

    fn set(&mut self, pool: &mut BytePool, i: usize, r: Range) {
        if let Some(b) = self.0.get_mut(pool).get_mut(i * ENTRY..(i + 1) * ENTRY) {
            b.copy_from_slice(&Self::encode(r));
        }
    }

    /// Puts `r` before entry `i`.
    fn insert(&mut self, pool: &mut BytePool, i: usize, r: Range) -> Result<(), PoolFull> {
        self.push(pool, r)?;
        let b = self.0.get_mut(pool);
        if let Some(tail) = b.get_mut(i * ENTRY..) {
            tail.rotate_right(ENTRY);
        }
        Ok(())
    }

    fn remove(&mut self, pool: &mut BytePool, from: usize, n: usize) {
        let b = self.0.get_mut(pool);
        let len = b.len();
        if n > 0 && (from + n) * ENTRY <= len {
            b.copy_within((from + n) * ENTRY.., from * ENTRY);
            self.0.truncate(len - n * ENTRY);
        }
    }

    /// First entry that starts after `start`.
    fn after(&self, pool: &BytePool, start: u64) -> usize {
        let (mut lo, mut hi) = (0, self.len());
        while lo < hi {
            let mid = (lo + hi) / 2;
            if self.get(pool, mid).is_some_and(|r| r.start <= start) { lo = mid + 1 } else { hi = mid }
        }
        lo
    }
}

/// What outputs say where bytes never arrived.
pub(crate) fn missing(bytes: u64, out: &mut Scratch) {
    struct To<'a>(&'a mut Scratch);
    impl core::fmt::Write for To<'_> {
        fn write_str(&mut self, s: &str) -> core::fmt::Result {
            self.0.extend(s.as_bytes());
            Ok(())
        }
    }
    // Writing to a scratch does not fail: what has no room is left out.
    let _ = core::fmt::Write::write_fmt(&mut To(out), format_args!("[{bytes} bytes missing]"));
}

/// Why data was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// All of it lies before what is kept.
    Before,
    /// No memory.
    Memory,
    /// Too far ahead, or too many separate pieces.
    Limit,
}

/// What adding data found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Added {
    pub(super) overlap: bool,
    /// The overlapping bytes differed from the buffered ones.
    pub(super) different: bool,
}

/// One direction's bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reassembly {
    /// Bytes from `base` on; holes are zeroes.
    buf: PBuf,
    /// Borders of segments that may still be overlapped, sorted by start.
    segs: Ranges,
    /// Blocks beyond the first hole.
    blocks: Ranges,
    /// Stream offset of `buf[0]`.
    base: u64,
    /// End of the block that begins at `base`.
    cont: u64,
    /// End of everything seen.
    right: u64,
    /// At least as long as the longest segment in `segs`.
    longest: u32,
    /// Most blocks at once.
    pub(super) max_blocks: u16,
}

impl Reassembly {
    /// End of everything buffered or read so far.
    pub(super) fn right(&self) -> u64 {
        self.right
    }

    /// Offset of the first byte still held.
    pub(super) fn base(&self) -> u64 {
        self.base
    }

    /// Bytes of the pool's blocks that this direction holds.
    pub(super) fn held(&self) -> usize {
        self.buf.capacity() + self.segs.0.capacity() + self.blocks.0.capacity()
    }

    /// Adds `data` at stream offset `at`. Bytes before `settled` were acknowledged and delivered: they never change.
    pub(super) fn add(
        &mut self,
        pool: &mut BytePool,
        at: u64,
        data: &[u8],
        settled: u64,
        limits: &Limits,
    ) -> Result<Added, Refused> {
        let end = at + data.len() as u64;
        // The common case first: the next bytes in order, nothing waiting beyond a hole.
        if at == self.cont && self.blocks.is_empty() {
            self.buf.extend(pool, data).map_err(|_| Refused::Memory)?;
            if settled >= self.cont {
                self.segs.0.truncate(0);
            }
            self.note_last(pool, Range { start: at, end });
            self.cont = end;
            self.right = self.right.max(end);
            self.max_blocks = self.max_blocks.max(1);
            return Ok(Added::default());
        }
        if end <= self.base {
            return Err(Refused::Before);
        }
        let (at, data) = if at < self.base {
            (self.base, data.get((self.base - at) as usize..).unwrap_or(&[]))
        } else {
            (at, data)
        };
        let new = Range { start: at, end };
        let span = (end - self.base) as usize;
        if span > limits.window || (at > self.cont && self.blocks.len() >= usize::from(limits.blocks)) {
            return Err(Refused::Limit);
        }
        if span > self.buf.len() {
            // Holes are never read, so they need not be cleared: a byte far ahead would cost a megabyte.
            self.buf.stretch(pool, span).map_err(|_| Refused::Memory)?;
        }
        let added = self.write(pool, new, data, settled, limits);
        self.note(pool, new);
        self.join(pool, new)?;
        self.right = self.right.max(end);
        Ok(added)
    }

    /// Notes the border of a segment that follows all others. Without its border kept, a segment merges with the one
    /// before: a lesser fault than losing it.
    fn note_last(&mut self, pool: &mut BytePool, new: Range) {
        self.longest = self.longest.max((new.end - new.start) as u32);
        let n = self.segs.len();
        if n >= MOST_SEGMENTS
            && let Some(last) = self.segs.get(pool, n - 1)
        {
            self.stretch(pool, n - 1, Range { start: last.start, end: last.end.max(new.end) });
            return;
        }
        let _ = self.segs.push(pool, new);
    }

    /// Notes the border of a segment anywhere.
    fn note(&mut self, pool: &mut BytePool, new: Range) {
        self.longest = self.longest.max((new.end - new.start) as u32);
        let i = self.segs.after(pool, new.start);
        let before = i.checked_sub(1).and_then(|i| self.segs.get(pool, i));
        if before.is_some_and(|b| b.start == new.start && b.end >= new.end) {
            return;
        }
        if self.segs.len() < MOST_SEGMENTS {
            let _ = self.segs.insert(pool, i, new);
        } else if let Some(b) = before.filter(|b| b.end >= new.start) {
            self.stretch(pool, i - 1, Range { start: b.start, end: b.end.max(new.end) });
        } else if let Some(a) = self.segs.get(pool, i).filter(|a| a.start <= new.end) {
            self.stretch(pool, i, Range { start: new.start, end: a.end.max(new.end) });
        }
    }

    fn stretch(&mut self, pool: &mut BytePool, i: usize, to: Range) {
        self.longest = self.longest.max(u32::try_from(to.end - to.start).unwrap_or(u32::MAX));
        self.segs.set(pool, i, to);
    }

    /// Drops what waits beyond a hole. Whether there was any.
    pub(super) fn drop_beyond(&mut self, pool: &mut BytePool) -> bool {
        if self.blocks.is_empty() {
            return false;
        }
        self.blocks.0.free(pool);
        self.right = self.cont;
        if self.cont == self.base {
            self.buf.free(pool);
            self.segs.0.free(pool);
            return true;
        }
        self.buf.truncate((self.cont - self.base) as usize);
        self.buf.shrink(pool);
        let keep = self.segs.after(pool, self.cont);
        let n = self.segs.len() - keep;
        self.segs.remove(pool, keep, n);
        true
    }

    /// Copies `data` into the buffer except where an old segment wins.
    fn write(
        &mut self,
        pool: &mut BytePool,
        new: Range,
        data: &[u8],
        settled: u64,
        limits: &Limits,
    ) -> Added {
        let mut added = Added::default();
        let mut pos = new.start;
        if settled > pos {
            // Settled bytes are buffered ones: whatever comes again for them is too late.
            let until = settled.min(new.end).min(self.cont.max(new.start));
            added.overlap |= until > pos;
            pos = pos.max(until);
        }
        // No segment is longer than the longest, so those that begin before this end before the new one.
        let first = new.start.saturating_sub(u64::from(self.longest)).checked_sub(1);
        let first = first.map_or(0, |at| self.segs.after(pool, at));
        for i in first..self.segs.len() {
            let Some(old) = self.segs.get(pool, i) else { break };
            if old.start >= new.end {
                break;
            }
            if old.end <= new.start {
                continue;
            }
            added.overlap = true;
            let common = Range { start: old.start.max(new.start), end: old.end.min(new.end) };
            if limits.compare && common.start >= self.base {
                let had = self.slice(pool, common);
                let got = data.get((common.start - new.start) as usize..(common.end - new.start) as usize);
                added.different |= got.is_some_and(|g| g != had);
            }
            if !limits.keep_old && new_wins(limits.policy, new, old) {
                continue;
            }
            if old.start > pos {
                self.put(pool, pos, old.start.min(new.end), new.start, data);
            }
            pos = pos.max(old.end);
        }
        if pos < new.end {
            self.put(pool, pos, new.end, new.start, data);
        }
        added
    }

    fn put(&self, pool: &mut BytePool, from: u64, to: u64, data_at: u64, data: &[u8]) {
        let src = data.get((from - data_at) as usize..(to - data_at) as usize);
        let dst = self.buf.get_mut(pool).get_mut((from - self.base) as usize..(to - self.base) as usize);
        if let (Some(src), Some(dst)) = (src, dst) {
            dst.copy_from_slice(src);
        }
    }

    /// Makes `new` part of the blocks.
    fn join(&mut self, pool: &mut BytePool, new: Range) -> Result<(), Refused> {
        if new.start <= self.cont {
            self.cont = self.cont.max(new.end);
            self.swallow(pool);
            self.max_blocks = self.max_blocks.max(self.blocks.len() as u16 + 1);
            return Ok(());
        }
        // All blocks that touch `new` become one with it.
        let mut first = self.blocks.after(pool, new.start);
        if first > 0 && self.blocks.get(pool, first - 1).is_some_and(|b| b.end >= new.start) {
            first -= 1;
        }
        let mut all = new;
        let mut n = 0;
        while let Some(b) = self.blocks.get(pool, first + n) {
            if b.start > all.end {
                break;
            }
            all = Range { start: all.start.min(b.start), end: all.end.max(b.end) };
            n += 1;
        }
        if n == 0 {
            self.blocks.insert(pool, first, all).map_err(|_| Refused::Memory)?;
        } else {
            self.blocks.set(pool, first, all);
            self.blocks.remove(pool, first + 1, n - 1);
        }
        let here = u16::from(self.cont > self.base);
        self.max_blocks = self.max_blocks.max(self.blocks.len() as u16 + here);
        Ok(())
    }

    /// Takes the blocks that the first one has reached into it.
    fn swallow(&mut self, pool: &mut BytePool) {
        let mut n = 0;
        while let Some(b) = self.blocks.get(pool, n) {
            if b.start > self.cont {
                break;
            }
            self.cont = self.cont.max(b.end);
            n += 1;
        }
        if n > 0 {
            self.blocks.remove(pool, 0, n);
            if self.blocks.is_empty() {
                self.blocks.0.free(pool);
            }
        }
    }

    /// The first block that ends after `off`, if any.
    pub(super) fn block(&self, pool: &BytePool, off: u64) -> Option<Range> {
        if off < self.cont {
            return Some(Range { start: self.base, end: self.cont });
        }
        (0..self.blocks.len()).find_map(|i| self.blocks.get(pool, i).filter(|b| b.end > off))
    }

    /// The bytes of a range that lies within one block.
    pub(super) fn slice<'p>(&self, pool: &'p BytePool, r: Range) -> &'p [u8] {
        if r.start < self.base || r.end < r.start {
            return &[];
        }
        self.buf.get(pool).get((r.start - self.base) as usize..(r.end - self.base) as usize).unwrap_or(&[])
    }

    /// Bytes are missing between those that are kept.
    pub(super) fn has_hole(&self) -> bool {
        !self.blocks.is_empty()
    }

    /// Writes all that is kept up to `end`, with a word for what is missing, as far as there is room.
    pub(super) fn text(&self, pool: &BytePool, end: u64, out: &mut Scratch) {
        let first = Range { start: self.base, end: self.cont };
        let rest = (0..self.blocks.len()).filter_map(|i| self.blocks.get(pool, i));
        let mut last = self.base;
        for b in core::iter::once(first).chain(rest).take_while(|b| b.start < end) {
            if b.start > last {
                missing(b.start - last, out);
            }
            let part = self.slice(pool, Range { start: b.start, end: b.end.min(end) });
            if !out.extend(part) {
                return;
            }
            last = b.end;
        }
    }

    /// Nothing before `off` is needed any more. Memory moves only when that is worth it.
    pub(super) fn release_to(&mut self, pool: &mut BytePool, off: u64) {
        if off <= self.base {
            return;
        }
        let n = (off - self.base) as usize;
        if n >= self.buf.len() {
            self.base = off;
            self.cont = self.cont.max(off);
            self.right = self.right.max(off);
            self.swallow(pool);
            self.buf.free(pool);
            self.segs.0.free(pool);
            self.longest = 0;
            return;
        }
        // Moving costs at most eight bytes for each that was read, however much waits beyond a hole.
        if n * 8 < self.buf.len() || (n < SLIDE && n * 2 < self.buf.len()) {
            return;
        }
        self.buf.drain_front(pool, n);
        if self.buf.capacity() >= 4 * SLIDE {
            self.buf.shrink(pool);
        }
        self.base = off;
        self.cont = self.cont.max(off);
        self.swallow(pool);
        let mut gone = 0;
        while self.segs.get(pool, gone).is_some_and(|s| s.end <= off) {
            gone += 1;
        }
        self.segs.remove(pool, 0, gone);
    }

    /// Gives everything back; later data is not expected.
    pub(super) fn free(&mut self, pool: &mut BytePool) {
        self.buf.free(pool);
        self.segs.0.free(pool);
        self.blocks.0.free(pool);
        self.base = self.right;
        self.cont = self.right;
    }
}

/// Bytes worth moving a buffer's rest for.
const SLIDE: usize = 4096;

/// How much one direction may buffer, and whose data wins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Most bytes between the first kept one and the end of a new segment.
    pub(super) window: usize,
    /// Most blocks beyond a hole.
    pub(super) blocks: u16,
    pub(super) policy: OsPolicy,
    /// Inline mode: what was let through stays.
    pub(super) keep_old: bool,
    /// Compare overlapping data.
    pub(super) compare: bool,
}

/// Whether the bytes of `new` replace those of the overlapping `old`.
pub(super) fn new_wins(policy: OsPolicy, new: Range, old: Range) -> bool {
    use OsPolicy::*;
    let (reaches, beyond) = (new.end >= old.end, new.end > old.end);
    match policy {
        Last => true,
        First | Vista => false,
        Bsd | BsdRight | Hpux10 | Irix | Windows | Windows2k3 | Macos => new.start < old.start,
        OldLinux => new.start < old.start || (new.start == old.start && reaches),
        Linux => new.start < old.start || (new.start == old.start && beyond),
        Solaris | OldSolaris | Hpux11 => {
            if new.start > old.start {
                beyond
            } else {
                reaches
            }
        }
    }
}
