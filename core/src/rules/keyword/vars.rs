//! State kept between packets: `flowbits`, `flowint`, `xbits`, `hostbits`, `flowvar`, `pktvar`.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::{Arg, Keyword, parts, word};
use crate::rules::build::Builder;
use crate::rules::ir::{BitOp, Cmp, Post, StateMatch, Track, VarTest, VarValue};
use crate::rules::num;
use crate::rules::refuse::{Res, bad};

pub static KEYWORDS: &[Keyword] = &[
    Keyword::new("flowbits", flowbits),
    Keyword::new("flowint", flowint),
    Keyword::new("xbits", xbits),
    Keyword::new("hostbits", hostbits),
    Keyword::new("flowvar", |b, a| {
        let (name, value, negated) = variable(a)?;
        b.rule.state.push(StateMatch::FlowVar { name, value, negated });
        Ok(())
    }),
    Keyword::new("pktvar", |b, a| {
        let (name, value, negated) = variable(a)?;
        b.rule.state.push(StateMatch::PktVar { name, value, negated });
        Ok(())
    }),
];

fn name(t: &str) -> Res<String> {
    let t = t.trim();
    if t.is_empty() || t.contains(char::is_whitespace) {
        return bad(format!("\"{t}\" is not a name"));
    }
    Ok(t.to_string())
}

fn flowbits(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let t = a.text()?;
    if t == "noalert" {
        b.rule.noalert = Some(true);
        return Ok(());
    }
    let Some((op, bits)) = t.split_once(',') else { return bad("write operation,name") };
    let op = op.trim();
    let names: Vec<String> = bits.split('|').map(name).collect::<Res<_>>()?;
    let several = names.len() > 1;
    match op {
        "isset" => b.rule.state.push(StateMatch::FlowbitsIsSet(names)),
        "isnotset" => b.rule.state.push(StateMatch::FlowbitsIsNotSet(names)),
        "set" | "unset" | "toggle" if several => return bad("one name only: '|' is for isset and isnotset"),
        "set" => b.rule.post.push(Post::FlowbitsSet(names)),
        "unset" => b.rule.post.push(Post::FlowbitsUnset(names)),
        "toggle" => b.rule.post.push(Post::FlowbitsToggle(names)),
        "noalert" => return bad("noalert takes no name"),
        _ => return bad(format!("\"{op}\" is not an operation of flowbits")),
    }
    Ok(())
}

fn value(t: &str) -> Res<VarValue> {
    if t.as_bytes().first().is_some_and(u8::is_ascii_digit) {
        return num::u32(t).map(VarValue::Const);
    }
    name(t).map(VarValue::Name)
}

fn flowint(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let mut p = parts(a.text()?);
    let (Some(n), Some(op)) = (p.next(), p.next()) else { return bad("write name,operation,value") };
    let (n, v) = (name(n)?, p.next());
    if p.next().is_some() {
        return bad("more than three parts");
    }
    let test = match op {
        "isset" => Some(VarTest::IsSet),
        "isnotset" | "notset" => Some(VarTest::IsNotSet),
        _ => None,
    };
    if let Some(test) = test {
        b.rule.state.push(StateMatch::Flowint { name: n, test });
        return Ok(());
    }
    let value = match v {
        Some(v) if !v.is_empty() => value(v)?,
        _ => return bad(format!("\"{op}\" needs a value")),
    };
    let cmp = match op {
        "=" => {
            b.rule.post.push(Post::FlowintSet { name: n, value });
            return Ok(());
        }
        "+" => {
            b.rule.post.push(Post::FlowintAdd { name: n, value });
            return Ok(());
        }
        "-" => {
            b.rule.post.push(Post::FlowintSub { name: n, value });
            return Ok(());
        }
        "==" => Cmp::Eq,
        "!=" => Cmp::Ne,
        "<" => Cmp::Lt,
        "<=" => Cmp::Le,
        ">" => Cmp::Gt,
        ">=" => Cmp::Ge,
        _ => return bad(format!("\"{op}\" is not an operation of flowint")),
    };
    b.rule.state.push(StateMatch::Flowint { name: n, test: VarTest::Cmp(cmp, value) });
    Ok(())
}

fn xbits(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let t = a.text()?;
    if t == "noalert" {
        b.rule.noalert = Some(true);
        return Ok(());
    }
    let mut p = parts(t);
    let (Some(op), Some(n), Some(track)) = (p.next(), p.next(), p.next()) else {
        return bad("write operation,name,track by");
    };
    let n = name(n)?;
    let track = match word(track) {
        ("track", "ip_src") => Track::Src,
        ("track", "ip_dst") => Track::Dst,
        ("track", "ip_pair") => Track::Pair,
        ("track", "tx") => Track::Tx,
        _ => return bad(format!("\"{track}\" is not track ip_src, ip_dst, ip_pair or tx")),
    };
    let mut expire = if track == Track::Tx { u32::MAX } else { 30 };
    if let Some(e) = p.next() {
        // Public rules write "expire: 10" too.
        let (what, n) = word(e);
        match (what.strip_suffix(':').unwrap_or(what), n) {
            ("expire", _) if track == Track::Tx => return bad("a bit of a transaction does not expire"),
            ("expire", s) => {
                expire = num::u32(s)?;
                if expire == 0 {
                    return bad("expires at once");
                }
            }
            _ => return bad(format!("\"{e}\" is not expire seconds")),
        }
    }
    if p.next().is_some() {
        return bad("too many parts");
    }
    let op = match op {
        "isset" | "isnotset" => {
            b.rule.state.push(StateMatch::Xbits { name: n, track, set: op == "isset" });
            return Ok(());
        }
        "set" => BitOp::Set,
        "unset" if track != Track::Tx => BitOp::Unset,
        "toggle" if track != Track::Tx => BitOp::Toggle,
        _ => return bad(format!("\"{op}\" is not an operation here")),
    };
    b.rule.post.push(Post::Xbits { name: n, track, op, expire });
    Ok(())
}

fn hostbits(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let t = a.text()?;
    if t == "noalert" {
        b.rule.noalert = Some(true);
        return Ok(());
    }
    let mut p = parts(t);
    let (Some(op), Some(n)) = (p.next(), p.next()) else { return bad("write operation,name,host") };
    let n = name(n)?;
    let track = match p.next() {
        None | Some("src") => Track::Src,
        Some("dst") => Track::Dst,
        Some("both") => return bad("both is not supported by the language"),
        Some(h) => return bad(format!("\"{h}\" is neither src nor dst")),
    };
    if p.next().is_some() {
        return bad("too many parts: hostbits takes no time");
    }
    let op = match op {
        "isset" | "isnotset" => {
            b.rule.state.push(StateMatch::Hostbits { name: n, track, set: op == "isset" });
            return Ok(());
        }
        "set" => BitOp::Set,
        "unset" => BitOp::Unset,
        "toggle" => BitOp::Toggle,
        _ => return bad(format!("\"{op}\" is not an operation of hostbits")),
    };
    b.rule.post.push(Post::Hostbits { name: n, track, op, expire: 300 });
    Ok(())
}

/// `name,"value"`, with `!` before the value where it must not be there.
fn variable(a: &Arg<'_>) -> Res<(String, Vec<u8>, bool)> {
    let t = a.bytes;
    let Some(c) = memchr::memchr(b',', t) else { return bad("write name,value") };
    let n = core::str::from_utf8(t.get(..c).unwrap_or(&[])).unwrap_or("");
    let n = name(n)?;
    let v = t.get(c + 1..).unwrap_or(&[]).trim_ascii();
    let (negated, v) = match v.strip_prefix(b"!") {
        Some(r) => (true, r.trim_ascii_start()),
        None => (false, v),
    };
    let v = v.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(v);
    let value = super::content::unescape(v)?;
    if value.is_empty() {
        return bad("the value is empty");
    }
    Ok((n, value, negated))
}
