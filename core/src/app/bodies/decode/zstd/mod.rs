//! Zstandard (RFC 8878, and RFC 9659 for its use as a content coding) in memory reserved at construction.
//!
//! In: coded bytes as they come. Out: decoded bytes. Owns a window, the bytes of one block, its literals and its tables.
//! A window larger than the memory reserved is tolerated until something lies further back than that. Frames may follow each
//! other, and be skippable. Dictionaries and checksums are not looked at: a frame that names a dictionary fails.

mod bits;
mod fse;
mod literals;
mod ring;
mod sequences;

use super::Status;
use alloc::vec::Vec;
use fse::Fse;
use literals::Huffman;
use ring::Ring;

/// Most bytes of a block, coded or not.
const BLOCK: usize = 128 << 10;
/// Largest window of a content coding (RFC 9659, 3).
const WINDOW: usize = 8 << 20;
const MAGIC: u32 = 0xfd2f_b528;
const SKIPPABLE: u32 = 0x184d_2a50;
/// Longest header of a frame.
const HEAD: usize = 18;

/// What is decoded next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    Frame,
    BlockHead,
    /// Bytes that follow as they are.
    Raw(usize),
    /// One byte that is repeated so often.
    Repeat(usize),
    /// Bytes of a coded block.
    Coded(usize),
    /// Bytes that are left out.
    Skip(usize),
    /// Nothing more is read; whether because of damage.
    Over(bool),
}

/// Tables that blocks take over from those before.
#[derive(Debug, Default)]
struct Tables {
    literals: Fse,
    offsets: Fse,
    matches: Fse,
    huffman: Huffman,
    /// Of the weights of a Huffman table.
    weights: Fse,
}

/// A decoder.
#[derive(Debug)]
pub struct Zstd {
    at: At,
    head: [u8; HEAD],
    have: usize,
    last_block: bool,
    checksum: bool,
    /// Whole frames so far.
    frames: u32,
    block: Vec<u8>,
    literals: Vec<u8>,
    tables: Tables,
    offsets: [u32; 3],
    ring: Ring,
}

impl Zstd {
    /// Bytes of a decoder that every stream within the RFC's window fits into.
    pub const MOST: usize = WINDOW + BLOCK + Self::FIXED;
    /// Bytes of the least that decodes anything.
    pub const LEAST: usize = 2 * BLOCK + Self::FIXED;
    const FIXED: usize = 2 * BLOCK + size_of::<Zstd>();

    /// Reserves `memory` bytes.
    pub fn new(memory: usize) -> Self {
        Zstd {
            at: At::Frame,
            head: [0; HEAD],
            have: 0,
            last_block: false,
            checksum: false,
            frames: 0,
            block: Vec::with_capacity(BLOCK),
            literals: Vec::with_capacity(BLOCK),
            tables: Tables::default(),
            offsets: [1, 4, 8],
            ring: Ring::new(memory.saturating_sub(Self::FIXED).clamp(2 * BLOCK, WINDOW + BLOCK)),
        }
    }

    /// Touches its memory.
    pub fn warm(&mut self) {
        self.ring.warm();
        for v in [&mut self.block, &mut self.literals] {
            crate::pool::touch_reserved(v, usize::MAX, 0);
        }
    }

    /// Ready for another stream.
    pub fn reset(&mut self) {
        (self.at, self.have, self.frames) = (At::Frame, 0, 0);
        self.block.clear();
        self.literals.clear();
        self.ring.begin(0);
        self.ring.pending = 0;
    }

    /// Decodes from `data`, which moves on, into `out`.
    pub fn decode(&mut self, data: &mut &[u8], out: &mut [u8]) -> (Status, usize) {
        let mut wrote = 0;
        loop {
            wrote += self.ring.give(&mut out[wrote..]);
            if self.ring.pending > 0 {
                return (Status::MoreOutput, wrote);
            }
            match self.at {
                At::Over(true) => return (Status::Failed, wrote),
                At::Over(false) => return (Status::Done, wrote),
                _ => {}
            }
            match self.step(data) {
                Some(true) => {}
                Some(false) => return (Status::NeedsInput, wrote),
                // What was decoded before the damage counts.
                None => self.at = At::Over(true),
            }
        }
    }

    /// Collects `need` bytes of a head; `false` while some are missing.
    fn collect(&mut self, data: &mut &[u8], need: usize) -> bool {
        let n = need.saturating_sub(self.have).min(data.len());
        self.head[self.have..self.have + n].copy_from_slice(&data[..n]);
        self.have += n;
        *data = &data[n..];
        self.have >= need
    }

    /// One step; `Some(false)`: more input is needed; `None`: damage.
    fn step(&mut self, data: &mut &[u8]) -> Option<bool> {
        match self.at {
            At::Frame => self.frame(data),
            At::BlockHead => {
                if !self.collect(data, 3) {
                    return Some(false);
                }
                self.have = 0;
                let v = u32::from_le_bytes([self.head[0], self.head[1], self.head[2], 0]);
                self.last_block = v & 1 != 0;
                let size = (v >> 3) as usize;
                if size > BLOCK {
                    return None;
                }
                self.block.clear();
                self.at = match v >> 1 & 3 {
                    0 => At::Raw(size),
                    1 => At::Repeat(size),
                    2 => At::Coded(size),
                    _ => return None,
                };
                Some(true)
            }
            At::Raw(0) | At::Skip(0) => {
                self.block_over();
                Some(true)
            }
            At::Raw(left) => {
                let (now, rest) = data.split_at(left.min(data.len()));
                self.ring.put(now);
                *data = rest;
                self.at = At::Raw(left - now.len());
                Some(!now.is_empty())
            }
            At::Skip(left) => {
                let n = left.min(data.len());
                *data = &data[n..];
                self.at = At::Skip(left - n);
                Some(n > 0)
            }
            At::Repeat(size) => {
                let [b, rest @ ..] = *data else { return Some(false) };
                *data = rest;
                self.literals.clear();
                self.literals.resize(size, *b);
                self.ring.put(&self.literals);
                self.block_over();
                Some(true)
            }
            At::Coded(size) => {
                let (now, rest) = data.split_at((size - self.block.len()).min(data.len()));
                self.block.extend_from_slice(now);
                *data = rest;
                if self.block.len() < size {
                    return Some(false);
                }
                let t = &mut self.tables;
                let used = literals::read(&self.block, &mut self.literals, &mut t.huffman, &mut t.weights)?;
                let sequences = self.block.get(used..)?;
                sequences::run(sequences, &self.literals, t, &mut self.offsets, &mut self.ring)?;
                self.block_over();
                Some(true)
            }
            At::Over(_) => Some(false),
        }
    }

    fn block_over(&mut self) {
        self.at = match self.at {
            At::Skip(_) => At::Frame,
            _ if !self.last_block => At::BlockHead,
            _ => {
                self.frames += 1;
                if self.checksum { At::Skip(4) } else { At::Frame }
            }
        };
    }

    /// The header of a frame (3.1.1.1), or of a skippable one (3.1.2).
    fn frame(&mut self, data: &mut &[u8]) -> Option<bool> {
        if !self.collect(data, 4) {
            return Some(false);
        }
        let magic = u32::from_le_bytes([self.head[0], self.head[1], self.head[2], self.head[3]]);
        if magic & !15 == SKIPPABLE {
            if !self.collect(data, 8) {
                return Some(false);
            }
            self.have = 0;
            let size = u32::from_le_bytes([self.head[4], self.head[5], self.head[6], self.head[7]]);
            self.at = At::Skip(size as usize);
            return Some(true);
        }
        if magic != MAGIC {
            // What follows the last frame is none.
            self.at = At::Over(self.frames == 0);
            return Some(true);
        }
        if !self.collect(data, 5) {
            return Some(false);
        }
        let d = self.head[4];
        let single = d & 0x20 != 0;
        let (window, dictionary) = (usize::from(!single), [0, 1, 2, 4][usize::from(d & 3)]);
        let size = [usize::from(single), 2, 4, 8][usize::from(d >> 6)];
        let need = 5 + window + dictionary + size;
        if !self.collect(data, need) {
            return Some(false);
        }
        self.have = 0;
        if d & 8 != 0 || self.head[5 + window..5 + window + dictionary].iter().any(|b| *b != 0) {
            return None;
        }
        let window = if single {
            let v = self.head[need - size..need].iter().rev().fold(0u64, |v, b| v << 8 | u64::from(*b));
            v + if size == 2 { 256 } else { 0 }
        } else {
            let base = 1u64 << (10 + (self.head[5] >> 3));
            base + base / 8 * u64::from(self.head[5] & 7)
        };
        self.checksum = d & 4 != 0;
        let window = usize::try_from(window).unwrap_or(usize::MAX).min(self.ring.capacity());
        self.ring.begin(window.saturating_add(BLOCK));
        self.offsets = [1, 4, 8];
        let t = &mut self.tables;
        t.huffman.forget();
        [&mut t.literals, &mut t.offsets, &mut t.matches].into_iter().for_each(Fse::forget);
        self.at = At::BlockHead;
        Some(true)
    }
}

#[cfg(test)]
mod tests;
