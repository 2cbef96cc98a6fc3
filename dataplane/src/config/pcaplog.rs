//! Settings of `pcap-log`, the output that writes packets: its part of the `outputs` list goes in, [`PcapLogSettings`] come out.

use std::path::PathBuf;

use super::yaml::{ConfigError, Node};

/// Which packets are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Conditional {
    #[default]
    All,
    /// Those with an alert, and what follows them in their flows.
    Alerts,
    /// Those that a rule with `tag` matched or covers.
    Tag,
}

/// `pcap-log`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PcapLogSettings {
    /// `%n`: number of the worker, `%i`: number of the process, `%t`: time of the file's first packet.
    pub filename: String,
    /// Folder for the files; relative to the log folder.
    pub dir: Option<PathBuf>,
    /// Most bytes of a file before compression.
    pub limit: u64,
    /// Files kept; 0: all.
    pub max_files: usize,
    /// A file for each worker.
    pub multi: bool,
    /// `%t` has microseconds.
    pub micros: bool,
    pub conditional: Conditional,
    /// Packets of a TCP stream beyond `stream.reassembly.depth` are left out.
    pub use_depth: bool,
    /// Packets of flows that a pass rule matched are left out.
    pub honor_pass: bool,
    pub lz4: bool,
    /// A checksum of the content behind each file in LZ4.
    pub lz4_checksum: bool,
}

impl PcapLogSettings {
    /// What has no effect is added to `told`.
    pub(super) fn read(n: &Node, told: &mut Vec<String>) -> Result<Self, ConfigError> {
        let compression = n.one_of("compression", &["none", "lz4"])?;
        let limit = n.size("limit")?.unwrap_or(100 << 20);
        if limit < 4096 {
            return Err(n.at("limit").unwrap_or(n).wrong("`limit` is at least 4 kb"));
        }
        let filename = n.text("filename").unwrap_or("log.pcap").to_string();
        let strange = filename.split('%').skip(1).find(|rest| !rest.starts_with(['n', 'i', 't']));
        if let Some(rest) = strange {
            let what = rest.chars().next().map_or(String::new(), String::from);
            let n = n.at("filename").unwrap_or(n);
            return Err(n.wrong(format!("`filename` has `%{what}`; there are %n, %i and %t")));
        }
        let lz4 = compression == Some("lz4");
        let lz4_checksum = n.flag("lz4-checksum")?.unwrap_or(false);
        if let Some(c) = n.child("lz4-checksum").filter(|_| lz4_checksum && !lz4) {
            told.push(c.odd("`compression` is not lz4"));
        }
        Ok(PcapLogSettings {
            filename,
            dir: n.text("dir").map(PathBuf::from),
            limit,
            max_files: n.number("max-files")?.unwrap_or(0),
            multi: n.one_of("mode", &["normal", "multi"])? == Some("multi"),
            micros: n.one_of("ts-format", &["sec", "usec"])? == Some("usec"),
            conditional: match n.one_of("conditional", &["all", "alerts", "tag"])? {
                Some("alerts") => Conditional::Alerts,
                Some("tag") => Conditional::Tag,
                _ => Conditional::All,
            },
            use_depth: n.flag("use-stream-depth")?.unwrap_or(false),
            honor_pass: n.flag("honor-pass-rules")?.unwrap_or(false),
            lz4,
            lz4_checksum,
        })
    }

    /// Which packets are written depends on their flows.
    pub fn asks_flows(&self) -> bool {
        self.conditional != Conditional::All || self.use_depth || self.honor_pass
    }
}
