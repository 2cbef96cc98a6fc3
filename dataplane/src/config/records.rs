//! Settings of protocol records: what stands below a protocol's name among the types of an `eve-log` goes in,
//! [`RecordSettings`] come out. Only what the protocol's records heed is read; the rest is named as no setting.

use super::eve::{Xff, xff};
use super::yaml::{ConfigError, Node};

/// Settings of a protocol record that the parsers' loggers heed.
#[derive(Clone, Debug, Default)]
pub struct RecordSettings {
    pub extended: bool,
    /// Names of extra fields (`custom`).
    pub custom: Vec<String>,
    /// `http: dump-all-headers: both|request|response`.
    pub dump_headers: [bool; 2],
    /// `dns`: requests, responses.
    pub requests: bool,
    pub responses: bool,
    /// `dns`: record types wanted; empty is all.
    pub dns_types: Vec<String>,
    /// `dns`: `detailed` and `grouped`.
    pub dns_formats: [bool; 2],
    /// `dns: version`.
    pub version: Option<u8>,
    /// What people and programs said, not only how much of it.
    pub content: Content,
    /// `websocket`: `payload-base64`, `payload-printable`.
    pub payload: [bool; 2],
    /// `mqtt`, `pgsql`: `passwords`; `None`: as the protocol does by itself.
    pub passwords: Option<bool>,
    /// `mqtt`: `string-log-limit`, bytes.
    pub string_limit: Option<u64>,
    pub xff: Option<Xff>,
}

/// `content` of a record: `no` (the default), `hash`, `yes`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Content {
    #[default]
    No,
    Hash,
    Yes,
}

impl Content {
    /// `hash` is for `ai`; others show nothing then, which is told.
    fn read(name: &str, t: &Node, told: &mut Vec<String>) -> Result<Self, ConfigError> {
        let on = t.child("content");
        let hash = on.filter(|c| c.val.as_deref().is_some_and(|v| v.trim().eq_ignore_ascii_case("hash")));
        if let Some(c) = hash {
            if name == "ai" {
                return Ok(Content::Hash);
            }
            told.push(c.odd("`hash` is for `ai`; no texts are shown"));
            return Ok(Content::No);
        }
        Ok(if t.flag("content")? == Some(true) { Content::Yes } else { Content::No })
    }
}

impl RecordSettings {
    /// Whether an optional part of the record is asked for: see [`tidegate_core::event::Fields::wants`].
    pub fn wants(&self, option: &str) -> bool {
        match option {
            "extended" => self.extended,
            "custom" => !self.custom.is_empty(),
            "dump-all-headers.request" => self.dump_headers[0],
            "dump-all-headers.response" => self.dump_headers[1],
            "formats.detailed" => self.dns_formats[0],
            "formats.grouped" => self.dns_formats[1],
            "payload-base64" => self.payload[0],
            "payload-printable" => self.payload[1],
            "content" => self.content == Content::Yes,
            "passwords.yes" => self.passwords == Some(true),
            "passwords.no" => self.passwords == Some(false),
            "content.hash" => self.content == Content::Hash,
            "version.2" => self.version == Some(2),
            o => o.strip_prefix("custom.").is_some_and(|name| self.custom.iter().any(|c| c == name)),
        }
    }

    /// A number of the settings: see [`tidegate_core::event::Fields::limit`].
    pub fn limit(&self, option: &str) -> Option<u64> {
        if option == "string-log-limit" { self.string_limit } else { None }
    }
}

impl RecordSettings {
    /// Reads what the protocol's records heed; the rest is left unread, and named as no setting.
    pub(super) fn read(name: &str, t: &Node, unknown: &mut Vec<String>) -> Result<Self, ConfigError> {
        let is = |names: &[&str]| names.contains(&name);
        let mut r =
            RecordSettings { requests: true, responses: true, dns_formats: [true, true], ..Self::default() };
        if is(&["http", "tls", "smtp", "rdp", "ike", "dhcp"]) {
            r.extended = t.flag("extended")?.unwrap_or(false);
        }
        if is(&["http", "tls", "smtp"]) {
            r.custom = customs(name, t, unknown);
        }
        if name == "http" {
            const WORDS: [&str; 4] = ["none", "both", "request", "response"];
            let dump = t.one_of("dump-all-headers", &WORDS)?.unwrap_or("none");
            r.dump_headers = [matches!(dump, "both" | "request"), matches!(dump, "both" | "response")];
            r.xff = xff(t)?;
        }
        if is(&["dns", "mdns"]) {
            r.requests = t.flag("requests")?.or(t.flag("query")?).unwrap_or(true);
            r.responses = t.flag("responses")?.or(t.flag("answer")?).unwrap_or(true);
            let kind = |w: &str| tidegate_core::app::dns::message::kind_number(w).is_some();
            r.dns_types = words(t, "types", kind, "no type of DNS records (a, aaaa, mx, txt, …)")?;
            let form = |w: &str| matches!(w, "detailed" | "grouped");
            let formats = words(t, "formats", form, "none of detailed, grouped")?;
            if !formats.is_empty() {
                r.dns_formats = ["detailed", "grouped"].map(|f| formats.iter().any(|x| x == f));
            }
            r.version = match t.number("version")? {
                None if name == "dns" => {
                    std::env::var("SURICATA_EVE_DNS_VERSION").ok().and_then(|v| v.parse().ok())
                }
                Some(version @ 2..=3) => Some(version),
                Some(other) => {
                    let n = t.at("version").unwrap_or(t);
                    return Err(n.wrong(format!("`{other}` is none of 2, 3")));
                }
                None => None,
            };
        }
        if is(&["ai", "redis", "websocket"]) {
            r.content = Content::read(name, t, unknown)?;
        }
        if name == "websocket" {
            r.payload =
                [t.flag("payload-base64")?.unwrap_or(false), t.flag("payload-printable")?.unwrap_or(false)];
        }
        if is(&["mqtt", "pgsql"]) {
            r.passwords = t.flag("passwords")?;
        }
        if name == "mqtt" {
            r.string_limit = t.size("string-log-limit")?;
        }
        Ok(r)
    }
}

/// The words of a list, in lower case; one that is not `known` is an error, which says what it is.
fn words(t: &Node, key: &str, known: fn(&str) -> bool, not: &str) -> Result<Vec<String>, ConfigError> {
    let Some(list) = t.child(key) else { return Ok(Vec::new()) };
    let word = |(written, item): (&str, &Node)| {
        let word = written.trim().to_ascii_lowercase();
        if known(&word) { Ok(word) } else { Err(item.wrong(format!("`{written}` is {not}"))) }
    };
    list.texts().map(word).collect()
}

/// Members of `custom` of TLS' records.
const TLS_CUSTOM: [&str; 20] = [
    "subject",
    "issuer",
    "subjectaltname",
    "session_resumed",
    "serial",
    "fingerprint",
    "sni",
    "version",
    "not_before",
    "not_after",
    "certificate",
    "chain",
    "ja3",
    "ja3s",
    "ja4",
    "client",
    "client_certificate",
    "client_chain",
    "client_alpns",
    "server_alpns",
];
/// Those of mails.
const SMTP_CUSTOM: [&str; 16] = [
    "received",
    "bcc",
    "reply-to",
    "subject",
    "date",
    "x-mailer",
    "user-agent",
    "x-originating-ip",
    "in-reply-to",
    "references",
    "importance",
    "priority",
    "sensitivity",
    "organization",
    "content-md5",
    "message-id",
];

/// The list `custom`, spelled as parsers ask for its members; names that no record has are told.
fn customs(name: &str, t: &Node, unknown: &mut Vec<String>) -> Vec<String> {
    let Some(list) = t.child("custom") else { return Vec::new() };
    let mut out = Vec::new();
    for (written, item) in list.texts() {
        let word = written.to_ascii_lowercase();
        let (word, known) = match name {
            "tls" => {
                let known = TLS_CUSTOM.contains(&word.as_str());
                (word, known)
            }
            "smtp" => {
                let word = word.replace('_', "-");
                let known = SMTP_CUSTOM.contains(&word.as_str());
                (word, known)
            }
            _ => {
                let word = word.replace('_', "-");
                let known = tidegate_core::app::http::is_custom(&word);
                (word, known)
            }
        };
        if known {
            out.push(word);
        } else {
            let what = format!("records of {name} have no such field");
            unknown.push(item.odd_as(&format!("{}: {written}", list.path), &what));
        }
    }
    out
}
