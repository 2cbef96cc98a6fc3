//! Warning lists of MISP: values that feeds name by mistake (`misp-warninglists`). Lists go in; whether one of them names a value
//! comes out. Owns the lists.

use std::collections::HashSet;
use std::path::Path;

use serde_json::Value;
use tidegate_core::intel::Kind;
use tidegate_core::packet::Addr;
use tidegate_core::policy::prefix::{Networks, Prefix};

use super::FileReport;

/// What reports call such a list.
pub(super) const FORMAT: &str = "MISP warning list";

#[derive(Default)]
pub(super) struct Warnings(Vec<List>);

struct List {
    name: String,
    /// A bit for each kind of indicator that it is about.
    kinds: u32,
    networks: Option<Networks>,
    values: HashSet<String>,
    /// Values are domains, and stand for what is below them.
    suffix: bool,
    parts: Vec<String>,
}

/// Whether JSON is a warning list.
pub(super) fn is(v: &Value) -> bool {
    v.get("list").is_some_and(Value::is_array) && v.get("matching_attributes").is_some()
}

/// Kinds of an attribute that lists are about.
fn kinds_of(attribute: &str) -> &'static [Kind] {
    match attribute {
        "ip-src" | "ip-dst" | "ip-src|port" | "ip-dst|port" => &[Kind::Address, Kind::Network],
        "domain|ip" => &[Kind::Domain, Kind::Address, Kind::Network],
        "domain" | "hostname" => &[Kind::Domain],
        "url" | "uri" | "link" => &[Kind::Url, Kind::McpServer],
        "md5" | "filename|md5" => &[Kind::Md5, Kind::Model],
        "sha1" | "filename|sha1" => &[Kind::Sha1, Kind::Model],
        "sha256" | "filename|sha256" => &[Kind::Sha256, Kind::Model],
        "email" | "email-src" | "email-dst" => &[Kind::Email],
        "user-agent" => &[Kind::UserAgent],
        _ => &[],
    }
}

impl Warnings {
    pub(super) fn read(&mut self, path: &Path, v: &Value) -> FileReport {
        let mut report = FileReport { path: path.into(), format: FORMAT, ..FileReport::default() };
        let kind = v.get("type").and_then(Value::as_str).unwrap_or("string");
        let strings =
            |key: &str| v.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let kinds = strings("matching_attributes").flat_map(kinds_of).fold(0, |k, x| k | 1 << *x as u32);
        let name = v.get("name").and_then(Value::as_str).unwrap_or("").to_string();
        let mut list = List {
            name,
            kinds,
            networks: None,
            values: HashSet::new(),
            suffix: kind == "hostname",
            parts: Vec::new(),
        };
        let mut networks = Vec::new();
        for value in strings("list") {
            report.see(kind);
            match kind {
                "cidr" => match Prefix::parse(value) {
                    Some(p) => networks.push((p, 1)),
                    None => report.unused(kind, super::MALFORMED),
                },
                "string" | "hostname" => {
                    list.values.insert(value.trim_start_matches('.').to_ascii_lowercase());
                }
                "substring" => list.parts.push(value.to_ascii_lowercase()),
                _ => report.unused(kind, "patterns of warning lists are not compared"),
            }
        }
        if kinds == 0 {
            report.unused("list", "it is about no indicator that a packet says");
        }
        if !networks.is_empty() {
            list.networks = Some(Networks::new(networks));
        }
        self.0.push(list);
        report
    }

    /// The list that names a value.
    pub(super) fn holds(&self, kind: Kind, value: &str) -> Option<&str> {
        self.0.iter().find(|l| l.kinds >> kind as u32 & 1 == 1 && l.has(kind, value)).map(|l| l.name.as_str())
    }
}

impl List {
    fn has(&self, kind: Kind, value: &str) -> bool {
        if let (Some(n), Kind::Address | Kind::Network) = (&self.networks, kind) {
            let addr = value.split('/').next().unwrap_or(value);
            return match addr.parse::<std::net::IpAddr>() {
                Ok(std::net::IpAddr::V4(a)) => n.find(&Addr::v4(a.octets()), false) != 0,
                Ok(std::net::IpAddr::V6(a)) => n.find(&Addr(a.octets()), true) != 0,
                Err(_) => false,
            };
        }
        if self.values.is_empty() && self.parts.is_empty() {
            return false;
        }
        let lower = value.trim().to_ascii_lowercase();
        if self.parts.iter().any(|p| lower.contains(p.as_str())) {
            return true;
        }
        let host = match kind {
            Kind::Url | Kind::McpServer => {
                let rest = lower.split_once("://").map_or(lower.as_str(), |u| u.1);
                rest.split(['/', '?', '#', ':']).next().unwrap_or(rest)
            }
            _ => lower.trim_end_matches('.'),
        };
        if self.values.contains(&lower) {
            return true;
        }
        // A whole host that is harmless does not make each of its pages harmless, but a list of hosts says so.
        let mut rest = if self.suffix || kind == Kind::Domain { host } else { return false };
        loop {
            if self.values.contains(rest) {
                return true;
            }
            match rest.split_once('.') {
                Some((_, next)) if self.suffix => rest = next,
                _ => return false,
            }
        }
    }
}
