//! Playbooks: events as EVE writes them go in, what is to be done comes out. Nothing is done here, so that what would be done can
//! be asked of recorded events (`tidegate playbook test`) and is the same as what a sensor does.
//!
//! * [`read`](mod@read), `doing`: the language; `fields`: what records can have; [`fit`]: conditions against an event; `keys`: counts; [`run`]: what is done, on threads of its own;
//!   [`sandbox`], [`send`]: commands, webhooks, messages.

mod doing;
mod fields;
pub mod fit;
mod keys;
mod read;
pub mod run;
pub mod sandbox;
pub mod send;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tidegate_core::response::{Effect, Kind, Target};

use self::fit::Condition;
use self::keys::Keys;
pub use self::read::read;

/// Targets that a playbook remembers to have acted on; the oldest gives way.
const ACTED: usize = 4096;

/// What an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kinds {
    Alert,
    Policy,
}

impl Kinds {
    pub const ALL: [Kinds; 2] = [Kinds::Alert, Kinds::Policy];

    pub const fn name(self) -> &'static str {
        match self {
            Kinds::Alert => "alert",
            Kinds::Policy => "policy",
        }
    }
}

/// What is to be acted on: of the event, or the same always.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// `flow`, or a field of the event and what it names.
    Flow,
    Field(String, Kind),
    Fixed(Target),
}

/// What a playbook does.
#[derive(Clone, Debug)]
pub enum Action {
    Set {
        effect: Effect,
        subject: Subject,
        span: u64,
    },
    /// Packets of a host go to a file.
    Capture {
        subject: Subject,
        span: u64,
    },
    Webhook {
        at: send::Url,
        timeout: Duration,
    },
    Command {
        words: Vec<String>,
        timeout: Duration,
        network: bool,
    },
    Nats {
        at: SocketAddr,
        subject: String,
    },
}

impl Action {
    pub const fn name(&self) -> &'static str {
        match self {
            Action::Set { effect, .. } => effect.name(),
            Action::Capture { .. } => "capture",
            Action::Webhook { .. } => "webhook",
            Action::Command { .. } => "command",
            Action::Nats { .. } => "nats",
        }
    }
}

/// So many times within a time, ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub times: u32,
    pub within: u64,
}

/// One playbook.
#[derive(Clone, Debug)]
pub struct Playbook {
    pub name: String,
    pub line: u32,
    pub event: Kinds,
    pub conditions: Vec<Condition>,
    /// Only every so many events with the same values of these fields.
    pub count: Option<(Rate, Vec<String>)>,
    pub actions: Vec<Action>,
    pub dry_run: bool,
    pub limit: Rate,
}

impl Playbook {
    /// The only signatures that it looks at, when it names them.
    pub fn signatures(&self) -> Option<Vec<u64>> {
        self.conditions.iter().filter(|c| c.path == "alert.signature_id").find_map(Condition::numbers)
    }
}

/// What is to be done, and why.
#[derive(Clone, Debug, PartialEq)]
pub enum Todo {
    Set {
        effect: Effect,
        target: Target,
        span: u64,
    },
    Capture {
        target: Target,
        span: u64,
    },
    /// The number of the action, which has the rest; words of commands are filled in.
    Send {
        action: usize,
        words: Vec<String>,
    },
    /// The event does not have what is to be acted on.
    Missing {
        action: usize,
    },
}

/// A playbook that an event set off.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Its number.
    pub playbook: usize,
    pub todo: Vec<Todo>,
    /// It ran too often: nothing is done.
    pub limited: bool,
}

/// Times of what happened lately: at most as many as a rate asks for.
#[derive(Clone, Debug, Default)]
struct Times {
    at: Vec<u64>,
    next: usize,
    /// The latest of all.
    latest: u64,
}

impl Times {
    /// Notes one more; whether there were as many within the time, this one included.
    fn add(&mut self, rate: Rate, now: u64) -> bool {
        let n = rate.times.max(1) as usize;
        self.latest = self.latest.max(now);
        if self.at.len() < n {
            self.at.push(now);
        } else {
            self.at[self.next] = now;
        }
        self.next = (self.next + 1) % n;
        // The one to be overwritten next is the oldest.
        self.at.len() == n && now.saturating_sub(self.at[self.next]) <= rate.within
    }
}

/// What a playbook remembers.
#[derive(Debug, Default)]
struct Memory {
    counts: Keys,
    runs: Times,
    /// Until when what was done to a target holds.
    acted: HashMap<(u8, Target), (u64, u64)>,
}

/// All playbooks of a file with what they remember.
#[derive(Debug)]
pub struct Playbooks {
    all: Vec<Playbook>,
    memory: Vec<Memory>,
}

impl Playbooks {
    pub fn new(all: Vec<Playbook>) -> Playbooks {
        let memory = all.iter().map(|_| Memory::default()).collect();
        Playbooks { all, memory }
    }

    pub fn all(&self) -> &[Playbook] {
        &self.all
    }

    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Keys that were being counted by and gave way to others, of all playbooks.
    pub fn keys_evicted(&self) -> u64 {
        self.memory.iter().map(|m| m.counts.evicted).sum()
    }

    /// What an event sets off. `now`: the event's time, ns.
    pub fn see(&mut self, event: &Value, now: u64) -> Vec<Run> {
        let kind = event["event_type"].as_str().unwrap_or("");
        let mut out = Vec::new();
        for (i, (p, m)) in self.all.iter().zip(&mut self.memory).enumerate() {
            if p.event.name() != kind || !p.conditions.iter().all(|c| c.fits(event)) {
                continue;
            }
            if let Some((rate, by)) = &p.count
                && !m.counted(*rate, by, event, now)
            {
                continue;
            }
            let todo = m.todo(p, event, now);
            if todo.is_empty() {
                // All of it was done already and holds on.
                continue;
            }
            let limited = m.runs.would_exceed(p.limit, now);
            if !limited {
                m.runs.add(p.limit, now);
                m.note(&todo, now);
            }
            out.push(Run { playbook: i, todo, limited });
        }
        out
    }
}

impl Times {
    /// Whether one more would be too many.
    fn would_exceed(&self, rate: Rate, now: u64) -> bool {
        let recent = self.at.iter().filter(|t| now.saturating_sub(**t) < rate.within).count();
        recent >= rate.times.max(1) as usize
    }
}

impl Memory {
    /// Counts the event under its key; the count begins anew when it is reached.
    fn counted(&mut self, rate: Rate, by: &[String], event: &Value, now: u64) -> bool {
        let key: Vec<String> =
            by.iter().map(|f| fit::first(event, f).map(fit::text).unwrap_or_default()).collect();
        let key = key.join("\u{1f}");
        self.counts.count(rate, &key, now)
    }

    /// What is left to do of a playbook's actions.
    fn todo(&self, p: &Playbook, event: &Value, now: u64) -> Vec<Todo> {
        let held = |what: u8, t: &Target, span: u64| {
            // Before half of its time is over there is no need to do it again; nor for an event that is earlier, as events of
            // several flows and workers are.
            self.acted
                .get(&(what, t.clone()))
                .is_some_and(|(at, until)| now < *until && now.saturating_sub(*at) < span / 2)
        };
        let mut out = Vec::new();
        let (mut fresh, mut all) = (false, 0);
        for (n, a) in p.actions.iter().enumerate() {
            let targeted = match a {
                Action::Set { effect, subject, span } => Some((*effect as u8, subject, *span)),
                Action::Capture { subject, span } => Some((2, subject, *span)),
                _ => None,
            };
            if let Some((what, subject, span)) = targeted {
                all += 1;
                let Some(target) = subject.of(event) else {
                    fresh = true;
                    out.push(Todo::Missing { action: n });
                    continue;
                };
                if held(what, &target, span) {
                    continue;
                }
                fresh = true;
                out.push(match a {
                    Action::Set { effect, .. } => Todo::Set { effect: *effect, target, span },
                    _ => Todo::Capture { target, span },
                });
                continue;
            }
            let words = match a {
                Action::Command { words, .. } => words.iter().map(|w| fit::fill(w, event)).collect(),
                Action::Nats { subject, .. } => vec![fit::fill(subject, event)],
                _ => Vec::new(),
            };
            out.push(Todo::Send { action: n, words });
        }
        // A message goes with what is done; where there is nothing but messages each event is one.
        if fresh || all == 0 { out } else { Vec::new() }
    }

    fn note(&mut self, todo: &[Todo], now: u64) {
        for t in todo {
            let (what, target, span) = match t {
                Todo::Set { effect, target, span } => (*effect as u8, target, *span),
                Todo::Capture { target, span } => (2, target, *span),
                _ => continue,
            };
            if self.acted.len() >= ACTED {
                self.acted.retain(|_, (_, until)| *until > now);
            }
            if self.acted.len() >= ACTED {
                let oldest = self.acted.iter().min_by_key(|(_, v)| v.0).map(|(k, _)| k.clone());
                oldest.and_then(|k| self.acted.remove(&k));
            }
            self.acted.insert((what, target.clone()), (now, now.saturating_add(span)));
        }
    }
}

impl Subject {
    /// What it is in an event; `None`: the event has no such thing.
    pub fn of(&self, event: &Value) -> Option<Target> {
        match self {
            Subject::Fixed(t) => Some(t.clone()),
            Subject::Field(path, kind) => {
                let text = fit::text(fit::first(event, path)?);
                Target::parse(*kind, &text).ok()
            }
            Subject::Flow => {
                let get = |f: &str| fit::first(event, f).map(fit::text);
                let end = |ip: &str, port: &str| -> Option<String> {
                    let ip: std::net::IpAddr = get(ip)?.parse().ok()?;
                    let port = get(port).and_then(|p| p.parse().ok()).unwrap_or(0);
                    Some(SocketAddr::new(ip, port).to_string())
                };
                let proto = get("proto")?.to_ascii_lowercase().replace('-', "");
                let text = format!("{} {} {proto}", end("src_ip", "src_port")?, end("dest_ip", "dest_port")?);
                Target::parse(Kind::Flow, &text.replace("ipv6icmp", "icmpv6")).ok()
            }
        }
    }
}
