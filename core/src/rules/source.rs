//! Rule files: bytes in, rules and refusals out. Splits lines, rules and options, and keeps the places for
//! messages; what an option means is the keyword table's business.

use alloc::borrow::Cow;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::Dir;

use super::build::Builder;
use super::check;
use super::env::Env;
use super::header;
use super::index::{Entry, Index};
use super::ir::{BitOp, Capture, IntTest, Match, Post, Rule, RuleMeta, StateMatch, Track};
use super::keyword::{self, Arg, Value};
use super::refuse::{Fault, Refusal, RefusalKind, Res};

/// What came out of a source.
#[derive(Debug, Default)]
pub struct Parsed {
    pub rules: Vec<Rule>,
    pub refused: Vec<Refusal>,
    /// Rules that were loaded although something about them is odd (an unknown class, …).
    pub warnings: Vec<Refusal>,
}

/// Reads the rules of one source. `file` is its number in the caller's list; bytes need not be UTF-8.
pub fn parse_source(text: &[u8], file: u32, env: &mut Env<'_>) -> Parsed {
    let index = Index::new();
    let mut out = Parsed::default();
    let mut lines = Lines { text, at: 0, number: 0, passed: Vec::new() };
    while let Some(rule) = lines.next_rule() {
        one(&rule, file, env, &index, &mut out);
    }
    out.warnings.extend(lines.passed.iter().map(|(line, column, text)| Refusal {
        file,
        line: *line,
        column: *column,
        sid: find_sid(text),
        keyword: None,
        kind: RefusalKind::Syntax,
        reason: "a line that begins with a blank or `;` is passed over, as in Suricata: this rule is not loaded".into(),
    }));
    out
}

/// Rules that test flowbits none of which any rule sets: they load, as in Suricata, and never match. Works over all sources.
pub fn never_set(rules: &[Rule]) -> Vec<Refusal> {
    let set: BTreeSet<&str> = rules
        .iter()
        .flat_map(|r| &r.post)
        .filter_map(|p| match p {
            Post::FlowbitsSet(names) | Post::FlowbitsToggle(names) => Some(names),
            _ => None,
        })
        .flatten()
        .map(String::as_str)
        .collect();
    let deaf = |r: &&Rule| {
        r.state.iter().any(|s| match s {
            StateMatch::FlowbitsIsSet(names) => !names.iter().any(|n| set.contains(n.as_str())),
            _ => false,
        })
    };
    let reason = "flowbits: no rule sets the bit that it tests, so it never matches";
    let mut all: Vec<Refusal> = rules.iter().filter(deaf).map(|r| told_at(r, b"isset", reason)).collect();
    all.extend(bits_never_set(rules));
    all.extend(never_captured(rules));
    all
}

/// A bit of xbits or hostbits: one host has one bit, whichever end of a packet it is.
fn bit(of_hosts: bool, track: Track, name: &str) -> (bool, u8, &str) {
    let of = match track {
        Track::Pair => 1,
        Track::Tx => 2,
        Track::Src | Track::Dst | Track::Rule | Track::Flow => 0,
    };
    (of_hosts, of, name)
}

/// The same of bits of hosts and address pairs.
fn bits_never_set(rules: &[Rule]) -> impl Iterator<Item = Refusal> {
    const REASONS: [&str; 2] = [
        "xbits: no rule sets the bit that it tests, so it never matches",
        "hostbits: no rule sets the bit that it tests, so it never matches",
    ];
    let sets = |op: &BitOp| matches!(op, BitOp::Set | BitOp::Toggle);
    let set: BTreeSet<(bool, u8, &str)> = rules
        .iter()
        .flat_map(|r| &r.post)
        .filter_map(|p| match p {
            Post::Xbits { name, track, op, .. } if sets(op) => Some(bit(false, *track, name.as_str())),
            Post::Hostbits { name, track, op, .. } if sets(op) => Some(bit(true, *track, name.as_str())),
            _ => None,
        })
        .collect();
    let deaf = move |r: &Rule| {
        let asked = r.state.iter().filter_map(|s| match s {
            StateMatch::Xbits { name, track, set: true } => Some(bit(false, *track, name.as_str())),
            StateMatch::Hostbits { name, track, set: true } => Some(bit(true, *track, name.as_str())),
            _ => None,
        });
        let unset = asked.into_iter().find(|b| !set.contains(b))?;
        Some(told_at(r, b"isset", if unset.0 { REASONS[1] } else { REASONS[0] }))
    };
    rules.iter().filter_map(deaf)
}

/// Rules that ask for variables that no rule captures.
fn never_captured(rules: &[Rule]) -> Vec<Refusal> {
    let (mut flow, mut packet) = (BTreeSet::new(), BTreeSet::new());
    for m in rules.iter().flat_map(|r| &r.lists).flat_map(|l| &l.matches) {
        let Match::Pcre(p) = m else { continue };
        for (_, to) in &p.captures {
            match to {
                Capture::FlowVar(n) => flow.insert(n.as_str()),
                Capture::PktVar(n) => packet.insert(n.as_str()),
                Capture::AlertVar(_) => false,
            };
        }
    }
    let deaf = |r: &&Rule| {
        r.state.iter().any(|s| match s {
            StateMatch::FlowVar { name, .. } => !flow.contains(name.as_str()),
            StateMatch::PktVar { name, .. } => !packet.contains(name.as_str()),
            _ => false,
        })
    };
    let reason = "flowvar, pktvar: no rule captures the variable that it tests, so it never matches";
    rules.iter().filter(deaf).map(|r| told(r, reason)).collect()
}

/// Rules with `filestore`, for whoever stores no files.
pub fn never_stored(rules: &[Rule]) -> Vec<Refusal> {
    let stores = |r: &&Rule| r.post.iter().any(|p| matches!(p, Post::FileStore { .. }));
    let reason = "filestore: files are not stored (file-store is off); the rule alerts";
    rules.iter().filter(stores).map(|r| told(r, reason)).collect()
}

/// Rules with `replace`, for whoever changes no packets.
pub fn never_replaced(rules: &[Rule]) -> Vec<Refusal> {
    let replaced = |m: &Match| matches!(m, Match::Content(c) if !c.replace.is_empty());
    let replaces = |r: &&Rule| r.lists.iter().flat_map(|l| &l.matches).any(replaced);
    let reason = "replace: payloads are changed inline only (--inline); the rule alerts";
    rules.iter().filter(replaces).map(|r| told(r, reason)).collect()
}

/// A part of a loaded rule that has no effect. The reason begins with the keyword, or with those that it may be.
pub(super) fn told(r: &Rule, reason: &str) -> Refusal {
    told_at(r, b"", reason)
}

/// As [`told`], of the option with `part` in its value.
fn told_at(r: &Rule, part: &[u8], reason: &str) -> Refusal {
    let keywords = reason.split(':').next().unwrap_or("").split(", ");
    let (line, column) = keywords.map(|k| place(&r.meta, k, part)).max_by_key(|p| p.1).unwrap_or_default();
    Refusal {
        file: r.meta.file,
        line,
        column,
        sid: Some(r.meta.sid),
        keyword: None,
        kind: RefusalKind::Unsupported,
        reason: reason.into(),
    }
}

/// 1-based line and column of a rule's first option `keyword` that has `part` in its value; of the rule, when there is none.
pub(crate) fn place(rule: &RuleMeta, keyword: &str, part: &[u8]) -> (u32, u32) {
    let bytes = rule.text.as_bytes();
    let mut starts = Vec::from([(0, rule.line)]);
    starts.extend_from_slice(&rule.further);
    let text = Text { bytes: Cow::Borrowed(bytes), starts };
    let mut at = memchr::memchr(b'(', bytes).map_or(bytes.len(), |i| i + 1);
    while let Ok(Some(opt)) = next_option(bytes, at, bytes.len()) {
        let has = part.is_empty() || opt.value.is_some_and(|v| memchr::memmem::find(v, part).is_some());
        if opt.name == keyword.as_bytes() && has {
            return text.place(opt.start);
        }
        at = opt.next;
    }
    (rule.line, 1)
}

/// Applies Suricata's rule on equal `gid` and `sid`: of two, the one with the greater `rev` stays, and of two equal
/// ones the first. Works over all sources of a rule set; the order of the rules is kept.
pub fn drop_duplicates(rules: &mut Vec<Rule>, refused: &mut Vec<Refusal>) {
    let mut best: BTreeMap<(u32, u32), usize> = BTreeMap::new();
    let mut dead = Vec::new();
    for (i, r) in rules.iter().enumerate() {
        match best.get_mut(&(r.meta.gid, r.meta.sid)) {
            None => {
                best.insert((r.meta.gid, r.meta.sid), i);
            }
            Some(at) => {
                let newer = rules.get(*at).is_some_and(|o| r.meta.rev > o.meta.rev);
                dead.push(if newer { core::mem::replace(at, i) } else { i });
            }
        }
    }
    if dead.is_empty() {
        return;
    }
    dead.sort_unstable();
    let mut i = 0;
    rules.retain(|r| {
        let die = dead.binary_search(&i).is_ok();
        i += 1;
        if die {
            let (line, column) = place(&r.meta, "sid", b"");
            refused.push(Refusal {
                file: r.meta.file,
                line,
                column,
                sid: Some(r.meta.sid),
                keyword: None,
                kind: RefusalKind::Duplicate,
                reason: format!("gid {} sid {} occurs more than once", r.meta.gid, r.meta.sid),
            });
        }
        !die
    });
}

/// A rule's text with its continuation lines joined.
struct Text<'t> {
    bytes: Cow<'t, [u8]>,
    /// Where each physical line begins in `bytes`, with its number, first line first.
    starts: Vec<(usize, u32)>,
}

impl Text<'_> {
    /// 1-based line and column of an offset.
    fn place(&self, offset: usize) -> (u32, u32) {
        let i = self.starts.partition_point(|s| s.0 <= offset).saturating_sub(1);
        let (start, line) = self.starts.get(i).copied().unwrap_or((0, 0));
        (line, (offset - start) as u32 + 1)
    }
    fn line(&self) -> u32 {
        self.starts.first().map_or(0, |s| s.1)
    }
}

struct Lines<'t> {
    text: &'t [u8],
    at: usize,
    number: u32,
    /// Lines that are passed over and look like rules: number, column, text.
    passed: Vec<(u32, u32, &'t [u8])>,
}

/// Whether a line would be a rule if it began further left.
fn looks_like_a_rule(line: &[u8]) -> bool {
    const ACTIONS: [&[u8]; 9] = [
        b"alert",
        b"pass",
        b"drop",
        b"reject",
        b"rejectsrc",
        b"rejectdst",
        b"rejectboth",
        b"config",
        b"accept",
    ];
    let mut words = line.split(|c| matches!(c, b' ' | b'\t')).filter(|w| !w.is_empty());
    words.next().is_some_and(|w| ACTIONS.contains(&w)) && words.next().is_some() && line.contains(&b'(')
}

impl<'t> Lines<'t> {
    fn next_line(&mut self) -> Option<&'t [u8]> {
        let rest = self.text.get(self.at..).filter(|r| !r.is_empty())?;
        let len = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        self.at += len + 1;
        self.number += 1;
        Some(rest.get(..len).unwrap_or(rest))
    }

    /// The next rule; comments and empty lines are skipped, lines that end in a backslash joined with the next.
    fn next_rule(&mut self) -> Option<Text<'t>> {
        loop {
            let line = self.next_line()?;
            if matches!(line.first(), None | Some(b'#' | b' ' | b';' | b'\r')) {
                let at = line.iter().position(|c| !matches!(c, b' ' | b';' | b'\t')).unwrap_or(0);
                let rest = line.get(at..).unwrap_or(&[]);
                if looks_like_a_rule(rest) {
                    self.passed.push((self.number, at as u32 + 1, rest));
                }
                continue;
            }
            let first = self.number;
            let trimmed = line.trim_ascii_end();
            if trimmed.is_empty() {
                continue;
            }
            let Some(part) = trimmed.strip_suffix(b"\\") else {
                return Some(Text { bytes: Cow::Borrowed(trimmed), starts: [(0, first)].to_vec() });
            };
            let mut bytes = part.to_vec();
            let mut starts = [(0, first)].to_vec();
            while let Some(next) = self.next_line() {
                let next = next.trim_ascii_end();
                starts.push((bytes.len(), self.number));
                match next.strip_suffix(b"\\") {
                    Some(part) => bytes.extend_from_slice(part),
                    None => {
                        bytes.extend_from_slice(next);
                        break;
                    }
                }
            }
            return Some(Text { bytes: Cow::Owned(bytes), starts });
        }
    }
}

/// Text for outputs: UTF-8 as it is, anything else read as Latin-1.
pub fn to_text(bytes: &[u8]) -> String {
    match core::str::from_utf8(bytes) {
        Ok(s) => s.to_string(),
        Err(_) => bytes.iter().map(|&b| b as char).collect(),
    }
}

fn one(text: &Text<'_>, file: u32, env: &mut Env<'_>, index: &Index, out: &mut Parsed) {
    let bytes: &[u8] = &text.bytes;
    let mut warnings = Vec::new();
    match parse(bytes, env, index, &mut warnings) {
        Ok(mut rule) => {
            rule.meta.text = to_text(bytes);
            rule.meta.line = text.line();
            rule.meta.file = file;
            rule.meta.further = text.starts.iter().skip(1).copied().collect();
            let sid = Some(rule.meta.sid);
            out.rules.push(rule);
            for (at, (kind, reason)) in warnings {
                let (line, column) = text.place(at);
                out.warnings.push(Refusal { file, line, column, sid, keyword: None, kind, reason });
            }
        }
        Err(Trouble { offset, keyword, fault, sid }) => {
            let (line, column) = text.place(offset);
            let sid = sid.or_else(|| find_sid(bytes));
            out.refused.push(Refusal {
                file,
                line,
                column,
                sid,
                keyword,
                kind: fault.kind,
                reason: fault.reason,
            });
        }
    }
}

/// Complaints about a rule that loads, each with the offset of its option.
type Complaints = Vec<(usize, (RefusalKind, String))>;

/// A fault with its place.
struct Trouble {
    offset: usize,
    keyword: Option<String>,
    fault: Fault,
    sid: Option<u32>,
}

impl Trouble {
    fn at(offset: usize, fault: Fault) -> Trouble {
        Trouble { offset, keyword: None, fault, sid: None }
    }
}

/// The sid of a rule that could not be read to its end.
fn find_sid(bytes: &[u8]) -> Option<u32> {
    let mut rest = bytes;
    while let Some(at) = memchr::memmem::find(rest, b"sid") {
        let before = at.checked_sub(1).and_then(|i| rest.get(i)).copied().unwrap_or(b' ');
        rest = rest.get(at + 3..)?;
        let after = rest.trim_ascii_start();
        if matches!(before, b' ' | b';' | b'(' | b'\t')
            && let Some(v) = after.strip_prefix(b":")
        {
            let v = v.trim_ascii_start();
            let n = v.iter().take_while(|c| c.is_ascii_digit()).count();
            return core::str::from_utf8(v.get(..n)?).ok()?.parse().ok();
        }
    }
    None
}

/// Reads a rule. What is wrong with one that is for other engines says nothing against it, wherever it says so.
fn parse(bytes: &[u8], env: &mut Env<'_>, index: &Index, warnings: &mut Complaints) -> Result<Rule, Trouble> {
    parse_all(bytes, env, index, warnings).map_err(|t| unmet(bytes, env, index).unwrap_or(t))
}

/// The `requires` of a rule that is not met.
fn unmet(bytes: &[u8], env: &Env<'_>, index: &Index) -> Option<Trouble> {
    let mut at = memchr::memchr(b'(', bytes)? + 1;
    while let Ok(Some(opt)) = next_option(bytes, at, bytes.len()) {
        at = opt.next;
        if opt.name != b"requires" {
            continue;
        }
        let text = core::str::from_utf8(opt.value?).ok()?;
        if let Err(fault) = keyword::requires::met(text, env.features, index)
            && fault.kind == RefusalKind::Requires
        {
            return Some(Trouble { offset: opt.start, keyword: Some(to_text(opt.name)), fault, sid: None });
        }
    }
    None
}

fn parse_all(
    bytes: &[u8],
    env: &mut Env<'_>,
    index: &Index,
    warnings: &mut Complaints,
) -> Result<Rule, Trouble> {
    let syntax = |at: usize, why: &str| Trouble::at(at, Fault::new(RefusalKind::Syntax, why));
    let open =
        memchr::memchr(b'(', bytes).ok_or_else(|| syntax(0, "a rule has its options in parentheses"))?;
    let head = core::str::from_utf8(bytes.get(..open).unwrap_or(&[]))
        .map_err(|e| syntax(e.valid_up_to(), "the header is not plain text"))?;
    let end = match bytes.split_last() {
        Some((b')', rest)) if rest.len() > open => rest.len(),
        _ => return Err(syntax(bytes.len().saturating_sub(1), "the rule does not end with ')'")),
    };
    let (action, header) = header::parse(head, env).map_err(|(at, f)| Trouble::at(at, f))?;
    let again = (action, header.clone());
    let mut b = Builder::new(env, index, action, header);
    if head.trim_start().get(..7).is_some_and(|w| w.eq_ignore_ascii_case("config ")) {
        b.rule.noalert = Some(true);
    }
    let (mut options, mut places) = (Vec::new(), Vec::new());
    let mut at = open + 1;
    while let Some(opt) = next_option(bytes, at, end)? {
        at = opt.next;
        if let Err(fault) = apply(&mut b, opt.name, opt.value) {
            let sid = b.sid_seen.then_some(b.rule.meta.sid);
            return Err(Trouble { offset: opt.start, keyword: Some(to_text(opt.name)), fault, sid });
        }
        places.resize(b.warnings.len(), opt.start);
        options.push(opt);
    }
    *warnings = places.into_iter().zip(core::mem::take(&mut b.warnings)).collect();
    let sid = b.sid_seen.then_some(b.rule.meta.sid);
    let done = check::finish(b);
    done.map_err(|fault| {
        let at = if sid.is_some() { culprit(&options, env, index, &again, &fault) } else { None };
        Trouble { offset: at.map_or(0, |o| o.start), keyword: None, fault, sid }
    })
}

/// The option of which a rule as a whole has its fault: the last one without which it is another rule's fault, or none.
fn culprit<'o, 't>(
    options: &'o [Opt<'t>],
    env: &mut Env<'_>,
    index: &Index,
    (action, header): &(crate::event::Action, super::ir::Header),
    fault: &Fault,
) -> Option<&'o Opt<'t>> {
    // A buffer without a condition is the fault itself, or only that the rule is cut off here.
    let cut = fault.reason != check::NO_CONDITION;
    let mut same = |options: &[Opt<'_>]| {
        let mut b = Builder::new(env, index, *action, header.clone());
        b.sid_seen = true;
        if options.iter().any(|o| apply(&mut b, o.name, o.value).is_err()) {
            return false;
        }
        if cut
            && b.pending.is_some()
            && let Ok(i) = b.list()
            && let Some(l) = b.lists.get_mut(i)
        {
            l.m.matches.push(Match::Size(IntTest::Ge(0)));
        }
        check::finish(b).err().as_ref() == Some(fault)
    };
    let mut n = options.len();
    while n > 0 && same(options.get(..n - 1)?) {
        n -= 1;
    }
    options.get(n.checked_sub(1)?)
}

struct Opt<'t> {
    start: usize,
    name: &'t [u8],
    value: Option<&'t [u8]>,
    next: usize,
}

/// The option that begins at `at`: up to a semicolon that no backslash precedes (quotes do not matter).
fn next_option(bytes: &[u8], at: usize, end: usize) -> Result<Option<Opt<'_>>, Trouble> {
    let body = bytes.get(at..end).unwrap_or(&[]);
    let lead = body.iter().take_while(|c| c.is_ascii_whitespace()).count();
    let start = at + lead;
    let body = body.get(lead..).unwrap_or(&[]);
    if body.is_empty() {
        return Ok(None);
    }
    let mut from = 0;
    let len = loop {
        match memchr::memchr(b';', body.get(from..).unwrap_or(&[])) {
            None => {
                let fault = Fault::new(RefusalKind::Syntax, "the option has no ';' at its end");
                return Err(Trouble::at(start, fault));
            }
            Some(i) => {
                let i = from + i;
                if i > 0 && body.get(i - 1) == Some(&b'\\') {
                    from = i + 1;
                } else {
                    break i;
                }
            }
        }
    };
    let text = body.get(..len).unwrap_or(&[]);
    let (name, value) = match memchr::memchr(b':', text) {
        Some(c) => (text.get(..c).unwrap_or(&[]), text.get(c + 1..).map(|v| v.trim_ascii())),
        None => (text, None),
    };
    Ok(Some(Opt { start, name: name.trim_ascii_end(), value, next: start + len + 1 }))
}

/// Finds the keyword, brings its value into shape, and sets it up.
fn apply(b: &mut Builder<'_, '_>, name: &[u8], value: Option<&[u8]>) -> Res {
    let unknown = || Fault::new(RefusalKind::UnknownKeyword, "is not a keyword");
    let word = core::str::from_utf8(name).map_err(|_| unknown())?;
    let entry = b.index.find(word).ok_or_else(unknown)?;
    let index = b.index;
    let (kind, quotes, negation) = match entry {
        Entry::Keyword(k) => (k.value, k.quotes, k.negation),
        Entry::Buffer(_) => (Value::Optional, keyword::Quotes::No, false),
        Entry::Modifier(_) => (Value::None, keyword::Quotes::No, false),
        Entry::Int(_) | Entry::IntOf(_) => (Value::Needed, keyword::Quotes::No, false),
    };
    let wrong = |why: &str| Fault::new(RefusalKind::Value, why);
    let value = value.filter(|v| !v.is_empty());
    match kind {
        Value::Needed if value.is_none() => return Err(wrong("needs a value")),
        Value::None if value.is_some() => return Err(wrong("takes no value")),
        _ => {}
    }
    let mut arg = Arg { bytes: value.unwrap_or(&[]), given: value.is_some(), negated: false };
    if negation && let Some(rest) = arg.bytes.strip_prefix(b"!") {
        arg.negated = true;
        arg.bytes = rest.trim_ascii_start();
    }
    let quoted = arg.bytes.first() == Some(&b'"');
    match quotes {
        keyword::Quotes::Needed if !quoted => return Err(wrong("its value must be in double quotes")),
        keyword::Quotes::No if quoted => return Err(wrong("its value must not be in double quotes")),
        keyword::Quotes::Needed | keyword::Quotes::May if quoted => {
            let inner = arg.bytes.get(1..).and_then(|v| v.strip_suffix(b"\""));
            arg.bytes =
                inner.ok_or_else(|| wrong("the double quotes are not closed (a missing semicolon?)"))?;
            if arg.bytes.is_empty() {
                return Err(wrong("is empty"));
            }
        }
        _ => {}
    }
    match entry {
        Entry::Keyword(k) => (k.setup)(b, &arg),
        Entry::Buffer(i) => {
            let side = match arg.bytes {
                b"" => None,
                b"to_server" => Some(Dir::ToServer),
                b"to_client" => Some(Dir::ToClient),
                _ => return Err(wrong("takes no value but to_server or to_client")),
            };
            index.buffers.get(i).map_or(Ok(()), |info| b.stick_app(info, side))
        }
        Entry::Modifier(i) => index.buffers.get(i).map_or(Ok(()), |info| b.move_content(info)),
        Entry::IntOf(keyword) => keyword::app::int_of(b, keyword, &arg),
        Entry::Int(i) => index.ints.get(i).map_or(Ok(()), |info| keyword::app::int(b, info, &arg)),
    }
}
