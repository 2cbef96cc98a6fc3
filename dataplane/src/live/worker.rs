//! One worker: an engine, its sink and a mailbox, run by whoever receives frames.
//!
//! In: bursts of frames, orders from the mailbox. Out: a verdict a frame, answers to the mailbox. A panic of the engine
//! ends at this boundary: the burst is decided by policy, the engine goes to the manager, who sends another one; until
//! it comes, frames are decided by policy, too, and counted.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crossbeam_queue::ArrayQueue;
use tidegate_core::detect::RuleSet;
use tidegate_core::detect::inspect::Sets;
use tidegate_core::engine::{Engine, Frame, Stats};
use tidegate_core::event::Verdict;

use super::sink::LiveSink;
use crate::eve::Counts;

/// What happens to frames that cannot be inspected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fail {
    /// They go on.
    Open,
    /// They stay.
    Closed,
}

/// Rules on their way to a worker.
pub struct NewRules {
    pub set: Arc<RuleSet>,
    pub sets: Option<Box<dyn Sets + Send>>,
}

/// Counters of an engine and its sink at a moment.
#[derive(Clone)]
pub struct Report {
    pub worker: usize,
    pub stats: Stats,
    pub counts: Counts,
}

/// A list of flows, as JSON objects with a comma between them.
#[derive(Debug)]
pub struct FlowList {
    pub worker: usize,
    pub text: Vec<u8>,
    pub most: usize,
    /// Live flows there are.
    pub total: usize,
}

/// What the manager asks of a worker.
pub enum Order {
    Rules(Box<NewRules>),
    Engine(Box<Engine>),
    /// Fill this in and send it back.
    Report(Box<Report>),
    Flows(Box<FlowList>),
    /// What hardware handled of a flow.
    Fold {
        id: u64,
        pkts: [u64; 2],
        bytes: [u64; 2],
        last: u64,
    },
    /// Panic at the next burst (tests).
    Fault,
}

/// What a worker tells the manager.
pub enum Answer {
    /// No longer used; somebody else pays for freeing it.
    OldRules(Arc<RuleSet>),
    Report(Box<Report>),
    Flows(Box<FlowList>),
    /// The engine panicked; send another one.
    Broken(Box<Engine>),
    /// An engine that came too late, or that the worker ended with.
    Spare(Box<Engine>),
}

/// Both directions between a worker and its manager.
pub struct Mailbox {
    pub orders: ArrayQueue<Order>,
    pub answers: ArrayQueue<Answer>,
    pub stop: AtomicBool,
    /// The worker has ended.
    pub ended: AtomicBool,
}

impl Default for Mailbox {
    fn default() -> Self {
        Mailbox {
            orders: ArrayQueue::new(64),
            answers: ArrayQueue::new(256),
            stop: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        }
    }
}

impl std::fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mailbox").finish_non_exhaustive()
    }
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// What a worker counts. One thread writes, any may read.
        #[derive(Debug, Default)]
        pub struct Counters { $($(#[$doc])* pub $name: AtomicU64,)* }
        impl Counters {
            /// All of them by name.
            pub fn list(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name.load(Ordering::Relaxed)),)*]
            }
        }
    };
}

counters! {
    /// Frames taken in.
    received,
    received_bytes,
    /// Frames that went out.
    forwarded,
    forwarded_bytes,
    /// Frames held back because the engine said so.
    dropped,
    /// Those of `dropped` that were answered.
    rejected,
    /// Answers sent.
    answers,
    /// Those of `forwarded` whose flow needs no more inspection.
    bypassed,
    /// Frames that got no verdict of an engine, whatever became of them.
    uninspected,
    /// Those of `uninspected` that were held back (fail-closed).
    shed_closed,
    /// Frames that found no room to be sent.
    shed_tx,
    /// Frames that found no room on the way to another worker.
    shed_ring,
    /// Frames in several pieces that were put together.
    linearized,
    /// Frames too long to be put together.
    too_long,
    /// Bursts that were let through because too much was waiting.
    overloads,
    /// Engines that panicked.
    faults,
    /// Rule sets taken.
    reloads,
    /// Polls that found nothing.
    idle,
    /// Frames and bytes that the hardware handled, folded into flows.
    offload_packets,
    offload_bytes,
}

/// Adds to a counter that only this thread writes.
#[inline]
pub fn add(c: &AtomicU64, n: u64) {
    c.store(c.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
}

/// Nanoseconds between two ticks of an engine.
const TICK: u64 = 1_000_000_000;
/// Nanoseconds after which what was said is handed to the writer.
const FLUSH: u64 = 100_000_000;

/// An engine and all it needs, for one thread.
pub struct Worker {
    pub id: usize,
    engine: Option<Box<Engine>>,
    pub sink: LiveSink,
    pub mail: Arc<Mailbox>,
    pub counters: Arc<Counters>,
    fail: Fail,
    ips: bool,
    /// Time goes by packets alone, as for captures.
    replay: bool,
    last_tick: u64,
    last_flush: u64,
    fault: bool,
    /// Whether the hardware's rules are to be removed.
    pub clear_offload: bool,
    /// The last verdicts were the policy's.
    pub last_was_policy: bool,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Worker {
    pub fn new(
        id: usize,
        engine: Box<Engine>,
        sink: LiveSink,
        fail: Fail,
        ips: bool,
        replay: bool,
    ) -> Worker {
        Worker {
            id,
            engine: Some(engine),
            sink,
            mail: Arc::default(),
            counters: Arc::default(),
            fail,
            ips,
            replay,
            last_tick: 0,
            last_flush: 0,
            fault: false,
            clear_offload: false,
            last_was_policy: false,
        }
    }

    /// Whether the manager wants the worker to end.
    #[inline]
    pub fn stopping(&self) -> bool {
        self.mail.stop.load(Ordering::Relaxed)
    }

    /// The engine, while there is one.
    pub fn engine(&self) -> Option<&Engine> {
        self.engine.as_deref()
    }

    /// Runs `f` on the engine. A panic costs the engine, nobody else: `None`.
    fn guard<R>(&mut self, f: impl FnOnce(&mut Engine, &mut LiveSink) -> R) -> Option<R> {
        let engine = self.engine.as_deref_mut()?;
        let sink = &mut self.sink;
        // What a panic leaves half done is in the engine, which nobody uses again, and in the sink, which holds whole
        // lines only.
        match catch_unwind(AssertUnwindSafe(|| f(engine, sink))) {
            Ok(r) => Some(r),
            Err(_) => {
                add(&self.counters.faults, 1);
                if let Some(broken) = self.engine.take() {
                    self.answer(Answer::Broken(broken));
                }
                None
            }
        }
    }

    fn answer(&self, a: Answer) {
        // A manager that does not read costs memory, never a packet's time: what does not fit is forgotten, not freed
        // here.
        if let Err(lost) = self.mail.answers.push(a) {
            std::mem::forget(lost);
        }
    }

    /// Inspects a burst; `false` when the verdicts are the policy's, not the engine's.
    #[inline]
    pub fn inspect(&mut self, frames: &[Frame<'_>], verdicts: &mut [Verdict]) -> bool {
        let fault = std::mem::take(&mut self.fault);
        let done = self.guard(|e, sink| {
            assert!(!fault, "a fault was asked for");
            e.process(frames, verdicts, sink);
        });
        self.last_was_policy = false;
        if done.is_none() {
            self.undecided(frames.len(), verdicts);
        }
        done.is_some()
    }

    /// Decides frames that no engine has seen.
    pub fn undecided(&mut self, n: usize, verdicts: &mut [Verdict]) {
        let v = match self.fail {
            Fail::Open => Verdict::Forward,
            Fail::Closed => Verdict::Drop,
        };
        self.last_was_policy = true;
        verdicts.iter_mut().take(n).for_each(|s| *s = v);
        add(&self.counters.uninspected, n as u64);
        if self.fail == Fail::Closed && self.ips {
            add(&self.counters.shed_closed, n as u64);
        }
    }

    /// What is due between two bursts: orders, time, events to hand over. `now`: the wall clock.
    #[inline]
    pub fn between(&mut self, now: u64) {
        if !self.mail.orders.is_empty() {
            self.orders();
        }
        if !self.replay && now.wrapping_sub(self.last_tick) >= TICK {
            self.last_tick = now;
            self.guard(|e, sink| e.tick(now, sink));
        }
        if now.wrapping_sub(self.last_flush) >= FLUSH {
            self.last_flush = now;
            self.sink.flush();
        }
    }

    #[cold]
    fn orders(&mut self) {
        while let Some(o) = self.mail.orders.pop() {
            match o {
                Order::Rules(new) => {
                    let NewRules { set, sets } = *new;
                    let old = self.engine.as_deref().map(|e| e.rules().clone());
                    let kept = set.clone();
                    self.guard(move |e, _| {
                        e.swap_rules(set);
                        if let Some(s) = sets {
                            e.set_sets(s);
                        }
                    });
                    for rules in old.into_iter().chain([kept]) {
                        self.answer(Answer::OldRules(rules));
                    }
                    self.clear_offload = true;
                    add(&self.counters.reloads, 1);
                }
                Order::Engine(new) => {
                    if let Some(old) = self.engine.replace(new) {
                        self.answer(Answer::Spare(old));
                    }
                    self.clear_offload = true;
                }
                Order::Report(mut r) => {
                    if let Some(e) = self.engine.as_deref() {
                        r.stats = e.stats();
                    }
                    r.worker = self.id;
                    r.counts = self.sink.counts;
                    self.answer(Answer::Report(r));
                }
                Order::Flows(mut l) => {
                    l.worker = self.id;
                    if let Some(e) = self.engine.as_deref() {
                        super::control::flow_list(e, &mut l);
                    }
                    self.answer(Answer::Flows(l));
                }
                Order::Fold { id, pkts, bytes, last } => {
                    if let Some(e) = self.engine.as_deref_mut()
                        && e.fold_offloaded(id, pkts, bytes, last)
                    {
                        add(&self.counters.offload_packets, pkts[0] + pkts[1]);
                        add(&self.counters.offload_bytes, bytes[0] + bytes[1]);
                    }
                }
                Order::Fault => self.fault = true,
            }
        }
    }

    /// The end: flows are finished and reported, the engine goes to the manager.
    pub fn finish(&mut self) {
        self.orders();
        self.guard(|e, sink| e.finish(sink));
        self.orders();
        self.sink.flush();
        let mut last =
            Box::new(Report { worker: self.id, stats: Stats::default(), counts: self.sink.counts });
        if let Some(e) = self.engine.take() {
            last.stats = e.stats();
            self.answer(Answer::Report(last));
            self.answer(Answer::Spare(e));
        } else {
            self.answer(Answer::Report(last));
        }
        self.mail.ended.store(true, Ordering::Release);
    }
}
