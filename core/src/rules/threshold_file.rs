//! `threshold.config`: `threshold`/`event_filter`, `rate_filter` and `suppress` lines in, limits on the rules out.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::ir::{Action, AddrSet, Rule, Threshold, ThresholdKind, Track};
use super::keyword::threshold::{blank, kind, track};
use super::keyword::word;
use super::num;
use super::refuse::{Fault, Refusal, RefusalKind, Res, bad};
use super::sets::{Vars, parse_addrs};

/// One line: the rules it is about and the limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// `gen_id`; 0 for all.
    pub gid: u32,
    /// `sig_id`; 0 for all of that gid.
    pub sid: u32,
    pub limit: Threshold,
    /// 1-based.
    pub line: u32,
}

/// Reads a threshold file. Lines that end in a backslash go on in the next.
pub fn parse(text: &str, file: u32, vars: &Vars) -> (Vec<Line>, Vec<Refusal>) {
    let (mut out, mut wrong) = (Vec::new(), Vec::new());
    let mut joined = Joined::default();
    let mut refuse = |joined: &Joined, fault: Fault| {
        let (line, column) = joined.place(fault.near.as_ref().map_or(&[], |n| &n.1));
        let keyword = Some(word(&joined.text).0.to_string());
        wrong.push(Refusal {
            file,
            line,
            column,
            sid: None,
            keyword,
            kind: fault.kind,
            reason: fault.reason,
        });
    };
    for (n, whole) in text.lines().enumerate() {
        let l = whole.trim();
        if joined.text.is_empty() && (l.is_empty() || l.starts_with('#')) {
            continue;
        }
        let indent = whole.len() - whole.trim_start().len();
        joined.starts.push((joined.text.len(), n as u32 + 1, indent as u32 + 1));
        if let Some(part) = l.strip_suffix('\\') {
            joined.text.push_str(part);
            joined.text.push(' ');
            continue;
        }
        joined.text.push_str(l);
        match one(&joined.text, vars) {
            Ok((gid, sid, limit)) => out.push(Line { gid, sid, limit, line: n as u32 + 1 }),
            Err(f) => refuse(&joined, f),
        }
        joined = Joined::default();
    }
    if !joined.text.trim().is_empty() {
        let f = "the last line ends in a backslash: the line that it goes on in is missing";
        refuse(&joined, Fault::new(RefusalKind::Syntax, f));
    }
    (out, wrong)
}

/// Lines that a backslash joins.
#[derive(Default)]
struct Joined {
    text: String,
    /// Where each line begins in `text`, its number and the column of its first character.
    starts: Vec<(usize, u32, u32)>,
}

impl Joined {
    /// 1-based line and column of a part of the text; of the whole, when it is empty or not there.
    fn place(&self, part: &[u8]) -> (u32, u32) {
        let at = memchr::memmem::find(self.text.as_bytes(), part).unwrap_or(0);
        let (start, line, column) = self.starts.iter().rfind(|s| s.0 <= at).copied().unwrap_or((0, 1, 1));
        (line, column + (at - start) as u32)
    }
}

/// The comma-separated parts of a line, but not inside brackets.
fn split(t: &str) -> Vec<&str> {
    let (mut out, mut depth, mut start) = (Vec::new(), 0i32, 0);
    for (i, c) in t.bytes().enumerate() {
        match c {
            b'[' => depth += 1,
            b']' => depth -= 1,
            b',' if depth == 0 => {
                out.push(t[start..i].trim());
                start = i + 1;
            }
            _ => {}
        }
    }
    out.push(t[start..].trim());
    out
}

/// As [`split`], with a list of addresses after `ip` in one part, also when it has no brackets.
fn parts_of(t: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for p in split(t) {
        let named = matches!(p.bytes().next(), Some(b'a'..=b'z')) && p.contains(char::is_whitespace);
        match out.last_mut() {
            Some(ip) if !named && word(ip).0 == "ip" => {
                ip.push(',');
                ip.push_str(p);
            }
            _ => out.push(p.into()),
        }
    }
    for ip in out.iter_mut().filter(|p| word(p).0 == "ip" && !p.contains('[') && p.contains(',')) {
        *ip = format!("ip [{}]", word(ip).1);
    }
    out
}

/// Parts of a line, each at most once, and who may have them.
#[derive(Default)]
struct Parts<'a> {
    gid: Option<u32>,
    sid: Option<u32>,
    kind: Option<ThresholdKind>,
    track: Option<&'a str>,
    count: Option<u32>,
    seconds: Option<u32>,
    multiplier: Option<u32>,
    timeout: Option<u32>,
    action: Option<Action>,
    ip: Option<AddrSet>,
}

/// The parts that each kind of line has besides `gen_id` and `sig_id`.
const PARTS: [(&str, &[&str]); 4] = [
    ("threshold", &["type", "track", "count", "seconds", "multiplier"]),
    ("event_filter", &["type", "track", "count", "seconds", "multiplier"]),
    ("rate_filter", &["track", "count", "seconds", "new_action", "timeout"]),
    ("suppress", &["track", "ip"]),
];

impl<'a> Parts<'a> {
    fn read(what: &str, allowed: &[&str], rest: &'a [String], vars: &Vars) -> Res<Self> {
        let mut f = Parts::default();
        for p in rest {
            let (name, v) = word(p);
            // A list of addresses stands in brackets here, whatever the line has.
            let near = |f: Fault| f.near("", if name == "ip" { b"ip " } else { p.as_bytes() });
            if !matches!(name, "gen_id" | "sig_id") && !allowed.contains(&name) {
                let all = allowed.join(", ");
                return bad(format!("\"{p}\": {what} has gen_id, sig_id, {all}")).map_err(near);
            }
            f.part(name, v, vars).map_err(near)?;
        }
        Ok(f)
    }

    fn part(&mut self, name: &str, v: &'a str, vars: &Vars) -> Res {
        fn put<T>(slot: &mut Option<T>, v: T, name: &str) -> Res {
            if slot.replace(v).is_some() { bad(format!("more than one {name}")) } else { Ok(()) }
        }
        match name {
            "gen_id" => put(&mut self.gid, num::u32(v)?, name),
            "sig_id" => put(&mut self.sid, num::u32(v)?, name),
            "type" => put(&mut self.kind, kind(v)?, name),
            "track" => put(&mut self.track, v, name),
            "count" => put(&mut self.count, num::u32(v)?, name),
            "seconds" => put(&mut self.seconds, num::u32(v)?, name),
            "multiplier" => put(&mut self.multiplier, num::u32(v)?, name),
            "timeout" => put(&mut self.timeout, num::u32(v)?, name),
            "new_action" => put(&mut self.action, new_action(v)?, name),
            _ => put(&mut self.ip, parse_addrs(v, vars)?, name),
        }
    }
}

fn new_action(a: &str) -> Res<Action> {
    Ok(match a {
        "alert" => Action::Alert,
        "drop" => Action::Drop,
        "pass" => Action::Pass,
        "reject" => Action::Reject,
        _ => return bad(format!("\"{a}\" is not alert, drop, pass or reject")),
    })
}

fn one(text: &str, vars: &Vars) -> Res<(u32, u32, Threshold)> {
    let (what, rest) = word(text);
    let Some((_, allowed)) = PARTS.iter().find(|p| p.0 == what) else {
        return bad(format!("\"{what}\" is not threshold, event_filter, rate_filter or suppress"));
    };
    let rest = parts_of(rest);
    let f = Parts::read(what, allowed, &rest, vars)?;
    let (Some(gid), Some(sid)) = (f.gid, f.sid) else { return bad("gen_id and sig_id are needed") };
    if gid == 0 && sid != 0 {
        return bad("gen_id 0 means all rules, sig_id must be 0 too");
    }
    let limit = match what {
        "suppress" => suppress(f)?,
        "rate_filter" => rate_filter(&f)?,
        _ => threshold(&f)?,
    };
    Ok((gid, sid, limit))
}

fn suppress(f: Parts<'_>) -> Res<Threshold> {
    // Without an address the rule never alerts; the side does not matter then.
    let track = match (f.track, &f.ip) {
        (None, None) => Track::Rule,
        (Some("by_src"), Some(_)) => Track::Src,
        (Some("by_dst"), Some(_)) => Track::Dst,
        (Some("by_either"), Some(_)) => Track::Pair,
        (Some(t), Some(_)) => return bad(format!("\"{t}\" is not by_src, by_dst or by_either")),
        _ => return bad("track and ip go together"),
    };
    Ok(Threshold { addrs: f.ip, ..blank(ThresholdKind::Suppress, track) })
}

fn rate_filter(f: &Parts<'_>) -> Res<Threshold> {
    let (Some(by), Some(count), Some(seconds), Some(action), Some(timeout)) =
        (f.track, f.count, f.seconds, f.action, f.timeout)
    else {
        return bad("track, count, seconds, new_action and timeout are needed");
    };
    if count == 0 || seconds == 0 {
        return bad("count or seconds is 0");
    }
    let new_action = Some(action);
    Ok(Threshold { count, seconds, timeout, new_action, ..blank(ThresholdKind::RateFilter, track(by)?) })
}

fn threshold(f: &Parts<'_>) -> Res<Threshold> {
    let (Some(kind), Some(by), Some(count)) = (f.kind, f.track, f.count) else {
        return bad("type, track, count and seconds are needed");
    };
    let track = track(by)?;
    let backoff = kind == ThresholdKind::Backoff;
    if backoff != f.multiplier.is_some() {
        return bad("multiplier belongs to type backoff, which needs it");
    }
    if backoff && (track != Track::Flow || f.seconds.is_some()) {
        return bad("type backoff goes with track by_flow and without seconds");
    }
    let (seconds, multiplier) = (f.seconds.unwrap_or(0), f.multiplier.unwrap_or(0));
    if count == 0 || (!backoff && seconds == 0) || (backoff && multiplier == 0) {
        return bad("count, seconds or multiplier is 0");
    }
    Ok(Threshold { count, seconds, multiplier, ..blank(kind, track) })
}

/// Puts the lines on the rules they name. As in Suricata, a threshold for one rule replaces the rule's own and that of an
/// earlier line; one for all rules goes to those that have none. Lines that have no effect are returned as refusals.
pub fn apply(lines: &[Line], rules: &mut [Rule], file: u32) -> Vec<Refusal> {
    let mut by_id: BTreeMap<(u32, u32), Vec<usize>> = BTreeMap::new();
    for (i, r) in rules.iter().enumerate() {
        by_id.entry((r.meta.gid, r.meta.sid)).or_default().push(i);
    }
    // What a rule says itself is settled before any line is applied.
    let own: Vec<bool> = rules.iter().map(|r| r.threshold.is_some()).collect();
    let mut wrong = Vec::new();
    let mut refuse = |l: &Line, reason: String| {
        wrong.push(Refusal {
            file,
            line: l.line,
            column: 1,
            sid: (l.sid != 0).then_some(l.sid),
            keyword: None,
            kind: RefusalKind::Context,
            reason,
        });
    };
    let superseded = superseded(lines);
    // Lines about single rules go before lines about all, and lines about one gid before those about every.
    let mut order: Vec<&Line> = lines.iter().collect();
    order.sort_by_key(|l| (l.sid == 0, l.gid == 0));
    for l in order {
        if let Some(by) = superseded.get(&l.line) {
            refuse(l, format!("line {by} stands instead: one {} for the same rules", name(&l.limit)));
            continue;
        }
        if l.sid == 0 {
            for (r, own) in rules.iter_mut().zip(&own).filter(|(r, _)| l.gid == 0 || r.meta.gid == l.gid) {
                for_all(r, *own, l);
            }
            continue;
        }
        let Some(at) = by_id.get(&(l.gid, l.sid)) else {
            refuse(l, format!("no rule has gid {} and sid {}", l.gid, l.sid));
            continue;
        };
        for &i in at {
            if let Err(reason) = for_one(&mut rules[i], own[i], l) {
                refuse(l, reason.into());
            }
        }
    }
    wrong
}

fn name(t: &Threshold) -> &'static str {
    match t.kind {
        ThresholdKind::Suppress => "suppress",
        ThresholdKind::RateFilter => "rate_filter",
        _ => "threshold",
    }
}

/// Lines without effect because another line says the same of the same rules: by line, the other. Of thresholds the last
/// stands, of rate filters the first, as in Suricata.
fn superseded(lines: &[Line]) -> BTreeMap<u32, u32> {
    let mut standing: BTreeMap<(u32, u32, &str), u32> = BTreeMap::new();
    let mut out = BTreeMap::new();
    for l in lines {
        let key = (l.gid, l.sid, name(&l.limit));
        match standing.get(&key).copied() {
            None => {
                standing.insert(key, l.line);
            }
            Some(_) if key.2 == "suppress" => {}
            Some(first) if key.2 == "rate_filter" => {
                out.insert(l.line, first);
            }
            Some(_) => {
                standing.insert(key, l.line);
            }
        }
    }
    for l in lines.iter().filter(|l| name(&l.limit) == "threshold") {
        let last = standing[&(l.gid, l.sid, "threshold")];
        if last != l.line {
            out.insert(l.line, last);
        }
    }
    out
}

/// What a line about one rule does to it, or why nothing.
fn for_one(r: &mut Rule, own: bool, l: &Line) -> Result<(), &'static str> {
    match l.limit.kind {
        ThresholdKind::Suppress => r.suppress.push(l.limit.clone()),
        ThresholdKind::RateFilter if own => {
            return Err(
                "the rule has a threshold or detection_filter of its own, which stands against a rate_filter",
            );
        }
        ThresholdKind::RateFilter => r.rate_filter = Some(l.limit.clone()),
        _ if r.threshold.as_ref().is_some_and(|t| t.kind == ThresholdKind::DetectionFilter) => {
            return Err("the rule has a detection_filter, which a threshold does not replace");
        }
        _ => r.threshold = Some(l.limit.clone()),
    }
    Ok(())
}

/// What a line about many rules does to one of them: what is said of this one stands.
fn for_all(r: &mut Rule, own: bool, l: &Line) {
    match l.limit.kind {
        ThresholdKind::Suppress => r.suppress.push(l.limit.clone()),
        ThresholdKind::RateFilter if !own && r.rate_filter.is_none() => r.rate_filter = Some(l.limit.clone()),
        ThresholdKind::RateFilter => {}
        _ if r.threshold.is_none() => r.threshold = Some(l.limit.clone()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let text = "# c\nthreshold gen_id 1, sig_id 10, type limit, track by_src, count 1, seconds 60\n\
                    suppress gen_id 1, sig_id 10, track by_src, ip [10.0.0.0/8,!10.1.1.1]\n\
                    suppress gen_id 1, sig_id 11\n\
                    rate_filter gen_id 1, sig_id 10, track by_rule, count 10, seconds 60, \\\n new_action drop, timeout 30\n\
                    event_filter gen_id 0, sig_id 0, type threshold, track by_dst, count 5, seconds 1\n\
                    bogus gen_id 1\nsuppress gen_id 1, sig_id 1, ip 1.2.3.4\n";
        let (l, wrong) = parse(text, 0, &Vars::default());
        assert_eq!(l.len(), 5);
        assert_eq!(wrong.iter().map(|w| w.line).collect::<Vec<_>>(), [8, 9]);
        assert_eq!(l[0].limit.kind, ThresholdKind::Limit);
        let a = l[1].limit.addrs.as_ref().unwrap();
        assert!(a.has_v4(0x0a000001) && !a.has_v4(0x0a010101));
        assert_eq!((l[2].limit.addrs.is_none(), l[2].limit.track), (true, Track::Rule));
        assert_eq!((l[3].limit.new_action, l[3].limit.timeout, l[3].line), (Some(Action::Drop), 30, 6));
        assert_eq!((l[4].gid, l[4].sid), (0, 0));
    }

    #[test]
    fn addresses_need_no_brackets() {
        let text = "suppress gen_id 1, sig_id 1, track by_src, ip 10.0.0.3,10.0.0.1\n\
                    suppress gen_id 1, sig_id 1, ip 10.0.0.3, 10.0.0.1, track by_src\n";
        let (l, wrong) = parse(text, 0, &Vars::default());
        assert!(wrong.is_empty(), "{wrong:?}");
        for l in l {
            let a = l.limit.addrs.unwrap();
            assert!(a.has_v4(0x0a000001) && a.has_v4(0x0a000003) && !a.has_v4(0x0a000002));
        }
    }

    /// Parts that a kind of line does not have, parts that are there twice and a line that does not end are refused.
    #[test]
    fn wrong_lines_are_refused_with_the_reason() {
        for (line, reason) in [
            (
                "suppress gen_id 1, sig_id 1, track by_src, ip 1.2.3.4, count 1",
                "\"count 1\": suppress has gen_id, sig_id, track, ip",
            ),
            (
                "suppress gen_id 1, sig_id 1, track by_rule, ip 1.2.3.4",
                "\"by_rule\" is not by_src, by_dst or by_either",
            ),
            (
                "threshold gen_id 1, sig_id 1, type limit, track by_src, count 1, seconds 6, new_action drop",
                "\"new_action drop\": threshold has ",
            ),
            (
                "event_filter gen_id 1, sig_id 1, type limit, track by_src, count 1, seconds 6, ip 1.2.3.4",
                "\"ip 1.2.3.4\": event_filter has ",
            ),
            (
                "rate_filter gen_id 1, sig_id 1, track by_src, count 1, seconds 6, new_action drop, timeout 1, type limit",
                "\"type limit\": rate_filter has ",
            ),
            (
                "threshold gen_id 1, sig_id 1, type limit, track by_src, count 1, count 2, seconds 6",
                "more than one count",
            ),
            (
                "threshold gen_id 1, sig_id 1, type limit, track by_src, count 1, seconds 6, multiplier 2",
                "multiplier belongs to type backoff",
            ),
            (
                "threshold gen_id 1, sig_id 1, type backoff, track by_src, count 1, multiplier 2",
                "type backoff goes with track by_flow",
            ),
            ("suppress gen_id 1, sig_id 1 \\", "the last line ends in a backslash"),
        ] {
            let (l, wrong) = parse(line, 0, &Vars::default());
            assert!(l.is_empty(), "{line}");
            assert_eq!(wrong.len(), 1, "{line}");
            assert!(wrong[0].reason.starts_with(reason), "{line}: {}", wrong[0].reason);
        }
        let text = "\n  suppress gen_id 1, sig_id x\nsuppress gen_id 1, sig_id 1, track by_src, \\\n   ip 1.2.3.4.5\n";
        let at: Vec<(u32, u32)> =
            parse(text, 0, &Vars::default()).1.iter().map(|r| (r.line, r.column)).collect();
        assert_eq!(at, [(2, 22), (4, 4)]);
    }

    /// Of two lines for the same rules one has no effect, and is named; a threshold for one rule replaces its own.
    #[test]
    fn lines_without_effect_are_named() {
        let rules = "alert ip any any -> any any (sid:1;)\n\
                     alert ip any any -> any any (threshold: type limit, track by_src, count 1, seconds 1; sid:2;)\n\
                     alert ip any any -> any any (detection_filter: track by_src, count 1, seconds 1; sid:3;)\n";
        let (v, c, r, p, mut sets) = Default::default();
        let mut load = |_: &str| Err(String::new());
        let mut env = crate::rules::Env::new(&v, &c, &r, &p, &mut load, &mut sets);
        let mut rules = crate::rules::parse_source(rules.as_bytes(), 0, &mut env).rules;
        assert_eq!(rules.len(), 3);
        let t = |sid, count| {
            format!(
                "threshold gen_id 1, sig_id {sid}, type threshold, track by_src, count {count}, seconds 5\n"
            )
        };
        let r = |sid, count| {
            format!(
                "rate_filter gen_id 1, sig_id {sid}, track by_src, count {count}, seconds 5, new_action drop, timeout 1\n"
            )
        };
        let text = [
            t(1, 3), t(1, 4), t(2, 5), t(3, 6), r(1, 7), r(1, 8), r(2, 9), t(0, 10), t(0, 11),
            "suppress gen_id 1, sig_id 1, track by_src, ip 1.1.1.1\nsuppress gen_id 1, sig_id 1, track by_src, ip 2.2.2.2\n".into(),
        ]
        .concat();
        let (lines, wrong) = parse(&text, 0, &Vars::default());
        assert!(wrong.is_empty());
        let mut wrong: Vec<_> =
            apply(&lines, &mut rules, 0).into_iter().map(|r| (r.line, r.reason)).collect();
        wrong.sort();
        let own =
            "the rule has a threshold or detection_filter of its own, which stands against a rate_filter";
        let expected = [
            (1, "line 2 stands instead: one threshold for the same rules"),
            (4, "the rule has a detection_filter, which a threshold does not replace"),
            (6, "line 5 stands instead: one rate_filter for the same rules"),
            (7, own),
            (8, "line 9 stands instead: one threshold for the same rules"),
        ];
        assert_eq!(wrong, expected.map(|(l, r)| (l, r.to_string())));
        let counts: Vec<u32> = rules.iter().filter_map(|r| Some(r.threshold.as_ref()?.count)).collect();
        assert_eq!(counts, [4, 5, 1]);
        assert_eq!(rules[0].rate_filter.as_ref().map(|r| r.count), Some(7));
        assert_eq!(rules[0].suppress.len(), 2);
    }
}
