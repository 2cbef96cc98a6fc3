//! The list `outputs`: it goes in, the settings of every output that is on come out, each read as its [`Kind`] says.

use std::sync::Arc;

use super::eve::{EveSettings, StoreSettings};
use super::pcaplog::PcapLogSettings;
use super::unheeded::Unheeded;
use super::yaml::{ConfigError, Node};
use crate::eve::logs::{KINDS, Log, Wants};

/// All outputs asked for.
#[derive(Clone, Debug, Default)]
pub struct Outputs {
    pub eve: Vec<EveSettings>,
    /// Other outputs of records, at most one of a kind.
    pub others: Vec<Arc<dyn Log>>,
    /// `pcap-log`, when it is on.
    pub pcap_log: Option<PcapLogSettings>,
    /// `file-store`, when it is on: then the SHA-256 of files is in `fileinfo` records as well.
    pub store: Option<StoreSettings>,
    /// Outputs and event types that do not exist here, each with the reason.
    pub unknown: Vec<String>,
}

impl Outputs {
    /// All outputs of records. Their place here is their number.
    pub fn logs(&self) -> impl Iterator<Item = &dyn Log> {
        self.eve.iter().map(|e| e as &dyn Log).chain(self.others.iter().map(|o| &**o))
    }

    /// The output called `name`, when it is on; none of those that there can be several of.
    pub fn other(&self, name: &str) -> Option<&dyn Log> {
        self.others.iter().map(|o| &**o).find(|o| o.name() == name)
    }

    /// What some output of records wants.
    pub fn wants(&self) -> Wants {
        self.logs().map(Log::wants).fold(Wants::default(), Wants::or)
    }

    /// Whether an output tells of transactions, files or anomalies by themselves (alerts tell of them as well).
    pub fn show_transactions(&self) -> bool {
        self.store.is_some() || self.wants().transactions
    }
}

/// A kind of outputs. All of them are in [`KINDS`].
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// As `outputs` calls it.
    pub name: &'static str,
    /// As in Suricata, the event log is on without `enabled` and there can be several; of others there is one at most, and only
    /// with `enabled: yes`.
    pub several: bool,
    /// Reads its settings: of all, of one. Those of an output that is off are read all the same, so that what is wrong is told
    /// before it is on. What does not exist here is added to the list, with the reason.
    pub read: fn(&Node, &Node, &mut Vec<String>) -> Result<Found, ConfigError>,
    /// Its settings that are known and have no effect.
    pub unheeded: &'static [Unheeded],
}

/// The settings of one output.
#[derive(Debug)]
pub enum Found {
    Events(Box<EveSettings>),
    /// Another output of records.
    Log(Arc<dyn Log>),
    Packets(PcapLogSettings),
    Files(StoreSettings),
}

pub(crate) const EVE_LOG: Kind = Kind {
    name: "eve-log",
    several: true,
    read: |root, n, unknown| EveSettings::read(root, n, unknown).map(|e| Found::Events(Box::new(e))),
    unheeded: &[],
};
pub(crate) const PCAP_LOG: Kind = Kind {
    name: "pcap-log",
    several: false,
    read: |_, n, told| PcapLogSettings::read(n, told).map(Found::Packets),
    unheeded: &[],
};
pub(crate) const FILE_STORE: Kind = Kind {
    name: "file-store",
    several: false,
    read: |_, n, _| StoreSettings::read(n).map(Found::Files),
    unheeded: &[],
};

/// What is told of an output that somebody may believe to be on.
const OFF: &str = "it is off without `enabled: yes` below it";

impl Outputs {
    /// Whether nothing is written at all.
    pub fn none(&self) -> bool {
        self.eve.is_empty() && self.others.is_empty() && self.pcap_log.is_none() && self.store.is_none()
    }

    /// Reads `outputs` of `root`.
    pub fn read(root: &Node) -> Result<Outputs, ConfigError> {
        let mut out = Outputs::default();
        let Some(list) = root.child("outputs") else { return Ok(out) };
        for (name, n) in list.named_items() {
            let on = n.flag("enabled")?;
            let kind = KINDS.iter().find(|k| k.name == name);
            if on == Some(true) && kind.is_some_and(|k| !k.several && out.has(name)) {
                return Err(n.wrong(format!("a second `{name}`; there is one at most")));
            }
            match kind {
                // `- fast: yes` is no mapping, which is told; a bare `- fast` says nothing.
                Some(_) if n.val.is_some() && !n.bare.get() => {}
                Some(k) if k.several || !n.bare.get() => {
                    let found = (k.read)(root, n, &mut out.unknown)?;
                    if on.unwrap_or(k.several) {
                        out.put(found);
                    } else if on.is_none() {
                        out.unknown.push(n.odd_as(&n.path_as(name), OFF));
                    }
                }
                _ if on == Some(true) || (on.is_none() && n.children.is_empty()) => {
                    let why = match kind {
                        Some(_) => OFF,
                        None if name == "stats" => "counters are in eve.json, with `stats` among its types",
                        None => "no such output here",
                    };
                    out.unknown.push(n.odd_as(&n.path_as(name), why));
                    n.accept();
                }
                // Another program's, and switched off: nothing in it matters.
                _ => n.accept(),
            }
        }
        Ok(out)
    }

    /// Whether the output called `name` is on.
    fn has(&self, name: &str) -> bool {
        match name {
            "pcap-log" => self.pcap_log.is_some(),
            "file-store" => self.store.is_some(),
            _ => self.other(name).is_some(),
        }
    }

    fn put(&mut self, found: Found) {
        match found {
            Found::Events(e) => self.eve.push(*e),
            Found::Log(l) => self.others.push(l),
            Found::Packets(p) => self.pcap_log = Some(p),
            Found::Files(s) => self.store = Some(s),
        }
    }
}
