//! Bits of zstd streams: forwards for descriptions of tables, backwards for what was coded with them (RFC 8878, 4.1).

/// `n` bits (at most 56) from bit `at` on, the first one lowest. Bits behind the end are zero.
pub fn bits_at(data: &[u8], at: usize, n: u32) -> u64 {
    let i = at / 8;
    let word = match data.get(i..).and_then(|d| d.first_chunk()) {
        Some(w) => u64::from_le_bytes(*w),
        None => {
            let rest = data.get(i..).unwrap_or(&[]);
            rest.iter().rev().fold(0, |w, b| w << 8 | u64::from(*b))
        }
    };
    word >> (at % 8) & ((1 << n) - 1)
}

/// Reads from the end to the beginning. The last byte has a highest bit that marks where the bits end.
pub struct Backwards<'a> {
    data: &'a [u8],
    /// Bits not read yet; negative when more were asked for than there are.
    left: i64,
}

impl<'a> Backwards<'a> {
    pub fn new(data: &'a [u8]) -> Option<Self> {
        let last = *data.last()?;
        let left = (data.len() as i64 - 1) * 8 + i64::from(last.checked_ilog2()?);
        Some(Backwards { data, left })
    }

    /// The next `n` bits (at most 56); those before the beginning are zero.
    pub fn read(&mut self, n: u32) -> u64 {
        let v = self.peek(n);
        self.left -= i64::from(n);
        v
    }

    pub fn peek(&self, n: u32) -> u64 {
        let from = self.left - i64::from(n);
        if from >= 0 {
            return bits_at(self.data, from as usize, n);
        }
        let have = self.left.clamp(0, 56) as u32;
        bits_at(self.data, 0, have) << (n - have)
    }

    pub fn skip(&mut self, n: u32) {
        self.left -= i64::from(n);
    }

    /// All bits were read, and no more.
    pub fn is_done(&self) -> bool {
        self.left == 0
    }

    /// More bits were read than there are.
    pub fn is_over(&self) -> bool {
        self.left < 0
    }
}
