//! What an event says that a story is made of.
//!
//! In: an EVE event as JSON. Out: a [`Finding`]: which host it is about, who the other end is, what was found, the
//! techniques that rules and intelligence name, and masked evidence.
//!
//! The host of a finding is the end at home (`HOME_NET`), when only one is. When both or none are, it is the end that has
//! a story already, the server first; else the server. A question for a name is its client's, because resolvers serve all.

use std::net::IpAddr;

use serde_json::Value;
use tidegate_core::rules::ir::AddrSet;

use super::mask::masked;

/// Bytes of a text that are kept.
pub(super) const TEXT: usize = 160;
/// Values of a list that are kept.
const LIST: usize = 8;

/// What kind of event a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Alert,
    Intel,
    Policy,
    Service,
    Call,
}

impl Kind {
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Alert => "alert",
            Kind::Intel => "intel",
            Kind::Policy => "policy",
            Kind::Service => "service",
            Kind::Call => "call",
        }
    }
}

/// Which addresses are home.
#[derive(Clone, Copy, Debug)]
pub struct Home<'a>(pub Option<&'a AddrSet>);

impl Home<'_> {
    fn has(self, address: &str) -> bool {
        let Ok(ip) = address.parse::<IpAddr>() else { return false };
        match (ip, self.0) {
            (IpAddr::V4(a), Some(set)) => set.has_v4(a.to_bits()),
            (IpAddr::V6(a), Some(set)) => set.has_v6(a.to_bits()),
            (IpAddr::V4(a), None) => a.is_private() || a.is_loopback() || a.is_link_local(),
            (IpAddr::V6(a), None) => a.is_unique_local() || a.is_loopback() || a.is_unicast_link_local(),
        }
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Finding {
    pub kind: Kind,
    /// Nanoseconds since the epoch.
    pub ns: u64,
    pub host: String,
    pub peer: Option<String>,
    /// Whether the host was the client.
    pub client: bool,
    pub flow: Option<u64>,
    /// What makes it another step than others of its host.
    pub key: String,
    /// In words, from rules and from this program, never from the traffic.
    pub what: String,
    pub signature: Option<u64>,
    /// 1 is worst, as in alerts.
    pub severity: u8,
    /// What was done: `allowed`, `blocked`, `drop`, …
    pub action: String,
    pub risks: Vec<String>,
    pub attack: Vec<String>,
    pub atlas: Vec<String>,
    pub owasp: Vec<String>,
    /// What the traffic said, by name; secrets are masked.
    pub evidence: Vec<(&'static str, String)>,
}

/// Whether a line can be an event of interest, before it is read: the type stands near its beginning.
pub(super) fn may_matter(line: &[u8]) -> bool {
    let head = line.get(..512).unwrap_or(line);
    const NAME: &[u8] = b"\"event_type\":\"";
    let Some(at) = head.windows(NAME.len()).position(|w| w == NAME) else { return false };
    let kind = head.get(at + NAME.len()..).unwrap_or_default();
    [&b"alert\""[..], b"policy\"", b"ai_service\"", b"ai\""].iter().any(|k| kind.starts_with(k))
}

/// Nanoseconds since the epoch of an EVE time: `2026-01-05T09:00:03.611200+0000`.
pub fn nanoseconds(text: &str) -> Option<u64> {
    let (stamp, zone) = text.split_at_checked(text.len().checked_sub(5)?)?;
    let (hours, minutes) = zone.split_at_checked(3)?;
    let whole = format!("{stamp}{hours}:{minutes}");
    let t: jiff::Timestamp = whole.parse().ok()?;
    u64::try_from(t.as_nanosecond()).ok()
}

/// The two ends of an event, client first.
struct Two<'a> {
    client: &'a str,
    server: &'a str,
}

fn ends(e: &Value) -> Option<Two<'_>> {
    let (src, dst) = (e["src_ip"].as_str()?, e["dest_ip"].as_str()?);
    // Alerts have the addresses of their packet.
    let flow = &e["flow"];
    if let (Some(client), Some(server)) = (flow["src_ip"].as_str(), flow["dest_ip"].as_str()) {
        return Some(Two { client, server });
    }
    let back = e["direction"] == "to_client";
    Some(if back { Two { client: dst, server: src } } else { Two { client: src, server: dst } })
}

/// Which of the ends the finding is about; `true`: the client.
fn is_about_client(e: &Value, t: &Two<'_>, home: Home<'_>, known: &dyn Fn(&str) -> bool) -> bool {
    match (home.has(t.client), home.has(t.server)) {
        (true, false) => true,
        (false, true) => false,
        _ if e["app_proto"] == "dns" || e["dns"].is_object() => true,
        _ => !known(t.server) && known(t.client),
    }
}

fn text(v: &Value) -> Option<String> {
    let s = v.as_str().filter(|s| !s.is_empty())?;
    Some(masked(s, TEXT))
}

/// Words of a list, which rules and intelligence wrote.
fn words(v: &Value, out: &mut Vec<String>) {
    for w in v.as_array().into_iter().flatten().filter_map(Value::as_str) {
        if out.len() < LIST && w.len() <= TEXT && !out.iter().any(|o| o == w) {
            out.push(w.to_string());
        }
    }
}

impl Finding {
    /// What `event` says, if anything. `known`: a host that has a story.
    pub fn of(event: &Value, home: Home<'_>, known: &dyn Fn(&str) -> bool) -> Option<Finding> {
        let kind = match event["event_type"].as_str()? {
            "alert" if event["intel"].is_object() => Kind::Intel,
            "alert" => Kind::Alert,
            "policy" => Kind::Policy,
            "ai" => Kind::Call,
            "ai_service" => return service(event),
            _ => return None,
        };
        let two = ends(event)?;
        let client = is_about_client(event, &two, home, known);
        let (host, peer) = if client { (two.client, two.server) } else { (two.server, two.client) };
        let mut f = Finding {
            kind,
            ns: nanoseconds(event["timestamp"].as_str()?)?,
            host: host.to_string(),
            peer: Some(peer.to_string()),
            client,
            flow: event["flow_id"].as_u64(),
            key: String::new(),
            what: String::new(),
            signature: None,
            severity: 3,
            action: String::new(),
            risks: Vec::new(),
            attack: Vec::new(),
            atlas: Vec::new(),
            owasp: Vec::new(),
            evidence: evidence(event),
        };
        match kind {
            Kind::Alert | Kind::Intel => f.alert(event)?,
            Kind::Policy => f.policy(event)?,
            _ => f.call(event),
        }
        Some(f)
    }

    fn alert(&mut self, e: &Value) -> Option<()> {
        let a = &e["alert"];
        self.signature = Some(a["signature_id"].as_u64()?);
        self.what = a["signature"].as_str()?.chars().take(TEXT).collect();
        self.severity = a["severity"].as_u64().map_or(3, |s| s.clamp(1, 255) as u8);
        self.action = a["action"].as_str().unwrap_or_default().to_string();
        let m = &a["metadata"];
        words(&m["ai_risk"], &mut self.risks);
        words(&m["atlas"], &mut self.atlas);
        for key in ["mitre_tactic_id", "mitre_technique_id"] {
            words(&m[key], &mut self.attack);
        }
        for key in ["owasp_llm", "owasp_mcp"] {
            words(&m[key], &mut self.owasp);
        }
        words(&e["intel"]["attack"], &mut self.attack);
        self.key = format!("{}:{}", a["gid"].as_u64().unwrap_or(1), self.signature.unwrap_or(0));
        if self.kind == Kind::Intel {
            self.key += &format!(":{}", e["intel"]["indicator"].as_str().unwrap_or_default());
        }
        Some(())
    }

    fn policy(&mut self, e: &Value) -> Option<()> {
        let p = &e["policy"];
        let action = p["action"].as_str()?;
        if action == "allow" {
            return None;
        }
        self.action = action.to_string();
        self.severity = if action == "watch" { 3 } else { 2 };
        let word = |key: &str| p[key].as_str().unwrap_or("?").chars().take(TEXT).collect::<String>();
        self.what = match p["line"].as_u64() {
            Some(line) => format!("policy line {line}: {action} {} -> {}", word("from"), word("to")),
            None => format!("policy default: {action} {} -> {}", word("from"), word("to")),
        };
        self.key = format!("{}:{}", self.what, self.peer.as_deref().unwrap_or_default());
        Some(())
    }

    /// A call of a model; how much it looks like an attack is evidence.
    fn call(&mut self, e: &Value) {
        let a = &e["ai"];
        let word = |v: &Value| v.as_str().unwrap_or("?").to_string();
        self.what = format!("call: {} {}", word(&a["provider"]), word(&a["operation"]));
        words(&a["risk"]["families"], &mut self.risks);
        self.key = format!("{}:{}", self.what, self.peer.as_deref().unwrap_or_default());
    }
}

/// A service that answers strangers.
fn service(e: &Value) -> Option<Finding> {
    let s = &e["ai_service"];
    let exposed = s["exposed"].as_object()?;
    // It is told again at the end, with sums; that is no new finding.
    if s["told"] != "changed" {
        return None;
    }
    let port = s["port"].as_u64().unwrap_or(0);
    let to = exposed.get("to").and_then(Value::as_str).unwrap_or("somebody");
    let mut evidence = Vec::new();
    for (name, key) in [("proof", "proof"), ("client", "client")] {
        evidence.extend(exposed.get(key).and_then(text).map(|t| (name, t)));
    }
    Some(Finding {
        kind: Kind::Service,
        ns: nanoseconds(e["timestamp"].as_str()?)?,
        host: s["address"].as_str()?.to_string(),
        peer: exposed.get("client").and_then(Value::as_str).map(str::to_string),
        client: false,
        flow: None,
        key: format!("exposed:{port}"),
        what: format!("AI service on port {port} answers clients {to} without a credential"),
        signature: None,
        severity: if to == "outside" { 1 } else { 2 },
        action: "allowed".into(),
        risks: vec!["exposed_service".into()],
        attack: Vec::new(),
        atlas: Vec::new(),
        owasp: Vec::new(),
        evidence,
    })
}

/// Values of the traffic that say most about an event.
const EVIDENCE: [(&str, &str); 21] = [
    ("hostname", "/http/hostname"),
    ("url", "/http/url"),
    ("user_agent", "/http/http_user_agent"),
    ("rrname", "/dns/queries/0/rrname"),
    ("sni", "/tls/sni"),
    ("sni", "/quic/sni"),
    ("operation", "/ai/operation"),
    ("model", "/ai/request/model"),
    ("path", "/ai/request/path"),
    ("credential", "/ai/request/credential"),
    ("tool", "/ai/request/tool"),
    ("where", "/intel/where"),
    ("indicator", "/intel/indicator"),
    ("indicator_source", "/intel/source"),
    ("sni", "/policy/sni"),
    ("model", "/policy/model"),
    ("tool", "/policy/tool"),
    ("file", "/files/0/filename"),
    ("artifact", "/artifact/verdict"),
    ("process", "/context/client/process/name"),
    ("server_process", "/context/server/process/name"),
];
/// Values that are kept of one step.
const MOST: usize = 8;

fn evidence(e: &Value) -> Vec<(&'static str, String)> {
    let mut out: Vec<(&'static str, String)> = Vec::new();
    for (name, at) in EVIDENCE {
        if out.len() < MOST
            && !out.iter().any(|(n, _)| *n == name)
            && let Some(t) = e.pointer(at).and_then(text)
        {
            out.push((name, t));
        }
    }
    let data = e.pointer("/ai/risk/data").and_then(Value::as_array).into_iter().flatten();
    let data: Vec<&str> = data.filter_map(Value::as_str).take(LIST).collect();
    if !data.is_empty() && out.len() < MOST {
        out.push(("data", data.join(", ")));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn times_have_their_zone() {
        assert_eq!(nanoseconds("1970-01-01T00:00:01.000002+0000"), Some(1_000_002_000));
        assert_eq!(nanoseconds("1970-01-01T02:00:01.000000+0200"), Some(1_000_000_000));
        for bad in ["", "+0000", "1970-01-01", "2026-13-05T09:00:03.611200+0000", "x€€€x"] {
            assert_eq!(nanoseconds(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_host_is_the_one_at_home_or_the_server() {
        let event = |client: &str, server: &str, app: &str| {
            json!({"timestamp": "1970-01-01T00:00:01.000000+0000", "event_type": "alert", "src_ip": client,
                   "dest_ip": server, "app_proto": app, "direction": "to_server",
                   "alert": {"signature_id": 1, "signature": "x", "gid": 1}})
        };
        let host = |e: &Value, known: &str| {
            Finding::of(e, Home(None), &|h| h == known).map(|f| f.host).unwrap_or_default()
        };
        assert_eq!(host(&event("203.0.113.1", "10.0.0.1", "http"), ""), "10.0.0.1");
        assert_eq!(host(&event("10.0.0.1", "203.0.113.1", "tls"), ""), "10.0.0.1");
        assert_eq!(host(&event("10.0.0.1", "10.0.0.2", "http"), ""), "10.0.0.2");
        assert_eq!(host(&event("10.0.0.1", "10.0.0.2", "http"), "10.0.0.1"), "10.0.0.1");
        assert_eq!(host(&event("10.0.0.1", "10.0.0.2", "dns"), ""), "10.0.0.1");
        assert_eq!(host(&event("fd00::1", "2001:db8::1", "http"), ""), "fd00::1");
    }

    #[test]
    fn secrets_of_the_traffic_are_masked() {
        let e = json!({"timestamp": "1970-01-01T00:00:01.000000+0000", "event_type": "alert", "src_ip": "10.0.0.1",
            "dest_ip": "10.0.0.2", "http": {"url": "/x?api_key=sk-proj-4f9Qm2ZtWc8LrXv6Kd3HbN7YpG1JsUeA5T"},
            "alert": {"signature_id": 1, "signature": "x"}});
        let f = Finding::of(&e, Home(None), &|_| false).unwrap();
        let (_, url) = f.evidence.iter().find(|(n, _)| *n == "url").unwrap();
        assert!(!url.contains("Qm2ZtWc8"), "{url}");
        assert!(url.starts_with("/x?api_"), "{url}");
    }
}
