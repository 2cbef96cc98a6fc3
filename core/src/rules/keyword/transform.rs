//! Transforms: what is done to a sticky buffer before conditions read it.

use alloc::format;
use alloc::vec::Vec;

use super::{Arg, Keyword, parts, word};
use crate::rules::build::Builder;
use crate::rules::ir::{Base64Mode, Transform};
use crate::rules::num;
use crate::rules::refuse::{Res, bad, context, unsupported};
use crate::rules::source::to_text;

pub static KEYWORDS: &[Keyword] = &[
    Keyword::flag("strip_whitespace", |b, _| add(b, Transform::StripWhitespace)),
    Keyword::flag("compress_whitespace", |b, _| add(b, Transform::CompressWhitespace)),
    Keyword::flag("to_lowercase", |b, _| add(b, Transform::ToLowercase)),
    Keyword::flag("to_uppercase", |b, _| add(b, Transform::ToUppercase)),
    Keyword::flag("header_lowercase", |b, _| add(b, Transform::HeaderLowercase)),
    Keyword::flag("strip_pseudo_headers", |b, _| add(b, Transform::StripPseudoHeaders)),
    Keyword::flag("dotprefix", |b, _| add(b, Transform::DotPrefix)),
    Keyword::flag("url_decode", |b, _| add(b, Transform::UrlDecode)),
    Keyword::flag("domain", |b, _| add(b, Transform::Domain)),
    Keyword::flag("tld", |b, _| add(b, Transform::Tld)),
    Keyword::flag("to_md5", |b, _| add(b, Transform::ToMd5)),
    Keyword::flag("to_sha1", |b, _| add(b, Transform::ToSha1)),
    Keyword::flag("to_sha256", |b, _| add(b, Transform::ToSha256)),
    Keyword::flag("casechange", |b, _| add(b, Transform::CaseChange)),
    Keyword::new("xor", xor).quotable(),
    Keyword::new("pcrexform", pcrexform).quoted(),
    Keyword::new("from_base64", from_base64).optional().aliases(&["frombase64"]),
    Keyword::new("gunzip", |b, a| inflate(b, a, |max| Transform::Gunzip { max })).optional(),
    Keyword::new("zlib_deflate", |b, a| inflate(b, a, |max| Transform::ZlibDeflate { max })).optional(),
    Keyword::new("luaxform", |_, _| unsupported("lua")).quotable(),
    Keyword::new("lua", |_, _| unsupported("lua")).quotable(),
    Keyword::new("luajit", |_, _| unsupported("lua")).quotable(),
];

fn add(b: &mut Builder<'_, '_>, t: Transform) -> Res {
    b.repend()?;
    match &mut b.pending {
        Some(p) => {
            p.transforms.push(t);
            Ok(())
        }
        None => context("needs a sticky buffer before it"),
    }
}

fn xor(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let t = a.text()?.as_bytes();
    let mut key = Vec::with_capacity(t.len() / 2);
    if t.is_empty() || !t.len().is_multiple_of(2) {
        return bad("the key is an even number of hexadecimal digits");
    }
    for pair in t.chunks_exact(2) {
        let digit = |i: usize| (pair[i] as char).to_digit(16);
        match (digit(0), digit(1)) {
            (Some(h), Some(l)) => key.push((h << 4 | l) as u8),
            _ => return bad("the key has something that is not a hexadecimal digit"),
        }
    }
    if key.len() > 255 {
        return bad("the key is longer than 255 bytes");
    }
    add(b, Transform::Xor(key))
}

fn pcrexform(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    add(b, Transform::PcreXform(to_text(a.bytes)))
}

/// A mode of base64, in any case.
fn mode(t: &str) -> Res<Base64Mode> {
    match t.to_ascii_lowercase().as_str() {
        "rfc4648" => Ok(Base64Mode::Rfc4648),
        "rfc2045" => Ok(Base64Mode::Rfc2045),
        "strict" => Ok(Base64Mode::Strict),
        _ => bad(format!("\"{t}\" is not a mode of base64")),
    }
}

fn from_base64(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let (mut offset, mut bytes, mut m) = (0, None, Base64Mode::Rfc4648);
    let t = a.text()?;
    if !t.is_empty() {
        for p in parts(t) {
            match word(p) {
                ("offset", n) => offset = num::u32(n)?,
                ("bytes", n) => {
                    let n = num::u32(n)?;
                    if n == 0 {
                        return bad("0 bytes are nothing to decode");
                    }
                    bytes = Some(n);
                }
                ("mode", n) => m = mode(n)?,
                _ => return bad(format!("\"{p}\" is not an option of from_base64")),
            }
        }
    }
    add(b, Transform::FromBase64 { offset, bytes, mode: m })
}

fn inflate(b: &mut Builder<'_, '_>, a: &Arg<'_>, make: fn(u32) -> Transform) -> Res {
    let mut max = 1024;
    let t = a.text()?;
    if !t.is_empty() {
        for p in parts(t) {
            match word(p) {
                ("max-size" | "max_size", n) => max = num::sized(n)?.min(u64::from(u32::MAX)) as u32,
                _ => return bad(format!("\"{p}\" is not max-size")),
            }
        }
    }
    add(b, make(max))
}
