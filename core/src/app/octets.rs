//! Bytes of a message read one field after the other.
//!
//! In: a slice. Out: fields, `None` behind its end; what was read is gone from the front. Owns nothing.

/// What is left of a message.
#[derive(Clone, Copy, Debug)]
pub struct Octets<'a>(pub &'a [u8]);

impl<'a> Octets<'a> {
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next `n` bytes.
    pub fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(head)
    }

    pub fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    /// Big endian, as the next ones.
    pub fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    pub fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    /// Little endian, as the next one.
    pub fn le16(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes(self.take(2)?.try_into().ok()?))
    }

    pub fn le32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    /// Bytes behind their length in two bytes.
    pub fn sized16(&mut self) -> Option<&'a [u8]> {
        let n = self.u16()?;
        self.take(usize::from(n))
    }

    /// Bytes up to a zero, which is taken too.
    pub fn zero_ended(&mut self) -> Option<&'a [u8]> {
        let n = self.0.iter().position(|b| *b == 0)?;
        let text = self.take(n)?;
        self.take(1)?;
        Some(text)
    }
}

/// Bytes of the wire that may be a key of a record: plain letters and signs, not many. Outputs escape values only.
pub fn key(bytes: &[u8]) -> Option<&str> {
    let plain = |b: &u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\');
    let fits = (1..=64).contains(&bytes.len()) && bytes.iter().all(plain);
    if fits { core::str::from_utf8(bytes).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_in_order_and_nothing_behind_the_end() {
        let mut o = Octets(b"\x01\x00\x02\x03\x00\x00\x00ab\x00\x01zq\x00");
        assert_eq!((o.u8(), o.u16(), o.le32()), (Some(1), Some(2), Some(3)));
        assert_eq!(
            (o.take(2), o.sized16(), o.zero_ended()),
            (Some(&b"ab"[..]), Some(&b"z"[..]), Some(&b"q"[..]))
        );
        assert!(o.is_empty() && o.u8().is_none() && o.u32().is_none() && o.zero_ended().is_none());
        let mut short = Octets(b"\x00\x05ab");
        assert!(short.sized16().is_none());
    }
}
