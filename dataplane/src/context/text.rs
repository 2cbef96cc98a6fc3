//! What was said, once each: texts go in, numbers come out, by which they are found again.
//!
//! Owns a ring of bytes. The oldest texts are overwritten; whoever asks for one by its number is told that it is gone.

use std::hash::Hasher;

use super::keyed;

/// Longest text, bytes.
pub const LONGEST: usize = 2048;
/// Bytes before a text: its length.
const HEAD: usize = 2;
/// Bytes of the ring for each place of the index.
const PER_PLACE: u64 = 128;

/// See the module.
pub struct Texts {
    ring: Vec<u8>,
    /// Bytes written since the beginning, and 1, so that no text has the number 0.
    head: u64,
    /// Where a text with that hash is, perhaps.
    index: Vec<u64>,
    /// Hosts' logs have what senders chose; places are by what they do not know.
    key: [u64; 2],
}

impl Texts {
    pub fn new(memory: u64, key: [u64; 2]) -> Texts {
        let places = (memory / (PER_PLACE + 8)).max(16);
        let ring = (places * PER_PLACE).max(4 * LONGEST as u64);
        Texts { ring: vec![0; ring as usize], head: 1, index: vec![0; places as usize], key }
    }

    /// The number of a text. One that is too long is not kept: 0.
    pub fn put(&mut self, text: &[u8]) -> u64 {
        if text.is_empty() || text.len() > LONGEST {
            return 0;
        }
        let place = self.place(text);
        let there = self.index[place];
        // What will be overwritten soon is written again.
        let young = self.head.saturating_sub(there) < self.ring.len() as u64 * 3 / 4;
        if young && self.get(there) == Some(text) {
            return there;
        }
        let size = self.ring.len();
        let mut at = (self.head % size as u64) as usize;
        if at + HEAD + text.len() > size {
            // Texts are whole: the rest of the ring stays empty this time.
            self.head += (size - at) as u64;
            at = 0;
        }
        let number = self.head;
        self.ring[at..at + HEAD].copy_from_slice(&(text.len() as u16).to_le_bytes());
        self.ring[at + HEAD..at + HEAD + text.len()].copy_from_slice(text);
        self.head += (HEAD + text.len()) as u64;
        self.index[place] = number;
        number
    }

    fn place(&self, text: &[u8]) -> usize {
        let mut h = keyed(self.key);
        h.write(text);
        (h.finish() % self.index.len() as u64) as usize
    }

    /// A text by its number, while it is there.
    pub fn get(&self, number: u64) -> Option<&[u8]> {
        let size = self.ring.len() as u64;
        if number == 0 || number >= self.head || self.head - number > size {
            return None;
        }
        let at = (number % size) as usize;
        let n = u16::from_le_bytes([*self.ring.get(at)?, *self.ring.get(at + 1)?]);
        self.ring.get(at + HEAD..at + HEAD + usize::from(n))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_depend_on_the_key() {
        let (a, b) = (Texts::new(1 << 20, [1, 2]), Texts::new(1 << 20, [1, 3]));
        let same = (0..100u8).filter(|n| a.place(&[*n]) == b.place(&[*n])).count();
        assert!(same < 5, "{same}");
    }

    #[test]
    fn texts_are_kept_once_and_the_oldest_go() {
        let mut t = Texts::new(64 << 10, [1, 2]);
        assert_eq!(t.put(b"one"), t.put(b"one"));
        assert_eq!((t.put(b""), t.put(&[0; LONGEST + 1]), t.get(0), t.get(1 << 40)), (0, 0, None, None));
        let mut numbers = Vec::new();
        for i in 0..5000u32 {
            let text = format!("text {i} {}", "x".repeat(i as usize % 200));
            numbers.push((t.put(text.as_bytes()), text));
            // Every number gives its own text or nothing.
            for (n, text) in numbers.iter().rev().take(20) {
                assert_eq!(t.get(*n), Some(text.as_bytes()));
            }
        }
        let gone = numbers.iter().filter(|(n, text)| match t.get(*n) {
            Some(there) => {
                assert_eq!(there, text.as_bytes());
                false
            }
            None => true,
        });
        assert!(gone.count() > 4000);
    }
}
