//! Base64 as `base64_decode` and the `from_base64` transform read it (RFC 2045, RFC 4648).

use crate::pool::Scratch;
use crate::rules::ir::Base64Mode;

const fn value(c: u8) -> Option<u8> {
    match c {
        b'A'..=b'Z' => Some(c - b'A'),
        b'a'..=b'z' => Some(c - b'a' + 26),
        b'0'..=b'9' => Some(c - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

/// Appends the decoded bytes to `out`. `false` when `mode` is strict and the input is not well formed; the
/// other modes keep what was decoded up to the first byte they cannot read (RFC 4648) or skip it (RFC 2045).
pub fn decode(input: &[u8], mode: Base64Mode, out: &mut Scratch) -> bool {
    let (mut acc, mut n) = (0u32, 0u32);
    let mut pads = 0;
    let mut clean = true;
    for &c in input {
        match value(c) {
            Some(v) if pads == 0 => {
                acc = acc << 6 | u32::from(v);
                n += 1;
                if n == 4 {
                    out.extend(&[(acc >> 16) as u8, (acc >> 8) as u8, acc as u8]);
                    (acc, n) = (0, 0);
                }
            }
            _ if c == b'=' => {
                pads += 1;
                if n + pads == 4 {
                    break;
                }
            }
            _ => {
                if mode == Base64Mode::Rfc2045 {
                    continue;
                }
                clean = false;
                break;
            }
        }
    }
    match n {
        2 => {
            out.push((acc >> 4) as u8);
        }
        3 => {
            out.extend(&[(acc >> 10) as u8, (acc >> 2) as u8]);
        }
        _ => {}
    }
    mode != Base64Mode::Strict || (clean && (n == 0 || n + pads == 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(s: &[u8], mode: Base64Mode) -> (bool, alloc::vec::Vec<u8>) {
        let mut out = Scratch::new(64);
        let ok = decode(s, mode, &mut out);
        (ok, out.as_slice().to_vec())
    }

    #[test]
    fn modes() {
        assert_eq!(run(b"SGVsbG8=", Base64Mode::Rfc4648), (true, b"Hello".to_vec()));
        assert_eq!(run(b"SGVs\r\nbG8=", Base64Mode::Rfc2045), (true, b"Hello".to_vec()));
        assert_eq!(run(b"SGVs bG8=", Base64Mode::Rfc4648), (true, b"Hel".to_vec()));
        assert_eq!(run(b"SGVs bG8=", Base64Mode::Strict), (false, b"Hel".to_vec()));
        assert_eq!(run(b"SGVsbG8", Base64Mode::Rfc4648), (true, b"Hello".to_vec()));
    }
}
