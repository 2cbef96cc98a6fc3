//! What playbooks do, as their files have it: an item of `do` goes in, an [`Action`] comes out, or the place of what is wrong.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use tidegate_core::response::{Effect, Kind, Never, Target};

use super::read::{flag, known, span, template};
use super::{Action, Kinds, Subject, send};
use crate::policy::tree::{self, Node, Wrong};
use crate::response::order;
use crate::response::setup::unknown;

/// Names of actions with the options that each has.
const ACTIONS: [(&str, &[&str]); 6] = [
    ("block", &["for"]),
    ("mark", &["for"]),
    ("capture", &["for"]),
    ("webhook", &["timeout"]),
    ("command", &["timeout", "network"]),
    ("nats", &["subject"]),
];
const EXPECTED: &str = "something to do, as {block: src_ip, for: 15m}";
const SECOND: u64 = 1_000_000_000;
/// Longest capture, ns.
const LONGEST_CAPTURE: u64 = 3600 * SECOND;

/// What a field names.
const NAMED: [(&str, Kind); 12] = [
    ("src_ip", Kind::Host),
    ("dest_ip", Kind::Host),
    ("tls.sni", Kind::Domain),
    ("policy.sni", Kind::Domain),
    ("http.hostname", Kind::Domain),
    ("dns.queries.rrname", Kind::Domain),
    ("ai.request.model", Kind::Model),
    ("policy.model", Kind::Model),
    ("ai.mcp.tool", Kind::Tool),
    ("policy.tool", Kind::Tool),
    ("flow.src_ip", Kind::Host),
    ("flow.dest_ip", Kind::Host),
];

/// An item of `do`: the name of what is done, what it is done with, and options.
struct Item<'t> {
    node: &'t Node,
    name: &'t str,
    value: &'t Node,
    all: Vec<(&'t str, &'t Node, &'t Node)>,
    event: Kinds,
}

/// Reads an item of `do`.
///
/// # Errors
/// The place, what is there and what was expected.
pub(super) fn action(n: &Node, event: Kinds, never: &Never) -> Result<Action, Wrong> {
    let i = Item::read(n, event)?;
    match i.name {
        "block" => i.set(Effect::Block, never),
        "mark" => i.set(Effect::Mark, never),
        "capture" => i.capture(never),
        "webhook" => {
            let at = send::Url::parse(i.value.text("a URL")?).map_err(|e| i.value.wrong(&e))?;
            Ok(Action::Webhook { at, timeout: i.timeout()? })
        }
        "command" => i.command(),
        _ => i.nats(),
    }
}

/// Whether a program is there and may be started.
fn runs(program: &Path) -> Result<(), String> {
    let m = std::fs::metadata(program).map_err(|e| e.to_string())?;
    if m.is_file() && m.permissions().mode() & 0o111 != 0 { Ok(()) } else { Err("it is no program".into()) }
}

impl<'t> Item<'t> {
    fn read(node: &'t Node, event: Kinds) -> Result<Item<'t>, Wrong> {
        let all: Vec<_> = node.map(EXPECTED)?.collect();
        let is = |e: &&(&str, &Node, &Node)| ACTIONS.iter().any(|a| a.0 == e.0);
        let mut which = all.iter().filter(is);
        let names = || ACTIONS.map(|a| a.0).join(", ");
        let (name, _, value) = *which.next().ok_or_else(|| match all.first() {
            Some((name, at, _)) => unknown(at, name, &names()),
            None => node.expected(EXPECTED),
        })?;
        if let Some((name, at, _)) = which.next() {
            return Err(
                at.wrong(&format!("`{name}` is another thing to do; each has its own item of the list"))
            );
        }
        let options = ACTIONS.iter().find(|a| a.0 == name).map_or(&[][..], |a| a.1);
        if let Some((other, at, _)) = all.iter().find(|e| e.0 != name && !options.contains(&e.0)) {
            return Err(unknown(at, other, &format!("{name}, {}", options.join(", "))));
        }
        Ok(Item { node, name, value, all, event })
    }

    fn option(&self, name: &str) -> Option<&'t Node> {
        self.all.iter().find(|e| e.0 == name).map(|e| e.2)
    }

    fn need(&self, name: &str) -> Result<&'t Node, Wrong> {
        self.option(name).ok_or_else(|| self.node.wrong(&format!("`{name}` is missing")))
    }

    fn timeout(&self) -> Result<Duration, Wrong> {
        let Some(t) = self.option("timeout") else { return Ok(Duration::from_secs(5)) };
        let secs = span(t)? / SECOND;
        if secs > 60 { Err(t.expected("a time from 1s to 60s")) } else { Ok(Duration::from_secs(secs)) }
    }

    /// What is acted on: a word of the event, or `{kind: target}`.
    fn subject(&self, effect: Option<Effect>, never: &Never) -> Result<Subject, Wrong> {
        let n = self.value;
        let what = "flow, src_ip, dest_ip, a field that names something, or {host: 10.0.0.5}";
        if let tree::Kind::Map(_) = &n.kind {
            let mut all = n.map(what)?;
            let (Some((kind, at, v)), None) = (all.next(), all.next()) else { return Err(n.expected(what)) };
            let kind = order::kind(kind).map_err(|e| at.wrong(&e))?;
            let target = Target::written(kind, v.text("what it names")?).map_err(|e| v.wrong(&e))?;
            if effect == Some(Effect::Block)
                && let Some(entry) = never.forbids(&target)
            {
                return Err(v.wrong(&format!("{entry} is on the allow list, so this has no effect")));
            }
            return Ok(Subject::Fixed(target));
        }
        let path = n.text(what)?;
        if path == "flow" {
            return Ok(Subject::Flow);
        }
        let path = known(path, self.event).map_err(|e| n.wrong(&e))?;
        let named = NAMED.iter().find(|k| k.0 == path).map(|k| k.1);
        let names = || NAMED.iter().map(|k| k.0).collect::<Vec<_>>().join(", ");
        let kind = named.ok_or_else(|| n.expected(&format!("one of flow, {}", names())))?;
        Ok(Subject::Field(path, kind))
    }

    fn set(&self, effect: Effect, never: &Never) -> Result<Action, Wrong> {
        Ok(Action::Set {
            effect,
            subject: self.subject(Some(effect), never)?,
            span: span(self.need("for")?)?,
        })
    }

    fn capture(&self, never: &Never) -> Result<Action, Wrong> {
        let subject = self.subject(None, never)?;
        let host = match &subject {
            Subject::Field(_, kind) => *kind == Kind::Host,
            Subject::Fixed(t) => t.kind() == Kind::Host,
            Subject::Flow => false,
        };
        if !host {
            return Err(self.value.expected("a host, whose packets are captured"));
        }
        let n = self.need("for")?;
        let span = span(n)?;
        if span > LONGEST_CAPTURE {
            return Err(n.expected("a time from 1s to 1h"));
        }
        Ok(Action::Capture { subject, span })
    }

    fn command(&self) -> Result<Action, Wrong> {
        let mut words = Vec::new();
        for w in self.value.items() {
            words.push(template(w, w.text("a word of the command")?, self.event)?);
        }
        let program = words.first().map_or("", String::as_str);
        if !program.starts_with('/') || program.contains('{') {
            let what = "a list of words, the first of which is a program with its whole path";
            return Err(self.value.expected(what));
        }
        if let Err(e) = runs(Path::new(program)) {
            let at = self.value.items().first().unwrap_or(self.value);
            return Err(at.wrong(&format!("{program}: {e}; expected a program that can be started")));
        }
        let network = self.option("network").map(flag).transpose()?.unwrap_or(false);
        Ok(Action::Command { words, timeout: self.timeout()?, network })
    }

    fn nats(&self) -> Result<Action, Wrong> {
        let what = "an address with a port, as 127.0.0.1:4222";
        let at: SocketAddr = self.value.text(what)?.parse().map_err(|_| self.value.expected(what))?;
        if at.port() == 0 || !send::is_one(at.ip()) {
            return Err(self.value.expected(what));
        }
        let s = self.need("subject")?;
        let subject = template(s, s.text("a subject of NATS")?, self.event)?;
        if subject.is_empty() || subject.len() > 128 || subject.contains(char::is_whitespace) {
            return Err(s.expected("a subject of 1 to 128 bytes without spaces"));
        }
        Ok(Action::Nats { at, subject })
    }
}
