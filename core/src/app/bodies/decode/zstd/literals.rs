//! Literals of a block (RFC 8878, 3.1.1.3.1): as they are, one byte repeated, or coded by Huffman in one or four streams.

use super::BLOCK;
use super::bits::Backwards;
use super::fse::Fse;
use alloc::vec::Vec;

/// Longest code, bits.
const LONGEST: u32 = 11;
/// Symbols of which a description tells the weights; the last one follows from them.
const WEIGHTS: usize = 255;

/// A table of codes: for each [`LONGEST`]-bit or shorter beginning the symbol and the bits of its code.
#[derive(Clone, Debug)]
pub struct Huffman {
    codes: [(u8, u8); 1 << LONGEST],
    bits: u32,
}

impl Default for Huffman {
    fn default() -> Self {
        Huffman { codes: [(0, 0); 1 << LONGEST], bits: 0 }
    }
}

impl Huffman {
    pub fn forget(&mut self) {
        self.bits = 0;
    }

    /// Reads a description (4.2.1): bytes used. `fse` is a place for the table of weights.
    fn read(&mut self, data: &[u8], fse: &mut Fse) -> Option<usize> {
        let [head, rest @ ..] = data else { return None };
        let mut weights = [0u8; WEIGHTS + 1];
        let (count, used) = if *head >= 128 {
            let n = usize::from(*head) - 127;
            for (i, w) in weights.iter_mut().enumerate().take(n) {
                let b = *rest.get(i / 2)?;
                *w = if i % 2 == 0 { b >> 4 } else { b & 15 };
            }
            (n, n.div_ceil(2))
        } else {
            let coded = rest.get(..usize::from(*head))?;
            (coded_weights(coded, &mut weights, fse)?, coded.len())
        };
        self.build(&mut weights, count)?;
        Some(1 + used)
    }

    /// Lays out the codes of `count` weights and of the last symbol, whose weight fills the table.
    fn build(&mut self, weights: &mut [u8; WEIGHTS + 1], count: usize) -> Option<()> {
        self.bits = 0;
        let sum: u32 =
            weights.iter().take(count).filter(|w| **w > 0).map(|w| 1u32 << (u32::from(*w) - 1)).sum();
        let bits = sum.checked_ilog2()? + 1;
        let left = (1u32 << bits) - sum;
        if bits > LONGEST || !left.is_power_of_two() {
            return None;
        }
        *weights.get_mut(count)? = left.ilog2() as u8 + 1;
        let mut at = 0;
        for weight in 1..=bits {
            for (symbol, _) in
                weights.iter().enumerate().take(count + 1).filter(|(_, w)| u32::from(**w) == weight)
            {
                let places = 1usize << (weight - 1);
                self.codes.get_mut(at..at + places)?.fill((symbol as u8, (bits + 1 - weight) as u8));
                at += places;
            }
        }
        if at != 1 << bits {
            return None;
        }
        self.bits = bits;
        Some(())
    }

    /// Decodes a stream into exactly `to`.
    fn stream(&self, data: &[u8], to: &mut [u8]) -> Option<()> {
        let mut from = Backwards::new(data)?;
        for b in to {
            let (symbol, bits) = *self.codes.get(from.peek(self.bits) as usize)?;
            from.skip(u32::from(bits));
            *b = symbol;
            if from.is_over() {
                return None;
            }
        }
        from.is_done().then_some(())
    }
}

/// Weights coded with two states that take turns (4.2.1.2): how many.
fn coded_weights(data: &[u8], weights: &mut [u8; WEIGHTS + 1], fse: &mut Fse) -> Option<usize> {
    let used = fse.read(data, LONGEST as usize + 2, 6)?;
    let mut from = Backwards::new(data.get(used..)?)?;
    let mut states = [fse.begin(&mut from), fse.begin(&mut from)];
    if from.is_over() {
        return None;
    }
    for n in 0..WEIGHTS {
        let turn = n % 2;
        *weights.get_mut(n)? = states[turn].symbol;
        states[turn] = fse.next(states[turn], &mut from);
        if from.is_over() {
            *weights.get_mut(n + 1)? = states[1 - turn].symbol;
            return (n + 2 <= WEIGHTS).then_some(n + 2);
        }
    }
    None
}

/// Reads the literals of a block into `to`: bytes used.
pub fn read(block: &[u8], to: &mut Vec<u8>, huffman: &mut Huffman, fse: &mut Fse) -> Option<usize> {
    to.clear();
    let head = *block.first()?;
    let (kind, format) = (head & 3, head >> 2 & 3);
    let number = |bytes: usize| {
        let b = block.get(..bytes)?;
        Some(b.iter().rev().fold(0usize, |v, b| v << 8 | usize::from(*b)))
    };
    if kind < 2 {
        let (bytes, shift) = match format {
            1 => (2, 4),
            3 => (3, 4),
            _ => (1, 3),
        };
        let size = number(bytes)? >> shift;
        if size > BLOCK {
            return None;
        }
        return if kind == 0 {
            to.extend_from_slice(block.get(bytes..bytes + size)?);
            Some(bytes + size)
        } else {
            to.resize(size, *block.get(bytes)?);
            Some(bytes + 1)
        };
    }
    let (bytes, width) = match format {
        0 | 1 => (3, 10),
        2 => (4, 14),
        _ => (5, 18),
    };
    let sizes = number(bytes)? >> 4;
    let mask = (1 << width) - 1;
    let (size, coded) = (sizes & mask, sizes >> width & mask);
    let whole = block.get(bytes..bytes + coded)?;
    if size > BLOCK {
        return None;
    }
    let mut data = whole;
    if kind == 2 {
        let used = huffman.read(data, fse)?;
        data = data.get(used..)?;
    } else if huffman.bits == 0 {
        // The table before, and there was none.
        return None;
    }
    to.resize(size, 0);
    if format == 0 {
        huffman.stream(data, to)?;
    } else {
        four(data, to, huffman)?;
    }
    Some(bytes + coded)
}

/// Four streams, each a quarter.
fn four(data: &[u8], to: &mut [u8], huffman: &Huffman) -> Option<()> {
    let (sizes, mut data) = data.split_first_chunk::<6>()?;
    let quarter = to.len().div_ceil(4);
    if quarter * 3 > to.len() {
        return None;
    }
    let mut parts = to.chunks_mut(quarter.max(1));
    for i in 0..3 {
        let n = usize::from(u16::from_le_bytes([sizes[2 * i], sizes[2 * i + 1]]));
        let (one, rest) = data.split_at_checked(n)?;
        huffman.stream(one, parts.next().unwrap_or(&mut []))?;
        data = rest;
    }
    huffman.stream(data, parts.next().unwrap_or(&mut []))
}
