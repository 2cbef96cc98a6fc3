//! What a match does and how a rule is looked for: `noalert`, `alert`, `bypass`, `config`, `prefilter`.

use alloc::format;

use super::{Arg, Keyword, parts, word};
use crate::rules::build::Builder;
use crate::rules::ir::{Fast, Post};
use crate::rules::refuse::{Res, bad, conflict};

pub static KEYWORDS: &[Keyword] = &[
    Keyword::flag("noalert", |b, _| {
        b.rule.noalert = Some(true);
        Ok(())
    }),
    Keyword::flag("alert", |b, _| {
        b.rule.noalert = Some(false);
        Ok(())
    }),
    Keyword::flag("bypass", |b, _| {
        b.rule.post.push(Post::Bypass);
        Ok(())
    }),
    Keyword::new("config", config),
    Keyword::flag("prefilter", prefilter),
];

fn config(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let t = a.text()?;
    // `config:logging disable, type tx, scope tx`
    let mut p = parts(t);
    match word(p.next().unwrap_or("")) {
        ("logging", "disable") => {}
        ("tracking", _) => return b.not_yet("config:tracking"),
        ("logging", s) => return bad(format!("logging can be switched by \"disable\" only, not \"{s}\"")),
        (s, _) => return bad(format!("\"{s}\" is not a subsystem of config")),
    }
    let mut said = [false; 2];
    for w in p {
        match word(w) {
            ("type", "tx") => said[0] = true,
            ("scope", "tx") => said[1] = true,
            _ => return bad(format!("\"{w}\" is neither type tx nor scope tx")),
        }
    }
    if said != [true; 2] {
        return bad("write logging disable, type tx, scope tx");
    }
    b.rule.post.push(Post::Unlogged);
    Ok(())
}

fn prefilter(b: &mut Builder<'_, '_>, _: &Arg<'_>) -> Res {
    if b.rule.prefilter {
        return conflict("more than one prefilter");
    }
    // After a content it is fast_pattern by another name.
    if let Ok(c) = b.content()
        && c.fast == Fast::Auto
    {
        c.fast = Fast::Chosen;
        return Ok(());
    }
    b.rule.prefilter = true;
    Ok(())
}
