//! Configuration: Suricata's YAML, `--set` assignments and built-in defaults go in; [`Settings`] come out, with
//! the list of settings that this program does not know.

pub mod engine;
pub mod eve;
mod exception;
mod hosts;
pub mod logging;
pub mod most;
pub mod outputs;
pub mod pcaplog;
mod protocols;
mod read;
mod records;
mod shape;
pub mod unheeded;
pub mod yaml;

use std::path::{Path, PathBuf};

use tidegate_core::app::AppConfig;
use tidegate_core::event::Action;

pub use eve::{AlertSettings, EveSettings};
pub use hosts::HostPolicies;
pub use outputs::Outputs;
pub use yaml::{ConfigError, Node};

/// The configuration that holds without `-c`.
const DEFAULT: &str = include_str!("default.yaml");

/// Everything the program was told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// (name, expression) as written: `HOME_NET`, `[10.0.0.0/8,!10.1.0.0/16]`.
    pub address_groups: Vec<(String, String)>,
    pub port_groups: Vec<(String, String)>,
    pub stream: Stream,
    pub defrag: Defrag,
    pub host_os: HostPolicies,
    pub flow: Flow,
    pub decoder: Decoder,
    pub app: AppConfig,
    pub outputs: Outputs,
    /// Whether the capture's checksums mean anything (`pcap-file.checksum-checks`).
    pub pcap_checksums: ChecksumMode,
    /// How a folder of captures is read.
    pub pcap_files: PcapFiles,
    pub classification_file: Option<PathBuf>,
    pub reference_config_file: Option<PathBuf>,
    pub threshold_file: Option<PathBuf>,
    pub default_rule_path: Option<PathBuf>,
    pub rule_files: Vec<String>,
    pub reputation: Reputation,
    /// `block-lists`: files of networks whose packets are held back (live traffic only).
    pub block_lists: Vec<PathBuf>,
    /// `intel-files`: what is known to be bad.
    pub intel: Vec<PathBuf>,
    /// `context`: what hosts say of flows.
    pub context: crate::context::ContextSettings,
    /// `tls-keys`: sessions that are read.
    pub keys: crate::keys::KeySettings,
    /// `policy-file`: who may speak to whom.
    pub policy: Option<PathBuf>,
    pub datasets: Datasets,
    pub exception: ExceptionPolicies,
    /// `action-order`: whose rules come first.
    pub action_order: [Action; 4],
    /// Most alerts of one packet.
    pub packet_alert_max: u16,
    /// An alert without a transaction is about its flow's only one.
    pub guess_tx: bool,
    pub default_log_dir: Option<PathBuf>,
    /// Files for the program's own words.
    pub logging: logging::Logging,
    /// `stats.enabled`; `stats.decoder-events`.
    pub stats: bool,
    pub stats_decoder_events: bool,
    /// Packets are changed where rules say so (`replace`): between two interfaces.
    pub replaces: bool,
    /// Loading rules also says what they are made of (`--engine-analysis`).
    pub analyse: bool,
    /// Settings in the files that nobody knows: `PATH (FILE:LINE:COLUMN: not a setting here)`.
    pub ignored: Vec<String>,
    /// Known settings that have no effect here, each with the reason: `PATH (why)`.
    pub told: Vec<String>,
}

/// `pcap-file`: folders of captures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PcapFiles {
    pub delete: Delete,
    /// Seconds between two looks for new captures (`--pcap-file-continuous`).
    pub poll_s: u64,
    /// Seconds without a change after which a capture is taken to be whole.
    pub delay_s: u64,
}

impl Default for PcapFiles {
    fn default() -> Self {
        PcapFiles { delete: Delete::No, poll_s: 5, delay_s: 30 }
    }
}

/// Which captures are removed once they are read (`pcap-file.delete-when-done`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Delete {
    #[default]
    No,
    All,
    /// Those without an alert.
    NonAlerts,
}

/// What to do about checksums of a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ChecksumMode {
    /// Of captures they are computed, until more than a tenth of the first 1,000 frames are wrong: then they do not count. Of
    /// live traffic what network cards and kernels say of a frame counts, and nothing is computed.
    #[default]
    Auto,
    /// What they do not say is computed.
    Yes,
    No,
}

impl ChecksumMode {
    /// The mode that `-k` names: `all`, `none`, or whatever was set.
    pub fn or_asked(self, asked: Option<&str>) -> ChecksumMode {
        match asked {
            Some("all") => ChecksumMode::Yes,
            Some("none") => ChecksumMode::No,
            Some("auto") => ChecksumMode::Auto,
            _ => self,
        }
    }
}

/// `stream`.
#[derive(Clone, Debug)]
pub struct Stream {
    pub midstream: bool,
    pub async_oneside: bool,
    pub liberal_timestamps: bool,
    /// `None`: auto (inline when packets can be dropped).
    pub inline: Option<bool>,
    pub checksum_validation: bool,
    /// Bytes reassembled per direction; 0: no limit.
    pub depth: u64,
    pub max_synack_queued: u32,
    pub drop_invalid: bool,
    pub urgent: Urgent,
    /// Bytes of out-of-band data handled.
    pub urgent_oob_limit: u32,
    pub toserver_chunk_size: u32,
    pub toclient_chunk_size: u32,
}

/// What becomes of TCP urgent data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgent {
    Oob,
    Inline,
    Drop,
    Gap,
}

/// `defrag`.
#[derive(Clone, Debug)]
pub struct Defrag {
    /// `None`: not said; 32 MiB then.
    pub memcap: Option<u64>,
    pub timeout_s: u32,
}

/// `flow` and `flow-timeouts`, seconds.
#[derive(Clone, Debug)]
pub struct Flow {
    pub use_vlan: bool,
    /// How deep in tunnels a packet lay is a part of what tells flows apart.
    pub use_depth: bool,
    pub default: Timeouts,
    pub tcp: Timeouts,
    pub udp: Timeouts,
    pub icmp: Timeouts,
}

/// Seconds without a packet after which a flow ends, by state; the last two when memory is short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    pub new: u32,
    pub established: u32,
    pub closed: u32,
    pub bypassed: u32,
    pub emergency_new: u32,
    pub emergency_established: u32,
    pub emergency_closed: u32,
    pub emergency_bypassed: u32,
}

/// `decoder`.
#[derive(Clone, Debug)]
pub struct Decoder {
    /// Ports; empty when switched off.
    pub teredo: Vec<u16>,
    pub vxlan: Vec<u16>,
    pub geneve: Vec<u16>,
    /// GTP-U; on in the built-in configuration, in others only when they say so.
    pub gtp: Vec<u16>,
    /// L2TP and TZSP: only when the configuration says so.
    pub l2tp: Vec<u16>,
    pub tzsp: Vec<u16>,
    /// Most layers below the network layer, tunnels included.
    pub max_layers: u32,
}

/// `reputation-categories-file`, `reputation-files`.
#[derive(Clone, Debug, Default)]
pub struct Reputation {
    pub categories: Option<PathBuf>,
    pub files: Vec<PathBuf>,
}

/// `datasets`.
#[derive(Clone, Debug, Default)]
pub struct Datasets {
    pub memcap: Option<u64>,
    pub hashsize: Option<u32>,
    pub sets: Vec<DatasetFile>,
    /// Rules may write files (`datasets.rules.allow-write`), or name absolute paths.
    pub allow_write: bool,
    pub allow_absolute: bool,
}

/// One set defined in the configuration.
#[derive(Clone, Debug)]
pub struct DatasetFile {
    pub name: String,
    pub kind: tidegate_core::rules::ir::DatasetType,
    pub load: Option<PathBuf>,
    pub save: Option<PathBuf>,
    /// Loaded, where it is there, and saved.
    pub state: Option<PathBuf>,
    /// Bytes; 0 for the default.
    pub memcap: u64,
    /// Expected number of values; 0 for the default.
    pub hashsize: u32,
}

/// What happens to traffic that cannot be handled properly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Exception {
    #[default]
    Ignore,
    PassPacket,
    PassFlow,
    DropPacket,
    DropFlow,
    Reject,
    RejectBoth,
    Bypass,
}

impl Exception {
    /// The setting's word.
    pub const fn name(self) -> &'static str {
        match self {
            Exception::Ignore => "ignore",
            Exception::PassPacket => "pass-packet",
            Exception::PassFlow => "pass-flow",
            Exception::DropPacket => "drop-packet",
            Exception::DropFlow => "drop-flow",
            Exception::Reject => "reject",
            Exception::RejectBoth => "reject-both",
            Exception::Bypass => "bypass",
        }
    }
}

/// Exception policies by cause; `auto` and the master switch already applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ExceptionPolicies {
    /// `exception-policy` itself, as given: `None` is absent, `Some(None)` is `auto`.
    pub master: Option<Option<Exception>>,
    pub midstream: Exception,
    pub stream_memcap: Exception,
    pub stream_reassembly_memcap: Exception,
    pub app_error: Exception,
    pub flow_memcap: Exception,
    pub defrag_memcap: Exception,
}

/// What the command line adds.
#[derive(Clone, Debug, Default)]
pub struct Overrides<'a> {
    /// `NAME=VALUE`, in order.
    pub set: &'a [String],
    /// Packets can be dropped (`--simulate-ips`).
    pub ips: bool,
}

impl Settings {
    /// Everything in the files that has no effect, in words.
    pub fn without_effect(&self) -> Vec<String> {
        self.ignored.iter().chain(&self.told).cloned().collect()
    }

    /// For an engine whose files nobody stores: a setting that asks for it is named.
    pub fn without_store(mut self) -> Settings {
        if self.outputs.store.is_some() {
            self.told.push(
                "file-store (files are stored by `tidegate run` only; their hashes are in `fileinfo` records)"
                    .into(),
            );
        }
        self.app.file_tap = false;
        self
    }

    /// For engines whose caller takes events one by one: settings of what the command adds are named.
    pub fn without_command(mut self) -> Settings {
        if self.outputs.eve.iter().any(|e| e.incident.is_some()) {
            self.told.push(
                "incident (stories are written by `tidegate run` only; `tidegate incidents` makes them from events)".into(),
            );
        }
        if self.outputs.pcap_log.take().is_some() {
            self.told.push("pcap-log (packets are written by `tidegate run` only)".into());
        }
        if !self.context.files.is_empty() {
            self.told.push("context (logs of hosts are read by `tidegate run` only)".into());
        }
        self
    }

    /// An error when something in the files has no effect (`--strict`).
    pub fn strict(&self) -> Result<(), ConfigError> {
        let all = self.without_effect();
        if all.is_empty() { Ok(()) } else { Err(ConfigError::Strict(all)) }
    }

    /// Reads `config`, or the built-in defaults, and applies `--set`.
    pub fn load(config: Option<&Path>, over: &Overrides<'_>) -> Result<Settings, ConfigError> {
        let (root, dir) = tree(config, over)?;
        read::settings(&root, &dir, over.ips)
    }

    /// As [`Settings::load`], from YAML text; files it includes are looked for in the working folder.
    pub fn parse(text: &str, over: &Overrides<'_>) -> Result<Settings, ConfigError> {
        let dir = Path::new(".");
        let mut root = Node::parse(text, Path::new("configuration"), dir)?;
        for s in over.set {
            root.set(s)?;
        }
        read::settings(&root, dir, over.ips)
    }
}

/// Every setting of `config`, or of the built-in defaults, a line each: `path = value`, `(null)` where there is none.
pub fn dump(config: Option<&Path>, over: &Overrides<'_>) -> Result<String, ConfigError> {
    let (root, _) = tree(config, over)?;
    let mut leaves = Vec::new();
    root.leaves(&mut leaves);
    Ok(leaves.iter().map(|n| format!("{} = {}\n", n.path, n.val.as_deref().unwrap_or("(null)"))).collect())
}

/// The tree of `config`, or of the built-in defaults, with `--set` applied, and the folder that its files are beside.
fn tree(config: Option<&Path>, over: &Overrides<'_>) -> Result<(Node, PathBuf), ConfigError> {
    let config = config.map(find);
    let (mut root, dir) = match &config {
        Some(path) => (Node::load(path)?, path.parent().unwrap_or(Path::new("."))),
        None => (Node::parse(DEFAULT, Path::new("built-in configuration"), Path::new("."))?, Path::new(".")),
    };
    for s in over.set {
        root.set(s)?;
    }
    Ok((root, dir.to_path_buf()))
}

/// `path`, or where it is found from one of the folders above the working one: a project's configuration serves
/// its subfolders, too.
fn find(path: &Path) -> PathBuf {
    if path.is_absolute() || path.exists() {
        return path.to_path_buf();
    }
    let here = std::env::current_dir().unwrap_or_default();
    here.ancestors().map(|d| d.join(path)).find(|p| p.is_file()).unwrap_or_else(|| path.to_path_buf())
}
