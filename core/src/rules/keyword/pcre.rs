//! `pcre`: the pattern, its flags (some choose a buffer) and its captures.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::{Arg, Keyword, parts};
use crate::rules::build::Builder;
use crate::rules::ir::{Capture, Match, Pcre, PcreFlags};
use crate::rules::refuse::{Fault, RefusalKind, Res, bad, conflict, context};

pub static KEYWORDS: &[Keyword] = &[Keyword::new("pcre", pcre).quotable().negatable()];

/// Flags that choose a buffer, by its sticky name.
const BUFFERS: &[(u8, &str)] = &[
    (b'U', "http.uri"),
    (b'I', "http.uri.raw"),
    (b'P', "http.request_body"),
    (b'Q', "file.data"),
    (b'H', "http.header"),
    (b'D', "http.header.raw"),
    (b'M', "http.method"),
    (b'C', "http.cookie"),
    (b'S', "http.stat_code"),
    (b'Y', "http.stat_msg"),
    (b'V', "http.user_agent"),
    (b'W', "http.host"),
    (b'Z', "http.host.raw"),
];

fn pcre(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let t = a.bytes;
    if t.first() != Some(&b'/') {
        return bad("the pattern must begin with '/'");
    }
    let close =
        (1..t.len()).rev().find(|&i| t[i] == b'/' && (t[i - 1] != b'\\' || (i > 1 && t[i - 2] == b'\\')));
    let Some(close) = close else { return bad("the pattern has no closing '/'") };
    let mut pattern = Vec::with_capacity(close);
    // A semicolon and a double quote can only be written escaped in a rule; the regex sees them as they are there,
    // since an escaped punctuation mark is itself.
    pattern.extend_from_slice(&t[1..close]);
    let rest = &t[close + 1..];
    let comma = memchr::memchr(b',', rest).unwrap_or(rest.len());
    let (letters, names) = (rest[..comma].trim_ascii(), rest.get(comma + 1..).unwrap_or(&[]));
    let mut flags = PcreFlags::default();
    let mut relative = false;
    let mut raw = false;
    let mut buffer = None;
    for &c in letters {
        match c {
            b'i' => flags.caseless = true,
            b's' => flags.dotall = true,
            b'm' => flags.multiline = true,
            b'x' => flags.extended = true,
            b'A' => flags.anchored = true,
            b'E' => flags.dollar_endonly = true,
            b'G' => flags.ungreedy = true,
            b'R' => relative = true,
            b'B' => raw = true,
            b'O' => {}
            _ => match BUFFERS.iter().find(|x| x.0 == c) {
                Some(x) if buffer.is_none() => buffer = Some(x.1),
                Some(_) => return conflict("more than one flag that chooses a buffer"),
                None => return bad(format!("\"{}\" is not a flag of pcre", c as char)),
            },
        }
    }
    if raw && buffer.is_some() {
        return conflict("flag B contradicts the flag that chooses a buffer");
    }
    if buffer == Some("http.host") && !flags.caseless && has_upper_literal(&pattern) {
        return bad("http.host is lower case, the pattern has an upper-case letter");
    }
    let captures = captures(&pattern, names)?;
    // The regex tells the ends of so many groups.
    if captures.iter().any(|(group, _)| *group > 9) {
        return bad("only the first nine groups can be captured");
    }
    if a.negated && !captures.is_empty() {
        return conflict("what must not match captures nothing");
    }
    let m = Match::Pcre(Pcre { pattern, flags, negated: a.negated, relative, captures });
    match buffer {
        None => b.push(m),
        Some(name) => {
            if b.sticky() {
                // Of a response the two are the same bytes.
                if b.sticky_is(name) || name == "file.data" && b.sticky_is("http.response_body") {
                    return b.push(m);
                }
                return context("its flag chooses another buffer than the sticky buffer before it");
            }
            let index = b.index;
            let Some(info) = index.buffer(name) else {
                return Err(Fault::new(RefusalKind::Unsupported, format!("{name} is not available")));
            };
            let list = b.old_list_of(info)?;
            b.push_to(list, m);
            Ok(())
        }
    }
}

/// An upper-case letter that is not part of an escape.
fn has_upper_literal(p: &[u8]) -> bool {
    let mut i = 0;
    while let Some(&c) = p.get(i) {
        if c == b'\\' {
            i += 2;
            continue;
        }
        if c.is_ascii_uppercase() {
            return true;
        }
        i += 1;
    }
    false
}

fn target(kind: &str, name: &str) -> Option<Capture> {
    if name.is_empty() {
        return None;
    }
    let name: String = name.to_string();
    match kind {
        "flow" => Some(Capture::FlowVar(name)),
        "pkt" => Some(Capture::PktVar(name)),
        "alert" => Some(Capture::AlertVar(name)),
        _ => None,
    }
}

/// Captures named inside the pattern (`(?P<flow_name>…)`) and after the flags (`, flow:name, pkt:name`).
fn captures(pattern: &[u8], names: &[u8]) -> Res<Vec<(u8, Capture)>> {
    let mut out = Vec::new();
    let mut group = 0u32;
    let (mut i, mut class) = (0, false);
    while let Some(&c) = pattern.get(i) {
        match c {
            b'\\' => i += 1,
            b'[' if !class => class = true,
            b']' if class => class = false,
            b'(' if !class => {
                let rest = pattern.get(i + 1..).unwrap_or(&[]);
                if rest.first() != Some(&b'?') {
                    if rest.first() != Some(&b'*') {
                        group += 1;
                    }
                } else {
                    let named = rest.strip_prefix(b"?P<").or_else(|| rest.strip_prefix(b"?<"));
                    if let Some(n) = named
                        && n.first().is_some_and(|c| c.is_ascii_alphabetic() || *c == b'_')
                    {
                        group += 1;
                        let end = memchr::memchr(b'>', n).unwrap_or(0);
                        let name = core::str::from_utf8(&n[..end]).unwrap_or("");
                        if let Some((kind, name)) = name.split_once('_')
                            && let (Some(t), Ok(g)) = (target(kind, name), u8::try_from(group))
                        {
                            out.push((g, t));
                        }
                    }
                }
            }
            _ => {}
        }
        i += 1;
    }
    let names = core::str::from_utf8(names).unwrap_or("").trim();
    if names.is_empty() {
        return Ok(out);
    }
    for (n, part) in parts(names).enumerate() {
        let t = part.split_once(':').and_then(|(k, n)| target(k.trim(), n.trim()));
        let Some(t) = t else { return bad(format!("\"{part}\" is not flow:name, pkt:name or alert:name")) };
        let g = n as u32 + 1;
        if g > group {
            return bad("more names than capture groups");
        }
        if let Ok(g) = u8::try_from(g) {
            out.push((g, t));
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capture_groups() {
        let c = captures(br"(?:a)\((?P<flow_a>x)[(](?<pkt_b>y)(z)", b"").unwrap();
        assert_eq!(c, [(1, Capture::FlowVar("a".into())), (2, Capture::PktVar("b".into()))]);
        let c = captures(b"(a)(b)", b" flow:one, alert:two").unwrap();
        assert_eq!(c, [(1, Capture::FlowVar("one".into())), (2, Capture::AlertVar("two".into()))]);
        assert!(captures(b"(a)", b"flow:x,flow:y").is_err());
        assert!(captures(b"(a)", b"foo:x").is_err());
    }
}
