//! bzip2: blocks that were sorted by their contexts (Burrows and Wheeler), then coded by Huffman.
//!
//! In: coded bytes, kept until they surely hold a block. Out: decoded bytes, to whoever is given. Owns the coded bytes
//! and the places of one block, 8 MB that stay untouched until a file needs them.

use super::archive::Member;
use super::report::{Judgement, Report};
use alloc::vec;
use alloc::vec::Vec;

/// No block takes more coded bytes: 900,000 symbols of at most 20 bits, and tables.
const CODED: usize = 2_400_000;
/// Twice as much is kept, so that what is left over is moved once for as many bytes decoded, however small the blocks.
const INPUT: usize = 2 * CODED;
const BLOCK: usize = 900_000;
const BLOCK_MAGIC: u64 = 0x3141_5926_5359;
const END_MAGIC: u64 = 0x1772_4538_5090;

pub struct Bzip2 {
    input: Vec<u8>,
    have: usize,
    /// Next bit.
    bit: usize,
    places: Vec<u32>,
    begun: bool,
    done: bool,
}

/// A Huffman code by lengths: first codes, and symbols in order.
struct Code {
    limit: [i32; 22],
    base: [i32; 22],
    symbols: [u16; 258],
}

impl Bzip2 {
    /// What it takes beside itself.
    pub const BYTES: usize = INPUT + BLOCK * 4;

    pub fn new() -> Self {
        Self { input: vec![0; INPUT], have: 0, bit: 0, places: vec![0; BLOCK], begun: false, done: false }
    }

    pub fn reset(&mut self) {
        (self.have, self.bit, self.begun, self.done) = (0, 0, false, false);
    }

    pub fn feed(&mut self, data: &[u8], to: &mut impl Member, rep: &mut Report) -> usize {
        if self.done {
            return data.len();
        }
        let n = data.len().min(INPUT - self.have);
        if let (Some(p), Some(d)) = (self.input.get_mut(self.have..self.have + n), data.get(..n)) {
            p.copy_from_slice(d);
        }
        self.have += n;
        if self.have == INPUT {
            while !self.done && self.have - self.bit / 8 > CODED {
                self.step(to, rep);
            }
            let used = (self.bit / 8).min(self.have);
            self.input.copy_within(used..self.have, 0);
            self.have -= used;
            self.bit %= 8;
        }
        n
    }

    fn fail(&mut self, rep: &mut Report) {
        self.done = true;
        rep.find(Judgement::Unreadable, "compressed data that cannot be decoded", &[]);
    }

    pub fn end(&mut self, to: &mut impl Member, rep: &mut Report) {
        while !self.done {
            self.step(to, rep);
        }
    }

    fn bits(&mut self, n: usize) -> Option<u64> {
        let mut v = 0;
        for _ in 0..n {
            let byte = *self.input.get(..self.have)?.get(self.bit / 8)?;
            v = (v << 1) | u64::from(byte >> (7 - self.bit % 8) & 1);
            self.bit += 1;
        }
        Some(v)
    }

    /// One header or block.
    fn step(&mut self, to: &mut impl Member, rep: &mut Report) {
        if self.done {
            return;
        }
        if rep.is_spent() {
            return self.fail(rep);
        }
        if !self.begun {
            self.begun = self.bits(24) == Some(0x42_5a68) && matches!(self.bits(8), Some(0x31..=0x39));
            if !self.begun {
                // Nothing behind the last stream is no error.
                self.done = true;
                return;
            }
        }
        match self.bits(48) {
            Some(END_MAGIC) => {
                let _ = self.bits(32);
                self.bit = self.bit.div_ceil(8) * 8;
                self.begun = false;
            }
            Some(BLOCK_MAGIC) => {
                if self.block(to, rep).is_none() {
                    self.fail(rep);
                }
            }
            _ => self.fail(rep),
        }
    }

    fn block(&mut self, to: &mut impl Member, rep: &mut Report) -> Option<()> {
        let _crc = self.bits(32)?;
        if self.bits(1)? != 0 {
            return None;
        }
        let origin = self.bits(24)? as usize;
        let map = self.bits(16)?;
        let (mut order, mut used) = ([0u8; 256], 0usize);
        for i in 0..16usize {
            if map >> (15 - i) & 1 == 1 {
                let part = self.bits(16)?;
                for j in (0..16usize).filter(|j| part >> (15 - j) & 1 == 1) {
                    *order.get_mut(used)? = (i * 16 + j) as u8;
                    used += 1;
                }
            }
        }
        let symbols = used + 2;
        let groups = self.bits(3)? as usize;
        let selectors = self.bits(15)? as usize;
        if used == 0 || !(2..=6).contains(&groups) || selectors == 0 {
            return None;
        }
        let mut chosen = [0u8; 18_002];
        let mut front = [0u8, 1, 2, 3, 4, 5];
        for i in 0..selectors {
            let mut k = 0;
            while self.bits(1)? == 1 {
                k += 1;
                if k >= groups {
                    return None;
                }
            }
            front.get_mut(..=k)?.rotate_right(1);
            if let Some(c) = chosen.get_mut(i) {
                *c = front[0];
            }
        }
        let mut codes: [Code; 6] =
            core::array::from_fn(|_| Code { limit: [-1; 22], base: [0; 22], symbols: [0; 258] });
        for code in codes.iter_mut().take(groups) {
            let mut lengths = [0u8; 258];
            let mut len = self.bits(5)? as i32;
            for l in lengths.iter_mut().take(symbols) {
                while self.bits(1)? == 1 {
                    len += if self.bits(1)? == 0 { 1 } else { -1 };
                    if !(1..=20).contains(&len) {
                        return None;
                    }
                }
                if !(1..=20).contains(&len) {
                    return None;
                }
                *l = len as u8;
            }
            let (mut at, mut next) = (0i32, 0i32);
            for n in 1..=20usize {
                let first = at;
                for (s, _) in lengths.iter().enumerate().take(symbols).filter(|(_, l)| usize::from(**l) == n)
                {
                    *code.symbols.get_mut(at as usize)? = s as u16;
                    at += 1;
                }
                code.base[n] = first - next;
                next += at - first;
                code.limit[n] = next - 1;
                if next > 1 << n {
                    return None;
                }
                next <<= 1;
            }
        }
        let (mut count, mut group, mut left) = (0usize, 0usize, 0u32);
        let (mut run, mut weight) = (0usize, 1usize);
        let mut tally = [0u32; 256];
        loop {
            if left == 0 {
                if group >= selectors {
                    return None;
                }
                left = 50;
                group += 1;
            }
            left -= 1;
            let code = codes.get(usize::from(*chosen.get(group - 1)?))?;
            let (mut v, mut n) = (0i32, 0usize);
            let symbol = loop {
                v = (v << 1) | self.bits(1)? as i32;
                n += 1;
                if n > 20 {
                    return None;
                }
                if v <= code.limit[n] {
                    break *code.symbols.get(usize::try_from(v + code.base[n]).ok()?)?;
                }
            };
            if symbol < 2 {
                run += weight << symbol;
                weight <<= 1;
                if run > BLOCK {
                    return None;
                }
                continue;
            }
            if run > 0 {
                let b = order[0];
                *tally.get_mut(usize::from(b))? += run as u32;
                self.places.get_mut(count..count + run)?.fill(u32::from(b));
                count += run;
                (run, weight) = (0, 1);
            }
            if usize::from(symbol) == used + 1 {
                break;
            }
            let k = usize::from(symbol) - 1;
            order.get_mut(..=k)?.rotate_right(1);
            let b = order[0];
            *tally.get_mut(usize::from(b))? += 1;
            *self.places.get_mut(count)? = u32::from(b);
            count += 1;
        }
        if origin >= count {
            return None;
        }
        let mut sum = 0;
        for t in &mut tally {
            let n = *t;
            *t = sum;
            sum += n;
        }
        for i in 0..count {
            let b = (*self.places.get(i)? & 0xff) as usize;
            let t = tally.get_mut(b)?;
            *self.places.get_mut(*t as usize)? |= (i as u32) << 8;
            *t += 1;
        }
        // Four equal bytes are followed by how many more there are.
        let mut out = [0u8; 512];
        let (mut n, mut same, mut last) = (0usize, 0u32, 256u32);
        let mut place = *self.places.get(origin)? >> 8;
        for _ in 0..count {
            let p = *self.places.get(place as usize)?;
            place = p >> 8;
            let b = p & 0xff;
            let (value, times) = if same == 4 { (last, b) } else { (b, 1) };
            for _ in 0..times {
                out[n] = value as u8;
                n += 1;
                if n == out.len() {
                    to.bytes(&out, rep);
                    if rep.grew(n) {
                        return None;
                    }
                    n = 0;
                }
            }
            if same == 4 {
                (same, last) = (0, 256);
            } else {
                same = if b == last { same + 1 } else { 1 };
                last = b;
            }
        }
        to.bytes(out.get(..n)?, rep);
        (!rep.grew(n)).then_some(())
    }
}
