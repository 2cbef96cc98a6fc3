//! The `asn1` keyword: known faults of BER structures (X.690).
//!
//! In: a buffer, the end of the last match. Out: whether a complete element has one of the faults asked for.

use crate::rules::ir::Asn1;

/// Most elements one behind the other, and most inside each other.
const MAX_FRAMES: usize = 30;

/// `true` when one of the asked-for faults is in a complete element.
pub fn asn1(a: &Asn1, buf: &[u8], cursor: usize) -> bool {
    let at = match (a.absolute_offset, a.relative_offset) {
        (Some(o), _) => usize::from(o),
        (None, Some(r)) => match u16::try_from(cursor as i64 + i64::from(r)) {
            Ok(v) => usize::from(v),
            Err(_) => return false,
        },
        _ => 0,
    };
    let mut rest = buf.get(at..).unwrap_or(&[]);
    let (mut frames, mut found) = (0, false);
    while !rest.is_empty() {
        if frames == MAX_FRAMES {
            return false;
        }
        frames += 1;
        let Some((fault, after)) = element(a, rest, MAX_FRAMES) else { break };
        found |= fault;
        rest = after;
    }
    found
}

/// The first element: whether it or one inside it has a fault, and what follows; `None` when it is not whole.
fn element<'a>(a: &Asn1, buf: &'a [u8], depth: usize) -> Option<(bool, &'a [u8])> {
    let (&tag, mut b) = buf.split_first()?;
    if tag & 0x1f == 0x1f {
        let n = b.iter().take_while(|b| **b & 0x80 != 0).count();
        b = b.get(n + 1..)?;
    }
    let (&l, mut b) = b.split_first()?;
    let mut len = usize::from(l);
    if l & 0x80 != 0 {
        // Neither indefinite lengths nor the reserved one.
        let n = usize::from(l & 0x7f);
        if n == 0 || n > 8 {
            return None;
        }
        let v = b.get(..n)?.iter().fold(0u64, |v, x| v << 8 | u64::from(*x));
        len = usize::try_from(v).ok()?;
        b = &b[n..];
    }
    let (content, after) = (b.get(..len)?, &b[len..]);
    let mut fault = a.oversize_length.is_some_and(|m| len > m as usize);
    match tag {
        // End of contents, BOOLEAN and NULL have one length only, BIT STRING has a first byte.
        0 | 5 if len != 0 => return None,
        1 if len != 1 => return None,
        3 => fault |= a.bitstring_overflow && usize::from(*content.first()?) > len.saturating_mul(8),
        9 => fault |= a.double_overflow && len > 256 && content.first().is_some_and(|t| *t & 0xc0 == 0),
        // SEQUENCE and SET.
        0x30 | 0x31 => {
            let (mut rest, depth) = (content, depth.checked_sub(1)?);
            while !rest.is_empty() {
                let (inner, more) = element(a, rest, depth)?;
                fault |= inner;
                rest = more;
            }
        }
        _ => {}
    }
    Some((fault, after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn all(oversize: u32) -> Asn1 {
        Asn1 {
            bitstring_overflow: true,
            double_overflow: true,
            oversize_length: Some(oversize),
            ..Asn1::default()
        }
    }

    fn sequence(inner: &[u8]) -> Vec<u8> {
        [&[0x30, 0x82, (inner.len() >> 8) as u8, inner.len() as u8], inner].concat()
    }

    #[test]
    fn each_fault() {
        assert!(asn1(&all(9), b"\x03\x01\xff", 0));
        assert!(!asn1(&all(9), b"\x03\x01\x07", 0));
        let real = |n: u16| [&[9, 0x82, (n >> 8) as u8, n as u8][..], &vec![5; usize::from(n)]].concat();
        assert!(asn1(&all(9000), &real(257), 0));
        assert!(!asn1(&all(9000), &real(256), 0));
        assert!(asn1(&all(255), &real(256), 0));
        assert!(asn1(&all(9000), &sequence(&sequence(&real(257))), 0));
        assert!(asn1(&all(9), &[&b"\x04\x01x"[..], b"\x03\x01\xff"].concat(), 0));
    }

    #[test]
    fn only_whole_elements_count() {
        assert!(!asn1(&all(2), b"\x04\x05four", 0));
        assert!(!asn1(&all(2048), b"\x04\x84\x10\0\0\0four", 0));
        // What is wrong inside makes the whole element wrong.
        assert!(!asn1(&all(9), &sequence(b"\x03\x01\xff\x04\x09x"), 0));
        assert!(asn1(&all(9), b"\x03\x01\xff\x04\x09x", 0));
        let mut deep = b"\x03\x01\xff".to_vec();
        for _ in 0..MAX_FRAMES {
            deep = sequence(&deep);
        }
        assert!(asn1(&all(9000), &deep, 0));
        assert!(!asn1(&all(9000), &sequence(&deep), 0));
        assert!(!asn1(&all(9), &b"\x04\x01x".repeat(MAX_FRAMES + 1), 0));
    }

    #[test]
    fn offsets() {
        let a = Asn1 { relative_offset: Some(-2), ..all(9) };
        assert!(asn1(&a, b"xx\x03\x01\xff", 4));
        assert!(!asn1(&a, b"xx\x03\x01\xff", 1));
        assert!(asn1(&Asn1 { absolute_offset: Some(1), ..all(9) }, b"\x01\x03\x01\xff", 0));
    }

    proptest! {
        #[test]
        fn any_bytes(data in proptest::collection::vec(any::<u8>(), 0..300), cursor in 0usize..400, r in -70i32..70) {
            asn1(&Asn1 { relative_offset: Some(r), ..all(3) }, &data, cursor);
        }
    }
}
