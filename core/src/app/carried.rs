//! A file that is carried in pieces by the messages of a protocol, each piece with its place in the file: SMB, NFS.
//!
//! In: pieces with their offsets. Out: a file of the engine, and the bytes that `file.data` sees. Pieces that come too early
//! wait, bounded, for those before them; when there are too many, and at the end, what is missing is a gap. What was there
//! already is dropped.

use super::file::NewFile;
use super::txs::TxCommon;
use super::{AppCx, Buffer};
use crate::Dir;
use crate::pool::{BytePool, PBuf};

/// Bytes of a file that `file.data` sees.
const SEEN: usize = 256 << 10;
/// Runs of bytes that wait, and bytes in them: Suricata lets 64 wait.
const RUNS: usize = 64;
const WAITING: usize = 1 << 20;

/// Bytes that came before those in front of them.
#[derive(Clone, Copy, Debug, Default)]
struct Run {
    at: u64,
    /// Where they lie among those that wait, and how many they are; 0: none.
    from: u32,
    len: u32,
}

const RUN: usize = 16;

impl Run {
    fn read(b: &[u8]) -> Option<Run> {
        let (at, rest) = b.split_first_chunk::<8>()?;
        let (from, rest) = rest.split_first_chunk::<4>()?;
        let len = rest.first_chunk::<4>()?;
        Some(Run {
            at: u64::from_le_bytes(*at),
            from: u32::from_le_bytes(*from),
            len: u32::from_le_bytes(*len),
        })
    }

    fn write(self) -> [u8; RUN] {
        let mut b = [0; RUN];
        b[..8].copy_from_slice(&self.at.to_le_bytes());
        b[8..12].copy_from_slice(&self.from.to_le_bytes());
        b[12..].copy_from_slice(&self.len.to_le_bytes());
        b
    }

    fn end(self) -> u64 {
        self.at.saturating_add(u64::from(self.len))
    }
}

/// What there was too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TooMuch {
    Pieces,
    Bytes,
}

/// The file of a transaction.
#[derive(Debug, Default)]
pub(super) struct Carried {
    /// Number of the file + 1.
    file: u32,
    closed: bool,
    body: PBuf,
    /// Offset of the next byte.
    next: u64,
    /// Runs of [`RUN`] bytes each, and the bytes that wait.
    runs: PBuf,
    waiting: PBuf,
}

impl Carried {
    /// Opens the file, once. Its name is what lies in the scratch.
    pub(super) fn open(&mut self, c: &mut TxCommon, dir: Dir, cx: &mut AppCx<'_>) {
        if self.file == 0 && !self.closed {
            let new = NewFile {
                name: cx.scratch.as_slice(),
                dir,
                tx_id: c.id,
                window: false,
                range: None,
                of: None,
            };
            self.file = cx.files.open(cx.pool, &mut c.files[dir.ix()], new).map_or(0, |f| f + 1);
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.file > 0 && !self.closed
    }

    /// Where the next byte is expected.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Its number, while it is open.
    fn file(&self) -> Option<u32> {
        self.file.checked_sub(1).filter(|_| !self.closed)
    }

    /// A piece. `keep`: rules read `file.data`.
    pub(super) fn data(&mut self, at: u64, bytes: &[u8], keep: bool, cx: &mut AppCx<'_>) -> Option<TooMuch> {
        let f = self.file()?;
        let mut full = None;
        if at > self.next {
            full = self.wait(at, bytes, cx.pool);
            full?;
            // No more can wait: what is missing will not come.
            while self.skip(f, keep, cx) {}
        }
        if at > self.next {
            cx.files.gap(cx.pool, f, at - self.next);
            self.next = at;
        }
        self.take(f, at, bytes, keep, cx);
        self.drain(f, keep, cx);
        full
    }

    /// Bytes that are next, or were there already.
    fn take(&mut self, f: u32, at: u64, bytes: &[u8], keep: bool, cx: &mut AppCx<'_>) {
        let known = usize::try_from(self.next.saturating_sub(at)).unwrap_or(usize::MAX);
        let Some(new) = bytes.get(known..) else { return };
        self.next = self.next.saturating_add(new.len() as u64);
        cx.files.append(cx.pool, f, new);
        if keep {
            let room = SEEN.saturating_sub(self.body.len());
            // Without room rules see less of it.
            let _full = self.body.extend(cx.pool, new.get(..room).unwrap_or(new));
        }
    }

    fn run(&self, n: usize, pool: &BytePool) -> Option<Run> {
        Run::read(self.runs.get(pool).get(n * RUN..)?)
    }

    fn set_run(&mut self, n: usize, run: Run, pool: &mut BytePool) {
        if let Some(to) = self.runs.get_mut(pool).get_mut(n * RUN..(n + 1) * RUN) {
            to.copy_from_slice(&run.write());
        }
    }

    /// Keeps bytes that came too early; says so when it cannot.
    fn wait(&mut self, at: u64, bytes: &[u8], pool: &mut BytePool) -> Option<TooMuch> {
        let from = self.waiting.len();
        if from + bytes.len() > WAITING {
            return Some(TooMuch::Bytes);
        }
        let count = self.runs.len() / RUN;
        let last = count.checked_sub(1).and_then(|n| Some((n, self.run(n, pool)?)));
        let goes_on = last.filter(|(_, r)| r.end() == at && (r.from + r.len) as usize == from && r.len > 0);
        if goes_on.is_none() && count >= RUNS {
            return Some(TooMuch::Pieces);
        }
        if self.waiting.extend(pool, bytes).is_err() {
            return Some(TooMuch::Bytes);
        }
        let len = bytes.len() as u32;
        match goes_on {
            Some((n, r)) => self.set_run(n, Run { len: r.len + len, ..r }, pool),
            None => {
                if self.runs.extend(pool, &Run { at, from: from as u32, len }.write()).is_err() {
                    return Some(TooMuch::Bytes);
                }
            }
        }
        None
    }

    /// Takes what has waited for the bytes that are there now.
    fn drain(&mut self, f: u32, keep: bool, cx: &mut AppCx<'_>) {
        while let Some(n) = (0..self.runs.len() / RUN)
            .find(|n| self.run(*n, cx.pool).is_some_and(|r| r.len > 0 && r.at <= self.next))
        {
            let Some(r) = self.run(n, cx.pool) else { break };
            self.set_run(n, Run { len: 0, ..r }, cx.pool);
            let (mut at, mut from, mut left) = (r.at, r.from as usize, r.len as usize);
            // Through the scratch: both ends lie in the same pool.
            while left > 0 {
                let mut piece = [0; 1024];
                let bytes = self.waiting.get(cx.pool).get(from..from + left.min(piece.len())).unwrap_or(&[]);
                if bytes.is_empty() {
                    break;
                }
                let n = bytes.len();
                piece[..n].copy_from_slice(bytes);
                self.take(f, at, &piece[..n], keep, cx);
                (at, from, left) = (at + n as u64, from + n, left - n);
            }
        }
        let empty = (0..self.runs.len() / RUN).all(|n| self.run(n, cx.pool).is_none_or(|r| r.len == 0));
        if empty {
            self.runs.truncate(0);
            self.waiting.truncate(0);
        }
    }

    /// What is missing before the first of those that wait will not come. `false`: none waits.
    fn skip(&mut self, f: u32, keep: bool, cx: &mut AppCx<'_>) -> bool {
        let runs = (0..self.runs.len() / RUN).filter_map(|n| self.run(n, cx.pool));
        let Some(at) = runs.filter(|r| r.len > 0).map(|r| r.at).min() else { return false };
        if at > self.next {
            cx.files.gap(cx.pool, f, at - self.next);
            self.next = at;
        }
        self.drain(f, keep, cx);
        true
    }

    /// Bytes that never arrived.
    pub(super) fn gap(&mut self, at: u64, bytes: u64, keep: bool, cx: &mut AppCx<'_>) {
        let Some(f) = self.file() else { return };
        let end = at.saturating_add(bytes);
        if at <= self.next && end > self.next {
            cx.files.gap(cx.pool, f, end - self.next);
            self.next = end;
            self.drain(f, keep, cx);
        }
    }

    /// Nothing more of it comes; `truncated`: though there should.
    pub(super) fn close(&mut self, truncated: bool, keep: bool, cx: &mut AppCx<'_>) {
        if let Some(f) = self.file() {
            while self.skip(f, keep, cx) {}
            cx.files.close(cx.pool, f, truncated);
        }
        self.closed = true;
        self.runs.free(cx.pool);
        self.waiting.free(cx.pool);
    }

    /// What `file.data` sees.
    pub(super) fn buffer<'a>(&self, pool: &'a BytePool) -> Buffer<'a> {
        match (self.file, self.closed) {
            (0, _) => Buffer::Absent,
            (_, false) if self.body.is_empty() => Buffer::NotYet,
            (_, true) if self.body.is_empty() => Buffer::Absent,
            (_, end) => Buffer::Data { bytes: self.body.get(pool), offset: 0, end },
        }
    }

    pub(super) fn free(&mut self, pool: &mut BytePool) {
        self.body.free(pool);
        self.runs.free(pool);
        self.waiting.free(pool);
    }
}
