//! Many literals searched at once: an immutable [`Database`], the caller's [`Scratch`], a callback.
//!
//! In: patterns (bytes, exact or ASCII-caseless, each with the caller's 32-bit id), then any bytes to search.
//! Out: `(id, end offset)` of every occurrence, or of the first one for each id. Owns nothing but its tables.
//!
//! How a scan works. Every pattern gives one *window*: the up to 4 consecutive bytes of it that are least likely
//! in traffic (`rank`). Filters run over the input and yield the positions where some window may end; they never
//! miss one (`simd`, `scan`). Such candidates are looked up in a hash of the windows, and the patterns behind them
//! compared with the input in full (`verify`). This is done for blocks of 1536 positions at a time, and what is found
//! is put in order (`drive`). Filter and hash ignore bit 5 of every byte, which makes ASCII case free and costs exact
//! patterns nothing, because the comparison is exact.
//!
//! Work is bounded for every input: the filters are linear; a candidate costs at most the patterns that share its
//! window.
pub mod anchored;
mod build;
mod drive;
mod gate;
mod image;
mod rank;
pub mod regex;
mod scan;
mod set;
mod simd;
mod stream;
pub mod text;
mod variants;
mod verify;
mod windows;

#[cfg(test)]
mod tests;

use alloc::{borrow::Cow, string::String, vec::Vec};

pub use image::ImageError;
pub use set::{BadPattern, Set, SetBuilder, SetScratch, Why};
pub(crate) use simd::equal::{either, equal, outside};
pub use simd::isa::{IsaError, instruction_set};
pub use stream::Stream;

/// The longest pattern, bytes.
pub const MAX_PATTERN: usize = 4096;

/// Why a pattern was refused. The builder is unchanged and can go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// The empty pattern matches everywhere and is refused.
    #[error("the pattern is empty")]
    Empty,
    /// Longer than [`MAX_PATTERN`] bytes.
    #[error("the pattern has {len} bytes, more than {MAX_PATTERN}")]
    TooLong {
        /// Its length, bytes.
        len: usize,
    },
    /// More than 4 Mi patterns, or more than 1 GiB of them.
    #[error("too many patterns in one database")]
    TooMany,
}

/// Collects patterns for a [`Database`].
#[derive(Clone, Debug, Default)]
pub struct Builder {
    bytes: Vec<u8>,
    pats: Vec<Pat>,
}

/// A pattern as it was added: its bytes are `bytes[at..at + len]`, folded to lower case when caseless.
#[derive(Clone, Copy, Debug)]
struct Pat {
    at: u32,
    len: u16,
    caseless: bool,
    id: u32,
}

impl Builder {
    /// No patterns yet.
    #[must_use]
    pub fn new() -> Self {
        Builder::default()
    }

    /// Adds one pattern of 1 to [`MAX_PATTERN`] bytes. `caseless` ignores the case of ASCII letters. Ids need not
    /// be unique: all patterns of an id report it, and equal patterns report all their ids.
    ///
    /// # Errors
    /// See [`PatternError`]; the pattern is left out then.
    pub fn add(&mut self, bytes: &[u8], caseless: bool, id: u32) -> Result<(), PatternError> {
        if bytes.is_empty() {
            return Err(PatternError::Empty);
        }
        if bytes.len() > MAX_PATTERN {
            return Err(PatternError::TooLong { len: bytes.len() });
        }
        if self.pats.len() >= 1 << 22 || self.bytes.len() + bytes.len() > 1 << 30 {
            return Err(PatternError::TooMany);
        }
        let at = self.bytes.len() as u32;
        self.bytes.extend_from_slice(bytes);
        // A pattern without letters is the same either way; exact ones need no mask.
        let caseless = caseless && bytes.iter().any(u8::is_ascii_alphabetic);
        if caseless {
            self.bytes[at as usize..].make_ascii_lowercase();
        }
        self.pats.push(Pat { at, len: bytes.len() as u16, caseless, id });
        Ok(())
    }

    /// Number of patterns added.
    pub fn len(&self) -> usize {
        self.pats.len()
    }

    /// True when nothing was added.
    pub fn is_empty(&self) -> bool {
        self.pats.is_empty()
    }

    /// Builds the immutable database. The same patterns in the same order give the same database.
    #[must_use]
    pub fn build(self) -> Database<'static> {
        build::build(&self, simd::isa::level(), None)
    }
}

/// Literals compiled for searching. Immutable; share it between threads freely.
pub struct Database<'a> {
    engine: scan::Engine,
    verify: verify::Verifier<'a>,
    /// The ids of equal patterns are adjacent, the last of them marked.
    ids: Cow<'a, [IdRef]>,
    /// Per byte, where the ids of the patterns of just this byte start; empty when there are none of one byte.
    singles: Cow<'a, [u32]>,
    /// Different patterns.
    groups: u32,
    /// Patterns added.
    patterns: u32,
    /// Different ids.
    distinct: u32,
    /// Marks that `scan_once` sets.
    marks: u32,
    /// Matches that may wait to be reported at one time.
    pending: u32,
    /// Bytes of the longest pattern.
    longest: u32,
    /// Most bytes from the end of a window to that of its pattern.
    max_tail: u32,
    /// What the windows were chosen for, and how far apart those of long patterns are looked for.
    level: simd::Level,
    how: verify::Sampling,
    /// What all patterns have, where that is rare.
    gate: Option<gate::Gate>,
}

/// A caller's id and its mark.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct IdRef {
    id: u32,
    /// The mark of `scan_once`: that of the pattern when neither has another one, or one after all patterns. `LAST_ID`
    /// is set on the last id of a pattern.
    dense: u32,
}

const LAST_ID: u32 = 1 << 31;

impl core::fmt::Debug for Database<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.describe())
    }
}

impl Database<'_> {
    /// True when it has no pattern; scanning it does nothing.
    pub fn is_empty(&self) -> bool {
        self.patterns == 0
    }

    /// Number of patterns it was built from, equal ones counted each.
    pub fn len(&self) -> usize {
        self.patterns as usize
    }

    /// The engine in use, why, and the sizes, in one line for people.
    #[must_use]
    pub fn describe(&self) -> String {
        alloc::format!(
            "{} patterns, {} different, {} keys; {}{}{}; {} bytes",
            self.patterns,
            self.groups,
            self.verify.keys(),
            self.engine.describe(),
            if self.gate.is_some() { ", " } else { "" },
            self.gate.as_ref().map(gate::Gate::describe).unwrap_or_default(),
            self.memory_bytes()
        )
    }

    /// Bytes of memory it holds.
    pub fn memory_bytes(&self) -> usize {
        core::mem::size_of::<Self>()
            + self.engine.memory_bytes()
            + self.verify.memory_bytes()
            + self.gate.as_ref().map_or(0, gate::Gate::memory_bytes)
            + core::mem::size_of_val(&*self.ids)
            + core::mem::size_of_val(&*self.singles)
    }

    /// Grows `scratch` to what scans of this database need. Call it once per database and scratch, off the hot
    /// path; a scan with a scratch that is too small does it itself, and allocates then.
    pub fn prepare(&self, scratch: &mut Scratch) {
        self.ready(scratch);
        let window = self.longest as usize + stream::PART;
        if scratch.window.len() < window {
            scratch.window.resize(window, 0);
        }
    }

    /// As [`Database::prepare`], for one block.
    #[inline]
    fn ready(&self, scratch: &mut Scratch) {
        let fits = match &self.engine {
            scan::Engine::Filters(f) => {
                scratch.lists.fit(f.classes.count_ones() as usize, self.pending as usize)
            }
            _ => true,
        };
        if !fits || scratch.seen.len() < self.marks as usize {
            self.grow(scratch);
        }
    }

    #[cold]
    fn grow(&self, scratch: &mut Scratch) {
        let marks = self.marks as usize;
        if scratch.seen.len() < marks {
            scratch.seen.resize(marks, 0);
        }
        if let scan::Engine::Filters(f) = &self.engine {
            scratch.lists.reserve(f.classes.count_ones() as usize, self.pending as usize);
        }
    }

    /// Reports every occurrence as `(id, end offset)`, in order of the end offset, until `on_match` says `false`.
    pub fn scan(&self, hay: &[u8], scratch: &mut Scratch, on_match: impl FnMut(u32, usize) -> bool) {
        self.scan_all(hay, 0, scratch, on_match);
    }

    /// Reports each id once, with the end offset of its first occurrence, in order of the end offset, until `on_match`
    /// says `false`.
    pub fn scan_once(&self, hay: &[u8], scratch: &mut Scratch, on_match: impl FnMut(u32, usize) -> bool) {
        self.scan_each(hay, scratch, on_match);
    }

    /// The first occurrence of any pattern: its id and end offset, the first in order of the end offset.
    pub fn scan_first(&self, hay: &[u8], scratch: &mut Scratch) -> Option<(u32, usize)> {
        let mut found = None;
        self.scan_all(hay, 0, scratch, |id, end| {
            found = Some((id, end));
            false
        });
        found
    }
}

/// What a scan costs, counted rather than timed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Positions that passed a filter, each of them a lookup; those of patterns of one byte aside.
    pub candidates: u64,
    /// Patterns compared by eight bytes because a window of theirs may be there.
    pub compared: u64,
    /// Of these, in full because the eight bytes were there and are not all.
    pub full: u64,
    /// Matches, equal patterns counted once.
    pub matches: u64,
}

/// What a scan writes to; one per thread, good for any number of databases. See [`Database::prepare`].
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    /// Per pattern or id: the epoch of the call that last reported it.
    seen: Vec<u16>,
    epoch: u16,
    lists: drive::Lists,
    /// The end of what was searched of a stream, and what is searched next.
    window: Vec<u8>,
}

impl Scratch {
    /// An empty scratch.
    #[must_use]
    pub fn new() -> Self {
        Scratch::default()
    }

    /// A scratch that fits all of `dbs`.
    #[must_use]
    pub fn for_databases<'a>(dbs: impl IntoIterator<Item = &'a Database<'a>>) -> Self {
        let mut s = Scratch::new();
        for db in dbs {
            db.prepare(&mut s);
        }
        s
    }

    /// Bytes of memory it holds.
    pub fn memory_bytes(&self) -> usize {
        self.seen.capacity() * 2 + self.lists.memory_bytes() + self.window.capacity()
    }

    /// A mark that no earlier call has left in `seen`.
    #[inline]
    fn next_epoch(&mut self) -> u16 {
        if self.epoch == u16::MAX {
            self.seen.fill(0);
            self.epoch = 0;
        }
        self.epoch += 1;
        self.epoch
    }
}
