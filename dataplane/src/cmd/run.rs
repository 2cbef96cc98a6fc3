//! `tidegate run`: captures go through one engine; events go to files; a summary goes to the terminal.

use std::collections::HashMap;
use std::io::{IsTerminal, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use crate::capture::{CaptureError, has_secrets};
use crate::config::engine::{LONG, Mode, room, warm};
use crate::config::logging::{Level, Logging};
use crate::config::{ChecksumMode, Delete, Overrides, Settings};
use crate::context::Context;
use crate::eve::{EveSink, OutputError, Stats};
use crate::filter::Filter;
use crate::keys;
use crate::lines::writable;
use crate::load::{self, Loaded};
use crate::log::EngineLog;
use crate::pcaplog::PcapLog;
use crate::secret;
use tidegate_core::engine::{Engine, Frame};
use tidegate_core::event::{Event, EventSink, Verdict};
use tidegate_core::fault::Station;
use tidegate_core::flow::FlowView;
use tidegate_core::packet::{Decoder, Packet, PacketBuf};
use tidegate_core::{Dir, Secret};

use super::context::Logs;
use super::feed::Feed;
use super::input::{UnknownLinks, rule_files, tell_refusals};
use super::interrupt::{self, Early, interrupts};
use super::{PARTLY, RunArgs, WRONG_INPUT};

/// Time between two progress lines.
const PROGRESS_EVERY: Duration = Duration::from_millis(250);

pub fn main(args: &RunArgs) -> ExitCode {
    if let Some(code) = super::ask::answer(args) {
        return code;
    }
    let early = Early::take();
    // Not worth it for what takes a moment.
    let long = |r: &PathBuf| std::fs::metadata(r).is_ok_and(|m| m.is_dir() || m.len() > LONG);
    if args.read.as_ref().is_none_or(long) {
        super::pages::allow();
    }
    let over = Overrides { set: &args.set, ips: args.simulate_ips };
    let logging = Logging::of(config_file(args), &over);
    let live = args.read.is_none();
    let log = EngineLog::open(&logging, args.log_dir.as_deref(), args.verbose, live).map(Arc::new);
    let pid = args.pidfile.as_deref().map(PidFile::write).transpose();
    let result = match (&log, &args.read) {
        (Err(e), _) => Err(e.clone()),
        _ if pid.is_err() => Err(pid.as_ref().err().cloned().unwrap_or_default()),
        (Ok(log), Some(read)) => run(args, read, log),
        (Ok(log), None) => super::live::run(args, log, early),
    };
    match result {
        Ok(code) => code,
        Err(e) => {
            if let Ok(log) = log {
                log.error("run", &e);
            }
            eprintln!("tidegate: {e}");
            ExitCode::from(WRONG_INPUT)
        }
    }
}

/// A file with the number of this process, there as long as it runs.
struct PidFile(PathBuf);

impl PidFile {
    fn write(path: &Path) -> Result<PidFile, String> {
        writable(path)
            .and_then(|()| std::fs::write(path, format!("{}\n", std::process::id())))
            .map_err(|e| format!("--pidfile: {}: {e}", path.display()))?;
        Ok(PidFile(path.to_owned()))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Rights may have been given up since; then whoever starts the next process writes over it.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Counts alerts by signature on their way to the files.
struct Counting {
    eve: EveSink,
    pcap: Option<PcapLog>,
    alerts: HashMap<(u32, u32), (u64, String)>,
}

impl Counting {
    /// Writes out what is left of events and packets.
    fn finish(&mut self) -> Result<(), OutputError> {
        let packets = self.pcap.as_mut().map_or(Ok(()), PcapLog::finish);
        self.eve.finish().and(packets)
    }
}

impl EventSink for Counting {
    fn event(&mut self, event: Event<'_>) {
        if let Event::Alert(a) = event
            && !a.tagged
        {
            self.alerts.entry((a.rule.gid, a.rule.sid)).or_insert_with(|| (0, a.rule.msg.clone())).0 += 1;
        }
        if let Some(p) = &mut self.pcap {
            p.picker.event(&event);
        }
        self.eve.event(event);
    }

    fn packet(&mut self, seen: &tidegate_core::event::PacketSeen<'_>) {
        if let Some(p) = &mut self.pcap {
            p.picker.packet(seen);
        }
    }

    fn vars(&mut self, packet: &Packet<'_>, dir: Dir, flow: &FlowView<'_>) {
        self.eve.vars(packet, dir, flow);
    }

    fn arp(&mut self, packet: &Packet<'_>) {
        self.eve.arp(packet);
    }

    fn policy(&mut self, record: &tidegate_core::event::PolicyRecord<'_>) {
        self.eve.policy(record);
    }

    fn response(&mut self, record: &tidegate_core::event::ResponseRecord<'_>) {
        self.eve.response(record);
    }

    fn file_bytes(&mut self, file: u64, bytes: &[u8]) {
        self.eve.file_bytes(file, bytes);
    }
}

/// What was read.
#[derive(Default)]
struct Tally {
    captures: usize,
    /// Captures that were read in part or not at all.
    incomplete: usize,
    /// Captures of which no packet has a link type that is decoded.
    undecoded: usize,
    packets: u64,
    bytes: u64,
    filtered: u64,
}

impl Tally {
    /// Tells and counts why a capture was not read to its end. What was read before the damage counts.
    fn fault(&mut self, path: &Path, e: &CaptureError) {
        self.incomplete += 1;
        match e {
            CaptureError::Truncated { packet: 1.., .. } | CaptureError::Damaged { packet: 1.., .. } => {
                self.captures += 1;
                eprintln!("{}: {e}", path.display());
            }
            // A compressed capture that was cut off: what was decoded counts.
            CaptureError::Io { offset: 1.., .. } => {
                self.captures += 1;
                eprintln!("{}: {e}", path.display());
            }
            CaptureError::Open { .. } => eprintln!("{e}"),
            _ => eprintln!("{}: {e}", path.display()),
        }
    }
}

/// The configuration that is named; `/dev/null` is none.
pub(super) fn config_file(args: &RunArgs) -> Option<&Path> {
    args.config.as_deref().filter(|c| *c != Path::new("/dev/null"))
}

fn run(args: &RunArgs, source: &Path, log: &EngineLog) -> Result<ExitCode, String> {
    let over = Overrides { set: &args.set, ips: args.simulate_ips };
    let mut settings = Settings::load(config_file(args), &over).map_err(|e| e.to_string())?;
    settings.pcap_checksums = settings.pcap_checksums.or_asked(args.checksums.as_deref());
    settings.policy = args.policy.clone().or(settings.policy);
    settings.intel.extend(args.intel.iter().cloned());
    settings.keys.files.extend(args.tls_keys.iter().cloned());
    let secret = secret_for(source)?;
    let context = super::context::tables(&mut settings, &args.context, secret)?;
    let memory = super::memory::parse(&args.memory, 1)?;
    super::settings_without_effect(&settings, Some(memory), args.strict)?;
    super::outputs_apart(args, &settings)?;
    live_alone(&settings, args.strict)?;
    if args.pcap_file_delete {
        settings.pcap_files.delete = Delete::All;
    }
    let filter = super::input::filter(args)?;
    let mut feed =
        Feed::new(source, args.pcap_file_recursive, args.pcap_file_continuous, settings.pcap_files)?;
    let folder = source.is_dir();

    settings.keys.carried |= feed.waiting().any(|c| has_secrets(c));
    let keys::Whole { secrets, complaints } = keys::all(&settings.keys.files)?;
    complaints.iter().for_each(|c| eprintln!("{c}"));
    let loaded = load::load(&rule_files(args, &settings)?, &settings, args.data_dir.as_deref())?;
    super::log_start(log, &settings, &loaded);
    super::notes(&loaded, args.strict)?;
    tell_refusals(&loaded, args);
    if args.init_errors_fatal && !loaded.refused.is_empty() {
        return Err(format!("{} rules were refused, and --init-errors-fatal is given", loaded.refused.len()));
    }

    let dir = super::log_dir(args, &settings);
    let open = |dir: &Path| -> Result<EveSink, String> {
        std::fs::create_dir_all(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
        EveSink::create(&settings.outputs, dir, args.simulate_ips).map_err(|e| e.to_string())
    };
    // With --each, every capture opens its own.
    if args.each && !folder {
        return Err(format!("--each works on folders of captures; {} is one capture", source.display()));
    }
    let each = args.each;
    let eve = if each { EveSink::none() } else { open(&dir)? };
    let packets =
        |dir: &Path| settings.outputs.pcap_log.as_ref().map(|s| PcapLog::new(s, dir, settings.stream.depth));
    let mut sink = Counting { eve, pcap: packets(&dir).filter(|_| !each), alerts: HashMap::new() };

    let mode = Mode {
        ips: args.simulate_ips,
        ignore_checksums: settings.pcap_checksums == ChecksumMode::No,
        memory,
        secret,
    };
    room(memory)?;
    // Each capture of its own begins with the sets as they were read.
    let make = || -> Result<_, String> {
        let config = settings.engine(mode).map_err(|e| format!("--memory: {e}"))?;
        let sets = Arc::new(loaded.sets.fresh());
        let rules = sets.rules(loaded.rules.set.clone()).with_policy(loaded.rules.policy.clone());
        let rules = rules.with_intel(loaded.rules.intel.clone());
        let mut engine = Engine::new(config, rules);
        secrets.iter().for_each(|s| _ = engine.tls_secret(s));
        Ok((engine, sets))
    };
    let (mut engine, sets) = make()?;
    if each && sets.saved().next().is_some() {
        eprintln!("--each: captures have datasets of their own, which are not saved");
    }
    fail_at(args, &mut engine)?;
    let size: u64 = feed.waiting().filter_map(|c| std::fs::metadata(c).ok()).map(|m| m.len()).sum();
    if !each {
        warm(&mut engine, size);
    }

    let mut logs = context.map(|c| Logs::open(&settings.context, c)).transpose()?;
    let stop = interrupts();
    let start = Instant::now();
    let mut tally = Tally::default();
    let mut progress = Progress::new(!args.quiet && std::io::stderr().is_terminal());
    let mut last = source.to_owned();
    let mut done_with = Vec::new();
    while let Some(path) = feed.next(&stop) {
        last.clone_from(&path);
        let path = &path;
        let before = (sink.eve.counts.alerts, tally.incomplete);
        if each {
            let own = dir.join(path.strip_prefix(source).unwrap_or(path));
            let mut eve = open(&own)?;
            sink.pcap = packets(&own);
            eve.counts = sink.eve.counts;
            sink.eve = eve;
            engine = make()?.0;
        }
        sink.eve.capture(path, folder);
        let done = catch_unwind(AssertUnwindSafe(|| {
            let done = read(
                path,
                args.batch,
                &filter,
                &mut engine,
                &mut sink,
                &mut tally,
                &mut progress,
                &stop,
                each,
                &mut logs,
            );
            if each {
                engine.finish(&mut sink);
            }
            done
        }));
        let Ok(done) = done else {
            progress.clear();
            return Err(broken(engine, &mut sink, &tally, path));
        };
        // A source that was not waited for ends anywhere.
        let left = stop.load(Ordering::Relaxed) && interrupt::may_wait(path);
        if let Err(e) = done
            && !left
        {
            progress.clear();
            tally.fault(path, &e);
        } else {
            tally.captures += 1;
            // A capture goes when what it said is written; what was not understood to its end is kept.
            if !stop.load(Ordering::Relaxed) && !sink.eve.failed() && tally.incomplete == before.1 {
                let alerts = sink.eve.counts.alerts - before.0;
                if args.pcap_file_continuous {
                    sink.eve.flush().map_err(|e| unwritten(&e, &tally))?;
                    feed.done(path, alerts);
                } else {
                    done_with.push((path.clone(), alerts));
                }
            }
        }
        if each || sink.eve.failed() {
            sink.finish().map_err(|e| unwritten(&e, &tally))?;
        }
    }
    if !each && catch_unwind(AssertUnwindSafe(|| engine.finish(&mut sink))).is_err() {
        return Err(broken(engine, &mut sink, &tally, &last));
    }
    progress.clear();
    let took = start.elapsed();

    if let Some(l) = &mut logs {
        l.finish(&mut sink.eve);
    }
    sink.eve.end_stories();
    if settings.stats && !each {
        write_stats(&engine, &mut sink, &settings, &loaded, (args.simulate_ips, sets.refused()), took);
    }
    sink.finish().map_err(|e| unwritten(&e, &tally))?;
    done_with.iter().for_each(|(path, alerts)| feed.done(path, *alerts));
    let unsaved = if each { Vec::new() } else { sets.save().failed };
    unsaved.iter().for_each(|e| eprintln!("tidegate: {e}: the dataset is not saved"));
    let wrong = engine.stats().stream.invalid_checksum;
    if wrong > 0 && !each && wrong >= tally.packets / 10 {
        // Most captures of this kind were taken where a card computes the sums later.
        eprintln!(
            "{} of {} packets are TCP with a wrong checksum and were not looked into; if a card computes them where the capture \
             was taken, -k none looks into them",
            grouped(wrong),
            grouped(tally.packets)
        );
    }
    let read = format!("{} packets, {} bytes, {} captures", tally.packets, tally.bytes, tally.captures);
    log.say(Level::Notice, "capture", &read);
    let said = if args.quiet { Ok(()) } else { summary(&sink, &tally, &loaded, took, folder) };
    // The process ends: taking a rule set and a full flow table apart piece by piece would only keep the user waiting.
    std::mem::forget(engine);
    if stop.load(Ordering::Relaxed) {
        eprintln!("interrupted; what was read until then is written");
    }
    said?;
    Ok(ending(&tally, &loaded, feed.count(), unsaved.is_empty()))
}

/// What keys the tables: a pipe may bring live traffic, whose senders must not know it; a file gives the same output each time.
fn secret_for(source: &Path) -> Result<Secret, String> {
    let files = std::fs::metadata(source).is_ok_and(|m| m.is_file() || m.is_dir());
    // Folders are read for their regular files.
    Ok(if files { secret::CAPTURES } else { secret::random()? })
}

/// Tells of settings that are for live traffic; with `--strict` they are an error.
fn live_alone(s: &Settings, strict: bool) -> Result<(), String> {
    let told = [
        (
            !s.block_lists.is_empty(),
            "block-lists: they hold back live traffic; captures are read without them",
        ),
        (
            s.outputs.logs().any(|log| log.rotate().is_some()),
            "rotate-interval: it is for live traffic; of captures each output is one file",
        ),
    ];
    let told: Vec<&str> = told.into_iter().filter_map(|(is, what)| is.then_some(what)).collect();
    if strict && !told.is_empty() {
        return Err(format!("settings have no effect, and --strict is given: {}", told.join("; ")));
    }
    told.iter().for_each(|t| eprintln!("{t}"));
    Ok(())
}

/// Makes the engine fail where `--fail-at` says.
fn fail_at(args: &RunArgs, engine: &mut Engine) -> Result<(), String> {
    let Some(at) = &args.fail_at else { return Ok(()) };
    let at = Station::from_name(at).ok_or_else(|| format!("--fail-at {at}: no such station"))?;
    if engine.fail_at(at) { Ok(()) } else { Err("--fail-at: faults are not built in".into()) }
}

/// The `stats` record at the end.
fn write_stats(
    engine: &Engine,
    sink: &mut Counting,
    settings: &Settings,
    loaded: &Loaded,
    (ips, refused_values): (bool, u64),
    took: Duration,
) {
    let events = settings.stats_decoder_events;
    let mut counters = crate::counters::named(&engine.stats(), &sink.eve.counts, ips, events);
    counters.push(("datasets.refused".into(), refused_values));
    counters.extend(sink.eve.store_counters());
    counters.extend(sink.eve.story_counters());
    counters.extend(sink.pcap.iter_mut().flat_map(PcapLog::counters).map(|(n, v)| (n.to_string(), v)));
    counters.extend(sink.eve.context().map(Context::counters).unwrap_or_default());
    let ns = |t: SystemTime| {
        let since = t.duration_since(SystemTime::UNIX_EPOCH);
        since.map_or(0, |d| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX))
    };
    let now = SystemTime::now();
    sink.eve.stats(&Stats {
        now: ns(now),
        // Rules are in force from right before the first packet.
        last_reload: ns(now.checked_sub(took).unwrap_or(now)),
        uptime_s: took.as_secs(),
        counters: &counters,
        rules_loaded: loaded.loaded as u64,
        rules_failed: loaded.refused.len() as u64,
        rules_skipped: loaded.skipped as u64,
    });
}

/// The exit code; tells what of the input was not used.
fn ending(t: &Tally, loaded: &Loaded, captures: usize, saved: bool) -> ExitCode {
    let no_rule = loaded.loaded == 0 && !loaded.refused.is_empty();
    if no_rule {
        eprintln!("tidegate: all {} rules were refused: nothing was looked for", loaded.refused.len());
    }
    if t.incomplete > 0 && captures > 1 {
        let n = t.incomplete;
        eprintln!(
            "tidegate: {n} of {captures} captures could not be read to the end; the rest is in the output"
        );
    }
    if (t.incomplete > 0 && t.captures <= t.undecoded) || !saved {
        ExitCode::from(WRONG_INPUT)
    } else if t.incomplete > 0 || no_rule {
        ExitCode::from(PARTLY)
    } else {
        ExitCode::SUCCESS
    }
}

/// The end after a panic: what was told until then is written; the engine is spoilt and inspects nothing more.
fn broken(engine: Engine, sink: &mut Counting, t: &Tally, path: &Path) -> String {
    // Taking it apart may panic again.
    std::mem::forget(engine);
    sink.eve.drop_unfinished();
    let wrote = match sink.eve.finish() {
        Ok(()) => "what was told until then is written".to_string(),
        Err(e) => format!("what was told until then cannot be written: {e}"),
    };
    format!(
        "{}: the engine failed after {} packets, a fault of this program; {wrote}; nothing more is read",
        path.display(),
        grouped(t.packets)
    )
}

/// What is said when events cannot be written: nothing more is read then.
fn unwritten(e: &crate::eve::OutputError, t: &Tally) -> String {
    format!("{e}: events cannot be written; stopped after {} packets", grouped(t.packets))
}

/// Reads one capture through the engine.
#[allow(clippy::too_many_arguments)]
fn read(
    path: &Path,
    batch: u32,
    filter: &Option<Filter>,
    engine: &mut Engine,
    sink: &mut Counting,
    tally: &mut Tally,
    progress: &mut Progress,
    stop: &Arc<AtomicBool>,
    own: bool,
    logs: &mut Option<Logs>,
) -> Result<(), CaptureError> {
    let mut capture = interrupt::open(path, stop)?;
    // Whoever sends by a pipe may be slow, and wants to see what came.
    let waits = interrupt::may_wait(path);
    // Packet numbers go on through a folder, as in Suricata.
    let before = if own { 0 } else { tally.packets + tally.filtered };
    let mut verdicts = vec![Verdict::Forward; batch as usize];
    let mut unknown = UnknownLinks::default();
    let mut sieve = filter.as_ref().map(|f| (f, Decoder::new(Default::default())));
    loop {
        let Some(b) = capture.next_batch(batch as usize)? else {
            let (some, all) = unknown.end(path, capture.frames());
            tally.incomplete += usize::from(some);
            tally.undecoded += usize::from(all);
            return Ok(());
        };
        keys::Lines::default().text(b.secrets(), &mut |s| _ = engine.tls_secret(s));
        let mut frames: Vec<Frame<'_>> = Vec::with_capacity(b.len());
        for f in b.iter() {
            if !Decoder::knows_link(f.link) && unknown.is_new(f.link) {
                progress.clear();
                unknown.tell(path, f.index, f.link);
            }
            let frame = Frame {
                data: f.data,
                ts: f.ts_ns,
                link: f.link,
                index: before + f.index,
                ..Frame::default()
            };
            if let Some((filter, decoder)) = &mut sieve {
                let mut packets = PacketBuf::new(tidegate_core::packet::MAX_PER_FRAME);
                decoder.decode(f.data, f.link, f.ts_ns, f.index, &mut packets);
                if !packets.iter().next().is_some_and(|p| filter.passes(p)) {
                    tally.filtered += 1;
                    continue;
                }
            }
            tally.packets += 1;
            tally.bytes += f.data.len() as u64;
            frames.push(frame);
        }
        if let (Some(l), Some(last)) = (&mut *logs, frames.last()) {
            l.until(last.ts, &mut sink.eve);
        }
        engine.process(&frames, &mut verdicts, sink);
        if let Some(p) = &mut sink.pcap {
            p.frames(&frames);
        }
        progress.tell(tally, path);
        // Going on would only lose more; the caller says why.
        if (waits && sink.eve.flush().is_err()) || sink.eve.failed() {
            return Ok(());
        }
        if stop.load(Ordering::Relaxed) {
            return Ok(());
        }
    }
}

/// A line on the terminal that rewrites itself.
struct Progress {
    on: bool,
    last: Instant,
    start: Instant,
    shown: bool,
    calls: u32,
}

impl Progress {
    fn new(on: bool) -> Self {
        Progress { on, last: Instant::now(), start: Instant::now(), shown: false, calls: 0 }
    }

    fn tell(&mut self, t: &Tally, path: &Path) {
        self.calls += 1;
        if !self.on || !self.calls.is_multiple_of(16) || self.last.elapsed() < PROGRESS_EVERY {
            return;
        }
        self.last = Instant::now();
        self.shown = true;
        let rate = t.packets as f64 / self.start.elapsed().as_secs_f64().max(1e-9);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        eprint!("\r\x1b[K{} packets, {} a second  {name}", grouped(t.packets), grouped(rate as u64));
        let _ = std::io::stderr().flush();
    }

    fn clear(&mut self) {
        if std::mem::take(&mut self.shown) {
            eprint!("\r\x1b[K");
        }
    }
}

/// `1,234,567`
pub(super) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

fn summary(sink: &Counting, t: &Tally, l: &Loaded, took: Duration, many: bool) -> Result<(), String> {
    let c = &sink.eve.counts;
    let secs = took.as_secs_f64().max(1e-9);
    let mut out = String::new();
    let mut line = |name: &str, text: String| out.push_str(&format!("{name:<9}{text}\n"));
    let from = if many { format!(" from {} captures", t.captures) } else { String::new() };
    line(
        "packets",
        format!(
            "{}, {} bytes{from} in {secs:.2} s ({} packets/s, {:.2} Gbit/s)",
            grouped(t.packets),
            grouped(t.bytes),
            grouped((t.packets as f64 / secs) as u64),
            t.bytes as f64 * 8e-9 / secs
        ),
    );
    if t.filtered > 0 {
        line("filtered", format!("{} packets left out", grouped(t.filtered)));
    }
    line("flows", grouped(c.flows));
    line(
        "records",
        format!(
            "{} of protocols, {} of files, {} anomalies",
            grouped(c.records),
            grouped(c.files),
            grouped(c.anomalies)
        ),
    );
    if c.drops > 0 {
        line("dropped", format!("{} packets", grouped(c.drops)));
    }
    if let Some(p) = &l.rules.policy {
        line("policy", format!("{} lines, {} decisions told", grouped(p.len() as u64), grouped(c.policy)));
    }
    if let Some(i) = &l.rules.intel {
        line("intel", format!("{} indicators", grouped(i.len() as u64)));
    }
    let n = |all: &[(String, u64)], name: &str| grouped(all.iter().find(|c| c.0 == name).map_or(0, |c| c.1));
    if let Some(c) = sink.eve.context().map(Context::counters) {
        let (said, met) = (n(&c, "context.connections"), n(&c, "context.joined"));
        let pods = n(&c, "context.pods");
        line("context", format!("{said} connections of hosts, {met} joined to flows; {pods} pods"));
    }
    let stories = sink.eve.story_counters();
    if !stories.is_empty() {
        line("stories", format!("{} incidents", n(&stories, "incident.opened")));
    }
    line(
        "rules",
        format!(
            "{} loaded in {:.2} s, {} refused, {} skipped",
            grouped(l.loaded as u64),
            l.took.as_secs_f64(),
            grouped(l.refused.len() as u64),
            grouped(l.skipped as u64)
        ),
    );
    line("alerts", grouped(sink.alerts.values().map(|a| a.0).sum()));
    let mut by: Vec<_> = sink.alerts.iter().collect();
    by.sort_by(|a, b| b.1.0.cmp(&a.1.0).then(a.0.cmp(b.0)));
    for ((_, sid), (n, msg)) in by {
        out.push_str(&format!("{n:>9}  {sid:<10} {msg}\n"));
    }
    super::answer::say(&out)
}

#[cfg(test)]
mod tests {
    /// Engines and tables of context alike: what comes by a pipe may be live, and its senders choose ends.
    #[test]
    fn the_published_secret_is_for_files_alone() {
        let key = |path: &str| super::secret_for(std::path::Path::new(path)).unwrap().key(*b"context ");
        let published = crate::secret::CAPTURES.key(*b"context ");
        assert_eq!((key("Cargo.toml"), key("src")), (published, published));
        assert!(key("-") != published && key("/dev/null") != published && key("-") != key("-"));
    }

    #[test]
    fn thousands_are_grouped() {
        for (n, t) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(super::grouped(n), t);
        }
    }
}
