//! Patterns of names: `*` stands for any bytes, `?` for one. A pattern and a value go in; whether they fit comes out.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;

/// Bytes of a value that are compared; what is longer is compared by its beginning.
const MOST: usize = 512;

/// A pattern, compared without regard to the case of ASCII letters.
#[derive(Clone, PartialEq, Eq)]
pub struct Glob(Box<[u8]>);

impl Glob {
    /// At most 256 bytes.
    pub fn new(text: &str) -> Option<Glob> {
        let text: String = text.to_ascii_lowercase();
        (!text.is_empty() && text.len() <= 256).then(|| Glob(text.into_bytes().into_boxed_slice()))
    }

    /// Whether the value fits. At most 256 × 512 steps.
    pub fn fits(&self, value: &[u8]) -> bool {
        let value = value.get(..MOST).unwrap_or(value);
        let (mut p, mut v) = (0, 0);
        // Behind the last star: where the pattern goes on, and the byte of the value that it was tried at.
        let mut back: Option<(usize, usize)> = None;
        while let Some(&b) = value.get(v) {
            match self.0.get(p) {
                Some(b'*') => {
                    back = Some((p + 1, v));
                    p += 1;
                }
                Some(&c) if c == b'?' || c == b.to_ascii_lowercase() => {
                    p += 1;
                    v += 1;
                }
                _ => match &mut back {
                    Some((at, from)) => {
                        *from += 1;
                        (p, v) = (*at, *from);
                    }
                    None => return false,
                },
            }
        }
        self.0.get(p..).is_some_and(|rest| rest.iter().all(|c| *c == b'*'))
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(core::str::from_utf8(&self.0).unwrap_or(""))
    }
}

impl fmt::Debug for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_marks() {
        for (p, v, fits) in [
            ("llama-*", "Llama-3-8b", true),
            ("llama-*", "llama", false),
            ("*", "", true),
            ("*.example.org", "a.b.EXAMPLE.org", true),
            ("*.example.org", "example.org", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*b*b", "abab", true),
            ("*b*b", "aba", false),
            ("abc", "abcd", false),
        ] {
            assert_eq!(Glob::new(p).unwrap().fits(v.as_bytes()), fits, "{p} {v}");
        }
        assert!(Glob::new("").is_none());
    }
}
