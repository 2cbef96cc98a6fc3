//! LZMA in its own container (`.lzma`, "alone"): properties, dictionary size, decoded size, then the stream.
//!
//! In: coded bytes as they come. Out: decoded bytes. Owns the dictionary and the probabilities, reserved at
//! construction. The format is described in the LZMA specification of the LZMA SDK.
//!
//! A dictionary larger than the memory reserved is tolerated: data is decoded until that memory is full.

pub(crate) use super::Status;
use alloc::vec;
use alloc::vec::Vec;

/// Bytes before the first symbol: properties, sizes, start of the range coder.
const HEAD: usize = 13 + 5;
/// No symbol takes more bytes than this.
const SYMBOL: usize = 20;
const TAIL: usize = 32;
/// Most `lc + lp`; it decides how many probabilities there are.
const LITERAL_BITS: u32 = 4;
/// Smallest dictionary.
const SMALLEST: usize = 4096;
const END: u32 = u32::MAX;

// Where which probabilities are.
const IS_MATCH: usize = 0;
const IS_REP: usize = IS_MATCH + 12 * 16;
const IS_REP_G0: usize = IS_REP + 12;
const IS_REP_G1: usize = IS_REP_G0 + 12;
const IS_REP_G2: usize = IS_REP_G1 + 12;
const IS_REP0_LONG: usize = IS_REP_G2 + 12;
const SLOT: usize = IS_REP0_LONG + 12 * 16;
const SPECIAL: usize = SLOT + 4 * 64;
const ALIGN: usize = SPECIAL + 115;
const LEN: usize = ALIGN + 16;
/// Of one length coder: two choices, 16 trees of 8 for short and for middle lengths, one of 256.
const LEN_SIZE: usize = 2 + 16 * 8 * 2 + 256;
const REP_LEN: usize = LEN + LEN_SIZE;
const LITERAL: usize = REP_LEN + LEN_SIZE;
const PROBS: usize = LITERAL + (0x300 << LITERAL_BITS);
const EVEN: u16 = 1 << 10;

/// What a symbol says.
enum Symbol {
    Literal(u8),
    /// That many bytes from `reps[0] + 1` back.
    Match(u32),
    End,
}

/// Why a symbol could not be read.
enum Stop {
    Input,
    Damaged,
}

/// One decoder.
#[derive(Debug)]
pub struct Lzma {
    probs: Vec<u16>,
    dict: Vec<u8>,
    /// Bytes of `dict` in use for this stream, 0 before its header.
    size: usize,
    /// The stream's dictionary is larger than `dict`.
    larger: bool,
    /// Next place in `dict`.
    at: usize,
    produced: u64,
    /// Decoded size, when the header tells.
    want: Option<u64>,
    lc: u32,
    lp: u32,
    pb: u32,
    range: u32,
    code: u32,
    state: usize,
    reps: [u32; 4],
    /// Bytes of a match still to copy.
    copy: u32,
    /// Input that is not a whole header or symbol yet.
    tail: [u8; TAIL],
    tail_len: usize,
}

/// The range decoder while one symbol is read.
struct Reader<'a> {
    probs: &'a mut [u16],
    input: &'a [u8],
    at: usize,
    range: u32,
    code: u32,
    /// Probabilities as they were, to go back to when the input ends.
    log: [(u16, u16); 64],
    logged: usize,
}

impl Lzma {
    /// Bytes of a decoder with dictionaries of `memory` bytes.
    pub const fn bytes(memory: usize) -> usize {
        PROBS * 2 + if memory > SMALLEST { memory } else { SMALLEST }
    }

    /// Touches its memory.
    pub fn warm(&mut self) {
        crate::pool::touch(&mut self.probs);
        crate::pool::touch_reserved(&mut self.dict, usize::MAX, 0);
    }

    /// A decoder whose dictionaries take at most `memory` bytes.
    pub fn new(memory: usize) -> Self {
        Lzma {
            probs: vec![0; PROBS],
            dict: Vec::with_capacity(memory.max(SMALLEST)),
            size: 0,
            larger: false,
            at: 0,
            produced: 0,
            want: None,
            lc: 0,
            lp: 0,
            pb: 0,
            range: 0,
            code: 0,
            state: 0,
            reps: [0; 4],
            copy: 0,
            tail: [0; TAIL],
            tail_len: 0,
        }
    }

    /// Ready for another stream.
    pub fn reset(&mut self) {
        (self.size, self.at, self.produced, self.copy, self.tail_len) = (0, 0, 0, 0, 0);
        (self.state, self.reps) = (0, [0; 4]);
    }

    /// Decodes from `data`, which moves on, into `out`.
    pub fn decode(&mut self, data: &mut &[u8], out: &mut [u8]) -> (Status, usize) {
        let mut wrote = 0;
        if self.size == 0 {
            self.collect(data, HEAD);
            if self.tail_len < HEAD {
                return (Status::NeedsInput, 0);
            }
            if !self.header() {
                return (Status::Failed, 0);
            }
            self.tail_len = 0;
        }
        loop {
            while self.copy > 0 {
                let back = self.reps[0] as usize + 1;
                let from = if back <= self.at { self.at - back } else { self.at + self.size - back };
                let Some(to) = out.get_mut(wrote) else { return (Status::MoreOutput, wrote) };
                if self.ended() {
                    return (Status::Done, wrote);
                }
                *to = self.dict[from];
                self.put(self.dict[from]);
                self.copy -= 1;
                wrote += 1;
            }
            if self.ended() {
                return (Status::Done, wrote);
            }
            let Some(to) = out.get_mut(wrote) else { return (Status::MoreOutput, wrote) };
            match self.next(data) {
                Ok(Symbol::Literal(b)) => {
                    *to = b;
                    self.put(b);
                    wrote += 1;
                }
                Ok(Symbol::Match(n)) => self.copy = n,
                Ok(Symbol::End) => return (Status::Done, wrote),
                Err(Stop::Input) => return (Status::NeedsInput, wrote),
                Err(Stop::Damaged) => return (Status::Failed, wrote),
            }
        }
    }

    /// Whether the stream wanted a dictionary larger than there was, and went on beyond that.
    pub fn was_cut(&self) -> bool {
        self.larger && self.produced >= self.size as u64 && self.want.is_none_or(|n| n > self.produced)
    }

    /// All that was promised, or all that memory allows, is decoded.
    fn ended(&self) -> bool {
        self.want.is_some_and(|n| self.produced >= n) || self.larger && self.produced >= self.size as u64
    }

    fn put(&mut self, b: u8) {
        self.dict[self.at] = b;
        self.at = if self.at + 1 == self.size { 0 } else { self.at + 1 };
        self.produced += 1;
    }

    /// Moves bytes of `data` to the tail until it holds `n`.
    fn collect(&mut self, data: &mut &[u8], n: usize) {
        let take = n.saturating_sub(self.tail_len).min(data.len());
        let (head, rest) = data.split_at(take);
        self.tail[self.tail_len..self.tail_len + take].copy_from_slice(head);
        self.tail_len += take;
        *data = rest;
    }

    fn header(&mut self) -> bool {
        let t = self.tail;
        let props = u32::from(t[0]);
        (self.lc, self.lp, self.pb) = (props % 9, props / 9 % 5, props / 45);
        if props >= 225 || self.lc + self.lp > LITERAL_BITS || t[13] != 0 {
            return false;
        }
        let dict = (u32::from_le_bytes([t[1], t[2], t[3], t[4]]) as usize).max(SMALLEST);
        self.size = dict.min(self.dict.capacity());
        self.larger = dict > self.dict.capacity();
        if self.dict.len() < self.size {
            // Within what is reserved, when it is first needed.
            self.dict.resize(self.size, 0);
        }
        let want = u64::from_le_bytes([t[5], t[6], t[7], t[8], t[9], t[10], t[11], t[12]]);
        self.want = (want != u64::MAX).then_some(want);
        self.range = u32::MAX;
        self.code = u32::from_be_bytes([t[14], t[15], t[16], t[17]]);
        self.probs.fill(EVEN);
        true
    }

    /// The next symbol. Input that ends inside it is kept.
    fn next(&mut self, data: &mut &[u8]) -> Result<Symbol, Stop> {
        if self.tail_len == 0 {
            let (symbol, used) = self.symbol(data);
            match symbol {
                Err(Stop::Input) => self.collect(data, data.len().min(TAIL)),
                _ => *data = data.get(used..).unwrap_or(&[]),
            }
            return symbol;
        }
        // The symbol began in an earlier piece.
        let (had, before) = (self.tail_len, *data);
        self.collect(data, TAIL);
        let tail = self.tail;
        let (symbol, used) = self.symbol(&tail[..self.tail_len]);
        if !matches!(symbol, Err(Stop::Input)) {
            *data = before.get(used.saturating_sub(had)..).unwrap_or(&[]);
            self.tail.copy_within(used.min(had)..had, 0);
            self.tail_len = had.saturating_sub(used);
        }
        symbol
    }

    /// Reads one symbol from `input` and tells how many bytes it took. Nothing changes when the input ends in it.
    fn symbol(&mut self, input: &[u8]) -> (Result<Symbol, Stop>, usize) {
        let mut probs = core::mem::take(&mut self.probs);
        let (range, code) = (self.range, self.code);
        let mut r = Reader { probs: &mut probs, input, at: 0, range, code, log: [(0, 0); 64], logged: 0 };
        let symbol =
            if input.len() >= SYMBOL { self.read::<false>(&mut r) } else { self.read::<true>(&mut r) };
        let used = r.at;
        if matches!(symbol, Err(Stop::Input)) {
            r.undo();
        } else {
            (self.range, self.code) = (r.range, r.code);
        }
        self.probs = probs;
        (symbol, used)
    }

    /// `UNDO`: the input may end inside the symbol.
    fn read<const UNDO: bool>(&mut self, r: &mut Reader<'_>) -> Result<Symbol, Stop> {
        let state = self.state;
        let pos = (self.produced & ((1 << self.pb) - 1)) as usize;
        if !r.bit::<UNDO>(IS_MATCH + state * 16 + pos)? {
            let b = self.literal::<UNDO>(r)?;
            self.state = match state {
                0..=3 => 0,
                4..=9 => state - 3,
                _ => state - 6,
            };
            return Ok(Symbol::Literal(b));
        }
        let mut reps = self.reps;
        let (len, next) = if r.bit::<UNDO>(IS_REP + state)? {
            if self.produced == 0 {
                return Err(Stop::Damaged);
            }
            if !r.bit::<UNDO>(IS_REP_G0 + state)? {
                if !r.bit::<UNDO>(IS_REP0_LONG + state * 16 + pos)? {
                    self.state = if state < 7 { 9 } else { 11 };
                    return self.matched(reps, 1);
                }
            } else if !r.bit::<UNDO>(IS_REP_G1 + state)? {
                reps.swap(0, 1);
            } else {
                let third = r.bit::<UNDO>(IS_REP_G2 + state)?;
                reps[..3 + usize::from(third)].rotate_right(1);
            }
            (r.length::<UNDO>(REP_LEN, pos)?, if state < 7 { 8 } else { 11 })
        } else {
            let len = r.length::<UNDO>(LEN, pos)?;
            let distance = r.distance::<UNDO>(len)?;
            reps.rotate_right(1);
            reps[0] = distance;
            (len, if state < 7 { 7 } else { 10 })
        };
        self.state = next;
        if reps[0] == END {
            return Ok(Symbol::End);
        }
        self.matched(reps, len + 2)
    }

    /// A match that stays inside of what was decoded.
    fn matched(&mut self, reps: [u32; 4], len: u32) -> Result<Symbol, Stop> {
        self.reps = reps;
        if u64::from(reps[0]) >= self.produced || reps[0] as usize >= self.size {
            return Err(Stop::Damaged);
        }
        Ok(Symbol::Match(len))
    }

    fn literal<const UNDO: bool>(&mut self, r: &mut Reader<'_>) -> Result<u8, Stop> {
        let back = |n: usize| if n <= self.at { self.at - n } else { self.at + self.size - n };
        let previous = if self.produced == 0 { 0 } else { u32::from(self.dict[back(1)]) };
        let low = (self.produced & ((1 << self.lp) - 1)) as u32;
        let base = LITERAL + 0x300 * ((low << self.lc) + (previous >> (8 - self.lc))) as usize;
        let mut symbol = 1usize;
        if self.state >= 7 {
            let mut byte = usize::from(self.dict[back(self.reps[0] as usize + 1)]);
            while symbol < 0x100 {
                let expected = byte >> 7 & 1;
                byte <<= 1;
                let bit = usize::from(r.bit::<UNDO>(base + ((1 + expected) << 8) + symbol)?);
                symbol = symbol << 1 | bit;
                if bit != expected {
                    break;
                }
            }
        }
        while symbol < 0x100 {
            symbol = symbol << 1 | usize::from(r.bit::<UNDO>(base + symbol)?);
        }
        Ok(symbol as u8)
    }
}

impl Reader<'_> {
    fn undo(&mut self) {
        for (at, was) in self.log[..self.logged].iter().rev() {
            self.probs[usize::from(*at)] = *was;
        }
    }

    fn normalise(&mut self) -> Result<(), Stop> {
        if self.range < 1 << 24 {
            let b = *self.input.get(self.at).ok_or(Stop::Input)?;
            self.at += 1;
            self.range <<= 8;
            self.code = self.code << 8 | u32::from(b);
        }
        Ok(())
    }

    fn bit<const UNDO: bool>(&mut self, at: usize) -> Result<bool, Stop> {
        self.normalise()?;
        let p = &mut self.probs[at];
        if UNDO && self.logged < self.log.len() {
            self.log[self.logged] = (at as u16, *p);
            self.logged += 1;
        }
        let bound = (self.range >> 11) * u32::from(*p);
        let one = self.code >= bound;
        if one {
            *p -= *p >> 5;
            self.range -= bound;
            self.code -= bound;
        } else {
            *p += (2048 - *p) >> 5;
            self.range = bound;
        }
        Ok(one)
    }

    /// Bits that have no probability.
    fn direct(&mut self, n: u32) -> Result<u32, Stop> {
        let mut v = 0;
        for _ in 0..n {
            self.normalise()?;
            self.range >>= 1;
            let one = self.code >= self.range;
            if one {
                self.code -= self.range;
            }
            v = v << 1 | u32::from(one);
        }
        Ok(v)
    }

    fn tree<const UNDO: bool>(&mut self, base: usize, bits: u32) -> Result<u32, Stop> {
        let mut m = 1;
        for _ in 0..bits {
            m = m << 1 | usize::from(self.bit::<UNDO>(base + m)?);
        }
        Ok(m as u32 - (1 << bits))
    }

    /// A tree whose lowest bit comes first.
    fn reverse<const UNDO: bool>(&mut self, base: usize, bits: u32) -> Result<u32, Stop> {
        let (mut m, mut v) = (1, 0);
        for i in 0..bits {
            let one = self.bit::<UNDO>(base + m)?;
            m = m << 1 | usize::from(one);
            v |= u32::from(one) << i;
        }
        Ok(v)
    }

    /// A length, less the 2 that every match has.
    fn length<const UNDO: bool>(&mut self, base: usize, pos: usize) -> Result<u32, Stop> {
        if !self.bit::<UNDO>(base)? {
            return self.tree::<UNDO>(base + 2 + pos * 8, 3);
        }
        if !self.bit::<UNDO>(base + 1)? {
            return Ok(8 + self.tree::<UNDO>(base + 2 + 128 + pos * 8, 3)?);
        }
        Ok(16 + self.tree::<UNDO>(base + 2 + 256, 8)?)
    }

    fn distance<const UNDO: bool>(&mut self, len: u32) -> Result<u32, Stop> {
        let slot = self.tree::<UNDO>(SLOT + len.min(3) as usize * 64, 6)?;
        if slot < 4 {
            return Ok(slot);
        }
        let bits = (slot >> 1) - 1;
        let base = (2 | slot & 1) << bits;
        if slot < 14 {
            return Ok(base + self.reverse::<UNDO>(SPECIAL + (base - slot) as usize, bits)?);
        }
        let high = self.direct(bits - 4)?;
        Ok(base.wrapping_add(high << 4).wrapping_add(self.reverse::<UNDO>(ALIGN, 4)?))
    }
}
