//! Content decoding: layers of gzip, deflate, zlib, brotli, zstd and lzma in memory reserved at construction.
//!
//! In: body bytes of one message, in order. Out: the decoded bytes, handed to a [`Sink`]. Owns the decoders of all
//! messages of one engine. When those of a coding are all taken, another message gives way ([`turns`], counted): its body
//! ends there for rules and files. A body whose own layers hold all there are passes undecoded (counted, too).
//!
//! Servers name the wrong coding and clients decode anyway, so a layer whose first bytes fail tries deflate, zlib and
//! gzip on the same bytes, and passes them undecoded when all fail. A layer that fails later ends there. Another
//! coding than the one named must decode [`PROOF`] bytes (or all there are) without an error to be believed.

mod brotli;
pub(crate) mod lzma;
mod turns;
mod zstd;

use crate::app::config::HttpConfig;
use crate::keyed::Sip13;
use crate::packet::Addr;
use crate::pool::{BytePool, PBuf, Slab};
use alloc::vec::Vec;
use brotli::Brotli;
use lzma::Lzma;
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{
    TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_IGNORE_ADLER32, TINFL_FLAG_PARSE_ZLIB_HEADER,
};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};
use turns::{Turn, Turns};
use zstd::Zstd;

/// Most layers of one message.
pub const MAX_LAYERS: usize = 8;
const WINDOW: usize = 32 << 10;
/// First bytes of a layer kept while it has given nothing, for another try with another coding.
const HOLD: usize = 8 << 10;
/// Bytes that a coding that was not named must decode before they are handed on.
const PROOF: usize = 4 << 10;
/// Bytes handed on at once.
const STEP: usize = 8 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Coding {
    #[default]
    Gzip,
    Deflate,
    Zlib,
    Brotli,
    Lzma,
    Zstd,
}

/// Kinds of decoders: inflate, brotli, lzma, zstd.
const KINDS: usize = 4;

impl Coding {
    const fn kind(self) -> usize {
        match self {
            Coding::Gzip | Coding::Deflate | Coding::Zlib => 0,
            Coding::Brotli => 1,
            Coding::Lzma => 2,
            Coding::Zstd => 3,
        }
    }

    /// Whether its decoders inflate.
    const fn inflates(self) -> bool {
        self.kind() == 0
    }
}

/// The decoders of one message, until they are closed or give way to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainId {
    at: u32,
    /// Number of the message, so that the place's next holder is not taken for this one.
    message: u64,
}

/// How far a decoder came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    NeedsInput,
    MoreOutput,
    Done,
    Failed,
}

/// How many decoders there are.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Layers of gzip, deflate and zlib at the same time; also messages.
    pub inflate: usize,
    pub brotli: usize,
    pub lzma: usize,
    /// Largest dictionary of an lzma layer, bytes.
    pub lzma_memory: usize,
    /// Bytes of each brotli decoder.
    pub brotli_memory: usize,
    pub zstd: usize,
    /// Bytes of each zstd decoder.
    pub zstd_memory: usize,
}

impl Room {
    /// What fits into `bytes`: 40 % of them for inflate, which nearly all traffic uses, 25 % each for brotli and zstd and
    /// 10 % for lzma, which take megabytes each.
    pub fn within(bytes: usize, http: &HttpConfig) -> Room {
        let bytes = bytes.saturating_sub(KINDS * Turns::FIXED);
        let beside = size_of::<Chain>() + size_of::<Turn>() + 8;
        let per_inflate = WINDOW + size_of::<Core>() + beside;
        let brotli_memory = Brotli::MOST.min((bytes / 4).saturating_sub(beside));
        let zstd_memory = Zstd::MOST.min((bytes / 4).saturating_sub(beside));
        let lzma_memory = http.lzma_memory.min((bytes / 10).saturating_sub(beside));
        let lzma =
            if http.lzma_enabled { (bytes / 10 / (Lzma::bytes(lzma_memory) + beside)).max(1) } else { 0 };
        Room {
            inflate: (bytes / 5 * 2 / per_inflate).max(1),
            brotli: (bytes / 4 / (brotli_memory + beside)).max(1),
            // A block and a window to match have their size: a small engine has none.
            zstd: if zstd_memory < Zstd::LEAST { 0 } else { bytes / 4 / (zstd_memory + beside) },
            zstd_memory,
            lzma,
            lzma_memory,
            brotli_memory,
        }
    }
}

/// Takes decoded bytes.
pub trait Sink {
    /// `false` when no more are wanted: the message is not decoded further.
    fn decoded(&mut self, bytes: &[u8]) -> bool;
    /// The bytes are of no coding that is tried: they pass undecoded, or end there.
    fn failed(&mut self) {}
    /// More came out than its sender may have made ([`Growth`](crate::pool::Growth)): the message is not decoded further.
    fn outgrown(&mut self) {}
    fn pool(&mut self) -> &mut BytePool;
}

/// Progress inside a gzip header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum Gz {
    #[default]
    Fixed,
    ExtraLen,
    Extra,
    Name,
    Comment,
    Crc,
    Data,
}

#[derive(Clone, Copy, Debug, Default)]
struct Layer {
    coding: Coding,
    /// Another coding than the one named is tried.
    guessed: bool,
    tries_left: u8,
    /// Which decoder of the kind its coding needs, `NIL` when none was free.
    core: u32,
    out_at: usize,
    /// All of the window was written.
    wrapped: bool,
    gz: Gz,
    gz_flags: u8,
    gz_count: u32,
    held: PBuf,
    /// Output of a coding under test.
    proof: PBuf,
    /// Gave output, or kept too much: no other coding is tried any more.
    settled: bool,
    /// Ended or failed: the rest is dropped.
    over: bool,
    /// Hands bytes on as they are.
    pass: bool,
}

/// Layers of one message; the first takes the bytes of the wire.
#[derive(Clone, Copy, Debug, Default)]
struct Chain {
    layers: [Layer; MAX_LAYERS],
    count: usize,
    /// 0: nobody's.
    message: u64,
    /// Group of the client.
    host: u8,
}

/// All decoders of one engine.
#[derive(Debug)]
pub struct Decoders {
    chains: Slab<Chain>,
    cores: Slab<Core>,
    windows: Vec<u8>,
    brotlis: Shelf<Brotli>,
    lzmas: Shelf<Lzma>,
    zstds: Shelf<Zstd>,
    /// One step of output per layer.
    steps: Vec<Vec<u8>>,
    /// Bytes of one more try, per layer.
    again: Vec<Vec<u8>>,
    /// Per kind: who gives way.
    turns: [Turns; KINDS],
    /// Hash of clients, keyed.
    hosts: Sip13,
    messages: u64,
    /// Layers that found no decoder.
    pub refused: u64,
    /// Messages that gave way to others.
    pub evicted: u64,
}

/// Things made beforehand, and the numbers of those that are free.
#[derive(Debug)]
struct Shelf<T> {
    all: Vec<T>,
    free: Vec<u32>,
}

impl<T> Shelf<T> {
    fn new(count: usize, make: impl Fn() -> T) -> Self {
        Shelf { all: (0..count).map(|_| make()).collect(), free: (0..count as u32).rev().collect() }
    }

    fn used(&self) -> usize {
        self.all.len() - self.free.len()
    }
}

#[derive(Default)]
struct Core(DecompressorOxide);

impl core::fmt::Debug for Core {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Core")
    }
}

impl Decoders {
    /// Reserves everything. `seed`: senders must not know it.
    pub fn new(room: Room, seed: u64) -> Self {
        Decoders {
            // One for every decoder: a message always holds one, so there is always one for a decoder that is free.
            chains: Slab::new(room.inflate + room.brotli + room.lzma + room.zstd),
            cores: Slab::new(room.inflate),
            windows: Vec::with_capacity(room.inflate * WINDOW),
            brotlis: Shelf::new(room.brotli, || Brotli::new(room.brotli_memory)),
            lzmas: Shelf::new(room.lzma, || Lzma::new(room.lzma_memory)),
            zstds: Shelf::new(room.zstd, || Zstd::new(room.zstd_memory)),
            steps: (0..MAX_LAYERS).map(|_| Vec::with_capacity(STEP)).collect(),
            again: (0..MAX_LAYERS).map(|_| Vec::with_capacity(HOLD)).collect(),
            turns: [room.inflate, room.brotli, room.lzma, room.zstd].map(Turns::new),
            hosts: Sip13::new([seed, seed.rotate_left(32)]),
            messages: 0,
            refused: 0,
            evicted: 0,
        }
    }

    /// Touches the memory of all decoders, none of which was used yet.
    pub fn warm(&mut self) {
        self.chains.warm(usize::MAX);
        self.cores.warm(usize::MAX);
        crate::pool::touch_reserved(&mut self.windows, usize::MAX, 0);
        self.brotlis.all.iter_mut().for_each(Brotli::warm);
        self.lzmas.all.iter_mut().for_each(Lzma::warm);
        self.zstds.all.iter_mut().for_each(Zstd::warm);
    }

    /// Chains and decoders in use.
    pub fn used(&self) -> usize {
        self.chains.used() + self.cores.used() + self.brotlis.used() + self.lzmas.used() + self.zstds.used()
    }

    /// A decoder for `coding`, for layers of the chain at `chain`: a free one, or that of the message that gives way.
    fn take(&mut self, coding: Coding, chain: u32, pool: &mut BytePool) -> Option<u32> {
        let mut core = self.take_free(coding);
        if core.is_none()
            && let Some(other) = self.turns[coding.kind()].victim(chain)
        {
            self.evicted += 1;
            self.release(other, pool);
            core = self.take_free(coding);
        }
        let Some(core) = core else {
            self.refused += 1;
            return None;
        };
        let host = self.chains.get(chain).host;
        self.turns[coding.kind()].take(core, chain, host);
        Some(core)
    }

    fn take_free(&mut self, coding: Coding) -> Option<u32> {
        match coding {
            Coding::Gzip | Coding::Deflate | Coding::Zlib => {
                let core = self.cores.alloc_as_left()?;
                self.cores.get_mut(core).0.init();
                let end = (core as usize + 1) * WINDOW;
                if self.windows.len() < end {
                    // Within what is reserved, when it is first needed.
                    self.windows.resize(end, 0);
                }
                Some(core)
            }
            Coding::Brotli => self.brotlis.free.pop(),
            Coding::Lzma => self.lzmas.free.pop(),
            Coding::Zstd => self.zstds.free.pop(),
        }
    }

    fn give(&mut self, coding: Coding, core: u32) {
        if core == Slab::<Core>::NIL {
            return;
        }
        self.turns[coding.kind()].give(core);
        match coding {
            Coding::Gzip | Coding::Deflate | Coding::Zlib => self.cores.free(core),
            Coding::Brotli => {
                self.brotlis.all[core as usize].reset();
                self.brotlis.free.push(core);
            }
            Coding::Lzma => {
                self.lzmas.all[core as usize].reset();
                self.lzmas.free.push(core);
            }
            Coding::Zstd => {
                self.zstds.all[core as usize].reset();
                self.zstds.free.push(core);
            }
        }
    }

    /// Clears the window of an inflate state: damaged streams look back further than they wrote, and what another
    /// message left there is none of theirs.
    fn wipe(&mut self, l: &Layer) {
        if !l.coding.inflates() {
            return;
        }
        let base = l.core as usize * WINDOW;
        let used = if l.wrapped { WINDOW } else { l.out_at };
        if let Some(w) = self.windows.get_mut(base..base + used) {
            w.fill(0);
        }
    }

    /// A chain for `codings` in the order in which they must be undone, for a message of a flow of `client`.
    pub fn open(&mut self, codings: &[Coding], client: Addr, pool: &mut BytePool) -> Option<ChainId> {
        let Some(id) = self.chains.alloc() else {
            self.refused += 1;
            return None;
        };
        self.messages += 1;
        // An IPv4 address, or the network of an IPv6 address: who has one host address there has them all.
        let network = client.0.first_chunk().map_or(0, |b| u64::from_le_bytes(*b));
        let host = self.hosts.words([network]) as u8;
        let count = codings.len().min(MAX_LAYERS);
        let chain = self.chains.get_mut(id);
        (chain.message, chain.host, chain.count) = (self.messages, host, count);
        for (i, c) in codings.iter().take(count).enumerate() {
            let core = self.take(*c, id, pool);
            // Deflate, zlib and gzip, as far as they are others.
            let tries_left = if c.inflates() { 2 } else { 3 };
            let (pass, core) = (core.is_none(), core.unwrap_or(Slab::<Core>::NIL));
            self.chains.get_mut(id).layers[i] =
                Layer { coding: *c, core, pass, tries_left, ..Layer::default() };
        }
        Some(ChainId { at: id, message: self.messages })
    }

    /// Whether the chain is still there: it may have given way to another.
    pub fn holds(&self, id: ChainId) -> bool {
        self.chains.get(id.at).message == id.message
    }

    /// Gives a chain back, if it is still there.
    pub fn close(&mut self, id: ChainId, pool: &mut BytePool) {
        if self.holds(id) {
            self.release(id.at, pool);
        }
    }

    fn release(&mut self, id: u32, pool: &mut BytePool) {
        let c = core::mem::take(self.chains.get_mut(id));
        for mut l in c.layers.into_iter().take(c.count) {
            l.held.free(pool);
            l.proof.free(pool);
            self.wipe(&l);
            self.give(l.coding, l.core);
        }
        self.chains.free(id);
    }

    /// Decodes the next bytes of a message. Nothing is decoded when the chain gave way to another.
    pub fn feed(&mut self, id: ChainId, data: &[u8], sink: &mut dyn Sink) {
        if !self.holds(id) {
            return;
        }
        let c = self.chains.get(id.at);
        for l in c.layers.iter().take(c.count).filter(|l| l.core != Slab::<Core>::NIL) {
            self.turns[l.coding.kind()].touch(l.core);
        }
        self.layer(id.at, 0, data, sink);
    }

    fn at(&mut self, id: u32, depth: usize) -> &mut Layer {
        &mut self.chains.get_mut(id).layers[depth.min(MAX_LAYERS - 1)]
    }

    fn stop(&mut self, id: u32) {
        for l in &mut self.chains.get_mut(id).layers {
            l.over = true;
        }
    }

    fn layer(&mut self, id: u32, depth: usize, data: &[u8], sink: &mut dyn Sink) {
        if depth >= self.chains.get(id).count {
            if !sink.decoded(data) {
                self.stop(id);
            }
            return;
        }
        let l = self.at(id, depth);
        if l.over || data.is_empty() {
            return;
        }
        if l.pass {
            return self.layer(id, depth + 1, data, sink);
        }
        if !l.settled && (l.held.len() + data.len() > HOLD || l.held.extend(sink.pool(), data).is_err()) {
            self.settle(id, depth, sink);
        }
        let mut ok = self.decode(id, depth, data, sink);
        while !ok {
            let l = self.at(id, depth);
            if l.settled {
                l.over = true;
                sink.failed();
                break;
            }
            let mut again = core::mem::take(&mut self.again[depth]);
            again.clear();
            let l = self.at(id, depth);
            again.extend_from_slice(l.held.get(sink.pool()));
            l.proof.free(sink.pool());
            if self.another(id, depth, sink.pool()) {
                ok = self.decode(id, depth, &again, sink);
            } else {
                let l = self.at(id, depth);
                l.held.free(sink.pool());
                for l in self.chains.get_mut(id).layers.iter_mut().skip(depth) {
                    l.pass = true;
                }
                sink.failed();
                self.layer(id, depth + 1, &again, sink);
                ok = true;
            }
            self.again[depth] = again;
        }
        let l = self.at(id, depth);
        if l.settled || l.over {
            l.held.free(sink.pool());
        }
    }

    /// Turns a layer to the next coding to try; `false` when all were tried.
    fn another(&mut self, id: u32, depth: usize, pool: &mut BytePool) -> bool {
        let l = self.at(id, depth);
        if l.tries_left == 0 {
            return false;
        }
        let before = *l;
        l.tries_left -= 1;
        l.guessed = true;
        (l.gz, l.gz_count, l.out_at, l.wrapped) = (Gz::Fixed, 0, 0, false);
        let (was, core) = (l.coding, l.core);
        l.coding = match was {
            Coding::Gzip | Coding::Brotli | Coding::Lzma | Coding::Zstd => Coding::Deflate,
            Coding::Deflate => Coding::Zlib,
            Coding::Zlib => Coding::Gzip,
        };
        if !was.inflates() {
            self.give(was, core);
            let core = self.take(Coding::Deflate, id, pool);
            self.at(id, depth).core = core.unwrap_or(Slab::<Core>::NIL);
            return core.is_some();
        }
        self.wipe(&before);
        self.cores.get_mut(core).0.init();
        true
    }

    /// Decodes with the layer's present coding; `false` when the bytes are not of that coding.
    fn decode(&mut self, id: u32, depth: usize, data: &[u8], sink: &mut dyn Sink) -> bool {
        match self.at(id, depth).coding {
            Coding::Brotli | Coding::Lzma | Coding::Zstd => self.by_steps(id, depth, data, sink),
            _ => self.inflate(id, depth, data, sink),
        }
    }

    /// Brotli, lzma and zstd keep their windows to themselves and write into a step.
    fn by_steps(&mut self, id: u32, depth: usize, mut data: &[u8], sink: &mut dyn Sink) -> bool {
        let mut step = core::mem::take(&mut self.steps[depth]);
        step.resize(STEP, 0);
        let ok = loop {
            let l = *self.at(id, depth);
            let core = l.core as usize;
            let (status, wrote) = match l.coding {
                Coding::Brotli => self.brotlis.all[core].decode(&mut data, &mut step),
                Coding::Zstd => self.zstds.all[core].decode(&mut data, &mut step),
                _ => self.lzmas.all[core].decode(&mut data, &mut step),
            };
            if wrote > 0 {
                self.at(id, depth).settled = true;
                self.emit(id, depth, &step[..wrote], sink);
            }
            let l = self.at(id, depth);
            if l.over {
                break true;
            }
            match status {
                Status::MoreOutput => {}
                Status::NeedsInput => break true,
                Status::Done => {
                    (l.settled, l.over) = (true, true);
                    break true;
                }
                Status::Failed => break false,
            }
        };
        self.steps[depth] = step;
        ok
    }

    fn inflate(&mut self, id: u32, depth: usize, mut data: &[u8], sink: &mut dyn Sink) -> bool {
        let l = self.at(id, depth);
        let mut flags = TINFL_FLAG_HAS_MORE_INPUT;
        match l.coding {
            Coding::Gzip => match l.gzip_header(data) {
                Some(n) => data = &data[n..],
                None => return false,
            },
            Coding::Zlib => flags |= TINFL_FLAG_PARSE_ZLIB_HEADER | TINFL_FLAG_IGNORE_ADLER32,
            _ => {}
        }
        let core = l.core;
        loop {
            let at = self.at(id, depth).out_at;
            let base = core as usize * WINDOW;
            let window = &mut self.windows[base..base + WINDOW];
            let (status, read, wrote) = decompress(&mut self.cores.get_mut(core).0, data, window, at, flags);
            data = data.get(read..).unwrap_or(&[]);
            let l = self.at(id, depth);
            l.out_at = (at + wrote) % WINDOW;
            l.wrapped |= at + wrote >= WINDOW;
            if wrote > 0 && !l.settled && l.guessed {
                let proof = &mut self.chains.get_mut(id).layers[depth].proof;
                let fits = proof.extend(sink.pool(), &self.windows[base + at..base + at + wrote]).is_ok();
                if proof.len() >= PROOF || !fits {
                    self.settle(id, depth, sink);
                }
            } else if wrote > 0 {
                l.settled = true;
                let mut step = core::mem::take(&mut self.steps[depth]);
                for from in (base + at..base + at + wrote).step_by(STEP) {
                    step.clear();
                    step.extend_from_slice(&self.windows[from..(from + STEP).min(base + at + wrote)]);
                    if !self.emit(id, depth, &step, sink) {
                        break;
                    }
                }
                self.steps[depth] = step;
            }
            let l = self.at(id, depth);
            if l.over {
                return true;
            }
            match status {
                TINFLStatus::HasMoreOutput => {}
                TINFLStatus::NeedsMoreInput => return true,
                TINFLStatus::Done => {
                    self.settle(id, depth, sink);
                    self.at(id, depth).over = true;
                    return true;
                }
                _ => return false,
            }
        }
    }

    /// The present coding is believed: hands on what it gave.
    fn settle(&mut self, id: u32, depth: usize, sink: &mut dyn Sink) {
        let l = self.at(id, depth);
        l.settled = true;
        let mut proof = core::mem::take(&mut l.proof);
        let mut step = core::mem::take(&mut self.steps[depth]);
        let mut from = 0;
        while from < proof.len() {
            step.clear();
            let all = proof.get(sink.pool());
            step.extend_from_slice(&all[from..all.len().min(from + STEP)]);
            from += step.len();
            if !self.emit(id, depth, &step, sink) {
                break;
            }
        }
        self.steps[depth] = step;
        proof.free(sink.pool());
    }

    /// The message is over: hands on what was still under test.
    pub fn finish(&mut self, id: ChainId, sink: &mut dyn Sink) {
        if !self.holds(id) {
            return;
        }
        let id = id.at;
        for depth in 0..self.chains.get(id).count {
            let l = self.at(id, depth);
            if !l.settled && !l.over && !l.pass && !l.proof.is_empty() {
                self.settle(id, depth, sink);
            }
        }
    }

    fn emit(&mut self, id: u32, depth: usize, bytes: &[u8], sink: &mut dyn Sink) -> bool {
        // Of each layer: what a layer makes is work for the next, whatever that makes of it.
        if !sink.pool().growth().spend(bytes.len()) {
            self.stop(id);
            sink.outgrown();
            return false;
        }
        self.layer(id, depth + 1, bytes, sink);
        !self.at(id, depth).over
    }
}

impl Layer {
    /// Skips the gzip header (RFC 1952 §2.3) as far as it is there; `None` when it is none.
    fn gzip_header(&mut self, data: &[u8]) -> Option<usize> {
        let mut at = 0;
        loop {
            let needed = match self.gz {
                Gz::Data => return Some(at),
                Gz::Fixed => true,
                Gz::ExtraLen => self.gz_flags & 4 != 0,
                Gz::Extra => self.gz_count > 0,
                Gz::Name => self.gz_flags & 8 != 0,
                Gz::Comment => self.gz_flags & 16 != 0,
                Gz::Crc => self.gz_flags & 2 != 0,
            };
            let mut done = !needed;
            if needed {
                let Some(&b) = data.get(at) else { return Some(at) };
                at += 1;
                match self.gz {
                    Gz::Fixed => {
                        match (self.gz_count, b) {
                            (0, 0x1f) | (1, 0x8b) | (2, 8) => {}
                            (0..=2, _) => return None,
                            (3, f) => self.gz_flags = f,
                            _ => {}
                        }
                        self.gz_count += 1;
                        done = self.gz_count == 10;
                        if done {
                            self.gz_count = 0;
                        }
                    }
                    Gz::ExtraLen => {
                        // Low byte first; bit 16 says that it is there.
                        done = self.gz_count & 0x1_0000 != 0;
                        self.gz_count = if done {
                            (self.gz_count & 0xff) | u32::from(b) << 8
                        } else {
                            0x1_0000 | u32::from(b)
                        };
                    }
                    Gz::Extra => {
                        self.gz_count -= 1;
                        done = self.gz_count == 0;
                    }
                    Gz::Name | Gz::Comment => done = b == 0,
                    Gz::Crc => {
                        self.gz_count += 1;
                        done = self.gz_count == 2;
                    }
                    Gz::Data => {}
                }
            }
            if done {
                self.gz = match self.gz {
                    Gz::Fixed => Gz::ExtraLen,
                    Gz::ExtraLen => Gz::Extra,
                    Gz::Extra => Gz::Name,
                    Gz::Name => Gz::Comment,
                    Gz::Comment => Gz::Crc,
                    Gz::Crc | Gz::Data => Gz::Data,
                };
            }
        }
    }
}

#[cfg(test)]
mod tests;
