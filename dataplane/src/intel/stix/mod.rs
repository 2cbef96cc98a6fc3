//! STIX 2.1 bundles: objects go in, indicators come out. A pattern that asks for more than one value of a packet, or for what
//! no packet says, is counted by what it asks for.

mod pattern;

use std::collections::HashMap;
use std::path::Path;

use serde_json::Value;
use tidegate_core::intel::{About, Kind, Tlp};

use self::pattern::{Comparison, Op, Pattern};
use super::{Item, MALFORMED, NO_TIME, SHOWN, Sink, cut, expiry, shown, source_of};

/// TLP markings that the standard gives numbers to (STIX 2.1, 7.2.1.4).
const MARKINGS: [(&str, Tlp); 4] = [
    ("marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9", Tlp::Clear),
    ("marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da", Tlp::Green),
    ("marking-definition--f88d31f6-486f-44da-b317-01333bde0b82", Tlp::Amber),
    ("marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed", Tlp::Red),
];

pub(super) fn is(v: &Value) -> bool {
    v.get("type").and_then(Value::as_str) == Some("bundle")
}

fn text<'v>(v: &'v Value, key: &str) -> &'v str {
    v.get(key).and_then(Value::as_str).unwrap_or("")
}

/// A member as it was written, whatever it is; nothing when it says nothing.
fn plain(v: &Value, key: &str) -> String {
    match v.get(key) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(s)) => s.clone(),
        Some(other) => other.to_string(),
    }
}

/// What a bundle says of its indicators beside them.
#[derive(Default)]
struct Context<'v> {
    by_id: HashMap<&'v str, &'v Value>,
    /// What an indicator indicates.
    indicates: HashMap<&'v str, Vec<&'v str>>,
}

pub(super) fn read(v: &Value, path: &Path, sink: &mut Sink<'_>) {
    sink.report.format = "STIX bundle";
    let objects = v.get("objects").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut cx = Context::default();
    for o in objects {
        sink.report.see(text(o, "type"));
        cx.by_id.insert(text(o, "id"), o);
        if text(o, "type") == "relationship" {
            cx.indicates.entry(text(o, "source_ref")).or_default().push(text(o, "target_ref"));
        }
    }
    for o in objects.iter().filter(|o| text(o, "type") == "indicator") {
        indicator(o, &cx, path, sink);
    }
}

fn about(o: &Value, cx: &Context<'_>, path: &Path, sink: &mut Sink<'_>) -> About {
    let mut a = About { source: source_of(path), ..About::default() };
    if let Some(by) = cx.by_id.get(text(o, "created_by_ref")) {
        a.source = text(by, "name").to_string();
    }
    let mut words = Vec::new();
    for target in cx.indicates.get(text(o, "id")).into_iter().flatten() {
        let Some(t) = cx.by_id.get(target) else { continue };
        words.push(text(t, "name"));
        for r in t.get("external_references").and_then(Value::as_array).into_iter().flatten() {
            if text(r, "source_name") == "mitre-attack" {
                a.attack.push(text(r, "external_id").to_string());
            }
        }
    }
    for w in [text(o, "name"), text(o, "description")] {
        if !w.is_empty() && !words.contains(&w) {
            words.push(w);
        }
    }
    a.description = words.join("; ");
    for m in
        o.get("object_marking_refs").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    {
        let known = MARKINGS.iter().find(|k| k.0 == m).map(|k| k.1);
        let own = cx.by_id.get(m).and_then(|d| d.get("definition")).map(|d| text(d, "tlp"));
        let place = shown(text(o, "id"));
        a.tlp = known.or_else(|| own.and_then(|own| sink.tlp(own, &place))).or(a.tlp);
    }
    a
}

fn indicator(o: &Value, cx: &Context<'_>, path: &Path, sink: &mut Sink<'_>) {
    let language = text(o, "pattern_type");
    if !language.is_empty() && language != "stix" {
        return sink.report.unused(language, "a pattern of another language");
    }
    if o.get("revoked").and_then(Value::as_bool) == Some(true) {
        return sink.report.unused("indicator", "revoked");
    }
    let pattern = match Pattern::parse(text(o, "pattern")) {
        Ok(p) => p,
        Err(e) => {
            return sink.wrong("pattern", MALFORMED, || {
                format!("{}: {}", shown(text(o, "pattern")), cut(&e, 2 * SHOWN))
            });
        }
    };
    pattern.each(&mut |c| sink.report.see(&c.path));
    let found = match pattern.values() {
        Ok(found) => found,
        Err((what, why)) => return sink.report.unused(&what, why),
    };
    let place = shown(text(o, "id"));
    let until = plain(o, "valid_until");
    let Ok(until) = expiry(&until) else {
        return sink.wrong("indicator", NO_TIME, || format!("{place}: `{}`", shown(&until)));
    };
    let about = about(o, cx, path, sink);
    let number = sink.about(&about);
    let confidence = sink.percent(&plain(o, "confidence"), &place);
    for (kind, value) in found {
        sink.add(Item { kind, value: &value, about: number, confidence, until });
    }
}

/// What a comparison's path is of, if a packet says it.
fn kind(path: &str) -> Option<Kind> {
    let lower = path.to_ascii_lowercase();
    let hash = |rest: &str| match rest {
        "md5" => Some(Kind::Md5),
        "sha-1" | "sha1" => Some(Kind::Sha1),
        "sha-256" | "sha256" => Some(Kind::Sha256),
        _ => None,
    };
    if let Some(rest) = ["file:hashes.", "artifact:hashes."].iter().find_map(|p| lower.strip_prefix(p)) {
        return hash(rest);
    }
    if let Some(rest) = lower.strip_prefix("x509-certificate:hashes.") {
        return hash(rest).map(|_| Kind::Certificate);
    }
    match lower.as_str() {
        "ipv4-addr:value" | "ipv6-addr:value" => Some(Kind::Address),
        "domain-name:value" => Some(Kind::Domain),
        "url:value" => Some(Kind::Url),
        "email-addr:value" | "email-message:from_ref.value" | "email-message:sender_ref.value" => {
            Some(Kind::Email)
        }
        "network-traffic:dst_ref.value" | "network-traffic:src_ref.value" => Some(Kind::Address),
        "network-traffic:extensions.http-request-ext.request_header.user-agent" => Some(Kind::UserAgent),
        _ => None,
    }
}

const UNSEEN: &str = "no packet says it";

impl Pattern {
    /// Calls `f` with every comparison.
    fn each(&self, f: &mut dyn FnMut(&Comparison)) {
        match self {
            Pattern::One(c) => f(c),
            Pattern::And(l) | Pattern::Or(l) | Pattern::Sequence(l) => l.iter().for_each(|p| p.each(f)),
            Pattern::Qualified(p) => p.each(f),
        }
    }

    /// Indicators any of which makes the pattern true; else what stands in the way.
    fn values(&self) -> Result<Vec<(Kind, String)>, (String, &'static str)> {
        match self {
            Pattern::One(c) => c.values(),
            Pattern::Or(l) => {
                let mut all = Vec::new();
                for p in l {
                    all.extend(p.values()?);
                }
                Ok(all)
            }
            Pattern::And(l) => {
                // Digests of one file: each of them is enough, whatever its name and size.
                let digest = |p: &&Pattern| matches!(p, Pattern::One(c) if c.is_digest());
                let of_file = |p: &Pattern| matches!(p, Pattern::One(c) if c.path.starts_with("file:"));
                if l.iter().all(of_file) && l.iter().any(|p| digest(&p)) {
                    return l.iter().filter(digest).map(Pattern::values).try_fold(
                        Vec::new(),
                        |mut all, v| {
                            all.extend(v?);
                            Ok(all)
                        },
                    );
                }
                Err((self.first(), "AND of several conditions"))
            }
            Pattern::Sequence(_) => Err((self.first(), "several observations that must come together")),
            Pattern::Qualified(_) => Err((self.first(), "a qualifier (WITHIN, REPEATS, START)")),
        }
    }

    fn first(&self) -> String {
        let mut name = String::new();
        self.each(&mut |c| {
            if name.is_empty() {
                name.clone_from(&c.path);
            }
        });
        name
    }
}

impl Comparison {
    fn is_digest(&self) -> bool {
        !self.negated
            && self.op == Op::Equal
            && self.path.starts_with("file:hashes.")
            && kind(&self.path).is_some()
    }

    fn values(&self) -> Result<Vec<(Kind, String)>, (String, &'static str)> {
        let Some(k) = kind(&self.path) else { return Err((self.path.clone(), UNSEEN)) };
        if self.negated {
            return Err((self.path.clone(), "NOT"));
        }
        let network = |k: Kind, v: &str| match k {
            Kind::Address if v.contains('/') => Kind::Network,
            // The end of a connection may be named.
            Kind::Address
                if self.path.starts_with("network-traffic") && v.parse::<std::net::IpAddr>().is_err() =>
            {
                Kind::Domain
            }
            k => k,
        };
        match self.op {
            Op::Equal | Op::In => Ok(self.values.iter().map(|v| (network(k, v), v.clone())).collect()),
            Op::Subset if k == Kind::Address => {
                Ok(self.values.iter().map(|v| (network(k, v), v.clone())).collect())
            }
            Op::Like => {
                let of = |v: &String| match (k, v.strip_prefix("%.")) {
                    (Kind::Domain, Some(rest)) if !rest.contains(['%', '_']) => Some((k, rest.to_string())),
                    _ if !v.contains(['%', '_']) => Some((k, v.clone())),
                    _ => None,
                };
                let all: Option<Vec<_>> = self.values.iter().map(of).collect();
                all.ok_or((self.path.clone(), "LIKE with a pattern that is no domain's end"))
            }
            Op::Matches => Err((self.path.clone(), "MATCHES")),
            _ => Err((self.path.clone(), "a comparison other than =, IN, LIKE and ISSUBSET")),
        }
    }
}
