//! Search for one content in a range of a buffer: bytes in, position out. Owns the prepared search.

use alloc::boxed::Box;
use alloc::vec::Vec;
use memchr::memmem::Finder;

/// A content prepared for repeated searches.
#[derive(Debug)]
pub struct Needle {
    /// Lower-cased when `nocase`.
    bytes: Vec<u8>,
    nocase: bool,
    /// Apart, because it is several times the size of the rest and only needed once a search begins.
    finder: Option<Box<Finder<'static>>>,
    /// Index of the byte looked for first when `nocase`, and its two cases.
    rare: usize,
    rare_lo: u8,
    rare_hi: u8,
}

/// How common a byte is in network text, roughly: higher is commoner.
const fn rank(b: u8) -> u8 {
    match b {
        b' ' | b'e' | b't' | b'a' | b'o' | b'i' | b'n' | 0 => 255,
        b's' | b'r' | b'h' | b'd' | b'l' | b'u' | b'c' | b'm' | b'p' => 230,
        b'f' | b'g' | b'w' | b'y' | b'b' | b'.' | b'/' | b'-' | b':' => 200,
        b'\r' | b'\n' | b'=' | b'0' | b'1' | b'2' | b',' | b';' => 180,
        b'v' | b'k' | b'3'..=b'9' | b'"' | b'&' => 150,
        b'x' | b'j' | b'q' | b'z' => 90,
        _ => 60,
    }
}

impl Needle {
    pub fn new(bytes: &[u8], nocase: bool) -> Self {
        let bytes = if nocase { bytes.to_ascii_lowercase() } else { bytes.to_vec() };
        let rare = (0..bytes.len()).min_by_key(|&i| rank(bytes[i])).unwrap_or(0);
        let rare_lo = bytes.get(rare).copied().unwrap_or(0);
        let rare_hi = rare_lo.to_ascii_uppercase();
        let finder = (!nocase).then(|| Box::new(Finder::new(&bytes).into_owned()));
        Needle { bytes, nocase, finder, rare, rare_lo, rare_hi }
    }

    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether `hay` starts with it.
    pub fn is_prefix(&self, hay: &[u8]) -> bool {
        let Some(h) = hay.get(..self.bytes.len()) else { return false };
        if self.nocase { h.eq_ignore_ascii_case(&self.bytes) } else { h == self.bytes }
    }

    /// First position in `hay`, if any.
    pub fn find(&self, hay: &[u8]) -> Option<usize> {
        let n = self.bytes.len();
        if hay.len() < n {
            return None;
        }
        if hay.len() == n {
            return self.is_prefix(hay).then_some(0);
        }
        if let Some(f) = &self.finder {
            return f.find(hay);
        }
        let last = hay.len() - n;
        // The rare byte may only lie where the rest still fits around it.
        let zone = hay.get(self.rare..=self.rare + last)?;
        let mut at = 0;
        while let Some(p) =
            zone.get(at..).and_then(|z| memchr::memchr2(self.rare_lo, self.rare_hi, z)).map(|p| p + at)
        {
            if self.is_prefix(&hay[p..]) {
                return Some(p);
            }
            at = p + 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn equals_naive(hay in "[aAbBx ]{0,40}", pat in "[aAbBx ]{1,4}", nocase: bool) {
            let n = Needle::new(pat.as_bytes(), nocase);
            let (h, p) = if nocase { (hay.to_lowercase(), pat.to_lowercase()) } else { (hay.clone(), pat) };
            prop_assert_eq!(n.find(hay.as_bytes()), h.find(&p));
        }
    }
}
