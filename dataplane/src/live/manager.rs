//! The manager: everything around the workers that takes time. Compiles rules, builds engines, frees what workers are
//! done with, collects counters, writes statistics, answers requests.
//!
//! In: [`Request`]s, answers of the workers' mailboxes. Out: orders to the workers, replies as JSON text. Owns the
//! configuration and the rules in force.

mod secrets;

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tidegate_core::detect::Rules;
use tidegate_core::engine::{Engine, Stats};
use tidegate_core::response::Never;
use tidegate_core::unseal::TlsSecret;

use super::blocklist::BlockList;
use super::chunk::{Channel, Class};
use super::offload::blocks::BlocksOffload;
use super::sink::OwnLines;
use super::source::{Compiled, ReloadError, RuleSource, compile};
use super::worker::{self, Answer, Counters, Fault, FlowList, Mailbox, NewRules, Report};
use super::writer::{Losses, Reply, Writer};
use crate::config::Settings;
use crate::config::engine::Mode;
use crate::config::logging::Level;
use crate::eve::logs::Said;
use crate::eve::{Counts, Json};
use crate::keys::Followed;
use crate::log::EngineLog;
use crate::pcaplog::live::Writer as PacketWriter;
use crate::response::order::Order;
use crate::response::playbook::run::Handle;
use crate::response::{Caller, Desk};
use crate::sets::Datasets;

/// What could not be written, though the sensor ran to its end: the first of it, in words.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unwritten {
    #[error("{0}")]
    Dataset(String),
    #[error("{0}")]
    Events(String),
    /// Of `pcap-log`.
    #[error("{0}")]
    Packets(String),
}

/// How long a request waits for the workers.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long a reload waits for workers to take its rules before it says who has not.
const TAKING: Duration = Duration::from_secs(5);
/// Time between two looks at the mailboxes.
const LOOK: Duration = Duration::from_millis(20);

/// What is asked of the manager; replies are one line of JSON.
#[derive(Debug)]
pub enum Request {
    Reload(Option<Sender<String>>),
    Stats(Sender<String>),
    /// At most so many of each worker.
    Flows(usize, Sender<String>),
    Ports(Sender<String>),
    Offload(Sender<String>),
    /// Prometheus' text format.
    Metrics(Sender<String>),
    /// Datasets are to be written to their files.
    SaveDatasets(Sender<String>),
    /// Files were moved away.
    ReopenLogs(Option<Sender<String>>),
    /// A worker's engine is to panic (tests).
    Fault(usize, Fault, Sender<String>),
    /// Something is to be blocked, marked or undone, by the owner of the control socket.
    Order(Box<Order>, Sender<String>),
    /// What is blocked.
    Blocks(Sender<String>),
    /// Secrets of TLS sessions, and who waits to hear that they are on their way.
    Secrets(Vec<TlsSecret>, Option<Sender<String>>),
    Shutdown(Option<Sender<String>>),
}

/// A port or interface in words and numbers.
#[derive(Clone, Debug, Default)]
pub struct PortReport {
    pub name: String,
    pub driver: String,
    pub words: Vec<(&'static str, String)>,
    pub numbers: Vec<(&'static str, u64)>,
}

/// The worker's end of things, as the manager keeps it.
#[derive(Debug)]
struct Peer {
    mail: Arc<Mailbox>,
    /// Secrets that it has not been told yet.
    untold: VecDeque<Arc<Vec<TlsSecret>>>,
    counters: Arc<Counters>,
    channel: Arc<Channel>,
}

/// See the module.
pub struct Manager {
    settings: Settings,
    mode: Mode,
    source: RuleSource,
    rules: Rules,
    sets: Arc<Datasets>,
    /// Those of rules that workers may still have.
    leaving: Vec<Arc<Datasets>>,
    blocks: Arc<BlockList>,
    /// Networks of `blocks` after joining.
    networks: u64,
    told: (u64, u64, u64),
    last_reload: u64,
    reload_failed: u64,
    peers: Vec<Peer>,
    reports: Vec<Option<Report>>,
    /// Counters of engines that are no more.
    before: Vec<Stats>,
    own: OwnLines,
    writer: Option<Writer>,
    losses: Arc<Losses>,
    stories: Option<super::stories::Shared>,
    stored: Option<super::files::Shared>,
    started: Instant,
    stats_every: Option<Duration>,
    /// Asked for when `ports` or `offload` is.
    pub ports: Box<dyn Fn() -> Vec<PortReport>>,
    pub offload: Box<dyn Fn() -> Vec<(String, u64)>>,
    /// Told of every new block list, and asked what hardware does with it.
    pub blocks_offload: Option<BlocksOffload>,
    /// Done before workers are told to stop.
    pub before_stop: Box<dyn FnMut()>,
    /// Whether faults may be asked for.
    pub faults: bool,
    secrets_lost: u64,
    /// Key logs, until somebody reads on in them.
    pub followed: Option<Followed>,
    /// Where orders are carried out.
    pub desk: Arc<Desk>,
    /// The program's own words.
    pub log: Option<Arc<EngineLog>>,
    /// The writer of `pcap-log`.
    pub packets: Option<PacketWriter>,
    /// What playbooks do.
    pub responder: Option<Handle>,
    failed_writes: Option<Unwritten>,
    coming: Arc<Mutex<Option<Result<Compiled, ReloadError>>>>,
    compiling: bool,
    /// Who asked before the rules at work were begun to be compiled, and who asked since: files may have changed.
    asked: Vec<Sender<String>>,
    waiting: Vec<Sender<String>>,
    /// Somebody asked since.
    again: bool,
    /// Reloads so far.
    generation: u64,
    taking: Option<Taking>,
}

/// Rules that workers have been given, until all have taken them.
struct Taking {
    until: Instant,
    /// What the reply says of the rules.
    reply: Json,
    /// Who waits for it.
    waiting: Vec<Sender<String>>,
}

impl std::fmt::Debug for Manager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Manager").field("workers", &self.peers.len()).finish_non_exhaustive()
    }
}

/// Builds engines from rules; cheap to copy around before workers exist.
pub fn engine(settings: &Settings, mode: Mode, rules: &Rules) -> Box<Engine> {
    let mut config = settings.engine(mode).expect("memory that was enough at the start");
    // Ports that are captures give the output that the captures give; live, cards check.
    config.stream.checksum_auto &= mode.secret == crate::secret::CAPTURES;
    let mut e = Box::new(Engine::new(config, rules.clone()));
    // The kernel gives memory now, not while packets wait.
    e.warm_all();
    e
}

impl Manager {
    /// `channel`: for the manager's own lines; the writer must serve it.
    pub fn new(
        settings: Settings,
        mode: Mode,
        source: RuleSource,
        rules: Compiled,
        channel: Arc<Channel>,
        writer: Writer,
        stats_every: Option<Duration>,
    ) -> Manager {
        Manager {
            own: OwnLines::new(&settings.outputs, mode.ips, channel),
            settings,
            mode,
            source,
            rules: rules.rules,
            sets: rules.sets,
            leaving: Vec::new(),
            networks: rules.blocks.networks().len() as u64,
            blocks: rules.blocks,
            told: (rules.loaded, rules.refused, rules.skipped),
            last_reload: super::now_ns(),
            reload_failed: 0,
            peers: Vec::new(),
            reports: Vec::new(),
            before: Vec::new(),
            losses: writer.losses.clone(),
            stories: writer.stories.clone(),
            stored: writer.files.clone(),
            writer: Some(writer),
            started: Instant::now(),
            stats_every,
            ports: Box::new(Vec::new),
            offload: Box::new(Vec::new),
            blocks_offload: None,
            before_stop: Box::new(|| {}),
            faults: false,
            secrets_lost: 0,
            followed: None,
            desk: Arc::new(Desk::new(Never::default(), mode.ips, super::now_ns())),
            packets: None,
            log: None,
            responder: None,
            failed_writes: None,
            coming: Arc::default(),
            compiling: false,
            asked: Vec::new(),
            again: false,
            waiting: Vec::new(),
            generation: 0,
            taking: None,
        }
    }

    /// Registers a worker.
    pub fn add(&mut self, mail: Arc<Mailbox>, counters: Arc<Counters>, channel: Arc<Channel>) {
        self.peers.push(Peer { mail, counters, channel, untold: VecDeque::new() });
        self.reports.push(None);
        self.before.push(Stats::default());
    }

    /// Serves until a shutdown is asked for or all workers have ended. Then the workers are stopped, waited for, and
    /// everything is written.
    pub fn run(&mut self, requests: &Receiver<Request>) -> Result<(), Unwritten> {
        let mut next_stats = self.stats_every.map(|d| Instant::now() + d);
        let mut replies = Vec::new();
        loop {
            match requests.recv_timeout(LOOK) {
                Ok(Request::Shutdown(reply)) => {
                    replies.extend(reply);
                    break;
                }
                Ok(r) => self.serve(r),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(LOOK),
            }
            self.desk.tick(super::now_ns());
            self.answers();
            self.reloaded();
            self.taken();
            self.context();
            self.tell_secrets();
            if self.peers.iter().all(|p| p.mail.ended.load(Ordering::Acquire)) {
                break;
            }
            if let Some(at) = next_stats
                && Instant::now() >= at
            {
                next_stats = self.stats_every.map(|d| at + d);
                self.ask_reports();
                self.write_stats();
            }
        }
        self.context();
        self.stop();
        for r in replies {
            let _ = r.send(done("shutting down"));
        }
        self.failed_writes.take().map_or(Ok(()), Err)
    }

    /// Writes what hosts said of flows after their events were written.
    fn context(&mut self) {
        let Some(c) = self.settings.outputs.eve.iter().find_map(|e| e.context.clone()) else { return };
        while let Some(l) = c.late() {
            self.own.say(&Said::Late(&l));
        }
    }

    fn serve(&mut self, r: Request) {
        match r {
            Request::Reload(reply) => {
                self.waiting.extend(reply);
                self.start_reload();
            }
            Request::Stats(reply) => {
                self.ask_reports();
                let _ = reply.send(self.stats_json());
            }
            Request::Flows(most, reply) => {
                let _ = reply.send(self.flows_json(most));
            }
            Request::Ports(reply) => {
                let _ = reply.send(self.ports_json());
            }
            Request::Offload(reply) => {
                let mut j = ok();
                for (name, n) in (self.offload)() {
                    j.uint(&name, n);
                }
                j.open("blocklist");
                for (name, n) in self.blocklist() {
                    j.uint(name, n);
                }
                j.close();
                let _ = reply.send(end(j));
            }
            Request::Metrics(reply) => {
                self.ask_reports();
                let _ = reply.send(self.metrics());
            }
            Request::SaveDatasets(reply) => {
                let saved = self.sets.save();
                let _ = reply.send(if saved.failed.is_empty() {
                    let mut j = ok();
                    j.uint("datasets", saved.sets as u64);
                    j.uint("values", saved.values as u64);
                    end(j)
                } else {
                    failed(&saved.failed.join("; "))
                });
            }
            Request::ReopenLogs(reply) => {
                self.reopen(reply.map(|to| -> Reply {
                    Box::new(move |r| {
                        // Who asked may be gone.
                        let _ = to.send(r.map_or_else(|e| failed(&e), |()| done("files are opened anew")));
                    })
                }));
            }
            Request::Fault(worker, fault, reply) => {
                let text = match self.peers.get(worker) {
                    Some(p) if self.faults => {
                        let sent = p.mail.orders.push(worker::Order::Fault(fault)).is_ok();
                        if sent { done("asked for") } else { failed("the worker's mailbox is full") }
                    }
                    Some(_) => failed("faults can be asked for only with --allow-faults"),
                    None => failed("no such worker"),
                };
                let _ = reply.send(text);
            }
            Request::Order(order, reply) => {
                let done = self.desk.order(&Caller::owner(), "socket", &order, super::now_ns());
                let _ = reply.send(match done {
                    Ok(d) => {
                        let mut j = ok();
                        j.uint("number", u64::from(d.id));
                        j.time("until", d.until);
                        end(j)
                    }
                    Err(e) => failed(&e.text()),
                });
            }
            Request::Secrets(secrets, reply) => self.secrets(secrets, reply),
            Request::Blocks(reply) => {
                let mut j = ok();
                self.desk.list(&mut j);
                let _ = reply.send(end(j));
            }
            Request::Shutdown(_) => {}
        }
    }

    /// Files were moved away: those of events, packets and the log are opened anew. `reply` is told when all are.
    fn reopen(&self, reply: Option<Reply>) {
        let of_log = self.log.as_ref().map_or(Ok(()), |l| l.reopen());
        if let Err(e) = &of_log {
            eprintln!("tidegate: {e}: it cannot be opened anew");
        }
        let mut replies = super::writer::joined(3, reply).into_iter().flatten();
        if let Some(r) = replies.next() {
            r(of_log);
        }
        match &self.writer {
            Some(w) => w.reopen(replies.next()),
            None => replies.next().into_iter().for_each(|r| r(Ok(()))),
        }
        match &self.packets {
            Some(p) => p.reopen(replies.next()),
            None => replies.next().into_iter().for_each(|r| r(Ok(()))),
        }
    }

    /// Compiles the rules anew, on a thread of its own; when that is at work already, once more after it.
    fn start_reload(&mut self) {
        self.again = self.compiling;
        if self.compiling {
            return;
        }
        self.asked.append(&mut self.waiting);
        let (source, settings, coming) = (self.source.clone(), self.settings.clone(), self.coming.clone());
        let before = std::panic::AssertUnwindSafe(self.sets.clone());
        let thread = std::thread::Builder::new().name("rules".into()).spawn(move || {
            let r = std::panic::catch_unwind(|| compile(&source, &settings, Some(&before)))
                .unwrap_or(Err(ReloadError::Panicked));
            *coming.lock().unwrap_or_else(PoisonError::into_inner) = Some(r);
        });
        match thread {
            Ok(_) => self.compiling = true,
            Err(e) => self.reply_reload(failed(&e.to_string())),
        }
    }

    fn reply_reload(&mut self, text: String) {
        for r in self.asked.drain(..) {
            let _ = r.send(text.clone());
        }
    }

    /// Tells the terminal and the log of something about rules.
    fn say(&self, level: Level, text: &str) {
        eprintln!("{text}");
        if let Some(log) = &self.log {
            log.say(level, "rules", text);
        }
    }

    /// Writes the sets that no rule names any more.
    fn save_gone(&self, gone: &Datasets) {
        for e in gone.save_gone(&self.sets).failed {
            self.say(Level::Error, &format!("{e}: the dataset is not saved"));
        }
    }

    /// Swaps rules that were compiled meanwhile.
    fn reloaded(&mut self) {
        if !self.compiling {
            return;
        }
        let Some(r) = self.coming.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        self.compiling = false;
        let r = match r {
            Ok(new) if new.loaded == 0 && self.told.0 > 0 => Err(ReloadError::Emptied),
            r => r,
        };
        match r {
            Ok(new) => {
                self.rules = new.rules;
                let gone = std::mem::replace(&mut self.sets, new.sets);
                self.save_gone(&gone);
                self.leaving.push(gone);
                self.networks = new.blocks.networks().len() as u64;
                self.blocks = new.blocks;
                self.told = (new.loaded, new.refused, new.skipped);
                self.last_reload = super::now_ns();
                self.generation += 1;
                for p in &self.peers {
                    let (rules, blocks) = (self.rules.clone(), self.blocks.clone());
                    let n = NewRules { generation: self.generation, rules, blocks };
                    // What comes out was never taken, and is freed here.
                    drop(p.mail.rules.force_push(Box::new(n)));
                }
                // Workers hold back what is new before hardware does, and let through what is not listed any more.
                if let Some(o) = &self.blocks_offload {
                    o.lists.set(self.blocks.clone());
                }
                let mut j = ok();
                j.uint("rules_loaded", new.loaded);
                j.uint("rules_failed", new.refused);
                j.uint("rules_skipped", new.skipped);
                j.uint("networks_blocked", self.networks);
                j.uint("took_ms", u64::try_from(new.took.as_millis()).unwrap_or(u64::MAX));
                new.told.iter().for_each(|(level, t)| self.say(*level, t));
                self.say(Level::Info, &format!("{} rules loaded, {} refused", new.loaded, new.refused));
                // Who waits for an earlier reload learns of this one.
                let mut waiting = std::mem::take(&mut self.asked);
                waiting.extend(self.taking.take().map(|t| t.waiting).unwrap_or_default());
                self.taking = Some(Taking { until: Instant::now() + TAKING, reply: j, waiting });
            }
            Err(e) => {
                self.reload_failed += 1;
                self.say(Level::Error, &format!("rules are not changed: {e}"));
                self.reply_reload(failed(&e.to_string()));
            }
        }
        if self.again {
            self.start_reload();
        }
    }

    /// Says what became of new rules, once all workers have them or have had time enough.
    fn taken(&mut self) {
        let Some(t) = &self.taking else { return };
        let has = |p: &&Peer| p.mail.taken.load(Ordering::Acquire) >= self.generation;
        let living = || self.peers.iter().filter(|p| !p.mail.ended.load(Ordering::Acquire));
        let (all, have) = (living().count() as u64, living().filter(has).count() as u64);
        if have < all && Instant::now() < t.until {
            return;
        }
        let Some(Taking { mut reply, waiting, .. }) = self.taking.take() else { return };
        // Workers learned on until they took the new rules.
        for gone in std::mem::take(&mut self.leaving) {
            self.save_gone(&gone);
        }
        reply.uint("workers", all);
        reply.uint("workers_changed", have);
        reply.uint("pause_us", self.pause_us(0));
        if have < all {
            let what = "some workers have not taken the rules yet; they will, before their next burst";
            eprintln!("{what}: {} of {all}", all - have);
            reply.string("message", what.as_bytes());
        }
        let text = end(reply);
        for to in waiting {
            let _ = to.send(text.clone());
        }
    }

    /// How long workers stood still to take rules: the last time (0), ever (1); the worst of them.
    fn pause_us(&self, which: usize) -> u64 {
        self.peers.iter().map(|p| p.mail.pause_us[which & 1].load(Ordering::Relaxed)).max().unwrap_or(0)
    }

    /// Takes what workers have sent.
    fn answers(&mut self) -> Vec<FlowList> {
        let mut lists = Vec::new();
        for i in 0..self.peers.len() {
            while let Some(a) = self.peers[i].mail.answers.pop() {
                match a {
                    Answer::OldRules(_)
                    | Answer::OldBlocks(_)
                    | Answer::OldResponse(_)
                    | Answer::OldCaptured(_)
                    | Answer::OldSecrets(_) => {}
                    Answer::Report(r) => self.reports[i] = Some(*r),
                    Answer::Flows(l) => lists.push(*l),
                    Answer::Broken(e) => self.replace(i, e),
                    Answer::Spare(e) => forget_slowly(e),
                }
            }
        }
        lists
    }

    /// An engine panicked: the worker gets another one.
    fn replace(&mut self, worker: usize, broken: Box<Engine>) {
        // Its counters, if it can still tell them.
        let last = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| broken.stats()));
        if let Ok(s) = last {
            // What it holds is nobody's any more.
            self.before[worker] = sum(&self.before[worker], &s.ended());
        }
        eprintln!("worker {worker}: the engine failed and is restarted; its flows are forgotten");
        let new = engine(&self.settings, self.mode, &self.rules);
        if let Some(never) = self.peers[worker].mail.engine.force_push(new) {
            forget_slowly(never);
        }
        forget_slowly(broken);
    }

    fn ask_reports(&mut self) {
        let mut due = Vec::new();
        for (i, p) in self.peers.iter().enumerate() {
            let empty = Report { worker: i, stats: Stats::default(), counts: Counts::default() };
            if !p.mail.ended.load(Ordering::Acquire)
                && p.mail.orders.push(worker::Order::Report(Box::new(empty))).is_ok()
            {
                due.push(i);
                self.reports[i] = None;
            }
        }
        let until = Instant::now() + PATIENCE;
        while due.iter().any(|&i| self.reports[i].is_none()) && Instant::now() < until {
            self.answers();
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Sums over the workers.
    fn totals(&self) -> (Stats, Counts) {
        let (mut s, mut c) = (Stats::default(), Counts::default());
        for (r, b) in self.reports.iter().zip(&self.before) {
            s = sum(&s, b);
            if let Some(r) = r {
                s = sum(&s, &r.stats);
                c.add(&r.counts);
            }
        }
        (s, c)
    }

    /// Counters by dotted name: those of `stats` records, and the workers' own.
    fn counters(&self) -> Vec<(String, u64)> {
        let (s, c) = self.totals();
        let mut out = crate::counters::named(&s, &c, self.mode.ips, self.settings.stats_decoder_events);
        out.push(("datasets.refused".into(), self.sets.refused()));
        let context = self.settings.outputs.eve.iter().find_map(|e| e.context.as_ref());
        out.extend(context.map(|c| c.counters()).unwrap_or_default());
        let mut sums: Vec<(&'static str, u64)> = Vec::new();
        for p in &self.peers {
            for (i, (name, n)) in p.counters.list().into_iter().enumerate() {
                match sums.get_mut(i) {
                    Some(s) => s.1 += n,
                    None => sums.push((name, n)),
                }
            }
        }
        out.extend(sums.into_iter().map(|(n, v)| (format!("dataplane.{n}"), v)));
        for (i, name) in Class::NAMES.iter().enumerate() {
            let mut n = self.peers.iter().map(|p| p.channel.dropped[i].load(Ordering::Relaxed)).sum();
            if i == Class::Stats as usize {
                n += self.own.dropped();
            }
            out.push((format!("dataplane.events_dropped.{name}"), n));
            out.push((format!("dataplane.events_lost.{name}"), self.losses.lost[i].load(Ordering::Relaxed)));
        }
        let c = self.desk.counts();
        if c != Default::default() {
            for (name, n) in [
                ("ordered", c.ordered),
                ("undone", c.undone),
                ("expired", c.expired),
                ("refused", c.refused),
                ("never", c.never),
                ("keys_evicted", c.keys_evicted),
            ] {
                out.push((format!("response.{name}"), n));
            }
        }
        for (name, n) in super::stories::NAMES.iter().zip(self.stories.iter().flat_map(|s| s.iter())) {
            out.push((name.to_string(), n.load(Ordering::Relaxed)));
        }
        for (name, n) in crate::eve::store::NAMES.iter().zip(self.stored.iter().flat_map(|s| s.iter())) {
            out.push((name.to_string(), n.load(Ordering::Relaxed)));
        }
        let packets = self.packets.iter().flat_map(|p| p.shared.counters());
        out.extend(packets.map(|(name, n)| (name.to_string(), n)));
        out.push(("dataplane.write_errors".into(), self.losses.errors.load(Ordering::Relaxed)));
        out.push(("dataplane.reloads_failed".into(), self.reload_failed));
        if self.settings.keys.is_on() {
            out.push(("tls_keys.lots_lost".into(), self.secrets_lost));
        }
        out.push(("reload.pause_us".into(), self.pause_us(0)));
        out.push(("reload.pause_us_max".into(), self.pause_us(1)));
        for port in (self.ports)() {
            for (name, n) in port.numbers {
                out.push((format!("ports.{}.{name}", port.name.replace('.', "_")), n));
            }
        }
        for (name, n) in (self.offload)() {
            out.push((format!("offload.{name}"), n));
        }
        out.extend(self.blocklist().into_iter().map(|(n, v)| (format!("blocklist.{n}"), v)));
        out
    }

    /// What block lists hold and what met them; nothing without one.
    fn blocklist(&self) -> Vec<(&'static str, u64)> {
        if self.source.block_lists.is_empty() {
            return Vec::new();
        }
        let none = Default::default();
        let hw = self.blocks_offload.as_ref().map_or(&none, |o| &*o.counters);
        let hard = |c: &std::sync::atomic::AtomicU64| c.load(Ordering::Relaxed);
        let soft = |f: fn(&Counters) -> &std::sync::atomic::AtomicU64| -> u64 {
            self.peers.iter().map(|p| f(&p.counters).load(Ordering::Relaxed)).sum()
        };
        // While a new list is on its way hardware may still have more than there is.
        let there = hard(&hw.in_hardware).min(self.networks);
        vec![
            ("enforced", u64::from(self.mode.ips)),
            ("lines", self.blocks.written() as u64),
            ("networks", self.networks),
            ("in_hardware", there),
            ("in_software", self.networks - there),
            ("uncounted", hard(&hw.uncounted)),
            ("refused_full", hard(&hw.full)),
            ("refused_unsupported", hard(&hw.unsupported)),
            ("hardware_packets", hard(&hw.packets)),
            ("hardware_bytes", hard(&hw.bytes)),
            ("software_packets", soft(|c| &c.listed)),
            ("software_bytes", soft(|c| &c.listed_bytes)),
        ]
    }

    fn write_stats(&mut self) {
        let counters = self.counters();
        self.own.say(&Said::Stats(&crate::eve::Stats {
            now: super::now_ns(),
            last_reload: self.last_reload,
            uptime_s: self.started.elapsed().as_secs(),
            counters: &counters,
            rules_loaded: self.told.0,
            rules_failed: self.told.1,
            rules_skipped: self.told.2,
        }));
    }

    fn stats_json(&self) -> String {
        let mut j = ok();
        j.uint("uptime", self.started.elapsed().as_secs());
        j.uint("workers", self.peers.len() as u64);
        j.uint("rules_loaded", self.told.0);
        j.open("counters");
        for (name, n) in self.counters() {
            j.uint(&name, n);
        }
        j.close();
        end(j)
    }

    fn flows_json(&mut self, most: usize) -> String {
        let mut asked = 0;
        for p in &self.peers {
            let l = FlowList { worker: 0, text: Vec::with_capacity(most * 384), most, total: 0 };
            asked += usize::from(p.mail.orders.push(worker::Order::Flows(Box::new(l))).is_ok());
        }
        let mut lists = Vec::new();
        let until = Instant::now() + PATIENCE;
        while lists.len() < asked && Instant::now() < until {
            lists.extend(self.answers());
            std::thread::sleep(Duration::from_millis(1));
        }
        let mut j = ok();
        j.uint("live", lists.iter().map(|l| l.total as u64).sum());
        j.open_list("flows");
        let mut first = true;
        for l in lists.iter().filter(|l| !l.text.is_empty()) {
            if !std::mem::take(&mut first) {
                j.buf.push(b',');
            }
            j.buf.extend_from_slice(&l.text);
        }
        j.close_list();
        end(j)
    }

    fn ports_json(&self) -> String {
        let mut j = ok();
        j.open_list("ports");
        for p in (self.ports)() {
            j.open("");
            j.string("name", p.name.as_bytes());
            j.string("driver", p.driver.as_bytes());
            for (k, v) in &p.words {
                j.string(k, v.as_bytes());
            }
            for (k, v) in &p.numbers {
                j.uint(k, *v);
            }
            j.close();
        }
        j.close_list();
        end(j)
    }

    /// Prometheus' text format: every counter as `tidegate_NAME`, those of workers with a label.
    fn metrics(&self) -> String {
        super::prometheus::text(&self.counters(), self.started.elapsed().as_secs(), self.told.0)
    }

    fn stop(&mut self) {
        self.ask_reports();
        (self.before_stop)();
        for p in &self.peers {
            p.mail.stop.store(true, Ordering::Relaxed);
        }
        let until = Instant::now() + Duration::from_millis(1500);
        while !self.peers.iter().all(|p| p.mail.ended.load(Ordering::Acquire)) && Instant::now() < until {
            self.answers();
            std::thread::sleep(Duration::from_millis(1));
        }
        if let Some(r) = &mut self.responder {
            r.finish();
        }
        self.desk.finish(super::now_ns());
        self.answers();
        let packets = self.packets.as_mut().map_or(Ok(()), PacketWriter::finish);
        if self.settings.stats {
            self.write_stats();
        }
        let mut unsaved = self.sets.save().failed;
        let leaving = std::mem::take(&mut self.leaving);
        unsaved.extend(leaving.iter().flat_map(|gone| gone.save_gone(&self.sets).failed));
        unsaved.iter().for_each(|e| eprintln!("tidegate: {e}: the dataset is not saved"));
        self.failed_writes = unsaved.into_iter().next().map(Unwritten::Dataset);
        if let Some(w) = self.writer.take()
            && let Err(e) = w.finish()
        {
            self.failed_writes = Some(Unwritten::Events(e));
        }
        if let Err(e) = packets {
            self.failed_writes = Some(Unwritten::Packets(e));
        }
        self.asked.append(&mut self.waiting);
        self.asked.extend(self.taking.take().map(|t| t.waiting).unwrap_or_default());
        self.reply_reload(failed("shutting down"));
    }

    /// The counters of the end, for a summary: engines', events', workers'.
    pub fn last(&self) -> (Stats, Counts, Vec<(String, u64)>) {
        let (s, c) = self.totals();
        (s, c, self.counters())
    }
}

/// Frees a large thing where nobody waits for it.
fn forget_slowly<T: Send + 'static>(t: T) {
    // Without a thread the memory is kept rather than somebody made to wait.
    let _ = std::thread::Builder::new().name("free".into()).spawn(move || {
        // A broken engine may panic once more.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || drop(t)));
    });
}

fn sum(a: &Stats, b: &Stats) -> Stats {
    let mut s = *a;
    s.add(b);
    s
}

fn ok() -> Json {
    let mut j = Json::default();
    j.open("");
    j.word("return", "OK");
    j
}

fn end(mut j: Json) -> String {
    j.close();
    String::from_utf8(j.buf).unwrap_or_default()
}

fn done(message: &str) -> String {
    let mut j = ok();
    j.string("message", message.as_bytes());
    end(j)
}

/// A reply that says why not.
pub fn failed(message: &str) -> String {
    let mut j = Json::default();
    j.open("");
    j.word("return", "NOK");
    j.string("message", message.as_bytes());
    end(j)
}
