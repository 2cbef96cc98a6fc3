//! Model files among all files, judged while their bytes pass.
//!
//! In: what parsers say of files: names, bytes, holes, ends. Out: a [`Verdict`] a model file, that rules and outputs read
//! from its end until the file's transaction goes. Owns the readers, taken at construction, and what they found.
//!
//! A file is read when its name or its first bytes are a model's. Readers are few: a file that finds none, or whose reader
//! another one took after it had stood still for long, is told as one that could not be looked at, never as clean.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::AppConfig;
use crate::ai::artifact::{self, Artifact, Coders, Hint, Judgement, Report, Verdict};
use crate::pool::{Arena, Growth, Records};

/// First bytes of a file that tell whether it is read.
const HEAD: usize = 8;
/// Most readers.
const READERS: usize = 64;
/// A reader may go to another file when so many pieces of any files came since its last one.
const STILL: u64 = 8192;

/// Where the judging of a file stands; part of the file.
#[derive(Clone, Copy, Debug, Default)]
pub struct Look {
    head: [u8; HEAD],
    have: u8,
    /// What the name says, for names that models have.
    name: Option<Hint>,
    /// It says that the file is a model, whatever is in it.
    claimed: bool,
    /// What comes of the file does not begin at its first byte.
    part: bool,
    state: State,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    /// Nobody asks, it is no model, or nothing could be kept of it.
    #[default]
    Off,
    /// Its first bytes decide.
    Head,
    /// A reader has it, as long as the reader's turn is this.
    Reading { reader: u8, turn: u32 },
    /// It could not be looked at.
    Unread(Unread),
    /// What was found has this number.
    Over(u32),
}

/// Why a file could not be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unread {
    Part,
    NoReader,
    Taken,
}

impl Unread {
    const fn why(self) -> &'static str {
        match self {
            Unread::Part => "not looked at: a part of the file that has not its beginning",
            Unread::NoReader => "not looked at: no reader was free",
            Unread::Taken => "not looked at to its end: another file needed the reader",
        }
    }
}

struct Reader {
    artifact: Artifact,
    taken: bool,
    turn: u32,
    /// Pieces of files that had come when this one got its last.
    last: u64,
}

/// The readers of one engine.
pub struct Judges {
    readers: Box<[Reader]>,
    /// Bytes for them, once they are needed.
    room: usize,
    /// Decoders that few files need, lent to the one that does.
    coders: Option<Coders>,
    found: Records<Report>,
    pieces: u64,
    on: bool,
    /// Outputs tell verdicts, whatever rules ask.
    told: bool,
    /// A reader was taken.
    began: bool,
    counts: Counts,
}

/// What became of model files since construction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Files that were read to their end.
    pub judged: u64,
    /// Those that could not be looked at, and those whose reader another one took.
    pub unread: u64,
    pub evicted: u64,
}

impl core::fmt::Debug for Judges {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Judges").field("readers", &self.readers.len()).finish_non_exhaustive()
    }
}

/// Readers that `bytes` have room for, and whether there is room for the decoders that they share.
const fn within(bytes: usize) -> (usize, bool) {
    let shared = bytes >= Coders::BYTES + 2 * Artifact::BYTES;
    let n = if shared { (bytes - Coders::BYTES) / Artifact::BYTES } else { bytes / Artifact::BYTES };
    (if n < READERS { n } else { READERS }, shared)
}

/// What the readers that `bytes` have room for take.
pub const fn taken_of(bytes: usize) -> usize {
    let (n, shared) = within(bytes);
    n * Artifact::BYTES + if shared { Coders::BYTES } else { 0 }
}

impl Judges {
    /// As many readers as `cfg.model_files` has room for.
    pub fn new(cfg: &AppConfig, arena: &Arc<Arena>) -> Self {
        let mut judges = Judges {
            readers: Box::default(),
            room: cfg.model_files,
            coders: None,
            found: Records::new(arena, cfg.max_files),
            pieces: 0,
            on: cfg.artifacts,
            told: cfg.artifacts,
            began: false,
            counts: Counts::default(),
        };
        judges.set_wanted(false);
        judges
    }

    /// Tells whether rules ask for verdicts. The first time that anybody does, the readers' memory is taken.
    pub fn set_wanted(&mut self, rules: bool) {
        self.on = rules || self.told;
        let (most, shared) = within(self.room);
        if self.on && self.readers.is_empty() && most > 0 {
            let reader = |_| Reader { artifact: Artifact::without_coders(), taken: false, turn: 0, last: 0 };
            self.readers = (0..most).map(reader).collect::<Vec<_>>().into_boxed_slice();
            self.coders = shared.then(Coders::new);
        }
    }

    /// Whether a file was begun since the last call.
    pub fn began(&mut self) -> bool {
        core::mem::take(&mut self.began)
    }

    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// A file begins; `part`: what comes of it does not begin at its first byte.
    pub fn begin(&self, name: &[u8], part: bool) -> Look {
        if !self.on {
            return Look::default();
        }
        let claimed = artifact::claims_model(name);
        Look { name: Hint::of_model(name), claimed, part, state: State::Head, ..Look::default() }
    }

    /// The file's next bytes.
    pub fn bytes(&mut self, look: &mut Look, mut data: &[u8], growth: &mut Growth) {
        // Whatever file it is of: readers that all stand still must not do so for ever.
        self.pieces += 1;
        if let State::Head = look.state {
            let n = data.len().min(HEAD - usize::from(look.have));
            let (some, rest) = data.split_at(n);
            for b in some {
                look.head[usize::from(look.have)] = *b;
                look.have += 1;
            }
            data = rest;
            if usize::from(look.have) < HEAD {
                return;
            }
            self.decide(look, growth);
        }
        self.feed(look, data, growth);
    }

    fn feed(&mut self, look: &mut Look, data: &[u8], growth: &mut Growth) {
        let State::Reading { .. } = look.state else { return };
        let now = self.pieces;
        match self.reader(look) {
            Some(r) => {
                r.last = now;
                r.artifact.within(growth, data.len(), |a| a.feed(data));
            }
            None => look.state = State::Unread(Unread::Taken),
        }
    }

    /// What the name and the first bytes say: those of a model go to a reader.
    fn decide(&mut self, look: &mut Look, growth: &mut Growth) {
        let Look { head, have, .. } = *look;
        let head = head.get(..usize::from(have)).unwrap_or(&[]);
        if look.part {
            look.state = look.name.map_or(State::Off, |_| State::Unread(Unread::Part));
            return;
        }
        if look.name.is_none() && !artifact::is_model_head(head) {
            look.state = State::Off;
            return;
        }
        self.take(look, head);
        self.feed(look, head, growth);
    }

    /// Some bytes never came: what came before them is all that is judged.
    pub fn gap(&mut self, look: &mut Look, growth: &mut Growth) {
        match look.state {
            State::Head if look.name.is_none() => look.state = State::Off,
            State::Head | State::Reading { .. } => {
                self.end(look, Some("some of the file's bytes are missing"), growth)
            }
            _ => {}
        }
    }

    /// The file is over.
    pub fn close(&mut self, look: &mut Look, truncated: bool, growth: &mut Growth) {
        self.end(look, truncated.then_some("the file was cut short"), growth);
    }

    fn end(&mut self, look: &mut Look, lack: Option<&'static str>, growth: &mut Growth) {
        if let State::Head = look.state {
            self.decide(look, growth);
        }
        let found = match look.state {
            State::Off | State::Head | State::Over(_) => return,
            State::Unread(why) => self.unread(why),
            State::Reading { .. } => match self.reader(look) {
                Some(r) => {
                    if let Some(why) = lack {
                        r.artifact.missing(why);
                    }
                    r.artifact.within(growth, 0, |a| _ = a.end());
                    let id = self.keep(look);
                    self.give_back(look);
                    self.counts.judged += 1;
                    id
                }
                None => self.unread(Unread::Taken),
            },
        };
        look.state = found.map_or(State::Off, State::Over);
    }

    /// Keeps what the file's reader found.
    fn keep(&mut self, look: &Look) -> Option<u32> {
        let id = self.found.alloc()?;
        let State::Reading { reader, .. } = look.state else { return None };
        *self.found.get_mut(id) = self.readers.get(usize::from(reader))?.artifact.report().clone();
        Some(id)
    }

    fn unread(&mut self, why: Unread) -> Option<u32> {
        match why {
            Unread::Part | Unread::NoReader => self.counts.unread += 1,
            Unread::Taken => self.counts.evicted += 1,
        }
        let id = self.found.alloc()?;
        self.found.get_mut(id).find(Judgement::Unreadable, why.why(), &[]);
        Some(id)
    }

    /// More bytes of a file that had ended.
    pub fn reopen(&mut self, look: &Look) {
        if let State::Over(id) = look.state {
            self.found.get_mut(id).find(Judgement::Unreadable, "the file went on behind its end", &[]);
        }
    }

    /// The file goes.
    pub fn free(&mut self, look: &Look) {
        match look.state {
            State::Over(id) => self.found.free(id),
            State::Reading { .. } => self.give_back(look),
            _ => {}
        }
    }

    /// The verdict on a file that ended.
    pub fn verdict(&self, look: &Look) -> Option<Verdict<'_>> {
        match look.state {
            State::Over(id) => self.found.peek(id).map(Verdict::of),
            _ => None,
        }
    }

    /// Whether a reader has the file.
    pub fn is_read(&self, look: &Look) -> bool {
        self.so_far(look).is_some()
    }

    /// What is known of a file that goes on: a call that was already made stays made.
    pub fn so_far(&self, look: &Look) -> Option<Verdict<'_>> {
        let State::Reading { reader, turn } = look.state else { return None };
        let r = self.readers.get(usize::from(reader)).filter(|r| r.taken && r.turn == turn)?;
        Some(Verdict::of(r.artifact.report()))
    }

    fn reader(&mut self, look: &Look) -> Option<&mut Reader> {
        let State::Reading { reader, turn } = look.state else { return None };
        self.readers.get_mut(usize::from(reader)).filter(|r| r.taken && r.turn == turn)
    }

    fn take(&mut self, look: &mut Look, head: &[u8]) {
        let now = self.pieces;
        let free = self.readers.iter().position(|r| !r.taken);
        let still = || {
            let oldest = (0..self.readers.len()).min_by_key(|i| self.readers[*i].last)?;
            (self.readers[oldest].last + STILL < now).then_some(oldest)
        };
        let Some(i) = free.or_else(still) else {
            look.state = State::Unread(Unread::NoReader);
            return;
        };
        let r = &mut self.readers[i];
        r.artifact.give_coders(&mut self.coders);
        self.began = true;
        r.turn = r.turn.wrapping_add(1);
        (r.taken, r.last) = (true, now);
        r.artifact.reset();
        r.artifact.hinted(look.name.unwrap_or(Hint::None));
        if look.claimed {
            r.artifact.claimed();
        }
        if matches!(head, [b'B', b'Z', b'h', ..] | [0x5d, 0, 0, ..]) {
            r.artifact.take_coders(&mut self.coders);
        }
        look.state = State::Reading { reader: i as u8, turn: r.turn };
    }

    fn give_back(&mut self, look: &Look) {
        let State::Reading { reader, turn } = look.state else { return };
        if let Some(r) = self.readers.get_mut(usize::from(reader)).filter(|r| r.taken && r.turn == turn) {
            r.taken = false;
            r.artifact.give_coders(&mut self.coders);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::{BytePool, PAGE};

    const BAD: &[u8] = b"cos\nsystem\n(S'echo corpus'\ntR.";

    fn judges(readers: usize) -> Judges {
        let cfg =
            AppConfig { model_files: readers * Artifact::BYTES, artifacts: true, ..AppConfig::default() };
        Judges::new(&cfg, &Arena::new(8 * PAGE))
    }

    fn said(j: &Judges, look: &Look) -> (Judgement, &'static str) {
        let v = j.verdict(look).unwrap();
        let why = [Unread::Part, Unread::NoReader, Unread::Taken].map(Unread::why);
        (v.judgement, why.into_iter().find(|w| *w == v.why()).unwrap_or(""))
    }

    #[test]
    fn as_many_files_as_there_are_readers() {
        let mut j = judges(2);
        let pool = &mut BytePool::new(0);
        let g = pool.growth();
        let mut looks = [j.begin(b"a.pkl", false), j.begin(b"b.pkl", false), j.begin(b"c.pkl", false)];
        for l in &mut looks {
            j.bytes(l, &BAD[..10], g);
        }
        for l in &mut looks {
            j.bytes(l, &BAD[10..], g);
            j.close(l, false, g);
        }
        assert_eq!(said(&j, &looks[0]).0, Judgement::Malicious);
        assert_eq!(said(&j, &looks[1]).0, Judgement::Malicious);
        assert_eq!(said(&j, &looks[2]), (Judgement::Unreadable, Unread::NoReader.why()));
        assert_eq!(j.counts(), Counts { judged: 2, unread: 1, evicted: 0 });
        looks.iter().for_each(|l| j.free(l));
        assert_eq!((j.found.used(), j.readers.iter().filter(|r| r.taken).count()), (0, 0));
    }

    #[test]
    fn a_file_that_stands_still_gives_way() {
        let mut j = judges(2);
        let pool = &mut BytePool::new(0);
        let g = pool.growth();
        let (mut slow, mut busy) = (j.begin(b"slow.pkl", false), j.begin(b"busy.bin", false));
        j.bytes(&mut slow, &BAD[..10], g);
        for _ in 0..STILL + 10 {
            j.bytes(&mut busy, b"12345678", g);
        }
        let mut new = j.begin(b"new.pkl", false);
        j.bytes(&mut new, BAD, g);
        j.close(&mut new, false, g);
        j.bytes(&mut slow, &BAD[10..], g);
        j.close(&mut slow, false, g);
        j.close(&mut busy, false, g);
        assert_eq!(said(&j, &new).0, Judgement::Malicious);
        assert_eq!(said(&j, &slow), (Judgement::Unreadable, Unread::Taken.why()));
        assert_eq!(said(&j, &busy).0, Judgement::Unknown);
        assert_eq!(j.counts(), Counts { judged: 2, unread: 0, evicted: 1 });
    }

    /// Files that are begun and never go on hold no reader for ever, though no other model file can be read meanwhile.
    #[test]
    fn readers_that_all_stand_still() {
        let mut j = judges(1);
        let pool = &mut BytePool::new(0);
        let g = pool.growth();
        let mut held = j.begin(b"held.pkl", false);
        j.bytes(&mut held, &BAD[..10], g);
        let mut page = j.begin(b"index.html", false);
        for _ in 0..STILL + 10 {
            j.bytes(&mut page, b"<html>  ", g);
        }
        let mut new = j.begin(b"new.pkl", false);
        j.bytes(&mut new, BAD, g);
        j.close(&mut new, false, g);
        assert_eq!(said(&j, &new).0, Judgement::Malicious);
    }

    #[test]
    fn what_goes_on_behind_its_end_and_what_is_freed_early() {
        let mut j = judges(1);
        let pool = &mut BytePool::new(0);
        let g = pool.growth();
        let mut look = j.begin(b"a.pkl", false);
        j.bytes(&mut look, b"\x80\x02K\x01.", g);
        j.close(&mut look, false, g);
        assert_eq!(said(&j, &look).0, Judgement::Clean);
        j.reopen(&look);
        assert_eq!(said(&j, &look).0, Judgement::Unreadable);
        j.free(&look);
        // A flow ends in the middle of a file: its reader is free again.
        let mut look = j.begin(b"b.pkl", false);
        j.bytes(&mut look, &[BAD, &[0; 600]].concat(), g);
        assert_eq!(j.so_far(&look).unwrap().judgement, Judgement::Malicious);
        j.free(&look);
        let mut next = j.begin(b"c.pkl", false);
        j.bytes(&mut next, BAD, g);
        j.close(&mut next, false, g);
        assert_eq!(said(&j, &next).0, Judgement::Malicious);
    }

    #[test]
    fn the_documented_number_of_readers() {
        let plan = crate::engine::MemoryPlan::new(256 << 20).unwrap();
        assert_eq!(within(plan.model_files), (5, true));
    }
}
