//! Flows that hardware can decide by itself: bypassed ones need no more inspection, blocked ones none at all.
//!
//! In: [`Ask`]s of workers, over a bounded queue of each. Out: rules in hardware through [`FlowOffload`], and what they
//! counted, folded back into the flow's record by the worker. A thread of its own talks to the hardware, as making a rule
//! takes longer than many packets. What hardware refuses, or has no room for, stays with software and is counted.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_queue::ArrayQueue;
use tidegate_core::engine::{Engine, Frame};
use tidegate_core::event::Verdict;
use tidegate_core::flow::{Key, flag};
use tidegate_core::packet::{Decoder, PacketBuf};

use super::now_ns;
use super::worker::{Mailbox, Order};

/// What hardware does with a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Its packets go on without being seen.
    Bypass,
    /// Its packets stay.
    Block,
}

/// One direction of a flow as hardware matches it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Direction {
    pub src: IpAddr,
    pub dst: IpAddr,
    pub proto: u8,
    /// For TCP and UDP.
    pub ports: Option<(u16, u16)>,
    pub vlan: Option<u16>,
    /// The port that its packets come in by, and the one they go out by (inline).
    pub from: u16,
    pub to: Option<u16>,
}

/// Why there is no rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    Full,
    Unsupported(String),
}

/// Hardware that takes rules for flows.
pub trait FlowOffload: Send {
    /// Makes a rule; `token` (not 0) names it in [`FlowOffload::aged`]. Returns the rule's number.
    fn insert(&mut self, d: &Direction, fate: Fate, age_s: u32, token: u64) -> Result<u32, Refused>;
    fn remove(&mut self, rule: u32);
    /// Packets and bytes that met the rule since it was made.
    fn count(&mut self, rule: u32) -> Option<(u64, u64)>;
    /// Tokens of rules that nothing has met for their time.
    fn aged(&mut self, f: &mut dyn FnMut(u64));
}

/// What a worker tells.
#[derive(Clone, Copy, Debug)]
pub enum Ask {
    /// A flow that hardware may take: both directions, to the server first.
    Flow {
        id: u64,
        fate: Fate,
        directions: [Direction; 2],
    },
    Ended(u64),
    /// All of this worker's rules go.
    Clear,
}

/// Counters of the offload.
#[derive(Debug, Default)]
pub struct Counters {
    pub rules: AtomicU64,
    pub made: AtomicU64,
    pub removed: AtomicU64,
    pub aged: AtomicU64,
    pub full: AtomicU64,
    pub unsupported: AtomicU64,
    pub packets: AtomicU64,
    pub bytes: AtomicU64,
    /// Asks that found the queue full.
    pub not_asked: AtomicU64,
}

impl Counters {
    pub fn list(&self) -> Vec<(String, u64)> {
        [
            ("rules", &self.rules),
            ("made", &self.made),
            ("removed", &self.removed),
            ("aged", &self.aged),
            ("refused_full", &self.full),
            ("refused_unsupported", &self.unsupported),
            ("packets", &self.packets),
            ("bytes", &self.bytes),
            ("not_asked", &self.not_asked),
        ]
        .map(|(n, c)| (n.to_string(), c.load(Ordering::Relaxed)))
        .to_vec()
    }
}

/// The queue from a worker.
pub type Asks = Arc<ArrayQueue<Ask>>;

/// Asks of one worker that wait.
const WAITING: usize = 8192;
/// Flows whose asking is remembered, and for how long, ns: after that one that still comes is asked for again.
const ASKED: usize = 4096;
const AGAIN: u64 = 2_000_000_000;
/// Time between two looks at the counters.
const SWEEP: Duration = Duration::from_millis(500);

/// The worker's side.
#[derive(Debug)]
pub struct Client {
    asks: Asks,
    counters: Arc<Counters>,
    asked: Vec<(u64, u64)>,
    decoder: Decoder,
    packets: PacketBuf<'static>,
}

fn address(a: &[u8; 16], v6: bool) -> IpAddr {
    if v6 { IpAddr::V6(Ipv6Addr::from(*a)) } else { IpAddr::V4(Ipv4Addr::new(a[0], a[1], a[2], a[3])) }
}

/// Both directions of a flow; `None` for what hardware should not decide: inner flows of tunnels, stacked tags,
/// protocols without ports beside TCP and UDP.
fn directions(k: &Key, client: u16, server: Option<u16>) -> Option<[Direction; 2]> {
    if k.recursion != 0 || k.vlans > 1 || !matches!(k.proto, 6 | 17) {
        return None;
    }
    let (src, dst) = (address(&k.src.0, k.v6), address(&k.dst.0, k.v6));
    let vlan = (k.vlans == 1).then_some(k.vlan[0]);
    let there =
        Direction { src, dst, proto: k.proto, ports: Some((k.sp, k.dp)), vlan, from: client, to: server };
    let back = Direction {
        src: dst,
        dst: src,
        ports: Some((k.dp, k.sp)),
        from: server.unwrap_or(client),
        to: server.map(|_| client),
        ..there
    };
    Some([there, back])
}

impl Client {
    pub fn new(counters: Arc<Counters>) -> Client {
        Client {
            asks: Arc::new(ArrayQueue::new(WAITING)),
            counters,
            asked: vec![(0, 0); ASKED],
            decoder: Decoder::new(Default::default()),
            packets: PacketBuf::new(tidegate_core::packet::MAX_PER_FRAME),
        }
    }

    /// The queue, for the thread that serves it.
    pub fn asks(&self) -> Asks {
        self.asks.clone()
    }

    fn ask(&self, a: Ask) {
        if self.asks.push(a).is_err() {
            self.counters.not_asked.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Looks at a frame whose verdict was `Bypass` or `Drop`. `port`: where it came in; `peer`: where it would go.
    #[cold]
    pub fn look(&mut self, e: &Engine, frame: &Frame<'_>, verdict: Verdict, port: u16, peer: Option<u16>) {
        let mut packets = std::mem::replace(&mut self.packets, PacketBuf::new(0)).recycle();
        self.decoder.decode(frame.data, frame.link, frame.ts, 0, &mut packets);
        // Only the outermost packet, which is first: hardware sees no other.
        if let Some(p) = packets.iter().next()
            && let Some(id) = e.flow_of(p)
        {
            let now = now_ns();
            let slot = &mut self.asked[(id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as usize % ASKED];
            if slot.0 != id || now.wrapping_sub(slot.1) > AGAIN {
                let ask = e.with_flow_id(id, |v| {
                    let k = v.key();
                    let fate = match verdict {
                        Verdict::Bypass => Fate::Bypass,
                        _ if v.has(flag::DROP) => Fate::Block,
                        _ => return None,
                    };
                    let to_server = p.src == k.src && p.sp == k.sp;
                    let (client, server) =
                        if to_server { (port, peer) } else { (peer.unwrap_or(port), peer.map(|_| port)) };
                    Some(Ask::Flow { id, fate, directions: directions(k, client, server)? })
                });
                if let Some(Some(a)) = ask {
                    *slot = (id, now);
                    self.ask(a);
                }
            }
        }
        self.packets = packets.recycle();
    }

    /// Flows that ended.
    pub fn ended(&mut self, ids: &mut Vec<u64>) {
        for id in ids.drain(..) {
            self.ask(Ask::Ended(id));
        }
    }

    /// The rules have changed: everything is asked for anew.
    pub fn clear(&mut self) {
        self.asked.iter_mut().for_each(|s| *s = (0, 0));
        self.ask(Ask::Clear);
    }
}

/// A flow in hardware.
#[derive(Debug)]
struct Entry {
    token: u64,
    rules: [Option<u32>; 2],
    /// What was folded already, per direction.
    told: [(u64, u64); 2],
}

/// The thread that talks to the hardware.
#[derive(Debug)]
pub struct Offloader {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Offloader {
    /// Starts it for workers by number: their queues and their mailboxes.
    pub fn start(
        hw: Box<dyn FlowOffload>,
        workers: Vec<(Asks, Arc<Mailbox>)>,
        counters: Arc<Counters>,
        age_s: u32,
    ) -> std::io::Result<Offloader> {
        let stop = Arc::new(AtomicBool::new(false));
        let s = stop.clone();
        let thread = std::thread::Builder::new().name("offload".into()).spawn(move || {
            let mut t = Table {
                hw,
                workers,
                counters,
                age_s,
                flows: HashMap::new(),
                tokens: HashMap::new(),
                next: 1,
            };
            let mut swept = Instant::now();
            while !s.load(Ordering::Relaxed) {
                let any = t.serve();
                if swept.elapsed() >= SWEEP {
                    swept = Instant::now();
                    t.sweep();
                }
                if !any {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
            t.serve();
            t.clear(None);
        })?;
        Ok(Offloader { stop, thread })
    }

    /// Takes all rules out; what they counted is on its way to the workers, who must still be there.
    pub fn finish(self) {
        self.stop.store(true, Ordering::Relaxed);
        // A panic there cost rules that the port's end removes.
        let _ = self.thread.join();
    }
}

struct Table {
    hw: Box<dyn FlowOffload>,
    workers: Vec<(Asks, Arc<Mailbox>)>,
    counters: Arc<Counters>,
    age_s: u32,
    /// By worker and flow.
    flows: HashMap<(usize, u64), Entry>,
    tokens: HashMap<u64, (usize, u64)>,
    next: u64,
}

impl Table {
    /// Does what workers ask; whether there was anything.
    fn serve(&mut self) -> bool {
        let mut any = false;
        for w in 0..self.workers.len() {
            let asks = self.workers[w].0.clone();
            while let Some(a) = asks.pop() {
                any = true;
                match a {
                    Ask::Flow { id, fate, directions } => self.insert(w, id, fate, &directions),
                    Ask::Ended(id) => self.remove((w, id)),
                    Ask::Clear => self.clear(Some(w)),
                }
            }
        }
        any
    }

    fn insert(&mut self, w: usize, id: u64, fate: Fate, directions: &[Direction; 2]) {
        if self.flows.contains_key(&(w, id)) {
            return;
        }
        let token = self.next;
        self.next += 1;
        let mut e = Entry { token, rules: [None; 2], told: [(0, 0); 2] };
        for (d, slot) in directions.iter().zip(&mut e.rules) {
            match self.hw.insert(d, fate, self.age_s, token) {
                Ok(rule) => {
                    *slot = Some(rule);
                    self.counters.made.fetch_add(1, Ordering::Relaxed);
                    self.counters.rules.fetch_add(1, Ordering::Relaxed);
                }
                Err(why) => {
                    let c =
                        if why == Refused::Full { &self.counters.full } else { &self.counters.unsupported };
                    c.fetch_add(1, Ordering::Relaxed);
                    break;
                }
            }
        }
        // Half a flow in hardware would be half a flow in the record: both directions or none.
        if e.rules.iter().any(Option::is_none) {
            for r in e.rules.into_iter().flatten() {
                self.take(r);
            }
            return;
        }
        self.tokens.insert(token, (w, id));
        self.flows.insert((w, id), e);
    }

    fn take(&mut self, rule: u32) {
        self.hw.remove(rule);
        self.counters.removed.fetch_add(1, Ordering::Relaxed);
        self.counters.rules.fetch_sub(1, Ordering::Relaxed);
    }

    /// Folds what a flow's rules counted since they were asked last.
    fn fold(&mut self, at: (usize, u64)) {
        let Some(e) = self.flows.get_mut(&at) else { return };
        let (mut pkts, mut bytes, mut now) = ([0; 2], [0; 2], e.told);
        for d in 0..2 {
            if let Some((p, b)) = e.rules[d].and_then(|r| self.hw.count(r)) {
                pkts[d] = p.saturating_sub(e.told[d].0);
                bytes[d] = b.saturating_sub(e.told[d].1);
                now[d] = (p, b);
            }
        }
        if pkts == [0; 2] {
            return;
        }
        // A full mailbox is tried again at the next sweep: nothing is noted as told until it is.
        let order = Order::Fold { id: at.1, pkts, bytes, last: now_ns() };
        if self.workers[at.0].1.orders.push(order).is_ok() {
            e.told = now;
            self.counters.packets.fetch_add(pkts[0] + pkts[1], Ordering::Relaxed);
            self.counters.bytes.fetch_add(bytes[0] + bytes[1], Ordering::Relaxed);
        }
    }

    fn remove(&mut self, at: (usize, u64)) {
        // The mailbox may be full for a moment.
        for _ in 0..50 {
            self.fold(at);
            if !self.workers[at.0].1.orders.is_full() {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        if let Some(e) = self.flows.remove(&at) {
            self.tokens.remove(&e.token);
            for r in e.rules.into_iter().flatten() {
                self.take(r);
            }
        }
    }

    /// Removes all rules, or those of one worker.
    fn clear(&mut self, worker: Option<usize>) {
        let all: Vec<_> = self.flows.keys().filter(|k| worker.is_none_or(|w| w == k.0)).copied().collect();
        for at in all {
            self.remove(at);
        }
    }

    /// Asks all counters, and which rules have aged.
    fn sweep(&mut self) {
        let mut old = Vec::new();
        self.hw.aged(&mut |token| old.push(token));
        for token in old {
            if let Some(&at) = self.tokens.get(&token) {
                self.counters.aged.fetch_add(1, Ordering::Relaxed);
                self.remove(at);
            }
        }
        let all: Vec<_> = self.flows.keys().copied().collect();
        for at in all {
            self.fold(at);
        }
    }
}

/// Rules of DPDK ports by `rte_flow`.
#[cfg(feature = "dpdk")]
pub mod rte {
    use super::{Direction, Fate, FlowOffload, Refused};
    use crate::dpdk::{FlowAction, FlowMatch, FlowRule, FlowRules, Port};

    /// See [`FlowOffload`]. What is special about mlx5 is here: rules that pass packets on to another port are rules of
    /// the embedded switch (`transfer`), made through the port that they come in by.
    #[derive(Debug)]
    pub struct RteFlow {
        /// By number of the port.
        ports: Vec<Option<FlowRules>>,
        rules: Vec<Option<FlowRule>>,
        free: Vec<u32>,
        transfer: bool,
    }

    impl RteFlow {
        pub fn new(ports: &[Port], transfer: bool) -> RteFlow {
            let mut by = Vec::new();
            for p in ports {
                let i = usize::from(p.id());
                if by.len() <= i {
                    by.resize_with(i + 1, || None);
                }
                by[i] = Some(FlowRules::new(p.clone(), transfer, 0));
            }
            RteFlow { ports: by, rules: Vec::new(), free: Vec::new(), transfer }
        }
    }

    /// ENOSPC and ENOMEM: drivers say "full" by either.
    const FULL: [i32; 2] = [28, 12];

    impl FlowOffload for RteFlow {
        fn insert(&mut self, d: &Direction, fate: Fate, age_s: u32, token: u64) -> Result<u32, Refused> {
            let none = |why: &str| Refused::Unsupported(why.into());
            let rules = self
                .ports
                .get(usize::from(d.from))
                .and_then(|p| p.as_ref())
                .ok_or_else(|| none("no such port"))?;
            let action = match (fate, d.to) {
                // Packets that are only watched go on by themselves.
                (Fate::Block, _) | (Fate::Bypass, None) => FlowAction::Drop,
                (Fate::Bypass, Some(to)) if self.transfer => FlowAction::ToPort(to),
                (Fate::Bypass, Some(_)) => return Err(none("passing on needs rules of the switch")),
            };
            let bits = if d.src.is_ipv6() { 128 } else { 32 };
            let m = FlowMatch {
                src: d.src,
                src_bits: bits,
                dst: d.dst,
                dst_bits: bits,
                proto: d.proto,
                ports: d.ports,
                vlan: d.vlan,
            };
            let rule = rules.create(&m, action, age_s, token).map_err(|e| {
                if FULL.contains(&e.code()) { Refused::Full } else { Refused::Unsupported(e.to_string()) }
            })?;
            Ok(match self.free.pop() {
                Some(i) => {
                    self.rules[i as usize] = Some(rule);
                    i
                }
                None => {
                    self.rules.push(Some(rule));
                    (self.rules.len() - 1) as u32
                }
            })
        }

        fn remove(&mut self, rule: u32) {
            if let Some(r) = self.rules.get_mut(rule as usize)
                && r.take().is_some()
            {
                self.free.push(rule);
            }
        }

        fn count(&mut self, rule: u32) -> Option<(u64, u64)> {
            let c = self.rules.get(rule as usize)?.as_ref()?.count(false)?;
            Some((c.packets, c.bytes))
        }

        fn aged(&mut self, f: &mut dyn FnMut(u64)) {
            let mut tokens = [0; 64];
            for p in self.ports.iter().flatten() {
                loop {
                    let n = p.aged(&mut tokens);
                    tokens[..n].iter().for_each(|&t| f(t));
                    if n < tokens.len() {
                        break;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// Hardware that remembers; room for `room` rules.
    #[derive(Clone, Default)]
    struct Fake(Arc<Mutex<State>>);

    #[derive(Default)]
    struct State {
        rules: HashMap<u32, (Direction, u64, (u64, u64))>,
        room: usize,
        next: u32,
        old: Vec<u64>,
    }

    impl FlowOffload for Fake {
        fn insert(&mut self, d: &Direction, _: Fate, _: u32, token: u64) -> Result<u32, Refused> {
            let mut s = self.0.lock().unwrap();
            if s.rules.len() >= s.room {
                return Err(Refused::Full);
            }
            s.next += 1;
            let n = s.next;
            s.rules.insert(n, (*d, token, (0, 0)));
            Ok(n)
        }
        fn remove(&mut self, rule: u32) {
            self.0.lock().unwrap().rules.remove(&rule).expect("removed once");
        }
        fn count(&mut self, rule: u32) -> Option<(u64, u64)> {
            Some(self.0.lock().unwrap().rules[&rule].2)
        }
        fn aged(&mut self, f: &mut dyn FnMut(u64)) {
            self.0.lock().unwrap().old.drain(..).for_each(f);
        }
    }

    fn key(n: u16) -> Key {
        let mut k = Key { ..key_zero() };
        k.sp = n;
        k.dp = 443;
        k.proto = 6;
        k
    }

    fn key_zero() -> Key {
        Key {
            src: tidegate_core::packet::Addr([1; 16]),
            dst: tidegate_core::packet::Addr([2; 16]),
            sp: 0,
            dp: 0,
            vlan: [0; 3],
            vlans: 0,
            proto: 6,
            recursion: 0,
            v6: false,
        }
    }

    fn table(room: usize) -> (Table, Fake, Arc<Mailbox>) {
        let fake = Fake::default();
        fake.0.lock().unwrap().room = room;
        let mail = Arc::new(Mailbox::default());
        let asks: Asks = Arc::new(ArrayQueue::new(16));
        let t = Table {
            hw: Box::new(fake.clone()),
            workers: vec![(asks, mail.clone())],
            counters: Arc::default(),
            age_s: 10,
            flows: HashMap::new(),
            tokens: HashMap::new(),
            next: 1,
        };
        (t, fake, mail)
    }

    #[test]
    fn both_directions_or_none() {
        let (mut t, fake, _) = table(3);
        let d = |n| directions(&key(n), 0, Some(1)).unwrap();
        t.insert(0, 1, Fate::Block, &d(1));
        t.insert(0, 2, Fate::Block, &d(2));
        assert_eq!(fake.0.lock().unwrap().rules.len(), 2, "the second flow had room for one direction only");
        assert_eq!(t.counters.full.load(Ordering::Relaxed), 1);
        t.insert(0, 1, Fate::Block, &d(1));
        assert_eq!(fake.0.lock().unwrap().rules.len(), 2, "it is there already");
        t.remove((0, 1));
        t.remove((0, 1));
        assert!(fake.0.lock().unwrap().rules.is_empty() && t.flows.is_empty() && t.tokens.is_empty());
        assert_eq!(t.counters.rules.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn counters_are_folded_once() {
        let (mut t, fake, mail) = table(10);
        t.insert(0, 7, Fate::Bypass, &directions(&key(1), 0, None).unwrap());
        for r in fake.0.lock().unwrap().rules.values_mut() {
            r.2 = (5, 500);
        }
        t.sweep();
        t.sweep();
        let Some(Order::Fold { id: 7, pkts: [5, 5], bytes: [500, 500], .. }) = mail.orders.pop() else {
            panic!("what was counted is told")
        };
        assert!(mail.orders.is_empty(), "and only once");
        fake.0.lock().unwrap().old.push(1);
        t.sweep();
        assert!(t.flows.is_empty(), "aged");
        t.insert(0, 8, Fate::Bypass, &directions(&key(2), 0, None).unwrap());
        t.clear(Some(1));
        assert_eq!(t.flows.len(), 1);
        t.clear(Some(0));
        assert!(t.flows.is_empty() && fake.0.lock().unwrap().rules.is_empty());
    }

    #[test]
    fn ports_follow_the_direction() {
        let [there, back] = directions(&key(9), 3, Some(4)).unwrap();
        assert_eq!((there.from, there.to, back.from, back.to), (3, Some(4), 4, Some(3)));
        assert_eq!((there.ports, back.ports), (Some((9, 443)), Some((443, 9))));
        let [_, back] = directions(&key(9), 3, None).unwrap();
        assert_eq!((back.from, back.to), (3, None));
        assert!(directions(&Key { proto: 1, ..key(9) }, 0, None).is_none());
        assert!(directions(&Key { recursion: 1, ..key(9) }, 0, None).is_none());
    }
}
