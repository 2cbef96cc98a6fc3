//! `tidegate run -i` and `tidegate run --dpdk`: live traffic under workers, until somebody says stop.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use crate::config::engine::{Mode, room};
use crate::config::{Overrides, Settings};
use crate::eve::EveLine;
use crate::keys::Followed;
use crate::live::blocklist::BlockList;
use crate::live::chunk::Channel;
use crate::live::files::Storing;
use crate::live::manager::{self, Manager, Request};
use crate::live::sink::{LiveSink, OwnLines};
use crate::live::source::{Compiled, RuleSource};
use crate::live::worker::{Fail, Worker};
use crate::live::writer::Writer;
use crate::live::{control, prometheus};
use crate::load::{self, Loaded};
use crate::log::EngineLog;
use crate::pcaplog::live::Writer as PacketWriter;
use crate::response::Setup;
use crate::response::tap::{Shared, Tap};
use crate::secret;
use signal_hook::consts::signal::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};

use super::RunArgs;
use super::input::{rule_files, tell_refusals};
use super::interrupt::Early;
use super::run::grouped;

/// Everything that is decided before ports are opened.
struct Start<'a> {
    args: &'a RunArgs,
    settings: Settings,
    mode: Mode,
    source: RuleSource,
    rules: Compiled,
    dir: PathBuf,
    /// Made by this run.
    dir_is_new: bool,
    fail: Fail,
    response: Setup,
    log: Arc<EngineLog>,
    early: Early,
}

/// Tells settings that are for captures; an error when they have to have an effect.
fn captures_alone(s: &Settings, strict: bool) -> Result<(), String> {
    if s.pcap_files == crate::config::PcapFiles::default() {
        return Ok(());
    }
    let told = "pcap-file: delete-when-done, poll-interval and delay are for captures (-r)";
    if strict {
        return Err(format!("settings have no effect, and --strict is given: {told}"));
    }
    eprintln!("{told}");
    Ok(())
}

pub(super) fn run(args: &RunArgs, log: &Arc<EngineLog>, early: Early) -> Result<ExitCode, String> {
    let inline = !args.live.inline.is_empty();
    let ips = inline || args.simulate_ips;
    let over = Overrides { set: &args.set, ips };
    let config = args.config.as_deref().filter(|c| *c != std::path::Path::new("/dev/null"));
    let mut settings = Settings::load(config, &over).map_err(|e| e.to_string())?;
    settings.pcap_checksums = settings.pcap_checksums.or_asked(args.checksums.as_deref());
    settings.policy = args.policy.clone().or(settings.policy);
    settings.intel.extend(args.intel.iter().cloned());
    settings.keys.files.extend(args.tls_keys.iter().cloned());
    settings.keys.live = true;
    let context = super::context::tables(&mut settings, &args.context, secret::random()?)?;
    settings.replaces = inline && args.live.dpdk.is_none();
    let memory = super::memory::parse(&args.memory, u64::from(args.live.workers))?;
    super::settings_without_effect(&settings, Some(memory), args.strict)?;
    super::outputs_apart(args, &settings)?;
    captures_alone(&settings, args.strict)?;
    let response = args.live.response.as_deref().map(Setup::load).transpose()?.unwrap_or_default();
    response.effects(ips)?;
    let files = rule_files(args, &settings)?;
    let loaded = load::load(&files, &settings, args.data_dir.as_deref())?;
    super::log_start(log, &settings, &loaded);
    super::notes(&loaded, args.strict)?;
    tell_refusals(&loaded, args);
    if args.init_errors_fatal && !loaded.refused.is_empty() {
        return Err(format!("{} rules were refused, and --init-errors-fatal is given", loaded.refused.len()));
    }
    let block_lists: Vec<PathBuf> =
        settings.block_lists.iter().chain(&args.live.block_list).cloned().collect();
    let blocks = BlockList::load(&block_lists).map_err(|e| e.to_string())?;
    if !ips && !blocks.is_empty() {
        eprintln!("packets are only watched: those that meet a block list are counted, not held back");
    }
    let source = RuleSource {
        files,
        block_lists,
        data_dir: args.data_dir.clone(),
        strict: args.init_errors_fatal,
        strict_notes: args.strict,
        verbose: args.verbose,
        missing: loaded.missing.clone(),
    };
    let dir = super::log_dir(args, &settings);
    let dir_is_new = log.made_dir || !dir.exists();
    std::fs::create_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    let ignore_checksums = settings.pcap_checksums == crate::config::ChecksumMode::No;
    let mode = Mode { ips, ignore_checksums, memory, secret: secret::random()? };
    settings.engine(mode).map_err(|e| format!("--memory: {e}"))?;
    room(memory)?;
    let Loaded { rules, sets, loaded: n, refused, skipped, took, .. } = loaded;
    let rules = Compiled {
        rules,
        sets,
        blocks: Arc::new(blocks),
        loaded: n as u64,
        refused: refused.len() as u64,
        skipped: skipped as u64,
        took,
        told: Vec::new(),
    };
    if let Some(c) = &context {
        crate::context::read::follow(&settings.context.files, c)?;
    }
    let fail = if args.live.fail == "open" { Fail::Open } else { Fail::Closed };
    let start = Start {
        args,
        settings,
        mode,
        source,
        rules,
        dir,
        dir_is_new,
        fail,
        response,
        log: log.clone(),
        early,
    };
    if args.live.dpdk.is_some() {
        built_with_dpdk()?;
        #[cfg(feature = "dpdk")]
        return start.dpdk();
    }
    start.af_packet()
}

/// An error when `--dpdk` can do nothing.
pub(super) fn built_with_dpdk() -> Result<(), String> {
    if cfg!(feature = "dpdk") {
        return Ok(());
    }
    Err("--dpdk: this program was built without DPDK (cargo build --features dpdk)".into())
}

/// Pairs of interfaces that `--inline` names, each interface in one of them, those of `-i` too.
pub(super) fn pairs(l: &super::LiveArgs) -> Result<Vec<(String, String)>, String> {
    let mut all: Vec<(String, String)> = Vec::new();
    for p in &l.inline {
        let (a, b) = p.split_once(':').filter(|(a, b)| !a.is_empty() && !b.is_empty() && a != b).ok_or_else(|| {
            format!("--inline {p}: two interfaces are expected, as in eth0:eth1 (numbers of ports are for --dpdk)")
        })?;
        if let Some(twice) = [a, b].iter().find(|x| all.iter().any(|(a, b)| a == **x || b == **x)) {
            return Err(format!("--inline {p}: {twice} is in two pairs"));
        }
        if l.workers > 1 {
            return Err(
                "--inline between interfaces: a pair has one worker, as both directions must meet".into()
            );
        }
        all.push((a.to_owned(), b.to_owned()));
    }
    let in_none = |i: &&String| !all.is_empty() && !all.iter().any(|(a, b)| a == *i || b == *i);
    match l.interface.iter().find(in_none) {
        Some(i) => Err(format!("-i {i}: it is in no --inline pair")),
        None => Ok(all),
    }
}

/// Sets a flag of the worker when its thread ends, however it ends.
struct Ended(Arc<crate::live::worker::Mailbox>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.ended.store(true, std::sync::atomic::Ordering::Release);
    }
}

/// What a worker of interfaces runs, with its name.
#[cfg(target_os = "linux")]
type AfPacketLane = (String, Box<dyn FnOnce(&mut Worker) -> std::io::Result<()> + Send>);
/// An interface's counters.
#[cfg(target_os = "linux")]
type Counted = (String, Arc<crate::live::afpacket::RingStats>);

impl Start<'_> {
    /// Workers, the manager that knows them, and the way to ask it.
    fn build(self, count: usize, replay: bool) -> Result<(Vec<Worker>, Manager), String> {
        let Start { args, settings, mut mode, source, rules, dir, fail, mut response, log, .. } = self;
        if replay {
            // Ports that are captures give the output that the captures give.
            mode.secret = secret::CAPTURES;
        }
        // One more for the manager, and one for the desk.
        let channels: Vec<_> = (0..count + 2).map(|_| Arc::new(Channel::new())).collect();
        let writer =
            Writer::start(&settings.outputs, &dir, !replay, channels.clone()).map_err(|e| e.to_string())?;
        let tapped = Arc::new(Shared::new(!response.playbooks.is_empty()));
        let mut secrets = Vec::new();
        let followed = Followed::open(&settings.keys.files, &mut |s| secrets.push(s.clone()))?;
        let (packets, recorders) = match &settings.outputs.pcap_log {
            None => (None, Vec::new()),
            Some(s) => {
                let (w, ends) = PacketWriter::start(s, &dir, settings.stream.depth, count, replay)
                    .map_err(|e| format!("pcap-log: {e}"))?;
                (Some(w), ends)
            }
        };
        let mut recorders = recorders.into_iter();
        let workers: Vec<Worker> = (0..count)
            .map(|i| {
                let mut sink = LiveSink::new(&settings.outputs, mode.ips, channels[i].clone(), replay);
                sink.tap = Tap::new(&response.playbooks, tapped.clone(), mode.ips);
                sink.pcap = recorders.next();
                // Its outlet comes after those of lines.
                let output = settings.outputs.logs().count();
                sink.store =
                    settings.outputs.store.as_ref().map(|s| {
                        Storing::new(i, output, s.info.then(|| EveLine::of_files(mode.ips)), replay)
                    });
                let mut engine = manager::engine(&settings, mode, &rules.rules);
                secrets.iter().for_each(|s| _ = engine.tls_secret(s));
                let mut w = Worker::new(i, engine, sink, fail, mode.ips, replay);
                w.set_blocks(rules.blocks.clone());
                w
            })
            .collect();
        let every = (args.live.stats_interval > 0 && settings.stats && !replay)
            .then(|| Duration::from_secs(args.live.stats_interval));
        let desk_lines = OwnLines::new(&settings.outputs, mode.ips, channels[count + 1].clone());
        let mut m = Manager::new(settings, mode, source, rules, channels[count].clone(), writer, every);
        m.faults = args.live.allow_faults;
        m.followed = Some(followed);
        m.packets = packets;
        m.log = Some(log);
        for (w, c) in workers.iter().zip(&channels) {
            m.add(w.mail.clone(), w.counters.clone(), c.clone());
        }
        let mails = || workers.iter().map(|w| w.mail.clone()).collect();
        m.desk = response.desk(mode.ips, desk_lines, mails())?;
        if let Some(at) = response.listen(&m.desk)?
            && !args.quiet
        {
            eprintln!("orders at {at}");
        }
        m.responder = response.start(&m.desk, tapped, dir, mails())?;
        Ok((workers, m))
    }

    #[cfg(not(target_os = "linux"))]
    fn af_packet(self) -> Result<ExitCode, String> {
        Err("-i: only on Linux".into())
    }

    /// Interfaces as they are asked for: rings to watch, each with a worker, or pairs to stand between, each with a worker.
    #[cfg(target_os = "linux")]
    fn lanes(&self) -> Result<(Vec<AfPacketLane>, Vec<Counted>), String> {
        use crate::live::afpacket::{Ring, inline::Pair};
        let l = &self.args.live;
        let each = usize::from(l.workers).max(1);
        let (mut lanes, mut stats): (Vec<AfPacketLane>, Vec<Counted>) = (Vec::new(), Vec::new());
        for (a, b) in pairs(l)? {
            let pair = Pair::open([&a, &b], l.busy).map_err(|e| e.to_string())?;
            let name = format!("{a}:{b}");
            stats.extend([a, b].into_iter().zip(pair.stats()));
            lanes.push((name, Box::new(move |w: &mut Worker| pair.run(w))));
        }
        for (n, interface) in l.interface.iter().enumerate() {
            // It is in one of the pairs.
            if !l.inline.is_empty() {
                continue;
            }
            for _ in 0..each {
                // Groups are known to the whole machine.
                let group = (each > 1).then_some((std::process::id() as u16).wrapping_add(n as u16));
                let ring = Ring::open(interface, group).map_err(|e| e.to_string())?;
                stats.push((interface.clone(), ring.stats.clone()));
                lanes.push((interface.clone(), Box::new(move |w: &mut Worker| ring.run(w))));
            }
        }
        Ok((lanes, stats))
    }

    #[cfg(target_os = "linux")]
    fn af_packet(mut self) -> Result<ExitCode, String> {
        use crate::live::manager::PortReport;
        let a = self.args;
        let (lanes, stats) = self.lanes()?;
        let logs = Logs::new(&mut self);
        let (workers, mut m) = self.build(lanes.len(), false)?;
        let (tx, rx) = channel();
        m.ports = Box::new(move || {
            let mut out: Vec<PortReport> = Vec::new();
            for (name, s) in &stats {
                let (packets, drops) = (s.packets.load(Ordering::Relaxed), s.drops.load(Ordering::Relaxed));
                match out.iter_mut().find(|p| p.name == *name) {
                    Some(p) => {
                        p.numbers[0].1 += packets;
                        p.numbers[1].1 += drops;
                    }
                    None => out.push(PortReport {
                        name: name.clone(),
                        driver: "af_packet".into(),
                        words: Vec::new(),
                        numbers: vec![("rx_packets", packets), ("rx_missed", drops)],
                    }),
                }
            }
            out
        });
        m.follow_keys(&tx)?;
        let socket = serve(a, &logs, &tx)?;
        if !a.quiet {
            let n = workers.len();
            let names: Vec<&str> = lanes.iter().map(|l| l.0.as_str()).collect();
            eprintln!("{n} worker{} on {}", if n == 1 { "" } else { "s" }, names.join(", "));
        }
        let started = Instant::now();
        let mut threads = Vec::new();
        for ((interface, lane), mut w) in lanes.into_iter().zip(workers) {
            let run = move || {
                let _ended = Ended(w.mail.clone());
                if let Err(e) = lane(&mut w) {
                    eprintln!("{interface}: {e}");
                }
                // Large and of no more use: the process ends.
                std::mem::forget(w);
            };
            let t =
                std::thread::Builder::new().name("worker".into()).spawn(run).map_err(|e| e.to_string())?;
            threads.push(t);
        }
        let result = m.run(&rx);
        let said = if a.quiet { Ok(()) } else { summary(&m, started.elapsed()) };
        let fine = threads.into_iter().all(|t| t.join().is_ok());
        drop(socket);
        std::mem::forget(m);
        result.map_err(|e| e.to_string())?;
        said?;
        Ok(if fine { ExitCode::SUCCESS } else { ExitCode::from(super::WRONG_INPUT) })
    }

    #[cfg(feature = "dpdk")]
    fn dpdk(mut self) -> Result<ExitCode, String> {
        use crate::live::dpdk::{self, Options, reports};
        let a = self.args;
        let l = &a.live;
        let mut pairs = Vec::new();
        for p in &l.inline {
            let two =
                p.split_once(':').and_then(|(a, b)| Some((a.trim().parse().ok()?, b.trim().parse().ok()?)));
            pairs.push(
                two.ok_or_else(|| format!("--inline {p}: two numbers of ports are expected, as in 0:1"))?,
            );
        }
        let (ips, blocks) = (self.mode.ips, self.rules.blocks.clone());
        let setup = dpdk::start(&Options {
            eal: l.dpdk.clone().unwrap_or_default(),
            workers: usize::from(l.workers),
            pairs,
            fail: self.fail,
            mtu: l.mtu,
            descriptors: l.descriptors,
            link: l.linktype,
            busy: l.busy,
            rx_queues: l.rx_queues,
            mbufs: l.mbufs,
            checksums: !self.mode.ignore_checksums,
        })
        .map_err(|e| e.to_string())?;
        let (eal, ports, pools) = (setup.eal, setup.ports, setup.pools);
        let logs = Logs::new(&mut self);
        let (workers, mut m) = self.build(setup.lanes.len(), setup.replay)?;
        let (tx, rx) = channel();
        let mut lanes = setup.lanes;
        if l.offload != "off" {
            use crate::live::offload::blocks::BlocksOffload;
            use crate::live::offload::{Client, Offloader, rte::RteFlow};
            let counters: Arc<crate::live::offload::Counters> = Arc::default();
            let mut ends = Vec::new();
            for (lane, w) in lanes.iter_mut().zip(&workers) {
                let c = Client::new(counters.clone());
                ends.push((c.asks(), w.mail.clone()));
                lane.offload = Some(c);
            }
            let hw = Box::new(RteFlow::new(&ports, l.offload == "transfer"));
            let blocked: Arc<crate::live::offload::blocks::Counters> = Arc::default();
            let o = Offloader::start(hw, ends, counters.clone(), blocked.clone(), l.offload_age)
                .map_err(|e| e.to_string())?;
            if ips {
                let lists = o.lists();
                lists.set(blocks);
                m.blocks_offload = Some(BlocksOffload { lists, counters: blocked });
            }
            let mut o = Some(o);
            m.before_stop = Box::new(move || {
                if let Some(o) = o.take() {
                    o.finish();
                }
            });
            m.offload = Box::new(move || counters.list());
        }
        let handles = (ports.clone(), pools.clone());
        m.ports = Box::new(move || reports(&handles.0, &handles.1));
        m.follow_keys(&tx)?;
        let socket = serve(a, &logs, &tx)?;
        if !a.quiet {
            let names: Vec<String> = ports.iter().filter_map(|p| p.info().ok()).map(|i| i.name).collect();
            let n = workers.len();
            eprintln!("{n} worker{} on {}", if n == 1 { "" } else { "s" }, names.join(", "));
        }
        let started = Instant::now();
        for ((mut lane, mut w), &lcore) in lanes.into_iter().zip(workers).zip(&setup.lcores) {
            eal.launch(lcore, move || {
                let _ended = Ended(w.mail.clone());
                lane.run(&mut w);
                // Large and of no more use: the process ends.
                std::mem::forget(w);
            })
            .map_err(|e| e.to_string())?;
        }
        let result = m.run(&rx);
        let said = if a.quiet { Ok(()) } else { summary(&m, started.elapsed()) };
        let mut fine = true;
        for &lcore in &setup.lcores {
            fine &= eal.wait(lcore);
        }
        drop(socket);
        std::mem::forget(m);
        if let Err(e) = &result {
            eprintln!("tidegate: {e}");
        }
        if let Err(e) = &said {
            eprintln!("tidegate: {e}");
        }
        drop(ports);
        eal.exit(if fine && result.is_ok() && said.is_ok() { 0 } else { i32::from(super::WRONG_INPUT) })
    }
}

/// Signals, the control socket and metrics; then privileges go.
fn serve(args: &RunArgs, logs: &Logs, to: &Sender<Request>) -> Result<Option<control::Socket>, String> {
    let l = &args.live;
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2])
        .map_err(|e| e.to_string())?;
    // Asked for before there was anybody to do it; later ones come by the thread.
    if logs.early.reload.load(Ordering::Relaxed) {
        let _ = to.send(Request::Reload(None));
    }
    if logs.early.reopen.load(Ordering::Relaxed) {
        let _ = to.send(Request::ReopenLogs(None));
    }
    let tx = to.clone();
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            let mut asked = false;
            for s in signals.forever() {
                let request = match s {
                    SIGHUP | SIGUSR2 => Request::Reload(None),
                    SIGUSR1 => Request::ReopenLogs(None),
                    // The second one does not wait for what is being written.
                    _ if asked => std::process::exit(130),
                    _ => {
                        asked = true;
                        Request::Shutdown(None)
                    }
                };
                if tx.send(request).is_err() {
                    return;
                }
            }
        })
        .map_err(|e| e.to_string())?;
    let mut socket = match &l.control {
        None => None,
        Some(path) => {
            Some(control::listen(path, to.clone()).map_err(|e| format!("{}: {e}", path.display()))?)
        }
    };
    if let Some(at) = l.prometheus {
        let at = prometheus::listen(at, to.clone()).map_err(|e| format!("{at}: {e}"))?;
        if !args.quiet {
            eprintln!("metrics at http://{at}/metrics");
        }
    }
    if let Some(name) = &l.user {
        become_user(name, logs, l.control.as_deref().zip(socket.as_mut()))
            .map_err(|e| format!("--user {name}: {e}"))?;
    }
    Ok(socket)
}

/// Where events are written.
struct Logs {
    dir: PathBuf,
    /// The folder was made by this run.
    is_new: bool,
    files: Vec<PathBuf>,
    /// Where stored files go.
    folders: Vec<PathBuf>,
    /// What signals asked for while this was made ready.
    early: Early,
}

impl Logs {
    fn new(s: &mut Start<'_>) -> Logs {
        let early = std::mem::take(&mut s.early);
        let o = &s.settings.outputs;
        let own = s.response.audit.iter().chain(&s.response.state).cloned();
        let events = o.logs().map(|log| s.dir.join(log.file()));
        let files = events.chain(own).chain(s.log.paths().map(PathBuf::from)).collect();
        let stored = o.store.iter().flat_map(|f| [s.dir.join(&f.dir), s.dir.join(&f.dir).join("tmp")]);
        Logs { dir: s.dir.clone(), is_new: s.dir_is_new, files, folders: stored.collect(), early }
    }
}

/// Gives up root's rights in all threads. What this run made is the user's from then on.
fn become_user(
    name: &str,
    logs: &Logs,
    socket: Option<(&std::path::Path, &mut control::Socket)>,
) -> Result<(), String> {
    use nix::unistd::{User, setgid, setgroups, setuid};
    let user = User::from_name(name).map_err(|e| e.to_string())?.ok_or("no such user")?;
    let give = |p: &std::path::Path| {
        std::os::unix::fs::chown(p, Some(user.uid.as_raw()), Some(user.gid.as_raw()))
            .map_err(|e| format!("{}: {e}", p.display()))
    };
    if let Some((path, socket)) = socket {
        give(path)?;
        // The folder of the socket is mostly root's, and so is taking things out of it.
        let program = std::env::current_exe().map_err(|e| e.to_string())?;
        socket.keep_removable(&program).map_err(|e| format!("{}: {e}", program.display()))?;
    }
    let files = logs.files.iter().filter(|f| f.is_file());
    files.chain(logs.folders.iter().filter(|f| f.is_dir())).try_for_each(|f| give(f))?;
    if logs.is_new {
        give(&logs.dir)?;
    }
    setgroups(&[user.gid]).map_err(|e| e.to_string())?;
    setgid(user.gid).map_err(|e| e.to_string())?;
    setuid(user.uid).map_err(|e| e.to_string())?;
    let probe = logs.dir.join(format!(".tidegate-{}", std::process::id()));
    match std::fs::File::create_new(&probe) {
        Ok(_) => {
            let _ = std::fs::remove_file(&probe);
        }
        Err(e) => eprintln!(
            "{}: {name} cannot make files there ({e}): files that are moved away cannot be opened anew (SIGUSR1); chown it",
            logs.dir.display()
        ),
    }
    Ok(())
}

fn summary(m: &Manager, took: Duration) -> Result<(), String> {
    let (_, c, counters) = m.last();
    let n = |name: &str| {
        let full = format!("dataplane.{name}");
        counters.iter().find(|x| x.0 == full).map_or(0, |x| x.1)
    };
    let secs = took.as_secs_f64().max(1e-9);
    let mut out = format!(
        "packets  {}, {} bytes in {secs:.2} s ({} packets/s, {:.2} Gbit/s)\n",
        grouped(n("received")),
        grouped(n("received_bytes")),
        grouped((n("received") as f64 / secs) as u64),
        n("received_bytes") as f64 * 8e-9 / secs
    );
    out += &format!("flows    {}\nalerts   {}\n", grouped(c.flows), grouped(c.alerts));
    for (what, names) in [
        ("sent", ["forwarded", "bypassed", "answers"].as_slice()),
        ("held", &["dropped", "rejected"]),
        ("listed", &["listed"]),
        ("shed", &["shed_tx", "shed_ring", "shed_closed"]),
        ("trouble", &["uninspected", "faults", "too_long", "overloads"]),
    ] {
        let told: Vec<String> =
            names.iter().filter(|x| n(x) > 0).map(|x| format!("{x} {}", grouped(n(x)))).collect();
        if !told.is_empty() {
            out += &format!("{what:<9}{}\n", told.join(", "));
        }
    }
    super::answer::say(&out)
}
