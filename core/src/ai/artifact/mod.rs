//! Model files: what they do when they are loaded, judged while their bytes pass.
//!
//! In: a file's bytes in order, in pieces of any size, and its name where there is one. Out: a [`Verdict`]. Owns
//! everything it needs from construction on; nothing is loaded or executed, and work and nesting are bounded.
//!
//! A file is a level; what an archive holds is a level below it, five at most. Each level is recognised by its first
//! bytes, and by its name only where the format has no sign of its own. Bytes that are nothing else are searched for
//! pickles and archives in them.

mod archive;
mod bzip2;
mod carve;
mod coded;
mod hint;
mod json;
mod names;
mod pickle;
mod pickled;
mod proto;
mod report;
mod tar;
mod tensors;
#[cfg(test)]
mod tests;
mod text;

use alloc::boxed::Box;
use alloc::vec::Vec;

pub use hint::{Hint, claims_model, is_model_head};
pub use report::{IMPORTS, Judgement, Report, Verdict};

use crate::app::bodies::decode::lzma::{Lzma, Status as LzmaStatus};
use crate::pool::Growth;
use archive::{Inflate, Member, Zip};
use bzip2::Bzip2;
use carve::Carver;
use json::{Json, State};
use pickle::{Machine, Status};
use proto::Proto;
use tar::Tar;
use tensors::{Gguf, Safetensors};
use text::{LineReader, Lines};

/// Levels of archives in archives.
const LEVELS: usize = 5;
/// Slots of the stack and the memo of pickles on the first levels, where large ones are, and on the others.
const LARGE: usize = 3;
const SLOTS: usize = 4096;
const FEW_SLOTS: usize = 512;
/// Levels that bzip2 and LZMA are decoded on.
const CODERS: usize = 2;
/// Dictionary of LZMA, bytes: what Python's default asks for. Reserved, and touched by use.
const DICTIONARY: usize = 8 << 20;
/// That of files in traffic: one that looks further back is told as one that could not be read.
const SMALL_DICTIONARY: usize = 1 << 20;
/// Bytes that decide what a level is.
const HEAD: usize = 512;

/// Names of formats in verdicts.
pub const FORMATS: &[&str] = &[
    "pickle",
    "zip",
    "tar",
    "gzip",
    "zlib",
    "bzip2",
    "xz",
    "lzma",
    "zstd",
    "7z",
    "lz4",
    "npy",
    "hdf5",
    "gguf",
    "safetensors",
    "onnx",
    "savedmodel",
    "json",
];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// Not known yet.
    Head,
    /// Nothing that is known; a zip may begin in it.
    Plain,
    Text,
    Pickle,
    Zip,
    Tar,
    Gzip,
    Zlib,
    Bzip2,
    Lzma,
    Npy,
    Json,
    Lines(Lines),
    Hdf5,
    Safetensors,
    Gguf,
    Proto,
}

struct Level {
    kind: Kind,
    hint: Hint,
    head: [u8; HEAD],
    have: usize,
    machine: Machine,
    /// Pickles that ended as they should.
    stopped: u32,
    carver: Carver,
    carving: bool,
    zip: Zip,
    inflate: Inflate,
    gzip: Gzip,
    tar: Tar,
    bzip2: Option<Bzip2>,
    lzma: Option<Lzma>,
    json: Json,
    in_json: bool,
    lines: LineReader,
    safetensors: Safetensors,
    gguf: Gguf,
    proto: Proto,
    npy: Npy,
    last: u8,
    /// The bytes may be a pickle as well, which whoever loads it as one runs.
    twin: bool,
    /// A file in the pickle is read below, and the name of what the pickle is in.
    nested: bool,
    around: report::Text<64>,
}

/// The head of a gzip member.
#[derive(Clone, Copy)]
struct Gzip {
    at: u32,
    flags: u8,
    left: u32,
    body: bool,
}

#[derive(Clone, Copy)]
struct Npy {
    at: u64,
    size: u64,
    major: u8,
    object: bool,
    last: [u8; 3],
}

/// What reading a byte takes, in bytes of decoding.
pub const READING: u64 = 7;
/// What it takes beyond that where something may begin or end: an opcode, a name, an archive.
const LOUD: u64 = 16;
/// What it takes beyond that in texts, which are read letter by letter.
const LETTER: u64 = 4;

/// Reads one model file.
pub struct Artifact {
    levels: Box<[Level]>,
    report: Box<Report>,
}

impl Default for Artifact {
    fn default() -> Self {
        Self::new()
    }
}

/// Decoders that few files need and that take more than all the rest: one of each, for files that are compressed as a whole.
pub struct Coders {
    bzip2: Bzip2,
    lzma: Lzma,
}

impl Coders {
    /// What they take: a dictionary of [`SMALL_DICTIONARY`].
    pub const BYTES: usize = Bzip2::BYTES + Lzma::bytes(SMALL_DICTIONARY);

    #[must_use]
    pub fn new() -> Self {
        Coders { bzip2: Bzip2::new(), lzma: Lzma::new(SMALL_DICTIONARY) }
    }
}

impl Default for Coders {
    fn default() -> Self {
        Self::new()
    }
}

impl Artifact {
    /// What a reader without decoders of its own takes.
    pub const BYTES: usize =
        LARGE * Level::bytes(SLOTS) + (LEVELS - LARGE) * Level::bytes(FEW_SLOTS) + size_of::<Report>();

    /// Takes all the memory there will ever be, about 1.1 MB and the decoders of two levels.
    #[must_use]
    pub fn new() -> Self {
        Self::with(CODERS)
    }

    /// As [`Artifact::new`], without decoders for bzip2 and LZMA: they are lent when a file needs them.
    #[must_use]
    pub fn without_coders() -> Self {
        Self::with(0)
    }

    fn with(coders: usize) -> Self {
        let slots = |i| if i < LARGE { SLOTS } else { FEW_SLOTS };
        let levels: Vec<Level> = (0..LEVELS).map(|i| Level::new(i < coders, slots(i))).collect();
        Self { levels: levels.into_boxed_slice(), report: Box::new(Report::new()) }
    }

    /// Takes the decoders for the outermost level, when they are there.
    pub fn take_coders(&mut self, from: &mut Option<Coders>) {
        if let (Some(l), Some(c)) = (self.levels.first_mut(), from.take()) {
            (l.bzip2, l.lzma) = (Some(c.bzip2), Some(c.lzma));
        }
    }

    /// Gives the decoders back, if it has any.
    pub fn give_coders(&mut self, to: &mut Option<Coders>) {
        if let Some(l) = self.levels.first_mut()
            && l.bzip2.is_some()
            && let (Some(bzip2), Some(lzma)) = (l.bzip2.take(), l.lzma.take())
        {
            *to = Some(Coders { bzip2, lzma });
        }
    }

    /// Begins another file.
    pub fn reset(&mut self) {
        *self.report = Report::new();
        if let Some(l) = self.levels.first_mut() {
            l.reset(Hint::None);
        }
    }

    /// The file's name, before its bytes: some formats have no other sign.
    pub fn named(&mut self, name: &[u8]) {
        self.hinted(Hint::of(name));
    }

    /// As [`Artifact::named`], for what was already taken from the name.
    pub fn hinted(&mut self, hint: Hint) {
        if let Some(l) = self.levels.first_mut() {
            l.hint = hint;
        }
    }

    /// The name says that it is a model ([`claims_model`]): a file that turns out to be none is told.
    pub fn claimed(&mut self) {
        self.report.claimed = true;
    }

    /// Takes the next bytes.
    pub fn feed(&mut self, data: &[u8]) {
        self.report.bytes = self.report.bytes.saturating_add(data.len() as u64);
        if !self.report.stopped {
            push(&mut self.levels, &mut self.report, data);
        }
    }

    /// Calls `f`, in which `bytes` are read. That, what comes out of archives meanwhile, and what is looked up is the sender's to
    /// pay for; no more comes out than that, and nothing more is read when nothing is left.
    pub fn within(&mut self, growth: &mut Growth, bytes: usize, f: impl FnOnce(&mut Self)) {
        let (before, cost) = (self.report.expanded, self.report.cost);
        self.report.may = before.saturating_add(growth.left() / (1 + READING));
        self.report.may_cost = cost.saturating_add(growth.left().saturating_sub(bytes as u64 * READING));
        f(self);
        let more = (self.report.expanded - before).saturating_mul(1 + READING);
        let all = more.saturating_add(bytes as u64 * READING).saturating_add(self.report.cost - cost);
        if !growth.spend(usize::try_from(all).unwrap_or(usize::MAX)) && !self.report.stopped {
            self.report.stop();
        }
    }

    /// Not all of the file comes here; what comes is read all the same, and the file is not called clean.
    pub fn missing(&mut self, why: &'static str) {
        self.report.find(Judgement::Unreadable, why, &[]);
    }

    /// What is known so far: a call that was already made stays made.
    #[must_use]
    pub fn so_far(&self) -> Judgement {
        self.report.worst()
    }

    /// The file is over.
    pub fn end(&mut self) -> Verdict<'_> {
        finish(&mut self.levels, &mut self.report);
        self.report.member = report::Text::EMPTY;
        // Under a model's name text is no model either.
        let none = !self.report.understood || (self.report.claimed && self.report.format == "json");
        if self.report.worst() == Judgement::Clean && none {
            self.report.find(Judgement::Unknown, "no model format that is known", &[]);
        }
        Verdict::of(&self.report)
    }

    /// What was found, for keeping it when the reader goes on to another file.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.report
    }
}

/// Hands members to the levels below.
struct Below<'a>(&'a mut [Level]);

impl Member for Below<'_> {
    fn begin(&mut self, name: &[u8], rep: &mut Report) {
        rep.member = report::Text::EMPTY;
        rep.member.add(name);
        match self.0.first_mut() {
            Some(l) => l.reset(Hint::of(name)),
            None => rep.find(Judgement::Unknown, "archives in archives, deeper than is read", &[]),
        }
    }

    fn bytes(&mut self, data: &[u8], rep: &mut Report) {
        push(self.0, rep, data);
    }

    fn end(&mut self, rep: &mut Report) {
        finish(self.0, rep);
        rep.member = report::Text::EMPTY;
    }
}

fn push(levels: &mut [Level], rep: &mut Report, mut data: &[u8]) {
    let Some((l, below)) = levels.split_first_mut() else { return };
    if l.kind == Kind::Head {
        let n = data.len().min(HEAD - l.have);
        if let (Some(to), Some(from)) = (l.head.get_mut(l.have..l.have + n), data.get(..n)) {
            to.copy_from_slice(from);
        }
        l.have += n;
        data = data.get(n..).unwrap_or(&[]);
        if l.have < HEAD {
            return;
        }
        l.decide(below, rep);
    }
    l.take(data, below, rep);
}

fn finish(levels: &mut [Level], rep: &mut Report) {
    let Some((l, below)) = levels.split_first_mut() else { return };
    if l.kind == Kind::Head {
        l.decide(below, rep);
    }
    l.end(below, rep);
}

impl Level {
    /// What a level without decoders takes.
    const fn bytes(slots: usize) -> usize {
        size_of::<Level>() + Machine::heap(slots, slots) + Carver::HEAP + archive::HEAP
    }

    /// `slots`: of a pickle's stack and of its memo.
    fn new(coders: bool, slots: usize) -> Self {
        Self {
            bzip2: coders.then(Bzip2::new),
            lzma: coders.then(|| Lzma::new(DICTIONARY)),
            kind: Kind::Head,
            hint: Hint::None,
            head: [0; HEAD],
            have: 0,
            machine: Machine::new(slots, slots, false),
            stopped: 0,
            carver: Carver::new(),
            carving: false,
            zip: Zip::new(),
            inflate: Inflate::new(),
            gzip: Gzip { at: 0, flags: 0, left: 0, body: false },
            tar: Tar::NEW,
            json: Json::NEW,
            in_json: false,
            lines: LineReader::NEW,
            safetensors: Safetensors::new(),
            gguf: Gguf::new(),
            proto: Proto::new(false),
            npy: Npy { at: 0, size: 0, major: 0, object: false, last: [0; 3] },
            last: 0,
            twin: false,
            nested: false,
            around: report::Text::EMPTY,
        }
    }

    fn reset(&mut self, hint: Hint) {
        self.kind = Kind::Head;
        self.hint = hint;
        self.have = 0;
        self.machine.reset();
        self.stopped = 0;
        self.carver.reset();
        self.carving = false;
        self.zip.reset();
        self.gzip = Gzip { at: 0, flags: 0, left: 0, body: false };
        self.tar = Tar::NEW;
        self.json = Json::NEW;
        self.in_json = false;
        self.lines = LineReader::NEW;
        self.safetensors = Safetensors::new();
        self.gguf = Gguf::new();
        self.proto = Proto::new(false);
        self.npy = Npy { at: 0, size: 0, major: 0, object: false, last: [0; 3] };
        self.last = 0;
        self.twin = false;
        self.nested = false;
    }

    /// What the first bytes are, which are then read.
    fn decide(&mut self, below: &mut [Level], rep: &mut Report) {
        let head = self.head;
        let h = head.get(..self.have).unwrap_or(&[]);
        (self.kind, self.carving) = self.recognise(h, rep);
        // The signs of these are also a string or a number of a pickle.
        self.twin = matches!(self.kind, Kind::Tar | Kind::Gguf | Kind::Safetensors);
        self.take(h, below, rep);
    }

    fn recognise(&mut self, h: &[u8], rep: &mut Report) -> (Kind, bool) {
        let text = !h.is_empty() && h.iter().all(|b| *b >= b' ' || matches!(b, b'\n' | b'\r' | b'\t'));
        match self.hint {
            Hint::Python if text => {
                return (Kind::Lines(Lines::Python), false);
            }
            Hint::Yaml if text => return (Kind::Lines(Lines::Yaml), false),
            _ => {}
        }
        let pickled = matches!(h, [0x80, 0..=5, ..]);
        if h.starts_with(b"PK\x03\x04") {
            return (Kind::Zip, true);
        }
        if h.starts_with(b"\x1f\x8b\x08") {
            rep.format("gzip");
            return (Kind::Gzip, false);
        }
        if matches!(h, [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..]) {
            rep.format("zlib");
            self.inflate.reset(true);
            return (Kind::Zlib, false);
        }
        if h.starts_with(b"\x93NUMPY") {
            rep.format("npy");
            return (Kind::Npy, true);
        }
        if h.starts_with(b"\x89HDF\r\n\x1a\n") {
            rep.format("hdf5");
            return (Kind::Hdf5, true);
        }
        if h.starts_with(b"GGUF") {
            rep.format("gguf");
            return (Kind::Gguf, true);
        }
        if tar::checked(h) {
            rep.format("tar");
            return (Kind::Tar, false);
        }
        if matches!(h, [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, ..])
            && let Some(b) = &mut self.bzip2
        {
            b.reset();
            rep.format("bzip2");
            return (Kind::Bzip2, false);
        }
        if matches!(h, [0x5d, 0, 0, _, _, 0xff, 0xff, ..] | [0x5d, 0, 0, _, _, _, _, _, _, _, 0, 0, 0, 0, ..])
            && let Some(l) = &mut self.lzma
        {
            l.reset();
            rep.format("lzma");
            return (Kind::Lzma, false);
        }
        for (sign, name) in [
            (b"BZh".as_slice(), "bzip2"),
            (b"\xfd7zXZ\0", "xz"),
            (b"]\0\0", "lzma"),
            (b"\x28\xb5\x2f\xfd", "zstd"),
            (b"7z\xbc\xaf", "7z"),
            (b"\x04\x22\x4d\x18", "lz4"),
        ] {
            if h.starts_with(sign) && !pickled {
                rep.format(name);
                rep.find(Judgement::Unreadable, "compressed in a way that is not read: ", &[name.as_bytes()]);
                return (Kind::Plain, true);
            }
        }
        let json_length = matches!(h, [_, _, _, _, _, 0, 0, 0, b'{', ..]);
        // A length that is not believed, before what begins as an object does: one byte alone is in every 256th storage.
        let object = h.get(9..).and_then(|o| o.iter().find(|b| !b.is_ascii_whitespace()));
        let claimed = h.get(8) == Some(&b'{') && matches!(object, Some(b'"' | b'}')) && !text;
        if json_length || claimed || (self.hint == Hint::Safetensors && !pickled && !text) {
            rep.format("safetensors");
            return (Kind::Safetensors, true);
        }
        let first = h.iter().find(|b| !b.is_ascii_whitespace()).copied().unwrap_or(0);
        if text && matches!(first, b'{' | b'[') {
            rep.format("json");
            return (Kind::Json, false);
        }
        let onnx = self.hint == Hint::Onnx
            && !pickled
            && matches!(h.first(), Some(0x08 | 0x12 | 0x1a | 0x22 | 0x3a | 0x42 | 0x72));
        let saved = matches!(h, [0x08, 1, 0x12, ..]) || (self.hint == Hint::Saved && !pickled);
        let producer = matches!(h, [0x08, 1..=20, 0x12, n, c, ..] if *n < 64 && c.is_ascii_alphabetic());
        if onnx || producer || saved {
            let saved = !onnx && saved && !(producer && self.hint == Hint::Onnx);
            rep.format(if saved { "savedmodel" } else { "onnx" });
            self.proto = Proto::new(saved);
            return (Kind::Proto, true);
        }
        if matches!(self.hint, Hint::Safetensors | Hint::Gguf | Hint::Onnx) && !h.is_empty() {
            rep.find(Judgement::Suspicious, "is not what its name says", &[]);
        }
        if pickled {
            rep.format("pickle");
        }
        (Kind::Pickle, !text)
    }

    fn take(&mut self, mut data: &[u8], below: &mut [Level], rep: &mut Report) {
        while !data.is_empty() && !rep.is_over() {
            let n = match self.kind {
                Kind::Zip
                | Kind::Plain
                | Kind::Hdf5
                | Kind::Safetensors
                | Kind::Gguf
                | Kind::Proto
                | Kind::Npy
                | Kind::Pickle => self.open(data, below, rep),
                Kind::Tar => {
                    // Both readings go on in step, so that the first finding does not depend on how bytes come.
                    let some = if self.twin { data.get(..1).unwrap_or(data) } else { data };
                    if let Some(b) = data.first() {
                        self.twin(*b, rep);
                    }
                    self.tar.feed(some, &mut Below(below), rep)
                }
                Kind::Gzip => self.gunzip(data, below, rep),
                Kind::Zlib => self.inflated(data, below, rep),
                Kind::Bzip2 => self.bunzip(data, below, rep),
                Kind::Lzma => self.unlzma(data, below, rep),
                Kind::Json => {
                    rep.cost += LETTER;
                    match data.first().map(|b| self.json.byte(*b, rep)) {
                        Some(State::Done) => {
                            rep.understood = true;
                            self.kind = Kind::Text;
                        }
                        Some(State::Broken) => {
                            rep.find(Judgement::Unreadable, "JSON that cannot be read on", &[]);
                            self.kind = Kind::Text;
                        }
                        _ => {}
                    }
                    1
                }
                Kind::Lines(l) => {
                    rep.cost += LETTER;
                    if let Some(b) = data.first() {
                        self.lines.byte(*b, l, rep);
                    }
                    1
                }
                Kind::Text | Kind::Head => data.len(),
            };
            data = data.get(n.max(1)..).unwrap_or(&[]);
        }
    }

    /// Whether it is of a kind in whose numbers nothing else belongs.
    const fn tensors(&self) -> bool {
        matches!(self.kind, Kind::Safetensors | Kind::Gguf | Kind::Npy | Kind::Proto | Kind::Hdf5)
    }

    /// Kinds in whose bytes other things may hide.
    fn open(&mut self, data: &[u8], below: &mut [Level], rep: &mut Report) -> usize {
        let between = !matches!(self.kind, Kind::Zip) || self.zip.scanning();
        if !between {
            return self.zip.feed(data, &mut self.inflate, &mut Below(below), rep);
        }
        let n = self.quiet(data);
        if n > 0 {
            return n;
        }
        let Some(&b) = data.first() else { return 0 };
        rep.cost += LOUD;
        if self.carving {
            // What the main pickle names is its own affair.
            let look = !matches!(self.kind, Kind::Pickle) || self.machine.inside();
            self.carver.byte(b, look, rep);
        }
        if matches!(self.kind, Kind::Pickle) && !self.nested || self.tensors() {
            // Readers of zip begin at the end of a file: whatever it is, an archive in it may be read.
            self.zip.feed(&[b], &mut self.inflate, &mut Below(below), rep);
        }
        match self.kind {
            Kind::Pickle => self.pickled(b, below, rep),
            Kind::Safetensors => {
                self.twin(b, rep);
                self.safetensors.byte(b, rep);
            }
            Kind::Gguf => {
                self.twin(b, rep);
                self.gguf.byte(b, rep);
            }
            Kind::Proto => self.proto.byte(b, rep),
            Kind::Npy => self.array(b, rep),
            Kind::Hdf5 => self.attribute(b, rep),
            _ => {
                self.zip.feed(data, &mut self.inflate, &mut Below(below), rep);
                if matches!(self.kind, Kind::Plain) && !self.zip.scanning() {
                    self.kind = Kind::Zip;
                }
            }
        }
        1
    }

    /// Takes bytes, as many as there are at the start of `data`, in which nothing begins or ends that is looked for: most of
    /// weights, of storages and of long strings.
    fn quiet(&mut self, data: &[u8]) -> usize {
        // A run shorter than this costs more than its bytes one by one.
        const WORTH: usize = 8;
        let most = match self.kind {
            Kind::Plain | Kind::Zip => data.len(),
            Kind::Pickle if self.nested || self.machine.nested() => 0,
            Kind::Pickle => self.machine.body_left().saturating_sub(1).min(data.len()),
            Kind::Safetensors if !self.twin && self.safetensors.in_data() => data.len(),
            Kind::Gguf if !self.twin && self.gguf.in_data() => data.len(),
            _ => 0,
        };
        if most < WORTH || !self.zip.is_idle() || (self.carving && self.carver.is_on()) {
            return 0;
        }
        let data = data.get(..most).unwrap_or(data);
        let carving = self.carving;
        let ends = |b: u8| b == b'P' || carving & matches!(b, b'\n' | 0x93);
        if data.first_chunk().is_some_and(|first: &[u8; WORTH]| first.iter().fold(false, |e, b| e | ends(*b)))
        {
            return 0;
        }
        let end =
            if self.carving { memchr::memchr3(b'P', b'\n', 0x93, data) } else { memchr::memchr(b'P', data) };
        let run = data.get(..end.unwrap_or(most)).unwrap_or(&[]);
        if run.len() < WORTH {
            return 0;
        }
        self.zip.pass(run);
        if self.carving {
            self.carver.pass(run);
        }
        match self.kind {
            Kind::Pickle => self.machine.pass(run),
            Kind::Safetensors => self.safetensors.pass(run.len()),
            _ => {}
        }
        run.len()
    }

    fn end(&mut self, below: &mut [Level], rep: &mut Report) {
        if self.nested {
            self.end_nested(below, rep);
        }
        if self.tensors() && self.zip.begun() {
            let understood = rep.understood;
            self.zip.end(&mut Below(below), rep);
            rep.understood = understood;
            rep.find(Judgement::Suspicious, "is an archive as well", &[]);
        } else if self.kind == Kind::Pickle && !self.zip.scanning() {
            self.zip.end(&mut Below(below), rep);
        }
        match self.kind {
            Kind::Zip => self.zip.end(&mut Below(below), rep),
            Kind::Tar => self.tar.end(&mut Below(below), rep),
            Kind::Bzip2 => {
                if let Some(b) = &mut self.bzip2 {
                    b.end(&mut Below(below), rep);
                }
                Below(below).end(rep);
            }
            Kind::Gzip | Kind::Zlib | Kind::Lzma if self.gzip.body => {
                Below(below).end(rep);
                rep.find(Judgement::Unreadable, "compressed data is cut off", &[]);
            }
            Kind::Pickle if self.machine.began() && (self.machine.sure() || self.broken_pickle()) => {
                rep.find(Judgement::Unreadable, "pickle is cut off", &[]);
            }
            Kind::Safetensors => self.safetensors.end(rep),
            Kind::Gguf => self.gguf.end(rep),
            Kind::Proto => self.proto.end(rep),
            Kind::Json => rep.find(Judgement::Unreadable, "JSON is cut off", &[]),
            Kind::Lines(l) => {
                self.lines.end(l, rep);
                rep.understood = true;
            }
            _ => {}
        }
    }
}
