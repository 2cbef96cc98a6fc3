//! Text: plain lists, CSV, Zeek intel files and Suricata datasets. Lines go in, indicators come out.

use std::path::Path;

use tidegate_core::intel::{About, Kind, kind::guess};

use super::{Item, NO_TIME, Sink, expiry, shown, source_of};

/// Columns of CSV whose name says what is in them.
const COLUMNS: [(&str, Kind); 19] = [
    ("ip", Kind::Address),
    ("ip_address", Kind::Address),
    ("address", Kind::Address),
    ("cidr", Kind::Network),
    ("network", Kind::Network),
    ("domain", Kind::Domain),
    ("hostname", Kind::Domain),
    ("url", Kind::Url),
    ("email", Kind::Email),
    ("md5", Kind::Md5),
    ("sha1", Kind::Sha1),
    ("sha256", Kind::Sha256),
    ("ja3", Kind::Ja3),
    ("ja3s", Kind::Ja3s),
    ("ja4", Kind::Ja4),
    ("user_agent", Kind::UserAgent),
    ("model_sha256", Kind::Model),
    ("mcp_server", Kind::McpServer),
    ("cert_sha1", Kind::Certificate),
];
/// Columns with a value whose kind another column says, or that is guessed.
const VALUES: [&str; 5] = ["indicator", "value", "ioc", "observable", "hash"];
const TYPES: [&str; 4] = ["type", "indicator_type", "ioc_type", "kind"];
const TEXTS: [&str; 5] = ["description", "comment", "app", "malware", "threat"];

pub(super) fn read(text: &str, path: &Path, sink: &mut Sink<'_>) {
    let first = text.lines().find(|l| !l.trim().is_empty()).unwrap_or("");
    if first.starts_with("#fields\t") || text.contains("\n#fields\t") {
        return zeek(text, path, sink);
    }
    if path.extension().is_some_and(|x| x == "rules") {
        return rules(text, sink);
    }
    let head = text.lines().map(str::trim).find(|l| !l.is_empty() && !l.starts_with('#')).unwrap_or("");
    let names: Vec<String> =
        csv(head).iter().map(|n| n.trim().to_ascii_lowercase().replace([' ', '-'], "_")).collect();
    let known = |n: &String| VALUES.contains(&n.as_str()) || COLUMNS.iter().any(|c| c.0 == n.as_str());
    if names.len() > 1 && names.iter().any(known) {
        return table(text, &names, path, sink);
    }
    plain(text, path, sink);
}

/// Suricata's rules are no indicators.
fn rules(text: &str, sink: &mut Sink<'_>) {
    sink.report.format = "Suricata rules";
    for l in text.lines().filter(|l| !l.trim().is_empty() && !l.starts_with('#')) {
        let proto = l.split_whitespace().nth(1).unwrap_or("");
        sink.report.see(proto);
        sink.report.unused("rule", "a rule, to be loaded with -S");
    }
}

/// One value a line: the first word, or the second one of a file of hosts. `#` and `;` begin comments.
fn plain(text: &str, path: &Path, sink: &mut Sink<'_>) {
    let dataset = path.extension().is_some_and(|x| x == "lst");
    sink.report.format = if dataset { "Suricata dataset" } else { "list" };
    let mut about = About { source: source_of(path), ..About::default() };
    let none = sink.about(&about);
    for line in text.lines() {
        let line = line.split(" #").next().unwrap_or("").trim();
        if line.is_empty() || line.starts_with(['#', ';']) || line.starts_with("//") {
            continue;
        }
        let mut words = line.split(|c: char| c.is_whitespace() || c == ',').filter(|w| !w.is_empty());
        let mut value = words.next().unwrap_or("");
        let mut next = words.next();
        if matches!(value, "0.0.0.0" | "127.0.0.1" | "::" | "::1")
            && let Some(host) = next
        {
            (value, next) = (host, None);
        }
        let decoded = guess(value).is_none().then(|| base64(value)).flatten();
        let value = decoded.as_deref().unwrap_or(value);
        let Some(kind) = guess(value) else {
            sink.report.see("other");
            sink.wrong("value", "looks like nothing that is known", || format!("`{}`", shown(value)));
            continue;
        };
        sink.report.see(kind.name());
        // ipsum: on how many lists it is.
        let n = next.and_then(|n| n.parse::<u16>().ok());
        let number = match n {
            Some(n) if !dataset => {
                about.description = format!("on {n} lists");
                sink.about(&about)
            }
            _ => none,
        };
        sink.add(Item { kind, value, about: number, confidence: None, until: None });
    }
}

/// Text in base64, as string datasets have it.
fn base64(text: &str) -> Option<String> {
    if !text.len().is_multiple_of(4) || text.len() < 8 {
        return None;
    }
    let bytes = tidegate_core::rules::dataset::base64(text.as_bytes())?;
    String::from_utf8(bytes).ok().filter(|t| t.chars().all(|c| !c.is_control()))
}

/// The fields of a line (RFC 4180, without line breaks in fields).
fn csv(line: &str) -> Vec<String> {
    let (mut out, mut field, mut quoted) = (Vec::new(), String::new(), false);
    let mut chars = line.trim_end_matches(['\r', '\n']).chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => out.push(std::mem::take(&mut field)),
            c => field.push(c),
        }
    }
    out.push(field);
    out
}

/// A kind as tables name it.
fn kind_of(name: &str, value: &str) -> Option<Kind> {
    let name = name.trim().to_ascii_lowercase().replace([' ', '-'], "_");
    let known = COLUMNS.iter().find(|c| c.0 == name).map(|c| c.1);
    let known = known.or_else(|| match name.as_str() {
        "ipv4" | "ipv6" | "ip_src" | "ip_dst" | "ipv4_addr" | "ipv6_addr" => Some(Kind::Address),
        "uri" => Some(Kind::Url),
        "hash" => guess(value),
        n => Kind::by_name(&n.replace('_', "-")),
    });
    // An address with a length is a network, whatever it is called.
    known.map(|k| if k == Kind::Address && value.contains('/') { Kind::Network } else { k })
}

fn table(text: &str, names: &[String], path: &Path, sink: &mut Sink<'_>) {
    sink.report.format = "CSV";
    let place = |of: &[&str]| names.iter().position(|n| of.contains(&n.as_str()));
    let (value_at, type_at, text_at) = (place(&VALUES), place(&TYPES), place(&TEXTS));
    let (tlp_at, sure_at, until_at) =
        (place(&["tlp"]), place(&["confidence"]), place(&["expires", "valid_until", "until"]));
    let attack_at = place(&["attack", "technique", "mitre"]);
    let mut last: Option<(About, u32)> = None;
    let lines = text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty() && !l.starts_with('#'));
    for (n, line) in lines.skip(1) {
        let place = format!("line {}", n + 1);
        let row = csv(line);
        let of = |at: Option<usize>| at.and_then(|i| row.get(i)).map_or("", |t| t.trim());
        sink.report.see("rows");
        let Ok(until) = expiry(of(until_at)) else {
            sink.wrong("row", NO_TIME, || format!("{place}: `{}`", shown(of(until_at))));
            continue;
        };
        let about = About {
            source: source_of(path),
            description: of(text_at).to_string(),
            tlp: sink.tlp(of(tlp_at), &place),
            attack: of(attack_at).split_whitespace().map(str::to_string).collect(),
        };
        // Rows that belong together stand together.
        if last.as_ref().is_none_or(|(a, _)| *a != about) {
            let n = sink.about(&about);
            last = Some((about, n));
        }
        let about = last.as_ref().map_or(0, |l| l.1);
        let confidence = sink.percent(of(sure_at), &place);
        let mut add = |kind: Option<Kind>, value: &str, name: &str| match kind {
            Some(kind) => sink.add(Item { kind, value, about, confidence, until }),
            None => sink.report.unused(name, "no packet says it"),
        };
        if let Some(at) = value_at {
            let value = of(Some(at));
            let name = if type_at.is_some() { of(type_at) } else { "value" };
            add(if type_at.is_some() { kind_of(name, value) } else { guess(value) }, value, name);
            continue;
        }
        for (i, name) in names.iter().enumerate() {
            let value = of(Some(i));
            if let Some(c) = COLUMNS.iter().find(|c| c.0 == name.as_str()).filter(|_| !value.is_empty()) {
                let kind = if c.1 == Kind::Address && value.contains('/') { Kind::Network } else { c.1 };
                add(Some(kind), value, name);
            }
        }
    }
}

/// Zeek's intelligence framework: tabs, and the names of the columns in a line `#fields`.
fn zeek(text: &str, path: &Path, sink: &mut Sink<'_>) {
    sink.report.format = "Zeek intel file";
    let mut names: Vec<&str> = Vec::new();
    for line in text.lines() {
        if let Some(f) = line.strip_prefix("#fields\t") {
            names = f.split('\t').collect();
            continue;
        }
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let row: Vec<&str> = line.split('\t').collect();
        let of = |name: &str| {
            let value = names.iter().position(|n| *n == name).and_then(|i| row.get(i)).copied();
            value.filter(|v| *v != "-").unwrap_or("")
        };
        let (value, kind) = (of("indicator"), of("indicator_type"));
        sink.report.see(kind);
        let source = of("meta.source");
        let about = About {
            source: if source.is_empty() { source_of(path) } else { source.to_string() },
            description: of("meta.desc").to_string(),
            ..About::default()
        };
        let known = match kind.strip_prefix("Intel::").unwrap_or(kind) {
            "ADDR" => Some(Kind::Address),
            "SUBNET" => Some(Kind::Network),
            "URL" => Some(Kind::Url),
            "SOFTWARE" => Some(Kind::UserAgent),
            "EMAIL" => Some(Kind::Email),
            "DOMAIN" => Some(Kind::Domain),
            "CERT_HASH" => Some(Kind::Certificate),
            "FILE_HASH" => guess(value).filter(|k| matches!(k, Kind::Md5 | Kind::Sha1 | Kind::Sha256)),
            _ => None,
        };
        match known {
            Some(kind) => {
                let about = sink.about(&about);
                sink.add(Item { kind, value, about, confidence: None, until: None });
            }
            None => sink.report.unused(kind, "no packet says it"),
        }
    }
}
