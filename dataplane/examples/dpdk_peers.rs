//! Decoding and flow lookups beside DPDK's own on the same frames, and beside etherparse: cost per packet of each.
//!
//!     dpdk_peers ['EAL ARGUMENTS'] [FLOWS]
//!
//! Frames are 64 bytes (60 without the check sequence), TCP over IPv4. Every figure is the best of several rounds: the
//! machine's other users only ever add.

use std::hint::black_box;
use std::time::{Duration, Instant};

use tidegate_core::Secret;
use tidegate_core::engine::{Config, Engine, Frame};
use tidegate_core::event::{NoSink, Verdict};
use tidegate_core::flow::{FlowConfig, FlowTable};
use tidegate_core::packet::{DecodeConfig, Decoder, Head, PacketBuf};
use tidegate_core::stream::{StreamConfig, Streams};
use tidegate_dataplane::dpdk::peers::{RteHash, packet_types};
use tidegate_dataplane::dpdk::{Burst, Eal, Pool};

const BURST: usize = 32;
const ROUNDS: usize = 7;
const HOT: usize = 1024;

/// A SYN of flow `n`, or with `ack` what follows it.
fn frame(n: u32, flags: u8) -> [u8; 60] {
    let mut f = [0u8; 60];
    f[..12].copy_from_slice(&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1]);
    f[12] = 8;
    f[14..34].copy_from_slice(&[0x45, 0, 0, 46, 0, 0, 0x40, 0, 64, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    f[26..30].copy_from_slice(&(0x0a00_0000 | (n & 0xff_ffff)).to_be_bytes());
    f[30..34].copy_from_slice(&[192, 0, 2, 1]);
    f[34..36].copy_from_slice(&(1024 + (n >> 4) as u16 % 60000).to_be_bytes());
    f[36..38].copy_from_slice(&443u16.to_be_bytes());
    f[46] = 0x50;
    f[47] = flags;
    let sum = f[14..34].chunks(2).map(|w| u32::from(w[0]) << 8 | u32::from(w[1])).sum::<u32>();
    let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
    f[24..26].copy_from_slice(&sum.to_be_bytes());
    f
}

/// Nanoseconds a packet, the best of the rounds.
fn best(packets: usize, mut f: impl FnMut()) -> f64 {
    (0..ROUNDS)
        .map(|_| {
            let t = Instant::now();
            f();
            t.elapsed().as_nanos() as f64 / packets as f64
        })
        .fold(f64::MAX, f64::min)
}

/// The same of bursts that say how long they took.
fn best_of_bursts(order: &[u32], mut f: impl FnMut(&[u32]) -> Duration) -> f64 {
    (0..ROUNDS)
        .map(|_| order.chunks(BURST).map(&mut f).sum::<Duration>().as_nanos() as f64 / order.len() as f64)
        .fold(f64::MAX, f64::min)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let eal = args.next().unwrap_or("--no-huge --no-shconf --no-telemetry --no-pci -m 512 -l 0".into());
    let flows: usize = args.next().map_or(Ok(1_000_000), |n| n.parse())?;
    let eal = Eal::start(&eal.split_whitespace().map(str::to_owned).collect::<Vec<_>>())?;
    println!("{}, {flows} flows, ns a packet, best of {ROUNDS} rounds", Eal::version());

    // Decoding: the same hot frames for all.
    let hot: Vec<[u8; 60]> = (0..HOT as u32).map(|n| frame(n, 0x10)).collect();
    let rounds = 2000;
    let pool = Pool::new(eal, "hot", 8191, 2048, -1)?;
    let mut bursts: Vec<Burst> = Vec::new();
    for chunk in hot.chunks(BURST) {
        let mut b = Burst::new();
        for f in chunk {
            b.push(pool.packet(f).ok_or("no packet")?).map_err(|_| "no room")?;
        }
        bursts.push(b);
    }
    let decoder = Decoder::new(DecodeConfig::default());
    let mut heads = [Head::default(); BURST];
    let ours = best(HOT * rounds, || {
        for _ in 0..rounds {
            for b in &bursts {
                for (h, m) in heads.iter_mut().zip(b.packets()) {
                    black_box(decoder.head_into(m.head(), h));
                }
                black_box(&mut heads);
            }
        }
    });
    let mut packets = PacketBuf::new(BURST * tidegate_core::packet::MAX_PER_FRAME);
    let mut whole = |general: bool| {
        best(HOT * rounds, || {
            for _ in 0..rounds {
                for b in &bursts {
                    let mut held = std::mem::replace(&mut packets, PacketBuf::new(0)).recycle();
                    for m in b.packets() {
                        if general {
                            decoder.decode_any(m.head(), 1, 1, 1, &mut held);
                        } else {
                            decoder.decode(m.head(), 1, 1, 1, &mut held);
                        }
                    }
                    black_box(held.len());
                    packets = held.recycle();
                }
            }
        })
    };
    let (full, general) = (whole(false), whole(true));
    let ptype = best(HOT * rounds, || {
        for _ in 0..rounds {
            for b in &mut bursts {
                black_box(packet_types(b));
            }
        }
    });
    let ether = best(HOT * rounds, || {
        for _ in 0..rounds {
            for b in &bursts {
                for m in b.packets() {
                    let _ = black_box(etherparse::SlicedPacket::from_ethernet(black_box(m.head())));
                }
            }
        }
    });
    println!(
        "decode: heads {ours:.1}, rte_net_get_ptype {ptype:.1} (ratio {:.2}), etherparse {ether:.1} ({:.2}); whole packets \
         {full:.1} (general way {general:.1}); no checksums, by any of them",
        ptype / ours,
        ether / ours
    );

    // Lookups: as many keys in both tables, asked for in one random order, a burst at a time.
    // Not SYNs: one on a known flow opens a new connection.
    let all: Vec<[u8; 60]> = (0..flows as u32).map(|n| frame(n, 0x10)).collect();
    let mut order: Vec<u32> = (0..flows as u32).collect();
    let mut x = 0x9e37_79b9_7f4a_7c15u64;
    for i in (1..order.len()).rev() {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        order.swap(i, (x % (i as u64 + 1)) as usize);
    }
    let streams = Streams::new(StreamConfig { max_sessions: 16, ..StreamConfig::default() });
    let mut table =
        FlowTable::new(FlowConfig { max_flows: flows * 5 / 4, ..FlowConfig::default() }, Secret::fixed(1));
    let mut one = PacketBuf::new(4);
    for f in &all {
        let mut b = std::mem::replace(&mut one, PacketBuf::new(0)).recycle();
        decoder.decode(f, 1, 1_000_000_000, 0, &mut b);
        if let Some(p) = b.iter().next() {
            let h = table.hash(p);
            table.lookup_or_insert(p, &h, &streams);
        }
        one = b.recycle();
    }
    // The keys of a burst, as each table takes them, are made off the clock and are warm, as after decoding; hashing is
    // part of a lookup.
    let sample = flows.min(1 << 18);
    let mut found = 0;
    let mut answers = [None; BURST];
    let lookups = best_of_bursts(&order[..sample], |burst| {
        for (h, &n) in heads.iter_mut().zip(burst) {
            decoder.head_into(&all[n as usize], h);
        }
        let t = Instant::now();
        table.find_bulk(&heads[..burst.len()], &mut answers);
        let took = t.elapsed();
        found += answers[..burst.len()].iter().flatten().count();
        took
    });
    assert_eq!(found, sample * ROUNDS, "every flow is there");
    let key = |f: &[u8; 60]| {
        let mut k = [0u8; 16];
        k[..8].copy_from_slice(&f[26..34]);
        k[8..12].copy_from_slice(&f[34..38]);
        k[12] = 6;
        k
    };
    let mut rte = RteHash::<16>::new(eal, "keys", (flows * 5 / 4) as u32)?;
    let mut added = 0;
    for f in &all {
        added += usize::from(rte.add(&key(f)));
    }
    let mut keys = [[0u8; 16]; BURST];
    let mut hits = 0;
    let theirs = best_of_bursts(&order[..sample], |burst| {
        for (k, &n) in keys.iter_mut().zip(burst) {
            *k = key(&all[n as usize]);
        }
        let refs = keys.each_ref();
        let t = Instant::now();
        let n = rte.lookup(&refs[..burst.len()]);
        let took = t.elapsed();
        hits += n;
        took
    });
    hits /= ROUNDS;
    println!(
        "lookup: ours {lookups:.1}, rte_hash_lookup_bulk {theirs:.1} (ratio {:.2}; {added} keys, {hits} of {sample} found)",
        theirs / lookups
    );

    // Decode, flow table, sessions: an engine without rules, every flow known.
    let engine = || {
        let mut c = Config {
            memory: tidegate_core::engine::Memory { stream: 16 << 20, app: 16 << 20 },
            ..Config::new(Secret::fixed(1))
        };
        c.flow.max_flows = flows * 5 / 4;
        c.stream.max_sessions = flows * 5 / 4;
        c.stream.checksum_validation = false;
        c.app.max_states = 1024;
        Engine::new(c, Default::default())
    };
    let mut verdicts = [Verdict::Forward; BURST];
    let mut run = |engine: &mut Engine, frames: &[[u8; 60]], ts: u64| {
        for chunk in frames.chunks(BURST) {
            let mut burst = [Frame { ts, link: 1, ..Frame::default() }; BURST];
            for (b, f) in burst.iter_mut().zip(chunk) {
                b.data = f;
            }
            engine.process(&burst[..chunk.len()], &mut verdicts[..chunk.len()], &mut NoSink);
        }
    };
    // Frames lie in the order in which they come, as in a receive queue; flows do not.
    let in_order = |edit: &dyn Fn(&mut [u8; 60])| -> Vec<[u8; 60]> {
        order
            .iter()
            .map(|&n| {
                let mut f = all[n as usize];
                edit(&mut f);
                f
            })
            .collect()
    };
    let udp = in_order(&|f| {
        f[23] = 17;
        f[38..42].copy_from_slice(&[0, 26, 0, 0]);
    });
    let mut e = engine();
    run(&mut e, &udp, 1_000_000_000);
    println!("decode + flow, UDP: {:.1}", best(sample, || run(&mut e, &udp[..sample], 2_000_000_000)));
    assert_eq!((e.stats().flow.udp, e.stats().flows_active), (flows as u64, flows as u64));
    std::mem::forget(e);
    // Open connections, of which acknowledgements without data come.
    let tcp = |flags: u8, seq: u32, ack: u32, back: bool| {
        in_order(&|f| {
            f[17] = 40;
            f[38..42].copy_from_slice(&seq.to_be_bytes());
            f[42..46].copy_from_slice(&ack.to_be_bytes());
            f[47] = flags;
            f[48] = 0x20;
            f[54..].fill(0);
            if back {
                for (a, b) in [(26, 30), (27, 31), (28, 32), (29, 33), (34, 36), (35, 37)] {
                    f.swap(a, b);
                }
            }
        })
    };
    let mut e = engine();
    run(&mut e, &tcp(2, 99, 0, false), 2_000_000_000);
    run(&mut e, &tcp(0x12, 499, 100, true), 2_000_000_000);
    let acks = tcp(0x10, 100, 500, false);
    run(&mut e, &acks, 2_000_000_000);
    println!(
        "decode + flow + session, TCP: {:.1}",
        best(sample, || run(&mut e, &acks[..sample], 2_000_000_000))
    );
    let s = e.stats();
    assert_eq!((s.flow.tcp, s.flows_active, s.stream.sessions), (flows as u64, flows as u64, flows as u64));
    // Taking it apart is nobody's cost.
    std::mem::forget(e);
    drop(bursts);
    eal.exit(0)
}
