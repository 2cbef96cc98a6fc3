//! The command line: arguments go in, an exit code comes out. 0: what was asked for is done. 1: wrong input, nothing or
//! not all was done. 2: wrong usage. 3: what could be read is processed and written, but some of the input could not. `README.md` has
//! the table: as in Suricata, `run` goes on without a rule that it refuses and ends with 0; `-T` and `rules check` do not.

mod answer;
mod artifact;
mod ask;
mod bench;
mod classify;
mod context;
mod export;
mod feed;
mod incidents;
mod input;
mod intel;
mod interrupt;
mod live;
mod mcp;
mod memory;
mod options;
mod pages;
#[cfg(unix)]
mod playbook;
mod policy;
mod ready;
mod replay;
pub mod rules;
pub mod run;
mod services;
mod terminal;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::config::Settings;
use crate::log::EngineLog;

/// Exit code for input that is wrong: a capture that cannot be read, a configuration that cannot be understood.
pub const WRONG_INPUT: u8 = 1;
/// Exit code for wrong usage, as clap has it.
const WRONG_USAGE: u8 = 2;
/// Exit code for input of which only a part could be used: a capture that is cut off, one of several that cannot be read,
/// link types that are not known, rules that were all refused. What was readable is processed and written.
pub const PARTLY: u8 = 3;

/// Does what the command line `args` says, its first word being the program's name.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let parsed = Cli::command().try_get_matches_from(&args);
    let cli = match parsed.and_then(|m| Cli::from_arg_matches(&m).map(|cli| (cli, m))) {
        Ok((cli, m)) => {
            let odd = m.subcommand_matches("run");
            let odd = odd.and_then(|run| {
                options::without_effect(run).or_else(|| options::twice(Cli::command(), &args))
            });
            if let Some(e) = odd {
                eprintln!("tidegate: {e}");
                return ExitCode::from(WRONG_USAGE);
            }
            cli
        }
        Err(e) => {
            let code = ExitCode::from(u8::try_from(e.exit_code()).unwrap_or(2));
            if e.use_stderr() {
                let _ = e.print();
                return code;
            }
            // Help that nobody reads any more is no reason to fail.
            let printed = e.print().and_then(|()| std::io::Write::flush(&mut std::io::stdout()));
            return answer::end(answer::wrote(printed).map(|()| (String::new(), code)));
        }
    };
    match cli.command {
        Command::Run(args) => run::main(&args),
        Command::Rules(args) => rules::main(&args),
        Command::Bench(args) => bench::main(&args),
        Command::Classify(args) => classify::main(&args),
        Command::Artifact(args) => artifact::main(&args),
        Command::Services(args) => services::main(&args),
        Command::Policy(args) => policy::main(&args),
        Command::Intel(args) => intel::main(&args),
        Command::Incidents(args) => incidents::main(&args),
        Command::Mcp(args) => mcp::main(&args),
        Command::Export(args) => export::main(&args),
        #[cfg(unix)]
        Command::Playbook(args) => playbook::main(&args),
        #[cfg(unix)]
        Command::Response(args) => playbook::response(&args),
        #[cfg(unix)]
        Command::Sandboxed { words } => crate::response::playbook::sandbox::enter(&words),
        #[cfg(unix)]
        Command::ControlSweeper { path } => {
            crate::live::control::sweep(&path, &mut std::io::stdin().lock());
            ExitCode::SUCCESS
        }
    }
}

/// Tells which settings have no effect in an engine of so much memory; with `strict` that is an error.
fn settings_without_effect(s: &Settings, memory: Option<u64>, strict: bool) -> Result<(), String> {
    let beyond = memory.map(|m| s.beyond(m)).unwrap_or_default();
    if strict {
        s.strict().map_err(|e| e.to_string())?;
        return beyond.into_iter().next().map_or(Ok(()), |e| Err(format!("{e}, and --strict is given")));
    }
    s.without_effect().iter().chain(&beyond).for_each(|t| eprintln!("ignored setting: {t}"));
    Ok(())
}

/// The folder of events.
fn log_dir(args: &RunArgs, s: &Settings) -> PathBuf {
    args.log_dir.clone().or_else(|| s.default_log_dir.clone()).unwrap_or_else(|| PathBuf::from("."))
}

/// Whether files can be made in the folder of events: one is made and removed, with the folders that were missing.
fn can_write(dir: &std::path::Path) -> Result<(), String> {
    let missing: Vec<_> = dir.ancestors().take_while(|d| !d.as_os_str().is_empty() && !d.exists()).collect();
    let probe = dir.join(format!(".tidegate-{}", std::process::id()));
    let made = std::fs::create_dir_all(dir).and_then(|()| std::fs::File::create_new(&probe));
    let _ = std::fs::remove_file(&probe);
    missing.iter().for_each(|d| _ = std::fs::remove_dir(d));
    made.map(|_| ()).map_err(|e| format!("{}: {e}: events cannot be written there", dir.display()))
}

/// An error when two outputs have one file. That there are none is told: who looks into an empty folder later should know.
fn outputs_apart(args: &RunArgs, s: &Settings) -> Result<(), String> {
    if let Some(file) = run::config_file(args).filter(|_| s.outputs.none()) {
        eprintln!("{}: no output is on (`outputs`): nothing is written", file.display());
    }
    let dir = log_dir(args, s);
    let pid = args.pidfile.as_deref().map(|p| ("--pidfile", p));
    let others: Vec<_> = pid.into_iter().collect();
    crate::eve::apart::apart(s, &dir, &dir, &others).map_err(|e| e.to_string())
}

/// Tells the log what the settings and the rules are.
fn log_start(log: &EngineLog, s: &Settings, l: &crate::load::Loaded) {
    if let Some(master) = s.exception.master {
        let name = master.map_or("auto", |e| e.name());
        log.info("exception-policy", &format!("master exception-policy set to: {name}"));
    }
    for t in s.without_effect() {
        log.warning("config", &format!("ignored setting: {t}"));
    }
    for f in &l.outside {
        let text = format!("Allowing absolute filename for dataset rule: {f}");
        log.say(crate::config::logging::Level::Config, "datasets", &text);
    }
    l.notes.iter().for_each(|n| log.warning("rules", n));
    l.refused.iter().for_each(|r| log.error("rules", &format!("refused: {}", l.place(r))));
    let (loaded, refused, skipped) = (l.loaded, l.refused.len(), l.skipped);
    log.info("rules", &format!("{loaded} rules loaded, {refused} refused, {skipped} skipped"));
}

/// Tells what was done without while rules were loaded; with `strict` that is an error.
fn notes(l: &crate::load::Loaded, strict: bool) -> Result<(), String> {
    match l.notes.first() {
        Some(first) if strict => {
            let more = l.notes.len() - 1;
            let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
            Err(format!("{first}{more}, and --strict is given"))
        }
        _ => {
            l.notes.iter().for_each(|n| eprintln!("{n}"));
            Ok(())
        }
    }
}

#[derive(Debug, Parser)]
#[command(
    name = "tidegate",
    version,
    about = "Network detection for AI factories: captures in, EVE JSON out"
)]
#[command(after_help = "Examples:\n  \
    tidegate run -r traffic.pcap -S my.rules -l out\n  \
    tidegate run -r captures/ -S et-open/ -c suricata.yaml -l out --set stream.midstream=true\n  \
    tidegate rules check my.rules")]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Read captures and write events (takes the everyday options of `suricata -r`)
    Run(Box<RunArgs>),
    /// Look at rules without running them
    Rules(RulesArgs),
    /// Measure what a packet costs here
    Bench(BenchArgs),
    /// Judge texts: how much they look like attacks on a model
    Classify(ClassifyArgs),
    /// Say what model files do when they are loaded, without loading them
    Artifact(ArtifactArgs),
    /// Print which AI services there are, what they offer, and which of them answer anybody
    Services(ServicesArgs),
    /// Look at policies (who may speak to whom) without enforcing them
    Policy(PolicyArgs),
    /// Look at files of intelligence (what is known to be bad)
    Intel(IntelArgs),
    /// Look at playbooks (what is done by itself) without running them
    #[cfg(unix)]
    Playbook(playbook::PlaybookArgs),
    /// Make tokens for those who may order something
    #[cfg(unix)]
    Response(playbook::ResponseArgs),
    /// Give up what a command of a playbook may not have, then become it (started by `run --response`)
    #[cfg(unix)]
    #[command(hide = true)]
    Sandboxed {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<OsString>,
    },
    /// Put alerts, decisions and calls together that tell one story about a host
    Incidents(IncidentsArgs),
    /// Answer a model's questions about what a sensor wrote (Model Context Protocol, on standard input and output)
    Mcp(McpArgs),
    /// Write detections with their labels as a data set
    Export(ExportArgs),
    /// Wait for the end of standard input, then remove a control socket (started by `run --user`)
    #[cfg(unix)]
    #[command(hide = true)]
    ControlSweeper { path: PathBuf },
}

/// Options of `tidegate incidents`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tidegate incidents out/eve.json                  a story a host: what happened, step by step, and what to ask next\n  \
    tidegate incidents --json out/eve.json | jq .title    a line of JSON each\n\n\
    `incident` events are shown as they were written; where there are none, stories are made of the other events\n\
    (docs/incidents.md).\n\
    Exit codes: 0 fine, 1 wrong input, 2 wrong usage, 3 some of the input could not be read (the rest is told).")]
pub struct IncidentsArgs {
    /// A line of JSON for each incident
    #[arg(long)]
    pub json: bool,
    /// Settings, for HOME_NET
    #[arg(short = 'c', value_name = "YAML")]
    pub config: Option<PathBuf>,
    /// Output folders, or files of events
    #[arg(value_name = "FILE|DIR", required = true)]
    pub events: Vec<PathBuf>,
}

/// Options of `tidegate export`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tidegate export --labels out > detections.jsonl  a line of JSON a detection: labels, flow, features; secrets are masked\n  \
    tidegate export --labels --flows -o set.jsonl /var/log/tidegate    flows without a detection, too (label none)\n\n\
    Rows are described in docs/incidents.md; the Python package makes Parquet of them (tidegate.labels).\n\
    Exit codes: 0 fine, 1 wrong input, 2 wrong usage, 3 some of the input could not be read (the rest is written).")]
pub struct ExportArgs {
    /// Detections: alerts, hits of intelligence, decisions of policies
    #[arg(long, required = true)]
    pub labels: bool,
    /// Flows without an alert as well, labelled `none`
    #[arg(long)]
    pub flows: bool,
    /// File to write; standard output without it
    #[arg(short = 'o', value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Output folders, or files of events
    #[arg(value_name = "FILE|DIR", required = true)]
    pub events: Vec<PathBuf>,
}

/// Options of `tidegate mcp`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tidegate mcp /var/log/tidegate                   for a client that starts its servers itself\n  \
    tidegate mcp out --capture traffic.pcap --rules my.rules\n  \
    tidegate mcp /var/log/tidegate --control /run/tidegate.sock\n\n\
    It reads and never writes. Text of the traffic is quoted, marked, and judged by the classifier (docs/mcp.md).\n\
    Exit codes: 0 the client ended, 1 wrong input, 2 wrong usage.")]
pub struct McpArgs {
    /// Output folders, or files of events
    #[arg(value_name = "FILE|DIR", required = true)]
    pub events: Vec<PathBuf>,
    /// Capture in which packets of alerts are looked up, beside those in the output folders. May be given again
    #[arg(long, value_name = "FILE")]
    pub capture: Vec<PathBuf>,
    /// Rule file whose text explains alerts, beside the rules that ship. May be given again
    #[arg(long, value_name = "FILE")]
    pub rules: Vec<PathBuf>,
    /// Serve HTTP at http://ADDR/mcp instead, on loopback only (127.0.0.1:9418)
    #[arg(long, value_name = "ADDR", requires = "token_file", conflicts_with = "ask")]
    pub http: Option<std::net::SocketAddr>,
    /// File whose first line is what requests show as `Authorization: Bearer TOKEN`
    #[arg(long, value_name = "FILE", requires = "http")]
    pub token_file: Option<PathBuf>,
    /// Answer a file of questions, one a line, and print the results for people
    #[arg(long, value_name = "FILE")]
    pub ask: Option<PathBuf>,
    /// Control socket of a running sensor, for its counters
    #[arg(long, value_name = "PATH")]
    pub control: Option<PathBuf>,
    /// Settings, for HOME_NET
    #[arg(short = 'c', value_name = "YAML")]
    pub config: Option<PathBuf>,
}

/// Options of `tidegate intel`.
#[derive(Debug, Args)]
pub struct IntelArgs {
    #[command(subcommand)]
    pub what: IntelCommand,
}

#[derive(Debug, Subcommand)]
pub enum IntelCommand {
    /// Say what files have, what of it is used, and why the rest cannot be
    #[command(
        after_help = "Lists, CSV, MISP events, feeds and warning lists, STIX 2.1 bundles, Suricata datasets and Zeek intel files \
        are told apart by what is in them (docs/intel.md).\n\n\
        Exit codes: 0 fine, 1 a file cannot be read, 2 wrong usage."
    )]
    Check {
        /// Files and folders
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}

/// Options of `tidegate policy`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tidegate policy check policy.yaml\n  \
    tidegate policy explain policy.yaml '10.0.0.5:40000 10.1.0.9:8000 tcp app=http model=llama-3'\n  \
    tidegate policy explain policy.yaml traffic.pcap\n  \
    tidegate policy diff policy.yaml new.yaml traffic.pcap\n  \
    tidegate policy test policy.yaml                cases of policy.cases.yaml\n  \
    tidegate policy learn traffic.pcap > proposal.yaml\n\n\
    Exit codes: 0 fine, 1 wrong input, 2 wrong usage, 3 a case failed, or a decision changed.")]
pub struct PolicyArgs {
    #[command(subcommand)]
    pub what: PolicyCommand,
}

#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Say what a policy has, or what is wrong with it
    Check {
        /// The policy
        file: PathBuf,
    },
    /// Say what is decided on a flow and by which line, and why not by the others
    Explain {
        /// The policy
        file: PathBuf,
        /// 'SOURCE:PORT DESTINATION:PORT PROTOCOL [app=NAME] [model=NAME] …', or a capture
        flow: String,
    },
    /// Say what another policy would decide otherwise on a capture
    Diff {
        /// The policy in force
        old: PathBuf,
        /// The other one
        new: PathBuf,
        /// Capture to decide on
        capture: PathBuf,
    },
    /// Decide on the cases in POLICY.cases.yaml beside the policy
    Test {
        /// The policy
        file: PathBuf,
    },
    /// Propose a policy: who talks to whom in a capture, by protocol, model and tool
    Learn {
        /// Capture to learn from
        capture: PathBuf,
        /// Policy whose segments are used; without it networks of private addresses are segments
        #[arg(long, value_name = "FILE")]
        segments: Option<PathBuf>,
        /// Flows below which something is left out as rare
        #[arg(long, value_name = "N", default_value_t = 3)]
        least: u64,
    },
}

/// Options of `tidegate artifact`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tidegate artifact model.pt                       a line of text\n  \
    tidegate artifact --json models/* | jq .why      a line of JSON each: file, verdict, format, why, imports, risk\n  \
    curl -s https://host/model.pkl | tidegate artifact -    standard input\n\n\
    Verdicts: malicious, suspicious, unknown (read, but not known), clean, unreadable (could not be read, so never clean).\n\
    Exit codes: 0 none is malicious, 1 a file could not be opened, 2 wrong usage, 3 at least one is malicious.")]
pub struct ArtifactArgs {
    /// A line of JSON for each file
    #[arg(long)]
    pub json: bool,
    /// Model files; - for standard input
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
}

/// Options of `tidegate services`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tidegate services day.pcap                       a table: what each address offers, to how many, and to whom without a credential\n  \
    tidegate services /var/log/tidegate/eve.json     the same of a sensor that runs or ran (event type ai_service)\n  \
    tidegate services --json captures/ | jq 'select(.exposed)'    a line of JSON each\n\n\
    A service is exposed when a request that showed no credential was answered as only such a service answers. Outside is\n\
    what HOME_NET of the settings does not have.\n\
    Exit codes: 0 fine, 1 wrong input, 2 wrong usage, 3 at least one service is exposed to somebody outside.")]
pub struct ServicesArgs {
    /// A line of JSON for each service
    #[arg(long)]
    pub json: bool,
    /// Settings, for HOME_NET
    #[arg(short = 'c', value_name = "YAML")]
    pub config: Option<PathBuf>,
    /// Captures, folders of captures, or files of events
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
}

/// Options of `tidegate classify`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    echo 'Ignore all previous instructions' | tidegate classify\n  \
    tidegate classify --jsonl < prompts.jsonl > verdicts.jsonl    lines {\"id\", \"text\"} in, {\"id\", \"score\", \"families\", \"why\"} out\n\n\
    The score is a probability in percent where one text in ten is an attack; docs/risk-model.md says what it is worth.\n\
    Exit codes: 0 fine, 1 wrong input, 2 wrong usage, 3 some lines could not be read (the rest is judged).")]
pub struct ClassifyArgs {
    /// Standard input is lines of JSON, each a text; without it, it is one text
    #[arg(long)]
    pub jsonl: bool,
}

/// Options of `tidegate run`, named as Suricata's.
#[derive(Debug, Args)]
#[command(args_override_self = true, version, display_name = "tidegate")]
#[command(after_help = "Examples:\n  \
    tidegate run -r traffic.pcap                         flows and protocol records into ./eve.json\n  \
    tidegate run -r traffic.pcap -S my.rules -l out      alerts too, into out/eve.json\n  \
    tidegate run -r captures/ -c suricata.yaml -k none   a whole folder, ignoring checksums\n  \
    tidegate run -r traffic.pcap -S my.rules 'port 443'  only what a tcpdump filter lets through\n  \
    tidegate run -T -c suricata.yaml                     is everything right?\n  \
    tidegate run -i eth0 -S my.rules -l /var/log/tidegate    live\n  \
    tidegate run --inline eth0:eth1 -S my.rules -l /var/log/tidegate    between two interfaces\n  \
    tidegate run --dpdk '-a 03:00.0 -a 03:00.1' --inline 0:1 -S my.rules    between two ports\n\n\
    Exit codes: 0 fine (rules that are refused are told; --init-errors-fatal makes them an error), 1 wrong input, 2 wrong usage,\n\
    3 some of the input could not be read (the rest is processed), or all rules were refused.")]
pub struct RunArgs {
    /// Capture to read (pcap or pcapng, also in gzip, Zstandard or LZ4), a folder of captures, or - for standard input
    #[arg(short = 'r', value_name = "FILE|DIR", required_unless_present_any = inputs())]
    pub read: Option<PathBuf>,
    /// Rules to load, and only these: a file, a pattern ('*.rules'), or a folder of *.rules files. May be given again
    #[arg(short = 'S', value_name = "RULES")]
    pub only_rules: Vec<PathBuf>,
    /// Rules to load besides those of the configuration
    #[arg(short = 's', value_name = "RULES")]
    pub more_rules: Vec<PathBuf>,
    /// Configuration in Suricata's YAML; without it the built-in one
    #[arg(short = 'c', value_name = "YAML")]
    pub config: Option<PathBuf>,
    /// Folder to write events to; made if absent
    #[arg(short = 'l', value_name = "DIR")]
    pub log_dir: Option<PathBuf>,
    /// Whether TCP packets with wrong checksums are kept out of streams: all, none, or auto: of captures unless more than a
    /// tenth of the first 1,000 frames are wrong; of live traffic those that a port or the kernel calls wrong
    #[arg(short = 'k', value_name = "MODE", value_parser = ["all", "none", "auto"])]
    pub checksums: Option<String>,
    /// Change one setting: --set stream.midstream=true
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    /// Refuse to run when a setting is unknown or has no effect here, or a limit of threshold.config cannot be set
    #[arg(long)]
    pub strict: bool,
    /// Accepted for compatibility: there is one way to run
    #[arg(long, value_name = "MODE")]
    pub runmode: Option<String>,
    /// Logs of hosts (DOCA Argus, Falco, Tetragon, osquery; lists of Kubernetes' pods), joined to flows by ends and time: a file
    /// (followed by name when traffic is live), a pipe, or unix:PATH to listen on. May be given again
    #[arg(long, value_name = "FILE")]
    pub context: Vec<PathBuf>,
    /// Secrets of TLS sessions (a key log as SSLKEYLOGFILE makes it, followed while it grows when traffic is live): what they
    /// protect is read like clear traffic (docs/tls-keys.md). Those that a pcapng carries are used without this. May be given
    /// again
    #[arg(long, value_name = "FILE")]
    pub tls_keys: Vec<PathBuf>,
    /// Act as an inline sensor would: drop and reject take effect on what follows in the capture
    #[arg(long)]
    pub simulate_ips: bool,
    /// Refuse to run when any rule is refused
    #[arg(long)]
    pub init_errors_fatal: bool,
    /// Folder for files that rules name by relative paths (datasets)
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Who may speak to whom (docs/policy.md), read again with the rules. What is denied is dropped where verdicts are obeyed
    /// (--inline, --simulate-ips), elsewhere told
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// What is known to be bad: a list, CSV, MISP, STIX, Suricata or Zeek file, or a folder of them (docs/intel.md). Read again with
    /// the rules. May be given again
    #[arg(long, value_name = "FILE|DIR")]
    pub intel: Vec<PathBuf>,
    /// Frames handled at a time; results do not depend on it
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub batch: u32,
    /// Memory for flows, streams and transactions
    #[arg(long, value_name = "SIZE", default_value = "256mb")]
    pub memory: String,
    /// Say more; again for every refused rule
    #[arg(short = 'v', action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Give each capture of a folder an engine of its own, and a folder of its own in the log folder
    #[arg(long)]
    pub each: bool,
    /// Make the engine fail, to see what happens (where that is built in)
    #[arg(long, hide = true, value_name = "STATION")]
    pub fail_at: Option<String>,
    /// No summary and no progress; warnings and errors are told all the same
    #[arg(short = 'q', long)]
    pub quiet: bool,
    /// Load no rules, whatever the configuration says: records and flows only
    #[arg(long, conflicts_with_all = ["only_rules", "more_rules"])]
    pub disable_detection: bool,
    /// Read the folders in the folder as well
    #[arg(long)]
    pub pcap_file_recursive: bool,
    /// Go on with captures that come into the folder later, until interrupted; a capture counts as whole when it did not change
    /// for pcap-file.delay seconds (30)
    #[arg(long)]
    pub pcap_file_continuous: bool,
    /// Remove each capture that was read to its end
    #[arg(long)]
    pub pcap_file_delete: bool,
    /// File for the number of this process; removed at the end
    #[arg(long, value_name = "FILE")]
    pub pidfile: Option<PathBuf>,
    /// File with a filter in tcpdump's language; # begins a comment
    #[arg(short = 'F', value_name = "FILE", conflicts_with = "filter")]
    pub bpf_file: Option<PathBuf>,
    /// Filter in tcpdump's language
    #[arg(value_name = "FILTER")]
    pub filter: Vec<String>,
    #[command(flatten)]
    pub ask: ask::AskArgs,
    // Last, because the heading of its options is that of all options after them.
    #[command(flatten)]
    pub live: LiveArgs,
}

/// What makes `-r` unnecessary.
fn inputs() -> Vec<&'static str> {
    ["interface", "dpdk", "inline"].into_iter().chain(ask::NAMES).collect()
}

/// Options of `tidegate run` for live traffic.
#[derive(Debug, Args)]
#[command(next_help_heading = "Live traffic")]
pub struct LiveArgs {
    /// Interface to listen on (AF_PACKET, needs CAP_NET_RAW). May be given again
    #[arg(short = 'i', value_name = "IFACE", conflicts_with = "read")]
    pub interface: Vec<String>,
    /// Use the ports of DPDK that these arguments of its EAL name: --dpdk '-a 03:00.0' or --dpdk '--vdev=net_pcap0,rx_pcap=F'
    #[arg(long, value_name = "EAL ARGS", allow_hyphen_values = true, conflicts_with_all = ["read", "interface"])]
    pub dpdk: Option<String>,
    /// Join two interfaces (eth0:eth1), or two ports of DPDK (0:1), and act on verdicts: what comes in by one goes out by the
    /// other. May be given again
    #[arg(long, value_name = "A:B", conflicts_with = "read")]
    pub inline: Vec<String>,
    /// Hold back packets from or to these networks: one address or network a line, # begins a comment. Read again with the
    /// rules. Without --inline or --simulate-ips they are only counted. May be given again
    #[arg(long, value_name = "FILE", conflicts_with = "read")]
    pub block_list: Vec<PathBuf>,
    /// What happens to frames that cannot be inspected (a fault, overload): they go on, or they stay
    #[arg(long, value_name = "MODE", value_parser = ["open", "closed"], default_value = "closed")]
    pub fail: String,
    /// Workers, each with an engine of its own and --memory of its own; 0: one, or what the EAL's lcores allow
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=256))]
    pub workers: u16,
    /// Receive queues of each port; 0: one for each worker where ports spread packets by themselves
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub rx_queues: u16,
    /// Descriptors of each queue
    #[arg(long, value_name = "N", default_value_t = 1024)]
    pub descriptors: u16,
    /// Packet buffers; 0: as many as the queues need
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub mbufs: u32,
    /// Largest frame without its link header; 0: what the ports have
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    pub mtu: u16,
    /// LINKTYPE_ of what the ports receive
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub linktype: u16,
    /// Let hardware decide flows that were bypassed or blocked (rte_flow): rules of each port (ingress), or of the embedded
    /// switch (transfer), which can also pass packets on
    #[arg(long, value_name = "MODE", value_parser = ["off", "ingress", "transfer"], default_value = "off")]
    pub offload: String,
    /// Seconds without a packet after which a flow's rules leave the hardware
    #[arg(long, value_name = "S", default_value_t = 30)]
    pub offload_age: u32,
    /// Never rest, even when nothing comes: lower latency, a whole core
    #[arg(long)]
    pub busy: bool,
    /// What may be blocked, by whom, and what may never be (docs/response.md)
    #[arg(long, value_name = "FILE")]
    pub response: Option<PathBuf>,
    /// Unix socket for commands (JSON, one a line; only the owner may connect)
    #[arg(long, value_name = "PATH")]
    pub control: Option<PathBuf>,
    /// Counters for Prometheus at http://ADDR/metrics (127.0.0.1:9417 when only asked for)
    #[arg(long, value_name = "ADDR", num_args = 0..=1, default_missing_value = "127.0.0.1:9417")]
    pub prometheus: Option<std::net::SocketAddr>,
    /// Seconds between two stats records; 0: one at the end
    #[arg(long, value_name = "S", default_value_t = 8)]
    pub stats_interval: u64,
    /// Become this user when everything is open (started as root)
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// Let the control socket make an engine fail, to see what happens
    #[arg(long, hide = true)]
    pub allow_faults: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tidegate bench                                one packet of each of a million flows, 64 bytes on the wire\n  \
    tidegate bench -r traffic.pcap -S et-open/    a capture, held in memory, and rules\n  \
    tidegate bench --json --core 2\n  \
    tidegate bench --dpdk '-l 0-1 -a 03:00.0 -a 03:00.1' --rate-search --trial 60    a device between two ports\n  \
    tidegate bench --dpdk '--no-huge --no-pci --vdev=net_ring0 --vdev=net_ring1' --rate-search --under-test looped")]
pub struct BenchArgs {
    /// Capture to replay from memory; without it frames are made
    #[arg(short = 'r', value_name = "FILE")]
    pub read: Option<PathBuf>,
    /// Rules for the last stage
    #[arg(short = 'S', value_name = "RULES")]
    pub rules: Vec<PathBuf>,
    /// Configuration in Suricata's YAML
    #[arg(short = 'c', value_name = "YAML")]
    pub config: Option<PathBuf>,
    /// Flows of frames made here [default: 1000000, through ports 1000]
    #[arg(long, value_name = "N")]
    pub flows: Option<u32>,
    /// Bytes of frames made here, without the check sequence
    #[arg(long, value_name = "BYTES", default_value_t = 60)]
    pub size: usize,
    /// Most seconds for a stage
    #[arg(long, value_name = "S", default_value_t = 10)]
    pub seconds: u64,
    /// Memory of an engine
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<String>,
    /// Run on this core
    #[arg(long, value_name = "N")]
    pub core: Option<usize>,
    /// Measure through the ports of DPDK that these arguments of its EAL name
    #[arg(long, value_name = "EAL ARGS", allow_hyphen_values = true, requires = "rate_search", conflicts_with_all = ["read", "core"])]
    pub dpdk: Option<String>,
    /// Search the highest rate without loss, as RFC 2544 does
    #[arg(long, requires = "dpdk")]
    pub rate_search: bool,
    /// What is measured: something outside, between port 0, which sends, and port 1 (or port 0 alone); or an engine here, at the
    /// far end of port 0, on port 1 (joined), or between ports that receive what they send (looped: net_ring)
    #[arg(long, value_name = "WHAT", value_parser = ["outside", "joined", "looped"], default_value = "outside")]
    pub under_test: String,
    /// Frame sizes in bytes, check sequence included
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "64,128,256,512,1024,1280,1518")]
    pub sizes: Vec<usize>,
    /// Seconds of a trial
    #[arg(long, value_name = "S", default_value_t = 10.0)]
    pub trial: f64,
    /// Packets that may be lost, percent
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    pub tolerance: f64,
    /// How finely to search, percent of the highest rate tried
    #[arg(long, value_name = "P", default_value_t = 1.0)]
    pub resolution: f64,
    /// Highest rate to try, packets a second; without it what the port takes when it is sent to as fast as it goes
    #[arg(long, value_name = "PPS")]
    pub rate_max: Option<f64>,
    /// JSON instead of a table
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct RulesArgs {
    #[command(subcommand)]
    pub what: RulesCommand,
}

#[derive(Debug, Subcommand)]
pub enum RulesCommand {
    /// Say what loads, what is refused and why, how rules are grouped, and the fast pattern of each
    Check(CheckArgs),
    /// Print a rule set that is part of the program
    Show {
        /// Its name: builtin:ai
        name: PathBuf,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tidegate rules check my.rules\n  \
    tidegate rules check et-open/ -c suricata.yaml --brief\n\n\
    Exit codes: 0 all rules are used, 1 wrong input, 2 wrong usage, 3 rules are refused, or lists and limits beside them have wrong\n\
    lines (the report says which).")]
pub struct CheckArgs {
    /// A rule file, or a folder of *.rules files
    #[arg(required = true, value_name = "RULES")]
    pub rules: Vec<PathBuf>,
    /// Configuration whose variables and lists the rules use
    #[arg(short = 'c', value_name = "YAML")]
    pub config: Option<PathBuf>,
    /// Change one setting
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    /// Folder for files that rules name by relative paths
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Fail when a setting is unknown or has no effect here
    #[arg(long)]
    pub strict: bool,
    /// Counts only: not every refused rule, and no fast patterns
    #[arg(long)]
    pub brief: bool,
}
