//! `content`, `uricontent` and the modifiers of a content.

use alloc::format;
use alloc::vec::Vec;

use super::{Arg, Keyword, parts};
use crate::rules::build::Builder;
use crate::rules::ir::{Content, Fast, Match, Num};
use crate::rules::num;
use crate::rules::refuse::{Fault, RefusalKind, Res, bad, conflict, context};

pub static KEYWORDS: &[Keyword] = &[
    Keyword::new("content", content).quoted().negatable(),
    Keyword::new("uricontent", uricontent).quoted().negatable(),
    Keyword::flag("nocase", nocase),
    Keyword::new("offset", offset),
    Keyword::new("depth", depth),
    Keyword::new("distance", distance),
    Keyword::new("within", within),
    Keyword::flag("startswith", startswith),
    Keyword::flag("endswith", endswith),
    Keyword::flag("rawbytes", rawbytes),
    Keyword::new("fast_pattern", fast_pattern).optional(),
    Keyword::new("replace", replace).quoted(),
];

/// Bytes of a content's text: `|41 42|` is hexadecimal, `\"`, `\;`, `\:` and `\\` are the character.
pub fn unescape(t: &[u8]) -> Res<Vec<u8>> {
    let mut out = Vec::with_capacity(t.len());
    let (mut hex, mut escape, mut high) = (false, false, None::<u8>);
    for &c in t {
        match c {
            b'|' => {
                if high.take().is_some() {
                    return bad("a hexadecimal byte has only one digit");
                }
                hex = !hex;
            }
            _ if hex => match (c as char).to_digit(16) {
                Some(d) => match high.take() {
                    Some(h) => out.push(h << 4 | d as u8),
                    None => high = Some(d as u8),
                },
                None if c == b' ' || c == b',' => {}
                None => return bad(format!("\"{}\" is not a hexadecimal digit", c as char)),
            },
            _ if escape => {
                escape = false;
                if !matches!(c, b':' | b';' | b'\\' | b'"') {
                    return bad(format!("\\{} is not an escape; \\: \\; \\\\ \\\" are", c as char));
                }
                out.push(c);
            }
            b'\\' => escape = true,
            b'"' => return bad("a double quote inside must be written \\\""),
            _ => out.push(c),
        }
    }
    if hex {
        return bad("an odd number of '|'");
    }
    if out.is_empty() {
        return bad("is empty");
    }
    if out.len() > usize::from(u16::MAX) {
        return bad("is longer than 65535 bytes");
    }
    Ok(out)
}

/// A content without modifiers.
pub fn plain(bytes: Vec<u8>, negated: bool) -> Content {
    Content {
        bytes,
        nocase: false,
        negated,
        offset: None,
        depth: None,
        distance: None,
        within: None,
        startswith: false,
        endswith: false,
        rawbytes: false,
        fast: Fast::Auto,
        replace: Vec::new(),
    }
}

fn content(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let bytes = unescape(a.bytes)?;
    b.push(Match::Content(plain(bytes, a.negated)))
}

fn uricontent(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let bytes = unescape(a.bytes)?;
    if b.sticky() {
        return context("cannot be used while a sticky buffer is set");
    }
    let index = b.index;
    let Some(info) = index.buffer("http.uri") else {
        return Err(Fault::new(RefusalKind::Unsupported, "http is not available"));
    };
    let list = b.old_list_of(info)?;
    b.push_to(list, Match::Content(plain(bytes, a.negated)));
    Ok(())
}

fn nocase(b: &mut Builder<'_, '_>, _: &Arg<'_>) -> Res {
    let c = b.content()?;
    if c.nocase {
        return conflict("more than one nocase for a content");
    }
    c.nocase = true;
    Ok(())
}

/// The number of a position modifier, and the checks they share.
fn number(b: &mut Builder<'_, '_>, a: &Arg<'_>, name: &str, signed: bool) -> Res<Num> {
    let n = b.num(a.text()?, "value")?;
    match n {
        Num::Const(v) if !(-(1 << 20)..=1 << 20).contains(&v) => bad(format!("{v} is out of range")),
        Num::Const(v) if v < 0 && !signed => bad(format!("{name} cannot be negative")),
        n => Ok(n),
    }
}

fn absolute(c: &Content) -> Res {
    if c.is_relative() {
        return conflict(
            "a content cannot have both an absolute place (offset, depth) and a relative one (distance, within)",
        );
    }
    if c.startswith {
        return conflict("cannot be used with startswith");
    }
    not_only(c)
}

fn relative(c: &Content) -> Res {
    if c.startswith {
        return conflict("cannot be used with startswith");
    }
    if c.offset.is_some() || c.depth.is_some() {
        return conflict(
            "a content cannot have both an absolute place (offset, depth) and a relative one (distance, within)",
        );
    }
    not_only(c)
}

fn not_only(c: &Content) -> Res {
    if c.fast == Fast::Only { conflict("cannot be used with fast_pattern:only") } else { Ok(()) }
}

fn offset(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let n = number(b, a, "offset", false)?;
    let c = b.content()?;
    absolute(c)?;
    if c.offset.is_some() {
        return conflict("more than one offset for a content");
    }
    c.offset = Some(n);
    Ok(())
}

fn depth(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let n = number(b, a, "depth", false)?;
    let c = b.content()?;
    absolute(c)?;
    if c.depth.is_some() {
        return conflict("more than one depth for a content");
    }
    if let Num::Const(v) = n
        && v < c.bytes.len() as i64
    {
        return bad(format!("depth {v} is less than the content's {} bytes", c.bytes.len()));
    }
    c.depth = Some(n);
    Ok(())
}

fn distance(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let n = number(b, a, "distance", true)?;
    let c = b.content()?;
    relative(c)?;
    if c.distance.is_some() {
        return conflict("more than one distance for a content");
    }
    c.distance = Some(n);
    Ok(())
}

fn within(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let n = number(b, a, "within", true)?;
    let c = b.content()?;
    relative(c)?;
    if c.within.is_some() {
        return conflict("more than one within for a content");
    }
    if let Num::Const(v) = n
        && v < c.bytes.len() as i64
    {
        return bad(format!("within {v} is less than the content's {} bytes", c.bytes.len()));
    }
    c.within = Some(n);
    Ok(())
}

fn startswith(b: &mut Builder<'_, '_>, _: &Arg<'_>) -> Res {
    let c = b.content()?;
    if c.startswith || c.depth.is_some() || c.offset.is_some() || c.is_relative() {
        return conflict("cannot be used with startswith, offset, depth, distance or within");
    }
    c.startswith = true;
    c.offset = Some(Num::Const(0));
    c.depth = Some(Num::Const(c.bytes.len() as i64));
    Ok(())
}

fn endswith(b: &mut Builder<'_, '_>, _: &Arg<'_>) -> Res {
    let c = b.content()?;
    if c.endswith {
        return conflict("more than one endswith for a content");
    }
    c.endswith = true;
    Ok(())
}

fn rawbytes(b: &mut Builder<'_, '_>, _: &Arg<'_>) -> Res {
    if b.sticky() {
        return context("cannot be used while a sticky buffer is set");
    }
    let c = b.content()?;
    if c.rawbytes {
        return conflict("more than one rawbytes for a content");
    }
    c.rawbytes = true;
    Ok(())
}

fn fast_pattern(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let list = b.last_content.and_then(|(l, _)| b.lists.get(l));
    let already = list
        .is_some_and(|l| l.m.matches.iter().any(|m| matches!(m, Match::Content(c) if c.fast != Fast::Auto)));
    if already {
        return conflict("more than one fast_pattern for a buffer");
    }
    let t = a.text()?;
    let c = b.content()?;
    if c.negated && (c.offset.is_some() || c.depth.is_some() || c.is_relative()) {
        return conflict("a negated content with a place cannot be the fast pattern");
    }
    c.fast = if !a.given {
        Fast::Chosen
    } else if t == "only" {
        if c.negated || c.offset.is_some() || c.depth.is_some() || c.is_relative() {
            return conflict("fast_pattern:only is for a content without a place that is not negated");
        }
        Fast::Only
    } else {
        let mut p = parts(t);
        let (Some(off), Some(len), None) = (p.next(), p.next(), p.next()) else {
            return bad("write fast_pattern, fast_pattern:only or fast_pattern:offset,length");
        };
        if c.negated {
            return conflict("a part of a negated content cannot be the fast pattern");
        }
        let (off, len) = (num::uint_to(off, 65535)? as u16, num::uint_to(len, 65535)? as u16);
        if len == 0 || usize::from(off) + usize::from(len) > c.bytes.len() {
            return bad(format!("offset and length lie outside the content's {} bytes", c.bytes.len()));
        }
        Fast::Chop(off, len)
    };
    Ok(())
}

fn replace(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let bytes = unescape(a.bytes)?;
    if b.sticky() {
        return context("works on the payload only");
    }
    let c = b.content()?;
    if !c.replace.is_empty() {
        return conflict("more than one replace for a content");
    }
    if c.negated || c.bytes.len() != bytes.len() {
        return conflict("must be as long as the content before it, which must not be negated");
    }
    c.replace = bytes;
    Ok(())
}
