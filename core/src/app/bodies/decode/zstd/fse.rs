//! Tables of finite state entropy (RFC 8878, 4.1.1): a description or a distribution goes in, states come out.

use super::bits::{Backwards, bits_at};

/// Most states of a table: accuracy 9.
const STATES: usize = 1 << 9;
/// Most symbols that a table of sequences codes: lengths of matches.
const SYMBOLS: usize = 53;

/// A state: what it stands for, and how the next one is found.
#[derive(Clone, Copy, Debug, Default)]
pub struct State {
    pub symbol: u8,
    bits: u8,
    base: u16,
}

/// A table.
#[derive(Clone, Debug)]
pub struct Fse {
    states: [State; STATES],
    accuracy: u32,
    /// There is a table.
    ready: bool,
}

impl Default for Fse {
    fn default() -> Self {
        Fse { states: [State::default(); STATES], accuracy: 0, ready: false }
    }
}

impl Fse {
    pub fn forget(&mut self) {
        self.ready = false;
    }

    pub fn is_ready(&self) -> bool {
        self.ready
    }

    /// One symbol, always.
    pub fn one(&mut self, symbol: u8) {
        self.states[0] = State { symbol, bits: 0, base: 0 };
        (self.accuracy, self.ready) = (0, true);
    }

    /// Lays out the states of a distribution: how many each symbol has; -1 stands for less than one.
    pub fn build(&mut self, counts: &[i16], accuracy: u32) -> Option<()> {
        let size = 1usize << accuracy;
        let states = self.states.get_mut(..size)?;
        let mut next = [0u16; SYMBOLS];
        let mut high = size;
        for (s, c) in counts.iter().enumerate() {
            if *c == -1 {
                high = high.checked_sub(1)?;
                states.get_mut(high)?.symbol = s as u8;
                *next.get_mut(s)? = 1;
            }
        }
        let (step, mask) = ((size >> 1) + (size >> 3) + 3, size - 1);
        let mut at = 0;
        for (s, c) in counts.iter().enumerate().filter(|(_, c)| **c > 0) {
            *next.get_mut(s)? = *c as u16;
            for _ in 0..*c {
                states.get_mut(at)?.symbol = s as u8;
                at = (at + step) & mask;
                while at >= high && high > 0 {
                    at = (at + step) & mask;
                }
            }
        }
        if at != 0 {
            return None;
        }
        for state in states {
            let n = next.get_mut(usize::from(state.symbol))?;
            let bits = accuracy.checked_sub(n.checked_ilog2()?)?;
            state.bits = bits as u8;
            state.base = ((usize::from(*n) << bits) - size) as u16;
            *n += 1;
        }
        (self.accuracy, self.ready) = (accuracy, true);
        Some(())
    }

    /// Reads a description of at most `symbols` symbols and that accuracy (4.1.1): bytes used.
    pub fn read(&mut self, data: &[u8], symbols: usize, most: u32) -> Option<usize> {
        let accuracy = bits_at(data, 0, 4) as u32 + 5;
        if accuracy > most || data.is_empty() {
            return None;
        }
        let mut counts = [0i16; SYMBOLS];
        let (mut at, mut s) = (4, 0);
        let mut left = (1i32 << accuracy) + 1;
        let (mut threshold, mut width) = (1i32 << accuracy, accuracy + 1);
        while left > 1 {
            if s >= symbols || at > data.len() * 8 {
                return None;
            }
            // Small values take one bit less.
            let spare = 2 * threshold - 1 - left;
            let v = bits_at(data, at, width) as i32;
            let count = if v & (threshold - 1) < spare {
                at += width as usize - 1;
                v & (threshold - 1)
            } else {
                at += width as usize;
                let v = v & (2 * threshold - 1);
                if v >= threshold { v - spare } else { v }
            } - 1;
            left -= count.abs();
            *counts.get_mut(s)? = count as i16;
            s += 1;
            // A symbol that never comes is followed by how many more do not.
            let mut more = count == 0;
            while more {
                let zeros = bits_at(data, at, 2);
                at += 2;
                s += zeros as usize;
                more = zeros == 3 && s <= symbols;
            }
            while left < threshold && width > 1 {
                width -= 1;
                threshold >>= 1;
            }
        }
        if left != 1 || s > symbols || at > data.len() * 8 {
            return None;
        }
        self.build(counts.get(..s)?, accuracy)?;
        Some(at.div_ceil(8))
    }

    /// The first state.
    pub fn begin(&self, from: &mut Backwards<'_>) -> State {
        self.state(from.read(self.accuracy) as usize)
    }

    pub fn next(&self, state: State, from: &mut Backwards<'_>) -> State {
        self.state(usize::from(state.base) + from.read(u32::from(state.bits)) as usize)
    }

    fn state(&self, n: usize) -> State {
        self.states.get(n).copied().unwrap_or_default()
    }
}
