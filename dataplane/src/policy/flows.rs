//! Flows as text: `10.0.0.5:40000 10.1.0.9:443 tcp app=http model=llama-3` goes in, what a policy is asked comes out. For
//! explanations and tests of policies.

use std::net::IpAddr;

use tidegate_core::packet::Addr;
use tidegate_core::policy::{Call, Ends, Facts, Know};

use super::read;

/// A flow, with what is said to be known of it.
#[derive(Clone, Debug)]
pub struct Flow {
    pub ends: Ends,
    app: Option<u64>,
    /// Values by the name of what they are.
    said: Vec<(&'static str, String)>,
}

/// What may be said of a flow after its ends.
const WORDS: [&str; 11] =
    ["app", "sni", "provider", "operation", "model", "tool", "credential", "vlan", "vni", "time", "call"];
const EXPECTED: &str = "expected SOURCE:PORT DESTINATION:PORT PROTOCOL, and then what is known: app=NAME, sni=NAME, provider=NAME, \
    operation=NAME, model=NAME, tool=NAME, credential=KIND, call=none, vlan=N, vni=N, time=SECONDS";

fn end(text: &str) -> Option<(IpAddr, u16)> {
    if let Ok(a) = text.parse::<std::net::SocketAddr>() {
        return Some((a.ip(), a.port()));
    }
    text.trim_matches(['[', ']']).parse().ok().map(|ip| (ip, 0))
}

fn addr(ip: IpAddr) -> Addr {
    match ip {
        IpAddr::V4(a) => Addr::v4(a.octets()),
        IpAddr::V6(a) => Addr(a.octets()),
    }
}

impl Flow {
    /// Reads a flow. `now`: the time when none is said, ns.
    ///
    /// # Errors
    /// What is wrong, and what was expected.
    pub fn parse(text: &str, now: u64) -> Result<Flow, String> {
        let mut words = text.split_whitespace();
        let wrong = |what: &str| format!("{what}; {EXPECTED}");
        let mut next = |what: &str| words.next().ok_or_else(|| wrong(&format!("`{text}` has no {what}")));
        let (src, dst, proto) = (next("source")?, next("destination")?, next("protocol")?);
        let ((src, _), (dst, port)) = match (end(src), end(dst)) {
            (Some(a), Some(b)) => (a, b),
            (None, _) => return Err(wrong(&format!("`{src}` is not an address with a port"))),
            _ => return Err(wrong(&format!("`{dst}` is not an address with a port"))),
        };
        if src.is_ipv4() != dst.is_ipv4() {
            return Err(wrong("the addresses are of different families"));
        }
        let proto =
            read::proto_of(proto).ok_or_else(|| wrong(&format!("`{proto}` is not an IP protocol")))?;
        let (src, dst, v6) = (addr(src), addr(dst), src.is_ipv6());
        let ends = Ends { src, dst, v6, proto, port, vlan: None, vni: None, ts: now };
        let mut flow = Flow { ends, app: None, said: Vec::new() };
        for word in words {
            let said = word.split_once('=').ok_or_else(|| wrong(&format!("`{word}` is not NAME=VALUE")))?;
            flow.say(said.0, said.1).map_err(|e| wrong(&e))?;
        }
        Ok(flow)
    }

    /// Adds something that is known.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn say(&mut self, name: &str, value: &str) -> Result<(), String> {
        let known = WORDS.iter().find(|w| **w == name).ok_or_else(|| format!("`{name}` is not known"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("`{value}` is not a number"));
        match *known {
            "app" => {
                self.app = Some(
                    read::app_of(value)
                        .ok_or_else(|| format!("there is no application protocol `{value}`"))?,
                );
            }
            "vlan" => self.ends.vlan = Some(number()? as u16),
            "vni" => self.ends.vni = Some(number()? as u32),
            "time" => self.ends.ts = number()?.saturating_mul(1_000_000_000),
            known => self.said.push((known, value.to_string())),
        }
        Ok(())
    }

    fn one(&self, name: &str) -> Option<&[u8]> {
        self.said.iter().find(|s| s.0 == name).map(|s| s.1.as_bytes())
    }

    /// What is known of it. What is not said may still come, or is not there once something of its kind is.
    pub fn facts(&self) -> Facts<'_> {
        let app = self.app.map_or(Know::Later, Know::Is);
        let of = |name: &str| self.one(name).map_or(Know::Absent, Know::Is);
        let any =
            ["provider", "operation", "model", "tool", "credential"].iter().any(|n| self.one(n).is_some());
        let call = Call {
            provider: of("provider"),
            operation: of("operation"),
            model: of("model"),
            tool: of("tool"),
            credential: self.one("credential").map_or(Know::Is(b"none"), Know::Is),
        };
        let sni = match (self.one("sni"), app) {
            (Some(v), _) => Know::Is(v),
            (None, Know::Later) => Know::Later,
            _ => Know::Absent,
        };
        let call = match (any, self.one("call").is_some(), app) {
            (true, ..) => Know::Is(call),
            (false, true, _) => Know::Absent,
            (_, _, Know::Is(_)) if !self.carries() => Know::Absent,
            _ => Know::Later,
        };
        Facts { app, sni, call }
    }

    fn carries(&self) -> bool {
        let bits =
            ["http", "http2", "websocket"].iter().filter_map(|n| read::app_of(n)).fold(0, |a, b| a | b);
        self.app.is_none_or(|a| a & bits != 0)
    }
}
