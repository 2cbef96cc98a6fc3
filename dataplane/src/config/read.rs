//! Reads [`Settings`] out of a configuration tree.

use std::path::{Path, PathBuf};

use tidegate_core::detect::compile::ACTION_ORDER;
use tidegate_core::event::Action;
use tidegate_core::rules::Vars;
use tidegate_core::rules::ir::DatasetType;
use tidegate_core::rules::sets::{parse_addrs, parse_ports};
use tidegate_core::stream::policy::OsPolicy;

use super::eve::seconds;
use super::logging::Logging;
use super::yaml::{ConfigError, Node, truth};
use super::{
    ChecksumMode, DatasetFile, Datasets, Decoder, Defrag, Delete, Flow, HostPolicies, Outputs, PcapFiles,
    Reputation, Settings, Stream, Timeouts, Urgent,
};
use super::{exception, most, protocols, unheeded};

use crate::context::ContextSettings;
use crate::keys::KeySettings;

pub(super) fn bad(root: &Node, key: &str, what: impl Into<String>) -> ConfigError {
    let unknown = |what| ConfigError::Value { key: key.into(), what, at: None };
    let what = what.into();
    match root.at(key) {
        Some(n) => n.wrong(what),
        None => unknown(what),
    }
}

/// Reads everything; relative file names are taken from `dir` when they exist there.
pub(super) fn settings(root: &Node, dir: &Path, ips: bool) -> Result<Settings, ConfigError> {
    let path = |key: &str| root.text(key).map(|f| beside(dir, f));
    let groups = |key: &str| -> Vec<(String, String)> {
        root.at(key).map_or_else(Vec::new, |n| {
            n.entries()
                .iter()
                .map(|c| (c.key.clone(), root.text(&format!("{key}.{}", c.key)).unwrap_or("").to_string()))
                .collect()
        })
    };
    let outputs = Outputs::read(root)?;
    check_groups(root, &groups("vars.address-groups"), &groups("vars.port-groups"))?;
    let exception = exception::read(root, ips)?;
    let port_groups = groups("vars.port-groups");
    let decoder = decoder(root, &port_groups)?;
    let (app, protocols_told) = protocols::read(root, &outputs)?;
    let mut s = Settings {
        address_groups: groups("vars.address-groups"),
        port_groups,
        stream: stream(root)?,
        defrag: Defrag {
            memcap: root.size("defrag.memcap")?,
            timeout_s: root.number("defrag.timeout")?.unwrap_or(60),
        },
        host_os: host_os(root)?,
        flow: flow(root)?,
        decoder,
        app,
        outputs,
        pcap_checksums: match root.text("pcap-file.checksum-checks") {
            None => ChecksumMode::Auto,
            Some(t) if t.trim().eq_ignore_ascii_case("auto") => ChecksumMode::Auto,
            Some(t) => match truth(t) {
                Some(true) => ChecksumMode::Yes,
                Some(false) => ChecksumMode::No,
                None => {
                    let what = format!("`{t}` is none of yes, no, auto");
                    return Err(bad(root, "pcap-file.checksum-checks", what));
                }
            },
        },
        pcap_files: pcap_files(root)?,
        classification_file: path("classification-file"),
        reference_config_file: path("reference-config-file"),
        threshold_file: path("threshold-file"),
        default_rule_path: root.text("default-rule-path").map(PathBuf::from),
        rule_files: items(root, "rule-files"),
        reputation: Reputation {
            categories: path("reputation-categories-file"),
            files: {
                let base = root
                    .text("default-reputation-path")
                    .map_or_else(|| dir.to_path_buf(), |d| beside(dir, d));
                items(root, "reputation-files").iter().map(|f| beside(&base, f)).collect()
            },
        },
        block_lists: items(root, "block-lists").iter().map(|f| beside(dir, f)).collect(),
        intel: items(root, "intel-files").iter().map(|f| beside(dir, f)).collect(),
        context: context(root, dir)?,
        keys: keys(root, dir)?,
        policy: root.text("policy-file").map(|f| beside(dir, f)),
        datasets: datasets(root, dir)?,
        exception,
        action_order: action_order(root)?,
        guess_tx: root.flag("detect.guess-applayer-tx")?.unwrap_or(false),
        packet_alert_max: root.number("packet-alert-max")?.unwrap_or(15),
        default_log_dir: root.text("default-log-dir").map(PathBuf::from),
        logging: Logging::read(root)?,
        stats: root.flag("stats.enabled")?.unwrap_or(true),
        stats_decoder_events: root.flag("stats.decoder-events")?.unwrap_or(true),
        analyse: false,
        replaces: false,
        ignored: Vec::new(),
        told: Vec::new(),
    };
    s.told = std::mem::take(&mut s.outputs.unknown);
    s.told.extend(protocols_told);
    s.told.extend(unheeded::find(root)?);
    s.told.extend(most::find(root));
    s.told.extend(root.misshapen());
    s.told.extend(root.twice());
    s.told.extend(exception::without_drops(root, ips));
    s.ignored = root.unread().iter().map(|n| n.odd_name("not a setting here")).collect();
    let home = s.home();
    s.outputs.eve.iter_mut().filter_map(|e| e.incident.as_mut()).for_each(|i| i.home.clone_from(&home));
    Ok(s)
}

/// `pcap-file`, without the checksums.
fn pcap_files(root: &Node) -> Result<PcapFiles, ConfigError> {
    const KEY: &str = "pcap-file.delete-when-done";
    let delete = match root.text(KEY).map(str::trim) {
        None => Delete::No,
        Some("non-alerts") => Delete::NonAlerts,
        Some(t) => match truth(t) {
            Some(true) => Delete::All,
            Some(false) => Delete::No,
            None => return Err(bad(root, KEY, format!("`{t}` is none of yes, no, non-alerts"))),
        },
    };
    Ok(PcapFiles {
        delete,
        poll_s: root.number("pcap-file.poll-interval")?.unwrap_or(PcapFiles::default().poll_s),
        delay_s: root.number("pcap-file.delay")?.unwrap_or(PcapFiles::default().delay_s),
    })
}

/// `context`: files, their tables' memory, how far apart times may be.
fn context(root: &Node, dir: &Path) -> Result<ContextSettings, ConfigError> {
    let mut c = ContextSettings::default();
    c.files = items(root, "context.files").iter().map(|f| beside(dir, f)).collect();
    c.memory = root.size("context.memory")?.unwrap_or(c.memory);
    if !(crate::context::LEAST..=1 << 40).contains(&c.memory) {
        return Err(bad(root, "context.memory", "from 1 MiB to 1 TiB"));
    }
    if let Some(n) = root.at("context.window") {
        let secs = n.val.as_deref().and_then(seconds).filter(|s| (1..=86_400).contains(s));
        c.window = secs.ok_or_else(|| n.wrong("not a time from 1s to 1d (a number, then s, m, h or d)"))?
            * 1_000_000_000;
    }
    Ok(c)
}

/// `tls-keys`: key logs, memory, how long a session waits for its keys.
fn keys(root: &Node, dir: &Path) -> Result<KeySettings, ConfigError> {
    let mut k = KeySettings {
        files: items(root, "tls-keys.files").iter().map(|f| beside(dir, f)).collect(),
        carried: root.flag("tls-keys.enabled")?.unwrap_or(false),
        ..KeySettings::default()
    };
    k.files.extend(root.text("tls-keys.file").map(|f| beside(dir, f)));
    k.memory = root.size("tls-keys.memory")?.unwrap_or(k.memory);
    if !(crate::keys::LEAST..=1 << 40).contains(&k.memory) {
        return Err(bad(root, "tls-keys.memory", "from 1 MiB to 1 TiB"));
    }
    k.wait_ms = root.number("tls-keys.wait")?;
    if k.wait_ms.is_some_and(|w| w > 60_000) {
        return Err(bad(root, "tls-keys.wait", "from 0 to 60000 ms"));
    }
    Ok(k)
}

/// Networks and ports of the groups, whether or not a rule names them.
fn check_groups(
    root: &Node,
    addresses: &[(String, String)],
    ports: &[(String, String)],
) -> Result<(), ConfigError> {
    let vars =
        Vars { addresses: addresses.iter().cloned().collect(), ports: ports.iter().cloned().collect() };
    for key in ["vars.address-groups", "vars.port-groups"] {
        let groups = root.at(key).map_or(&[][..], Node::entries);
        if let Some(n) = groups.iter().find(|n| n.val.is_none() && !n.children.is_empty()) {
            return Err(
                n.wrong("expected one text in quotes: \"[10.0.0.0/8,192.168.0.0/16]\", \"[80,8080]\"")
            );
        }
    }
    for (name, text) in addresses {
        parse_addrs(text, &vars).map_err(|f| bad(root, &format!("vars.address-groups.{name}"), f.reason))?;
    }
    for (name, text) in ports {
        parse_ports(text, &vars).map_err(|f| bad(root, &format!("vars.port-groups.{name}"), f.reason))?;
    }
    Ok(())
}

/// `file` as written, or inside `dir` when it is only found there.
fn beside(dir: &Path, file: &str) -> PathBuf {
    let p = PathBuf::from(file);
    if p.is_absolute() || p.exists() || !dir.join(&p).exists() { p } else { dir.join(p) }
}

fn items(root: &Node, key: &str) -> Vec<String> {
    root.at(key).map_or_else(Vec::new, |n| n.texts().map(|(name, _)| name.to_string()).collect())
}

fn urgent(root: &Node, key: &str, default: Urgent) -> Result<Urgent, ConfigError> {
    Ok(match root.one_of(key, &["oob", "inline", "drop", "gap"])? {
        None => default,
        Some("oob") => Urgent::Oob,
        Some("inline") => Urgent::Inline,
        Some("drop") => Urgent::Drop,
        Some(_) => Urgent::Gap,
    })
}

fn stream(root: &Node) -> Result<Stream, ConfigError> {
    let inline = match root.text("stream.inline") {
        Some(t) if !t.trim().eq_ignore_ascii_case("auto") => {
            let what = format!("`{t}` is none of yes, no, auto");
            Some(truth(t).ok_or_else(|| bad(root, "stream.inline", what))?)
        }
        _ => None,
    };
    Ok(Stream {
        midstream: root.flag("stream.midstream")?.unwrap_or(false),
        async_oneside: root.flag("stream.async-oneside")?.unwrap_or(false),
        liberal_timestamps: root.flag("stream.liberal-timestamps")?.unwrap_or(true),
        inline,
        checksum_validation: root.flag("stream.checksum-validation")?.unwrap_or(true),
        depth: root.size("stream.reassembly.depth")?.unwrap_or(0),
        max_synack_queued: root.number("stream.max-synack-queued")?.unwrap_or(5),
        drop_invalid: root.flag("stream.drop-invalid")?.unwrap_or(true),
        urgent: urgent(root, "stream.reassembly.urgent.policy", Urgent::Oob)?,
        urgent_oob_limit: root.number("stream.reassembly.urgent.oob-limit")?.unwrap_or(1),
        toserver_chunk_size: root.size("stream.reassembly.toserver-chunk-size")?.unwrap_or(2560) as u32,
        toclient_chunk_size: root.size("stream.reassembly.toclient-chunk-size")?.unwrap_or(2560) as u32,
    })
}

fn host_os(root: &Node) -> Result<HostPolicies, ConfigError> {
    let mut h = HostPolicies::default();
    let Some(n) = root.child("host-os-policy") else { return Ok(h) };
    let policies = n.entries();
    if !policies.is_empty() {
        n.accept();
    }
    for p in policies {
        let policy = OsPolicy::from_name(&p.key).ok_or_else(|| p.wrong("not a policy for overlaps"))?;
        // A list; or as `--set` gives it, in one text.
        let text = p.val.as_deref().unwrap_or("").trim();
        let text = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
        let given = text.split(',').map(str::trim).filter(|t| !t.is_empty()).map(|t| (p, t));
        for (at, net) in given.chain(p.children.iter().filter_map(|c| Some((c, c.val.as_deref()?)))) {
            if !h.add(net, policy) {
                return Err(at.wrong(format!("`{net}` is not a network")));
            }
        }
    }
    Ok(h)
}

fn flow(root: &Node) -> Result<Flow, ConfigError> {
    let timeouts = |name: &str, d: Timeouts| -> Result<Timeouts, ConfigError> {
        let get = |key: &str, default: u32| -> Result<u32, ConfigError> {
            Ok(root.number(&format!("flow-timeouts.{name}.{key}"))?.unwrap_or(default))
        };
        Ok(Timeouts {
            new: get("new", d.new)?,
            established: get("established", d.established)?,
            closed: get("closed", d.closed)?,
            bypassed: get("bypassed", d.bypassed)?,
            emergency_new: get("emergency-new", d.emergency_new)?,
            emergency_established: get("emergency-established", d.emergency_established)?,
            emergency_closed: get("emergency-closed", d.emergency_closed)?,
            emergency_bypassed: get("emergency-bypassed", d.emergency_bypassed)?,
        })
    };
    let short = |new, established, closed, e_new, e_established, e_closed| Timeouts {
        new,
        established,
        closed,
        bypassed: 100,
        emergency_new: e_new,
        emergency_established: e_established,
        emergency_closed: e_closed,
        emergency_bypassed: 50,
    };
    Ok(Flow {
        use_vlan: root.flag("vlan.use-for-tracking")?.unwrap_or(true),
        use_depth: root.flag("decoder.recursion-level.use-for-tracking")?.unwrap_or(true),
        default: timeouts("default", short(30, 300, 0, 10, 100, 0))?,
        tcp: timeouts("tcp", short(30, 300, 10, 10, 100, 5))?,
        udp: timeouts("udp", short(30, 300, 0, 10, 100, 0))?,
        icmp: timeouts("icmp", short(30, 300, 0, 10, 100, 0))?,
    })
}

fn decoder(root: &Node, groups: &[(String, String)]) -> Result<Decoder, ConfigError> {
    let tunnel = |name: &str, default: &[u16], on: bool| -> Result<Vec<u16>, ConfigError> {
        let enabled = root.flag(&format!("decoder.{name}.enabled"))?.unwrap_or(on);
        let key = format!("decoder.{name}.ports");
        let ports = match root.at(&key).and_then(Node::joined) {
            None => default.to_vec(),
            Some(t) => {
                let what = || bad(root, &key, format!("`{t}` is not a list of ports"));
                ports(&t, groups).ok_or_else(what)?
            }
        };
        Ok(if enabled { ports } else { Vec::new() })
    };
    Ok(Decoder {
        teredo: tunnel("teredo", &[3544], true)?,
        vxlan: tunnel("vxlan", &[4789], true)?,
        geneve: tunnel("geneve", &[6081], true)?,
        // Suricata has no such decoder: its configurations mean none.
        gtp: tunnel("gtp", &[2152], false)?,
        l2tp: tunnel("l2tp", &[1701], false)?,
        tzsp: tunnel("tzsp", &[37008], false)?,
        max_layers: root.number("decoder.max-layers")?.unwrap_or(16),
    })
}

/// Ports of `80`, `[80, 81]`, `8080:8090`, `$HTTP_PORTS`, `80,81`; `None` when it is something else.
pub(super) fn ports(text: &str, groups: &[(String, String)]) -> Option<Vec<u16>> {
    let mut out = Vec::new();
    ports_into(text, groups, 0, &mut out)?;
    Some(out)
}

fn ports_into(text: &str, groups: &[(String, String)], depth: u8, out: &mut Vec<u16>) -> Option<()> {
    for word in text.split([',', ' ', '[', ']']).map(str::trim).filter(|w| !w.is_empty()) {
        if let Some(name) = word.strip_prefix('$') {
            let (_, value) = groups.iter().find(|(n, _)| n == name)?;
            if depth > 8 {
                return None;
            }
            ports_into(value, groups, depth + 1, out)?;
        } else if let Some((a, b)) = word.split_once([':', '-']) {
            out.extend(a.parse::<u16>().ok()?..=b.parse::<u16>().ok()?);
        } else {
            out.push(word.parse().ok()?);
        }
    }
    Some(())
}

fn datasets(root: &Node, dir: &Path) -> Result<Datasets, ConfigError> {
    let mut d = Datasets {
        memcap: root.size("datasets.defaults.memcap")?,
        hashsize: root.number("datasets.defaults.hashsize")?,
        sets: Vec::new(),
        allow_write: root.flag("datasets.rules.allow-write")?.unwrap_or(true),
        allow_absolute: root.flag("datasets.rules.allow-absolute-filenames")?.unwrap_or(false),
    };
    let Some(n) = root.child("datasets") else { return Ok(d) };
    let own = |s: &&Node| !matches!(s.key.as_str(), "defaults" | "rules" | "limits");
    for set in n.entries().iter().filter(own) {
        if set.entries().is_empty() {
            continue;
        }
        root.at(&set.path);
        let Some(kind) = set.one_of("type", &["string", "md5", "sha256", "ipv4", "ip"])? else {
            return Err(set.wrong("a dataset needs a type: string, md5, sha256, ipv4 or ip"));
        };
        d.sets.push(DatasetFile {
            name: set.key.clone(),
            kind: match kind {
                "string" => DatasetType::String,
                "md5" => DatasetType::Md5,
                "sha256" => DatasetType::Sha256,
                "ipv4" => DatasetType::Ipv4,
                _ => DatasetType::Ip,
            },
            load: set.text("load").map(|f| beside(dir, f)),
            save: set.text("save").map(|f| beside(dir, f)),
            state: set.text("state").map(|f| beside(dir, f)),
            memcap: set.size("memcap")?.or(d.memcap).unwrap_or(0),
            hashsize: set.number("hashsize")?.or(d.hashsize).unwrap_or(0),
        });
    }
    Ok(d)
}

/// `action-order`: all four actions, each once.
fn action_order(root: &Node) -> Result<[Action; 4], ConfigError> {
    const KEY: &str = "action-order";
    if root.at(KEY).is_none() {
        return Ok(ACTION_ORDER);
    }
    let mut out = Vec::new();
    for name in items(root, KEY) {
        let action = match name.as_str() {
            "pass" => Action::Pass,
            "drop" => Action::Drop,
            "reject" => Action::Reject,
            "alert" => Action::Alert,
            _ => return Err(bad(root, KEY, format!("`{name}` is not an action"))),
        };
        if out.contains(&action) {
            return Err(bad(root, KEY, format!("`{name}` is there twice")));
        }
        out.push(action);
    }
    out.try_into()
        .map_err(|_| bad(root, KEY, "pass, drop, reject and alert are wanted, each once".to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Overrides;
    use crate::eve::logs::Log;

    fn read(text: &str) -> Settings {
        settings(&Node::parse(text, Path::new("t"), Path::new(".")).unwrap(), Path::new("."), false).unwrap()
    }

    #[test]
    fn the_built_in_configuration_is_understood_whole() {
        let s = Settings::load(None, &Overrides::default()).unwrap();
        assert_eq!(s.without_effect(), Vec::<String>::new());
        assert_eq!(s.outputs.eve.len(), 1);
        let e = &s.outputs.eve[0];
        assert!(e.alert.is_some() && e.flow.is_some() && e.stats.is_some() && e.files.is_some());
        assert!(e.record("http").unwrap().extended && e.record("tls").unwrap().extended);
        assert!(e.record("frame").is_none());
        assert_eq!(s.stream.depth, 1 << 20);
        assert!(s.app.disabled.iter().any(|d| d == "pgsql"));
        assert!(s.app.detection_only.is_empty());
        assert_eq!(s.address_groups.iter().find(|g| g.0 == "EXTERNAL_NET").unwrap().1, "!$HOME_NET");
        assert_eq!((s.decoder.vxlan, s.flow.tcp.established), (vec![4789], 300));
    }

    #[test]
    fn protocols_that_are_only_recognised_and_that_bound_what_waits() {
        let s =
            read("app-layer: {protocols: {imap: {enabled: detection-only, max-tx: 7}, ssh: {max-tx: 8}}}");
        assert_eq!(s.app.detection_only, ["imap"]);
        assert_eq!(s.app.max_waiting, [("imap".to_string(), 7)]);
    }

    #[test]
    fn overrides_win() {
        let set =
            ["stream.midstream=true".into(), "outputs.1.eve-log.types.2.anomaly.types.stream=yes".into()];
        let s = Settings::load(None, &Overrides { set: &set, ips: false }).unwrap();
        assert!(s.stream.midstream);
        let a = s.outputs.eve[0].anomaly.unwrap();
        assert!(a.stream && a.applayer && !a.decode);
    }

    #[test]
    fn settings_of_a_suricata_file() {
        let s = read(
            "stream: {inline: auto, midstream: yes, reassembly: {depth: 2mb, urgent: {policy: drop}}}\n\
             host-os-policy:\n  windows: [0.0.0.0/0]\n  linux: [10.0.0.0/8]\n\
             flow-timeouts: {tcp: {new: 7, emergency-new: 3}}\nvlan: {use-for-tracking: false}\n\
             no-such-part: {cpu: 1}\n\
             app-layer: {protocols: {tls: {ja3-fingerprints: yes, detection-ports: {dp: \"443, 8443\"}}}}\n\
             outputs:\n  - eve-log: {types: [alert, {files: {force-hash: [md5, sha256]}}]}\n  - fast: {enabled: yes}\n",
        );
        assert_eq!((s.stream.inline, s.stream.depth, s.stream.urgent), (None, 2 << 20, Urgent::Drop));
        assert_eq!(s.host_os.of("10.0.0.1".parse().unwrap()), OsPolicy::Linux);
        let set = ["host-os-policy.bsd-right=[10.0.0.0/8, 192.168.0.0/16]".to_string()];
        let by_set = Settings::load(None, &Overrides { set: &set, ips: false }).unwrap();
        assert_eq!(by_set.host_os.of("192.168.0.1".parse().unwrap()), OsPolicy::BsdRight);
        assert_eq!((s.flow.tcp.new, s.flow.tcp.emergency_new, s.flow.tcp.closed), (7, 3, 10));
        assert!(!s.flow.use_vlan && s.app.tls_ja3 && s.app.file_md5 && s.app.file_sha256);
        assert_eq!(
            s.app.ports,
            [("tls".to_string(), true, vec![443, 8443]), ("tls".to_string(), false, vec![443, 8443])]
        );
        assert_eq!(s.outputs.other("fast").map(Log::file), Some("fast.log"));
        assert_eq!(s.ignored, ["no-such-part (t:7:1: not a setting here)"]);
    }

    #[test]
    fn wrong_values_are_refused_with_their_key() {
        for (text, key) in [
            ("stream: {reassembly: {depth: lots}}", "stream.reassembly.depth"),
            ("host-os-policy: {beos: [1.2.3.4]}", "host-os-policy.beos"),
            ("host-os-policy: {linux: [1.2.3.4/40]}", "host-os-policy.linux.0"),
            ("stream: {midstream: perhaps}", "stream.midstream: `perhaps` is neither yes nor no"),
            ("stream: {inline: perhaps}", "stream.inline: `perhaps` is none of yes, no, auto"),
            ("flow: {hash-size: -5}", "flow.hash-size: `-5` is not a number"),
            ("flow: {memcap: lots}", "flow.memcap"),
            ("vars: {address-groups: {HOME_NET: \"[10.0.0.0/99]\"}}", "vars.address-groups.HOME_NET: "),
            ("vars: {port-groups: {P: 99999}}", "vars.port-groups.P: "),
            ("pcap-file: {checksum-checks: maybe}", "pcap-file.checksum-checks"),
            ("pcap-file: {delete-when-done: maybe}", "pcap-file.delete-when-done"),
            (
                "outputs: [eve-log: {types: [alert: {payload: 7x}]}]",
                "outputs.0.eve-log.types.0.alert.payload",
            ),
            ("outputs: [eve-log: {xff: {enabled: yes, mode: both}}]", "outputs.0.eve-log.xff.mode"),
            ("exception-policy: maybe", "exception-policy"),
            (
                "outputs: [eve-log: {types: [dns: {types: [a, NOSUCH]}]}]",
                "outputs.0.eve-log.types.0.dns.types.1: `NOSUCH`",
            ),
            (
                "outputs: [eve-log: {types: [dns: {formats: [nosuch]}]}]",
                "outputs.0.eve-log.types.0.dns.formats.0: `nosuch`",
            ),
            (
                "outputs: [eve-log: {types: [dns: {version: 9}]}]",
                "outputs.0.eve-log.types.0.dns.version: `9`",
            ),
            (
                "outputs: [eve-log: {types: [mdns: {version: 0}]}]",
                "outputs.0.eve-log.types.0.mdns.version: `0`",
            ),
            // Of what is off, too.
            (
                "outputs: [eve-log: {types: [dns: {enabled: no, version: 9}]}]",
                "outputs.0.eve-log.types.0.dns.version",
            ),
            (
                "outputs: [eve-log: {enabled: no, types: [dns: {version: 9}]}]",
                "outputs.0.eve-log.types.0.dns.version",
            ),
            ("outputs: [pcap-log: {limit: -5}]", "outputs.0.pcap-log.limit: `-5`"),
            ("outputs: [pcap-log: {enabled: no, mode: odd}]", "outputs.0.pcap-log.mode: `odd`"),
            ("outputs: [file-store: {version: 1}]", "outputs.0.file-store.version: `1`"),
            ("outputs: [eve-log: {xff: {enabled: no, mode: both}}]", "outputs.0.eve-log.xff.mode"),
            ("threading: {set-cpu-affinity: banana}", "threading.set-cpu-affinity: `banana`"),
            ("unix-command: {enabled: banana}", "unix-command.enabled: `banana`"),
            ("mpm-algo: nosuch", "mpm-algo: `nosuch` is none of auto, ac,"),
            ("stream: {midstream-policy: drop-packet}", "stream.midstream-policy"),
            ("stream: {midstream: yes, midstream-policy: bypass}", "stream.midstream-policy"),
            ("flow-timeouts: {tcp: {new: soon}}", "flow-timeouts.tcp.new"),
        ] {
            let tree = Node::parse(text, Path::new("t"), Path::new(".")).unwrap();
            let e = settings(&tree, Path::new("."), false).unwrap_err();
            assert!(e.to_string().starts_with("t:1:") && e.to_string().contains(&format!(": {key}")), "{e}");
        }
    }

    #[test]
    fn an_eve_log_without_types_is_told() {
        let s = read("outputs:\n - eve-log: {filename: e.json}\n - eve-log: {enabled: no}\n");
        assert_eq!(s.told, ["outputs.0.eve-log (t:2:13: no `types`: no event is written to it)"]);
    }

    #[test]
    fn outputs_that_are_off_are_read_and_not_written() {
        let s = read(
            "outputs:\n - fast: {enabled: no, nosuch: 1}\n - pcap-log: {enabled: no, limit: 5mb, odd: 1}\n \
             - file-store: {dir: x}\n - eve-log: {enabled: no, types: [alert]}\n \
             - eve-log: {types: [alert: {enabled: no, odd: 1}, flow, policy: {enabled: no}]}\n \
             - eve-log: {enabled: no, filetype: redis, redis: {port: 1}}\n - tcp-data: {enabled: no, x: 1}\n",
        );
        let o = &s.outputs;
        assert!(o.other("fast").is_none() && o.pcap_log.is_none() && o.store.is_none());
        assert_eq!(o.eve.len(), 1);
        assert!(o.eve[0].alert.is_none() && o.eve[0].flow.is_some() && !o.eve[0].policy);
        assert_eq!(
            s.ignored,
            [
                "outputs.0.fast.nosuch (t:2:24: not a setting here)",
                "outputs.1.pcap-log.odd (t:3:40: not a setting here)",
                "outputs.4.eve-log.types.0.alert.odd (t:6:43: not a setting here)"
            ]
        );
        // One that is on, and one that is off, in any order.
        for text in
            ["[fast: {enabled: yes}, fast: {enabled: no}]", "[fast: {enabled: no}, fast: {enabled: yes}]"]
        {
            let o = read(&format!("outputs: {text}")).outputs;
            assert_eq!(o.other("fast").map(Log::file), Some("fast.log"), "{text}");
        }
        let told = read("outputs: [fast, pcap-log]").without_effect().join("\n");
        assert!(told.contains("it is off without `enabled: yes`"), "{told}");
    }

    #[test]
    fn an_order_of_actions_has_all_four() {
        let p = |text: &str| action_order(&Node::parse(text, Path::new("t"), Path::new(".")).unwrap());
        assert_eq!(p("a: b").unwrap(), ACTION_ORDER);
        let order = p("action-order: [drop, alert, reject, pass]").unwrap();
        assert_eq!(order, [Action::Drop, Action::Alert, Action::Reject, Action::Pass]);
        for wrong in ["[drop]", "[drop, drop, reject, pass]", "[drop, alert, reject, allow]"] {
            assert!(p(&format!("action-order: {wrong}")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn port_lists() {
        let g = [("A".to_string(), "[1,2]".to_string()), ("LOOP".to_string(), "$LOOP".to_string())];
        assert_eq!(ports("$A, 9", &g), Some(vec![1, 2, 9]));
        assert_eq!(ports("5:7", &g), Some(vec![5, 6, 7]));
        assert_eq!(ports("$LOOP", &g), None);
        assert_eq!(ports("http", &g), None);
    }
}
