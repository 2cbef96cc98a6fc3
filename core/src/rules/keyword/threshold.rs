//! `threshold`, `detection_filter`, `tag`.

use alloc::format;

use super::{Arg, Keyword, parts, word};
use crate::rules::build::Builder;
use crate::rules::ir::{Post, Tag, TagMetric, Threshold, ThresholdKind, Track};
use crate::rules::num;
use crate::rules::refuse::{Res, bad, conflict};

pub static KEYWORDS: &[Keyword] = &[
    Keyword::new("threshold", threshold),
    Keyword::new("detection_filter", detection_filter),
    Keyword::new("tag", tag),
];

/// `track by_…`.
pub fn track(t: &str) -> Res<Track> {
    Ok(match t {
        "by_src" => Track::Src,
        "by_dst" => Track::Dst,
        "by_both" => Track::Pair,
        "by_rule" => Track::Rule,
        "by_flow" => Track::Flow,
        _ => return bad(format!("\"{t}\" is not by_src, by_dst, by_both, by_rule or by_flow")),
    })
}

/// A threshold of which the parts are still to be filled in.
pub const fn blank(kind: ThresholdKind, track: Track) -> Threshold {
    Threshold { kind, track, count: 0, seconds: 0, multiplier: 0, new_action: None, timeout: 0, addrs: None }
}

/// `type` of a threshold.
pub fn kind(t: &str) -> Res<ThresholdKind> {
    Ok(match t {
        "limit" => ThresholdKind::Limit,
        "threshold" => ThresholdKind::Threshold,
        "both" => ThresholdKind::Both,
        "backoff" => ThresholdKind::Backoff,
        _ => return bad(format!("\"{t}\" is not limit, threshold, both or backoff")),
    })
}

/// Parts met, each at most once.
#[derive(Default)]
struct Found {
    kind: Option<ThresholdKind>,
    track: Option<Track>,
    count: Option<u32>,
    seconds: Option<u32>,
    multiplier: Option<u32>,
}

fn put<T>(slot: &mut Option<T>, v: T, what: &str) -> Res {
    if slot.replace(v).is_some() { conflict(format!("more than one {what}")) } else { Ok(()) }
}

/// A number above 0.
fn above_zero(t: &str, what: &str) -> Res<u32> {
    match num::u32(t)? {
        0 => bad(format!("{what} is 0")),
        v => Ok(v),
    }
}

fn read(text: &str) -> Res<Found> {
    let mut f = Found::default();
    for p in parts(text) {
        match word(p) {
            ("type", t) => put(&mut f.kind, kind(t)?, "type")?,
            ("track", t) => put(&mut f.track, track(t)?, "track")?,
            ("count", n) => put(&mut f.count, above_zero(n, "count")?, "count")?,
            ("seconds", n) => put(&mut f.seconds, above_zero(n, "seconds")?, "seconds")?,
            ("multiplier", n) => put(&mut f.multiplier, above_zero(n, "multiplier")?, "multiplier")?,
            _ => return bad(format!("\"{p}\" is not type, track, count, seconds or multiplier")),
        }
    }
    Ok(f)
}

fn threshold(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    exclusive(b)?;
    let f = read(a.text()?)?;
    let (Some(kind), Some(track), Some(count)) = (f.kind, f.track, f.count) else {
        return bad("type, track and count are needed");
    };
    let backoff = kind == ThresholdKind::Backoff;
    if backoff != f.multiplier.is_some() {
        return bad("multiplier belongs to type backoff, which needs it");
    }
    if backoff && (track != Track::Flow || f.seconds.is_some()) {
        return bad("type backoff goes with track by_flow and without seconds");
    }
    if !backoff && f.seconds.is_none() {
        return bad("seconds are needed");
    }
    b.rule.threshold = Some(Threshold {
        count,
        seconds: f.seconds.unwrap_or(0),
        multiplier: f.multiplier.unwrap_or(0),
        ..blank(kind, track)
    });
    Ok(())
}

fn detection_filter(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    exclusive(b)?;
    let f = read(a.text()?)?;
    let (None, None, Some(track), Some(count), Some(seconds)) =
        (f.kind, f.multiplier, f.track, f.count, f.seconds)
    else {
        return bad("track, count and seconds are needed, and nothing else");
    };
    if matches!(track, Track::Pair | Track::Rule) {
        return bad("tracks by_src, by_dst or by_flow");
    }
    b.rule.threshold = Some(Threshold { count, seconds, ..blank(ThresholdKind::DetectionFilter, track) });
    Ok(())
}

fn exclusive(b: &Builder<'_, '_>) -> Res {
    if b.rule.threshold.is_some() {
        return conflict("threshold and detection_filter: one of them, once");
    }
    Ok(())
}

fn tag(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let mut p = parts(a.text()?);
    let host = match p.next() {
        Some("session") => false,
        Some("host") => true,
        t => return bad(format!("\"{}\" is neither session nor host", t.unwrap_or(""))),
    };
    // Without a number (0) it lasts as many packets as any may.
    let (mut count, mut metric) = (0, TagMetric::Packets);
    if let Some(n) = p.next() {
        count = above_zero(n, "the number")?;
        metric = match p.next() {
            Some("packets") => TagMetric::Packets,
            Some("seconds") => TagMetric::Seconds,
            Some("bytes") => TagMetric::Bytes,
            m => return bad(format!("\"{}\" is not packets, seconds or bytes", m.unwrap_or(""))),
        };
    }
    let host = match (host, p.next()) {
        (false, None) => None,
        (false, Some(_)) => return bad("session takes no direction"),
        (true, None | Some("src")) => Some(Track::Src),
        (true, Some("dst")) => Some(Track::Dst),
        (true, Some(d)) => return bad(format!("host takes src or dst, not \"{d}\"")),
    };
    b.rule.meta.tags = true;
    b.rule.post.push(Post::Tag(Tag { host, count, metric }));
    Ok(())
}
