//! What rules are read against: variables, classes, references, features, files; all given by the caller, who does
//! the I/O.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use super::dataset::SetStore;
use super::sets::{Interned, Vars};

/// `classification.config`: short name to description and priority.
#[derive(Debug, Clone, Default)]
pub struct Classification(pub BTreeMap<String, (String, u32)>);

/// `reference.config`: system to URL prefix.
#[derive(Debug, Clone, Default)]
pub struct References(pub BTreeMap<String, String>);

/// Reads a file that a rule names; the path is as written in the rule.
pub type Loader<'a> = &'a mut dyn FnMut(&str) -> Result<Vec<u8>, String>;

/// Everything a rule's text can refer to.
pub struct Env<'a> {
    pub vars: &'a Vars,
    pub classes: &'a Classification,
    pub references: &'a References,
    /// Names that `requires: feature NAME` finds (`ja3`, `ja4`, `output::file-store`, …).
    pub features: &'a [&'a str],
    /// Categories of the IP reputation, name to number; empty when none is configured.
    pub reputation: &'a BTreeMap<String, u8>,
    pub loader: Loader<'a>,
    /// Datasets met so far, shared by all sources of a rule set.
    pub sets: &'a mut SetStore,
    /// Rules may have sets written to files.
    pub may_save: bool,
    /// Such files may lie anywhere; else only in the folders of the caller.
    pub save_anywhere: bool,
    /// Lists read so far; start with the default.
    pub lists: Interned,
}

impl<'a> Env<'a> {
    /// An environment of which only the variables and files are left to say.
    pub fn new(
        vars: &'a Vars,
        classes: &'a Classification,
        references: &'a References,
        reputation: &'a BTreeMap<String, u8>,
        loader: Loader<'a>,
        sets: &'a mut SetStore,
    ) -> Env<'a> {
        const FEATURES: &[&str] = &["ja3", "ja4"];
        Env {
            vars,
            classes,
            references,
            features: FEATURES,
            reputation,
            loader,
            sets,
            may_save: true,
            save_anywhere: false,
            lists: Interned::default(),
        }
    }
}

impl Classification {
    /// What a line is.
    pub const EXPECTED: &str = "`config classification: name,description,priority`";

    /// Lines `config classification: name,description,priority`; others are skipped and their numbers returned.
    pub fn parse(text: &str) -> (Classification, Vec<u32>) {
        let (mut out, mut wrong) = (Classification::default(), Vec::new());
        for (n, body) in config_lines(text, "classification") {
            match body.and_then(class_line) {
                Some((name, v)) => {
                    // The first definition of a name stands.
                    out.0.entry(name).or_insert(v);
                }
                None => wrong.push(n),
            }
        }
        (out, wrong)
    }
}

fn class_line(body: &str) -> Option<(String, (String, u32))> {
    let (name, rest) = body.split_once(',')?;
    let (text, prio) = rest.rsplit_once(',')?;
    let prio = prio.trim().parse().ok()?;
    let name = name.trim();
    (!name.is_empty()).then(|| (name.to_ascii_lowercase(), (text.trim().into(), prio)))
}

impl References {
    /// What a line is.
    pub const EXPECTED: &str = "`config reference: name prefix`";

    /// Lines `config reference: system prefix`; others are skipped and their numbers returned.
    pub fn parse(text: &str) -> (References, Vec<u32>) {
        let (mut out, mut wrong) = (References::default(), Vec::new());
        for (n, body) in config_lines(text, "reference") {
            let pair = body.and_then(|b| b.split_once(char::is_whitespace));
            match pair {
                Some((name, url)) => {
                    out.0.entry(name.to_ascii_lowercase()).or_insert_with(|| url.trim().into());
                }
                None => wrong.push(n),
            }
        }
        (out, wrong)
    }
}

/// Lines that say something: their number and what follows `config KIND:`.
fn config_lines<'t>(text: &'t str, kind: &'t str) -> impl Iterator<Item = (u32, Option<&'t str>)> {
    text.lines().enumerate().filter_map(move |(i, l)| {
        let l = l.trim();
        if l.is_empty() || l.starts_with('#') {
            return None;
        }
        let body = l
            .strip_prefix("config")
            .and_then(|r| r.trim_start().strip_prefix(kind))
            .and_then(|r| r.trim_start().strip_prefix(':'))
            .map(str::trim);
        Some((i as u32 + 1, body))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configs() {
        let (c, wrong) = Classification::parse(
            "# x\nconfig classification: bad-unknown,Potentially Bad, Traffic, 2\n\nrubbish\nconfig classification:a,b,x\n",
        );
        assert_eq!(c.0["bad-unknown"], ("Potentially Bad, Traffic".into(), 2));
        assert_eq!(wrong, [4, 5]);
        let (r, wrong) =
            References::parse("config reference: url http://\nconfig reference: cve\thttp://x/\n");
        assert_eq!((r.0["url"].as_str(), r.0["cve"].as_str(), wrong.len()), ("http://", "http://x/", 0));
    }
}
