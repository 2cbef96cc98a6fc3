//! The command line: arguments go in, an exit code comes out. 0 is fine, 1 means that some input was wrong,
//! 2 that the command was.

mod pages;
pub mod rules;
pub mod run;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Exit code for input that is wrong: a capture that cannot be read, a configuration that cannot be understood.
pub const WRONG_INPUT: u8 = 1;

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
    /// Read captures and write events (takes the options of `suricata -r`)
    Run(RunArgs),
    /// Look at rules without running them
    Rules(RulesArgs),
}

/// Options of `tidegate run`, named as Suricata's.
#[derive(Debug, Args)]
#[command(args_override_self = true)]
#[command(after_help = "Examples:\n  \
    tidegate run -r traffic.pcap                         flows and protocol records into ./eve.json\n  \
    tidegate run -r traffic.pcap -S my.rules -l out      alerts too, into out/eve.json\n  \
    tidegate run -r captures/ -c suricata.yaml -k none   a whole folder, ignoring checksums\n  \
    tidegate run -r traffic.pcap -S my.rules 'port 443'  only what a tcpdump filter lets through\n\n\
    Exit codes: 0 fine, 1 wrong input, 2 wrong usage.")]
pub struct RunArgs {
    /// Capture to read (pcap or pcapng), a folder of captures, or - for standard input
    #[arg(short = 'r', value_name = "FILE|DIR")]
    pub read: PathBuf,
    /// Rules to load, and only these: a file, or a folder of *.rules files. May be given again
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
    /// Whether packets with wrong checksums are ignored
    #[arg(short = 'k', value_name = "MODE", value_parser = ["all", "none", "auto"])]
    pub checksums: Option<String>,
    /// Change one setting: --set stream.midstream=true
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    /// Accepted for compatibility: there is one way to run
    #[arg(long, value_name = "MODE")]
    pub runmode: Option<String>,
    /// Act as an inline sensor would: drop and reject take effect on what follows in the capture
    #[arg(long)]
    pub simulate_ips: bool,
    /// Refuse to run when any rule is refused
    #[arg(long)]
    pub init_errors_fatal: bool,
    /// Folder for files that rules name by relative paths (datasets)
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
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
    /// No summary
    #[arg(short = 'q', long)]
    pub quiet: bool,
    /// Filter in tcpdump's language
    #[arg(value_name = "FILTER")]
    pub filter: Vec<String>,
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
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tidegate rules check my.rules\n  \
    tidegate rules check et-open/ -c suricata.yaml --brief")]
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
    /// Counts only: not every refused rule, and no fast patterns
    #[arg(long)]
    pub brief: bool,
}
