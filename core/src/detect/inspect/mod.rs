//! One list of conditions against one buffer.
//!
//! In: the compiled [`Step`]s of a list and the bytes of its buffer. Out: whether they all hold. Owns nothing;
//! variables, decoded data and regex memory belong to the worker and come in through [`Inspector`].
//!
//! Conditions run left to right with a cursor, the end of the last match. When a later condition is relative
//! to a content or regex and fails, the search goes on behind that match, as in Suricata; the number of tries
//! a rule may make on a buffer is bounded (`inspection-recursion-limit`), so no rule is superlinear.

pub mod asn1;
pub mod base64;
pub mod bytes;
pub mod needle;
pub mod transform;

use super::asked::Asked;
use super::captured::{Captured, Target};
use alloc::vec::Vec;

use crate::pool::Scratch;
use crate::rules::ir::{Base64Mode, ByteExtract, ByteJump, ByteMath, ByteTest, Cmp, IntTest, Num};
use crate::sig::regex::{Cache, Outcome, Regex};
use bytes::Context;
use needle::Needle;

/// Tries a list may make on one buffer; Suricata's default for `detect.inspection-recursion-limit`.
pub const TRIES: u32 = 3000;

/// A compiled condition.
#[derive(Debug)]
// Most steps are contents, which are read one after the other: they lie in line.
#[allow(clippy::large_enum_variant)]
pub enum Step {
    Content(ContentStep),
    Pcre(alloc::boxed::Box<PcreStep>),
    IsDataAt { at: Num, relative: bool, negated: bool },
    ByteTest(ByteTest),
    ByteJump(ByteJump),
    ByteExtract(ByteExtract),
    ByteMath(ByteMath),
    Size(IntTest),
    Base64 { bytes: Option<u32>, offset: u32, relative: bool, mode: Base64Mode },
    Dataset { set: u16, op: crate::rules::ir::DatasetOp },
    Datarep { set: u16, cmp: Cmp, value: u16 },
    Entropy { bytes: u32, offset: i32, cmp: Cmp, value: f64 },
    Asn1(crate::rules::ir::Asn1),
}

#[derive(Debug)]
pub struct ContentStep {
    pub needle: Needle,
    pub negated: bool,
    pub offset: Option<Num>,
    pub depth: Option<Num>,
    pub distance: Option<Num>,
    pub within: Option<Num>,
    pub endswith: bool,
    /// The next condition starts at this match's end.
    pub relative_next: bool,
    /// Number of what replaces it inline.
    pub replace: Option<u16>,
}

#[derive(Debug)]
pub struct PcreStep {
    pub regex: Regex,
    pub negated: bool,
    pub relative: bool,
    pub relative_next: bool,
    pub captures: Vec<Target>,
}

/// The bytes a list is run on.
#[derive(Clone, Copy, Debug)]
pub struct Bytes<'a> {
    pub buf: &'a [u8],
    /// Offset of `buf[0]` in the whole value (stream or body).
    pub offset: u64,
    /// Nothing follows.
    pub end: bool,
}

impl<'a> Bytes<'a> {
    pub const fn whole(buf: &'a [u8]) -> Self {
        Bytes { buf, offset: 0, end: true }
    }
}

/// Where datasets are asked; see `rules`.
pub trait Sets: Send + Sync {
    fn dataset(&self, set: u16, op: crate::rules::ir::DatasetOp, value: &[u8]) -> bool;
    fn reputation(&self, set: u16, value: &[u8]) -> Option<u16>;
    /// Calls `f` with what a set of JSON knows of a value that is in it.
    fn context(&self, _set: u16, _value: &[u8], _f: &mut dyn FnMut(&str)) {}
}

/// The worker's memory while one rule is evaluated.
pub struct Inspector<'a> {
    pub vars: &'a mut [u64; 16],
    pub base64: &'a mut Scratch,
    /// Set when `base64_decode` ran and produced something.
    pub base64_ready: &'a mut bool,
    pub regex: &'a mut Cache,
    pub sets: &'a dyn Sets,
    /// Values found in them.
    pub asked: &'a mut Asked,
    /// What regexes captured.
    pub captured: &'a mut Captured,
    pub dce_little: bool,
    /// Tries left.
    pub tries: u32,
    pub spent: &'a mut Spent,
}

/// Work of evaluating, counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    /// Steps of rules, those tried again included.
    pub steps: u64,
    /// Regexes that met their step limit.
    pub limits: u64,
    /// Bytes searched for contents and regexes.
    pub searched: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum R {
    Match,
    NoMatch,
    /// No other position of an earlier match can help.
    Stop,
}

impl Inspector<'_> {
    /// Whether all `steps` hold on `b`.
    pub fn run(&mut self, steps: &[Step], b: Bytes<'_>) -> bool {
        self.tries = TRIES;
        let mark = self.captured.mark();
        let yes = self.from(steps, b, 0) == R::Match;
        if !yes {
            self.captured.back(mark);
        }
        self.spent.steps += u64::from(TRIES - self.tries);
        yes
    }

    fn num(&self, n: Num) -> i64 {
        match n {
            Num::Const(v) => v,
            Num::Var(i) => self.vars.get(i as usize).copied().unwrap_or(0) as i64,
        }
    }

    fn from(&mut self, steps: &[Step], b: Bytes<'_>, mut cursor: usize) -> R {
        let len = b.buf.len();
        for (i, step) in steps.iter().enumerate() {
            if self.tries == 0 {
                return R::Stop;
            }
            self.tries -= 1;
            let cx = Context { buf: b.buf, cursor, dce_little: self.dce_little };
            match step {
                Step::Content(c) => {
                    let mut from = None;
                    loop {
                        match self.content(c, b, cursor, from) {
                            Some(end) if !c.negated => {
                                if !c.relative_next {
                                    self.place(c, end);
                                    cursor = end;
                                    break;
                                }
                                let r = self.from(&steps[i + 1..], b, end);
                                if r == R::Match {
                                    self.place(c, end);
                                }
                                if r != R::NoMatch {
                                    return r;
                                }
                                if self.tries == 0 {
                                    return R::Stop;
                                }
                                self.tries -= 1;
                                from = Some(end - c.needle.len() + 1);
                            }
                            Some(_) => return R::NoMatch,
                            None if c.negated => break,
                            None => return if from.is_some() { R::NoMatch } else { self.miss(c) },
                        }
                    }
                }
                Step::Pcre(p) => {
                    // A relative regex sees nothing of what lies before the cursor: `^` is the cursor.
                    let base = if p.relative { cursor.min(len) } else { 0 };
                    let subject = &b.buf[base..];
                    let mut from = 0;
                    let mut caps = [usize::MAX; 20];
                    loop {
                        self.spent.searched += subject.len().saturating_sub(from) as u64;
                        let found = match p.regex.find_at(subject, from, self.regex, &mut caps) {
                            Outcome::Match(s, e) => Some((s, e)),
                            Outcome::NoMatch => None,
                            Outcome::LimitHit => {
                                self.spent.limits += 1;
                                None
                            }
                        };
                        match found {
                            Some((s, e)) if !p.negated => {
                                if !p.relative_next {
                                    self.captured.add(&p.captures, subject, &caps);
                                    cursor = base + e;
                                    break;
                                }
                                let r = self.from(&steps[i + 1..], b, base + e);
                                if r == R::Match {
                                    self.captured.add(&p.captures, subject, &caps);
                                }
                                if r != R::NoMatch {
                                    return r;
                                }
                                if self.tries == 0 {
                                    return R::Stop;
                                }
                                self.tries -= 1;
                                from = if e > s { e } else { e + 1 };
                                if from > subject.len() {
                                    return R::NoMatch;
                                }
                            }
                            Some(_) => return R::NoMatch,
                            None if p.negated => break,
                            None => return R::NoMatch,
                        }
                    }
                }
                Step::IsDataAt { at, relative, negated } => {
                    let at = self.num(*at);
                    let has = if *relative {
                        (cursor as i64).saturating_add(at) <= len as i64
                    } else {
                        at < len as i64
                    };
                    if has == *negated {
                        return R::NoMatch;
                    }
                }
                Step::ByteTest(t) => {
                    if !bytes::byte_test(t, &cx, &self.vars[..]) {
                        return R::NoMatch;
                    }
                }
                Step::ByteJump(j) => match bytes::byte_jump(j, &cx, &self.vars[..]) {
                    Some(to) => cursor = to,
                    None => return R::NoMatch,
                },
                Step::ByteExtract(e) => match bytes::byte_extract(e, &cx) {
                    Some((v, to)) => {
                        self.set_var(e.var, v);
                        cursor = to;
                    }
                    None => return R::NoMatch,
                },
                Step::ByteMath(m) => match bytes::byte_math(m, &cx, &self.vars[..]) {
                    Some((v, to)) => {
                        self.set_var(m.var, v);
                        cursor = to;
                    }
                    None => return R::NoMatch,
                },
                Step::Size(t) => {
                    if !size(t, b) {
                        return R::Stop;
                    }
                }
                Step::Base64 { bytes, offset, relative, mode } => {
                    let base = if *relative { cursor } else { 0 };
                    let from = base.saturating_add(*offset as usize);
                    let Some(data) = b.buf.get(from..).filter(|d| !d.is_empty()) else { return R::NoMatch };
                    let data = &data[..bytes.map_or(data.len(), |n| (n as usize).min(data.len()))];
                    self.base64.clear();
                    let ok = base64::decode(data, *mode, self.base64);
                    if !ok || self.base64.is_empty() {
                        return R::NoMatch;
                    }
                    *self.base64_ready = true;
                }
                Step::Dataset { set, op } => {
                    if !self.sets.dataset(*set, *op, b.buf) {
                        return R::NoMatch;
                    }
                    if *op == crate::rules::ir::DatasetOp::IsSet {
                        self.asked.found(*set, b.buf);
                    }
                }
                Step::Datarep { set, cmp, value } => {
                    let ok = self
                        .sets
                        .reputation(*set, b.buf)
                        .is_some_and(|v| bytes::compare(*cmp, u64::from(v), u64::from(*value)));
                    if !ok {
                        return R::NoMatch;
                    }
                }
                Step::Entropy { bytes, offset, cmp, value } => {
                    let from = usize::try_from(*offset).unwrap_or(0);
                    let Some(data) = b.buf.get(from..).filter(|d| !d.is_empty()) else { return R::NoMatch };
                    let n = if *bytes == 0 { data.len() } else { (*bytes as usize).min(data.len()) };
                    let e = transform::entropy(&data[..n]);
                    let ok = match cmp {
                        Cmp::Eq => (e - value).abs() < 1e-9,
                        Cmp::Ne => (e - value).abs() >= 1e-9,
                        Cmp::Lt => e < *value,
                        Cmp::Le => e <= *value,
                        Cmp::Gt => e > *value,
                        Cmp::Ge => e >= *value,
                        Cmp::And | Cmp::Or => false,
                    };
                    if !ok {
                        return R::NoMatch;
                    }
                }
                Step::Asn1(a) => {
                    if !asn1::asn1(a, b.buf, cursor) {
                        return R::NoMatch;
                    }
                }
            }
        }
        R::Match
    }

    /// Notes where a content stands that is to be replaced.
    fn place(&mut self, c: &ContentStep, end: usize) {
        if let Some(with) = c.replace {
            self.captured.place(with, end - c.needle.len());
        }
    }

    fn set_var(&mut self, var: u8, v: u64) {
        if let Some(slot) = self.vars.get_mut(var as usize) {
            *slot = v;
        }
    }

    /// What a content that was not found at all means: a content that is not placed relative to an earlier
    /// match will not be found after another try of that match either.
    fn miss(&self, c: &ContentStep) -> R {
        if c.distance.is_none() && c.within.is_none() { R::Stop } else { R::NoMatch }
    }

    /// End of the first match of `c` at or after `from` inside the range that its modifiers allow.
    fn content(
        &mut self,
        c: &ContentStep,
        b: Bytes<'_>,
        cursor: usize,
        from: Option<usize>,
    ) -> Option<usize> {
        let len = b.buf.len() as i64;
        let n = c.needle.len();
        let mut lo;
        let mut hi = len;
        if c.distance.is_some() || c.within.is_some() {
            let distance = c.distance.map_or(0, |d| self.num(d));
            lo = (cursor as i64).saturating_add(distance).max(0);
            if let Some(w) = c.within {
                hi = hi.min((cursor as i64).saturating_add(self.num(w)).saturating_add(distance));
            }
            if let Some(o) = c.offset {
                lo = lo.max(self.num(o));
            }
            if let Some(d) = c.depth {
                hi = hi.min(self.num(d).saturating_add(c.offset.map_or(0, |o| self.num(o))));
            }
        } else {
            let offset = c.offset.map_or(0, |o| self.num(o));
            let skipped = i64::try_from(b.offset).unwrap_or(i64::MAX);
            if let Some(d) = c.depth {
                hi = hi.min(offset.saturating_add(self.num(d)).saturating_sub(skipped));
            }
            lo = offset.saturating_sub(skipped).max(0);
        }
        if let Some(f) = from {
            lo = lo.max(f as i64);
        }
        if c.endswith {
            if !b.end || hi < len || (n as i64) > len {
                return None;
            }
            lo = lo.max(len - n as i64);
        }
        if lo > hi || hi <= 0 {
            return None;
        }
        let zone = b.buf.get(lo as usize..hi as usize)?;
        let found = c.needle.find(zone);
        self.spent.searched += found.map_or(zone.len(), |p| p + n) as u64;
        found.map(|p| lo as usize + p + n)
    }
}

/// Tests a size; on a value that may still grow only what cannot change any more holds.
fn size(t: &IntTest, b: Bytes<'_>) -> bool {
    let n = b.offset + b.buf.len() as u64;
    if b.end {
        return t.test(n);
    }
    match t {
        IntTest::Gt(v) => n > *v,
        IntTest::Ge(v) => n >= *v,
        IntTest::Ne(v) => n > *v,
        _ => false,
    }
}

/// Sets nothing, knows nothing: for rule sets without datasets.
#[derive(Debug, Default, Clone, Copy)]
pub struct NoSets;

impl Sets for NoSets {
    fn dataset(&self, _set: u16, op: crate::rules::ir::DatasetOp, _value: &[u8]) -> bool {
        op == crate::rules::ir::DatasetOp::IsNotSet
    }
    fn reputation(&self, _set: u16, _value: &[u8]) -> Option<u16> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::ir::{Base, Endian};

    fn content(bytes: &[u8], relative_next: bool) -> ContentStep {
        ContentStep {
            needle: Needle::new(bytes, false),
            negated: false,
            offset: None,
            depth: None,
            distance: None,
            within: None,
            endswith: false,
            relative_next,
            replace: None,
        }
    }

    fn run(steps: &[Step], b: Bytes<'_>) -> bool {
        let (mut vars, mut ready, mut spent) = ([0; 16], false, Spent::default());
        let (mut base64, mut regex) = (Scratch::new(64), Cache::default());
        let (mut asked, mut captured) = (Asked::default(), Captured::default());
        Inspector {
            asked: &mut asked,
            captured: &mut captured,
            vars: &mut vars,
            base64: &mut base64,
            base64_ready: &mut ready,
            regex: &mut regex,
            sets: &NoSets,
            dce_little: false,
            tries: 0,
            spent: &mut spent,
        }
        .run(steps, b)
    }

    fn near(a: &[u8], b: &[u8], distance: i64, within: i64) -> [Step; 2] {
        let second = ContentStep {
            distance: Some(Num::Const(distance)),
            within: Some(Num::Const(within)),
            ..content(b, false)
        };
        [Step::Content(content(a, true)), Step::Content(second)]
    }

    #[test]
    fn a_relative_miss_tries_the_next_place() {
        // The first `a` has no `b` near it, the second one has.
        assert!(run(&near(b"a", b"b", 0, 1), Bytes::whole(b"a..ab")));
        assert!(!run(&near(b"a", b"b", 0, 1), Bytes::whole(b"a..a.b")));
        assert!(run(&near(b"a", b"b", 1, 1), Bytes::whole(b"a..a.b")));
        assert!(run(&near(b"b", b"a", -2, 1), Bytes::whole(b"xab")));
    }

    #[test]
    fn positions_count_from_the_start_of_the_whole() {
        let mut c = content(b"b", false);
        c.offset = Some(Num::Const(4));
        c.depth = Some(Num::Const(2));
        let s = [Step::Content(c)];
        assert!(run(&s, Bytes::whole(b"....b.")));
        assert!(!run(&s, Bytes::whole(b"b.....b")));
        assert!(run(&s, Bytes { buf: b".b.", offset: 4, end: true }));
        assert!(!run(&s, Bytes { buf: b"..b", offset: 4, end: true }));
    }

    #[test]
    fn the_end_is_only_known_when_nothing_follows() {
        let s = [Step::Content(ContentStep { endswith: true, ..content(b"end", false) })];
        assert!(run(&s, Bytes::whole(b"the end")));
        assert!(!run(&s, Bytes { buf: b"the end", offset: 0, end: false }));
        assert!(!run(&s, Bytes::whole(b"end.")));
    }

    #[test]
    fn an_extracted_length_places_a_content() {
        let steps = [
            Step::ByteExtract(ByteExtract {
                bytes: 1,
                offset: 0,
                var: 0,
                relative: false,
                multiplier: 1,
                endian: Endian::Big,
                base: Base::Binary,
                align: 0,
            }),
            Step::Content(ContentStep { offset: Some(Num::Var(0)), ..content(b"x", false) }),
        ];
        assert!(run(&steps, Bytes::whole(b"\x03xx.x")) && run(&steps, Bytes::whole(b"\x03..x")));
        assert!(!run(&steps, Bytes::whole(b"\x05..x..")));
    }

    #[test]
    fn hostile_repetition_is_bounded() {
        let mut steps: Vec<Step> = (0..8).map(|_| Step::Content(content(b"a", true))).collect();
        for s in &mut steps[1..] {
            if let Step::Content(c) = s {
                c.distance = Some(Num::Const(0));
            }
        }
        let last = ContentStep { distance: Some(Num::Const(0)), ..content(b"never", false) };
        steps.push(Step::Content(last));
        assert!(!run(&steps, Bytes::whole(&[b'a'; 60_000])));
    }
}
