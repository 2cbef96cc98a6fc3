//! Transforms: a buffer goes in, a changed copy in the worker's scratch comes out.
//!
//! Meanings: Suricata 8 "Transformations". Also the two whole-buffer checks that are no searches, entropy and
//! ASN.1.

use alloc::boxed::Box;

use md5::Md5;
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::base64;
use crate::pool::Scratch;
use crate::rules::ir::Transform;
use crate::sig::regex::{Cache, Outcome, Regex};

/// A transform ready to run.
#[derive(Debug)]
pub enum XForm {
    Plain(Transform),
    /// First capture group of the regex.
    Regex(Box<Regex>),
}

/// Worker memory for inflating.
pub struct Inflater {
    state: Box<DecompressorOxide>,
    out: Box<[u8]>,
}

impl core::fmt::Debug for Inflater {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Inflater({})", self.out.len())
    }
}

impl Inflater {
    pub fn new(max: usize) -> Self {
        Inflater { state: Box::default(), out: alloc::vec![0; max].into_boxed_slice() }
    }
}

/// Runs one transform; `false` when the buffer then counts as empty.
pub fn apply(x: &XForm, input: &[u8], out: &mut Scratch, regex: &mut Cache, inflater: &mut Inflater) -> bool {
    out.clear();
    let t = match x {
        XForm::Regex(r) => {
            let mut caps = [usize::MAX; 4];
            if let Outcome::Match(..) = r.find_at(input, 0, regex, &mut caps)
                && let Some(g) = input.get(caps[2]..caps[3])
            {
                out.extend(g);
                return true;
            }
            return false;
        }
        XForm::Plain(t) => t,
    };
    match t {
        Transform::StripWhitespace => {
            for &c in input.iter().filter(|c| !is_space(**c)) {
                out.push(c);
            }
        }
        Transform::CompressWhitespace => {
            let mut last = false;
            for &c in input {
                let space = is_space(c);
                if !(space && last) {
                    out.push(c);
                }
                last = space;
            }
        }
        Transform::ToLowercase => {
            out.extend(input);
            out.as_mut_slice().make_ascii_lowercase();
        }
        Transform::ToUppercase => {
            out.extend(input);
            out.as_mut_slice().make_ascii_uppercase();
        }
        Transform::HeaderLowercase => header_lowercase(input, out),
        Transform::StripPseudoHeaders => strip_pseudo_headers(input, out),
        Transform::DotPrefix => {
            out.push(b'.');
            out.extend(input);
        }
        Transform::UrlDecode => url_decode(input, out),
        Transform::Domain => {
            out.extend(psl::domain(input).map_or(&[][..], |d| d.as_bytes()));
        }
        Transform::Tld => {
            // A value that is no domain has no suffix.
            if let Some(d) = psl::domain(input) {
                out.extend(d.suffix().as_bytes());
            }
        }
        Transform::Xor(key) => {
            out.extend(input);
            for (c, k) in out.as_mut_slice().iter_mut().zip(key.iter().cycle()) {
                *c ^= k;
            }
        }
        Transform::ToMd5 => {
            out.extend(&Md5::digest(input));
        }
        Transform::ToSha1 => {
            out.extend(&Sha1::digest(input));
        }
        Transform::ToSha256 => {
            out.extend(&Sha256::digest(input));
        }
        Transform::FromBase64 { offset, bytes, mode } => {
            let Some(data) = input.get(*offset as usize..) else { return false };
            let n = bytes.map_or(data.len(), |n| (n as usize).min(data.len()));
            if !base64::decode(&data[..n], *mode, out) {
                return false;
            }
        }
        Transform::Gunzip { max } => {
            let Some(body) = gzip_body(input) else { return false };
            inflate(body, false, *max, out, inflater);
        }
        Transform::ZlibDeflate { max } => inflate(input, true, *max, out, inflater),
        Transform::CaseChange => {
            out.extend(input);
        }
        Transform::PcreXform(_) => return false,
    }
    !out.is_empty()
}

const fn is_space(c: u8) -> bool {
    matches!(c, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// Lower-cases header names, the part of each line before the first colon.
fn header_lowercase(input: &[u8], out: &mut Scratch) {
    let mut name = true;
    for (i, &c) in input.iter().enumerate() {
        if name {
            // A colon that starts a line belongs to an HTTP/2 pseudo header's name.
            if c == b':' && i > 0 && input[i - 1] != b'\n' {
                name = false;
            }
            out.push(c.to_ascii_lowercase());
        } else {
            if c == b'\n' {
                name = true;
            }
            out.push(c);
        }
    }
}

fn strip_pseudo_headers(input: &[u8], out: &mut Scratch) {
    for line in input.split_inclusive(|&c| c == b'\n') {
        if line.first() != Some(&b':') {
            out.extend(line);
        }
    }
}

fn url_decode(input: &[u8], out: &mut Scratch) {
    let mut i = 0;
    while let Some(&c) = input.get(i) {
        let hex = |k: usize| input.get(i + k).and_then(|&h| (h as char).to_digit(16));
        match c {
            b'+' => {
                out.push(b' ');
            }
            b'%' => {
                if let (Some(a), Some(b)) = (hex(1), hex(2)) {
                    out.push((a * 16 + b) as u8);
                    i += 2;
                } else {
                    out.push(c);
                }
            }
            _ => {
                out.push(c);
            }
        }
        i += 1;
    }
}

/// The deflate data of a gzip member (RFC 1952, section 2.3).
fn gzip_body(b: &[u8]) -> Option<&[u8]> {
    let (head, mut rest) = b.split_at_checked(10)?;
    if head[..3] != [0x1f, 0x8b, 8] {
        return None;
    }
    let flags = head[3];
    if flags & 4 != 0 {
        let n = usize::from(u16::from_le_bytes([*rest.first()?, *rest.get(1)?]));
        rest = rest.get(2 + n..)?;
    }
    for bit in [8, 16] {
        if flags & bit != 0 {
            let end = memchr::memchr(0, rest)?;
            rest = &rest[end + 1..];
        }
    }
    if flags & 2 != 0 {
        rest = rest.get(2..)?;
    }
    Some(rest)
}

fn inflate(input: &[u8], zlib: bool, max: u32, out: &mut Scratch, inf: &mut Inflater) {
    inf.state.init();
    let room = (max as usize).min(inf.out.len());
    let flags = inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF
        | if zlib { inflate_flags::TINFL_FLAG_PARSE_ZLIB_HEADER } else { 0 };
    let (status, _, n) = decompress(&mut inf.state, input, &mut inf.out[..room], 0, flags);
    // Whatever came out before the data ended or broke is worth inspecting.
    if status != TINFLStatus::BadParam {
        out.extend(&inf.out[..n]);
    }
}

/// Shannon entropy, bits a byte.
pub fn entropy(data: &[u8]) -> f64 {
    let mut counts = [0u32; 256];
    for &b in data {
        counts[b as usize] += 1;
    }
    let n = data.len() as f64;
    counts.iter().filter(|c| **c > 0).map(|c| f64::from(*c) / n).map(|p| -p * libm::log2(p)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(t: Transform, input: &[u8]) -> alloc::vec::Vec<u8> {
        let mut out = Scratch::new(256);
        let mut inf = Inflater::new(256);
        apply(&XForm::Plain(t), input, &mut out, &mut Cache::default(), &mut inf);
        out.as_slice().to_vec()
    }

    #[test]
    fn each_transform_on_a_known_value() {
        assert_eq!(run(Transform::StripWhitespace, b"a b\tc\r\n"), b"abc");
        assert_eq!(run(Transform::CompressWhitespace, b"a  b \t c"), b"a b c");
        assert_eq!(run(Transform::DotPrefix, b"example.com"), b".example.com");
        assert_eq!(run(Transform::UrlDecode, b"a%20b+c%zz"), b"a b c%zz");
        assert_eq!(run(Transform::Xor([1, 2].to_vec()), b"ab"), [b'a' ^ 1, b'b' ^ 2]);
        assert_eq!(run(Transform::Domain, b"www.example.co.uk"), b"example.co.uk");
        assert_eq!(run(Transform::Tld, b"www.example.co.uk"), b"co.uk");
        assert_eq!(run(Transform::HeaderLowercase, b"Host: A\r\nX-Y: Z"), b"host: A\r\nx-y: Z");
        assert_eq!(run(Transform::StripPseudoHeaders, b":path: /\r\nhost: a\r\n"), b"host: a\r\n");
    }

    #[test]
    fn entropy_of_two_equal_halves_is_one_bit() {
        assert!((entropy(b"abab") - 1.0).abs() < 1e-9);
    }
}
