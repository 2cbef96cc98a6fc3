//! What an address offers: software, models, tools, since when, to whom, and whether it answers without a credential.
//!
//! In: calls. Out: a summary when a service is seen first, when something about it changes (at most once in ten seconds a
//! service), and at the end. A service is exposed by proof: a request that showed no credential, and an answer that is one of
//! its dialect by its shape.

use super::facts::Facts;
use super::table::{Found, Table};
use super::{Body, Short, Summary, address, halves, time};
use crate::event::Fields;
use crate::keyed::Sip13;
use crate::packet::Addr;

/// Places that a service may have.
const WAYS: usize = 8;
/// Models of a service whose names are kept; of further ones it is known that there are some.
const MODELS: usize = 6;
/// Operations of a service that are counted apart.
const OPERATIONS: usize = 10;
const PROVIDERS: usize = 4;
/// Registers of the estimate of how many clients there are.
const REGISTERS: usize = 64;
/// Clients that are known one by one, so that few are counted and not estimated.
const FEW: usize = 8;
/// Between two summaries of a service, ns.
const PAUSE: u64 = 10_000_000_000;
/// Between two looks for those that wait, ns.
const LOOK: u64 = 1_000_000_000;

/// What became known of a service; bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change(u8);

impl Change {
    pub const NEW: Change = Change(1);
    pub const PROVIDER: Change = Change(2);
    pub const SERVER: Change = Change(4);
    pub const MODEL: Change = Change(8);
    pub const OPERATION: Change = Change(16);
    /// It answered without a credential, for the first time or for the first time to somebody outside.
    pub const EXPOSED: Change = Change(32);
    const NAMES: [(&'static str, Change); 6] = [
        ("new", Change::NEW),
        ("provider", Change::PROVIDER),
        ("server", Change::SERVER),
        ("model", Change::MODEL),
        ("operation", Change::OPERATION),
        ("exposed", Change::EXPOSED),
    ];

    const fn is_none(self) -> bool {
        self.0 == 0
    }

    const fn has(self, o: Change) -> bool {
        self.0 & o.0 != 0
    }

    fn set(&mut self, o: Change) {
        self.0 |= o.0;
    }
}

/// Calls of one operation.
#[derive(Clone, Copy, Debug, Default)]
struct Done {
    name: &'static str,
    calls: u32,
    /// Answered without a credential.
    open: u32,
}

/// The proof that a service answers without a credential.
#[derive(Clone, Copy, Debug, Default)]
struct Proof {
    operation: &'static str,
    status: u16,
    client: Addr,
    v6: bool,
    at: u64,
}

/// One address and port; see the module.
#[derive(Clone, Copy, Debug)]
pub struct Service {
    addr: Addr,
    port: u16,
    v6: bool,
    providers: [&'static str; PROVIDERS],
    software: Short<48>,
    models: [Short<48>; MODELS],
    more_models: bool,
    tools: u32,
    first: u64,
    last: u64,
    told: u64,
    calls: u64,
    answered: u64,
    /// Answers that say that a credential is missing or wrong.
    denied: u64,
    clients: [u8; REGISTERS],
    few: [u64; FEW],
    /// There were more.
    many: bool,
    outside: bool,
    credentials: [&'static str; 4],
    operations: [Done; OPERATIONS],
    /// Inside, outside.
    proofs: [Option<Proof>; 2],
    change: Change,
    /// Told for the last time.
    ended: bool,
}

impl Default for Service {
    fn default() -> Self {
        Service {
            addr: Addr::default(),
            port: 0,
            v6: false,
            providers: [""; PROVIDERS],
            software: Short::EMPTY,
            models: [Short::EMPTY; MODELS],
            more_models: false,
            tools: 0,
            first: 0,
            last: 0,
            told: 0,
            calls: 0,
            answered: 0,
            denied: 0,
            clients: [0; REGISTERS],
            few: [0; FEW],
            many: false,
            outside: false,
            credentials: [""; 4],
            operations: [Done::default(); OPERATIONS],
            proofs: [None; 2],
            change: Change::default(),
            ended: false,
        }
    }
}

/// All services of one engine.
pub struct Services {
    table: Table<Service, WAYS>,
    key: Sip13,
    /// Services with something to tell once their pause is over, and when they are looked for next.
    waiting: u32,
    next: u64,
}

/// Adds a text to a list of a few, unless it is there; whether it is new, and whether there was room.
fn note<T: Copy + PartialEq>(list: &mut [T], empty: T, value: T) -> Option<bool> {
    for slot in list {
        if *slot == value {
            return Some(false);
        }
        if *slot == empty {
            *slot = value;
            return Some(true);
        }
    }
    None
}

impl Services {
    /// As many as `bytes` have room for.
    pub fn new(bytes: usize, key: Sip13) -> Self {
        Services { table: Table::new(bytes), key, waiting: 0, next: 0 }
    }

    pub const fn evicted(&self) -> u64 {
        self.table.evicted()
    }

    #[cfg(test)]
    pub fn places(&self) -> usize {
        self.table.capacity()
    }

    fn hash(&self, a: &Addr, more: u64) -> u64 {
        let [hi, lo] = halves(a);
        self.key.words([hi, lo, more])
    }

    /// The service's entry; one that gives way to it is told once more.
    fn entry(&mut self, f: &Facts, tell: &mut dyn FnMut(Summary<'_>)) -> &mut Service {
        let hash = self.hash(&f.server, u64::from(f.port));
        let is = |s: &Service| s.addr == f.server && s.port == f.port && s.v6 == f.v6;
        let i = match self.table.find(hash, is, |s| s.last) {
            Found::Here(i) => i,
            Found::Room(room) => {
                if let Some(old) = room.old.map(|i| self.table.at(i)) {
                    self.waiting -= u32::from(!old.change.is_none());
                    old.tell(f.at, "evicted", tell);
                }
                let new =
                    Service { addr: f.server, port: f.port, v6: f.v6, first: f.at, ..Service::default() };
                self.table.put(&room, new)
            }
        };
        self.table.at(i)
    }

    pub fn call(&mut self, f: &Facts, outside: bool, tell: &mut dyn FnMut(Summary<'_>)) {
        // Nobody answered: that something was asked of an address says nothing about it.
        if f.status == 0 && !f.answered {
            return;
        }
        let client = self.hash(&f.client, 1 << 32);
        let s = self.entry(f, tell);
        let waited = !s.change.is_none();
        s.add(f, outside, client);
        if s.change.is_none() {
            return;
        }
        // What is new, and an exposure, is told at once.
        let now = s.change.has(Change::NEW) || s.change.has(Change::EXPOSED) || f.at >= s.told + PAUSE;
        if now {
            s.tell(f.at, "changed", tell);
            self.waiting -= u32::from(waited);
        } else {
            self.waiting += u32::from(!waited);
        }
    }

    pub fn tick(&mut self, now: u64, tell: &mut dyn FnMut(Summary<'_>)) {
        // All are walked over for the few that wait, so not at each tick.
        if self.waiting == 0 || now < self.next {
            return;
        }
        self.next = now + LOOK;
        for s in self.table.iter_mut().filter(|s| !s.change.is_none()) {
            if now >= s.told + PAUSE {
                s.tell(now, "changed", tell);
                self.waiting -= 1;
            }
        }
    }

    pub fn finish(&mut self, tell: &mut dyn FnMut(Summary<'_>)) {
        self.waiting = 0;
        for s in self.table.iter_mut().filter(|s| !s.ended) {
            s.tell(s.last, "end", tell);
            s.ended = true;
        }
    }
}

impl Service {
    fn add(&mut self, f: &Facts, outside: bool, client: u64) {
        let mut change = Change::default();
        if self.calls == 0 {
            change.set(Change::NEW);
        }
        self.ended = false;
        self.calls += 1;
        self.last = self.last.max(f.at);
        self.answered += u64::from(f.answered);
        self.denied += u64::from(matches!(f.status, 401 | 403 | 407));
        self.outside |= outside;
        self.tools = self.tools.max(f.tools);
        self.many |= note(&mut self.few, 0, client.max(1)).is_none();
        let register = (client & (REGISTERS as u64 - 1)) as usize;
        let rank = (client >> 6 | 1 << 57).trailing_zeros() as u8 + 1;
        self.clients[register] = self.clients[register].max(rank);
        if note(&mut self.providers, "", f.provider) == Some(true) {
            change.set(Change::PROVIDER);
        }
        if !f.software.is_empty() && f.software != self.software {
            if !self.software.is_empty() {
                change.set(Change::SERVER);
            }
            self.software = f.software;
        }
        if f.answered {
            for m in f.listed.iter().chain([&f.model]).filter(|m| !m.is_empty()) {
                match note(&mut self.models, Short::EMPTY, *m) {
                    Some(true) => change.set(Change::MODEL),
                    Some(false) => {}
                    None => self.more_models = true,
                }
            }
            let _ = note(&mut self.credentials, "", f.credential);
        }
        if self.operation(f) {
            change.set(Change::OPERATION);
        }
        let proof = &mut self.proofs[usize::from(outside)];
        // What says only that it is there (health checks) is open on purpose.
        if f.answered && f.open && !f.operation.is_empty() && proof.is_none() {
            *proof = Some(Proof {
                operation: f.operation,
                status: f.status,
                client: f.client,
                v6: f.v6,
                at: f.at,
            });
            change.set(Change::EXPOSED);
        }
        self.change.set(change);
    }

    /// Counts the operation; whether it is the first of its name that was answered.
    fn operation(&mut self, f: &Facts) -> bool {
        let of = self.operations.iter_mut().find(|d| d.name == f.operation || d.name.is_empty());
        let Some(d) = of.filter(|_| f.answered) else { return false };
        d.name = f.operation;
        d.calls = d.calls.saturating_add(1);
        d.open = d.open.saturating_add(u32::from(f.open));
        d.calls == 1
    }

    /// How many clients there were: up to eight counted, more within some tenths (Flajolet and others, HyperLogLog, 2007).
    pub fn clients(&self) -> u64 {
        if !self.many {
            return self.few.iter().filter(|c| **c != 0).count() as u64;
        }
        let m = REGISTERS as f64;
        let sum: f64 = self.clients.iter().map(|r| 1.0 / (1u64 << (*r).min(62)) as f64).sum();
        let raw = 0.709 * m * m / sum;
        let empty = self.clients.iter().filter(|r| **r == 0).count();
        let n = if raw <= 2.5 * m && empty > 0 { m * libm::log(m / empty as f64) } else { raw };
        libm::round(n) as u64
    }

    fn tell(&mut self, now: u64, why: &'static str, tell: &mut dyn FnMut(Summary<'_>)) {
        tell(Summary { record: "ai_service", ts: now, body: &Told { of: self, why } });
        self.told = now;
        self.change = Change::default();
    }
}

/// A service as it is told, and why: `changed`, `evicted`, `end`.
struct Told<'a> {
    of: &'a Service,
    why: &'static str,
}

impl Body for Told<'_> {
    fn fields(&self, out: &mut dyn Fields) {
        let s = self.of;
        address(out, "address", &s.addr, s.v6);
        out.u64("port", u64::from(s.port));
        list(out, "providers", s.providers.iter().map(|p| p.as_bytes()));
        if !s.software.is_empty() {
            out.bytes("server", s.software.get());
        }
        list(out, "models", s.models.iter().map(Short::get));
        if s.more_models {
            out.bool("more_models", true);
        }
        if s.tools > 0 {
            out.u64("tools", u64::from(s.tools));
        }
        time(out, "since", s.first);
        time(out, "last", s.last);
        out.u64("calls", s.calls);
        out.u64("answered", s.answered);
        out.u64("denied", s.denied);
        out.u64("clients", s.clients());
        out.bool("outside_clients", s.outside);
        list(out, "credentials", s.credentials.iter().map(|c| c.as_bytes()));
        out.begin_object("operations");
        for d in s.operations.iter().filter(|d| d.calls > 0 && !d.name.is_empty()) {
            out.u64(d.name, u64::from(d.calls));
        }
        out.end_object();
        exposure(s, out);
        out.str("told", self.why);
        if !s.change.is_none() {
            let names = Change::NAMES.iter().filter(|(_, c)| s.change.has(*c));
            list(out, "changed", names.map(|(n, _)| n.as_bytes()));
        }
    }
}

/// The proofs, those of somebody outside first.
fn exposure(s: &Service, out: &mut dyn Fields) {
    let [inside, outside] = &s.proofs;
    let Some((p, to)) = outside.as_ref().map(|p| (p, "outside")).or(inside.as_ref().map(|p| (p, "inside")))
    else {
        return;
    };
    out.begin_object("exposed");
    out.str("to", to);
    time(out, "since", p.at);
    address(out, "client", &p.client, p.v6);
    out.fmt("proof", format_args!("{} without a credential was answered with {}", p.operation, p.status));
    let open = s.operations.iter().filter(|d| d.open > 0);
    list(out, "operations", open.map(|d| d.name.as_bytes()));
    out.end_object();
}

fn list<'a>(out: &mut dyn Fields, key: &str, items: impl Iterator<Item = &'a [u8]>) {
    let mut items = items.filter(|i| !i.is_empty()).peekable();
    if items.peek().is_none() {
        return;
    }
    out.begin_array(key);
    items.for_each(|i| out.bytes("", i));
    out.end_array();
}
