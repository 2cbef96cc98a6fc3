//! `tidegate policy learn`: a capture goes in, a proposal comes out: who talked to whom, by which protocol, model and tool, with
//! counts and times. What was rare, or never answered, is left out and named. Owns what it counts; takes memory as it likes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::Path;

use tidegate_core::Dir;
use tidegate_core::app::{Buffer, BufferAt, TxView};
use tidegate_core::event::{Event, EventSink};
use tidegate_core::flow::{FlowView, Key};
use tidegate_core::policy::{Ends, Policy, Source};
use tidegate_core::pool::Scratch;

use super::super::run::grouped;
use super::captures::{ip, replay};
use crate::policy;

/// Server ports of one kind of traffic beyond which it has no port of its own.
const PORTS: usize = 8;
/// The same where nothing but the port says what it is.
const MOST_PORTS: usize = 64;
/// Bytes of a name in a proposal.
const NAME: usize = 200;

/// Who talked to whom, and how.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Edge {
    from: String,
    to: String,
    proto: String,
    app: String,
}

/// What was seen of an edge.
#[derive(Default)]
struct Seen {
    flows: u64,
    first: u64,
    last: u64,
    ports: BTreeSet<u16>,
    calls: BTreeMap<String, Operation>,
    /// Flows of which every request was a call.
    called: u64,
}

/// Calls of one operation.
#[derive(Default)]
struct Operation {
    calls: u64,
    models: Names,
    tools: Names,
    /// Calls with a credential.
    proven: u64,
}

/// Names, and how many calls had one.
#[derive(Default)]
struct Names {
    all: BTreeSet<String>,
    had: u64,
}

impl Names {
    fn add(&mut self, name: Option<String>) {
        self.had += u64::from(name.is_some());
        self.all.extend(name);
    }

    /// `, models: […]`, where every call had one.
    fn shown(&self, key: &str, calls: u64) -> String {
        if self.had == calls { format!(", {key}: {}", quoted(&self.all)) } else { String::new() }
    }
}

/// Calls of a flow, and requests of HTTP.
#[derive(Default)]
struct Calls {
    all: Vec<[Option<String>; 4]>,
    requests: usize,
}

struct Learner {
    /// Segments that are given; else networks are made of the addresses.
    given: Option<(Source, std::sync::Arc<Policy>)>,
    edges: BTreeMap<Edge, Seen>,
    segments: BTreeMap<String, String>,
    calls: HashMap<u64, Calls>,
    flows: u64,
    unanswered: u64,
}

/// Names of the wire as they may stand in a proposal: `*` would mean anything there.
fn plain(v: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(v).replace('*', "?");
    (!text.is_empty() && text.len() <= NAME && !text.chars().any(char::is_control)).then_some(text)
}

fn value(t: &TxView<'_>, name: &str) -> Option<String> {
    let local = t.proto.def().buffers.iter().position(|b| b.name == name)?;
    let mut scratch = Scratch::new(1024);
    let at =
        BufferAt { local: local as u8, dir: Dir::ToServer, index: 0, pool: t.pool, scratch: &mut scratch };
    match t.parser.buffer(t.state, t.tx, at) {
        Buffer::Data { bytes, .. } => plain(bytes),
        _ => None,
    }
}

/// An address of one's own: private, or link-local.
fn is_private(a: IpAddr) -> bool {
    match a {
        IpAddr::V4(a) => {
            a.is_private()
                || a.is_link_local()
                || a.is_loopback()
                || (a.octets()[0] == 100 && a.octets()[1] & 0xc0 == 64)
        }
        IpAddr::V6(a) => {
            a.segments()[0] & 0xfe00 == 0xfc00 || a.segments()[0] & 0xffc0 == 0xfe80 || a.is_loopback()
        }
    }
}

/// The name and the network of the segment that is made for an address.
fn made(a: IpAddr) -> (String, String) {
    if !is_private(a) {
        return ("outside".into(), "any".into());
    }
    match a {
        IpAddr::V4(a) => {
            let [x, y, z, _] = a.octets();
            (format!("net-{x}-{y}-{z}"), format!("{x}.{y}.{z}.0/24"))
        }
        IpAddr::V6(a) => {
            let [x, y, z, w, ..] = a.segments();
            (format!("net-{x:x}-{y:x}-{z:x}-{w:x}"), format!("{x:x}:{y:x}:{z:x}:{w:x}::/64"))
        }
    }
}

impl Learner {
    fn segment(&mut self, e: &Ends, k: &Key, to: bool) -> String {
        if let Some((_, p)) = &self.given {
            let at = p.place(e);
            return p.segment(if to { at.to } else { at.from }).to_string();
        }
        let (name, network) = made(ip(if to { &k.dst } else { &k.src }, k.v6));
        self.segments.insert(name.clone(), network);
        name
    }

    fn flow(&mut self, f: &FlowView<'_>) {
        self.flows += 1;
        let k = f.key();
        let calls = self.calls.remove(&f.id()).unwrap_or_default();
        if matches!(k.proto, 6 | 17) && f.pkts(Dir::ToClient) == 0 {
            self.unanswered += 1;
            return;
        }
        let vlan = (k.vlans > 0).then_some(k.vlan[0]);
        let e = Ends {
            src: k.src,
            dst: k.dst,
            v6: k.v6,
            proto: k.proto,
            port: k.dp,
            vlan,
            vni: None,
            ts: f.start(),
        };
        let proto = crate::eve::protocol(k.proto).map_or(k.proto.to_string(), str::to_ascii_lowercase);
        let proto = if proto.starts_with("ipv6-icmp") { "icmpv6".into() } else { proto };
        let known = f.extra.app.is_known();
        let app = if known { f.extra.app.name().to_string() } else { String::new() };
        let edge = Edge { from: self.segment(&e, k, false), to: self.segment(&e, k, true), proto, app };
        let s = self.edges.entry(edge).or_default();
        s.first = if s.flows == 0 { f.start() } else { s.first.min(f.start()) };
        s.last = s.last.max(f.last());
        s.flows += 1;
        if matches!(k.proto, 6 | 17 | 132) {
            s.ports.insert(k.dp);
        }
        s.called += u64::from(!calls.all.is_empty() && calls.all.len() >= calls.requests);
        for [operation, model, tool, credential] in calls.all {
            let o = s.calls.entry(operation.unwrap_or_default()).or_default();
            o.calls += 1;
            o.models.add(model);
            o.tools.add(tool);
            o.proven += u64::from(credential.is_some_and(|k| k != "none"));
        }
    }
}

impl EventSink for Learner {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Tx(t) if t.tx.proto.name() == "ai" => {
                let of = ["ai.operation", "ai.model", "mcp.tool", "ai.credential"].map(|n| value(&t.tx, n));
                self.calls.entry(t.flow.id()).or_default().all.push(of);
            }
            Event::Tx(t) if matches!(t.tx.proto.name(), "http" | "http2") => {
                self.calls.entry(t.flow.id()).or_default().requests += 1;
            }
            Event::Flow(f) => self.flow(&f),
            _ => {}
        }
    }
}

/// A list of names in quotes.
fn quoted(names: &BTreeSet<String>) -> String {
    let one = |n: &String| format!("\"{}\"", n.replace('\\', "\\\\").replace('"', "\\\""));
    format!("[{}]", names.iter().map(one).collect::<Vec<_>>().join(", "))
}

fn time(ns: u64) -> String {
    jiff::Timestamp::from_second((ns / 1_000_000_000) as i64).map_or_else(|_| "?".into(), |t| t.to_string())
}

fn flows(s: &Seen) -> String {
    let n = if s.flows == 1 { "1 flow".into() } else { format!("{} flows", grouped(s.flows)) };
    format!("{n}, {} to {}", time(s.first), time(s.last))
}

/// The lines of an edge: one, or one for each operation where all that was asked for were calls.
fn lines(e: &Edge, s: &Seen) -> Vec<String> {
    let mut t = format!("{{from: {}, to: {}, proto: {}", end(&e.from), end(&e.to), e.proto);
    if !s.ports.is_empty() && (s.ports.len() <= PORTS || (e.app.is_empty() && s.ports.len() <= MOST_PORTS)) {
        let ports: Vec<String> = s.ports.iter().map(u16::to_string).collect();
        let _ = write!(t, ", port: [{}]", ports.join(", "));
    }
    if !e.app.is_empty() {
        let _ = write!(t, ", app: {}", e.app);
    }
    if s.called < s.flows || s.calls.contains_key("") {
        return vec![t + "}"];
    }
    let of = |(name, o): (&String, &Operation)| {
        let name = quoted(&BTreeSet::from([name.clone()]));
        let (models, tools) = (o.models.shown("models", o.calls), o.tools.shown("tools", o.calls));
        let credential = if o.proven == o.calls { ", credential: required" } else { "" };
        format!("{t}, ai: {{operation: {name}{models}{tools}}}{credential}}}")
    };
    s.calls.iter().map(of).collect()
}

fn end(name: &str) -> String {
    if name.is_empty() { "any".into() } else { name.into() }
}

/// A proposal made of `capture`. `least`: flows below which something is rare.
pub(super) fn learn(capture: &Path, segments: Option<&Path>, least: u64) -> Result<String, String> {
    let given = match segments {
        None => None,
        Some(file) => {
            let source = policy::read(file)?;
            let compiled = policy::compile(&source, file)?;
            Some((source, compiled))
        }
    };
    let mut l = Learner {
        given,
        edges: BTreeMap::new(),
        segments: BTreeMap::new(),
        calls: HashMap::new(),
        flows: 0,
        unanswered: 0,
    };
    replay(capture, None, &mut l)?;
    Ok(l.proposal(capture, segments, least))
}

impl Learner {
    fn proposal(&self, capture: &Path, segments: Option<&Path>, least: u64) -> String {
        let mut t = format!("# Learned from {} flows of {}.\n", grouped(self.flows), capture.display());
        t += "# Read it before it is used: what was bad when it was learned is allowed here, too.\n";
        match segments {
            Some(f) => {
                let _ = writeln!(t, "# Segments are those of {}: put them here.", f.display());
            }
            None => {
                t += "segments:\n";
                for (name, network) in &self.segments {
                    let _ = writeln!(t, "  {name}: {{addresses: {network}}}");
                }
            }
        }
        t += "allow:\n";
        let (common, rare): (Vec<_>, Vec<_>) = self.edges.iter().partition(|(_, s)| s.flows >= least);
        for (e, s) in &common {
            let sure = match s.flows {
                100.. => "high",
                10.. => "medium",
                _ => "low",
            };
            let _ = writeln!(t, "  # {}; confidence {sure}", flows(s));
            lines(e, s).iter().for_each(|l| t += &format!("  - {l}\n"));
        }
        t += "default: watch\n";
        if !rare.is_empty() {
            let _ = writeln!(t, "# Left out as rare (fewer than {least} flows):");
        }
        for (e, s) in rare {
            let _ = writeln!(t, "# {}:", flows(s));
            lines(e, s).iter().for_each(|l| t += &format!("#   - {l}\n"));
        }
        if self.unanswered > 0 {
            let _ = writeln!(t, "# Left out because nobody answered: {} flows.", grouped(self.unanswered));
        }
        t
    }
}
