//! Verdicts on model files: `artifact.verdict`, `artifact.risk`, `artifact.format`, `artifact.import`.
//!
//! Conditions on one and the same file, as `filesize` is. A file that is no model satisfies none of them, negated ones
//! neither. What a call that a file makes says is known before the file's end ([`ArtifactMatch::early`]).

use alloc::format;

use super::file::needs_files;
use super::{Arg, Keyword, parts};
use crate::ai::artifact::{FORMATS, Judgement};
use crate::rules::build::Builder;
use crate::rules::ir::{ArtifactMatch, FileMatch};
use crate::rules::num;
use crate::rules::refuse::{Res, bad};

pub static KEYWORDS: &[Keyword] = &[
    Keyword::new("artifact.verdict", verdict),
    Keyword::new("artifact.risk", risk),
    Keyword::new("artifact.format", format_is).negatable(),
    Keyword::new("artifact.import", import).quoted().negatable(),
];

fn push(b: &mut Builder<'_, '_>, what: &str, m: ArtifactMatch) -> Res {
    needs_files(b, what)?;
    b.rule.files.push(FileMatch::Artifact(m));
    Ok(())
}

/// Any of the verdicts that are listed.
fn verdict(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let mut any = 0;
    for name in parts(a.text()?) {
        let Some(j) = Judgement::ALL.iter().find(|j| j.name() == name) else {
            return bad(format!("\"{name}\" is not malicious, suspicious, unknown, unreadable or clean"));
        };
        any |= 1 << *j as u8;
    }
    push(b, "artifact.verdict", ArtifactMatch::Verdict { any })
}

fn risk(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let test = num::int_test(a.text()?, 100)?;
    push(b, "artifact.risk", ArtifactMatch::Risk(test))
}

/// Any of the formats that are listed, or none of them.
fn format_is(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let mut any = 0;
    for name in parts(a.text()?) {
        let Some(i) = FORMATS.iter().position(|f| *f == name) else {
            return bad(format!("\"{name}\" is none of {}", FORMATS.join(", ")));
        };
        any |= 1 << i;
    }
    push(b, "artifact.format", ArtifactMatch::Format { any, negated: a.negated })
}

/// A part of a name that a pickle reaches, `module.name`.
fn import(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let part = a.text()?;
    if part.is_empty() {
        return bad("a part of a name is expected");
    }
    push(b, "artifact.import", ArtifactMatch::Import { part: part.into(), negated: a.negated })
}
