//! The desk: the only place where orders are carried out. Orders and the passing of time go in; tables for all workers, events,
//! lines of the audit log and the state file come out. Owns the list of what is blocked and the allow list.
//!
//! An order is done when it is in the mailbox of every worker, whose next burst meets it. Who has no business here changes
//! nothing: that is counted and told once a second.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidegate_core::response::{Block, Blocks, Effect, MOST, Never};

use super::audit::{self, Audit};
use super::nonces::{Nonces, Stale};
use super::order::{self, Order, Which};
use super::{Caller, Role, state};
use crate::eve::logs::Said;
use crate::eve::{Json, Told};
use crate::live::sink::OwnLines;
use crate::live::worker::Mailbox;

const SECOND: u64 = 1_000_000_000;
/// Orders of a caller: so many at once, and a second.
const BURST: u64 = 200;
const RATE: u64 = 50;
/// Refusals that are told one by one in a second.
const SINGLY: u32 = 20;
/// Different reasons that strangers are told apart by in a second.
const REASONS: usize = 16;

/// What is blocked, and by whom.
#[derive(Clone, Debug)]
pub struct Entry {
    pub block: Block,
    pub by: String,
}

/// Why an order was not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such token, or none was sent.
    Stranger(&'static str),
    /// Not with this role.
    Role(&'static str),
    /// It was seen before, or is too old.
    Replayed(&'static str),
    Malformed(String),
    TooMany(&'static str),
    /// The allow list has it.
    Never(String),
    /// It could not change anything.
    NoEffect(&'static str),
}

impl Refusal {
    /// What is counted, and told.
    pub const fn name(&self) -> &'static str {
        match self {
            Refusal::Stranger(_) => "stranger",
            Refusal::Role(_) => "role",
            Refusal::Replayed(_) => "replayed",
            Refusal::Malformed(_) => "malformed",
            Refusal::TooMany(_) => "too_many",
            Refusal::Never(_) => "never",
            Refusal::NoEffect(_) => "no_effect",
        }
    }

    pub fn text(&self) -> String {
        match self {
            Refusal::Stranger(t) | Refusal::Role(t) | Refusal::Replayed(t) => (*t).into(),
            Refusal::TooMany(t) | Refusal::NoEffect(t) => (*t).into(),
            Refusal::Malformed(t) => t.clone(),
            Refusal::Never(entry) => format!("{entry} is on the allow list: nothing may block it"),
        }
    }

    /// A caller with a right to be here is told and written down one by one; others are summed up.
    const fn is_flood(&self) -> bool {
        !matches!(self, Refusal::Never(_) | Refusal::NoEffect(_))
    }
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    pub id: u32,
    /// ns since the epoch.
    pub until: u64,
}

/// What was counted, by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub ordered: u64,
    pub undone: u64,
    pub expired: u64,
    /// Refused, strangers' orders among them.
    pub refused: u64,
    pub never: u64,
    /// Keys of playbooks that gave way to others.
    pub keys_evicted: u64,
}

/// What somebody may still order.
#[derive(Debug)]
struct Budget {
    left: u64,
    at: u64,
}

struct Inner {
    never: Never,
    /// Packets can be dropped.
    ips: bool,
    list: Vec<Entry>,
    next_id: u32,
    workers: Vec<Arc<Mailbox>>,
    /// The tables that workers were given last: freed here, not by them.
    tables: Arc<Blocks>,
    /// Many entries come at once: tables are made once, behind the last.
    held: bool,
    own: Option<OwnLines>,
    audit: Option<Audit>,
    state: Option<PathBuf>,
    unsaved: bool,
    saved: u64,
    save_failed: bool,
    nonces: Nonces,
    budgets: BTreeMap<String, Budget>,
    /// Refused since it was told last: by reason, with the last one who was.
    flood: BTreeMap<&'static str, (u64, String)>,
    flooded: u64,
    /// The second, and refusals in it that were told one by one.
    singly: (u64, u32),
    counts: Counts,
}

/// See the module.
pub struct Desk(Mutex<Inner>);

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").finish_non_exhaustive()
    }
}

impl Desk {
    /// A desk without workers. `now`: ns since the epoch.
    pub fn new(never: Never, ips: bool, now: u64) -> Desk {
        Desk(Mutex::new(Inner {
            never,
            ips,
            list: Vec::new(),
            next_id: 1,
            workers: Vec::new(),
            tables: Arc::default(),
            held: false,
            own: None,
            audit: None,
            state: None,
            unsaved: false,
            saved: 0,
            save_failed: false,
            nonces: Nonces::new(now / SECOND),
            budgets: BTreeMap::new(),
            flood: BTreeMap::new(),
            flooded: 0,
            singly: (0, 0),
            counts: Counts::default(),
        }))
    }

    /// A panic elsewhere leaves nothing half done here that matters: lists are changed in one step.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where events go.
    pub fn set_lines(&self, own: OwnLines) {
        self.inner().own = Some(own);
    }

    pub fn set_audit(&self, audit: Audit) {
        self.inner().audit = Some(audit);
    }

    /// Tables go to these workers from now on.
    pub fn set_workers(&self, workers: Vec<Arc<Mailbox>>) {
        let mut i = self.inner();
        i.workers = workers;
        i.publish();
    }

    /// Keeps entries in a file, and takes those that are in it. What is wrong with single ones is returned.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn set_state(&self, path: PathBuf, now: u64) -> Result<Vec<String>, String> {
        let (kept, mut bad) = state::read(&path, now)?;
        let mut i = self.inner();
        i.state = Some(path);
        i.held = true;
        for k in kept {
            let by = Caller { name: k.by, role: Role::Admin };
            let (target, text) = (k.target.clone(), k.target.text());
            let order = Order::Set { effect: k.effect, target, span: k.until - now, reason: k.reason };
            if let Err(e) = i.carry_out(&by, &order, "restored", now) {
                bad.push(format!("{text}: {}", e.text()));
            }
        }
        i.held = false;
        i.publish();
        Ok(bad)
    }

    /// Carries an order out.
    ///
    /// # Errors
    /// Why nothing was changed.
    pub fn order(&self, who: &Caller, from: &str, order: &Order, now: u64) -> Result<Done, Refusal> {
        let mut i = self.inner();
        let result = i.allowed(who, now).and_then(|()| i.carry_out(who, order, from, now));
        if let Err(e) = &result {
            i.refuse(Some((who, order)), from, e, now);
        }
        result
    }

    /// As [`Desk::order`], for an order that brings its number and its time, so that it counts once.
    ///
    /// # Errors
    /// Why nothing was changed.
    pub fn order_once(
        &self,
        who: &Caller,
        from: &str,
        (nonce, time): (&str, u64),
        order: &Order,
        now: u64,
    ) -> Result<Done, Refusal> {
        let stale = self.inner().nonces.take(&who.name, nonce, time, now / SECOND);
        let refusal = match stale {
            Ok(()) => return self.order(who, from, order, now),
            Err(Stale::Seen) => Refusal::Replayed("an order with this id came before"),
            Err(Stale::Time) => Refusal::Replayed(
                "its time is more than 60 s from ours, or from before the sensor began; send the time of now",
            ),
            Err(Stale::Full) => Refusal::TooMany("too many orders in two minutes"),
        };
        self.refuse(from, &refusal, now);
        Err(refusal)
    }

    /// Somebody asked for what is not done: it is counted, and told with others of the same second.
    pub fn refuse(&self, from: &str, why: &Refusal, now: u64) {
        self.inner().refuse(None, from, why, now);
    }

    /// Time passes: what is over is undone and told, what is unsaved is saved.
    pub fn tick(&self, now: u64) {
        let mut i = self.inner();
        i.expire(now);
        i.tell_flood(now, false);
        i.save(now, false);
    }

    /// The end: everything is told and saved.
    pub fn finish(&self, now: u64) {
        let mut i = self.inner();
        i.tell_flood(now, true);
        i.save(now, true);
    }

    /// Tells of something that a playbook did.
    pub fn tell(&self, told: &Told<'_>) {
        self.inner().tell(told);
    }

    /// Keys of playbooks that gave way so far.
    pub fn keys_evicted(&self, n: u64) {
        self.inner().counts.keys_evicted = n;
    }

    pub fn counts(&self) -> Counts {
        self.inner().counts
    }

    /// What is blocked now.
    pub fn entries(&self) -> Vec<Entry> {
        self.inner().list.clone()
    }

    /// The same as members of a JSON object.
    pub fn list(&self, j: &mut Json) {
        let i = self.inner();
        j.bool("enforced", i.ips);
        j.open_list("blocks");
        for e in &i.list {
            j.open("");
            j.uint("number", u64::from(e.block.id));
            j.word("effect", e.block.effect.name());
            j.word("kind", e.block.target.kind().name());
            j.string("target", e.block.target.text().as_bytes());
            j.time("until", e.block.until);
            j.string("reason", e.block.reason.as_bytes());
            j.string("by", e.by.as_bytes());
            j.close();
        }
        j.close_list();
    }
}

/// An order in words, for the log.
fn words(o: &Order) -> String {
    let target = |e: &Effect, t: &tidegate_core::response::Target| {
        format!("{} {} {}", e.name(), t.kind().name(), t.text())
    };
    match o {
        Order::Set { effect, target: t, span, .. } => format!("{} for {}s", target(effect, t), span / SECOND),
        Order::Undo(Which::Id(n)) => format!("undo {n}"),
        Order::Undo(Which::Target(e, t)) => format!("undo {}", target(e, t)),
    }
}

impl Inner {
    fn tell(&mut self, told: &Told<'_>) {
        if let Some(own) = &mut self.own {
            own.say(&Said::Told(told));
        }
    }

    fn log(&mut self, line: &audit::Line<'_>) {
        if let Some(a) = &mut self.audit {
            a.write(line);
        }
    }

    /// Whether the caller may order anything now.
    fn allowed(&mut self, who: &Caller, now: u64) -> Result<(), Refusal> {
        if who.role < Role::Responder {
            return Err(Refusal::Role("a viewer may not order anything"));
        }
        let b = self.budgets.entry(who.name.clone()).or_insert(Budget { left: BURST, at: now });
        let more = now.saturating_sub(b.at).saturating_mul(RATE) / SECOND;
        if more > 0 {
            (b.left, b.at) = (b.left.saturating_add(more).min(BURST), now);
        }
        if b.left == 0 {
            return Err(Refusal::TooMany("more than 50 orders a second; wait"));
        }
        b.left -= 1;
        Ok(())
    }

    fn carry_out(&mut self, who: &Caller, o: &Order, from: &str, now: u64) -> Result<Done, Refusal> {
        match o {
            Order::Undo(which) => self.undo(who, which, (o, from), now),
            Order::Set { effect, target, span, reason } => {
                if who.role < Role::Admin && *span > order::LONGEST_RESPONDER * SECOND {
                    return Err(Refusal::Role("more than a day is for admins"));
                }
                if *effect == Effect::Block {
                    if let Some(entry) = self.never.forbids(target) {
                        return Err(Refusal::Never(entry));
                    }
                    if !self.ips {
                        return Err(Refusal::NoEffect(
                            "packets are only watched here, none can be dropped (run --inline)",
                        ));
                    }
                }
                let until = now.saturating_add(*span);
                let same = |e: &&mut Entry| e.block.target == *target && e.block.effect == *effect;
                let done = if let Some(e) = self.list.iter_mut().find(same) {
                    // Whoever asked for longer has it.
                    e.block.until = e.block.until.max(until);
                    Done { id: e.block.id, until: e.block.until }
                } else if self.list.len() >= MOST {
                    return Err(Refusal::TooMany("4,096 blocks are in force; undo some"));
                } else {
                    let (id, target, reason) = (self.next_id, target.clone(), reason.clone());
                    self.next_id = self.next_id.wrapping_add(1).max(1);
                    let block = Block { id, target, effect: *effect, until, reason };
                    self.list.push(Entry { block, by: who.name.clone() });
                    Done { id, until }
                };
                self.counts.ordered += 1;
                self.unsaved = true;
                // First: writing it down may take longer than the next packet.
                self.publish();
                if let Some(e) = self.list.iter().find(|e| e.block.id == done.id).cloned() {
                    self.told_order("ordered", &e, who, (o, from), now);
                }
                Ok(done)
            }
        }
    }

    fn undo(&mut self, who: &Caller, which: &Which, told: (&Order, &str), now: u64) -> Result<Done, Refusal> {
        let is = |e: &Entry| match which {
            Which::Id(n) => e.block.id == *n,
            Which::Target(effect, t) => e.block.effect == *effect && e.block.target == *t,
        };
        let at = self.list.iter().position(is).ok_or(Refusal::NoEffect("there is no such block"))?;
        if who.role < Role::Admin && self.list[at].by != who.name {
            return Err(Refusal::Role("somebody else ordered it; an admin may undo it"));
        }
        let gone = self.list.remove(at);
        self.counts.undone += 1;
        self.unsaved = true;
        self.publish();
        self.told_order("undone", &gone, who, told, now);
        Ok(Done { id: gone.block.id, until: now })
    }

    fn told_order(
        &mut self,
        action: &'static str,
        e: &Entry,
        who: &Caller,
        (o, from): (&Order, &str),
        now: u64,
    ) {
        self.tell(&Told {
            ts: now,
            action,
            block: Some(&e.block),
            words: &[("by", &who.name), ("role", who.role.name()), ("from", from)],
            numbers: &[],
        });
        let (what, result) = (words(o), format!("{action} {}", e.block.id));
        let (who, role) = (who.name.as_str(), who.role.name());
        self.log(&audit::Line { now, who, role, from, what: &what, result: &result, count: 1 });
    }

    fn refuse(&mut self, of: Option<(&Caller, &Order)>, from: &str, why: &Refusal, now: u64) {
        self.counts.refused += 1;
        self.counts.never += u64::from(matches!(why, Refusal::Never(_)));
        let second = now / SECOND;
        if self.singly.0 != second {
            self.singly = (second, 0);
        }
        // Somebody with a token can repeat himself, too; strangers do not hide what he is refused.
        let alone = of.is_some() && !why.is_flood();
        self.singly.1 += u32::from(alone);
        if !alone || self.singly.1 > SINGLY {
            let room = self.flood.len() < REASONS;
            if let Some(f) = self.flood.get_mut(why.name()) {
                f.0 += 1;
            } else if room {
                let who = of.map_or_else(|| from.to_string(), |(w, _)| format!("{} ({from})", w.name));
                self.flood.insert(why.name(), (1, who));
            }
            return self.tell_flood(now, false);
        }
        let Some((who, o)) = of else { return };
        let (what, text) = (words(o), why.text());
        self.tell(&Told {
            ts: now,
            action: "refused",
            block: None,
            words: &[
                ("why", why.name()),
                ("order", &what),
                ("by", &who.name),
                ("from", from),
                ("text", &text),
            ],
            numbers: &[],
        });
        let (who, role) = (who.name.as_str(), who.role.name());
        self.log(&audit::Line { now, who, role, from, what: &what, result: &text, count: 1 });
    }

    /// Tells who was refused, once a second.
    fn tell_flood(&mut self, now: u64, last: bool) {
        if self.flood.is_empty() || (!last && now.saturating_sub(self.flooded) < SECOND) {
            return;
        }
        self.flooded = now;
        for (why, (count, from)) in std::mem::take(&mut self.flood) {
            let words: &[_] = &[("why", why), ("from", from.as_str())];
            self.tell(&Told { ts: now, action: "refused", block: None, words, numbers: &[("count", count)] });
            let from = from.as_str();
            self.log(&audit::Line { now, who: "", role: "", from, what: "", result: why, count });
        }
    }

    fn expire(&mut self, now: u64) {
        if !self.list.iter().any(|e| e.block.until <= now) {
            return;
        }
        let (over, list): (Vec<_>, _) =
            std::mem::take(&mut self.list).into_iter().partition(|e| e.block.until <= now);
        self.list = list;
        self.counts.expired += over.len() as u64;
        self.unsaved = true;
        for e in over {
            self.tell(&Told {
                ts: now,
                action: "expired",
                block: Some(&e.block),
                words: &[("by", &e.by)],
                numbers: &[],
            });
        }
        self.publish();
    }

    /// Gives all workers the tables.
    fn publish(&mut self) {
        if self.held {
            return;
        }
        let blocks = self.list.iter().map(|e| e.block.clone()).collect();
        // What the allow list has was refused before; the tables ask again.
        self.tables = Arc::new(Blocks::new(blocks, &self.never).0);
        for w in &self.workers {
            drop(w.response.force_push(self.tables.clone()));
        }
    }

    /// Saves what changed, at most once a second.
    fn save(&mut self, now: u64, last: bool) {
        let Some(path) = self.state.as_ref().filter(|_| self.unsaved) else { return };
        if !last && now.saturating_sub(self.saved) < SECOND {
            return;
        }
        self.saved = now;
        match state::write(path, &self.list) {
            Ok(()) => (self.unsaved, self.save_failed) = (false, false),
            Err(e) => {
                if !std::mem::replace(&mut self.save_failed, true) {
                    eprintln!("{}: {e}: what is blocked would not survive a restart", path.display());
                }
            }
        }
    }
}
