//! Short text in fixed memory.

/// At most `N` bytes of text, cut where more came.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Short<const N: usize> {
    len: u8,
    bytes: [u8; N],
}

impl<const N: usize> Default for Short<N> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<const N: usize> core::fmt::Debug for Short<N> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        alloc::string::String::from_utf8_lossy(self.get()).fmt(f)
    }
}

/// As in a sentence: what is not printable ASCII is a question mark.
impl<const N: usize> core::fmt::Display for Short<N> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        use core::fmt::Write;
        self.get()
            .iter()
            .try_for_each(|b| f.write_char(if (0x20..0x7f).contains(b) { *b as char } else { '?' }))
    }
}

impl<const N: usize> Short<N> {
    pub const EMPTY: Self = Short { len: 0, bytes: [0; N] };

    pub fn of(text: &[u8]) -> Self {
        let mut s = Self::EMPTY;
        s.add(text);
        s
    }

    /// Appends as much as there is room for.
    pub fn add(&mut self, text: &[u8]) {
        let from = usize::from(self.len);
        let n = text.len().min(N.min(255) - from);
        if let (Some(to), Some(t)) = (self.bytes.get_mut(from..from + n), text.get(..n)) {
            to.copy_from_slice(t);
            self.len += n as u8;
        }
    }

    pub fn get(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or(&[])
    }

    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}
