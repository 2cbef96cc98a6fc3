//! `base64_decode`, `entropy`, `asn1`: conditions that compute something of the current buffer.

use alloc::format;

use super::{Arg, Keyword, parts, word};
use crate::rules::build::Builder;
use crate::rules::ir::{Asn1, Base64Mode, Cmp, Match};
use crate::rules::num;
use crate::rules::refuse::{Res, bad};

pub static KEYWORDS: &[Keyword] = &[
    Keyword::new("base64_decode", base64_decode).optional(),
    Keyword::new("entropy", entropy),
    Keyword::new("asn1", asn1),
];

fn base64_decode(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let (mut bytes, mut offset, mut relative) = (None, 0, false);
    let t = a.text()?;
    if !t.is_empty() {
        for p in parts(t) {
            match word(p) {
                ("bytes", n) => {
                    let n = num::u32(n)?;
                    if n == 0 {
                        return bad("0 bytes are nothing to decode");
                    }
                    bytes = Some(n);
                }
                ("offset", n) => offset = num::uint_to(n, 65535)? as u32,
                ("relative", "") => relative = true,
                _ => return bad(format!("\"{p}\" is not an option of base64_decode")),
            }
        }
    }
    b.base64 = true;
    let m = Match::Base64Decode { bytes, offset, relative, mode: Base64Mode::Rfc4648 };
    if relative { b.push_relative(m) } else { b.push(m) }
}

fn entropy(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let (mut bytes, mut offset, mut test) = (0, 0, None);
    for p in parts(a.text()?) {
        match word(p) {
            ("bytes", n) => bytes = num::u32(n)?,
            ("offset", n) => offset = num::int(n)? as i32,
            ("value", t) => {
                const OPS: &[(&str, Cmp)] = &[
                    (">=", Cmp::Ge),
                    ("<=", Cmp::Le),
                    ("!=", Cmp::Ne),
                    ("=", Cmp::Eq),
                    (">", Cmp::Gt),
                    ("<", Cmp::Lt),
                ];
                let found = OPS.iter().find_map(|o| t.strip_prefix(o.0).map(|r| (o.1, r)));
                let (cmp, n) = found.unwrap_or((Cmp::Eq, t));
                match n.trim().parse::<f64>() {
                    Ok(v) if v.is_finite() && v >= 0.0 => test = Some((cmp, v)),
                    _ => return bad(format!("\"{n}\" is not a value of entropy")),
                }
            }
            _ => return bad(format!("\"{p}\" is not an option of entropy")),
        }
    }
    let Some((cmp, value)) = test else { return bad("value is needed") };
    b.push(Match::Entropy { bytes, offset, cmp, value })
}

fn asn1(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let mut out = Asn1::default();
    for p in parts(a.text()?) {
        match word(p) {
            ("bitstring_overflow", "") => out.bitstring_overflow = true,
            ("double_overflow", "") => out.double_overflow = true,
            ("oversize_length", n) => out.oversize_length = Some(num::u32(n)?),
            ("absolute_offset", n) => out.absolute_offset = Some(num::uint_to(n, 65535)? as u16),
            ("relative_offset", n) => {
                let v = num::int(n)?;
                if !(-65535..=65535).contains(&v) {
                    return bad(format!("{v} is out of range"));
                }
                out.relative_offset = Some(v as i32);
            }
            _ => return bad(format!("\"{p}\" is not an option of asn1")),
        }
    }
    if !out.bitstring_overflow && !out.double_overflow && out.oversize_length.is_none() {
        return bad("nothing to look for is given");
    }
    b.push(Match::Asn1(out))
}
