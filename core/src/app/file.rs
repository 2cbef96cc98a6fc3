//! Files carried by protocols: bytes of a body or transfer go in, a named file with size, state, hashes and a
//! window of its data comes out. Owns the files of all flows of one engine.
//!
//! The files of a transaction are a chain per direction whose head is [`TxCommon::files`](super::TxCommon); the
//! parser opens, feeds, closes and (with the transaction) frees them, the engine reads them, and marks what it
//! has logged and stored.

use super::AppConfig;
use super::judge::{Counts, Judges, Look};
use super::magic;
use super::ranges::{Ranges, WholeOf};
use super::tap::Tap;
use crate::Dir;
use crate::ai::artifact::Verdict;
use crate::pool::{BytePool, PBuf, Records, Scratch};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// Names no file.
pub const NO_FILE: u32 = u32::MAX;
/// Longest file name kept, bytes (as Suricata's limit of a file name).
pub const MAX_NAME: usize = 4096;

/// Most files of a transaction in one direction: a mail of 1 MB can name thousands of empty attachments. Further ones
/// are counted as refused.
pub const CHAIN_MAX: u32 = 512;

/// Where a file stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum FileState {
    /// More bytes may come.
    #[default]
    Open,
    /// Seen to its end.
    Closed,
    /// Ended early, or a limit was reached, or bytes are missing.
    Truncated,
    /// Abandoned because memory ran out.
    Error,
}

impl FileState {
    /// EVE `fileinfo.state`.
    pub const fn name(self) -> &'static str {
        match self {
            FileState::Open => "UNKNOWN",
            FileState::Closed => "CLOSED",
            FileState::Truncated => "TRUNCATED",
            FileState::Error => "ERROR",
        }
    }
}

/// One file.
#[derive(Debug)]
pub struct File {
    name: PBuf,
    /// First bytes of the data, where somebody asks what it is.
    head: PBuf,
    /// Last bytes of the data, at most the configured window.
    window: PBuf,
    pub(super) size: u64,
    /// Offset of the window's first byte in the file.
    window_at: u64,
    window_max: u32,
    state: FileState,
    gaps: bool,
    pub(super) dir: Dir,
    next: u32,
    /// Of the first of a chain: the last one, and how many come behind it.
    tail: u32,
    followers: u32,
    hashes: u32,
    pub(super) tx_id: u64,
    /// Its number as a part of a file, see [`Ranges`].
    pub(super) part: u32,
    /// `Content-Range`: first and last byte of the whole that this file is (EVE `start`, `end`).
    range: Option<(u64, u64)>,
    /// Number of the file in its engine, under which its bytes go out.
    serial: u64,
    look: Look,
    /// Some of its bytes found no room on their way out.
    lost: bool,
    /// Number given when the file is stored (EVE `file_id`).
    pub store_id: u32,
    /// A rule or the configuration wants its bytes kept.
    pub store: bool,
    /// Its bytes are on disk (EVE `stored`).
    pub stored: bool,
    /// The engine has written its `fileinfo` record.
    pub logged: bool,
}

impl Default for File {
    fn default() -> Self {
        File {
            name: PBuf::new(),
            head: PBuf::new(),
            window: PBuf::new(),
            size: 0,
            window_at: 0,
            window_max: 0,
            state: FileState::Open,
            gaps: false,
            dir: Dir::ToServer,
            next: NO_FILE,
            tail: NO_FILE,
            followers: 0,
            hashes: NO_FILE,
            tx_id: 0,
            part: NO_FILE,
            range: None,
            serial: 0,
            look: Look::default(),
            lost: false,
            store_id: 0,
            store: false,
            stored: false,
            logged: false,
        }
    }
}

/// Running and, once the file is closed, final digests.
#[derive(Debug, Default)]
struct Hashes {
    md5: Md5,
    sha1: Sha1,
    sha256: Sha256,
    md5_out: [u8; 16],
    sha1_out: [u8; 20],
    sha256_out: [u8; 32],
    /// Which of them the file has: what was asked for when it began.
    of: Digests,
    done: bool,
}

/// Which digests are asked for: MD5, SHA-1, SHA-256.
pub type Digests = [bool; 3];

/// What a parser knows of a file when it starts.
#[derive(Clone, Copy, Debug)]
pub struct NewFile<'a> {
    /// Name as it goes to rules and records; cut at [`MAX_NAME`].
    pub name: &'a [u8],
    pub dir: Dir,
    pub tx_id: u64,
    /// Keep a window of the data; `false` when the parser serves `file.data` from its own buffer.
    pub window: bool,
    /// First and last byte of the whole, for a part of a file.
    pub range: Option<(u64, u64)>,
    /// The whole of which it is a part, where parts are put together.
    pub of: Option<WholeOf<'a>>,
}

/// All files of one engine.
#[derive(Debug)]
pub struct Files {
    pub(super) slab: Records<File>,
    pub(super) ranges: Ranges,
    hashes: Records<Hashes>,
    window: usize,
    /// Digests that records have whatever is asked, and those that files that begin now get.
    recorded: Digests,
    digests: Digests,
    magic: bool,
    refused: u64,
    tap: Tap,
    judges: Judges,
    /// Files that were stored.
    stored: u32,
}

impl Default for Files {
    fn default() -> Self {
        Files::new(&AppConfig::default())
    }
}

impl Files {
    /// At most `cfg.max_files` files, and as many hash contexts when hashes are wanted.
    pub fn new(cfg: &AppConfig) -> Self {
        let arena = cfg.arena();
        let recorded = [cfg.file_md5, cfg.file_sha1, cfg.file_sha256];
        Files {
            slab: Records::new(&arena, cfg.max_files),
            ranges: Ranges::new(&arena, cfg.max_files),
            hashes: Records::new(&arena, cfg.max_files),
            recorded,
            digests: recorded,
            window: cfg.file_window,
            magic: cfg.file_magic,
            refused: 0,
            tap: Tap::new(cfg.file_tap),
            judges: Judges::new(cfg, &arena),
            stored: 0,
        }
    }

    /// Whether bytes of files go out to be stored.
    pub fn are_stored(&self) -> bool {
        self.tap.is_on()
    }

    /// Whether somebody asks what files are by their first bytes.
    pub fn want_magic(&mut self, wanted: bool) {
        self.magic = wanted;
    }

    /// What rules and intelligence compare. Files that live already have what was asked for when they began: a digest
    /// needs the first byte.
    pub fn want_digests(&mut self, asked: Digests) {
        self.digests = core::array::from_fn(|i| self.recorded[i] | asked[i]);
    }

    /// Opens a file and appends it to the chain that starts at `*head`. `None` when no slot is left (counted).
    pub fn open(&mut self, pool: &mut BytePool, head: &mut u32, new: NewFile<'_>) -> Option<u32> {
        let id = self.make(pool, &new)?;
        if !self.join(head, id) {
            self.drop_file(pool, id);
            return None;
        }
        self.slab.get_mut(id).part = self.part_begins(pool, &new);
        Some(id)
    }

    /// A file that is in no chain yet.
    pub(super) fn make(&mut self, pool: &mut BytePool, new: &NewFile<'_>) -> Option<u32> {
        let Some(id) = self.slab.alloc() else {
            self.refused += 1;
            return None;
        };
        let hashes =
            if self.digests.contains(&true) { self.hashes.alloc().unwrap_or(NO_FILE) } else { NO_FILE };
        if hashes != NO_FILE {
            self.hashes.get_mut(hashes).of = self.digests;
        }
        let window_max = if new.window { self.window as u32 } else { 0 };
        let f = self.slab.get_mut(id);
        f.hashes = hashes;
        f.dir = new.dir;
        f.tx_id = new.tx_id;
        f.range = new.range;
        f.serial = self.tap.number();
        f.look = self.judges.begin(new.name, new.range.is_some_and(|(from, _)| from > 0));
        f.window_max = window_max;
        let name = new.name.get(..MAX_NAME).unwrap_or(new.name);
        if f.name.extend(pool, name).is_err() {
            f.state = FileState::Error;
        }
        Some(id)
    }

    /// Appends a file to the chain that starts at `*head`; `false` when that is full (counted).
    pub(super) fn join(&mut self, head: &mut u32, id: u32) -> bool {
        self.slab.get_mut(id).tail = id;
        if *head == NO_FILE {
            *head = id;
            return true;
        }
        let first = self.slab.get_mut(*head);
        if first.followers + 1 >= CHAIN_MAX {
            self.refused += 1;
            return false;
        }
        first.followers += 1;
        let tail = core::mem::replace(&mut first.tail, id);
        self.slab.get_mut(tail).next = id;
        true
    }

    /// Appends data to an open file.
    ///
    /// The window drops its older half whenever it is full, at offsets that depend on the file alone and not on
    /// how the data was cut.
    pub fn append(&mut self, pool: &mut BytePool, id: u32, data: &[u8]) {
        let f = self.slab.get_mut(id);
        if f.state != FileState::Open {
            return;
        }
        let room = magic::HEAD.saturating_sub(f.head.len()).min(data.len());
        // After a hole what comes is not the beginning any more.
        if self.magic && room > 0 && f.size == f.head.len() as u64 {
            let _ = f.head.extend(pool, &data[..room]);
        }
        f.size += data.len() as u64;
        f.lost |= !self.tap.push(pool, f.serial, data);
        self.judges.bytes(&mut f.look, data, pool.growth());
        let max = f.window_max as usize;
        let mut rest = data;
        while max > 1 && !rest.is_empty() {
            if f.window.len() >= max {
                let half = max / 2;
                f.window.drain_front(pool, half);
                f.window_at += half as u64;
            }
            let n = rest.len().min(max - f.window.len());
            if f.window.extend(pool, &rest[..n]).is_err() {
                f.state = FileState::Error;
                break;
            }
            rest = &rest[n..];
        }
        if f.hashes != NO_FILE {
            let h = self.hashes.get_mut(f.hashes);
            if h.of[0] {
                h.md5.update(data);
            }
            if h.of[1] {
                h.sha1.update(data);
            }
            if h.of[2] {
                h.sha256.update(data);
            }
        }
        let part = f.part;
        if part != NO_FILE {
            self.part_bytes(pool, part, data);
        }
    }

    /// `bytes` of the file never arrived: they count for its size, and it will end as truncated.
    pub fn gap(&mut self, pool: &mut BytePool, id: u32, bytes: u64) {
        let f = self.slab.get_mut(id);
        if f.state != FileState::Open {
            return;
        }
        f.size += bytes;
        f.gaps = true;
        self.judges.gap(&mut f.look, pool.growth());
        f.window_at = f.size;
        f.window.free(pool);
        let part = f.part;
        if part != NO_FILE {
            self.part_spoils(pool, part);
        }
    }

    /// Ends a file: seen to its end (`truncated == false`) or cut short, which leaves it without hashes.
    pub fn close(&mut self, pool: &mut BytePool, id: u32, truncated: bool) {
        let f = self.slab.get_mut(id);
        if f.state != FileState::Open {
            return;
        }
        f.state = if truncated || f.gaps { FileState::Truncated } else { FileState::Closed };
        self.judges.close(&mut f.look, truncated || f.gaps, pool.growth());
        // A file with holes gets the hashes of what arrived, one that was cut short gets none.
        if f.hashes != NO_FILE && !truncated {
            let h = self.hashes.get_mut(f.hashes);
            h.md5_out = h.md5.clone().finalize().into();
            h.sha1_out = h.sha1.clone().finalize().into();
            h.sha256_out = h.sha256.clone().finalize().into();
            h.done = true;
        }
    }

    /// More bytes turned up after the end: the file is open again, unless its record was written already.
    pub fn reopen(&mut self, id: u32) {
        let f = self.slab.get_mut(id);
        if f.state != FileState::Error && !f.logged {
            f.state = FileState::Open;
            self.judges.reopen(&f.look);
            if f.hashes != NO_FILE {
                self.hashes.get_mut(f.hashes).done = false;
            }
        }
    }

    /// Appends the window of a file to `to`, as far as there is room.
    pub fn copy_window(&self, pool: &mut BytePool, id: u32, to: &mut PBuf) {
        let (from, at) = (&self.slab.get(id).window, to.len());
        if to.resize(pool, at + from.len()).is_ok() {
            pool.copy_between(from, 0, to, at, from.len());
        }
    }

    /// Gives back every file of a chain; the head becomes [`NO_FILE`].
    pub fn free_chain(&mut self, pool: &mut BytePool, head: &mut u32) {
        let mut at = *head;
        while at != NO_FILE {
            let next = self.slab.get(at).next;
            // A file that became whole by a part that nobody sees to its end stays until it gives way.
            let _whole = self.part_settles(pool, at);
            self.drop_file(pool, at);
            at = next;
        }
        *head = NO_FILE;
    }

    /// Gives a file back that is in no chain.
    pub(super) fn drop_file(&mut self, pool: &mut BytePool, id: u32) {
        let f = self.slab.get_mut(id);
        let hashes = f.hashes;
        f.name.free(pool);
        f.window.free(pool);
        self.judges.free(&f.look);
        f.head.free(pool);
        if hashes != NO_FILE {
            self.hashes.free(hashes);
        }
        self.slab.free(id);
    }

    /// The files of a chain, first to last.
    pub fn chain(&self, head: u32) -> impl Iterator<Item = u32> + '_ {
        let mut at = head;
        core::iter::from_fn(move || {
            if at == NO_FILE {
                return None;
            }
            let id = at;
            at = self.slab.get(id).next;
            Some(id)
        })
    }

    /// The file with that number.
    pub fn view(&self, id: u32) -> FileView<'_> {
        FileView { files: self, id }
    }

    /// Tells whether rules ask for verdicts on model files.
    pub fn set_judging(&mut self, rules: bool) {
        self.judges.set_wanted(rules);
    }

    /// Whether a file is being judged: limits of bodies are not for it.
    pub fn is_read(&self, id: u32) -> bool {
        self.judges.is_read(&self.slab.get(id).look)
    }

    /// Whether a model file was begun since the last call: what carries it is read to its end.
    pub fn began_to_read(&mut self) -> bool {
        self.judges.began()
    }

    /// What became of model files since construction.
    pub fn judged(&self) -> Counts {
        self.judges.counts()
    }

    /// Gives away the bytes of files that came since the last call: the number of a file, and bytes of it.
    pub fn drain(&mut self, pool: &mut BytePool, to: impl FnMut(u64, &[u8])) {
        if !self.tap.is_empty() {
            self.tap.drain(pool, to);
        }
    }

    /// Of a file that ended: whether all its bytes went out and somebody asked for them.
    pub fn settle_store(&mut self, id: u32) {
        let on = self.tap.is_on();
        let f = self.slab.get_mut(id);
        if on && f.store && !f.lost && f.state != FileState::Error && !f.stored {
            self.stored += 1;
            f.stored = true;
            f.store_id = self.stored;
        }
    }

    /// To set `store`, `stored`, `store_id` and `logged`.
    pub fn get_mut(&mut self, id: u32) -> &mut File {
        self.slab.get_mut(id)
    }

    /// Files open or not yet freed.
    pub fn used(&self) -> usize {
        self.slab.used()
    }

    /// Files that could not be tracked since construction.
    pub fn refused(&self) -> u64 {
        self.refused
    }
}

/// A file as outputs and rules see it.
#[derive(Clone, Copy, Debug)]
pub struct FileView<'a> {
    pub files: &'a Files,
    pub id: u32,
}

impl<'a> FileView<'a> {
    /// The file itself, for the engine's marks.
    pub fn file(&self) -> &'a File {
        self.files.slab.get(self.id)
    }

    /// The next file of the chain, [`NO_FILE`] at its end.
    pub fn next(&self) -> u32 {
        self.file().next
    }

    pub fn name(&self, pool: &'a BytePool) -> &'a [u8] {
        self.file().name.get(pool)
    }

    /// Bytes after the last dot of the name, empty without one (`fileext`).
    pub fn ext(&self, pool: &'a BytePool) -> &'a [u8] {
        let name = self.name(pool);
        memchr::memrchr(b'.', name).and_then(|i| name.get(i + 1..)).unwrap_or(&[])
    }

    /// Bytes of the file so far, missing ones included.
    pub fn size(&self) -> u64 {
        self.file().size
    }

    pub fn state(&self) -> FileState {
        self.file().state
    }

    /// Writes what the file is by its first bytes. `false`: nobody asked, or they are not there yet.
    pub fn magic(&self, pool: &BytePool, out: &mut Scratch) -> bool {
        let f = self.file();
        let whole = self.ended() && f.size <= magic::HEAD as u64;
        if !self.files.magic || !(self.ended() || f.head.len() >= magic::HEAD) {
            return false;
        }
        magic::describe(f.head.get(pool), whole, out);
        true
    }

    /// Nothing more will be appended.
    pub fn ended(&self) -> bool {
        self.file().state != FileState::Open
    }

    pub fn gaps(&self) -> bool {
        self.file().gaps
    }

    pub fn dir(&self) -> Dir {
        self.file().dir
    }

    /// Number of the file in its engine, see [`Files::drain`].
    pub fn serial(&self) -> u64 {
        self.file().serial
    }

    pub fn tx_id(&self) -> u64 {
        self.file().tx_id
    }

    /// First and last byte of the whole that this file is.
    pub fn range(&self) -> Option<(u64, u64)> {
        self.file().range
    }

    /// Window of the data and the offset of its first byte; empty when the parser keeps the data itself.
    pub fn data(&self, pool: &'a BytePool) -> (&'a [u8], u64) {
        (self.file().window.get(pool), self.file().window_at)
    }

    /// The verdict on a model file that ended; `None` for all other files, and when nobody asks for verdicts.
    pub fn artifact(&self) -> Option<Verdict<'a>> {
        self.files.judges.verdict(&self.file().look)
    }

    /// What is known of a model file that goes on.
    pub fn artifact_so_far(&self) -> Option<Verdict<'a>> {
        self.files.judges.so_far(&self.file().look)
    }

    fn hashes(&self) -> Option<&'a Hashes> {
        let h = self.file().hashes;
        if h == NO_FILE {
            return None;
        }
        Some(self.files.hashes.get(h)).filter(|h| h.done)
    }

    /// MD5 of a whole, ended file, when it was asked for.
    pub fn md5(&self) -> Option<&'a [u8; 16]> {
        self.hashes().filter(|h| h.of[0]).map(|h| &h.md5_out)
    }

    /// SHA-1, likewise.
    pub fn sha1(&self) -> Option<&'a [u8; 20]> {
        self.hashes().filter(|h| h.of[1]).map(|h| &h.sha1_out)
    }

    /// SHA-256, likewise.
    pub fn sha256(&self) -> Option<&'a [u8; 32]> {
        self.hashes().filter(|h| h.of[2]).map(|h| &h.sha256_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn cfg() -> AppConfig {
        AppConfig {
            file_md5: true,
            file_sha1: true,
            file_sha256: true,
            file_window: 64,
            max_files: 8,
            ..AppConfig::default()
        }
    }

    const NEW: NewFile<'_> =
        NewFile { name: b"a.tar.gz", dir: Dir::ToClient, tx_id: 3, window: true, range: None, of: None };

    #[test]
    fn a_whole_file() {
        let (mut p, mut fs, mut head) = (BytePool::new(1 << 16), Files::new(&cfg()), NO_FILE);
        let id = fs.open(&mut p, &mut head, NEW).unwrap();
        fs.append(&mut p, id, b"ab");
        fs.append(&mut p, id, b"c");
        assert_eq!(fs.view(id).md5(), None);
        fs.close(&mut p, id, false);
        let v = fs.view(id);
        assert_eq!(
            (v.name(&p), v.ext(&p), v.size(), v.state().name()),
            (&b"a.tar.gz"[..], &b"gz"[..], 3, "CLOSED")
        );
        assert_eq!(v.md5().unwrap()[..4], [0x90, 0x01, 0x50, 0x98]);
        assert_eq!(v.sha1().unwrap()[..4], [0xa9, 0x99, 0x3e, 0x36]);
        assert_eq!(v.sha256().unwrap()[..4], [0xba, 0x78, 0x16, 0xbf]);
        assert_eq!(v.data(&p), (&b"abc"[..], 0));
        fs.free_chain(&mut p, &mut head);
        assert_eq!((p.in_use(), fs.used(), fs.hashes.used()), (0, 0, 0));
    }

    /// What is asked for later is known of files that begin later; what is no longer asked for stays true of those that live.
    #[test]
    fn digests_are_those_asked_for_when_the_file_began() {
        let cfg = AppConfig { file_md5: false, file_sha1: true, file_sha256: false, ..cfg() };
        let (mut p, mut fs, mut head) = (BytePool::new(1 << 16), Files::new(&cfg), NO_FILE);
        let mut begun = [NO_FILE; 3];
        for (id, asked) in begun.iter_mut().zip([[false; 3], [true, false, true], [false; 3]]) {
            fs.want_digests(asked);
            *id = fs.open(&mut p, &mut head, NEW).unwrap();
            fs.append(&mut p, *id, b"ab");
        }
        for (id, asked) in begun.into_iter().zip([false, true, false]) {
            fs.append(&mut p, id, b"c");
            fs.close(&mut p, id, false);
            let v = fs.view(id);
            assert_eq!(v.sha1().unwrap()[..4], [0xa9, 0x99, 0x3e, 0x36]);
            assert_eq!(v.md5().map(|d| d[0]), asked.then_some(0x90));
            assert_eq!(v.sha256().map(|d| d[0]), asked.then_some(0xba));
        }
        fs.free_chain(&mut p, &mut head);
        assert_eq!((p.in_use(), fs.used(), fs.hashes.used()), (0, 0, 0));
    }

    #[test]
    fn a_gap_truncates() {
        let (mut p, mut fs, mut head) = (BytePool::new(1 << 16), Files::new(&cfg()), NO_FILE);
        let id = fs.open(&mut p, &mut head, NEW).unwrap();
        fs.append(&mut p, id, b"ab");
        fs.gap(&mut p, id, 10);
        fs.append(&mut p, id, b"cd");
        fs.close(&mut p, id, false);
        let v = fs.view(id);
        assert_eq!((v.size(), v.state(), v.gaps()), (14, FileState::Truncated, true));
        // MD5 of "abcd".
        assert_eq!(v.md5().unwrap()[..4], [0xe2, 0xfc, 0x71, 0x4c]);
        assert_eq!(v.data(&p), (&b"cd"[..], 12));
    }

    #[test]
    fn chains_keep_their_order_and_the_slab_its_bound() {
        let (mut p, mut fs, mut head) = (BytePool::new(1 << 16), Files::new(&cfg()), NO_FILE);
        let ids: Vec<u32> = (0..8).map(|_| fs.open(&mut p, &mut head, NEW).unwrap()).collect();
        assert_eq!(fs.open(&mut p, &mut head, NEW), None);
        assert_eq!(fs.refused(), 1);
        assert_eq!(fs.chain(head).collect::<Vec<_>>(), ids);
        fs.free_chain(&mut p, &mut head);
        assert_eq!((p.in_use(), fs.used()), (0, 0));
    }

    proptest! {
        #[test]
        fn the_window_does_not_depend_on_the_cuts(data in proptest::collection::vec(any::<u8>(), 0..600),
                                                 cuts in proptest::collection::vec(1usize..90, 0..40)) {
            let mut p = BytePool::new(1 << 16);
            let mut fs = Files::new(&cfg());
            let (mut h1, mut h2) = (NO_FILE, NO_FILE);
            let one = fs.open(&mut p, &mut h1, NEW).unwrap();
            let two = fs.open(&mut p, &mut h2, NEW).unwrap();
            fs.append(&mut p, one, &data);
            let mut rest = &data[..];
            for c in cuts {
                let (a, b) = rest.split_at(c.min(rest.len()));
                fs.append(&mut p, two, a);
                rest = b;
            }
            fs.append(&mut p, two, rest);
            fs.close(&mut p, one, false);
            fs.close(&mut p, two, false);
            let (a, b) = (fs.view(one), fs.view(two));
            prop_assert_eq!(a.data(&p), b.data(&p));
            prop_assert_eq!((a.size(), a.md5(), a.sha256()), (b.size(), b.md5(), b.sha256()));
            let (w, at) = a.data(&p);
            prop_assert_eq!(w, &data[at as usize..]);
            fs.free_chain(&mut p, &mut h1);
            fs.free_chain(&mut p, &mut h2);
            prop_assert_eq!(p.in_use(), 0);
        }
    }
}
