//! Settings of event logs and of stored files: an item of `outputs` goes in, [`EveSettings`] or [`StoreSettings`] come out.

use tidegate_core::ai::ledger::TelemetryConfig;
use tidegate_core::app::ProtoDef;
use tidegate_core::app::registry::PROTOCOLS;

pub use super::records::{Content, RecordSettings};
use super::yaml::{ConfigError, Node};
use crate::context::Context;
use crate::incident::IncidentSettings;
use crate::lines::{Every, with_time};
use std::sync::Arc;

/// `file-store`: files on disk.
#[derive(Clone, Debug)]
pub struct StoreSettings {
    /// Its folder, in that of the logs unless it is absolute.
    pub dir: String,
    /// All files, not only those that rules ask for.
    pub all: bool,
    /// A record beside each.
    pub info: bool,
    pub md5: bool,
    pub sha1: bool,
}

impl StoreSettings {
    pub(super) fn read(n: &Node) -> Result<Self, ConfigError> {
        n.one_of("version", &["2"])?;
        let [md5, sha1, _] = hashes(n)?;
        Ok(StoreSettings {
            dir: n.text("dir").unwrap_or("filestore").to_string(),
            all: n.flag("force-filestore")?.unwrap_or(false),
            info: n.flag("write-fileinfo")?.unwrap_or(false),
            md5,
            sha1,
        })
    }
}

/// `force-hash`: whether MD5, SHA-1 and SHA-256 are asked for.
fn hashes(n: &Node) -> Result<[bool; 3], ConfigError> {
    const NAMES: [&str; 3] = ["md5", "sha1", "sha256"];
    let mut out = [false; 3];
    let Some(list) = n.child("force-hash") else { return Ok(out) };
    for (name, item) in list.texts() {
        let at = NAMES.iter().position(|n| n.eq_ignore_ascii_case(name));
        out[at.ok_or_else(|| item.wrong(format!("`{name}` is none of md5, sha1, sha256")))?] = true;
    }
    Ok(out)
}

/// One `eve-log`.
#[derive(Clone, Debug)]
pub struct EveSettings {
    /// With strftime's `%Y` and the like.
    pub filename: String,
    /// `rotate-interval`: when a live output goes on in a new file.
    pub rotate: Option<Every>,
    /// Flowbits, flowints and variables under `metadata`.
    pub metadata: bool,
    /// ARP messages.
    pub arp: bool,
    /// `metadata` among the types: packets that rules gave variables.
    pub vars: bool,
    pub ethernet: bool,
    pub community_id: bool,
    pub community_id_seed: u16,
    /// `pcap_filename` in every event; `None`: only when a folder of captures is read.
    pub pcap_file: Option<bool>,
    pub sensor_name: Option<String>,
    pub xff: Option<Xff>,
    pub alert: Option<AlertSettings>,
    pub anomaly: Option<AnomalySettings>,
    pub drop: Option<DropSettings>,
    pub files: Option<FilesSettings>,
    /// `artifact`: verdicts on model files.
    pub artifacts: bool,
    /// `ai_service`: what addresses offer.
    pub services: bool,
    /// `ai_telemetry`: figures of models by windows.
    pub telemetry: Option<TelemetryConfig>,
    pub stats: Option<StatsSettings>,
    pub flow: Option<FlowSettings>,
    pub netflow: bool,
    pub frame: Option<FrameSettings>,
    pub stream: Option<StreamSettings>,
    /// Decisions of a policy; on unless it is switched off, as there are none without a policy.
    pub policy: bool,
    /// What was blocked or marked, ordered, undone and refused; on unless it is switched off.
    pub response: bool,
    /// `incident`: stories that the events of this output tell together.
    pub incident: Option<IncidentSettings>,
    /// Context from hosts, when there is any: into every event of a flow.
    pub context: Option<Arc<Context>>,
    /// `context`: what hosts said later; on unless it is switched off, as there are none without context.
    pub context_events: bool,
    /// Protocol records wanted, by name (`http`, `dns`, …) with their settings.
    pub records: Vec<(String, RecordSettings)>,
}

/// `xff`: the client's address as a proxy tells it.
#[derive(Clone, Debug)]
pub struct Xff {
    pub header: String,
    /// Replace the address in the event, rather than adding a field `xff`.
    pub overwrite: bool,
    /// Deployment `forward`: the first address of the header counts, not the last.
    pub forward: bool,
}

#[derive(Clone, Debug)]
pub struct AlertSettings {
    pub payload: bool,
    pub payload_printable: bool,
    pub payload_length: bool,
    /// Most bytes of stream data in `payload`.
    pub payload_buffer: usize,
    pub packet: bool,
    pub http_body: bool,
    pub http_body_printable: bool,
    /// The protocol's record.
    pub app_layer: bool,
    /// The object `flow`.
    pub flow: bool,
    /// `metadata` of the rule.
    pub rule_metadata: bool,
    /// `rule`: its text.
    pub rule_text: bool,
    pub reference: bool,
    pub verdict: bool,
    pub tagged_packets: bool,
    pub xff: Option<Xff>,
}

impl Default for AlertSettings {
    fn default() -> Self {
        AlertSettings {
            payload: false,
            payload_printable: false,
            payload_length: false,
            payload_buffer: 4096,
            packet: false,
            http_body: false,
            http_body_printable: false,
            app_layer: true,
            flow: true,
            rule_metadata: true,
            rule_text: false,
            reference: false,
            verdict: false,
            tagged_packets: true,
            xff: None,
        }
    }
}

/// `stream`: which packets of TCP sessions have a record.
#[derive(Clone, Copy, Debug)]
pub struct StreamSettings {
    pub all: bool,
    /// Those that raise events (`event-set`).
    pub events: bool,
    /// Those that change the session's state (`state-update`).
    pub states: bool,
}

/// `frame`.
#[derive(Clone, Copy, Debug)]
pub struct FrameSettings {
    pub printable: bool,
    /// Most bytes of a frame in its record.
    pub most: usize,
}

impl FrameSettings {
    fn read(t: &Node) -> Result<Self, ConfigError> {
        Ok(FrameSettings {
            printable: t.flag("payload-printable")?.unwrap_or(true),
            most: t.size("payload-buffer-size")?.map_or(4096, |n| n.min(super::most::RECORD) as usize),
        })
    }
}

#[derive(Clone, Copy, Debug)]
pub struct AnomalySettings {
    pub decode: bool,
    pub stream: bool,
    pub applayer: bool,
    /// First bytes of the packet in `packet`.
    pub packethdr: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct DropSettings {
    /// Attach the alert that caused the drop.
    pub alerts: bool,
    /// Every packet of a dropped flow, not only the first of each direction.
    pub all_flows: bool,
    pub verdict: bool,
}

#[derive(Clone, Debug, Default)]
pub struct FilesSettings {
    pub md5: bool,
    pub sha1: bool,
    pub sha256: bool,
    /// What each file is.
    pub magic: bool,
    pub xff: Option<Xff>,
}

#[derive(Clone, Copy, Debug)]
pub struct StatsSettings {
    pub totals: bool,
    /// Also counters that are zero.
    pub null_values: bool,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct FlowSettings {
    pub exception_policy: bool,
}

pub(super) fn xff(n: &Node) -> Result<Option<Xff>, ConfigError> {
    let Some(x) = n.child("xff") else { return Ok(None) };
    let on = x.flag("enabled")?.unwrap_or(false);
    let xff = Xff {
        header: x.text("header").unwrap_or("X-Forwarded-For").to_string(),
        overwrite: x.one_of("mode", &["extra-data", "overwrite"])? == Some("overwrite"),
        forward: x.one_of("deployment", &["reverse", "forward"])? == Some("forward"),
    };
    Ok(Some(xff).filter(|_| on))
}

/// Whether an event type is a protocol's, as the settings or as records name it.
fn is_record(name: &str) -> bool {
    let written = |d: &ProtoDef| d.is_parsed() && !d.record.is_empty();
    let same = |d: &ProtoDef| d.record == name || name.replace('-', "_") == d.record || d.name == name;
    PROTOCOLS.iter().any(|d| written(d) && same(d))
}

impl EveSettings {
    /// An event log with no event types.
    pub fn empty(filename: &str) -> Self {
        EveSettings {
            filename: filename.to_string(),
            rotate: None,
            metadata: true,
            arp: false,
            vars: false,
            ethernet: false,
            community_id: false,
            community_id_seed: 0,
            pcap_file: None,
            sensor_name: None,
            xff: None,
            alert: None,
            anomaly: None,
            drop: None,
            files: None,
            artifacts: false,
            services: false,
            telemetry: None,
            stats: None,
            flow: None,
            netflow: false,
            frame: None,
            stream: None,
            policy: true,
            response: true,
            incident: None,
            context: None,
            context_events: true,
            records: Vec::new(),
        }
    }

    pub(super) fn read(root: &Node, n: &Node, unknown: &mut Vec<String>) -> Result<EveSettings, ConfigError> {
        let mut e = EveSettings::empty(n.text("filename").unwrap_or("eve.json"));
        let on = n.flag("enabled")? != Some(false);
        if let Some(f) = n.child("filetype")
            && let Some(kind) = f.val.as_deref().filter(|k| !matches!(*k, "regular" | "file"))
        {
            const OTHERS: [&str; 4] = ["syslog", "unix_dgram", "unix_stream", "redis"];
            if !on && OTHERS.contains(&kind) {
                // What it would have there is not known here.
                n.accept();
                return Ok(e);
            }
            return Err(f.wrong(format!("`{kind}` is not supported; this program writes regular files")));
        }
        if let Some(r) = n.child("rotate-interval") {
            let every = r.val.as_deref().and_then(Every::parse);
            e.rotate = Some(
                every
                    .ok_or_else(|| r.wrong("none of minute, hour, day, or a number with s, m, h, d or w"))?,
            );
        }
        if let Err(what) = with_time(&e.filename) {
            return Err(n.at("filename").unwrap_or(n).wrong(what.to_string()));
        }
        e.metadata = n.flag("metadata")?.unwrap_or(true);
        e.ethernet = n.flag("ethernet")?.unwrap_or(false);
        e.community_id = n.flag("community-id")?.unwrap_or(false);
        e.community_id_seed = n.number("community-id-seed")?.unwrap_or(0);
        if let Some(seed) =
            n.child("community-id-seed").filter(|_| on && !e.community_id && e.community_id_seed != 0)
        {
            unknown.push(seed.odd("`community-id` is off"));
        }
        e.pcap_file = n.flag("pcap-file")?;
        e.sensor_name = n.text("sensor-name").or(root.text("sensor-name")).map(str::to_string);
        e.xff = xff(n)?;
        let Some(types) = n.child("types") else {
            if on {
                unknown.push(n.odd("no `types`: no event is written to it"));
            }
            return Ok(e);
        };
        // What is off is read as what is on, and not kept.
        let mut unused = EveSettings::empty("");
        let mut seen = Vec::new();
        for (name, t) in types.named_items() {
            if seen.contains(&name) {
                unknown.push(
                    t.odd_as(&format!("{}: {name}", types.path), "it is there twice; the first stands"),
                );
                t.accept();
                continue;
            }
            seen.push(name);
            let off = t.flag("enabled")? == Some(false);
            if off {
                e.policy &= name != "policy";
                e.response &= name != "response";
                e.context_events &= name != "context";
            }
            let e = if off { &mut unused } else { &mut e };
            match name {
                "alert" => e.alert = Some(AlertSettings::read(t)?),
                "anomaly" => e.anomaly = Some(AnomalySettings::read(t)?),
                "drop" => {
                    e.drop = Some(DropSettings {
                        alerts: t.flag("alerts")?.unwrap_or(false),
                        all_flows: t.one_of("flows", &["start", "all"])? == Some("all"),
                        verdict: t.flag("verdict")?.unwrap_or(false),
                    });
                }
                "files" => e.files = Some(FilesSettings::read(t)?),
                "stats" => {
                    e.stats = Some(StatsSettings {
                        totals: t.flag("totals")?.unwrap_or(true),
                        null_values: t.flag("null-values")?.unwrap_or(true),
                    });
                }
                "flow" => {
                    e.flow =
                        Some(FlowSettings { exception_policy: t.flag("exception-policy")?.unwrap_or(true) });
                }
                "artifact" => e.artifacts = true,
                "ai_service" => e.services = true,
                "ai_telemetry" => e.telemetry = Some(telemetry(t)?),
                "netflow" => e.netflow = true,
                "arp" => e.arp = true,
                "metadata" => e.vars = true,
                "stream" => {
                    e.stream = Some(StreamSettings {
                        all: t.flag("all")?.unwrap_or(false),
                        events: t.flag("event-set")?.unwrap_or(false),
                        states: t.flag("state-update")?.unwrap_or(false),
                    });
                }
                "frame" => e.frame = Some(FrameSettings::read(t)?),
                "policy" => e.policy = true,
                "response" => e.response = true,
                "context" => e.context_events = true,
                "incident" => e.incident = Some(incident(t)?),
                _ if is_record(name) => {
                    e.records.push((name.to_string(), RecordSettings::read(name, t, unknown)?))
                }
                _ => {
                    if !off {
                        unknown.push(t.odd_as(&format!("{}: {name}", types.path), "no such events here"));
                    }
                    t.accept();
                }
            }
        }
        Ok(e)
    }

    /// Whether what calls add up to is told, by the name of its record.
    pub fn summary(&self, name: &str) -> bool {
        match name {
            "ai_service" => self.services,
            _ => self.telemetry.is_some(),
        }
    }

    /// Settings of the record called `name`, if it is wanted.
    pub fn record(&self, name: &str) -> Option<&RecordSettings> {
        self.records.iter().find(|(n, _)| n == name).map(|(_, r)| r)
    }
}

/// `ai_telemetry`: `window` and the least change that matters.
fn telemetry(t: &Node) -> Result<TelemetryConfig, ConfigError> {
    let mut c = TelemetryConfig::default();
    if let Some(n) = t.child("window") {
        let secs = n.val.as_deref().and_then(seconds).filter(|s| (10..=86_400 * 7).contains(s));
        c.window = secs.ok_or_else(|| n.wrong("not a time from 10s to 7d (a number, then s, m, h or d)"))?
            * 1_000_000_000;
    }
    c.learn = t.number("learn")?.unwrap_or(c.learn);
    c.least = t.number("least-calls")?.unwrap_or(c.least).max(2);
    c.points = t.number("points")?.unwrap_or(c.points);
    c.percent = t.number("percent")?.unwrap_or(c.percent);
    if c.learn < 2 || !(c.points > 0.0 && c.percent > 0.0) {
        return Err(t.wrong("`learn` is 2 windows or more, `points` and `percent` are above 0"));
    }
    Ok(c)
}

/// `incident`: how many stories, of how many steps, and when they are over.
fn incident(t: &Node) -> Result<IncidentSettings, ConfigError> {
    let mut s = IncidentSettings::default();
    s.hosts = t.number("hosts")?.unwrap_or(s.hosts);
    s.steps = t.number("steps")?.unwrap_or(s.steps);
    if !(1..=65_536).contains(&s.hosts) || !(1..=1024).contains(&s.steps) {
        return Err(t.wrong("`hosts` is from 1 to 65,536, `steps` from 1 to 1,024"));
    }
    if let Some(n) = t.child("idle") {
        let secs = n.val.as_deref().and_then(seconds).filter(|s| (1..=86_400 * 7).contains(s));
        s.idle = secs.ok_or_else(|| n.wrong("not a time from 1s to 7d (a number, then s, m, h or d)"))?
            * 1_000_000_000;
    }
    Ok(s)
}

/// A number, then s, m, h or d.
pub(super) fn seconds(text: &str) -> Option<u64> {
    let t = text.trim();
    let end = t.find(|c: char| !c.is_ascii_digit()).unwrap_or(t.len());
    let unit = match t.get(end..)?.trim() {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    t.get(..end)?.parse::<u64>().ok()?.checked_mul(unit)
}

impl AlertSettings {
    fn read(t: &Node) -> Result<Self, ConfigError> {
        let mut a = AlertSettings::default();
        // `metadata: no` switches all three groups; single ones are set below it.
        if let Some(m) = t.child("metadata") {
            if let Some(on) = m.val.as_deref().map(|_| t.flag("metadata")).transpose()?.flatten() {
                (a.app_layer, a.flow, a.rule_metadata) = (on, on, on);
            }
            // Of `metadata: no` nothing is asked below.
            m.bare.set(m.val.is_some());
            a.app_layer = m.flag("app-layer")?.unwrap_or(a.app_layer);
            a.flow = m.flag("flow")?.unwrap_or(a.flow);
            if let Some(r) = m.child("rule") {
                if let Some(v) = r.flag("metadata")? {
                    a.rule_metadata = v;
                }
                a.rule_text = r.flag("raw")?.unwrap_or(false);
                a.reference = r.flag("reference")?.unwrap_or(false);
            }
        }
        // Names of old configurations.
        for (key, to) in [("flow", &mut a.flow), ("app-layer", &mut a.app_layer)] {
            if let Some(v) = t.flag(key)? {
                *to = v;
            }
        }
        a.payload = t.flag("payload")?.unwrap_or(false);
        a.payload_printable = t.flag("payload-printable")?.unwrap_or(false);
        a.payload_length = t.flag("payload-length")?.unwrap_or(false);
        a.payload_buffer =
            t.size("payload-buffer-size")?.map_or(4096, |n| n.min(super::most::RECORD) as usize);
        a.packet = t.flag("packet")?.unwrap_or(false);
        a.http_body = t.flag("http-body")?.unwrap_or(false);
        a.http_body_printable = t.flag("http-body-printable")?.unwrap_or(false);
        a.verdict = t.flag("verdict")?.unwrap_or(false);
        a.tagged_packets = t.flag("tagged-packets")?.unwrap_or(true);
        a.xff = xff(t)?;
        Ok(a)
    }
}

impl AnomalySettings {
    fn read(t: &Node) -> Result<Self, ConfigError> {
        Ok(AnomalySettings {
            decode: t.flag("types.decode")?.unwrap_or(false),
            stream: t.flag("types.stream")?.unwrap_or(false),
            applayer: t.flag("types.applayer")?.unwrap_or(true),
            packethdr: t.flag("packethdr")?.unwrap_or(false),
        })
    }
}

impl FilesSettings {
    fn read(t: &Node) -> Result<Self, ConfigError> {
        let mut f = FilesSettings { xff: xff(t)?, ..Self::default() };
        [f.md5, f.sha1, f.sha256] = hashes(t)?;
        f.md5 |= t.flag("force-md5")?.unwrap_or(false);
        f.magic = t.flag("force-magic")?.unwrap_or(false);
        Ok(f)
    }
}
