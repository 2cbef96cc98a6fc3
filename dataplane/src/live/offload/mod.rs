//! Flows that hardware can decide by itself: bypassed ones need no more inspection, blocked ones none at all.
//!
//! In: [`Ask`]s of workers, over a bounded queue of each. Out: rules in hardware through [`FlowOffload`], and what they
//! counted, folded back into the flow's record by the worker. A thread of its own talks to the hardware, as making a rule
//! takes longer than many packets. What hardware refuses, or has no room for, stays with software and is counted.
//!
//! Networks of block lists are rules, too ([`blocks`]). Software keeps looking up the whole list, so that a rule that is late,
//! refused or blind to a packet (an unusual tag) lets nothing through.

pub mod blocks;
#[cfg(feature = "dpdk")]
pub mod rte;
mod table;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_queue::ArrayQueue;
use tidegate_core::engine::{Engine, Frame};
use tidegate_core::event::Verdict;
use tidegate_core::flow::{Key, flag};
use tidegate_core::packet::{Decoder, PacketBuf};

use super::blocklist::{BlockList, Network};
use super::now_ns;
use super::worker::Mailbox;
use blocks::Blocks;
use table::Table;

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

/// Where an address is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Src,
    Dst,
}

/// Hardware that takes rules for flows, and for networks.
pub trait FlowOffload: Send {
    /// Makes a rule; `token` (not 0) names it in [`FlowOffload::aged`]. Returns the rule's number.
    fn insert(&mut self, d: &Direction, fate: Fate, age_s: u32, token: u64) -> Result<u32, Refused>;
    /// Numbers of its ports.
    fn ports(&self) -> Vec<u16>;
    /// Makes a rule that drops what comes in by a port from or to a network; it does not age.
    fn block(&mut self, network: &Network, side: Side, port: u16) -> Result<u32, Refused>;
    /// Takes out a rule of either kind.
    fn remove(&mut self, rule: u32);
    /// Packets and bytes that met the rule since it was made; `None` when nothing is counted.
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

/// The thread that talks to the hardware.
#[derive(Debug)]
pub struct Offloader {
    stop: Arc<AtomicBool>,
    lists: NewList,
    thread: JoinHandle<()>,
}

/// Where a new block list is left for the thread.
#[derive(Clone, Debug, Default)]
pub struct NewList(Arc<Mutex<Option<Arc<BlockList>>>>);

impl NewList {
    pub fn set(&self, list: Arc<BlockList>) {
        // A poisoned lock guards nothing that could be half done.
        *self.0.lock().unwrap_or_else(|e| e.into_inner()) = Some(list);
    }

    fn take(&self) -> Option<Arc<BlockList>> {
        self.0.lock().unwrap_or_else(|e| e.into_inner()).take()
    }
}

impl Offloader {
    /// Starts it for workers by number: their queues and their mailboxes.
    pub fn start(
        hw: Box<dyn FlowOffload>,
        workers: Vec<(Asks, Arc<Mailbox>)>,
        counters: Arc<Counters>,
        blocked: Arc<blocks::Counters>,
        age_s: u32,
    ) -> std::io::Result<Offloader> {
        let lists = NewList::default();
        let mut blocks = Blocks::new(lists.clone(), blocked);
        let stop = Arc::new(AtomicBool::new(false));
        let s = stop.clone();
        let thread = std::thread::Builder::new().name("offload".into()).spawn(move || {
            let mut t = Table::new(hw, workers, counters, age_s);
            let mut swept = Instant::now();
            while !s.load(Ordering::Relaxed) {
                let any = t.serve() | blocks.step(&mut *t.hw);
                if swept.elapsed() >= SWEEP {
                    swept = Instant::now();
                    t.sweep();
                    blocks.sweep(&mut *t.hw);
                }
                if !any {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
            t.serve();
            t.clear(None);
            blocks.clear(&mut *t.hw);
        })?;
        Ok(Offloader { stop, lists, thread })
    }

    /// Where to leave networks to be blocked.
    pub fn lists(&self) -> NewList {
        self.lists.clone()
    }

    /// Takes all rules out; what they counted is on its way to the workers, who must still be there.
    pub fn finish(self) {
        self.stop.store(true, Ordering::Relaxed);
        // A panic there cost rules that the port's end removes.
        let _ = self.thread.join();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// Hardware that remembers; room for `room` rules.
    #[derive(Clone, Default)]
    pub struct Fake(pub Arc<Mutex<State>>);

    #[derive(Default)]
    pub struct State {
        pub rules: HashMap<u32, (Direction, u64, (u64, u64))>,
        pub room: usize,
        pub next: u32,
        pub old: Vec<u64>,
        /// Rules for networks, with what met them.
        pub blocks: HashMap<u32, (Network, Side, u16, (u64, u64))>,
        /// Rules for IPv6 are beyond it.
        pub v4_only: bool,
    }

    impl FlowOffload for Fake {
        fn insert(&mut self, d: &Direction, _: Fate, _: u32, token: u64) -> Result<u32, Refused> {
            let mut s = self.0.lock().unwrap();
            if s.rules.len() + s.blocks.len() >= s.room {
                return Err(Refused::Full);
            }
            s.next += 1;
            let n = s.next;
            s.rules.insert(n, (*d, token, (0, 0)));
            Ok(n)
        }
        fn ports(&self) -> Vec<u16> {
            vec![0, 1]
        }
        fn block(&mut self, network: &Network, side: Side, port: u16) -> Result<u32, Refused> {
            let mut s = self.0.lock().unwrap();
            if s.v4_only && network.addr.is_ipv6() {
                return Err(Refused::Unsupported("no IPv6".into()));
            }
            if s.rules.len() + s.blocks.len() >= s.room {
                return Err(Refused::Full);
            }
            s.next += 1;
            let n = s.next;
            s.blocks.insert(n, (*network, side, port, (0, 0)));
            Ok(n)
        }
        fn remove(&mut self, rule: u32) {
            let mut s = self.0.lock().unwrap();
            let flow = s.rules.remove(&rule).is_some();
            assert!(flow || s.blocks.remove(&rule).is_some(), "removed once");
        }
        fn count(&mut self, rule: u32) -> Option<(u64, u64)> {
            let s = self.0.lock().unwrap();
            s.rules.get(&rule).map(|r| r.2).or_else(|| s.blocks.get(&rule).map(|r| r.3))
        }
        fn aged(&mut self, f: &mut dyn FnMut(u64)) {
            self.0.lock().unwrap().old.drain(..).for_each(f);
        }
    }

    pub fn key(n: u16) -> Key {
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
