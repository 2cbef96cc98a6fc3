//! `tidegate bench`: what a packet costs here, stage by stage, without any port; or how much goes through ports.
//!
//! In: a capture held in memory, or frames of so many flows made here. Out: a table or JSON. Stages are cumulative: what
//! an engine costs with rules, without them, and what its decoder alone costs. Latency is the time of a burst, which is
//! how long its last packet waits. With `--dpdk` the highest rate without loss through ports is searched instead (`rate`).

#[cfg(any(test, feature = "dpdk"))]
mod histogram;
#[cfg(feature = "dpdk")]
mod rate;
#[cfg(any(test, feature = "dpdk"))]
mod search;

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use tidegate_core::detect::Rules;
use tidegate_core::engine::{BURST, Engine, Frame};
use tidegate_core::event::{NoSink, Verdict};
use tidegate_core::packet::{Decoder, MAX_PER_FRAME, PacketBuf};

use super::{BenchArgs, WRONG_INPUT};
use crate::capture::Capture;
use crate::config::engine::Mode;
use crate::config::{Overrides, Settings};
use crate::eve::Json;
use crate::load;
use crate::secret;

/// Rounds of each stage; the median and the best are told.
const ROUNDS: usize = 5;
/// Flows of frames made here.
const FLOWS: u32 = 1_000_000;

/// Frames in one piece of memory.
struct Replay {
    bytes: Vec<u8>,
    /// Where each frame lies: offset, length, link, time.
    frames: Vec<(usize, usize, u16, u64)>,
}

impl Replay {
    fn capture(path: &std::path::Path) -> Result<Replay, String> {
        let mut c = Capture::open(path).map_err(|e| e.of(path))?;
        let mut r = Replay { bytes: Vec::new(), frames: Vec::new() };
        while let Some(b) = c.next_batch(256).map_err(|e| format!("{}: {e}", path.display()))? {
            for f in b.iter() {
                r.frames.push((r.bytes.len(), f.data.len(), f.link, f.ts_ns));
                r.bytes.extend_from_slice(f.data);
            }
        }
        if r.frames.is_empty() { Err(format!("{}: no frames", path.display())) } else { Ok(r) }
    }

    /// One packet of each of `flows` UDP flows, in an order that no prefetcher foretells.
    fn made(flows: u32, size: usize) -> Replay {
        let size = size.clamp(60, 9000);
        let mut r = Replay { bytes: Vec::with_capacity(size * flows as usize), frames: Vec::new() };
        let mut order: Vec<u32> = (0..flows).collect();
        let mut x = 0x9e37_79b9_7f4a_7c15u64;
        for i in (1..order.len()).rev() {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            order.swap(i, (x % (i as u64 + 1)) as usize);
        }
        let total = (size - 14) as u16;
        for n in order {
            let mut f = vec![0u8; size];
            f[..14].copy_from_slice(&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0]);
            f[14..24].copy_from_slice(&[0x45, 0, (total >> 8) as u8, total as u8, 0, 0, 0x40, 0, 64, 17]);
            f[26..30].copy_from_slice(&(0x0a00_0000 | n).to_be_bytes());
            f[30..34].copy_from_slice(&[192, 0, 2, 1]);
            f[34..38].copy_from_slice(&[0x27, 0x10, 0x27, 0x11]);
            f[38..40].copy_from_slice(&(total - 20).to_be_bytes());
            let sum: u32 = f[14..34].chunks(2).map(|w| u32::from(w[0]) << 8 | u32::from(w[1])).sum();
            let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
            f[24..26].copy_from_slice(&sum.to_be_bytes());
            r.frames.push((r.bytes.len(), size, 1, 1_700_000_000_000_000_000));
            r.bytes.extend_from_slice(&f);
        }
        r
    }

    /// Bursts of frames, to `f`.
    fn each(&self, later: u64, mut f: impl FnMut(&[Frame<'_>])) {
        for chunk in self.frames.chunks(BURST) {
            let mut frames = [Frame::default(); BURST];
            for (to, &(at, len, link, ts)) in frames.iter_mut().zip(chunk) {
                *to = Frame { data: &self.bytes[at..at + len], ts: ts + later, link, ..Frame::default() };
            }
            f(&frames[..chunk.len()]);
        }
    }
}

/// What a stage cost.
struct Stage {
    name: &'static str,
    /// Nanoseconds a packet: the best round, the median one.
    best: f64,
    median: f64,
    /// Nanoseconds of a burst at 50, 99, 99.9 percent, and the longest.
    latency: [u64; 4],
}

fn measure(name: &'static str, r: &Replay, limit: Duration, mut burst: impl FnMut(&[Frame<'_>])) -> Stage {
    let started = Instant::now();
    let mut costs = Vec::new();
    let mut bursts = Vec::new();
    let span =
        r.frames.iter().map(|f| f.3).max().unwrap_or(0) - r.frames.iter().map(|f| f.3).min().unwrap_or(0);
    // The first round opens the flows, and is not counted.
    for round in 0..=ROUNDS {
        bursts.clear();
        let t = Instant::now();
        r.each(round as u64 * (span + 1), |frames| {
            let b = Instant::now();
            burst(frames);
            bursts.push(b.elapsed().as_nanos() as u64);
        });
        if round > 0 {
            costs.push(t.elapsed().as_nanos() as f64 / r.frames.len() as f64);
        }
        if round > 0 && started.elapsed() > limit {
            break;
        }
    }
    costs.sort_by(f64::total_cmp);
    bursts.sort_unstable();
    let at = |per_mille: usize| {
        bursts
            .get((bursts.len() * per_mille / 1000).min(bursts.len().saturating_sub(1)))
            .copied()
            .unwrap_or(0)
    };
    Stage {
        name,
        best: costs.first().copied().unwrap_or(0.0),
        median: costs.get(costs.len() / 2).copied().unwrap_or(0.0),
        latency: [at(500), at(990), at(999), at(1000)],
    }
}

/// Ticks of the time stamp counter in a nanosecond, where it can be read.
fn ticks() -> Option<f64> {
    #[cfg(feature = "dpdk")]
    {
        let (t, c) = (Instant::now(), crate::dpdk::tsc());
        std::thread::sleep(Duration::from_millis(50));
        let (ns, ticks) = (t.elapsed().as_nanos() as f64, crate::dpdk::tsc().wrapping_sub(c) as f64);
        Some(ticks / ns)
    }
    #[cfg(not(feature = "dpdk"))]
    None
}

fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let find = |k: &str| {
        info.lines().find(|l| l.starts_with(k)).and_then(|l| l.split_once(':')).map(|l| l.1.trim().to_owned())
    };
    let model = find("model name").or_else(|| find("CPU part").map(|p| format!("CPU part {p}")));
    let n = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{} ({}, {n} cores)", model.unwrap_or_else(|| "unknown".into()), std::env::consts::ARCH)
}

pub fn main(a: &BenchArgs) -> ExitCode {
    super::pages::allow();
    if a.dpdk.is_some() {
        return match through_ports(a) {
            Ok(code) => code,
            Err(e) => {
                eprintln!("tidegate: {e}");
                ExitCode::from(WRONG_INPUT)
            }
        };
    }
    match run(a) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("tidegate: {e}");
            ExitCode::from(WRONG_INPUT)
        }
    }
}

/// The search for the highest rate through ports.
fn through_ports(a: &BenchArgs) -> Result<ExitCode, String> {
    #[cfg(feature = "dpdk")]
    return rate::run(a);
    #[cfg(not(feature = "dpdk"))]
    {
        let _ = a;
        Err("--dpdk: this program was built without DPDK (cargo build --features dpdk)".into())
    }
}

fn run(a: &BenchArgs) -> Result<(), String> {
    let flows = a.flows.unwrap_or(FLOWS);
    #[cfg(target_os = "linux")]
    if let Some(core) = a.core {
        let mut set = nix::sched::CpuSet::new();
        set.set(core).map_err(|e| format!("--core {core}: {e}"))?;
        nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(0), &set)
            .map_err(|e| format!("--core {core}: {e}"))?;
    }
    let settings = Settings::load(a.config.as_deref(), &Overrides::default()).map_err(|e| e.to_string())?;
    let replay = match &a.read {
        Some(p) => Replay::capture(p)?,
        None => Replay::made(flows.clamp(1, 1 << 24), a.size),
    };
    let memory = match &a.memory {
        Some(m) => crate::cmd::memory::parse(m, 1)?,
        // The flow table takes a quarter.
        None if a.read.is_none() => (u64::from(flows) * 5120).max(256 << 20),
        None => 256 << 20,
    };
    let mode = Mode { ips: false, ignore_checksums: true, memory, secret: secret::CAPTURES };
    let limit = Duration::from_secs(a.seconds);
    let mut stages = Vec::new();
    {
        let decoder = Decoder::new(settings.engine(mode).map_err(|e| e.to_string())?.decode);
        let mut packets = PacketBuf::new(BURST * MAX_PER_FRAME);
        stages.push(measure("decode", &replay, limit, |frames| {
            let mut held = std::mem::replace(&mut packets, PacketBuf::new(0)).recycle();
            for f in frames {
                decoder.decode(f.data, f.link, f.ts, 0, &mut held);
            }
            std::hint::black_box(held.len());
            packets = held.recycle();
        }));
    }
    let mut verdicts = [Verdict::Forward; BURST];
    let mut with = |name, rules| {
        let mut config = settings.engine(mode).expect("it was made above");
        // As live, where cards check them.
        config.stream.checksum_auto = false;
        let mut e = Engine::new(config, rules);
        let s = measure(name, &replay, limit, |frames| {
            e.process(frames, &mut verdicts[..frames.len()], &mut NoSink)
        });
        // Taking it apart is nobody's cost.
        std::mem::forget(e);
        s
    };
    stages.push(with("decode to application layer", Rules::default()));
    let mut rules = 0;
    if !a.rules.is_empty() {
        let l = load::load(&a.rules, &settings, None)?;
        rules = l.loaded;
        stages.push(with("all, with rules", l.rules));
    }
    super::answer::say(&tell(a, &replay, &stages, rules))
}

fn tell(a: &BenchArgs, r: &Replay, stages: &[Stage], rules: usize) -> String {
    let mut out = String::new();
    let bytes: usize = r.frames.iter().map(|f| f.1).sum();
    let mean = bytes as f64 / r.frames.len() as f64;
    let ticks = ticks();
    let source = a.read.as_ref().map_or_else(
        || format!("{} flows, made here", a.flows.unwrap_or(FLOWS)),
        |p| p.display().to_string(),
    );
    if a.json {
        let mut j = Json::default();
        j.open("");
        j.string("machine", machine().as_bytes());
        j.string("source", source.as_bytes());
        j.uint("packets", r.frames.len() as u64);
        j.float("mean_bytes", mean);
        j.uint("rules", rules as u64);
        j.open_list("stages");
        for s in stages {
            j.open("");
            j.word("stage", s.name);
            j.float("ns_per_packet", s.median);
            j.float("ns_per_packet_best", s.best);
            if let Some(t) = ticks {
                j.float("cycles_per_packet", s.median * t);
            }
            j.float("packets_per_second", 1e9 / s.median);
            j.float("gbit_per_second", 8.0 * mean / s.median);
            for (k, v) in
                ["burst_ns_p50", "burst_ns_p99", "burst_ns_p999", "burst_ns_max"].iter().zip(s.latency)
            {
                j.uint(k, v);
            }
            j.close();
        }
        j.close_list();
        j.close();
        j.buf.push(b'\n');
        return String::from_utf8_lossy(&j.buf).into_owned();
    }
    _ = writeln!(out, "{}", machine());
    _ = writeln!(
        out,
        "{} packets of {mean:.0} bytes ({source}), bursts of {BURST}, {rules} rules, one core",
        r.frames.len()
    );
    _ = writeln!(
        out,
        "{:<30}{:>8}{:>8}{:>9}{:>10}{:>8}  burst us: 50 %   99 %  99.9 %    max",
        "", "ns", "best", "cycles", "packets/s", "Gbit/s"
    );
    for s in stages {
        let cycles = ticks.map_or("-".into(), |t| format!("{:.0}", s.median * t));
        let us = s.latency.map(|n| format!("{:.1}", n as f64 / 1000.0));
        _ = writeln!(
            out,
            "{:<30}{:>8.1}{:>8.1}{cycles:>9}{:>9.2}M{:>8.2}{:>16}{:>7}{:>8}{:>7}",
            s.name,
            s.median,
            s.best,
            1e3 / s.median,
            8.0 * mean / s.median,
            us[0],
            us[1],
            us[2],
            us[3]
        );
    }
    out
}
