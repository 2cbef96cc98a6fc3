//! MISP: events (`{"Event": …}`, `{"response": […]}`) and feeds, whose manifest names their events. Attributes go in,
//! indicators come out.

use std::path::Path;

use serde_json::Value;
use tidegate_core::intel::{About, Kind};

use super::{Content, IntelError, Item, Sink, content, source_of};

/// Attributes by type, of two parts where it has a `|`. What is not here no packet says.
fn kinds(kind: &str) -> [Option<Kind>; 2] {
    let one = |k: &str| match k {
        "ip-src" | "ip-dst" => Some(Kind::Address),
        "domain" | "hostname" => Some(Kind::Domain),
        "url" => Some(Kind::Url),
        "md5" | "malware-sample" => Some(Kind::Md5),
        "sha1" => Some(Kind::Sha1),
        "sha256" => Some(Kind::Sha256),
        "email" | "email-src" | "email-dst" | "email-reply-to" => Some(Kind::Email),
        "user-agent" => Some(Kind::UserAgent),
        "ja3-fingerprint-md5" => Some(Kind::Ja3),
        "x509-fingerprint-md5" | "x509-fingerprint-sha1" | "x509-fingerprint-sha256" => {
            Some(Kind::Certificate)
        }
        _ => None,
    };
    match kind.split_once('|') {
        Some((a, "ip")) => [one(a), Some(Kind::Address)],
        Some((a, b)) => [one(a), one(b)],
        // `name|md5`.
        None if kind == "malware-sample" => [None, one(kind)],
        None => [one(kind), None],
    }
}

pub(super) fn is_event(v: &Value) -> bool {
    v.get("Event").is_some() || v.get("response").is_some_and(Value::is_array)
}

/// A mapping of events' numbers to what they are about.
pub(super) fn is_manifest(v: &Value) -> bool {
    v.as_object().is_some_and(|m| {
        !m.is_empty() && m.values().all(|e| e.get("info").is_some() && e.get("date").is_some())
    })
}

pub(super) fn read(v: &Value, path: &Path, sink: &mut Sink<'_>) {
    sink.report.format = "MISP event";
    let many = v.get("response").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    for e in v.get("Event").into_iter().chain(many.iter().map(|r| r.get("Event").unwrap_or(r))) {
        event(e, path, sink);
    }
}

/// The events that a manifest names, in its folder.
pub(super) fn feed(v: &Value, path: &Path, sink: &mut Sink<'_>) -> Result<(), IntelError> {
    for uuid in v.as_object().into_iter().flat_map(|m| m.keys()) {
        // A name is no way to another folder.
        let named = uuid.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        let file = path.with_file_name(format!("{uuid}.json"));
        if !named || !file.exists() {
            sink.report.unused("event", "named in the manifest and not there");
            continue;
        }
        if let Content::Json(e) = content(&file)? {
            read(&e, path, sink);
        }
    }
    sink.report.format = "MISP feed";
    Ok(())
}

fn text<'v>(v: &'v Value, key: &str) -> &'v str {
    v.get(key).and_then(Value::as_str).unwrap_or("")
}

/// What tags say: to whom it may be shown, and techniques of ATT&CK.
fn tags(v: &Value, about: &mut About, sink: &mut Sink<'_>) {
    for tag in v.get("Tag").and_then(Value::as_array).into_iter().flatten() {
        let name = text(tag, "name");
        if name.to_ascii_lowercase().starts_with("tlp:") {
            about.tlp = sink.tlp(name, "tag").or(about.tlp);
        }
        if name.contains("mitre-attack-pattern") {
            about.attack.extend(technique(name));
        }
    }
}

/// `T1059.001` of `misp-galaxy:mitre-attack-pattern="PowerShell - T1059.001"`.
pub(super) fn technique(text: &str) -> Option<String> {
    let is = |w: &&str| {
        w.strip_prefix('T').is_some_and(|d| {
            d.len() >= 4
                && d.chars().all(|c| c.is_ascii_digit() || c == '.')
                && d.starts_with(|c: char| c.is_ascii_digit())
        })
    };
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '.').find(is).map(str::to_string)
}

fn event(e: &Value, path: &Path, sink: &mut Sink<'_>) {
    let mut about =
        About { source: source_of(path), description: text(e, "info").to_string(), ..About::default() };
    if let Some(org) = e.get("Orgc").map(|o| text(o, "name")).filter(|o| !o.is_empty()) {
        about.source = org.to_string();
    }
    tags(e, &mut about, sink);
    let own = e.get("Attribute").and_then(Value::as_array).into_iter().flatten();
    let objects = e.get("Object").and_then(Value::as_array).into_iter().flatten();
    let theirs = objects.filter_map(|o| o.get("Attribute")?.as_array()).flatten();
    for a in own.chain(theirs) {
        attribute(a, &about, sink);
    }
}

fn attribute(a: &Value, of: &About, sink: &mut Sink<'_>) {
    let kind = text(a, "type");
    sink.report.see(kind);
    let [first, second] = kinds(kind);
    if a.get("deleted").and_then(Value::as_bool) == Some(true) {
        return sink.report.unused(kind, "deleted");
    }
    if first.is_none() && second.is_none() {
        return sink.report.unused(kind, "no packet says it");
    }
    if a.get("to_ids").and_then(Value::as_bool) == Some(false) {
        return sink.report.unused(kind, "to_ids is false");
    }
    let mut about = of.clone();
    tags(a, &mut about, sink);
    let comment = text(a, "comment");
    if !comment.is_empty() && !about.description.contains(comment) {
        about.description = format!("{}; {comment}", about.description);
    }
    let about = sink.about(&about);
    let value = text(a, "value");
    let (left, right) = value.split_once('|').unwrap_or((value, ""));
    // Ports stand behind `|`, or behind a colon.
    let parts = if kind.contains('|') || kind == "malware-sample" { [left, right] } else { [value, ""] };
    for (k, v) in [first, second].into_iter().zip(parts) {
        let Some(k) = k else { continue };
        let k = if k == Kind::Address && v.contains('/') { Kind::Network } else { k };
        sink.add(Item { kind: k, value: v, about, confidence: None, until: None });
    }
}
