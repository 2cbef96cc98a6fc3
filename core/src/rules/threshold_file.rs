//! `threshold.config`: `threshold`/`event_filter`, `rate_filter` and `suppress` lines in, limits on the rules out.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::ir::{Action, Rule, Threshold, ThresholdKind, Track};
use super::keyword::threshold::{blank, kind, track};
use super::keyword::word;
use super::num;
use super::refuse::{Refusal, RefusalKind, Res, bad};
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
    let mut joined = String::new();
    for (n, l) in text.lines().enumerate() {
        let l = l.trim();
        if joined.is_empty() && (l.is_empty() || l.starts_with('#')) {
            continue;
        }
        if let Some(part) = l.strip_suffix('\\') {
            joined.push_str(part);
            joined.push(' ');
            continue;
        }
        joined.push_str(l);
        let line = n as u32 + 1;
        match one(&joined, vars) {
            Ok((gid, sid, limit)) => out.push(Line { gid, sid, limit, line }),
            Err(f) => wrong.push(Refusal {
                file,
                line,
                column: 1,
                sid: None,
                keyword: Some(word(&joined).0.to_string()),
                kind: f.kind,
                reason: f.reason,
            }),
        }
        joined.clear();
    }
    (out, wrong)
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

fn one(text: &str, vars: &Vars) -> Res<(u32, u32, Threshold)> {
    let (what, rest) = word(text);
    if !matches!(what, "threshold" | "event_filter" | "rate_filter" | "suppress") {
        return bad(format!("\"{what}\" is not threshold, event_filter, rate_filter or suppress"));
    }
    let (mut gid, mut sid, mut typ, mut trk) = (None, None, None, None);
    let (mut count, mut seconds, mut timeout, mut action, mut ip, mut multiplier) =
        (None, None, None, None, None, None);
    for p in split(rest) {
        match word(p) {
            ("gen_id", n) => gid = Some(num::u32(n)?),
            ("sig_id", n) => sid = Some(num::u32(n)?),
            ("type", t) => typ = Some(kind(t)?),
            ("track", "by_either") if what == "suppress" => trk = Some(Track::Pair),
            ("track", t) => trk = Some(track(t)?),
            ("count", n) => count = Some(num::u32(n)?),
            ("seconds", n) => seconds = Some(num::u32(n)?),
            ("multiplier", n) => multiplier = Some(num::u32(n)?),
            ("timeout", n) => timeout = Some(num::u32(n)?),
            ("new_action", a) => {
                action = Some(match a {
                    "alert" => Action::Alert,
                    "drop" => Action::Drop,
                    "pass" => Action::Pass,
                    "reject" => Action::Reject,
                    _ => return bad(format!("\"{a}\" is not an action")),
                });
            }
            ("ip", a) => ip = Some(parse_addrs(a, vars)?),
            _ => return bad(format!("\"{p}\" is not understood")),
        }
    }
    let (Some(gid), Some(sid)) = (gid, sid) else { return bad("gen_id and sig_id are needed") };
    if gid == 0 && sid != 0 {
        return bad("gen_id 0 means all rules, sig_id must be 0 too");
    }
    let limit = match what {
        "suppress" => {
            // Without an address the rule never alerts; the side does not matter then.
            if ip.is_some() != trk.is_some() {
                return bad("track and ip go together");
            }
            Threshold { addrs: ip, ..blank(ThresholdKind::Suppress, trk.unwrap_or(Track::Rule)) }
        }
        "rate_filter" => {
            let (Some(track), Some(count), Some(seconds), Some(action), Some(timeout)) =
                (trk, count, seconds, action, timeout)
            else {
                return bad("track, count, seconds, new_action and timeout are needed");
            };
            if count == 0 || seconds == 0 {
                return bad("count or seconds is 0");
            }
            let new_action = Some(action);
            Threshold { count, seconds, timeout, new_action, ..blank(ThresholdKind::RateFilter, track) }
        }
        _ => {
            let (Some(kind), Some(track), Some(count)) = (typ, trk, count) else {
                return bad("type, track, count and seconds are needed");
            };
            let backoff = kind == ThresholdKind::Backoff;
            let (seconds, multiplier) = (seconds.unwrap_or(0), multiplier.unwrap_or(0));
            if count == 0 || (!backoff && seconds == 0) || (backoff && multiplier == 0) {
                return bad("count, seconds or multiplier is 0");
            }
            Threshold { count, seconds, multiplier, ..blank(kind, track) }
        }
    };
    Ok((gid, sid, limit))
}

/// Puts the lines on the rules they name. A rule's own threshold stands against one of the file; lines for no rule
/// are returned as refusals.
pub fn apply(lines: &[Line], rules: &mut [Rule], file: u32) -> Vec<Refusal> {
    let mut by_id: BTreeMap<(u32, u32), Vec<usize>> = BTreeMap::new();
    for (i, r) in rules.iter().enumerate() {
        by_id.entry((r.meta.gid, r.meta.sid)).or_default().push(i);
    }
    // What a rule says itself is settled before any line is applied.
    let own: Vec<bool> = rules.iter().map(|r| r.threshold.is_some()).collect();
    let mut wrong = Vec::new();
    // Lines about single rules go before lines about all.
    let specific = |l: &&Line| l.sid != 0;
    for l in lines.iter().filter(specific).chain(lines.iter().filter(|l| !specific(l))) {
        if l.sid != 0 {
            match by_id.get(&(l.gid, l.sid)) {
                Some(at) => at.iter().for_each(|&i| put(&mut rules[i], own[i], l)),
                None => wrong.push(Refusal {
                    file,
                    line: l.line,
                    column: 1,
                    sid: Some(l.sid),
                    keyword: None,
                    kind: RefusalKind::Context,
                    reason: format!("no rule has gid {} and sid {}", l.gid, l.sid),
                }),
            }
        } else {
            for (r, own) in rules.iter_mut().zip(&own) {
                if l.gid == 0 || r.meta.gid == l.gid {
                    put(r, *own, l);
                }
            }
        }
    }
    wrong
}

fn put(r: &mut Rule, own: bool, l: &Line) {
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
}
