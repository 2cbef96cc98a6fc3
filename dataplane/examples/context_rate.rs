//! How fast hosts' words are joined to flows, and how many meet.
//!
//! `cargo run --release --example context_rate -- [FLOWS] [MIB]`: log lines of 1 million connections as osquery writes them are
//! read, parsed and joined to 1 million flows, in three orders. The rate is of one reader; it is printed, and held to nothing.

use std::net::IpAddr;
use std::time::Instant;

use tidegate_core::Secret;
use tidegate_dataplane::context::{Connection, Context, ContextSettings, Said, Who};

/// Who comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    HostFirst,
    FlowFirst,
    Mixed,
}

/// What came of it.
pub struct Joined {
    pub counters: Vec<(String, u64)>,
    pub seconds: f64,
    /// Bytes that the process grew by.
    pub grew: u64,
}

const SERVER: (IpAddr, u16) = (IpAddr::V4(std::net::Ipv4Addr::new(10, 99, 0, 1)), 443);
/// Processes that share the connections.
const PROCESSES: u64 = 10_000;
const SECOND: u64 = 1_000_000_000;

/// The client of flow number `n`.
pub fn client(n: u64) -> (IpAddr, u16) {
    let [_, a, b, c] = ((n / 50_000) as u32).to_be_bytes();
    (IpAddr::from([10, a, b, c]), 10_000 + (n % 50_000) as u16)
}

/// A number that looks drawn by lot, the same each time.
fn lot(n: u64) -> u64 {
    let x = (n ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb) >> 20
}

/// When flow number `n` begins: 100,000 a second.
fn time(n: u64) -> u64 {
    1_000 * SECOND + n * 10_000
}

fn say(c: &Context, n: u64) {
    let who = Who { host: "node".into(), pid: Some(n % PROCESSES), name: "worker".into(), ..Who::default() };
    // Hosts are up to five seconds off.
    let time = time(n) + lot(n) % (10 * SECOND) - 5 * SECOND;
    let (local, remote, source) = (client(n), SERVER, "osquery");
    c.take(Said::Connection(Box::new(Connection { source, time, local, remote, proto: 6, who })));
}

/// Resident bytes of this process; 0 where nobody says.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split_whitespace().nth(1).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) * 4096
}

/// Joins that many flows with a word of a host each.
pub fn joins(flows: u64, memory: u64, order: Order) -> Joined {
    let before = resident();
    let c = Context::new(&ContextSettings { memory, ..ContextSettings::default() }, Secret::fixed(1));
    let start = Instant::now();
    let flow = |n: u64| c.meet((client(n), SERVER), 6, n + 1, (time(n), time(n)));
    match order {
        Order::HostFirst => (0..flows).for_each(|n| say(&c, n)),
        Order::FlowFirst => (0..flows).for_each(flow),
        Order::Mixed => {}
    }
    for n in 0..flows {
        match order {
            Order::HostFirst => flow(n),
            Order::FlowFirst => say(&c, n),
            // Runs of ten thousand, one side then the other, backwards and forwards.
            Order::Mixed if n.is_multiple_of(10_000) => {
                let run = n..(n + 10_000).min(flows);
                if lot(n).is_multiple_of(2) {
                    run.clone().rev().for_each(|n| say(&c, n));
                    run.for_each(flow);
                } else {
                    run.clone().for_each(flow);
                    run.rev().for_each(|n| say(&c, n));
                }
            }
            Order::Mixed => {}
        }
        while c.late().is_some() {}
    }
    c.finish();
    let seconds = start.elapsed().as_secs_f64();
    Joined { counters: c.counters(), seconds, grew: resident().saturating_sub(before) }
}

fn main() {
    let arg = |i: usize, or: u64| std::env::args().nth(i).and_then(|a| a.parse().ok()).unwrap_or(or);
    let (flows, mib) = (arg(1, 1_000_000), arg(2, 192));
    for order in [Order::HostFirst, Order::FlowFirst, Order::Mixed] {
        let r = joins(flows, mib << 20, order);
        let n = |name: &str| r.counters.iter().find(|c| c.0 == name).map_or(0, |c| c.1);
        println!(
            "{order:?}: {flows} flows, {:.2} % joined, {:.0} joins a second",
            n("context.joined") as f64 * 100.0 / flows as f64,
            flows as f64 / r.seconds
        );
    }
    let c =
        Context::new(&ContextSettings { memory: mib << 20, ..ContextSettings::default() }, Secret::fixed(1));
    let line = |n: u64| {
        let (ip, port) = client(n);
        format!(
            r#"{{"name":"pack_bpf_socket_events","hostIdentifier":"node-17","calendarTime":"Mon Jan  5 09:00:00 2026 UTC","unixTime":{},"epoch":0,"counter":7,"numerics":false,"columns":{{"action":"connect","auid":"1000","family":"2","fd":"12","local_address":"{ip}","local_port":"{port}","path":"/usr/bin/worker","pid":"{}","protocol":"6","remote_address":"10.99.0.1","remote_port":"443","success":"1","time":"{}","uptime":"99"}},"action":"added"}}"#,
            1000 + n / 100_000,
            n % PROCESSES,
            1000 + n / 100_000
        )
    };
    let lines: Vec<String> = (0..flows.min(300_000)).map(line).collect();
    let start = Instant::now();
    lines.iter().for_each(|l| {
        c.line(l.as_bytes());
    });
    let s = start.elapsed().as_secs_f64();
    let bytes: usize = lines.iter().map(String::len).sum();
    println!(
        "log lines of osquery, {} bytes each: {:.0} a second read and put in place by one thread",
        bytes / lines.len(),
        lines.len() as f64 / s
    );
}
