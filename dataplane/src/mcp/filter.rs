//! Which events a question wants.
//!
//! In: arguments of a tool. Out: yes or no for a line. Most lines are refused by their bytes, before they are read as JSON.

use std::net::IpAddr;

use memchr::memmem;
use serde_json::{Value, json};

use super::args::Args;
use crate::incident::nanoseconds;

/// Names of the arguments that make a filter.
pub const NAMES: [&str; 9] =
    ["types", "host", "port", "flow_id", "signature_id", "risk", "text", "from", "to"];

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    types: Vec<String>,
    host: Option<IpAddr>,
    port: Option<u64>,
    flow: Option<u64>,
    signature: Option<u64>,
    risk: Option<String>,
    text: Option<String>,
    from: Option<u64>,
    to: Option<u64>,
}

/// Properties of the arguments, for schemas.
pub fn properties() -> Value {
    json!({
        "types": {"type": "array", "items": {"type": "string"}, "maxItems": 32,
            "description": "Event types: alert, ai, http, dns, tls, flow, policy, incident, ai_service, fileinfo, …"},
        "host": {"type": "string", "description": "Address that is an end of the event"},
        "port": {"type": "integer", "description": "Port of either end"},
        "flow_id": {"type": ["integer", "string"], "description": "Number of the flow; as text where numbers lose digits"},
        "signature_id": {"type": "integer", "description": "Alerts of this rule"},
        "risk": {"type": "string", "description": "Alerts whose rule names this ai_risk, as prompt_injection"},
        "text": {"type": "string", "description": "Text that the event has somewhere, to the letter"},
        "from": {"type": "string", "description": "Not before this time (ISO 8601 with a zone)"},
        "to": {"type": "string", "description": "Before this time"},
    })
}

impl Filter {
    pub fn of(a: &Args<'_>) -> Result<Filter, String> {
        let host =
            a.text("host")?.map(|t| t.parse::<IpAddr>().map_err(|_| "`host` is an address".to_string()));
        let f = Filter {
            types: a.texts("types")?.into_iter().map(str::to_string).collect(),
            host: host.transpose()?,
            port: a.number("port")?,
            flow: a.number("flow_id")?,
            signature: a.number("signature_id")?,
            risk: a.text("risk")?.map(str::to_string),
            text: a.text("text")?.map(str::to_string),
            from: a.time("from")?,
            to: a.time("to")?,
        };
        match (f.from, f.to) {
            (Some(from), Some(to)) if from >= to => Err("`from` is before `to`".into()),
            _ => Ok(f),
        }
    }

    /// Events of these types only.
    pub fn types(types: &[&str]) -> Filter {
        Filter { types: types.iter().map(|t| t.to_string()).collect(), ..Filter::default() }
    }

    pub fn with_types(self, types: &[&str]) -> Filter {
        Filter { types: types.iter().map(|t| t.to_string()).collect(), ..self }
    }

    pub fn of_flow(flow: u64) -> Filter {
        Filter { flow: Some(flow), ..Filter::default() }
    }

    /// A number that only the same filter has, for cursors.
    pub fn print(&self) -> u64 {
        let text = format!("{self:?}");
        text.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
    }

    /// The event of a line, if it is wanted.
    pub fn event(&self, line: &[u8]) -> Option<Value> {
        if !self.may_fit(line) {
            return None;
        }
        let e: Value = serde_json::from_slice(line).ok()?;
        (e.is_object() && self.fits(&e)).then_some(e)
    }

    /// Whether an event that was read already is wanted.
    pub fn wants(&self, e: &Value) -> bool {
        self.fits(e)
    }

    /// By the bytes alone.
    fn may_fit(&self, line: &[u8]) -> bool {
        if !self.types.is_empty() && !kind(line).is_some_and(|k| self.types.iter().any(|t| t.as_bytes() == k))
        {
            return false;
        }
        let has = |text: String| memmem::find(line, text.as_bytes()).is_some();
        // IPv6 addresses have two forms in events.
        let host = self.host.filter(IpAddr::is_ipv4).is_none_or(|h| has(format!("\"{h}\"")));
        host && self.flow.is_none_or(|n| has(format!("\"flow_id\":{n}")))
            && self.signature.is_none_or(|n| has(format!("\"signature_id\":{n}")))
            && self.risk.as_ref().is_none_or(|r| has(format!("\"{r}\"")))
            && self.text.as_ref().filter(|t| is_plain(t)).is_none_or(|t| has(t.clone()))
    }

    fn fits(&self, e: &Value) -> bool {
        let ns = || e["timestamp"].as_str().and_then(nanoseconds);
        let in_time = match (self.from, self.to) {
            (None, None) => true,
            (from, to) => {
                ns().is_some_and(|t| from.is_none_or(|f| t >= f) && to.is_none_or(|until| t < until))
            }
        };
        in_time
            && self.host.is_none_or(|h| addresses(e).any(|a| a == h))
            && self.port.is_none_or(|p| ports(e).any(|x| x == p))
            && self.flow.is_none_or(|n| e["flow_id"].as_u64() == Some(n))
            && self.signature.is_none_or(|n| e["alert"]["signature_id"].as_u64() == Some(n))
            && self.risk.as_ref().is_none_or(|r| {
                let risks = [&e["alert"]["metadata"]["ai_risk"], &e["incident"]["risk"]];
                risks.into_iter().filter_map(Value::as_array).flatten().any(|x| x == r.as_str())
            })
            && self.text.as_ref().is_none_or(|t| has_text(e, t))
    }
}

/// The event's type by the bytes of its line.
pub fn kind(line: &[u8]) -> Option<&[u8]> {
    const NAME: &[u8] = b"\"event_type\":\"";
    let head = line.get(..1024).unwrap_or(line);
    let rest = head.get(memmem::find(head, NAME)? + NAME.len()..)?;
    rest.get(..memchr::memchr(b'"', rest)?)
}

fn addresses(e: &Value) -> impl Iterator<Item = IpAddr> {
    let places =
        ["/src_ip", "/dest_ip", "/ai_service/address", "/ai_service/exposed/client", "/incident/host"];
    let peers = e["incident"]["peers"].as_array().into_iter().flatten().map(|p| &p["address"]);
    let all = places.into_iter().filter_map(|p| e.pointer(p)).chain(peers);
    all.filter_map(|v| v.as_str()?.parse().ok())
}

fn ports(e: &Value) -> impl Iterator<Item = u64> {
    [&e["src_port"], &e["dest_port"], &e["ai_service"]["port"]].into_iter().filter_map(Value::as_u64)
}

/// Whether JSON has the text as it is.
fn is_plain(t: &str) -> bool {
    t.bytes().all(|b| matches!(b, b' '..=b'~') && b != b'"' && b != b'\\')
}

/// Whether a text stands in any value; not in the line, where characters are escaped.
fn has_text(e: &Value, t: &str) -> bool {
    match e {
        Value::String(s) => s.contains(t),
        Value::Array(l) => l.iter().any(|v| has_text(v, t)),
        Value::Object(m) => m.values().any(|v| has_text(v, t)),
        _ => false,
    }
}
