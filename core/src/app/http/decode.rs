//! Content decoding: layers of gzip, deflate and zlib in memory reserved at construction.
//!
//! In: body bytes of one message, in order. Out: the decoded bytes, handed to a [`Sink`]. Owns the inflate states
//! and windows of all messages of one engine. When they are all taken, a body passes undecoded (counted).
//!
//! Servers name the wrong coding and clients decode anyway, so a layer whose first bytes fail tries the other
//! codings on the same bytes, and passes them undecoded when all fail. A layer that fails later ends there. Another
//! coding than the one named must decode [`PROOF`] bytes (or all there are) without an error to be believed.

use crate::pool::{BytePool, PBuf, Slab};
use alloc::vec;
use alloc::vec::Vec;
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{
    TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_IGNORE_ADLER32, TINFL_FLAG_PARSE_ZLIB_HEADER,
};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

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
}

/// Takes decoded bytes.
pub trait Sink {
    /// `false` when no more are wanted: the message is not decoded further.
    fn decoded(&mut self, bytes: &[u8]) -> bool;
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
    tries: u8,
    /// Inflate state, `NIL` when none was free.
    core: u32,
    out_at: usize,
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
}

/// All decoders of one engine.
#[derive(Debug)]
pub struct Decoders {
    chains: Slab<Chain>,
    cores: Slab<Core>,
    windows: Vec<u8>,
    /// One step of output per layer.
    steps: Vec<Vec<u8>>,
    /// Bytes of one more try, per layer.
    again: Vec<Vec<u8>>,
    /// Layers that found no free inflate state.
    pub refused: u64,
}

#[derive(Default)]
struct Core(DecompressorOxide);

impl core::fmt::Debug for Core {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Core")
    }
}

impl Decoders {
    /// Room for `count` layers at the same time.
    pub fn new(count: usize) -> Self {
        Decoders {
            chains: Slab::new(count),
            cores: Slab::new(count),
            windows: vec![0; count * WINDOW],
            steps: (0..MAX_LAYERS).map(|_| Vec::with_capacity(STEP)).collect(),
            again: (0..MAX_LAYERS).map(|_| Vec::with_capacity(HOLD)).collect(),
            refused: 0,
        }
    }

    /// Chains and inflate states in use.
    pub fn used(&self) -> usize {
        self.chains.used() + self.cores.used()
    }

    /// A chain for `codings` in the order in which they must be undone.
    pub fn open(&mut self, codings: &[Coding]) -> Option<u32> {
        let Some(id) = self.chains.alloc() else {
            self.refused += 1;
            return None;
        };
        let count = codings.len().min(MAX_LAYERS);
        for (i, c) in codings.iter().take(count).enumerate() {
            let core = self.cores.alloc();
            let none = core.is_none();
            self.refused += u64::from(none);
            self.chains.get_mut(id).layers[i] =
                Layer { coding: *c, core: core.unwrap_or(Slab::<Core>::NIL), pass: none, ..Layer::default() };
        }
        self.chains.get_mut(id).count = count;
        Some(id)
    }

    /// Gives a chain back.
    pub fn close(&mut self, id: u32, pool: &mut BytePool) {
        let c = *self.chains.get(id);
        for mut l in c.layers.into_iter().take(c.count) {
            l.held.free(pool);
            l.proof.free(pool);
            if l.core != Slab::<Core>::NIL {
                self.cores.free(l.core);
            }
        }
        self.chains.free(id);
    }

    /// Decodes the next bytes of a message.
    pub fn feed(&mut self, id: u32, data: &[u8], sink: &mut dyn Sink) {
        self.layer(id, 0, data, sink);
    }

    /// From now on the bytes of the message pass as they are.
    pub fn pass_through(&mut self, id: u32) {
        for l in &mut self.chains.get_mut(id).layers {
            l.pass = true;
        }
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
                break;
            }
            let mut again = core::mem::take(&mut self.again[depth]);
            again.clear();
            let l = self.at(id, depth);
            again.extend_from_slice(l.held.get(sink.pool()));
            l.tries += 1;
            l.proof.free(sink.pool());
            if l.tries >= 3 {
                l.held.free(sink.pool());
                for l in self.chains.get_mut(id).layers.iter_mut().skip(depth) {
                    l.pass = true;
                }
                self.layer(id, depth + 1, &again, sink);
                ok = true;
            } else {
                l.coding = match l.coding {
                    Coding::Gzip => Coding::Deflate,
                    Coding::Deflate => Coding::Zlib,
                    Coding::Zlib => Coding::Gzip,
                };
                (l.gz, l.gz_count, l.out_at) = (Gz::Fixed, 0, 0);
                let core = l.core;
                self.cores.get_mut(core).0.init();
                ok = self.decode(id, depth, &again, sink);
            }
            self.again[depth] = again;
        }
        let l = self.at(id, depth);
        if l.settled || l.over {
            l.held.free(sink.pool());
        }
    }

    /// Decodes with the layer's present coding; `false` when the bytes are not of that coding.
    fn decode(&mut self, id: u32, depth: usize, mut data: &[u8], sink: &mut dyn Sink) -> bool {
        let l = self.at(id, depth);
        let mut flags = TINFL_FLAG_HAS_MORE_INPUT;
        match l.coding {
            Coding::Gzip => match l.gzip_header(data) {
                Some(n) => data = &data[n..],
                None => return false,
            },
            Coding::Deflate => {}
            Coding::Zlib => flags |= TINFL_FLAG_PARSE_ZLIB_HEADER | TINFL_FLAG_IGNORE_ADLER32,
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
            if wrote > 0 && !l.settled && l.tries > 0 {
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
    pub fn finish(&mut self, id: u32, sink: &mut dyn Sink) {
        for depth in 0..self.chains.get(id).count {
            let l = self.at(id, depth);
            if !l.settled && !l.over && !l.pass && !l.proof.is_empty() {
                self.settle(id, depth, sink);
            }
        }
    }

    fn emit(&mut self, id: u32, depth: usize, bytes: &[u8], sink: &mut dyn Sink) -> bool {
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
mod tests {
    use super::*;
    use miniz_oxide::deflate::{compress_to_vec, compress_to_vec_zlib};
    use proptest::prelude::*;

    struct Out {
        bytes: Vec<u8>,
        pool: BytePool,
    }

    impl Sink for Out {
        fn decoded(&mut self, b: &[u8]) -> bool {
            self.bytes.extend_from_slice(b);
            self.bytes.len() < 1 << 20
        }
        fn pool(&mut self) -> &mut BytePool {
            &mut self.pool
        }
    }

    fn gzip(d: &[u8]) -> Vec<u8> {
        let mut v = b"\x1f\x8b\x08\x1c\0\0\0\0\0\0\x02\0xxname\0comment\0".to_vec();
        v.extend(compress_to_vec(d, 6));
        v.extend([1, 2, 3, 4, 5, 6, 7, 8]);
        v
    }

    fn run(codings: &[Coding], data: &[u8], cut: usize) -> Vec<u8> {
        let mut d = Decoders::new(4);
        let mut o = Out { bytes: Vec::new(), pool: BytePool::new(1 << 18) };
        let id = d.open(codings).unwrap();
        for part in data.chunks(cut) {
            d.feed(id, part, &mut o);
        }
        d.finish(id, &mut o);
        d.close(id, &mut o.pool);
        assert_eq!((d.used(), o.pool.in_use()), (0, 0));
        o.bytes
    }

    #[test]
    fn every_coding_named_rightly_and_wrongly() {
        let text = b"X5O!P%@AP[4 some text some text some text".repeat(40);
        let wires = [gzip(&text), compress_to_vec(&text, 6), compress_to_vec_zlib(&text, 6)];
        for wire in &wires {
            for coding in [Coding::Gzip, Coding::Deflate, Coding::Zlib] {
                for cut in [1, 7, 10_000] {
                    assert_eq!(run(&[coding], wire, cut), text);
                }
            }
        }
        let two = gzip(&compress_to_vec(&text, 6));
        assert_eq!(run(&[Coding::Gzip, Coding::Deflate], &two, 3), text);
        assert_eq!(run(&[Coding::Gzip], b"X5O!P plain", 4), b"X5O!P plain");
    }

    #[test]
    fn what_was_decoded_before_damage_counts() {
        let text: Vec<u8> = (0..20_000u32).flat_map(|i| i.to_string().into_bytes()).collect();
        let mut wire = gzip(&text);
        let n = wire.len();
        wire.truncate(n / 2);
        let got = run(&[Coding::Gzip], &wire, 100);
        assert!(got.len() > 1000 && text.starts_with(&got));
        wire.extend([0xff; 100]);
        let got = run(&[Coding::Gzip], &wire, 100);
        assert!(got.len() > 1000);
    }

    #[test]
    fn no_free_state_passes_the_bytes() {
        let mut d = Decoders::new(1);
        let mut o = Out { bytes: Vec::new(), pool: BytePool::new(1 << 18) };
        let id = d.open(&[Coding::Gzip, Coding::Gzip]).unwrap();
        assert_eq!(d.refused, 1);
        d.feed(id, &gzip(b"abc"), &mut o);
        assert_eq!(o.bytes, b"abc");
        assert_eq!(d.open(&[Coding::Gzip]), None);
    }

    use alloc::string::ToString;

    proptest! {
        #[test]
        fn any_bytes_in_any_cut(data in proptest::collection::vec(any::<u8>(), 0..600),
                                head in 0usize..4, cut in 1usize..50) {
            let mut wire = match head {
                0 => Vec::new(),
                1 => b"\x1f\x8b\x08\0\0\0\0\0\0\0".to_vec(),
                2 => gzip(&data),
                _ => compress_to_vec_zlib(&data, 3),
            };
            wire.extend(&data);
            let codings = [Coding::Gzip, Coding::Deflate];
            prop_assert_eq!(run(&codings[..1], &wire, cut), run(&codings[..1], &wire, 100_000));
            prop_assert_eq!(run(&codings, &wire, cut), run(&codings, &wire, 100_000));
        }
    }
}
