//! Highest rate without loss through ports, frame size by frame size (RFC 2544).
//!
//! In: ports of DPDK and what is between them. Out: a table or JSON. One lcore sends at a rate and counts what comes back, and
//! how long it took; where the device under test is an engine of this process, another lcore is the device. What a trial
//! sends carries its number and the time, so that neither stragglers nor strangers are counted.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tidegate_core::engine::{Engine, Frame};
use tidegate_core::event::{NoSink, Verdict};

use super::super::answer;
use super::histogram::Histogram;
use super::machine;
use super::search::{Bounds, Found, Loss, most_trials, search};
use crate::cmd::BenchArgs;
use crate::config::engine::Mode;
use crate::config::{Overrides, Settings};
use crate::dpdk::{
    Burst, Eal, Lcore, MAX_BURST, Pool, Port, PortConfig, PortInfo, Queues, RxQueue, TxQueue, ports, tsc,
    tsc_hz,
};
use crate::eve::Json;
use crate::live::dpdk::start_eal;
use crate::live::now_ns;
use crate::load;

/// Bytes behind the UDP header: the mark, the number of the trial, the time.
const MARK: [u8; 4] = *b"tgrt";
const AT: usize = 42;
const LEAST: usize = AT + 16;
/// The check sequence, which frame sizes have in them and ports do not see.
const FCS: usize = 4;
/// Frames sent at a time.
const SEND: usize = 32;
/// How late a sender may be before what it missed counts as not offered.
const LATE: f64 = 0.002;
/// Seconds that a port may refuse frames before they count as lost.
const PATIENCE: f64 = 0.0002;
/// How long nothing may come before a trial is over.
const SETTLE: f64 = 0.1;
/// Share of a rate that a trial has to offer, and how often it is tried anew when this core was taken away meanwhile.
const OFFERED: f64 = 0.98;
const AGAIN: usize = 3;
/// Seconds to find out how fast the sender can be.
const UNPACED: f64 = 0.5;

/// What is between the ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Between {
    /// Something outside: what port 0 sends comes back by port 1, or by port 0 when it is alone.
    Outside,
    /// Port 0 leads to port 1, where an engine returns what comes.
    Joined,
    /// Ports receive what they send (net_ring): the engine takes from port 0 and gives to port 1.
    Looped,
}

/// The sending and counting end.
struct Tester {
    tx: TxQueue,
    rx: RxQueue,
    pool: Pool,
    frame: Vec<u8>,
    flows: u32,
    next: u32,
    trial: u32,
    latency: Histogram,
    came: Burst,
}

/// What one trial said.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    offered: u64,
    received: u64,
    /// Frames that the port would not take.
    refused: u64,
    seconds: f64,
    /// Nanoseconds that 50, 99, 99.9 percent do not exceed, and the longest.
    latency: [u64; 4],
}

impl Told {
    fn loss(&self) -> Loss {
        Loss { offered: self.offered, lost: self.offered.saturating_sub(self.received) }
    }

    fn rate(&self) -> f64 {
        self.offered as f64 / self.seconds
    }
}

/// The addresses and headers that all frames share. UDP goes without a checksum, as what it carries changes.
fn template(size: usize, from: [u8; 6], to: [u8; 6]) -> Vec<u8> {
    let mut f = vec![0u8; size.max(LEAST + 2)];
    let total = (f.len() - 14) as u16;
    f[..6].copy_from_slice(&to);
    f[6..12].copy_from_slice(&from);
    f[12..14].copy_from_slice(&[8, 0]);
    f[14..24].copy_from_slice(&[0x45, 0, (total >> 8) as u8, total as u8, 0, 0, 0x40, 0, 64, 17]);
    // 198.18.0.0/15 is set aside for this (RFC 2544, appendix C.2.2).
    f[26..30].copy_from_slice(&[198, 18, 0, 0]);
    f[30..34].copy_from_slice(&[198, 19, 0, 1]);
    f[36..38].copy_from_slice(&[0x27, 0x11]);
    f[38..40].copy_from_slice(&(total - 20).to_be_bytes());
    f[AT..AT + 4].copy_from_slice(&MARK);
    f
}

/// Makes a frame one of flow `n` of trial `trial`, sent at `now`.
#[inline]
fn address(f: &mut [u8], n: u32, trial: u32, now: u64) {
    f[28..30].copy_from_slice(&(n as u16).to_be_bytes());
    f[34..36].copy_from_slice(&(10_000 + (n >> 16) as u16).to_be_bytes());
    f[24..26].fill(0);
    let sum = tidegate_core::packet::checksum::internet(&f[14..34]);
    f[24..26].copy_from_slice(&sum.to_be_bytes());
    f[AT + 4..AT + 8].copy_from_slice(&trial.to_le_bytes());
    f[AT + 8..AT + 16].copy_from_slice(&now.to_le_bytes());
}

/// When a frame of this trial was sent; `None`: it is not one.
#[inline]
fn sent_at(f: &[u8], trial: u32) -> Option<u64> {
    let ours = f.get(AT..LEAST)?;
    let (mark, rest) = ours.split_at(4);
    let (number, at) = rest.split_at(4);
    (mark == MARK && number == trial.to_le_bytes())
        .then(|| u64::from_le_bytes(at.try_into().unwrap_or([0; 8])))
}

impl Tester {
    #[inline]
    fn count(&mut self, into: &mut Told) -> usize {
        let n = self.rx.receive(&mut self.came);
        if n > 0 {
            let now = tsc();
            for m in self.came.packets() {
                if let Some(at) = sent_at(m.head(), self.trial) {
                    into.received += 1;
                    self.latency.add(now.saturating_sub(at));
                }
            }
            self.came.free();
        }
        n
    }

    /// Sends at `rate` frames a second for a while; without a rate as fast as the port takes them.
    fn run(&mut self, rate: Option<f64>, seconds: f64) -> Told {
        let hz = tsc_hz() as f64;
        self.trial = self.trial.wrapping_add(1);
        self.latency.clear();
        let mut told = Told { seconds, ..Told::default() };
        let mut burst = Burst::new();
        let start = tsc();
        let length = (seconds * hz) as u64;
        // Frames of the schedule that are over: offered, or missed because this core was elsewhere.
        let mut over = 0u64;
        let allowed = rate.map_or(0, |r| ((r * LATE) as u64).max(2 * SEND as u64));
        let patience = (PATIENCE * hz) as u64;
        let mut stuck = None;
        loop {
            let now = tsc();
            let gone = now.wrapping_sub(start);
            if gone >= length {
                break;
            }
            if burst.is_empty() {
                let due = rate.map_or(over + SEND as u64, |r| (gone as f64 / hz * r) as u64);
                over = over.max(due.saturating_sub(allowed.max(SEND as u64)));
                for _ in 0..(due - over.min(due)).min(SEND as u64) {
                    address(&mut self.frame, self.next, self.trial, now);
                    let Some(m) = self.pool.packet(&self.frame) else { break };
                    self.next = if self.next + 1 < self.flows { self.next + 1 } else { 0 };
                    over += 1;
                    told.offered += 1;
                    // There are fewer than fit.
                    let _ = burst.push(m);
                }
                stuck = None;
            }
            if !burst.is_empty() {
                self.tx.send(&mut burst);
                if !burst.is_empty()
                    && rate.is_some()
                    && now.wrapping_sub(*stuck.get_or_insert(now)) > patience
                {
                    told.refused += burst.len() as u64;
                    burst.free();
                }
            }
            self.count(&mut told);
        }
        if rate.is_none() {
            told.offered -= burst.len() as u64;
        } else {
            // Its last chance.
            self.tx.send(&mut burst);
            told.refused += burst.len() as u64;
        }
        burst.free();
        let mut quiet = tsc();
        while told.received + told.refused < told.offered
            && tsc().wrapping_sub(quiet) < (SETTLE * hz) as u64
            && tsc().wrapping_sub(start) < length + 2 * hz as u64
        {
            if self.count(&mut told) > 0 {
                quiet = tsc();
            }
        }
        told.latency = [500, 990, 999, 1000].map(|p| (self.latency.at(p) as f64 / hz * 1e9) as u64);
        told
    }
}

/// The device under test: an engine that forwards by verdict.
fn device(mut rx: RxQueue, mut tx: TxQueue, mut engine: Box<Engine>, stop: &AtomicBool) {
    let (mut burst, mut out) = (Burst::new(), Burst::new());
    let mut verdicts = [Verdict::Forward; MAX_BURST];
    while !stop.load(Ordering::Relaxed) {
        let n = rx.receive(&mut burst);
        if n == 0 {
            std::hint::spin_loop();
            continue;
        }
        let mut frames = [Frame { ts: now_ns(), ..Frame::default() }; MAX_BURST];
        for (f, m) in frames.iter_mut().zip(burst.packets()) {
            (f.data, f.sums) = (m.head(), m.sums());
        }
        engine.process(&frames[..n], &mut verdicts[..n], &mut NoSink);
        burst.drain(|i, m| {
            if matches!(verdicts[i], Verdict::Forward | Verdict::Bypass) {
                // As many as came at most.
                let _ = out.push(m);
            }
        });
        for _ in 0..64 {
            tx.send(&mut out);
            if out.is_empty() {
                break;
            }
        }
        // What a port does not take is lost, as in any device.
        out.free();
    }
    // Taking it apart is nobody's cost.
    std::mem::forget(engine);
}

/// What was found for a frame size, check sequence included.
struct Row {
    size: usize,
    highest: f64,
    found: Found<Told>,
}

struct Wish {
    sizes: Vec<usize>,
    seconds: f64,
    highest: Option<f64>,
    bounds: Bounds,
    macs: [[u8; 6]; 2],
    quiet: bool,
}

fn measure(t: &mut Tester, w: &Wish) -> Vec<Row> {
    let mut rows = Vec::new();
    for &size in &w.sizes {
        t.frame = template(size - FCS, w.macs[0], w.macs[1]);
        // A little more than the sender was seen to do, so that it is a bound.
        let highest = w.highest.unwrap_or_else(|| t.run(None, w.seconds.min(UNPACED)).rate() * 1.05);
        let mut row = Row { size, highest, found: Found { best: None, failed: None, trials: 0 } };
        if highest >= 1.0 {
            let done: Result<_, std::convert::Infallible> = search(&Bounds { highest, ..w.bounds }, |rate| {
                let mut told = t.run(Some(rate), w.seconds);
                for _ in 0..AGAIN {
                    // What was lost is lost; a trial without loss has to be one at that rate.
                    if told.rate() >= rate * OFFERED || told.loss().lost > 0 {
                        break;
                    }
                    told = t.run(Some(rate), w.seconds);
                }
                if !w.quiet {
                    let l = told.loss();
                    eprintln!(
                        "{size} bytes at {rate:.0} packets/s: {} sent, {} lost ({} refused by the port)",
                        l.offered, l.lost, told.refused
                    );
                }
                Ok((told.loss(), told))
            });
            let Ok(found) = done;
            row.found = found;
        }
        rows.push(row);
    }
    rows
}

/// A port whose name is no PCI address.
fn is_virtual(p: &PortInfo) -> bool {
    !(p.name.contains(':') && p.name.contains('.'))
}

/// Starts a port with a queue each way, and waits for its link.
fn open(eal: Eal, i: &PortInfo, pool: Pool) -> Result<Queues, String> {
    let config = PortConfig { rss: false, timestamps: false, ..PortConfig::default() };
    Port::start(eal, i.id, &config, &[pool]).map_err(|e| e.to_string())
}

fn wait_for_link(q: &Queues) -> Result<(), String> {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let i = q.port.info().map_err(|e| e.to_string())?;
        if i.link_up {
            return Ok(());
        }
        if Instant::now() > until {
            return Err(format!("{}: no link", i.name));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The only queues of a port.
fn only(q: Queues) -> Result<(RxQueue, TxQueue), String> {
    let (mut rx, mut tx) = (q.rx, q.tx);
    rx.pop().zip(tx.pop()).ok_or_else(|| "a port without queues".into())
}

/// Runs the search and says what it found.
pub fn run(a: &BenchArgs) -> Result<ExitCode, String> {
    let between = match a.under_test.as_str() {
        "joined" => Between::Joined,
        "looped" => Between::Looped,
        _ => Between::Outside,
    };
    if let Some(s) = a.sizes.iter().find(|s| !(LEAST + 2 + FCS..=9018).contains(*s)) {
        return Err(format!("--sizes {s}: {} to 9018 bytes", LEAST + 2 + FCS));
    }
    for (what, v, least, most) in [
        ("trial", a.trial, 0.01, 3600.0),
        ("resolution", a.resolution, 0.01, 100.0),
        ("tolerance", a.tolerance, 0.0, 100.0),
    ] {
        if !(least..=most).contains(&v) {
            return Err(format!("--{what} {v}: {least} to {most}"));
        }
    }
    let settings = Settings::load(a.config.as_deref(), &Overrides::default()).map_err(|e| e.to_string())?;
    let flows = a.flows.unwrap_or(1000).clamp(1, 1 << 24);
    let memory = match &a.memory {
        Some(m) => crate::cmd::memory::parse(m, 1)?,
        None => (u64::from(flows) * 5120).max(64 << 20),
    };
    let inside = between != Between::Outside;
    if !inside && !a.rules.is_empty() {
        return Err("-S: the device under test is outside; its rules are its own".into());
    }
    let eal = start_eal(a.dpdk.as_deref().unwrap_or_default(), 1 + usize::from(inside))
        .map_err(|e| e.to_string())?;
    let lcores = eal.workers();
    let infos = ports(eal);
    let wanted = if inside { 2 } else { 1 };
    if infos.len() < wanted || lcores.len() < wanted {
        return Err(format!(
            "{} ports and {} worker lcores: at least {wanted} of each are needed",
            infos.len(),
            lcores.len()
        ));
    }
    let used = &infos[..infos.len().min(2)];
    let room = (a.sizes.iter().max().copied().unwrap_or(0) as u16).max(2048);
    let pool = Pool::new(eal, "bench", 16_383, room, -1).map_err(|e| e.to_string())?;
    let mut queues = used.iter().map(|i| open(eal, i, pool)).collect::<Result<Vec<_>, _>>()?;
    queues.iter().try_for_each(wait_for_link)?;
    let (rx0, tx0) = only(queues.remove(0))?;
    let second = queues.pop().map(only).transpose()?;
    let (rx, inner) = match (between, second) {
        (Between::Outside, Some((rx1, _))) => (rx1, None),
        (Between::Outside, None) => (rx0, None),
        (Between::Joined, Some((rx1, tx1))) => (rx0, Some((rx1, tx1))),
        (Between::Looped, Some((rx1, tx1))) => (rx1, Some((rx0, tx1))),
        (_, None) => return Err("two ports are needed".into()),
    };
    let stop = Arc::new(AtomicBool::new(false));
    let mut rules = 0;
    let mut device_core: Option<Lcore> = None;
    if let Some((from, to)) = inner {
        let l = load::load(&a.rules, &settings, None)?;
        rules = l.loaded;
        let mode = Mode { ips: true, ignore_checksums: true, memory, secret: crate::secret::random()? };
        let config = settings.engine(mode).map_err(|e| e.to_string())?;
        let mut engine = Box::new(Engine::new(config, l.rules));
        engine.warm(flows as usize, 1 << 20);
        let (stop, lcore) = (stop.clone(), lcores[1]);
        eal.launch(lcore, move || device(from, to, engine, &stop)).map_err(|e| e.to_string())?;
        device_core = Some(lcore);
    }
    let tester = Tester {
        tx: tx0,
        rx,
        pool,
        frame: Vec::new(),
        flows,
        next: 0,
        trial: std::process::id() << 12,
        latency: Histogram::new(),
        came: Burst::new(),
    };
    let wish = Wish {
        sizes: a.sizes.clone(),
        seconds: a.trial,
        highest: a.rate_max,
        bounds: Bounds {
            highest: 0.0,
            resolution: a.resolution / 100.0,
            tolerance: a.tolerance / 100.0,
            repeats: 1,
        },
        macs: [used[0].mac, used[used.len() - 1].mac],
        quiet: a.json,
    };
    if !wish.quiet {
        eprintln!("up to {} trials of {} s for each size", most_trials(&wish.bounds), a.trial);
    }
    let (give, take) = std::sync::mpsc::channel();
    eal.launch(lcores[0], move || {
        let mut tester = tester;
        // Nobody waits any more only when the process ends.
        let _ = give.send(measure(&mut tester, &wish));
    })
    .map_err(|e| e.to_string())?;
    let rows = take.recv();
    stop.store(true, Ordering::Relaxed);
    let fine = eal.wait(lcores[0]) & device_core.is_none_or(|l| eal.wait(l));
    let cores: Vec<String> =
        [Some(lcores[0]), device_core].into_iter().flatten().map(|l| eal.place(l).1.to_string()).collect();
    match rows {
        Ok(rows) if fine => answer::say(&tell(a, used, between, rules, flows, &cores, &rows))?,
        _ => return Err("a core failed".into()),
    }
    eal.exit(0)
}

/// Bits of frames, check sequence included, in billions a second.
fn gbit(rate: f64, size: usize) -> f64 {
    rate * size as f64 * 8e-9
}

#[allow(clippy::too_many_arguments)]
fn tell(
    a: &BenchArgs,
    used: &[PortInfo],
    between: Between,
    rules: usize,
    flows: u32,
    cores: &[String],
    rows: &[Row],
) -> String {
    let mut out = String::new();
    let software = used.iter().all(is_virtual);
    let names: Vec<String> = used.iter().map(|p| format!("{} ({})", p.name, p.driver)).collect();
    let device = match between {
        Between::Outside => "outside".to_owned(),
        _ => format!("an engine of this process, {rules} rules"),
    };
    if a.json {
        let mut j = Json::default();
        j.open("");
        j.string("machine", machine().as_bytes());
        j.string("dpdk", Eal::version().as_bytes());
        j.string("ports", names.join(", ").as_bytes());
        j.bool("software_ports", software);
        j.string("device_under_test", device.as_bytes());
        j.string("cores", cores.join(", ").as_bytes());
        j.uint("flows", u64::from(flows));
        j.float("trial_seconds", a.trial);
        j.float("tolerance_percent", a.tolerance);
        j.float("resolution_percent", a.resolution);
        j.open_list("sizes");
        for r in rows {
            let rate = r.found.best.as_ref().map_or(0.0, |(_, t)| t.rate());
            j.open("");
            j.uint("frame_bytes", r.size as u64);
            j.float("packets_per_second", rate);
            j.float("gbit_per_second", gbit(rate, r.size));
            j.float("highest_tried", r.highest);
            if let Some(f) = r.found.failed {
                j.float("lowest_with_loss", f);
            }
            j.bool("limited_by_sender", limited(r));
            j.uint("trials", u64::from(r.found.trials));
            if let Some((_, t)) = &r.found.best {
                j.uint("sent", t.offered);
                j.uint("lost", t.loss().lost);
                for (k, v) in ["latency_ns_p50", "latency_ns_p99", "latency_ns_p999", "latency_ns_max"]
                    .iter()
                    .zip(t.latency)
                {
                    j.uint(k, v);
                }
            }
            j.close();
        }
        j.close_list();
        j.close();
        j.buf.push(b'\n');
        return String::from_utf8_lossy(&j.buf).into_owned();
    }
    _ = writeln!(out, "{}, {}", machine(), Eal::version());
    _ = writeln!(
        out,
        "ports: {}; device under test: {device}; on cores {}",
        names.join(", "),
        cores.join(", ")
    );
    _ = writeln!(
        out,
        "{flows} flows, trials of {} s, at most {} % lost, to {} % of the highest rate tried",
        a.trial, a.tolerance, a.resolution
    );
    if software {
        _ = writeln!(
            out,
            "These ports are software: the figures are of this machine's processors, not of a network."
        );
    }
    _ = writeln!(
        out,
        "{:>6}{:>14}{:>9}{:>8}{:>14}  latency us: 50 %   99 %  99.9 %     max",
        "bytes", "packets/s", "Gbit/s", "trials", "loss from"
    );
    for r in rows {
        let Some((_, t)) = &r.found.best else {
            _ = writeln!(
                out,
                "{:>6}  no rate down to {:.0} packets/s passed",
                r.size,
                r.highest * a.resolution / 100.0
            );
            continue;
        };
        let us = t.latency.map(|n| format!("{:.1}", n as f64 / 1000.0));
        let failed = match r.found.failed {
            Some(f) => format!("{f:.0}"),
            None if limited(r) => "sender's".into(),
            None => "none".into(),
        };
        _ = writeln!(
            out,
            "{:>6}{:>14.0}{:>9.3}{:>8}{failed:>14}{:>18}{:>7}{:>8}{:>8}",
            r.size,
            t.rate(),
            gbit(t.rate(), r.size),
            r.found.trials,
            us[0],
            us[1],
            us[2],
            us[3]
        );
    }
    out
}

/// The sender did not reach the rate that passed: the device may do more.
fn limited(r: &Row) -> bool {
    r.found.best.as_ref().is_some_and(|(rate, t)| t.rate() < rate * OFFERED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_recognised() {
        let mut f = template(60, [2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
        assert_eq!(f.len(), 60);
        address(&mut f, 0x0002_1234, 7, 99);
        assert_eq!((sent_at(&f, 7), sent_at(&f, 8), sent_at(&f[..50], 7)), (Some(99), None, None));
        assert!(tidegate_core::packet::checksum::header_is_good(&f[14..34]));
        assert_eq!((&f[26..30], &f[34..36]), (&[198, 18, 0x12, 0x34][..], &10_002u16.to_be_bytes()[..]));
    }

    #[test]
    fn loss_is_what_did_not_come() {
        let t = Told { offered: 100, received: 98, refused: 1, seconds: 0.5, latency: [0; 4] };
        assert_eq!((t.loss(), t.rate()), (Loss { offered: 100, lost: 2 }, 200.0));
    }
}
