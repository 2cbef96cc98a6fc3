//! Ports of DPDK under workers: run to completion, one lcore with one engine and one receive queue of each port.
//!
//! In: arguments of the EAL and how to use the ports. Out: [`Lane`]s, one for each worker lcore. A lane receives, gives
//! bursts to its worker where they lie, and sends or frees them by verdict. Ports that cannot spread packets by
//! themselves (or have too few queues) are read by one lane, which passes packets on over rings, by addresses, so that
//! both directions of a flow meet.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tidegate_core::engine::Frame;
use tidegate_core::event::Verdict;

use super::manager::PortReport;
use super::now_ns;
use super::offload::Client;
use super::reject::{LONGEST, Rejecter};
use super::worker::{Fail, Worker, add};
use crate::dpdk::{
    Burst, DpdkError, Eal, IndexField, Lcore, MAX_BURST, Mbuf, Pool, Port, PortConfig, PortInfo, Receiver,
    RxQueue, Sender, Timestamps, TxQueue, ports, ring,
};

/// Room for frames in several pieces of one burst. Longer ones are not inspected.
const LINEAR: usize = 1 << 20;
/// Places in a ring between two lanes.
const RING: u32 = 4096;
/// Tries to send what a port does not take.
const TX_TRIES: u32 = 64;
/// Polls without a packet before a lane rests.
const PATIENT_POLLS: u32 = 2000;
/// Shares of a receive queue that wait when a lane counts as overloaded: 3 of 4.
const FULL: (u32, u32) = (3, 4);

/// How ports are used.
#[derive(Clone, Debug)]
pub struct Options {
    /// Arguments of the EAL as a user writes them.
    pub eal: String,
    /// Lanes; 0: one for each worker lcore that the arguments name, or one.
    pub workers: usize,
    /// Pairs of ports that are joined: what comes in by one goes out by the other. Empty: packets are only inspected.
    pub pairs: Vec<(u16, u16)>,
    pub fail: Fail,
    /// 0: what the ports have.
    pub mtu: u16,
    pub descriptors: u16,
    /// LINKTYPE_ of what is received.
    pub link: u16,
    /// Never rest, even when nothing comes.
    pub busy: bool,
    /// Receive queues; 0: as many as lanes when a port can spread packets, else 1.
    pub rx_queues: u16,
    /// Mbufs; 0: as many as the queues need.
    pub mbufs: u32,
}

/// Everything that is set up before lanes run.
#[derive(Debug)]
pub struct Setup {
    pub eal: Eal,
    pub lanes: Vec<Lane>,
    pub lcores: Vec<Lcore>,
    pub ports: Vec<Port>,
    pub pools: Vec<Pool>,
    /// Every port reads captures: time is theirs, and there is an end.
    pub replay: bool,
}

/// What packets' times are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    /// There are none, or they cannot be understood: the wall clock counts.
    Clock,
    Micros,
    Nanos,
}

#[derive(Debug)]
struct Input {
    rx: RxQueue,
    /// Packets are for all lanes.
    spread: bool,
    /// An empty poll is the end.
    finite: bool,
    ended: bool,
    count: u64,
    full_at: u32,
}

#[derive(Clone, Debug)]
enum Tx {
    Shared(Arc<Mutex<TxQueue>>),
}

#[derive(Debug)]
enum Output {
    Own(TxQueue),
    Shared(Tx),
}

impl Output {
    fn send(&mut self, b: &mut Burst) -> usize {
        match self {
            Output::Own(q) => q.send(b),
            // Only where a port has fewer queues than there are lanes. A poisoned lock guards nothing that could be
            // half done.
            Output::Shared(Tx::Shared(q)) => q.lock().unwrap_or_else(|e| e.into_inner()).send(b),
        }
    }
}

/// What a lane knows of a port.
#[derive(Debug)]
struct Way {
    /// Where packets from this port go, by place in `ways`.
    peer: Option<usize>,
    out: Option<Output>,
    burst: Burst,
    unit: Unit,
    replay: bool,
}

/// One worker's ports.
#[derive(Debug)]
pub struct Lane {
    inputs: Vec<Input>,
    /// By number of the port.
    ways: Vec<Way>,
    ring: Option<Receiver>,
    /// By lane; its own is `None`.
    others: Vec<Option<Sender>>,
    waiting: Vec<Burst>,
    /// Inputs of all lanes that have not ended.
    reading: Arc<AtomicUsize>,
    times: Option<Timestamps>,
    index: Option<IndexField>,
    pool: Pool,
    linear: Vec<u8>,
    answer: Vec<u8>,
    rejecter: Rejecter,
    inline: bool,
    fail_open: bool,
    link: u16,
    busy: bool,
    replay: bool,
    /// Hardware may take flows.
    pub offload: Option<Client>,
}

/// The CPUs that this process may use.
fn cpus() -> Vec<usize> {
    let Ok(set) = nix::sched::sched_getaffinity(nix::unistd::Pid::from_raw(0)) else { return vec![0] };
    let list: Vec<usize> =
        (0..nix::sched::CpuSet::count()).filter(|&c| set.is_set(c).unwrap_or(false)).collect();
    if list.is_empty() { vec![0] } else { list }
}

/// Splits as a shell would, with both kinds of quotes.
fn words(text: &str) -> Vec<String> {
    let (mut out, mut word, mut any, mut quote) = (Vec::new(), String::new(), false, None);
    for c in text.chars() {
        match quote {
            Some(q) if c == q => quote = None,
            Some(_) => word.push(c),
            None if c == '\'' || c == '"' => (quote, any) = (Some(c), true),
            None if c.is_whitespace() => {
                if any || !word.is_empty() {
                    out.push(std::mem::take(&mut word));
                }
                any = false;
            }
            None => word.push(c),
        }
    }
    if any || !word.is_empty() {
        out.push(word);
    }
    out
}

/// The value of `key` in a device's arguments.
fn device_arg<'a>(args: &'a str, key: &str) -> Option<&'a str> {
    args.split(',').find_map(|a| a.split_once('=').filter(|(k, _)| *k == key).map(|(_, v)| v))
}

/// Starts the EAL with lcores for `workers` lanes unless the arguments name some.
fn start_eal(o: &Options) -> Result<Eal, DpdkError> {
    let mut args = words(&o.eal);
    let has = |names: &[&str]| {
        args.iter().any(|a| {
            names.iter().any(|n| a == n || (n.len() > 2 || !a.starts_with("--")) && a.starts_with(n))
        })
    };
    let mut more = Vec::new();
    if !has(&["-l", "-c", "--lcores", "-S", "-s"]) {
        let cpus = cpus();
        let all: Vec<String> = cpus.iter().map(usize::to_string).collect();
        let mut map = format!("--lcores=0@({})", all.join(","));
        for w in 0..o.workers.max(1) {
            map.push_str(&format!(",{}@{}", w + 1, cpus[w % cpus.len()]));
        }
        more.push(map);
    }
    if has(&["--no-huge"]) && !has(&["-m"]) {
        more.extend(["-m".into(), "512".into()]);
    }
    if !has(&["--log-level"]) {
        more.push("--log-level=lib.eal:warning".into());
    }
    args.extend(more);
    Eal::start(&args)
}

fn invalid(what: impl Into<String>) -> DpdkError {
    DpdkError::Refused { what: what.into(), code: 22, why: "not possible".into() }
}

/// Starts everything.
pub fn start(o: &Options) -> Result<Setup, DpdkError> {
    let eal = start_eal(o)?;
    let mut lcores = eal.workers();
    if o.workers > 0 {
        if lcores.len() < o.workers {
            return Err(invalid(format!("{} workers on {} worker lcores", o.workers, lcores.len())));
        }
        lcores.truncate(o.workers);
    }
    let lanes = lcores.len();
    let infos = ports(eal);
    if infos.is_empty() {
        return Err(invalid("DPDK has no port (a device, a --vdev or -a is needed)"));
    }
    if lanes == 0 {
        return Err(invalid("no worker lcore: name at least two lcores, one for control"));
    }
    let peers = pair(&infos, &o.pairs)?;
    let top = infos.iter().map(|i| usize::from(i.id) + 1).max().unwrap_or(0);
    let reading = Arc::new(AtomicUsize::new(0));
    let mut setup = Setup {
        eal,
        lanes: Vec::new(),
        lcores,
        ports: Vec::new(),
        pools: Vec::new(),
        replay: infos.iter().all(is_capture),
    };
    let index = if setup.replay { Some(IndexField::register(eal)?) } else { None };
    let queues_of = |i: &PortInfo| {
        let most = i.max_rx_queues.max(1);
        let want = match o.rx_queues {
            0 if i.rss => lanes as u16,
            0 => 1,
            n => n,
        };
        want.min(most).min(lanes as u16)
    };
    let spreading = infos.iter().any(|i| usize::from(queues_of(i)) < lanes);
    let room = infos.iter().map(|i| room_for(i, o.mtu)).max().unwrap_or(2048);
    let in_flight: u32 = infos
        .iter()
        .map(|i| u32::from(o.descriptors) * (u32::from(queues_of(i)) + lanes as u32) + 64)
        .sum::<u32>()
        + lanes as u32 * (512 + 8 * MAX_BURST as u32 + if spreading { RING } else { 0 });
    let count = if o.mbufs > 0 { o.mbufs } else { in_flight.next_power_of_two().max(4096) - 1 };
    let pool = Pool::new(eal, "tidegate", count, room, -1)?;
    setup.pools.push(pool);
    for _ in 0..lanes {
        setup.lanes.push(Lane {
            inputs: Vec::new(),
            ways: (0..top)
                .map(|_| Way { peer: None, out: None, burst: Burst::new(), unit: Unit::Clock, replay: false })
                .collect(),
            ring: None,
            others: (0..lanes).map(|_| None).collect(),
            waiting: (0..lanes).map(|_| Burst::new()).collect(),
            reading: reading.clone(),
            times: None,
            index,
            pool,
            linear: Vec::with_capacity(LINEAR),
            answer: Vec::with_capacity(LONGEST),
            rejecter: Rejecter::default(),
            inline: !o.pairs.is_empty(),
            fail_open: o.fail == Fail::Open,
            link: o.link,
            busy: o.busy,
            replay: setup.replay,
            offload: None,
        });
    }
    for (i, peer) in infos.iter().zip(&peers) {
        let rx_queues = queues_of(i);
        let tx_queues = if i.max_tx_queues == 0 { 0 } else { i.max_tx_queues.min(lanes as u16) };
        let config = PortConfig {
            rx_queues,
            tx_queues,
            rx_desc: o.descriptors,
            tx_desc: o.descriptors,
            mtu: o.mtu,
            ..PortConfig::default()
        };
        let started = Port::start(eal, i.id, &config, &[pool])?;
        reading.fetch_add(started.rx.len(), Ordering::Relaxed);
        let full_at = u32::from(o.descriptors) * FULL.0 / FULL.1;
        for (q, rx) in started.rx.into_iter().enumerate() {
            setup.lanes[q].inputs.push(Input {
                rx,
                spread: usize::from(rx_queues) < lanes,
                finite: is_capture(i),
                ended: false,
                count: 0,
                full_at,
            });
        }
        let few = started.tx.len() < lanes;
        let mut shared: Option<Tx> = None;
        let mut tx = started.tx.into_iter();
        for lane in &mut setup.lanes {
            let way = &mut lane.ways[usize::from(i.id)];
            way.peer = peer.map(usize::from);
            way.replay = is_capture(i);
            way.unit = match i.driver.as_str() {
                "net_pcap" if setup.replay => Unit::Micros,
                _ if started.timestamps => Unit::Nanos,
                _ => Unit::Clock,
            };
            way.out = match &shared {
                Some(s) => Some(Output::Shared(s.clone())),
                None => match tx.next() {
                    Some(q) if few => {
                        let s = Tx::Shared(Arc::new(Mutex::new(q)));
                        shared = Some(s.clone());
                        Some(Output::Shared(s))
                    }
                    Some(q) => Some(Output::Own(q)),
                    None => None,
                },
            };
        }
        setup.ports.push(started.port);
    }
    if spreading {
        for to in 0..lanes {
            let (tx, rx) = ring(eal, &format!("lane{to}"), RING)?;
            setup.lanes[to].ring = Some(rx);
            for (from, lane) in setup.lanes.iter_mut().enumerate() {
                if from != to {
                    lane.others[to] = Some(tx.clone());
                }
            }
        }
    }
    let times = Timestamps::find(eal);
    setup.lanes.iter_mut().for_each(|l| l.times = times);
    Ok(setup)
}

/// The port each port's packets go to.
fn pair(infos: &[PortInfo], pairs: &[(u16, u16)]) -> Result<Vec<Option<u16>>, DpdkError> {
    for &(a, b) in pairs {
        for p in [a, b] {
            if !infos.iter().any(|i| i.id == p) {
                return Err(invalid(format!("pair {a}:{b}: there is no port {p}")));
            }
            if pairs.iter().filter(|x| x.0 == p || x.1 == p).count() != 1 || a == b {
                return Err(invalid(format!("pair {a}:{b}: port {p} is in two pairs")));
            }
        }
    }
    Ok(infos
        .iter()
        .map(|i| {
            pairs.iter().find_map(|&(a, b)| {
                if a == i.id {
                    Some(b)
                } else if b == i.id {
                    Some(a)
                } else {
                    None
                }
            })
        })
        .collect())
}

/// A port that reads capture files, once.
fn is_capture(i: &PortInfo) -> bool {
    i.driver == "net_pcap"
        && device_arg(&i.args, "rx_pcap").is_some()
        && !matches!(device_arg(&i.args, "infinite_rx"), Some(v) if v != "0")
}

/// Data room of an mbuf, bytes.
fn room_for(i: &PortInfo, mtu: u16) -> u16 {
    // The AF_PACKET driver copies whole frames of its ring's size into one mbuf.
    let ring_frame = device_arg(&i.args, "framesz").and_then(|v| v.parse().ok()).unwrap_or(0u16);
    let needed = if i.driver == "net_pcap" { 0 } else { mtu.saturating_add(64) };
    needed.max(ring_frame).max(2048)
}

/// Reports of ports for `ports` and statistics.
pub fn reports(ports: &[Port], pools: &[Pool]) -> Vec<PortReport> {
    let mut out: Vec<PortReport> = ports
        .iter()
        .filter_map(|p| {
            let i = p.info().ok()?;
            let s = p.stats();
            let mac = i.mac.map(|b| format!("{b:02x}")).join(":");
            Some(PortReport {
                name: i.name,
                driver: i.driver,
                words: vec![("mac", mac), ("link", if i.link_up { "up".into() } else { "down".into() })],
                numbers: vec![
                    ("id", u64::from(i.id)),
                    ("mtu", u64::from(i.mtu)),
                    ("mbit_s", if i.link_mbps == u32::MAX { 0 } else { u64::from(i.link_mbps) }),
                    ("rx_packets", s.rx_packets),
                    ("rx_bytes", s.rx_bytes),
                    ("rx_missed", s.rx_missed),
                    ("rx_errors", s.rx_errors),
                    ("rx_nombuf", s.rx_nombuf),
                    ("tx_packets", s.tx_packets),
                    ("tx_bytes", s.tx_bytes),
                    ("tx_errors", s.tx_errors),
                ],
            })
        })
        .collect();
    for (i, p) in pools.iter().enumerate() {
        out.push(PortReport {
            name: format!("pool{i}"),
            driver: "mempool".into(),
            words: Vec::new(),
            numbers: vec![("mbufs", u64::from(p.size())), ("mbufs_free", u64::from(p.available()))],
        });
    }
    out
}

/// Which of `lanes` a frame belongs to: by its addresses, whichever way round; what has none goes to the first.
fn lane_of(frame: &[u8], lanes: usize) -> usize {
    let (mut at, mut kind) = (14, frame.get(12..14));
    for _ in 0..3 {
        match kind {
            Some([0x81, 0x00] | [0x88, 0xa8] | [0x91, 0x00]) => {
                kind = frame.get(at + 2..at + 4);
                at += 4;
            }
            _ => break,
        }
    }
    let mut stacked = [0u8; 2];
    if let Some([0x88, 0x47 | 0x48]) = kind {
        // MPLS (RFC 3032): labels up to the one with the bottom bit, then IP by its first nibble.
        for _ in 0..8 {
            let Some(&[_, _, c, _]) = frame.get(at..at + 4).and_then(|l| l.first_chunk::<4>()) else {
                return 0;
            };
            at += 4;
            if c & 1 != 0 {
                break;
            }
        }
        stacked = match frame.get(at).map(|b| b >> 4) {
            Some(4) => [0x08, 0x00],
            Some(6) => [0x86, 0xdd],
            _ => return 0,
        };
    } else if let (Some([0x88, 0x64]), Some(proto)) = (kind, frame.get(at + 6..at + 8)) {
        // PPPoE (RFC 2516) with PPP's protocol behind.
        at += 8;
        stacked = match proto {
            [0x00, 0x21] => [0x08, 0x00],
            [0x00, 0x57] => [0x86, 0xdd],
            _ => return 0,
        };
    }
    if stacked != [0; 2] {
        kind = Some(&stacked);
    }
    let (from, size) = match kind {
        Some([0x08, 0x00]) => (at + 12, 4),
        Some([0x86, 0xdd]) => (at + 8, 16),
        _ => return 0,
    };
    let Some(a) = frame.get(from..from + 2 * size) else { return 0 };
    let words = |b: &[u8]| {
        b.chunks_exact(4).fold(0u32, |h, w| h.rotate_left(5) ^ u32::from_le_bytes([w[0], w[1], w[2], w[3]]))
    };
    let (src, dst) = (words(&a[..size]), words(&a[size..]));
    let mixed = (src ^ dst).wrapping_add(src.wrapping_add(dst)).wrapping_mul(0x9e37_79b1);
    ((u64::from(mixed) * lanes as u64) >> 32) as usize
}

impl Lane {
    /// Runs until the worker is told to stop, or until captures end.
    pub fn run(&mut self, w: &mut Worker) {
        let mut burst = Burst::new();
        let mut quiet = 0u32;
        while !w.stopping() {
            let now = now_ns();
            let mut got = 0;
            for i in 0..self.inputs.len() {
                let input = &mut self.inputs[i];
                if input.ended {
                    continue;
                }
                let n = input.rx.receive(&mut burst);
                if n == 0 {
                    if input.finite {
                        input.ended = true;
                        self.pass_on(w, true);
                        self.reading.fetch_sub(1, Ordering::Release);
                    }
                    continue;
                }
                got += n;
                let crowded = self.inline
                    && self.fail_open
                    && n == MAX_BURST
                    && input.rx.waiting().is_some_and(|q| q >= input.full_at);
                self.number(i, &mut burst);
                if self.inputs[i].spread {
                    self.spread(&mut burst, w);
                }
                self.handle(&mut burst, w, now, crowded);
            }
            // Asked before the ring: what was sent before the last input ended is seen.
            let over = self.reading.load(Ordering::Acquire) == 0;
            if let Some(r) = &mut self.ring {
                let n = r.receive(&mut burst);
                got += n;
                self.handle(&mut burst, w, now, false);
            }
            self.pass_on(w, false);
            self.send_all(w);
            w.between(now);
            if let Some(o) = &mut self.offload {
                if !w.sink.ended.is_empty() {
                    o.ended(&mut w.sink.ended);
                }
                if std::mem::take(&mut w.clear_offload) {
                    o.clear();
                }
            } else {
                w.sink.ended.clear();
            }
            if got > 0 {
                quiet = 0;
                continue;
            }
            if over {
                break;
            }
            add(&w.counters.idle, 1);
            quiet += 1;
            if !self.busy && quiet > PATIENT_POLLS {
                // The longer nothing came, the longer the rest, up to what a full queue can bear.
                let us = u64::from((quiet - PATIENT_POLLS).min(100));
                std::thread::sleep(Duration::from_micros(us));
            } else {
                std::hint::spin_loop();
            }
        }
        self.pass_on(w, true);
        self.send_all(w);
        w.finish();
    }

    /// Numbers the packets of captures, for `pcap_cnt`.
    fn number(&mut self, input: usize, b: &mut Burst) {
        let input = &mut self.inputs[input];
        if let Some(field) = self.index {
            for m in b.packets_mut() {
                input.count += 1;
                field.set(m, input.count);
            }
        }
    }

    /// Sorts a burst by lanes; this one's packets stay.
    fn spread(&mut self, b: &mut Burst, w: &mut Worker) {
        let lanes = self.others.len();
        let mut mine = Burst::new();
        let waiting = &mut self.waiting;
        let others = &self.others;
        let replay = self.replay;
        b.drain(|_, m| {
            let to = lane_of(m.head(), lanes);
            let Some(sender) = others.get(to).and_then(|o| o.as_ref()) else {
                // At most as many as came in.
                let _ = mine.push(m);
                return;
            };
            if waiting[to].is_full() {
                hand_over(sender, &mut waiting[to], w, replay);
            }
            if waiting[to].push(m).is_err() {
                add(&w.counters.shed_ring, 1);
            }
        });
        *b = mine;
    }

    /// Passes on what waits for other lanes. `all`: whatever it takes, as far as time is not ours to lose.
    fn pass_on(&mut self, w: &mut Worker, all: bool) {
        for (to, burst) in self.waiting.iter_mut().enumerate() {
            if burst.is_empty() {
                continue;
            }
            if let Some(s) = &self.others[to] {
                hand_over(s, burst, w, self.replay || all && !w.stopping());
            }
        }
    }

    /// Inspects a burst and sees it off.
    fn handle(&mut self, b: &mut Burst, w: &mut Worker, now: u64, crowded: bool) {
        let n = b.len();
        if n == 0 {
            return;
        }
        for m in b.packets_mut() {
            if m.stripped_vlan().is_some() {
                // Without room for the tag the frame is inspected as if it had had none.
                m.restore_vlan();
            }
        }
        let mut verdicts = [Verdict::Forward; MAX_BURST];
        let mut bytes = 0;
        if crowded {
            add(&w.counters.overloads, 1);
            bytes = b.packets().iter().map(|m| m.len() as u64).sum();
            w.shed(b.packets().iter().map(|m| (m.head(), self.link)), n, &mut verdicts);
        } else {
            self.linear.clear();
            let mut spans = [(0usize, 0usize); MAX_BURST];
            for (m, s) in b.packets().iter().zip(&mut spans) {
                if m.segments() > 1 {
                    let at = self.linear.len();
                    if m.copy_to(&mut self.linear) {
                        *s = (at, self.linear.len() - at);
                        add(&w.counters.linearized, 1);
                    } else {
                        add(&w.counters.too_long, 1);
                    }
                }
            }
            let mut frames = [Frame { ts: now, link: self.link, ..Frame::default() }; MAX_BURST];
            for ((f, m), &(at, len)) in frames.iter_mut().zip(b.packets()).zip(&spans) {
                // A frame too long to put together is inspected as far as its first piece goes.
                f.data = if len > 0 { &self.linear[at..at + len] } else { m.head() };
                bytes += m.len() as u64;
                let way = self.ways.get(usize::from(m.port()));
                if let (Some(way), Some(times)) = (way, self.times) {
                    if way.unit != Unit::Clock
                        && let Some(t) = times.of(m)
                    {
                        f.ts = time(t, way.unit, now);
                    }
                    if way.replay
                        && let Some(i) = self.index
                    {
                        f.index = i.get(m);
                    }
                }
            }
            w.inspect(&frames[..n], &mut verdicts[..n]);
            if let Some(o) = &mut self.offload {
                for (i, v) in verdicts[..n].iter().enumerate().filter(|(_, v)| **v != Verdict::Forward) {
                    let port = b.packets()[i].port();
                    let peer = self.ways.get(usize::from(port)).and_then(|x| x.peer);
                    if let Some(e) = w.engine().filter(|_| !w.last_was_policy && !w.was_listed(i)) {
                        o.look(e, &frames[i], *v, port, peer.map(|p| p as u16));
                    }
                }
            }
        }
        add(&w.counters.received, n as u64);
        add(&w.counters.received_bytes, bytes);
        if self.inline {
            self.see_off(b, &verdicts, w);
        } else {
            let gone =
                verdicts[..n].iter().filter(|v| matches!(v, Verdict::Drop | Verdict::Reject { .. })).count();
            add(&w.counters.dropped, gone as u64);
            b.free();
        }
    }

    /// Sends or frees by verdict.
    fn see_off(&mut self, b: &mut Burst, verdicts: &[Verdict; MAX_BURST], w: &mut Worker) {
        // The policy's drops are counted where they were decided.
        let by_policy = w.last_was_policy;
        let mut taken = std::mem::take(b);
        taken.drain(|i, m| {
            let port = usize::from(m.port());
            let to = self.ways.get(port).and_then(|x| x.peer);
            match verdicts[i] {
                Verdict::Forward => self.forward(m, to, w),
                Verdict::Bypass => {
                    add(&w.counters.bypassed, 1);
                    self.forward(m, to, w);
                }
                Verdict::Drop => {
                    if !by_policy || w.was_listed(i) {
                        add(&w.counters.dropped, 1);
                    }
                }
                Verdict::Reject { to_src, to_dst } => {
                    add(&w.counters.dropped, 1);
                    add(&w.counters.rejected, 1);
                    for (wanted, back) in [(to_src, true), (to_dst, false)] {
                        if wanted && self.rejecter.answer(m.head(), back, &mut self.answer) {
                            let way = if back { Some(port) } else { to };
                            if let Some(a) = self.pool.packet(&self.answer) {
                                self.queue(a, way, w);
                                add(&w.counters.answers, 1);
                            }
                        }
                    }
                }
            }
        });
    }

    fn forward(&mut self, m: Mbuf, to: Option<usize>, w: &mut Worker) {
        let bytes = m.len() as u64;
        if self.queue(m, to, w) {
            add(&w.counters.forwarded, 1);
            add(&w.counters.forwarded_bytes, bytes);
        }
    }

    /// Puts a packet into the burst of a port; `false` when it has none (it is freed).
    fn queue(&mut self, m: Mbuf, to: Option<usize>, w: &mut Worker) -> bool {
        let Some(way) = to.and_then(|t| self.ways.get_mut(t)) else { return false };
        if way.burst.is_full() {
            flush(way, w);
        }
        way.burst.push(m).is_ok()
    }

    fn send_all(&mut self, w: &mut Worker) {
        for way in self.ways.iter_mut().filter(|x| !x.burst.is_empty()) {
            flush(way, w);
        }
    }
}

/// Sends a port's burst. What it does not take in time is freed and counted: those packets are shed, not forwarded.
fn flush(way: &mut Way, w: &mut Worker) {
    let mut tries = 0;
    if let Some(out) = &mut way.out {
        let mut until = None;
        while !way.burst.is_empty() {
            if out.send(&mut way.burst) > 0 {
                tries = 0;
                continue;
            }
            tries += 1;
            std::hint::spin_loop();
            if tries > TX_TRIES {
                // A receiver that shares our core needs it to take anything.
                std::thread::yield_now();
                let until = *until.get_or_insert_with(|| Instant::now() + Duration::from_micros(500));
                if Instant::now() > until {
                    break;
                }
            }
        }
    }
    let left = way.burst.len() as u64;
    if left > 0 {
        let bytes: u64 = way.burst.packets().iter().map(|m| m.len() as u64).sum();
        add(&w.counters.shed_tx, left);
        let f = &w.counters.forwarded;
        f.store(f.load(Ordering::Relaxed).saturating_sub(left), Ordering::Relaxed);
        let f = &w.counters.forwarded_bytes;
        f.store(f.load(Ordering::Relaxed).saturating_sub(bytes), Ordering::Relaxed);
        way.burst.free();
    }
}

/// Longest wait for another lane: two lanes that wait for each other must not do so for ever.
const HAND_OVER: Duration = Duration::from_secs(10);

/// Gives a burst to another lane. `wait`: until it has room (captures), else what does not fit is shed.
fn hand_over(s: &Sender, b: &mut Burst, w: &mut Worker, wait: bool) {
    let mut until = None;
    loop {
        s.send(b);
        if b.is_empty() {
            return;
        }
        let late = wait && Instant::now() > *until.get_or_insert_with(|| Instant::now() + HAND_OVER);
        if !wait || late || w.stopping() {
            add(&w.counters.shed_ring, b.len() as u64);
            b.free();
            return;
        }
        std::thread::yield_now();
    }
}

/// Nanoseconds since the epoch from a port's own time.
fn time(t: u64, unit: Unit, now: u64) -> u64 {
    const DAY: u64 = 86_400_000_000_000;
    match unit {
        Unit::Micros => t.wrapping_mul(1000),
        // A port whose clock is not set counts from where it likes.
        Unit::Nanos if now.abs_diff(t) < DAY => t,
        _ => now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_split() {
        assert_eq!(words("a  'b c' d\"e f\"g ''"), ["a", "b c", "de fg", ""]);
        assert_eq!(device_arg("rx_pcap=a,tx_pcap=b", "tx_pcap"), Some("b"));
    }

    #[test]
    fn both_directions_meet() {
        let mut there = vec![0u8; 34];
        there[12] = 8;
        there[26..34].copy_from_slice(&[10, 0, 0, 1, 192, 168, 7, 9]);
        let mut back = there.clone();
        back[26..34].copy_from_slice(&[192, 168, 7, 9, 10, 0, 0, 1]);
        for lanes in 1..9 {
            assert_eq!(lane_of(&there, lanes), lane_of(&back, lanes));
            assert!(lane_of(&there, lanes) < lanes);
        }
        let mut tagged = there[..12].to_vec();
        tagged.extend([0x81, 0, 0, 5]);
        tagged.extend(&there[12..]);
        assert_eq!(lane_of(&tagged, 8), lane_of(&there, 8));
        let mut labelled = there[..12].to_vec();
        labelled.extend([0x88, 0x47, 0, 1, 0, 64, 0, 2, 1, 64]);
        labelled.extend(&there[14..]);
        labelled[22] = 0x45;
        assert_eq!(lane_of(&labelled, 8), lane_of(&there, 8));
        assert_eq!(lane_of(&[], 4), 0);
    }

    #[test]
    fn odd_clocks_are_not_believed() {
        let now = 1_700_000_000_000_000_000;
        assert_eq!(time(1_600_000_000_000_000, Unit::Micros, now), 1_600_000_000_000_000_000);
        assert_eq!(time(now - 5, Unit::Nanos, now), now - 5);
        assert_eq!(time(12345, Unit::Nanos, now), now);
    }
}
