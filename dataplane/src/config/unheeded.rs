//! Settings of Suricata's that are known and have no effect here: nobody reads them, so they are checked and told by this
//! table. `docs/settings.md` is made of it.

use super::yaml::{ConfigError, Node, size, truth};
use crate::eve::logs::KINDS;

/// What a value looks like; anything else is an error, as it is for settings that have an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Flag,
    Number,
    Size,
    /// One of these.
    Words(&'static [&'static str]),
    Any,
}

/// Why it has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// There is nothing to decide, whatever it says.
    Moot(&'static str),
    /// What it asks for is not done, unless it says one of these words.
    Undone(&'static str, &'static [&'static str]),
}

/// One setting, or all of a kind: `*` stands for one part of the path, `**` at the end for all below.
#[derive(Clone, Copy, Debug)]
pub struct Unheeded {
    pub path: &'static str,
    pub kind: Kind,
    pub why: Why,
}

pub const fn moot(path: &'static str, kind: Kind, why: &'static str) -> Unheeded {
    Unheeded { path, kind, why: Why::Moot(why) }
}

const fn undone(
    path: &'static str,
    kind: Kind,
    why: &'static str,
    unless: &'static [&'static str],
) -> Unheeded {
    Unheeded { path, kind, why: Why::Undone(why, unless) }
}

const NO: &[&str] = &["no"];
const YES: &[&str] = &["yes"];
const MEMORY: &str = "memory is what `--memory` says, in shares of its own";
const TABLES: &str = "tables are sized by `--memory`";
const INTERFACES: &str = "`-i`, `--dpdk` and `--inline` say where packets come from";
const OTHERS: &str = "code of others is not loaded";
const TERMINAL: &str = "what the command says goes to the terminal";
const MAILS: &str = "mails are always taken apart";
const TRACKED: &str = "attachments are looked at as they grow, by steps of 4 KiB";
const STATS: &str = "one set of counters, summed over workers, since the start";

const AUTO: Kind = Kind::Words(&["yes", "no", "true", "false", "on", "off", "1", "0", "auto"]);
const NO_PROXY: &str = "records beside stored files have the addresses of their flows";
const MATCHER: &str = "there is one matcher";
const GROUPS: &str = "groups are made as they pay";

/// Those that no output has in its own table, in the order of the documentation.
const UNHEEDED: &[Unheeded] = &[
    moot("runmode", Kind::Words(&["single", "workers", "autofp", "auto"]), "there is one way to run"),
    moot("pid-file", Kind::Any, "`--pidfile` says it"),
    moot("daemon-directory", Kind::Any, "the process stays in the foreground"),
    moot(
        "stats.interval",
        Kind::Number,
        "`--stats-interval` says it for live traffic; captures have one record",
    ),
    moot(
        "outputs.*.eve-log.append",
        Kind::Flag,
        "live outputs are appended to, those of captures are made anew",
    ),
    moot(
        "outputs.*.eve-log.types.*.alert.http",
        Kind::Flag,
        "of old configurations: `metadata.app-layer` decides",
    ),
    moot(
        "outputs.*.eve-log.types.*.alert.tls",
        Kind::Flag,
        "of old configurations: `metadata.app-layer` decides",
    ),
    moot(
        "outputs.*.eve-log.types.*.alert.ssh",
        Kind::Flag,
        "of old configurations: `metadata.app-layer` decides",
    ),
    moot(
        "outputs.*.eve-log.types.*.alert.smtp",
        Kind::Flag,
        "of old configurations: `metadata.app-layer` decides",
    ),
    moot(
        "outputs.*.eve-log.types.*.alert.dnp3",
        Kind::Flag,
        "of old configurations: `metadata.app-layer` decides",
    ),
    moot(
        "outputs.*.eve-log.types.*.alert.reference",
        Kind::Flag,
        "of old configurations: `metadata.rule.reference` decides",
    ),
    undone("outputs.*.file-store.xff.enabled", Kind::Flag, NO_PROXY, NO),
    moot("outputs.*.file-store.xff.mode", Kind::Words(&["extra-data", "overwrite"]), NO_PROXY),
    moot("outputs.*.file-store.xff.deployment", Kind::Words(&["reverse", "forward"]), NO_PROXY),
    moot("outputs.*.file-store.xff.header", Kind::Any, NO_PROXY),
    undone("outputs.*.pcap-log.lz4-level", Kind::Number, "there is one level", &["0"]),
    undone("outputs.*.eve-log.types.*.stats.threads", Kind::Flag, STATS, NO),
    undone("outputs.*.eve-log.types.*.stats.deltas", Kind::Flag, STATS, NO),
    undone("flow.memcap", Kind::Size, MEMORY, &[]),
    moot("flow.hash-size", Kind::Number, TABLES),
    moot("flow.prealloc", Kind::Number, TABLES),
    moot("flow.emergency-recovery", Kind::Number, "the oldest flow of a full bucket gives way"),
    moot("defrag.hash-size", Kind::Number, TABLES),
    moot("defrag.prealloc", Kind::Flag, TABLES),
    moot("defrag.max-frags", Kind::Number, "fragments are bounded by `defrag.memcap`"),
    moot("defrag.trackers", Kind::Number, "fragments are bounded by `defrag.memcap`"),
    undone("stream.memcap", Kind::Size, MEMORY, &[]),
    undone("stream.reassembly.memcap", Kind::Size, MEMORY, &[]),
    moot("stream.prealloc-sessions", Kind::Number, TABLES),
    moot("stream.reassembly.segment-prealloc", Kind::Number, TABLES),
    moot("stream.reassembly.randomize-chunk-size", Kind::Flag, "chunks have the size that is set"),
    moot("stream.reassembly.randomize-chunk-range", Kind::Any, "chunks have the size that is set"),
    undone("stream.bypass", Kind::Flag, "flows beyond the depth go on through the engine", NO),
    undone("stream.reassembly.raw", Kind::Flag, "rules on raw payload see streams", YES),
    undone(
        "stream.reassembly.urgent.oob-limit-policy",
        Kind::Words(&["drop", "inline", "gap"]),
        "out-of-band data beyond the limit is dropped",
        &["drop"],
    ),
    undone("livedev.use-for-tracking", Kind::Flag, "every interface has flows of its own", YES),
    undone("decoder.vntag.enabled", Kind::Flag, "VN-Tags are not decoded", NO),
    moot("decoder.ipv4.ipip.enabled", Kind::Flag, "tunnels are always decoded"),
    moot("decoder.ipv6.ipip-ipv4.enabled", Kind::Flag, "tunnels are always decoded"),
    moot("decoder.ipv6.ipip-ipv6.enabled", Kind::Flag, "tunnels are always decoded"),
    undone("decoder.ipv4.ipip.track-parent-flow", Kind::Flag, "flows in tunnels have no parents", NO),
    undone("decoder.ipv6.ipip-ipv4.track-parent-flow", Kind::Flag, "flows in tunnels have no parents", NO),
    undone("decoder.ipv6.ipip-ipv6.track-parent-flow", Kind::Flag, "flows in tunnels have no parents", NO),
    moot("suricata-version", Kind::Any, "the language is that of Suricata 8, with the words of 7"),
    moot("plugins.**", Kind::Any, OTHERS),
    moot("logging.default-output-filter", Kind::Any, TERMINAL),
    undone("logging.outputs.*.file.enabled", Kind::Flag, "files are written with `type: json` only", NO),
    undone("logging.outputs.*.syslog.enabled", Kind::Flag, TERMINAL, NO),
    moot("logging.outputs.**", Kind::Any, TERMINAL),
    moot("af-packet.**", Kind::Any, INTERFACES),
    moot("af-xdp.**", Kind::Any, INTERFACES),
    moot("dpdk.**", Kind::Any, INTERFACES),
    moot("pcap.**", Kind::Any, INTERFACES),
    moot("netmap.**", Kind::Any, INTERFACES),
    moot("pfring.**", Kind::Any, INTERFACES),
    moot("ipfw.**", Kind::Any, INTERFACES),
    moot("nfq.**", Kind::Any, INTERFACES),
    moot("nflog.**", Kind::Any, INTERFACES),
    moot("napatech.**", Kind::Any, INTERFACES),
    moot("capture.**", Kind::Any, INTERFACES),
    undone(
        "app-layer.protocols.*.stream-depth",
        Kind::Any,
        "streams are read as far as `stream.reassembly.depth` says",
        &[],
    ),
    undone("app-layer.protocols.smtp.raw-extraction", Kind::Flag, MAILS, NO),
    undone("app-layer.protocols.smtp.mime.decode-mime", Kind::Flag, MAILS, YES),
    undone("app-layer.protocols.smtp.mime.decode-base64", Kind::Flag, MAILS, YES),
    undone("app-layer.protocols.smtp.mime.decode-quoted-printable", Kind::Flag, MAILS, YES),
    undone("app-layer.protocols.smtp.mime.body-md5", Kind::Flag, "bodies of mails are not digested", NO),
    moot(
        "app-layer.protocols.smtp.mime.header-value-depth",
        Kind::Number,
        "fields are bounded by the engine",
    ),
    undone("app-layer.protocols.smtp.inspected-tracker.content-limit", Kind::Any, TRACKED, &["100000"]),
    undone(
        "app-layer.protocols.smtp.inspected-tracker.content-inspect-min-size",
        Kind::Any,
        TRACKED,
        &["32768"],
    ),
    undone(
        "app-layer.protocols.smtp.inspected-tracker.content-inspect-window",
        Kind::Any,
        TRACKED,
        &["4096"],
    ),
    undone(
        "app-layer.protocols.http.libhtp.default-config.swf-decompression.enabled",
        Kind::Flag,
        "Flash is not unpacked",
        NO,
    ),
    moot(
        "app-layer.protocols.http.libhtp.default-config.swf-decompression.**",
        Kind::Any,
        "Flash is not unpacked",
    ),
    undone(
        "app-layer.protocols.http.libhtp.server-config.**",
        Kind::Any,
        "`default-config` holds for all servers",
        &[],
    ),
    moot("asn1-max-frames", Kind::Number, "ASN.1 is read as deep as a rule looks"),
    undone("datasets.limits.**", Kind::Any, "sets are as large as `datasets.defaults` and rules say", &[]),
    undone("security.landlock.enabled", Kind::Flag, "the process keeps its rights", NO),
    moot("security.**", Kind::Any, "only the commands of playbooks are started, no code of rules is run"),
    moot("coredump.max-dump", Kind::Any, "the system decides"),
    moot("host-mode", Kind::Words(&["auto", "router", "sniffer-only"]), "`--inline` says it"),
    moot("unix-command.enabled", AUTO, "`--control` names the command socket"),
    moot("unix-command.**", Kind::Any, "`--control` names the command socket"),
    moot("legacy.uricontent", Kind::Words(&["enabled", "disabled"]), "`uricontent` is read"),
    moot("engine-analysis.rules-fast-pattern", Kind::Flag, "`tidegate rules check` says it"),
    moot("engine-analysis.rules", Kind::Flag, "`tidegate rules check` says it"),
    moot("engine-analysis.**", Kind::Any, "`tidegate rules check` says it"),
    moot("pcre.match-limit", Kind::Number, "regexes run under a limit of their own, in linear time"),
    moot(
        "pcre.match-limit-recursion",
        Kind::Number,
        "regexes run under a limit of their own, in linear time",
    ),
    moot("host.hash-size", Kind::Number, TABLES),
    moot("host.prealloc", Kind::Number, TABLES),
    undone("host.memcap", Kind::Size, MEMORY, &[]),
    moot("detect.custom-values.**", Kind::Any, "groups are made as they pay"),
    moot("detect.prefilter.default", Kind::Words(&["auto", "mpm"]), GROUPS),
    moot("detect.prefilter.**", Kind::Any, "groups are made as they pay"),
    moot("detect.grouping.**", Kind::Any, "groups are made as they pay"),
    moot("detect.profiling.**", Kind::Any, "`tidegate bench` says what is costly"),
    moot("profiling.*.enabled", Kind::Flag, "`tidegate bench` says what is costly"),
    moot("profiling.**", Kind::Any, "`tidegate bench` says what is costly"),
    moot("threading.set-cpu-affinity", Kind::Flag, "`--workers` says it"),
    moot("threading.autopin", Kind::Flag, "`--workers` says it"),
    moot("threading.**", Kind::Any, "`--workers` says it"),
    moot("luajit.states", Kind::Number, "rules with Lua are refused"),
    moot("detect.profile", Kind::Words(&["low", "medium", "high", "custom"]), GROUPS),
    moot(
        "detect.sgh-mpm-context",
        Kind::Words(&["auto", "single", "full"]),
        "groups share databases where they pay",
    ),
    moot("mpm-algo", Kind::Words(&["auto", "ac", "ac-bs", "ac-ks", "ac-tile", "hs"]), MATCHER),
    moot("spm-algo", Kind::Words(&["auto", "bm", "hs"]), MATCHER),
    undone("ignore-unknown-requirements", Kind::Flag, "rules that require what is unknown are skipped", NO),
    moot(
        "app-layer.protocols.http.libhtp.default-config.personality",
        Kind::Any,
        "there is one: that of Suricata's IDS",
    ),
    moot("app-layer.protocols.http.libhtp.default-config.http-body-inline", Kind::Any, "as the engine runs"),
    moot("app-layer.protocols.*.detection-ports.sp", Kind::Any, "answers are recognised with their requests"),
    moot(
        "app-layer.protocols.*.tcp.detection-ports.sp",
        Kind::Any,
        "answers are recognised with their requests",
    ),
    moot(
        "app-layer.protocols.*.udp.detection-ports.sp",
        Kind::Any,
        "answers are recognised with their requests",
    ),
];

/// All of them.
pub fn all() -> impl Iterator<Item = &'static Unheeded> {
    UNHEEDED.iter().chain(KINDS.iter().flat_map(|k| k.unheeded))
}

/// Whether a path is one that the pattern means.
pub(super) fn meets(pattern: &str, path: &str) -> bool {
    let mut have = path.split('.');
    for want in pattern.split('.') {
        match have.next() {
            _ if want == "**" => return true,
            Some(_) if want == "*" => {}
            Some(h) if h == want => {}
            _ => return false,
        }
    }
    have.next().is_none()
}

impl Unheeded {
    /// Checks the value of a setting.
    fn check(&self, n: &Node) -> Result<(), ConfigError> {
        let Some(t) = n.val.as_deref().map(str::trim) else { return Ok(()) };
        let (fits, what) = match self.kind {
            Kind::Any => (true, ""),
            Kind::Flag => (truth(t).is_some(), "neither yes nor no"),
            Kind::Number => (t.parse::<u64>().is_ok(), "not a number in range"),
            Kind::Words(words) => {
                if words.iter().any(|w| w.eq_ignore_ascii_case(t)) {
                    return Ok(());
                }
                return Err(n.wrong(format!("`{t}` is none of {}", words.join(", "))));
            }
            Kind::Size => {
                (size(t).is_some(), "not a size (a number, then nothing, kb, mb, gb, KiB, MiB or GiB)")
            }
        };
        if fits { Ok(()) } else { Err(n.wrong(format!("`{t}` is {what}"))) }
    }

    /// What the user is told of a value, if anything.
    fn told(&self, n: &Node) -> Option<String> {
        let Why::Undone(why, unless) = self.why else { return None };
        let value = n.val.as_deref()?.trim();
        let same = |u: &&str| match (truth(u), truth(value)) {
            (Some(a), Some(b)) => a == b,
            _ => u.eq_ignore_ascii_case(value),
        };
        (!unless.iter().any(same)).then(|| n.odd(why))
    }
}

/// Checks and marks as known what the table has; what is to be told of it.
pub(super) fn find(root: &Node) -> Result<Vec<String>, ConfigError> {
    let (mut leaves, mut told) = (Vec::new(), Vec::new());
    root.leaves(&mut leaves);
    // A log file that is written was read; those of plain text are not.
    for n in leaves.into_iter().filter(|n| !(n.is_used() && n.path.starts_with("logging."))) {
        if let Some(u) = all().find(|u| meets(u.path, &n.path)) {
            u.check(n)?;
            told.extend(u.told(n));
            root.at(&n.path);
        }
    }
    Ok(told)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Overrides, Settings};
    use std::path::Path;

    #[test]
    fn patterns() {
        assert!(meets("a.*.b", "a.0.b") && meets("a.**", "a.b.c"));
        assert!(!meets("a.*.b", "a.b") && !meets("a.b", "a.b.c") && !meets("a.b.c", "a.b"));
    }

    /// A configuration in which everything that is asked for at all is asked for.
    const ALL: &str = "
vars: {address-groups: {NAME: any}, port-groups: {NAME: 1}}
outputs:
  - OTHERS
  - eve-log:
      xff: {enabled: yes}
      types:
        - alert: {metadata: {rule: {}}, xff: {enabled: yes}}
        - anomaly: {types: {}}
        - drop: {}
        - files: {xff: {enabled: yes}}
        - stats: {}
        - flow: {}
        - netflow: {}
        - http: {xff: {enabled: yes}}
        - mqtt: {}
        - dns: {}
        - websocket: {}
        - incident: {}
        - frame: {}
        - stream: {}
        - ai_telemetry: {}
app-layer: {protocols: {tls: {tcp: {detection-ports: {}}, udp: {}}, ssh: {}, websocket: {}, mqtt: {}, pgsql: {}, pop3: {}, imap: {}, quic: {}, ai: {}, smtp: {mime: {}}, http: {libhtp: {default-config: {}}}}}
logging: {outputs: [file: {type: json}]}
tls-keys: {}
datasets: {NAME: {type: string}, defaults: {}, rules: {}}
stream: {reassembly: {urgent: {}}}
decoder: {teredo: {}, vxlan: {}, geneve: {}, gtp: {}, l2tp: {}, tzsp: {}}
flow: {}
flow-timeouts: {default: {}, tcp: {}, udp: {}, icmp: {}}
pcap-file: {}
context: {}
stats: {}
vlan: {}
defrag: {}
";

    /// The settings that have an effect, as the code asks for them.
    fn heeded() -> Vec<String> {
        use crate::config::yaml::asked::PATHS;
        PATHS.with(|p| p.borrow_mut().clear());
        let others = KINDS.iter().filter(|k| !k.several).map(|k| format!("{}: {{enabled: yes}}", k.name));
        let others = others.collect::<Vec<_>>().join("\n  - ");
        Settings::parse(&ALL.replace("OTHERS", &others), &Overrides::default()).unwrap();
        let asked = PATHS.with(|p| p.borrow().clone());
        let plain = |path: &str| -> String {
            let parts = path.split('.').map(|p| if p.parse::<u32>().is_ok() { "*" } else { p });
            let path = parts.collect::<Vec<_>>().join(".");
            ["http", "mqtt", "dns", "websocket"]
                .iter()
                .fold(path, |p, of| p.replace(&format!("types.*.{of}"), "types.*.PROTOCOL"))
        };
        let asked: std::collections::BTreeSet<String> = asked.iter().map(|p| plain(p)).collect();
        let inner =
            |p: &String| asked.iter().any(|o| o.strip_prefix(p.as_str()).is_some_and(|r| r.starts_with('.')));
        asked.iter().filter(|p| !inner(p) && !all().any(|u| meets(u.path, p))).cloned().collect()
    }

    fn page() -> String {
        use std::fmt::Write as _;
        let mut t = String::from(
            "# Settings\n\n\
             Tidegate reads Suricata's YAML. This page is made from the code (`UPDATE=1 cargo test -p tidegate-dataplane \
             settings_page`); a test\ncompares it. What is in none of the lists is named on the terminal as `not a setting here`, \
             and is an error with `--strict`.\n\
             So is a single value where a list or a mapping of settings belongs, and the other way round.\n\
             Values of all settings are checked, of those without effect too. `*` is a place in a list, `PROTOCOL` the name of a \
             protocol's\nrecords.\n\n## With the meaning that Suricata 8 gives them\n\n",
        );
        for p in heeded() {
            let _ = writeln!(t, "* `{p}`");
        }
        t += "\n## Up to a value\n\nWhat is beyond it is named on the terminal, and an error with `--strict`; the value here holds.\n\n| setting \
              | most |\n|---|---|\n";
        for (path, most) in crate::config::most::MOST {
            let _ = writeln!(t, "| `{path}` | {most} |");
        }
        t += "\n## Without anything to decide\n\nAccepted without a word.\n\n| setting | why |\n|---|---|\n";
        for u in all() {
            if let Why::Moot(why) = u.why {
                let _ = writeln!(t, "| `{}` | {why} |", u.path);
            }
        }
        t += "\n## Not done\n\nNamed on the terminal with the reason, and an error with `--strict`, unless the value is the one \
              that holds anyway.\n\n| setting | what holds | not named when |\n|---|---|---|\n";
        for u in all() {
            if let Why::Undone(why, unless) = u.why {
                let _ = writeln!(t, "| `{}` | {why} | {} |", u.path, unless.join(", "));
            }
        }
        let mut outputs: Vec<String> = KINDS.iter().map(|k| format!("`{}`", k.name)).collect();
        outputs.sort();
        let (last, others) = outputs.split_last().unwrap();
        let others = others.join(", ");
        let _ = writeln!(
            t,
            "\nOutputs other than {others} and {last}, and event types that nothing here writes, are named likewise."
        );
        t
    }

    #[test]
    fn settings_page() {
        for name in KINDS.iter().map(|k| k.name) {
            assert!(page().contains(&format!("* `outputs.*.{name}.enabled`")), "{name}");
        }
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/settings.md");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, page()).unwrap();
        }
        let there = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            there == page(),
            "docs/settings.md is not what the code says: UPDATE=1 cargo test -p tidegate-dataplane settings_page"
        );
    }

    /// Every path of the table is known, checked by its kind, and told when it should be.
    #[test]
    fn the_table_holds() {
        for u in all() {
            let path = u.path.replace(".*.", ".1.").replace("protocols.1", "protocols.tls");
            let path = path.replace("types.1.", "types.0.");
            let output = u.path.strip_prefix("outputs.*.").and_then(|p| p.split('.').next());
            let plain = format!("outputs: [x, {}: {{enabled: yes}}]", output.unwrap_or("fast"));
            let base = match u.path {
                p if p.contains("types.*.stats") => "outputs: [x, eve-log: {types: [stats: {a: 1}]}]",
                p if p.contains("types.*.files") => "outputs: [x, eve-log: {types: [files: {a: 1}]}]",
                p if p.contains("eve-log") => "outputs: [x, eve-log: {types: [alert: {a: 1}]}]",
                _ => &plain,
            };
            let with = |value: &str| {
                let set = [format!("{path}={value}")];
                let dir = Path::new(".");
                let mut root = Node::parse(base, Path::new("t"), dir).unwrap();
                root.set(&set[0]).unwrap();
                crate::config::read::settings(&root, dir, false)
            };
            if u.kind != Kind::Any {
                let e = with("-perhaps-").unwrap_err().to_string();
                assert!(e.starts_with(&path) && e.contains("-perhaps-"), "{path}: {e}");
            }
            let value = match u.kind {
                Kind::Flag if matches!(u.why, Why::Undone(_, &["yes"])) => "no",
                Kind::Flag => "yes",
                Kind::Number | Kind::Size => "5",
                Kind::Words(words) => words.last().unwrap(),
                Kind::Any => "word",
            };
            let s = with(value).unwrap();
            assert!(!s.ignored.iter().any(|i| path.starts_with(i.as_str())), "{path}: {:?}", s.ignored);
            let told = s.told.iter().any(|t| t.starts_with(&path));
            assert_eq!(told, matches!(u.why, Why::Undone(..)), "{path}: {:?}", s.told);
        }
    }
}
