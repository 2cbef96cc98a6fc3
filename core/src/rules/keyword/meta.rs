//! `msg`, `sid`, `gid`, `rev`, `classtype`, `priority`, `reference`, `metadata`, `target`.

use alloc::format;
use alloc::string::{String, ToString};

use super::{Arg, Keyword, parts};
use crate::rules::build::Builder;
use crate::rules::ir::Target;
use crate::rules::num;
use crate::rules::refuse::{RefusalKind, Res, bad, conflict};
use crate::rules::source::to_text;

pub static KEYWORDS: &[Keyword] = &[
    Keyword::new("msg", msg).quoted(),
    Keyword::new("sid", sid),
    Keyword::new("gid", gid),
    Keyword::new("rev", rev),
    Keyword::new("classtype", classtype),
    Keyword::new("priority", priority),
    Keyword::new("reference", reference),
    Keyword::new("metadata", metadata),
    Keyword::new("target", target),
];

fn msg(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    if b.msg_seen {
        return conflict("more than one msg");
    }
    b.msg_seen = true;
    // `\"`, `\;`, `\\` and `\:` stand for the character.
    let text = to_text(a.bytes);
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some(&n @ ('"' | ';' | '\\' | ':'))) => {
                out.push(n);
                chars.next();
            }
            _ => out.push(c),
        }
    }
    b.rule.meta.msg = out;
    Ok(())
}

fn once(seen: &mut bool, what: &str) -> Res {
    if core::mem::replace(seen, true) { conflict(format!("more than one {what}")) } else { Ok(()) }
}

fn sid(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    once(&mut b.sid_seen, "sid")?;
    let v = num::u32(a.text()?)?;
    if v == 0 {
        return bad("0 is not a sid");
    }
    b.rule.meta.sid = v;
    Ok(())
}

fn gid(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    once(&mut b.gid_seen, "gid")?;
    b.rule.meta.gid = num::u32(a.text()?)?;
    Ok(())
}

fn rev(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    once(&mut b.rev_seen, "rev")?;
    b.rule.meta.rev = num::u32(a.text()?)?;
    if b.rule.meta.rev == 0 {
        return bad("0 is not a revision");
    }
    Ok(())
}

fn classtype(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let name = a.text()?;
    if !name.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_')) {
        return bad(format!("\"{name}\" is not a name of a class"));
    }
    let found = b.env.classes.0.get(&name.to_ascii_lowercase());
    let m = &mut b.rule.meta;
    let Some((text, prio)) = found else {
        let text = format!("class \"{name}\" is not in the classification file; priority 3 is used");
        b.warnings.push((RefusalKind::Value, text));
        if m.classtype.is_empty() {
            m.classtype = name.to_string();
        }
        return Ok(());
    };
    // Of several classes the most urgent one stands, unless a priority was given.
    if m.category.is_empty() || b.priority_explicit || *prio < m.priority {
        m.classtype = name.to_string();
        m.category = text.clone();
        if !b.priority_explicit {
            m.priority = *prio;
        }
    }
    Ok(())
}

fn priority(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    b.rule.meta.priority = num::uint_to(a.text()?, 255)? as u32;
    b.priority_explicit = true;
    Ok(())
}

fn reference(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let t = to_text(a.bytes);
    let Some((system, what)) = t.split_once(',') else { return bad("write system,reference") };
    let (system, what) = (system.trim(), what.trim());
    if system.is_empty() || what.is_empty() {
        return bad("write system,reference");
    }
    let prefix = match b.env.references.0.get(&system.to_ascii_lowercase()) {
        // An address that names its own scheme is whole (Suricata 8, "reference").
        Some(_) if system.eq_ignore_ascii_case("url") && what.contains("://") => String::new(),
        Some(prefix) => prefix.clone(),
        None => {
            if !b.env.references.0.is_empty() {
                let text = format!("reference system \"{system}\" is not in the reference file");
                b.warnings.push((RefusalKind::Value, text));
            }
            format!("{system},")
        }
    };
    b.rule.meta.references.push((prefix, what.replace("\\;", ";")));
    Ok(())
}

fn metadata(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let t = to_text(a.bytes);
    for part in parts(&t) {
        // An entry without a value is nothing to outputs.
        if let Some((k, v)) = part.split_once(char::is_whitespace) {
            b.rule.meta.metadata.push((k.to_string(), v.trim().to_string()));
        }
    }
    Ok(())
}

fn target(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let t = match a.text()? {
        "src_ip" => Target::Src,
        "dest_ip" => Target::Dest,
        t => return bad(format!("\"{t}\" is neither src_ip nor dest_ip")),
    };
    if b.rule.meta.target.is_some_and(|old| old != t) {
        return conflict("two targets");
    }
    b.rule.meta.target = Some(t);
    Ok(())
}
