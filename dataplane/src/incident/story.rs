//! One story: what happened to one host, step by step.
//!
//! In: findings of the host. Out: its steps in the order of time, and what all of them say together. All lists have fixed
//! lengths; what finds no room is counted.

use super::finding::{Finding, Kind};

/// Values of a list of the whole story.
pub(super) const LISTED: usize = 32;

/// A step: findings that differ only in time.
#[derive(Clone, Debug)]
pub struct Step {
    pub first: Finding,
    pub last: u64,
    pub count: u64,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Story {
    pub id: u64,
    pub host: String,
    /// Nanoseconds of the first and the last event.
    pub first: u64,
    pub last: u64,
    /// The time of all events when the last one came.
    pub(super) heard: u64,
    pub events: u64,
    /// Of the worst step, 1 is worst.
    pub severity: u8,
    pub revision: u32,
    /// Findings that found no room among the steps.
    pub left_out: u64,
    /// Other ends with how many events, the first ones.
    pub peers: Vec<(String, u64)>,
    pub flows: Vec<u64>,
    /// Calls of models.
    pub calls: u64,
    steps: Vec<Step>,
    /// Steps when it was last told.
    told_at: usize,
}

impl Story {
    pub fn new(f: &Finding) -> Story {
        Story {
            id: number(&f.host, f.ns),
            host: f.host.clone(),
            first: f.ns,
            last: f.ns,
            heard: f.ns,
            events: 0,
            severity: u8::MAX,
            revision: 0,
            left_out: 0,
            peers: Vec::new(),
            flows: Vec::new(),
            calls: 0,
            steps: Vec::new(),
            told_at: 1,
        }
    }

    /// As events name it.
    pub fn name(&self) -> String {
        format!("incident-{:016x}", self.id)
    }

    /// Whether a finding is a part of it: about its host, or, if it is a call, in one of its flows.
    pub fn belongs(&self, f: &Finding) -> bool {
        match f.kind {
            Kind::Call => f.flow.is_some_and(|n| self.flows.contains(&n)),
            _ => self.host == f.host,
        }
    }

    /// Adds a finding; false when a new step found no room.
    pub fn add(&mut self, f: Finding, most: usize) -> bool {
        self.events += 1;
        self.first = self.first.min(f.ns);
        self.last = self.last.max(f.ns);
        self.severity = self.severity.min(f.severity);
        self.calls += u64::from(f.kind == Kind::Call);
        let other = if f.host == self.host { f.peer.as_deref() } else { Some(f.host.as_str()) };
        if let Some(p) = other {
            if let Some((_, n)) = self.peers.iter_mut().find(|(a, _)| a == p) {
                *n += 1;
            } else if self.peers.len() < LISTED {
                self.peers.push((p.to_string(), 1));
            }
        }
        if let Some(n) = f.flow
            && self.flows.len() < LISTED
            && !self.flows.contains(&n)
        {
            self.flows.push(n);
        }
        if let Some(s) = self.steps.iter_mut().find(|s| s.first.kind == f.kind && s.first.key == f.key) {
            s.count += 1;
            s.last = s.last.max(f.ns);
            return true;
        }
        if self.steps.len() >= most {
            self.left_out += 1;
            return false;
        }
        // In the order of time: events of several flows may come a little out of it.
        let at = self.steps.partition_point(|s| s.first.ns <= f.ns);
        let last = f.ns;
        self.steps.insert(at, Step { first: f, last, count: 1 });
        true
    }

    /// Whether it has twice the steps of the last time; asked after each finding.
    pub fn has_grown(&mut self) -> bool {
        let grown = self.steps.len() >= self.told_at * 2;
        if grown {
            self.told_at = self.steps.len();
        }
        grown
    }

    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    pub fn has_peer(&self, host: &str) -> bool {
        self.peers.iter().any(|(p, _)| p == host)
    }

    /// What the steps name, each once, in the order of the steps.
    pub fn all(&self, of: impl Fn(&Finding) -> &[String]) -> Vec<&str> {
        let mut out: Vec<&str> = Vec::new();
        for w in self.steps.iter().flat_map(|s| of(&s.first)) {
            if out.len() < LISTED && !out.contains(&w.as_str()) {
                out.push(w);
            }
        }
        out
    }

    /// A line that says what it is about: the risks in their order, else what the steps are.
    pub fn title(&self) -> String {
        let risks = self.all(|f| &f.risks);
        let words = if risks.is_empty() {
            let whats = self.steps.iter().map(|s| s.first.what.as_str());
            whats.take(3).collect::<Vec<_>>().join(", then ")
        } else {
            let more = if risks.len() > 6 { ", …" } else { "" };
            risks.iter().take(6).map(|r| r.replace('_', " ")).collect::<Vec<_>>().join(", ") + more
        };
        format!("{}: {words}", self.host)
    }
}

/// The same for the same story in every run (FNV-1a).
fn number(host: &str, ns: u64) -> u64 {
    let bytes = host.bytes().chain(ns.to_be_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}
