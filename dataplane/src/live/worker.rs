//! One worker: an engine, its sink and a mailbox, run by whoever receives frames.
//!
//! In: bursts of frames, orders from the mailbox. Out: a verdict a frame, answers to the mailbox. A panic of the engine
//! ends at this boundary: the burst is decided by policy, the engine goes to the manager, who sends another one; until
//! it comes, frames are decided by policy, too, and counted.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crossbeam_queue::ArrayQueue;
use tidegate_core::detect::Rules;
use tidegate_core::engine::{Engine, Frame, Stats};
use tidegate_core::event::Verdict;
use tidegate_core::fault::Station;
use tidegate_core::response::Blocks;
use tidegate_core::unseal::TlsSecret;

use super::blocklist::BlockList;
use super::sink::LiveSink;
use crate::eve::Counts;
use crate::response::tap::Captured;

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
    /// Counts reloads: told to the manager when they are taken.
    pub generation: u64,
    pub rules: Rules,
    pub blocks: Arc<BlockList>,
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

/// What the manager asks of a worker. Rules and engines have places of their own in the [`Mailbox`].
pub enum Order {
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
    /// Secrets of TLS sessions.
    Secrets(Arc<Vec<TlsSecret>>),
    /// Panic (tests).
    Fault(Fault),
}

/// Where a panic is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Before the engine sees the next burst.
    Burst,
    /// When an event is told.
    Sink,
    /// Inside the engine; where that is built in.
    At(Station),
}

impl Fault {
    pub fn from_name(name: &str) -> Option<Fault> {
        match name {
            "burst" => Some(Fault::Burst),
            "sink" => Some(Fault::Sink),
            at => Station::from_name(at).map(Fault::At),
        }
    }
}

/// What a worker tells the manager.
pub enum Answer {
    /// No longer used; somebody else pays for freeing it.
    OldRules(Rules),
    OldBlocks(Arc<BlockList>),
    OldResponse(Arc<Blocks>),
    OldCaptured(Arc<Captured>),
    OldSecrets(Arc<Vec<TlsSecret>>),
    Report(Box<Report>),
    Flows(Box<FlowList>),
    /// The engine panicked; send another one.
    Broken(Box<Engine>),
    /// An engine that came too late, or that the worker ended with.
    Spare(Box<Engine>),
}

/// Both directions between a worker and its manager. What must not be lost has a place for the newest, however full the
/// queue is: putting something there takes out what nobody took.
pub struct Mailbox {
    pub orders: ArrayQueue<Order>,
    /// The newest rules (one place).
    pub rules: ArrayQueue<Box<NewRules>>,
    /// The newest engine (one place).
    pub engine: ArrayQueue<Box<Engine>>,
    /// The newest tables of what is blocked (one place).
    pub response: ArrayQueue<Arc<Blocks>>,
    /// The newest list of hosts whose frames are copied (one place).
    pub captured: ArrayQueue<Arc<Captured>>,
    /// Generation of the rules taken last.
    pub taken: AtomicU64,
    /// How long the worker stood still to take rules, microseconds: the last time, and the longest.
    pub pause_us: [AtomicU64; 2],
    pub answers: ArrayQueue<Answer>,
    pub stop: AtomicBool,
    /// The worker has ended.
    pub ended: AtomicBool,
}

impl Default for Mailbox {
    fn default() -> Self {
        Mailbox {
            orders: ArrayQueue::new(64),
            rules: ArrayQueue::new(1),
            engine: ArrayQueue::new(1),
            response: ArrayQueue::new(1),
            captured: ArrayQueue::new(1),
            taken: AtomicU64::new(0),
            pause_us: Default::default(),
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
    /// Frames from or to networks of the block lists: part of `dropped` where verdicts count, else they are only counted.
    listed,
    listed_bytes,
    /// Those of `dropped` that were answered.
    rejected,
    /// Answers sent.
    answers,
    /// Contents of frames that were replaced before they went on (`replace`).
    replaced,
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
    /// Frames whose worker was chosen by the hash of their port.
    spread_by_hash,
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

/// Frames that are looked up in a block list at a time: bits of a word.
const PART: usize = 64;
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
    blocks: Arc<BlockList>,
    /// What is blocked for a time: another engine gets it as well.
    response: Option<Arc<Blocks>>,
    /// Hosts whose frames are copied.
    captured: Option<Arc<Captured>>,
    /// Frames of the last burst that a block list held back, by bit; those of a long burst's last part.
    listed: u64,
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
            blocks: Arc::default(),
            response: None,
            captured: None,
            listed: 0,
        }
    }

    /// Frames from or to these networks are held back before the engine sees them, or only counted without `ips`. For the
    /// start: later they come with rules.
    pub fn set_blocks(&mut self, blocks: Arc<BlockList>) {
        self.blocks = blocks;
    }

    /// Whether frame `i` of the last burst was held back by a block list.
    #[inline]
    pub fn was_listed(&self, i: usize) -> bool {
        i < PART && self.listed >> i & 1 != 0
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

    /// Inspects a burst; `false` when the verdicts are the policy's, not the engine's. Frames that a block list holds back
    /// are `Drop`, whatever the engine or the policy says of others.
    #[inline]
    pub fn inspect(&mut self, frames: &[Frame<'_>], verdicts: &mut [Verdict]) -> bool {
        self.listed = 0;
        self.last_was_policy = false;
        if let Some(c) = &self.captured {
            c.copy(frames);
        }
        let all = self.inspect_all(frames, verdicts);
        if let Some(p) = &mut self.sink.pcap {
            p.frames(frames);
        }
        all
    }

    /// As [`Worker::inspect`], for those who may be blocked and those who are not.
    #[inline]
    fn inspect_all(&mut self, frames: &[Frame<'_>], verdicts: &mut [Verdict]) -> bool {
        if self.blocks.is_empty() {
            return self.ask(frames, verdicts);
        }
        let mut all = true;
        for (frames, verdicts) in frames.chunks(PART).zip(verdicts.chunks_mut(PART)) {
            self.look_up(frames.iter().map(|f| (f.data, f.link)));
            all &=
                if self.listed == 0 { self.ask(frames, verdicts) } else { self.ask_others(frames, verdicts) };
        }
        all
    }

    /// Fills `listed`, of at most [`PART`] frames, and counts.
    fn look_up<'f>(&mut self, frames: impl Iterator<Item = (&'f [u8], u16)>) {
        let (mut held, mut n, mut bytes) = (0u64, 0, 0);
        for (i, (data, link)) in frames.enumerate() {
            if self.blocks.meets(data, link) {
                held |= 1 << i;
                n += 1;
                bytes += data.len() as u64;
            }
        }
        if n > 0 {
            add(&self.counters.listed, n);
            add(&self.counters.listed_bytes, bytes);
        }
        self.listed = if self.ips { held } else { 0 };
    }

    /// Has the engine inspect a burst.
    #[inline]
    fn ask(&mut self, frames: &[Frame<'_>], verdicts: &mut [Verdict]) -> bool {
        let fault = std::mem::take(&mut self.fault);
        let done = self.guard(|e, sink| {
            assert!(!fault, "a fault was asked for");
            e.process(frames, verdicts, sink);
        });
        if done.is_none() {
            self.decide(frames.len(), verdicts);
        }
        done.is_some()
    }

    /// As [`Worker::ask`], without the frames in `listed`, which are `Drop`.
    #[cold]
    fn ask_others(&mut self, frames: &[Frame<'_>], verdicts: &mut [Verdict]) -> bool {
        let (listed, mut n) = (self.listed, 0);
        let mut others = [Frame::default(); PART];
        for (_, f) in frames.iter().enumerate().filter(|(i, _)| listed >> i & 1 == 0) {
            others[n] = *f;
            n += 1;
        }
        let mut said = [Verdict::Forward; PART];
        let done = n == 0 || self.ask(&others[..n], &mut said[..n]);
        let mut next = said.iter();
        for (i, v) in verdicts.iter_mut().enumerate().take(frames.len()) {
            let held = listed >> i & 1 != 0;
            *v = if held { Verdict::Drop } else { next.next().copied().unwrap_or(Verdict::Drop) };
        }
        done
    }

    /// Decides frames that no engine sees, at most 64: block lists hold theirs back all the same.
    pub fn shed<'f>(
        &mut self,
        frames: impl Iterator<Item = (&'f [u8], u16)>,
        n: usize,
        verdicts: &mut [Verdict],
    ) {
        self.listed = 0;
        if !self.blocks.is_empty() {
            self.look_up(frames.take(PART));
        }
        self.decide(n - self.listed.count_ones() as usize, verdicts);
        for (i, v) in verdicts.iter_mut().enumerate().take(n) {
            *v = if self.was_listed(i) { Verdict::Drop } else { self.policy() };
        }
    }

    fn policy(&self) -> Verdict {
        match self.fail {
            Fail::Open => Verdict::Forward,
            Fail::Closed => Verdict::Drop,
        }
    }

    /// Decides `n` frames that no engine has seen.
    fn decide(&mut self, n: usize, verdicts: &mut [Verdict]) {
        let v = self.policy();
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
        let m = &self.mail;
        let response = m.response.is_empty() && m.captured.is_empty();
        if !(m.orders.is_empty() && m.rules.is_empty() && m.engine.is_empty() && response) {
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

    /// Takes new rules between two bursts. What is no longer used goes to the manager: freeing it takes long.
    fn take_rules(&mut self, new: NewRules) {
        let start = std::time::Instant::now();
        let NewRules { generation, rules, blocks } = new;
        let blocks = std::mem::replace(&mut self.blocks, blocks);
        self.answer(Answer::OldBlocks(blocks));
        let kept = rules.clone();
        let old = self.guard(move |e, _| e.swap_rules(rules));
        for rules in old.into_iter().chain([kept]) {
            self.answer(Answer::OldRules(rules));
        }
        self.clear_offload = true;
        add(&self.counters.reloads, 1);
        let took = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.mail.pause_us[0].store(took, Ordering::Relaxed);
        self.mail.pause_us[1].fetch_max(took, Ordering::Relaxed);
        self.mail.taken.store(generation, Ordering::Release);
    }

    /// Gives the engine the tables of what is blocked.
    fn put_response(&mut self) {
        let new = self.response.clone();
        if let Some(Some(old)) = self.guard(move |e, _| e.set_blocks(new)) {
            self.answer(Answer::OldResponse(old));
        }
    }

    #[cold]
    fn orders(&mut self) {
        // The engine first: it may have been built before the rules were there.
        if let Some(new) = self.mail.engine.pop() {
            if let Some(old) = self.engine.replace(new) {
                self.answer(Answer::Spare(old));
            }
            self.clear_offload = true;
            if self.response.is_some() {
                self.put_response();
            }
        }
        if let Some(new) = self.mail.response.pop() {
            if let Some(old) = self.response.replace(new) {
                self.answer(Answer::OldResponse(old));
            }
            self.put_response();
            // Flows that hardware passes on are not seen here, whoever is blocked.
            self.clear_offload = true;
        }
        if let Some(new) = self.mail.captured.pop() {
            let new = (!new.hosts.is_empty()).then_some(new);
            if let Some(old) = std::mem::replace(&mut self.captured, new) {
                self.answer(Answer::OldCaptured(old));
            }
        }
        if let Some(new) = self.mail.rules.pop() {
            self.take_rules(*new);
        }
        while let Some(o) = self.mail.orders.pop() {
            match o {
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
                Order::Secrets(s) => {
                    if let Some(e) = self.engine.as_deref_mut() {
                        s.iter().for_each(|s| _ = e.tls_secret(s));
                    }
                    self.answer(Answer::OldSecrets(s));
                }
                Order::Fault(Fault::Burst) => self.fault = true,
                Order::Fault(Fault::Sink) => self.sink.fail(),
                Order::Fault(Fault::At(at)) => {
                    self.engine.as_deref_mut().map(|e| e.fail_at(at));
                }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::engine::Mode;
    use crate::config::{Overrides, Settings};
    use crate::live::blocklist::Network;
    use crate::live::chunk::Channel;
    use crate::live::manager;
    use tidegate_core::detect::inspect::Sets;

    fn worker(fail: Fail, ips: bool) -> Worker {
        let settings = Settings::load(None, &Overrides { set: &[], ips }).unwrap();
        let mode = Mode { ips, ignore_checksums: true, memory: 16 << 20, secret: crate::secret::CAPTURES };
        let engine = manager::engine(&settings, mode, &Rules::default());
        let sink = LiveSink::new(&settings.outputs, ips, Arc::new(Channel::new()), false);
        let mut w = Worker::new(0, engine, sink, fail, ips, false);
        w.set_blocks(Arc::new(BlockList::new(&[Network::parse("10.9.0.0/16").unwrap()])));
        w
    }

    /// A UDP packet to 10.`net`.0.1.
    fn packet(net: u8) -> Vec<u8> {
        let mut f = vec![0u8; 12];
        f.extend([8, 0, 0x45, 0, 0, 29, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 10, net, 0, 1]);
        f.extend([0, 7, 0, 7, 0, 9, 0, 0, b'x']);
        f
    }

    fn n(c: &AtomicU64) -> u64 {
        c.load(Ordering::Relaxed)
    }

    #[test]
    fn listed_frames_never_reach_the_engine() {
        let (listed, other) = (packet(9), packet(8));
        let of = |i: usize| if i.is_multiple_of(3) { &listed } else { &other };
        // More than are looked up at a time.
        let frames: Vec<Frame<'_>> = (0..150)
            .map(|i| Frame { data: of(i), ts: 1_700_000_000_000_000_000, link: 1, ..Frame::default() })
            .collect();
        for ips in [true, false] {
            let mut w = worker(Fail::Closed, ips);
            let mut verdicts = vec![Verdict::Forward; frames.len()];
            assert!(w.inspect(&frames, &mut verdicts));
            for (i, v) in verdicts.iter().enumerate() {
                assert_eq!(*v == Verdict::Drop, ips && i.is_multiple_of(3), "{i}");
            }
            assert_eq!(n(&w.counters.listed), 50);
            assert_eq!(n(&w.counters.listed_bytes), 50 * listed.len() as u64);
            assert_eq!(w.engine().unwrap().stats().packets, if ips { 100 } else { 150 });
        }
    }

    fn rules(sid: u32, generation: u64) -> Box<NewRules> {
        let settings = Settings::load(None, &Overrides::default()).unwrap();
        let text = format!("alert ip any any -> any any (msg:\"x\"; content:\"x\"; sid:{sid};)");
        let source = crate::load::Source::Text { name: "t".into(), text: text.into_bytes() };
        let rules = crate::load::load_sources(&[source], &settings, None).unwrap().rules;
        assert_eq!(rules.set.len(), 1);
        Box::new(NewRules { generation, rules, blocks: Arc::default() })
    }

    /// However full the mailbox is, the newest rules and engines arrive, and nothing is freed on the worker's thread.
    #[test]
    fn orders_that_matter_are_never_lost() {
        struct Slow(Arc<AtomicU64>);
        impl Sets for Slow {
            fn dataset(&self, _: u16, _: tidegate_core::rules::ir::DatasetOp, _: &[u8]) -> bool {
                false
            }
            fn reputation(&self, _: u16, _: &[u8]) -> Option<u16> {
                None
            }
        }
        impl Drop for Slow {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let freed = Arc::new(AtomicU64::new(0));
        let mut w = worker(Fail::Closed, true);
        let mail = w.mail.clone();
        let fill = || {
            while mail.orders.push(Order::Fold { id: 1, pkts: [0; 2], bytes: [0; 2], last: 0 }).is_ok() {}
        };
        for generation in 1..4 {
            fill();
            let mut new = rules(generation as u32, generation);
            new.rules.sets = Arc::new(Slow(freed.clone()));
            let before = mail.rules.force_push(new);
            // The first is never taken: the second takes its place.
            assert_eq!(before.is_some(), generation == 2);
            if generation > 1 {
                w.between(0);
                assert_eq!(mail.taken.load(Ordering::Acquire), generation);
                assert_eq!(w.engine().unwrap().rules().len(), 1);
            }
        }
        assert_eq!(n(&freed), 1, "that of the rules that were never taken, by us");
        let back =
            std::iter::from_fn(|| mail.answers.pop()).filter(|a| matches!(a, Answer::OldRules(_))).count();
        assert_eq!(back, 4, "the old ones, and what was kept of the new ones, of two reloads");
        assert_eq!(n(&freed), 2);
        // An engine that failed is replaced though the queue is full.
        mail.orders.pop();
        mail.orders.push(Order::Fault(Fault::Burst)).ok();
        w.between(0);
        let frames = [Frame { data: &packet(8), ts: 1, link: 1, ..Frame::default() }];
        assert!(!w.inspect(&frames, &mut [Verdict::Forward]));
        assert!(w.engine().is_none());
        fill();
        let settings = Settings::load(None, &Overrides::default()).unwrap();
        let mode =
            Mode { ips: true, ignore_checksums: true, memory: 16 << 20, secret: crate::secret::CAPTURES };
        let new = manager::engine(&settings, mode, &Rules::default());
        assert!(mail.engine.force_push(new).is_none());
        w.between(0);
        assert!(w.inspect(&frames, &mut [Verdict::Forward]));
    }

    #[test]
    fn policies_do_not_open_the_list() {
        let (listed, other) = (packet(9), packet(8));
        let frames = [&other, &listed, &other].map(|f| Frame {
            data: f,
            ts: 1_700_000_000_000_000_000,
            link: 1,
            ..Frame::default()
        });
        for (fail, said) in [(Fail::Open, Verdict::Forward), (Fail::Closed, Verdict::Drop)] {
            let mut w = worker(fail, true);
            w.fault = true;
            let mut verdicts = [Verdict::Forward; 3];
            assert!(!w.inspect(&frames, &mut verdicts), "the engine failed");
            assert_eq!(verdicts, [said, Verdict::Drop, said]);
            assert!(w.last_was_policy && w.was_listed(1) && !w.was_listed(0) && !w.was_listed(2));
            w.shed(frames.iter().map(|f| (f.data, f.link)), 3, &mut verdicts);
            assert_eq!(verdicts, [said, Verdict::Drop, said]);
            assert!(w.was_listed(1) && !w.was_listed(2));
            let closed = if fail == Fail::Closed { 4 } else { 0 };
            let c = &w.counters;
            assert_eq!((n(&c.listed), n(&c.uninspected), n(&c.shed_closed)), (2, 4, closed));
        }
    }
}
