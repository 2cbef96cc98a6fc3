//! Ports, pools, queues and rings, made from [`Options`] before any lane runs.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::args::{device_arg, start_eal};
use super::lane::{Input, LINEAR, Lane, Unit};
use super::out::{Output, Tx, Way};
use crate::dpdk::{
    Burst, DpdkError, Eal, IndexField, Lcore, MAX_BURST, Pool, Port, PortConfig, PortInfo, Timestamps, ports,
    ring,
};
use crate::live::manager::PortReport;
use crate::live::reject::{LONGEST, Rejecter};
use crate::live::worker::Fail;

/// Places in a ring between two lanes.
const RING: u32 = 4096;
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
    /// Have ports check checksums.
    pub checksums: bool,
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

fn invalid(what: impl Into<String>) -> DpdkError {
    DpdkError::Refused { what: what.into(), code: 22, why: "not possible".into() }
}

/// Starts everything.
pub fn start(o: &Options) -> Result<Setup, DpdkError> {
    let eal = start_eal(&o.eal, o.workers)?;
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
    let key = std::hash::RandomState::new();
    for _ in 0..lanes {
        setup.lanes.push(Lane {
            inputs: Vec::new(),
            ways: (0..top)
                .map(|_| Way { peer: None, out: None, burst: Burst::new(), unit: Unit::Clock, replay: false })
                .collect(),
            ring: None,
            others: (0..lanes).map(|_| None).collect(),
            by_hash: false,
            key: key.clone(),
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
    // Both directions of a flow get the same hash only where all ports compute it alike.
    let mut by_hash = infos.iter().all(|i| i.driver == infos[0].driver);
    for (i, peer) in infos.iter().zip(&peers) {
        let rx_queues = queues_of(i);
        let tx_queues = if i.max_tx_queues == 0 { 0 } else { i.max_tx_queues.min(lanes as u16) };
        let config = PortConfig {
            rx_queues,
            tx_queues,
            rx_desc: o.descriptors,
            tx_desc: o.descriptors,
            mtu: o.mtu,
            checksums: o.checksums,
            hash: spreading,
            ..PortConfig::default()
        };
        let started = Port::start(eal, i.id, &config, &[pool])?;
        by_hash &= started.hash;
        reading.fetch_add(started.rx.len(), Ordering::Relaxed);
        let full_at = u32::from(o.descriptors) * FULL.0 / FULL.1;
        for (q, rx) in started.rx.into_iter().enumerate() {
            setup.lanes[q].inputs.push(Input {
                rx,
                // One port that cannot spread them is enough: the other direction of its flows comes in by others.
                spread: spreading,
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
    for l in &mut setup.lanes {
        (l.times, l.by_hash) = (times, by_hash);
    }
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
