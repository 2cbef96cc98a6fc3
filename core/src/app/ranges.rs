//! Files that are fetched in parts (`Content-Range`, RFC 9110 §14.4), over any number of flows: parts go in, the file
//! put together comes out with the part that makes it whole. Owns, for each file that is not whole yet, what came of
//! it, and the parts that came before their turn; the bytes lie in the engine's pool.
//!
//! As in Suricata (`containers.urlrange`) a file is known by host, name and size. What is at its end goes straight into
//! it; a part further on waits. The oldest file gives way when there is no room, and is counted.

use super::file::{Files, NO_FILE, NewFile};
use crate::ai::artifact::READING;
use crate::pool::{Arena, BytePool, PBuf, Records};
use alloc::sync::Arc;

/// Most files that wait for parts. Each new part compares its name with theirs.
const WHOLES_MAX: usize = 64;
/// Most parts of one file that are under way or wait.
const PARTS_MAX: u32 = 256;
/// The share of the pool that waiting parts may hold.
const POOL_SHARE: usize = 8;

/// The file that a part is of.
#[derive(Clone, Copy, Debug)]
pub struct WholeOf<'a> {
    host: &'a [u8],
    /// Offset of the part's first byte.
    first: u64,
    /// Bytes of all of it.
    size: u64,
}

/// A file on its way to be whole.
#[derive(Debug)]
struct Whole {
    /// Host, a zero byte, name.
    key: PBuf,
    size: u64,
    /// The file in the slab; it is in no chain.
    file: u32,
    /// When a part was last begun.
    used: u64,
    first: u32,
    parts: u32,
    /// A part goes straight into the file.
    fed: bool,
}

impl Default for Whole {
    fn default() -> Self {
        Whole { key: PBuf::new(), size: 0, file: NO_FILE, used: 0, first: NO_FILE, parts: 0, fed: false }
    }
}

/// A part under way, or one that waits.
#[derive(Debug)]
struct Part {
    /// [`NO_FILE`]: the file is gone, whole or not.
    whole: u32,
    next: u32,
    /// Offset of its first byte in the file.
    at: u64,
    /// Bytes that came.
    came: u64,
    data: PBuf,
    fed: bool,
    over: bool,
    /// What follows is of no use: bytes are missing, or there was no room.
    spoiled: bool,
}

impl Default for Part {
    fn default() -> Self {
        Part {
            whole: NO_FILE,
            next: NO_FILE,
            at: 0,
            came: 0,
            data: PBuf::new(),
            fed: false,
            over: false,
            spoiled: false,
        }
    }
}

impl<'a> WholeOf<'a> {
    /// The whole of a part from byte `first` to byte `last`; `None` for what is no part, or all of it.
    pub fn new(host: &'a [u8], (first, last): (u64, u64), size: u64) -> Option<Self> {
        (first <= last && last < size && last - first + 1 < size).then_some(WholeOf { host, first, size })
    }
}

/// All files of an engine that wait for parts.
#[derive(Debug)]
pub struct Ranges {
    wholes: Records<Whole>,
    /// Those in use.
    list: [u32; WHOLES_MAX],
    count: usize,
    parts: Records<Part>,
    held: usize,
    clock: u64,
    evicted: u64,
}

impl Ranges {
    pub fn new(arena: &Arc<Arena>, most: usize) -> Self {
        Ranges {
            wholes: Records::new(arena, WHOLES_MAX.min(most)),
            list: [NO_FILE; WHOLES_MAX],
            count: 0,
            parts: Records::new(arena, most),
            held: 0,
            clock: 0,
            evicted: 0,
        }
    }

    fn find(&self, pool: &BytePool, of: &WholeOf<'_>, name: &[u8]) -> Option<u32> {
        self.list[..self.count].iter().copied().find(|w| {
            let w = self.wholes.get(*w);
            let key = w.key.get(pool);
            let at = of.host.len();
            w.size == of.size
                && key.len() == at + 1 + name.len()
                && key[..at].eq_ignore_ascii_case(of.host)
                && key[at] == 0
                && key[at + 1..] == *name
        })
    }

    fn oldest(&self) -> Option<u32> {
        self.list[..self.count].iter().copied().min_by_key(|w| self.wholes.get(*w).used)
    }

    fn free_data(&mut self, pool: &mut BytePool, part: u32) {
        let p = self.parts.get_mut(part);
        self.held -= p.data.len();
        p.data.free(pool);
    }

    /// Takes a part off its file's list.
    fn unlink(&mut self, part: u32) {
        let (whole, next) = (self.parts.get(part).whole, self.parts.get(part).next);
        if whole == NO_FILE {
            return;
        }
        let w = self.wholes.get_mut(whole);
        w.parts -= 1;
        if w.first == part {
            w.first = next;
            return;
        }
        let mut at = w.first;
        while at != NO_FILE {
            let p = self.parts.get_mut(at);
            if p.next == part {
                p.next = next;
                return;
            }
            at = p.next;
        }
    }

    /// Parts of a file, newest first.
    fn of(&self, whole: u32) -> impl Iterator<Item = u32> + '_ {
        let mut at = self.wholes.get(whole).first;
        core::iter::from_fn(move || {
            let id = (at != NO_FILE).then_some(at)?;
            at = self.parts.get(id).next;
            Some(id)
        })
    }
}

impl Files {
    /// Files in parts that gave way to others since construction.
    pub fn parts_evicted(&self) -> u64 {
        self.ranges.evicted
    }

    /// A part of a file begins: the number under which its bytes come, [`NO_FILE`] if there is no room.
    pub(super) fn part_begins(&mut self, pool: &mut BytePool, new: &NewFile<'_>) -> u32 {
        let Some(of) = new.of else { return NO_FILE };
        let found = self.ranges.find(pool, &of, new.name);
        let Some(whole) = found.or_else(|| self.whole_begins(pool, &of, new)) else { return NO_FILE };
        let r = &mut self.ranges;
        r.clock += 1;
        if r.wholes.get(whole).parts >= PARTS_MAX {
            return NO_FILE;
        }
        let Some(part) = r.parts.alloc() else { return NO_FILE };
        let w = r.wholes.get_mut(whole);
        w.used = r.clock;
        let fed = !w.fed && of.first <= self.slab.get(w.file).size;
        w.fed |= fed;
        w.parts += 1;
        *r.parts.get_mut(part) = Part { whole, next: w.first, at: of.first, fed, ..Part::default() };
        w.first = part;
        part
    }

    fn whole_begins(&mut self, pool: &mut BytePool, of: &WholeOf<'_>, new: &NewFile<'_>) -> Option<u32> {
        if self.ranges.count == WHOLES_MAX
            && let Some(old) = self.ranges.oldest()
        {
            self.ranges.evicted += 1;
            self.whole_gone(pool, old, true);
        }
        let mut key = PBuf::new();
        let whole = self.ranges.wholes.alloc()?;
        let kept = key
            .reserve(pool, of.host.len() + 1 + new.name.len())
            .and_then(|()| key.extend(pool, of.host))
            .and_then(|()| key.push(pool, 0))
            .and_then(|()| key.extend(pool, new.name));
        let made = if kept.is_ok() {
            self.make(pool, &NewFile { window: true, range: None, of: None, ..*new })
        } else {
            None
        };
        let Some(file) = made else {
            key.free(pool);
            self.ranges.wholes.free(whole);
            return None;
        };
        let r = &mut self.ranges;
        *r.wholes.get_mut(whole) = Whole { key, size: of.size, file, ..Whole::default() };
        r.list[r.count] = whole;
        r.count += 1;
        Some(whole)
    }

    /// A file is whole or given up: its parts wait for nothing any more. With its file, if nobody has taken that.
    fn whole_gone(&mut self, pool: &mut BytePool, whole: u32, with_file: bool) {
        loop {
            let p = self.ranges.wholes.get(whole).first;
            if p == NO_FILE {
                break;
            }
            self.ranges.free_data(pool, p);
            self.ranges.unlink(p);
            let part = self.ranges.parts.get_mut(p);
            (part.whole, part.spoiled, part.fed) = (NO_FILE, true, false);
            // A part that was over belongs to nobody else.
            if part.over {
                self.ranges.parts.free(p);
            }
        }
        let r = &mut self.ranges;
        if let Some(i) = r.list[..r.count].iter().position(|w| *w == whole) {
            r.count -= 1;
            r.list[i] = r.list[r.count];
        }
        let w = r.wholes.get_mut(whole);
        w.key.free(pool);
        let file = w.file;
        r.wholes.free(whole);
        if with_file {
            self.drop_file(pool, file);
        }
    }

    /// Bytes of a part.
    pub(super) fn part_bytes(&mut self, pool: &mut BytePool, part: u32, data: &[u8]) {
        if self.ranges.parts.get(part).spoiled {
            return;
        }
        let room = (pool.capacity() / POOL_SHARE).saturating_sub(self.ranges.held);
        let p = self.ranges.parts.get_mut(part);
        let at = p.at + p.came;
        p.came += data.len() as u64;
        if p.fed {
            let file = self.ranges.wholes.get(p.whole).file;
            self.append_from(pool, file, at, data);
        } else if data.len() <= room
            // Read by the flow that lets it through, paid for by the one that brings it.
            && pool.growth().spend(data.len() * READING as usize)
            && p.data.extend(pool, data).is_ok()
        {
            self.ranges.held += data.len();
        } else {
            self.part_spoils(pool, part);
        }
    }

    /// Appends to a file what it does not have of bytes that begin at `at`, which is not behind its end.
    fn append_from(&mut self, pool: &mut BytePool, file: u32, at: u64, data: &[u8]) {
        let have = self.slab.get(file).size.saturating_sub(at);
        let skip = usize::try_from(have).unwrap_or(usize::MAX).min(data.len());
        self.append(pool, file, &data[skip..]);
    }

    /// What follows of a part is of no use: bytes are missing, or there was no room.
    pub(super) fn part_spoils(&mut self, pool: &mut BytePool, part: u32) {
        let p = self.ranges.parts.get_mut(part);
        p.spoiled = true;
        let (whole, fed) = (p.whole, core::mem::take(&mut p.fed));
        if fed {
            self.ranges.wholes.get_mut(whole).fed = false;
        } else {
            self.ranges.free_data(pool, part);
        }
    }

    /// A part is over, seen to its end or not. If the file is whole now, it is the last of the chain at `head`.
    pub fn part_ends(&mut self, pool: &mut BytePool, id: u32, head: &mut u32) -> Option<u32> {
        let whole = self.part_settles(pool, id)?;
        let file = self.ranges.wholes.get(whole).file;
        self.whole_gone(pool, whole, false);
        let (tx_id, dir) = (self.slab.get(id).tx_id, self.slab.get(id).dir);
        let f = self.slab.get_mut(file);
        (f.tx_id, f.dir) = (tx_id, dir);
        if self.join(head, file) {
            return Some(file);
        }
        self.drop_file(pool, file);
        None
    }

    /// Ends the part that a file is. The file that it is of, if that is whole now.
    pub(super) fn part_settles(&mut self, pool: &mut BytePool, id: u32) -> Option<u32> {
        let part = core::mem::replace(&mut self.slab.get_mut(id).part, NO_FILE);
        if part == NO_FILE {
            return None;
        }
        let p = self.ranges.parts.get_mut(part);
        let (whole, fed) = (p.whole, p.fed);
        p.over = true;
        if fed || p.spoiled {
            self.ranges.free_data(pool, part);
            self.ranges.unlink(part);
            self.ranges.parts.free(part);
        }
        if whole == NO_FILE {
            return None;
        }
        if fed {
            self.ranges.wholes.get_mut(whole).fed = false;
        }
        self.take_turns(pool, whole);
        let w = self.ranges.wholes.get(whole);
        let (file, size, came) = (w.file, w.size, self.slab.get(w.file).size);
        if came < size || w.fed {
            return None;
        }
        self.close(pool, file, came != size);
        Some(whole)
    }

    /// Appends the parts whose turn it is: those that are over go, one under way goes on straight into the file.
    fn take_turns(&mut self, pool: &mut BytePool, whole: u32) {
        while !self.ranges.wholes.get(whole).fed {
            let file = self.ranges.wholes.get(whole).file;
            let end = self.slab.get(file).size;
            let due = |p: &u32| {
                let p = self.ranges.parts.get(*p);
                !p.spoiled && p.at <= end
            };
            let Some(part) = self.ranges.of(whole).find(due) else { return };
            self.append_waiting(pool, file, part);
            self.ranges.free_data(pool, part);
            let p = self.ranges.parts.get_mut(part);
            if p.over {
                self.ranges.unlink(part);
                self.ranges.parts.free(part);
            } else {
                p.fed = true;
                self.ranges.wholes.get_mut(whole).fed = true;
            }
        }
    }

    fn append_waiting(&mut self, pool: &mut BytePool, file: u32, part: u32) {
        // The bytes lie in the pool that they are appended to: they pass through a place of their own.
        let mut chunk = [0u8; 1024];
        let (data, start) = (self.ranges.parts.get(part).data, self.ranges.parts.get(part).at);
        let mut at = 0;
        while at < data.len() {
            let n = chunk.len().min(data.len() - at);
            chunk[..n].copy_from_slice(&data.get(pool)[at..at + n]);
            pool.growth().was_paid(n * READING as usize);
            self.append_from(pool, file, start + at as u64, &chunk[..n]);
            at += n;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dir;
    use crate::app::AppConfig;
    use crate::app::file::FileState;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn files() -> Files {
        Files::new(&AppConfig {
            file_md5: true,
            file_window: 1 << 16,
            max_files: 400,
            ..AppConfig::default()
        })
    }

    fn part(name: &[u8], range: (u64, u64), size: u64) -> NewFile<'_> {
        let of = WholeOf::new(b"a.example", range, size);
        NewFile { name, dir: Dir::ToClient, tx_id: 1, window: false, range: Some(range), of }
    }

    /// A part that waits is paid for by the flow that brings it, not by the one that has nothing left and lets it through.
    #[test]
    fn who_brings_a_part_pays_for_it() {
        let (mut p, mut fs) = (
            BytePool::new(16 << 20),
            Files::new(&AppConfig {
                max_files: 400,
                artifacts: true,
                model_files: 4 << 20,
                ..AppConfig::default()
            }),
        );
        let mut all = b"\x80\x03B\0\0\x10\0".to_vec();
        all.resize(7 + (1 << 20), b'x');
        all.push(b'.');
        let (size, cut) = (all.len() as u64, 100usize);
        let (mut h1, mut h2) = (NO_FILE, NO_FILE);
        let client = |n| crate::packet::Addr::v4([10, 0, 0, n]);
        let two = fs.open(&mut p, &mut h2, part(b"/m.pkl", (cut as u64, size - 1), size)).unwrap();
        p.growth().begin(client(2), 0);
        p.growth().lend(crate::pool::Credit::default().earn(all.len()));
        fs.append(&mut p, two, &all[cut..]);
        fs.close(&mut p, two, false);
        assert_eq!(fs.part_ends(&mut p, two, &mut h2), None);
        p.growth().begin(client(1), 0);
        assert!(p.growth().spend(crate::pool::STOCK as usize));
        p.growth().lend(crate::pool::Credit::default().earn(cut));
        let one = fs.open(&mut p, &mut h1, part(b"/m.pkl", (0, cut as u64 - 1), size)).unwrap();
        fs.append(&mut p, one, &all[..cut]);
        fs.close(&mut p, one, false);
        let whole = fs.part_ends(&mut p, one, &mut h1).unwrap();
        let v = fs.view(whole).artifact().unwrap();
        assert_eq!((v.judgement, v.why()), (crate::ai::artifact::Judgement::Clean, ""));
    }

    #[test]
    fn two_parts_make_a_file() {
        let (mut p, mut fs) = (BytePool::new(1 << 20), files());
        let (mut h1, mut h2) = (NO_FILE, NO_FILE);
        let one = fs.open(&mut p, &mut h1, part(b"/x", (0, 4), 11)).unwrap();
        fs.append(&mut p, one, b"hello");
        fs.close(&mut p, one, false);
        assert_eq!(fs.part_ends(&mut p, one, &mut h1), None);
        fs.free_chain(&mut p, &mut h1);
        let two = fs.open(&mut p, &mut h2, part(b"/x", (5, 10), 11)).unwrap();
        fs.append(&mut p, two, b" world");
        fs.close(&mut p, two, false);
        let whole = fs.part_ends(&mut p, two, &mut h2).unwrap();
        let v = fs.view(whole);
        assert_eq!((v.data(&p), v.size(), v.state()), ((&b"hello world"[..], 0), 11, FileState::Closed));
        assert_eq!(
            (v.name(&p), v.range(), fs.chain(h2).collect::<Vec<_>>()),
            (&b"/x"[..], None, [two, whole].to_vec())
        );
        fs.free_chain(&mut p, &mut h2);
        assert_eq!((p.in_use(), fs.used(), fs.ranges.parts.used(), fs.ranges.held), (0, 0, 0, 0));
    }

    #[test]
    fn files_without_an_end_give_way_and_hold_no_more_than_their_share() {
        let (mut p, mut fs) = (BytePool::new(1 << 20), files());
        for i in 0..1_000u32 {
            let (name, mut h) = (i.to_le_bytes(), NO_FILE);
            let id = fs.open(&mut p, &mut h, part(&name, (10, 99_999), 100_000)).unwrap();
            for _ in 0..40 {
                fs.append(&mut p, id, &[7; 1_000]);
            }
            fs.close(&mut p, id, i % 2 == 0);
            fs.part_ends(&mut p, id, &mut h);
            fs.free_chain(&mut p, &mut h);
            assert!(fs.ranges.held <= p.capacity() / POOL_SHARE);
        }
        assert_eq!((fs.ranges.count, fs.parts_evicted()), (WHOLES_MAX, 1_000 - WHOLES_MAX as u64));
        while let Some(w) = fs.ranges.oldest() {
            fs.whole_gone(&mut p, w, true);
        }
        assert_eq!((p.in_use(), fs.used(), fs.ranges.parts.used(), fs.ranges.held), (0, 0, 0, 0));
    }

    proptest! {
        /// Parts in any order, over each other, under way at the same time, some of them cut short: whenever all bytes
        /// came the file is whole and has them.
        #[test]
        fn parts_in_any_order(cuts in proptest::collection::btree_set(1usize..300, 1..12),
                              reach in proptest::collection::vec(0usize..40, 13),
                              order in Just((0..13usize).collect::<Vec<_>>()).prop_shuffle(),
                              turns in proptest::collection::vec(0usize..13, 0..400)) {
            let all: Vec<u8> = (0..300u32).map(|i| (i * 7 % 251) as u8).collect();
            let starts: Vec<usize> = core::iter::once(0).chain(cuts).collect();
            let n = starts.len();
            prop_assume!(n > 1);
            let (mut p, mut fs) = (BytePool::new(1 << 20), files());
            // Start, end, next byte, file, chain.
            let mut parts: Vec<(usize, usize, usize, u32, u32)> = Vec::new();
            for &i in order.iter().filter(|i| **i < n) {
                let end = starts.get(i + 1).copied().unwrap_or(300).saturating_add(reach[i]).min(if starts[i] == 0 { 299 } else { 300 });
                let mut h = NO_FILE;
                let range = (starts[i] as u64, end as u64 - 1);
                let id = fs.open(&mut p, &mut h, part(b"/x", range, 300)).unwrap();
                parts.push((starts[i], end, starts[i], id, h));
            }
            let mut whole = 0;
            let mut step = |k: usize, fs: &mut Files, p: &mut BytePool, most: usize| {
                let (_, end, at, id, mut h) = parts[k];
                if at == usize::MAX {
                    return;
                }
                let to = end.min(at + most);
                fs.append(p, id, &all[at..to]);
                parts[k].2 = to;
                if to < end {
                    return;
                }
                fs.close(p, id, false);
                if let Some(w) = fs.part_ends(p, id, &mut h) {
                    whole += 1;
                    assert_eq!(fs.view(w).data(p), (&all[..], 0));
                    assert_eq!(fs.view(w).state(), FileState::Closed);
                }
                fs.free_chain(p, &mut h);
                parts[k].2 = usize::MAX;
            };
            for t in turns {
                step(t % n, &mut fs, &mut p, 1 + t);
            }
            for k in 0..n {
                step(k, &mut fs, &mut p, 1_000);
            }
            prop_assert_eq!(whole, 1);
            while let Some(w) = fs.ranges.oldest() {
                fs.whole_gone(&mut p, w, true);
            }
            prop_assert_eq!((p.in_use(), fs.used(), fs.ranges.parts.used(), fs.ranges.held), (0, 0, 0, 0));
        }
    }
}
