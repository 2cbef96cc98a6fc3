//! What policies decide on captures: the capture goes through an engine with the policy, which tells every decision.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use tidegate_core::detect::Rules;
use tidegate_core::event::{Event, EventSink, PolicyRecord};
use tidegate_core::packet::Addr;
use tidegate_core::policy::{Know, Policy};

use super::super::replay;
use super::super::run::grouped;
use super::{by, word};
use crate::config::{Overrides, Settings};
use crate::policy;

/// A decision: of the flow of that number, and of that call in it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    what: String,
    /// Decision, line and segments.
    decision: String,
    denied: bool,
    by: String,
    why: String,
}

#[derive(Default)]
struct Decisions {
    all: BTreeMap<(u64, u64), Told>,
    /// As they came.
    order: Vec<(u64, u64)>,
}

impl EventSink for Decisions {
    fn event(&mut self, _: Event<'_>) {}

    fn policy(&mut self, r: &PolicyRecord<'_>) {
        let id = r.flow.as_ref().map_or(u64::MAX - r.packet.index, |f| f.id());
        let tx = r.tx.as_ref().map_or(0, |t| t.common().shown_id + 1);
        let why = r.nearest.filter(|_| r.decision.line.is_none());
        let why = why.map_or(String::new(), |m| {
            format!("; nearest: {}, but not its {}", by(r.policy, Some(m.line)), m.not.name())
        });
        let told = Told {
            what: shown(r),
            decision: word(r.decision.act).to_string(),
            denied: r.decision.act.denies(),
            by: by(r.policy, r.decision.line),
            why,
        };
        if self.all.insert((id, tx), told).is_none() {
            self.order.push((id, tx));
        }
    }
}

pub(super) fn ip(a: &Addr, v6: bool) -> IpAddr {
    match a.0.first_chunk::<4>() {
        Some(b) if !v6 => IpAddr::from(*b),
        _ => IpAddr::from(a.0),
    }
}

/// The flow, with its segments and what was known of it.
fn shown(r: &PolicyRecord<'_>) -> String {
    let (src, sp, dst, dp, proto, v6) = match &r.flow {
        Some(f) => {
            let k = f.key();
            (k.src, k.sp, k.dst, k.dp, k.proto, k.v6)
        }
        None => (r.packet.src, r.packet.sp, r.packet.dst, r.packet.dp, r.packet.proto, r.packet.is_ipv6()),
    };
    let name = |n: u16| if n == 0 { "-" } else { r.policy.segment(n) };
    let proto = crate::eve::protocol(proto).map_or(proto.to_string(), str::to_ascii_lowercase);
    let (a, b) = (std::net::SocketAddr::new(ip(&src, v6), sp), std::net::SocketAddr::new(ip(&dst, v6), dp));
    let mut t = format!("{a} -> {b} {proto} ({} -> {})", name(r.place.from), name(r.place.to));
    if let Some(f) = r.flow.as_ref().filter(|f| f.extra.app.is_known()) {
        let _ = write!(t, " {}", f.extra.app.name());
    }
    let mut say = |name: &str, v: Know<&[u8]>| {
        if let Know::Is(v) = v {
            let _ = write!(t, " {name}={}", String::from_utf8_lossy(v).escape_debug());
        }
    };
    say("sni", r.facts.sni);
    if let Know::Is(c) = r.facts.call {
        say("operation", c.operation);
        say("model", c.model);
        say("tool", c.tool);
        say("credential", c.credential);
    }
    t
}

/// What the policy of `file` decides on `capture`, allowed flows as well.
fn decide(file: &Path, capture: &Path) -> Result<Decisions, String> {
    let mut source = policy::read(file)?;
    source.tell_allowed = true;
    let policy = policy::compile(&source, file)?;
    let mut out = Decisions::default();
    replay(capture, Some(policy), &mut out)?;
    Ok(out)
}

/// Runs a capture through an engine of its own.
pub(super) fn replay(
    capture: &Path,
    policy: Option<Arc<Policy>>,
    out: &mut dyn EventSink,
) -> Result<(), String> {
    let settings = Settings::load(None, &Overrides::default()).map_err(|e| e.to_string())?;
    let mut engine = replay::engine(&settings, Rules::default().with_policy(policy))?;
    replay::read(capture, &mut engine, out)?;
    engine.finish(out);
    Ok(())
}

pub(super) fn explain(file: &Path, capture: &Path) -> Result<String, String> {
    let d = decide(file, capture)?;
    let mut t = String::new();
    for told in d.order.iter().filter_map(|k| d.all.get(k)) {
        let _ = writeln!(t, "{:<13} {}: {}{}", told.decision, told.what, told.by, told.why);
    }
    let denied = d.all.values().filter(|t| t.denied).count();
    let _ = writeln!(t, "{} decisions, {} deny", grouped(d.all.len() as u64), grouped(denied as u64));
    Ok(t)
}

/// What changed, and whether nothing did.
pub(super) fn diff(old: &Path, new: &Path, capture: &Path) -> Result<(String, bool), String> {
    let (old, new) = (decide(old, capture)?, decide(new, capture)?);
    let (mut t, mut changed) = (String::new(), 0u64);
    let keys: std::collections::BTreeSet<_> = old.all.keys().chain(new.all.keys()).collect();
    for k in &keys {
        let (a, b) = (old.all.get(k), new.all.get(k));
        let none = || "not decided".to_string();
        let act = |t: Option<&Told>| t.map_or_else(none, |t| format!("{}, by {}", t.decision, t.by));
        if a.map(|t| &t.decision) != b.map(|t| &t.decision) {
            changed += 1;
            let what = b.or(a).map_or("", |t| t.what.as_str());
            let why = b.map_or("", |t| t.why.as_str());
            let _ = writeln!(t, "{what}\n  old  {}\n  new  {}{why}", act(a), act(b));
        }
    }
    let _ = writeln!(t, "{} of {} decisions differ", grouped(changed), grouped(keys.len() as u64));
    Ok((t, changed == 0))
}
