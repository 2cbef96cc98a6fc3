//! The command from outside: what it says and how it ends when outputs, settings and arguments are wrong.

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::traffic;
use common::wire::{Packet, Wire, pcap};

/// A folder of its own for a test, with a capture in it.
struct Place(PathBuf);

impl Place {
    fn new(name: &str, packets: &[Packet]) -> Place {
        let dir = std::env::temp_dir().join(format!("tidegate-command-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let p = Place(dir);
        std::fs::write(p.at("in.pcap"), pcap(packets)).unwrap();
        p
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        std::fs::write(self.at(name), text).unwrap();
        self.at(name)
    }

    /// `tidegate run -r` on the capture.
    fn run(&self, args: &[&str]) -> Output {
        let (capture, out) = (self.at("in.pcap"), self.at("out"));
        tidegate(&[&["run", "-r", text(&capture), "-l", text(&out)], args].concat())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn text(p: &Path) -> &str {
    p.to_str().unwrap()
}

fn tidegate(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tidegate")).args(args).output().unwrap()
}

fn said(o: &Output) -> String {
    String::from_utf8_lossy(&o.stderr).into_owned()
}

#[test]
fn policies_and_intelligence_are_read_or_refused() {
    let mut w = Wire::new();
    for port in 0..5 {
        w.udp((1, 4000 + port), (3, 9000), b"x");
        w.udp((3, 9000), (1, 4000 + port), b"y");
    }
    let p = Place::new("policy", &w.frames);
    let allow = p.write(
        "a.yaml",
        "segments: {a: {addresses: 10.1.0.0/24}}\nallow:\n  - {name: all, from: a, to: a}\n",
    );
    let deny = p.write("d.yaml", "segments: {a: {addresses: 10.1.0.0/24}}\ndefault: deny\n");
    let wrong = p.write("w.yaml", "allow:\n  - {from: nowhere}\n");
    let o = p.run(&["--policy", text(&wrong)]);
    assert_eq!(o.status.code(), Some(1));
    assert!(said(&o).contains("w.yaml:2:12: there is no segment `nowhere`"), "{}", said(&o));
    let o = p.run(&["--policy", text(&p.at("none.yaml"))]);
    assert!(o.status.code() == Some(1) && said(&o).contains("none.yaml: "), "{}", said(&o));
    let list = p.write("list.json", "{\"type\": \"bundle\", ");
    let o = p.run(&["--intel", text(&list)]);
    assert!(o.status.code() == Some(1) && said(&o).contains("list.json:1:"), "{}", said(&o));
    // As settings, too.
    let settings = p.write(
        "c.yaml",
        "policy-file: d.yaml\nintel-files: [good.txt]\noutputs:\n  - eve-log: {types: [alert, stats]}\n",
    );
    p.write("good.txt", "10.1.0.3\n");
    let o = p.run(&["-c", text(&settings), "--strict", "--simulate-ips"]);
    assert!(o.status.success(), "{}", said(&o));
    let eve = std::fs::read_to_string(p.at("out/eve.json")).unwrap();
    let count = |s: &str| eve.matches(s).count();
    assert_eq!((count("\"event_type\":\"policy\""), count("\"where\":\"dest_ip\"")), (5, 5));
    assert!(eve.contains("\"policy\":{\"allowed\":0,\"changed\":0,\"dropped\":5,"), "{eve}");
    let settings =
        p.write("c.yaml", "policy-file: d.yaml\noutputs:\n  - eve-log: {types: [policy: {enabled: no}]}\n");
    assert!(p.run(&["-c", text(&settings), "--strict"]).status.success());
    assert!(!std::fs::read_to_string(p.at("out/eve.json")).unwrap().contains("policy"));
    let policy = |args: &[&str]| tidegate(&[&["policy"], args].concat());
    let shut = p.write("shut.yaml", "deny:\n  - {}\nallow:\n  - {app: dns}\n");
    let never = "shut.yaml:4:5: the line never decides: line 2 (deny) comes before it";
    for o in [policy(&["check", text(&shut)]), p.run(&["--policy", text(&shut)])] {
        assert!(o.status.success() && said(&o).contains(never), "{}", said(&o));
        assert!(said(&o).contains("shut.yaml:2:5: the line has no condition: it denies everything"));
    }
    let capture = p.at("in.pcap");
    let o = policy(&["diff", text(&allow), text(&deny), text(&capture)]);
    let out = String::from_utf8_lossy(&o.stdout).into_owned();
    assert_eq!(o.status.code(), Some(3), "{out}");
    assert!(
        out.contains("old  allow, by line 3 (all)\n  new  deny (drop), by default")
            && out.ends_with("5 of 5 decisions differ\n"),
        "{out}"
    );
    assert_eq!(policy(&["diff", text(&allow), text(&allow), text(&capture)]).status.code(), Some(0));
    p.write("a.cases.yaml", "- {flow: '10.1.0.1:1 10.1.0.2:2 tcp', expect: allow, line: all}\n- {flow: '10.1.0.1:1 10.2.0.2:2 tcp', expect: watch}\n");
    let o = policy(&["test", text(&allow)]);
    let out = String::from_utf8_lossy(&o.stdout).into_owned();
    assert_eq!(o.status.code(), Some(3));
    assert!(
        out.contains(
            "a.cases.yaml:2:3: 10.1.0.1:1 10.2.0.2:2 tcp: expected watch; it is deny (drop), by default"
        ) && out.ends_with("1 of 2 cases are as expected\n"),
        "{out}"
    );
    let o = policy(&["explain", text(&allow), "10.1.0.1 nonsense tcp"]);
    assert!(
        o.status.code() == Some(1)
            && said(&o).contains("`nonsense` is not an address with a port; expected SOURCE:PORT"),
        "{}",
        said(&o)
    );
    // What was learned allows what it was learned from.
    let learned = String::from_utf8(policy(&["learn", text(&capture)]).stdout).unwrap();
    let learned = p.write("l.yaml", &learned.replace("default: watch", "default: deny"));
    let o = policy(&["explain", text(&learned), text(&capture)]);
    assert!(String::from_utf8_lossy(&o.stdout).ends_with("5 decisions, 0 deny\n"), "{:?}", o);
}

#[cfg(target_os = "linux")]
#[test]
fn an_output_that_cannot_be_written_stops_the_run() {
    let p = Place::new("full", &traffic::everything().frames);
    let out = p.at("out");
    std::fs::create_dir_all(&out).unwrap();
    std::os::unix::fs::symlink("/dev/full", out.join("eve.json")).unwrap();
    let o = p.run(&[]);
    let e = said(&o);
    assert_eq!(o.status.code(), Some(1), "{e}");
    assert!(e.contains("eve.json: No space left on device"), "{e}");
    assert!(e.contains("events cannot be written; stopped after "), "{e}");
    // A folder where the file should be.
    std::fs::remove_file(out.join("eve.json")).unwrap();
    std::fs::create_dir(out.join("eve.json")).unwrap();
    let o = p.run(&[]);
    assert_eq!(o.status.code(), Some(1));
    assert!(said(&o).contains("eve.json: Is a directory"), "{}", said(&o));
}

/// A DNS answer of 37 KB over TCP whose names are long and point to each other, as `hostile/` describes.
fn long_answer() -> Vec<u8> {
    let mut m = vec![0, 7, 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0];
    for _ in 0..3 {
        m.push(63);
        m.extend([1; 63]);
    }
    m.extend([7, b'e', b'x', b'a', b'm', b'p', b'l', b'e', 0, 0, 16, 0, 1]);
    let count = 2200u16;
    m[6..8].copy_from_slice(&count.to_be_bytes());
    for _ in 0..count {
        m.extend([0xc0, 0x0c, 0, 16, 0, 1, 0, 0, 0, 60, 0, 5, 4, 1, 1, 1, 1]);
    }
    [&(m.len() as u16).to_be_bytes()[..], &m].concat()
}

#[test]
fn an_alert_on_a_record_of_thousands_of_values_is_there_and_bounded() {
    let mut w = Wire::new();
    let question = traffic::dns(7, "a.example", 16, None);
    let question = [&(question.len() as u16).to_be_bytes()[..], &question].concat();
    w.talk((1, 40_000), (2, 53), &[(0, &question), (1, &long_answer())]);
    let p = Place::new("long", &w.frames);
    let rules = p.write(
        "r.rules",
        "alert dns any any -> any any (msg:\"long\"; flow:to_client; dns.response.rrname; content:\"example\"; sid:1;)\n",
    );
    let o = p.run(&["-S", text(&rules)]);
    assert!(o.status.success(), "{}", said(&o));
    let eve = std::fs::read_to_string(p.at("out/eve.json")).unwrap();
    let alert = eve.lines().find(|l| l.contains(r#""event_type":"alert""#)).expect("the alert");
    assert!(alert.contains(r#""truncated_record":true"#), "{}", &alert[alert.len() - 300..]);
    assert!(eve.lines().all(|l| l.len() < 256 << 10 && l.starts_with('{') && l.ends_with('}')));
}

/// After a panic at any station nothing more is read, what was told is written, and the exit code says so.
#[test]
fn a_fault_ends_the_run_with_what_was_told_until_then() {
    let p = Place::new("fault", &traffic::everything().frames);
    let rules = p.write("r.rules", "alert tcp any any -> any any (msg:\"x\"; content:\"x\"; sid:1;)\n");
    for at in tidegate_core::fault::Station::ALL {
        let o = p.run(&["-S", text(&rules), "--batch", "32", "--fail-at", at.name()]);
        let e = said(&o);
        assert_eq!(o.status.code(), Some(1), "{e}");
        assert!(e.contains("in.pcap: the engine failed after "), "{e}");
        assert!(e.contains("what was told until then is written; nothing more is read"), "{e}");
        let eve = std::fs::read_to_string(p.at("out/eve.json")).unwrap();
        assert!(eve.lines().all(|l| l.starts_with('{') && l.ends_with('}')));
    }
}

#[test]
fn memory_that_the_machine_has_not_is_an_error() {
    let p = Place::new("memory", &[]);
    let o = p.run(&["--memory", "99999gb"]);
    assert_eq!(o.status.code(), Some(1));
    assert!(said(&o).contains("--memory 99999gb: this machine has"), "{}", said(&o));
}

const YAML: &str = "%YAML 1.1
---
sensor-name: deck-7
totally: {unknown: 1}
decoder: {vntag: {enabled: yes}}
flow: {memcap: 1gb, memcap-policy: drop-packet}
livedev: {use-for-tracking: yes}
threshold-file: limits.config
outputs:
  - eve-log: {enabled: yes, types: [flow, alert, nfs, {frobnicate: {a: 1}}]}
  - stats: {enabled: yes, filename: stats.log}
  - pcap-log: {enabled: no}
  - file-store: {enabled: yes, dir: x}
";

/// What has no effect is told, each with the reason, and is an error with `--strict`.
#[test]
fn settings_without_effect_are_told() {
    let p = Place::new("told", &traffic::everything().frames);
    let yaml = p.write("c.yaml", YAML);
    p.write(
        "limits.config",
        "suppress gen_id 1, sig_id 1\nevent_filter gen_id 1, sig_id 2, type sometimes\n",
    );
    let rules = p.write("r.rules", "alert tcp any any -> any any (msg:\"x\"; content:\"x\"; sid:1;)\n");
    let o = p.run(&["-c", text(&yaml), "-S", text(&rules)]);
    let e = said(&o);
    assert!(o.status.success(), "{e}");
    for told in [
        &format!("ignored setting: totally ({}:4:1: not a setting here)", yaml.display()),
        "c.yaml:5:28: VN-Tags are not decoded)",
        "memory is what `--memory` says, in shares of its own)",
        "ignored setting: outputs.0.eve-log.types: frobnicate (",
        "no such events here)",
        "ignored setting: outputs.1.stats (",
        "counters are in eve.json, with `stats` among its types)",
        "limits.config:2:",
    ] {
        assert!(e.contains(told), "{told}\n---\n{e}");
    }
    for silent in ["pcap-log", "livedev", "sensor-name"] {
        assert!(!e.contains(silent), "{silent}\n---\n{e}");
    }
    let eve = std::fs::read_to_string(p.at("out/eve.json")).unwrap();
    assert!(eve.lines().all(|l| l.ends_with(r#","host":"deck-7"}"#)), "{}", &eve[..400]);
    let o = p.run(&["-c", text(&yaml), "-S", text(&rules), "--strict"]);
    assert_eq!(o.status.code(), Some(1));
    assert!(said(&o).contains("settings have no effect, and --strict is given: totally"), "{}", said(&o));
    // A limit beyond the share of `--memory`.
    let much = ["--set", "defrag.memcap=1gb"];
    let told = "defrag.memcap (1073741824 bytes are more than the ";
    let o = p.run(&much);
    assert!(o.status.success() && said(&o).contains(told), "{}", said(&o));
    let o = p.run(&[&much[..], &["--strict"]].concat());
    assert!(o.status.code() == Some(1) && said(&o).contains(told), "{}", said(&o));
    assert!(!said(&p.run(&["--set", "defrag.memcap=1mb"])).contains("defrag.memcap"));
    // Values beyond what is done are named, whatever the setting.
    for (set, told) in [
        ("decoder.max-layers=300", "decoder.max-layers (300 is more than 255, which holds)"),
        (
            "app-layer.protocols.mqtt.max-msg-length=2mb",
            "app-layer.protocols.mqtt.max-msg-length (2097152 is more than 1048576, which holds)",
        ),
        (
            "app-layer.protocols.imap.max-tx=5000",
            "app-layer.protocols.imap.max-tx (5000 is more than 1024, which holds)",
        ),
        (
            "app-layer.protocols.http.libhtp.default-config.lzma-memlimit=32mb",
            "lzma-memlimit (33554432 bytes are more than the ",
        ),
    ] {
        let o = p.run(&["--set", set]);
        assert!(o.status.success() && said(&o).contains(told), "{set}: {}", said(&o));
        let o = p.run(&["--set", set, "--strict"]);
        assert!(o.status.code() == Some(1) && said(&o).contains(told), "{set}: {}", said(&o));
    }
    // The built-in configuration means all that it says.
    assert!(p.run(&["--strict"]).status.success());
    let only_limits = p.write("d.yaml", "threshold-file: limits.config\n");
    let o = p.run(&["-c", text(&only_limits), "-S", text(&rules), "--strict"]);
    assert!(o.status.code() == Some(1) && said(&o).contains("limits.config:"), "{}", said(&o));
}

#[test]
fn wrong_values_name_their_setting_and_what_is_valid() {
    let p = Place::new("wrong", &[]);
    for (set, what) in [
        ("stream.midstream=perhaps", "stream.midstream: `perhaps` is neither yes nor no"),
        ("flow.hash-size=-5", "flow.hash-size: `-5` is not a number in range"),
        ("vars.address-groups.HOME_NET=[10.0.0.0/99]", "vars.address-groups.HOME_NET: "),
        ("outputs.1.eve-log.filetype=redis", "outputs.1.eve-log.filetype: `redis` is not supported"),
    ] {
        let o = p.run(&["--set", set]);
        assert_eq!(o.status.code(), Some(1), "{set}");
        assert!(said(&o).contains(what), "{}", said(&o));
    }
    let yaml = p.write("c.yaml", "stream:\n  reassembly:\n    depth: lots\n");
    let o = p.run(&["-c", text(&yaml)]);
    assert!(said(&o).contains("c.yaml:3:12: stream.reassembly.depth: `lots` is not a size"), "{}", said(&o));
}

/// `-T` and `rules check` say whether all that is given would be used; a run goes on without a refused rule, as Suricata does.
#[test]
fn a_test_is_not_right_when_something_would_be_done_without() {
    let p = Place::new("test", &traffic::everything().frames);
    let good = p.write("good.rules", "alert tcp any any -> any any (msg:\"x\"; content:\"x\"; sid:1;)\n");
    let mixed = p.write(
        "mixed.rules",
        "alert tcp any any -> any any (msg:\"x\"; content:\"x\"; sid:1;)\nalert tcp any any -> any any (nonsense; sid:2;)\n",
    );
    p.write("limits.config", "suppress gen_id 1, sig_id 1\nsuppress gen_id one\n");
    p.write("categories.txt", "1,bad,things\n");
    p.write("list.txt", "10.0.0.1,1,5\n10.0.0.2,bad\n");
    let file = p.write("file", "");
    let out = p.at("new/out");
    let test = |args: &[&str]| {
        let folder = if args.contains(&"-l") { &[][..] } else { &["-l", text(&out)] };
        tidegate(&[&["run", "-T", "-S", text(&good)], folder, args].concat())
    };
    let o = test(&[]);
    assert!(o.status.success(), "{}", said(&o));
    assert!(!p.at("new").exists(), "a test leaves nothing behind");
    let set = |name: &str, value: &Path| format!("{name}={}", value.display());
    let (limits, gone) =
        (set("threshold-file", &p.at("limits.config")), set("threshold-file", &p.at("gone")));
    let (categories, list) = (
        set("reputation-categories-file", &p.at("categories.txt")),
        set("reputation-files.0", &p.at("list.txt")),
    );
    let blocks = set("block-lists.0", &p.at("gone.txt"));
    let files = set("rule-files.0", &p.at("gone.rules"));
    for (args, what) in [
        (&["--set", &limits][..], "limits.config:2:"),
        (&["--set", &gone], "gone: No such file"),
        (&["--set", &categories, "--set", &list], "list.txt:2: expected address,category,score"),
        (&["--set", &blocks], "gone.txt: No such file"),
        (&["--block-list", "/nosuch/list"], "/nosuch/list: No such file"),
        (&["--response", "/nosuch/response"], "/nosuch/response: No such file"),
        (&["--policy", "/nosuch/policy"], "/nosuch/policy: No such file"),
        (&["-r", text(&p.at("in.pcap")), "--tls-keys", "/nosuch/keys"], "/nosuch/keys: No such file"),
        (&["-l", text(&file)], "file: File exists"),
        (&["-l", "/proc/nosuch"], "/proc/nosuch: No such file"),
        (&["-S", text(&mixed)], "2 of 3 rules were refused"),
    ] {
        let o = test(args);
        assert_eq!(o.status.code(), Some(1), "{args:?}: {}", said(&o));
        assert!(said(&o).contains(what), "{args:?}: {}", said(&o));
        assert!(!String::from_utf8_lossy(&o.stdout).contains("right"), "{args:?}");
    }
    assert!(!p.at("new").exists(), "a test leaves nothing behind");
    let o = tidegate(&["run", "-T", "--set", &files, "-l", text(&out)]);
    assert!(o.status.code() == Some(1) && said(&o).contains("gone.rules: no such rule file"), "{}", said(&o));
    for (args, code) in [
        (&["rules", "check", text(&good)][..], 0),
        (&["rules", "check", text(&mixed)], 3),
        (&["rules", "check", text(&good), "--set", &limits], 3),
        (&["rules", "check", "/nosuch"], 1),
    ] {
        assert_eq!(tidegate(args).status.code(), Some(code), "{args:?}");
    }
    let o = p.run(&["-S", text(&mixed)]);
    assert!(o.status.success() && said(&o).contains("refused: "), "{}", said(&o));
}

/// What would end the run with 1 does so with `-T`, as far as it can be seen without doing it.
#[cfg(target_os = "linux")]
#[test]
fn a_test_says_whether_a_run_could_begin() {
    let p = Place::new("ready", &traffic::everything().frames);
    let capture = p.at("in.pcap");
    let capture = text(&capture);
    let junk = p.write("junk", "this is nothing of the kind\n");
    let junk = text(&junk);
    let list = p.write("list.txt", "10.1.0.3\n");
    let list = text(&list);
    let pod = "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"a\"},\"status\":{\"podIP\":\"10.1.0.3\"}}\n";
    let pods = p.write("pods.json", pod);
    let pods = text(&pods);
    std::fs::create_dir_all(p.at("empty")).unwrap();
    let (out, empty) = (p.at("out"), p.at("empty"));
    let test = |args: &[&str]| tidegate(&[&["run", "-T", "-l", text(&out)], args].concat());
    let before = || {
        let mut names: Vec<_> = std::fs::read_dir(&p.0).unwrap().map(|f| f.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let there = before();
    let (pid, log) = (p.at("x.pid"), "logging.outputs.0.file.filename=/proc/nosuch/x.json");
    for args in [
        &["-r", capture][..],
        &["-r", text(&p.0)],
        &["-r", "-"],
        &["-i", "lo"],
        &["-i", "lo", "--user", "root", "--control", text(&p.at("c.sock")), "--context", pods],
        &["-i", "lo", "--tls-keys", "/nosuch/keys"],
        &["-r", capture, "--pidfile", text(&pid), "--context", pods],
        &["-r", capture, "--intel", list],
    ] {
        let o = test(args);
        assert!(o.status.success(), "{args:?}: {}", said(&o));
    }
    for (args, what) in [
        (&["-r", "/nosuch/x.pcap"][..], "/nosuch/x.pcap: No such file"),
        (&["-r", junk], "junk: "),
        (&["-r", text(&empty)], "an empty folder"),
        (&["-r", capture, "--pcap-file-recursive"], "is no folder"),
        (&["-r", capture, "--tls-keys", junk], "a key log without a secret; "),
        (&["-i", "lo", "--tls-keys", junk], "junk:1: "),
        (&["--tls-keys", junk], "junk:1: "),
        (&["-r", capture, "--context", list], "no context comes of it"),
        (&["-r", capture, "--context", "/nosuch/log"], "/nosuch/log: No such file"),
        (&["-r", capture, "--context", "unix:/x"], "a socket is for live traffic"),
        (&["-i", "lo", "--context", "unix:/nosuch/x"], "No such file"),
        (&["-r", capture, "--set", "context.files.0=/nosuch/log"], "/nosuch/log: No such file"),
        (&["-r", capture, "--memory", "1kb"], "--memory: "),
        (&["-r", capture, "--pidfile", "/nosuch/pid"], "--pidfile: /nosuch/pid: No such file"),
        (&["-r", capture, "--pidfile", text(&empty)], "it is a folder"),
        (&["-r", capture, "--intel", junk], "junk: no value in it can be used"),
        (&["-r", capture, "--set", "outputs.1.eve-log.filename=/proc/nosuch/e.json"], "/proc/nosuch: "),
        (&["-r", capture, "--set", "logging.outputs.0.file.type=json", "--set", log], "/proc/nosuch: "),
        (&["-i", "nosuch0"], "nosuch0: no such interface"),
        (&["--inline", "lo:nosuch0"], "nosuch0: no such interface"),
        (&["--inline", "lo"], "two interfaces are expected"),
        (&["-i", "lo", "--user", "no-such-user"], "--user no-such-user: no such user"),
        (&["-i", "lo", "--control", "/nosuch/c.sock"], "--control: /nosuch/c.sock: No such file"),
        (&["-i", "lo", "--control", junk], "there is something else than a socket"),
    ] {
        let o = test(args);
        assert_eq!(o.status.code(), Some(1), "{args:?}: {}", said(&o));
        assert!(said(&o).contains(what), "{args:?}: {}", said(&o));
        assert!(!String::from_utf8_lossy(&o.stdout).contains("right"), "{args:?}");
    }
    assert_eq!(before(), there, "a test leaves nothing behind");
    // What a running sensor has is in nobody's way.
    p.write("x.pid", "1\n");
    let o = test(&["-r", capture, "--pidfile", text(&pid)]);
    assert!(o.status.success() && std::fs::read_to_string(&pid).unwrap() == "1\n", "{}", said(&o));
}

/// Datasets of the configuration are there for rules that name them alone.
#[test]
fn datasets_of_the_configuration_are_used() {
    let p = Place::new("datasets", &traffic::everything().frames);
    // base64 of "/secret".
    p.write("uris.lst", "L3NlY3JldA==\n");
    let yaml = p.write("c.yaml", "datasets:\n  uris: {type: string, load: uris.lst}\n");
    let rules = p.write(
        "r.rules",
        "alert http any any -> any any (msg:\"x\"; http.uri; dataset:isnotset,uris; sid:1;)\n",
    );
    let o = p.run(&["-c", text(&yaml), "-S", text(&rules), "--strict", "--init-errors-fatal"]);
    assert!(o.status.success(), "{}", said(&o));
    let yaml = p.write("d.yaml", "datasets:\n  uris: {type: names, load: uris.lst}\n");
    let o = p.run(&["-c", text(&yaml)]);
    assert!(
        said(&o).contains("d.yaml:2:16: datasets.uris.type: `names` is none of string, md5"),
        "{}",
        said(&o)
    );
    let yaml = p.write("e.yaml", "datasets:\n  uris: {type: string, load: gone.lst}\n");
    let o = p.run(&["-c", text(&yaml)]);
    assert!(said(&o).contains("datasets.uris: gone.lst: No such file"), "{}", said(&o));
}

/// Files that a rule wants are on disk under their hash, with a record; others are not, and nothing unfinished is left.
#[test]
fn files_are_stored_where_rules_ask() {
    let p = Place::new("store", &traffic::everything().frames);
    let rules =
        p.write("r.rules", "alert http any any -> any any (msg:\"x\"; filesize:>20; filestore; sid:1;)\n");
    let yaml = |extra: &str| {
        let name = format!("{}.yaml", extra.len());
        p.write(
            &name,
            &format!(
                "outputs:\n  - eve-log: {{enabled: yes, types: [files]}}\n  - file-store: {{enabled: yes, version: 2, \
                 write-fileinfo: yes{extra}}}\n"
            ),
        )
    };
    let mut counts = [0; 2];
    for (i, extra) in ["", ", force-filestore: yes"].into_iter().enumerate() {
        let o = p.run(&["-c", text(&yaml(extra)), "-S", text(&rules)]);
        assert!(o.status.success(), "{}", said(&o));
        let eve = std::fs::read_to_string(p.at("out/eve.json")).unwrap();
        for line in eve.lines().filter(|l| l.contains("\"stored\":true")) {
            let hash = line.split("\"sha256\":\"").nth(1).map(|t| &t[..64]);
            let Some(hash) = hash else { continue };
            let path = p.at(&format!("out/filestore/{}/{hash}", &hash[..2]));
            let bytes = std::fs::read(&path).unwrap();
            assert!(line.contains(&format!("\"size\":{}", bytes.len())), "{line}");
            let beside = std::fs::read_dir(path.parent().unwrap()).unwrap().flatten();
            let records = beside.filter(|e| e.file_name().to_string_lossy().ends_with(".json")).count();
            assert!(records > 0);
            counts[i] += 1;
        }
        assert!(eve.contains("\"stored\":false") || i == 1, "{eve}");
        assert!(!p.at("out/filestore/tmp").exists());
        std::fs::remove_dir_all(p.at("out")).unwrap();
    }
    assert!(counts[0] > 0 && counts[1] > counts[0], "{counts:?}");
    // One that cannot be placed is not stored, whatever rules ask for, and no event says so.
    std::fs::create_dir_all(p.at("out/filestore")).unwrap();
    (0..256).for_each(|n| std::fs::write(p.at(&format!("out/filestore/{n:02x}")), "").unwrap());
    let yaml = p.write(
        "full.yaml",
        "outputs:\n  - eve-log: {types: [files, stats]}\n  - file-store: {enabled: yes, force-filestore: yes}\n",
    );
    let o = p.run(&["-c", text(&yaml)]);
    assert_eq!(o.status.code(), Some(1), "{}", said(&o));
    let eve = std::fs::read_to_string(p.at("out/eve.json")).unwrap();
    assert!(eve.contains("\"stored\":false") && !eve.contains("\"stored\":true"), "{eve}");
    assert!(!eve.contains("\"file_id\"") && !eve.contains("\"storing\""), "{eve}");
    assert!(!eve.contains("\"fs_errors\":0") && eve.contains("\"open_files\":0,\"stored\":0}"), "{eve}");
}

/// A message of ARP has a record if it is asked for; a frame that a rule matched in is shown.
#[test]
fn arp_and_frames_are_shown() {
    let mut w = Wire::new();
    let sip = b"OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/UDP here\r\nContent-Length: 0\r\n\r\n";
    w.udp((7, 5060), (8, 5060), sip);
    let mut arp = vec![0xff; 6];
    arp.extend([2, 0, 0, 0, 0, 1, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1]);
    arp.extend([0, 0, 0, 0, 0, 0, 10, 0, 0, 2]);
    w.frames.push(Packet { data: arp, ts: w.frames[0].ts + 1 });
    let p = Place::new("frames", &w.frames);
    let rules = p.write(
        "r.rules",
        "alert sip any any -> any any (msg:\"f\"; frame:request.headers; content:\"Via\"; startswith; sid:1;)\n",
    );
    let yaml = p.write("c.yaml", "outputs:\n  - eve-log: {enabled: yes, types: [arp, alert, frame]}\n");
    let o = p.run(&["-c", text(&yaml), "-S", text(&rules), "-k", "none"]);
    assert!(o.status.success(), "{}", said(&o));
    let eve = std::fs::read_to_string(p.at("out/eve.json")).unwrap();
    for wanted in [
        r#""arp":{"hw_type":"ethernet","proto_type":"ipv4","opcode":"request","src_mac":"02:00:00:00:00:01","src_ip":"10.0.0.1","dest_mac":"00:00:00:00:00:00","dest_ip":"10.0.0.2"}"#,
        r#""frame":{"type":"request.headers","id":3,"direction":"toserver","stream_offset":23,"length":42,"complete":true,"payload":"VmlhOiBTSVAvMi4wL1VEUCBoZXJlDQpDb250ZW50LUxlbmd0aDogMA0K"#,
        r#""event_type":"frame""#,
        r#""type":"pdu","id":1,"direction":"toserver","stream_offset":0,"length":67,"complete":true"#,
    ] {
        assert!(eve.contains(wanted), "{wanted}\n---\n{eve}");
    }
}

/// Alerts beyond the most that a packet may have are not told, but a rule among them drops; of a dropped flow each direction
/// is told once, the packet that the rule dropped included.
#[test]
fn a_rule_beyond_the_most_alerts_drops() {
    let mut w = Wire::new();
    w.talk(
        (7, 40_000),
        (8, 80),
        &[(0, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"), (1, b"HTTP/1.1 204 -\r\n\r\n")],
    );
    let p = Place::new("most", &w.frames);
    let rules = p.write(
        "r.rules",
        "alert http any any -> any any (http.method; content:\"GET\"; sid:1;)\n\
         drop http any any -> any any (http.uri; content:\"/\"; sid:2;)\n",
    );
    let yaml = p.write(
        "c.yaml",
        "packet-alert-max: 1\naction-order: [alert, drop, pass, reject]\n\
         outputs:\n  - eve-log: {enabled: yes, types: [alert, drop]}\n",
    );
    let o = p.run(&["-c", text(&yaml), "-S", text(&rules), "-k", "none", "--simulate-ips"]);
    assert!(o.status.success(), "{}", said(&o));
    let eve = std::fs::read_to_string(p.at("out/eve.json")).unwrap();
    let of = |what: &str| eve.lines().filter(|l| l.contains(what)).count();
    assert_eq!((of("\"event_type\":\"alert\""), of("\"event_type\":\"drop\"")), (1, 2), "{eve}");
    assert_eq!((of("\"reason\":\"rules\""), of("\"reason\":\"flow drop\"")), (1, 1), "{eve}");
}

/// Parts of rules that do nothing are named by the command and by `rules check`; rules that could never match are refused.
#[test]
fn parts_of_rules_without_effect_are_named() {
    let p = Place::new("parts", &[]);
    let rules = p.write(
        "r.rules",
        r#"alert http any any -> any any (msg:"1"; http.uri; content:"a"; filestore; sid:1;)
alert http any any -> any any (msg:"2"; http.uri; content:"b"; filestore; sid:2;)
alert tcp any any -> any any (msg:"3"; content:"a"; tag:host,10,packets,src; sid:3;)
alert tcp any any -> any any (msg:"4"; content:"a"; replace:"b"; sid:4;)
alert tcp any any -> any any (msg:"5"; content:"a"; pcre:"/a(b)/, flow:name"; sid:5;)
alert tcp any any -> any any (msg:"6"; flowvar:other,x; sid:6;)
alert tcp any any -> any any (msg:"7"; byte_test:2,>,1,0,dce; sid:7;)
alert doh2 any any -> any any (msg:"8"; sid:8;)
alert http any any -> any any (msg:"9"; app-layer-event:http.parser_state_error; sid:9;)
alert ip any any -> any any (msg:"10"; decode-event:ipv4.opt_unknown; sid:10;)
alert tcp any any -> any any (msg:"11"; stream-event:wrong_thread; sid:11;)
alert http any any -> any any (msg:"12"; config:logging disable, type tx, scope tx; sid:12;)
alert tcp any any -> any any (msg:"13"; tag:session,10,packets; content:"a"; sid:13;)
alert tcp any any -> any any (msg:"14"; content:"a"; flowbits:isset,there|gone; sid:14;)
alert tcp any any -> any any (msg:"15"; content:"a"; flowbits:isset,gone; sid:15;)
alert tcp any any -> any any (msg:"16"; content:"a"; flowbits:set,there; flowbits:isnotset,gone; sid:16;)
"#,
    );
    let o = p.run(&["-S", text(&rules)]);
    let e = said(&o);
    for told in [
        "2 rules: filestore: files are not stored (file-store is off); the rule alerts",
        "1 rule: replace: payloads are changed inline only (--inline); the rule alerts",
        "1 rule: flowbits: no rule sets the bit that it tests, so it never matches",
        "1 rule: flowvar, pktvar: no rule captures the variable that it tests, so it never matches",
        "3 rules: event is not supported yet: nothing raises this event",
    ] {
        assert!(e.contains(told), "{told}\n---\n{e}");
    }
    assert!(!e.contains("sid 13") && !e.contains("sid 12:"), "{e}");
    // `-q` leaves out the summary: what is wrong is told all the same.
    let odd = p.write("odd.yaml", "no-such: 1\nblock-lists: [none]\noutputs: [eve-log: {enabled: yes}]\n");
    let refused = p.write("no.rules", "alert ip any any -> any any (nonsense; sid:17;)\n");
    for quiet in [&["-q"][..], &[]] {
        let more = ["-c", text(&odd), "-S", text(&rules), "-s", text(&refused)];
        let o = p.run(&[&more[..], quiet].concat());
        assert_eq!(o.stdout.is_empty(), !quiet.is_empty());
        let e = said(&o);
        for told in [
            "odd.yaml:1:1: not a setting here)",
            "block-lists: they hold back live traffic",
            "no.rules:1:",
            "1 rule: replace:",
        ] {
            assert!(e.contains(told), "{quiet:?}: {told}\n---\n{e}");
        }
    }
    let o = tidegate(&["rules", "check", text(&rules)]);
    let t = String::from_utf8_lossy(&o.stdout);
    assert!(t.contains("loaded        16 of 16 rules"), "{t}");
    assert!(
        t.contains("loaded, with parts that have no effect\n       3  event is not supported yet"),
        "{t}"
    );
}

/// Sets with `state` and `save` are written at the end, whole or not at all, where they may be, and read again.
#[test]
fn datasets_are_saved_and_read_again() {
    let p = Place::new("saved", &traffic::everything().frames);
    let data = p.at("data");
    std::fs::create_dir_all(&data).unwrap();
    let rule = |file: &str| {
        format!(
            "alert http any any -> any any (msg:\"s\"; http.host; dataset:set,hosts,type string,state {file}; sid:1;)\n\
             alert ip any any -> any any (msg:\"i\"; ip.src; dataset:set,seen,type ip,save ips.lst; sid:2;)\n"
        )
    };
    let rules = p.write("r.rules", &rule("hosts.lst"));
    let run = |more: &[&str]| p.run(&[&["-S", text(&rules), "--data-dir", text(&data)], more].concat());
    let alerts = |o: &Output| String::from_utf8_lossy(&o.stdout).lines().any(|l| l.contains(" 1          s"));
    let o = run(&[]);
    assert!(o.status.success() && alerts(&o), "{}{}", said(&o), String::from_utf8_lossy(&o.stdout));
    let hosts = std::fs::read_to_string(data.join("hosts.lst")).unwrap();
    assert!(!hosts.is_empty() && hosts.lines().all(|l| l.len() % 4 == 0), "{hosts}");
    let ips = std::fs::read_to_string(data.join("ips.lst")).unwrap();
    assert!(ips.lines().any(|l| l.parse::<std::net::Ipv4Addr>().is_ok()), "{ips}");
    assert_eq!(std::fs::read_dir(&data).unwrap().count(), 2, "no new files are left over");
    // What is known is not new.
    let o = run(&[]);
    assert!(o.status.success() && !alerts(&o), "{}", String::from_utf8_lossy(&o.stdout));
    assert_eq!(std::fs::read_to_string(data.join("hosts.lst")).unwrap(), hosts);
    let o = run(&["--set", "datasets.rules.allow-write=no"]);
    assert!(said(&o).contains("sid 1: dataset: rules may not save datasets"), "{}", said(&o));
    p.write("r.rules", &rule("/tmp/elsewhere.lst"));
    assert!(said(&run(&[])).contains("only files of the data folder are written"));
    p.write("r.rules", &rule("../elsewhere.lst"));
    assert!(said(&run(&[])).contains("only files of the data folder are written"));
    // A folder that is gone is an error.
    p.write("r.rules", &rule("gone/hosts.lst"));
    let o = run(&[]);
    assert!(o.status.code() == Some(1) && said(&o).contains("the dataset is not saved"), "{}", said(&o));
}

/// Rules that are missing are not a run without rules.
#[test]
fn missing_rules_are_told() {
    let p = Place::new("missing", &[]);
    let yaml = p.write("y.yaml", "rule-files: [nope.rules]\n");
    assert!(p.run(&["-c", text(&yaml)]).status.success());
    for option in ["--strict", "--init-errors-fatal"] {
        let o = p.run(&["-c", text(&yaml), option]);
        assert!(!o.status.success() && said(&o).contains("nope.rules: no such rule file"), "{}", said(&o));
    }
    let folder = p.at("folder");
    std::fs::create_dir(&folder).expect("a folder");
    let o = p.run(&["-S", text(&folder)]);
    assert!(!o.status.success() && said(&o).contains("no *.rules file"), "{}", said(&o));
    std::os::unix::fs::symlink("gone", folder.join("x.rules")).expect("a link");
    let o = p.run(&["-S", text(&folder)]);
    assert!(!o.status.success() && said(&o).contains("x.rules"), "{}", said(&o));
}

/// A capture that cannot be read to its end, or not at all, ends with a message and a code of its own; what was
/// readable is in the output.
#[test]
fn input_that_is_not_all_read_is_told() {
    let frames = traffic::everything().frames;
    let p = Place::new("partly", &frames);
    let rules = p.write("r.rules", "alert ip any any -> any any (msg:\"x\"; sid:1;)\n");
    let whole = pcap(&frames);
    let run = |source: &Path| {
        let out = p.at("o");
        let _ = std::fs::remove_dir_all(&out);
        let o = tidegate(&["run", "-q", "-r", text(source), "-S", text(&rules), "-l", text(&out)]);
        (o.status.code(), said(&o), std::fs::read_to_string(out.join("eve.json")).unwrap_or_default())
    };
    let (code, e, all) = run(&p.at("in.pcap"));
    assert_eq!((code, e.as_str()), (Some(0), ""));

    // Cut off in the last packet: everything but that is there.
    let cut = p.at("cut.pcap");
    std::fs::write(&cut, &whole[..whole.len() - 1]).expect("a file");
    let (code, e, eve) = run(&cut);
    let last = frames.last().expect("frames").data.len();
    let (at, n, needs) = (whole.len() - last - 16, frames.len(), last + 16);
    let told = format!(
        "cut.pcap: truncated at byte {at}, in the record of packet {n}: it needs {needs} bytes, {} are there",
        needs - 1
    );
    assert!(code == Some(3) && e.contains(&told), "{e}");
    assert!(eve.lines().count() > all.lines().count() / 2);

    // Damaged in the second.
    let mut bad = whole.clone();
    let second = 24 + 16 + frames[0].data.len();
    bad[second + 8..second + 12].copy_from_slice(&[0xff; 4]);
    let damaged = p.at("damaged.pcap");
    std::fs::write(&damaged, &bad).expect("a file");
    let (code, e, _) = run(&damaged);
    let told = format!("damaged.pcap: damaged at byte {second}, in the record of packet 2: ");
    assert!(code == Some(3) && e.contains(&told), "{e}");

    // Not even a header: nothing was read.
    let short = p.at("short.pcap");
    std::fs::write(&short, &whole[..20]).expect("a file");
    let (code, e, _) = run(&short);
    let told = "short.pcap: truncated at byte 0, in the file header: it needs 24 bytes, 20 are there";
    assert!(code == Some(1) && e.contains(told), "{e}");

    // An unknown link type: told once by number and name, counted; nothing of the capture was looked into.
    let mut other = whole.clone();
    other[20..24].copy_from_slice(&147u32.to_le_bytes());
    let link = p.at("link.pcap");
    std::fs::write(&link, &other).expect("a file");
    let (code, e, eve) = run(&link);
    assert!(
        code == Some(1) && e.contains("link.pcap: packet 1 has link type 147 (USER), which is not"),
        "{e}"
    );
    assert!(e.contains("link.pcap: none of its ") && e.contains(" packets could be decoded"), "{e}");
    assert_eq!(e.matches("has link type").count(), 1);
    assert!(eve.contains(&format!("\"unknown_link\":{n}")), "{eve}");

    // A folder: what can be read is, and the rest is named.
    let folder = p.at("folder");
    std::fs::create_dir(&folder).expect("a folder");
    let (code, e, _) = run(&folder);
    assert!(
        code == Some(1) && e.contains("folder: an empty folder; captures (pcap, pcapng) are expected"),
        "{e}"
    );
    std::fs::write(folder.join("a.txt"), "words").expect("a file");
    std::fs::copy(p.at("in.pcap"), folder.join("b.pcap")).expect("a copy");
    std::os::unix::fs::symlink("gone", folder.join("c.pcap")).expect("a link");
    let (code, e, eve) = run(&folder);
    assert_eq!(code, Some(3), "{e}");
    for told in
        ["a.txt: not a pcap or pcapng capture", "c.pcap: No such file", "2 of 3 captures could not be read"]
    {
        assert!(e.contains(told), "{told}\n---\n{e}");
    }
    assert_eq!(
        eve.matches("\"event_type\":\"alert\"").count(),
        all.matches("\"event_type\":\"alert\"").count()
    );

    // All rules refused; one of them is no such case.
    let broken = p.write("none.rules", "alert ip any any -> any any (nonsense; sid:1;)\n");
    let o = p.run(&["-S", text(&broken)]);
    assert!(o.status.code() == Some(3) && said(&o).contains("all 1 rules were refused"), "{}", said(&o));
    let o = p.run(&["-S", text(&broken), "-s", text(&rules)]);
    assert_eq!(o.status.code(), Some(0));
}

/// Options of live traffic mean nothing for captures, and are refused.
#[test]
fn options_of_live_traffic_are_refused_with_captures() {
    let p = Place::new("options", &[]);
    let o = p.run(&["--workers", "4"]);
    assert_eq!(o.status.code(), Some(2));
    assert_eq!(said(&o), "tidegate: --workers works on live traffic (-i, --inline, --dpdk) only\n");
}

/// Values that a full dataset did not take are in the statistics.
#[test]
fn what_a_full_dataset_refuses_is_counted() {
    let mut w = Wire::new();
    for n in 0..20u16 {
        let get = format!("GET /{n} HTTP/1.1\r\nHost: h\r\n\r\n");
        w.talk(
            (1, 3000 + n),
            (2, 80),
            &[(0, get.as_bytes()), (1, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")],
        );
    }
    let p = Place::new("full-set", &w.frames);
    let rules = p.write(
        "r.rules",
        "alert http any any -> any any (msg:\"x\"; http.uri; dataset:set,seen,type string,memcap 720,hashsize 1; sid:1;)\n",
    );
    let o = p.run(&["-S", text(&rules)]);
    assert!(o.status.success(), "{}", said(&o));
    let eve = std::fs::read_to_string(p.at("out/eve.json")).unwrap();
    assert!(eve.contains("\"datasets\":{\"refused\":14}"), "{eve}");
}

/// Of a web page fetched, what one of the ends sent.
fn one_side(host: u8) -> Vec<Packet> {
    let mut w = Wire::new();
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    w.talk((1, 40_000), (2, 80), &[(0, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"), (1, answer)]);
    w.frames.retain(|p| p.data[29] == host);
    w.frames
}

/// Where only one direction is seen, what is said of its transactions names its packets, and the flow's record says by
/// which policy it was picked up and has a region of bytes in both directions, as Suricata's.
#[test]
fn a_flow_of_one_side_is_told_as_its_side() {
    let config = "%YAML 1.1\n---\noutputs:\n- eve-log:\n    enabled: yes\n    types: [anomaly, http, flow]\n";
    for (host, kinds) in [(1, vec!["http", "flow"]), (2, vec!["anomaly", "http", "flow"])] {
        let p = Place::new(&format!("side{host}"), &one_side(host));
        let yaml = p.write("c.yaml", config);
        let o = p.run(&[
            "-c",
            text(&yaml),
            "--set",
            "stream.midstream=true",
            "--set",
            "stream.async-oneside=true",
        ]);
        assert!(o.status.success(), "{}", said(&o));
        let eve = std::fs::read_to_string(p.at("out/eve.json")).unwrap();
        let lines: Vec<_> = eve.lines().collect();
        assert_eq!(lines.len(), kinds.len(), "{eve}");
        for (line, kind) in lines.iter().zip(kinds) {
            assert!(line.contains(&format!(r#""event_type":"{kind}""#)), "{line}");
            // The record of a transaction and of a flow begins with the client, an anomaly with who sent it.
            let first = if kind == "anomaly" { 2 } else { 1 };
            assert!(line.contains(&format!(r#""src_ip":"10.1.0.{first}""#)), "{line}");
        }
        let flow = lines.last().unwrap();
        assert!(flow.contains(r#""ts_max_regions":1,"tc_max_regions":1"#), "{flow}");
        let picked = r#""exception_policy":[{"target":"stream_midstream","policy":"ignore"}]"#;
        assert_eq!(flow.contains(picked), host == 2, "{flow}");
    }
}

/// The file of the program's own words has what went wrong, whether or not the run went on.
#[test]
fn the_log_in_json_has_errors_and_what_its_level_takes() {
    let p = Place::new("enginelog", &one_side(1));
    let config = "%YAML 1.1\n---\nexception-policy: auto\ndatasets:\n  rules:\n    allow-absolute-filenames: yes\nlogging:\n  \
                  outputs:\n  - file:\n      enabled: yes\n      filename: own.json\n      type: json\n";
    let yaml = p.write("c.yaml", config);
    let set = p.at("set.txt");
    let rule = format!(
        "alert http any any -> any any (http.host; dataset:isset,s,type string,state {}; sid:1;)\nalert nothing\n",
        text(&set)
    );
    let rules = p.write("r.rules", &rule);
    let told = |args: &[&str]| {
        let o = p.run(&[&["-c", text(&yaml), "-S", text(&rules)], args].concat());
        (o.status.code(), std::fs::read_to_string(p.at("out/own.json")).unwrap())
    };
    let line = |level: &str, module: &str, message: &str| {
        format!(
            r#""log_level":"{level}","event_type":"engine","engine":{{"message":"{message}","module":"{module}"}}}}"#
        )
    };
    let (code, log) = told(&[]);
    assert_eq!(code, Some(0), "{log}");
    assert!(log.lines().all(|l| l.starts_with(r#"{"timestamp":"2"#) && l.ends_with("}}")), "{log}");
    assert_eq!(log.matches(r#""log_level":"Error""#).count(), 1, "{log}");
    assert!(!log.contains("Info") && log.contains(r#""log_level":"Notice""#), "{log}");
    let (_, log) = told(&["-vvv"]);
    assert!(log.contains(&line("Info", "exception-policy", "master exception-policy set to: auto")), "{log}");
    let allowed = format!("Allowing absolute filename for dataset rule: {}", text(&set));
    assert!(log.contains(&line("Config", "datasets", &allowed)), "{log}");
    // A setting that ends the run is told all the same, and nothing else is.
    let (code, log) = told(&["--set", "stream.midstream-policy=drop-packet"]);
    assert_eq!((code, log.lines().count()), (Some(1), 1), "{log}");
    assert!(log.contains(r#""log_level":"Error""#) && log.contains("stream.midstream-policy"), "{log}");
}

/// `TIDEGATE_ISA` chooses what the matcher runs on: each set of this machine finds the same, and others are refused.
#[test]
fn the_instruction_set_is_chosen_by_hand() {
    let p = Place::new("isa", &traffic::everything().frames);
    let rules = p.write(
        "a.rules",
        "alert tcp any any -> any any (msg:\"a\"; content:\"HTTP\"; sid:1;)\n\
         alert ip any any -> any any (msg:\"b\"; content:\"example\"; nocase; sid:2;)\n",
    );
    let run = |isa: &str| {
        let (capture, out) = (p.at("in.pcap"), p.at(isa));
        let args = ["run", "-r", text(&capture), "-l", text(&out), "-S", text(&rules)];
        let o = Command::new(env!("CARGO_BIN_EXE_tidegate"))
            .args(args)
            .env("TIDEGATE_ISA", isa)
            .output()
            .unwrap();
        let eve = std::fs::read_to_string(out.join("eve.json")).unwrap_or_default();
        (o, eve.lines().filter(|l| l.contains("\"event_type\":\"alert\"")).collect::<Vec<_>>().join("\n"))
    };
    let (o, plain) = run("scalar");
    assert!(o.status.success() && plain.lines().count() > 3, "{}{plain}", said(&o));
    let mut there = 0;
    for isa in ["ssse3", "avx2", "avx512", "neon"] {
        let (o, log) = run(isa);
        if o.status.success() {
            assert_eq!(log, plain, "{isa}");
            there += 1;
        } else {
            assert_eq!(o.status.code(), Some(1));
            assert!(said(&o).contains("which is none of what this machine has: scalar"), "{}", said(&o));
        }
    }
    assert!(there > 0 || !cfg!(any(target_arch = "x86_64", target_arch = "aarch64")));
    let (o, _) = run("mmx");
    assert_eq!(o.status.code(), Some(1));
    assert!(said(&o).contains("TIDEGATE_ISA is \"mmx\""), "{}", said(&o));
}

/// Half a file is not all of it.
#[test]
fn lines_that_are_no_events_are_told() {
    let p = Place::new("lines", &traffic::everything().frames);
    let event = "{\"timestamp\":\"2026-01-05T09:00:00.000000+0000\",\"event_type\":\"flow\"}\n";
    let whole = p.write("whole.json", event);
    let cut = p.write("cut.json", &format!("{event}{{\"timestamp\":\n\n{event}"));
    for command in [&["incidents"][..], &["export", "--labels"]] {
        let run = |file| tidegate(&[command, &[text(file)]].concat());
        let o = run(&whole);
        assert!(o.status.success() && !said(&o).contains("no events"), "{command:?}: {}", said(&o));
        let o = run(&cut);
        assert_eq!(o.status.code(), Some(3), "{command:?}: {}", said(&o));
        assert!(said(&o).contains("1 lines are no events and were left out"), "{command:?}: {}", said(&o));
    }
}

/// What a run refuses is not fine to `intel check`.
#[test]
fn intelligence_without_an_indicator_is_not_fine() {
    let p = Place::new("nothing", &traffic::everything().frames);
    for (file, code) in [
        (p.write("good.txt", "203.0.113.9\nrubbish\n"), 0),
        (p.write("page.txt", "<html>no</html>\n"), 1),
        (p.write("over.csv", "type,indicator,expires\ndomain,x.test,soon\n"), 1),
    ] {
        let o = tidegate(&["intel", "check", text(&file)]);
        assert_eq!(o.status.code(), Some(code), "{}", said(&o));
        assert!(String::from_utf8_lossy(&o.stdout).contains("not used"), "{o:?}");
        assert_eq!(said(&o).contains("no value in it can be used"), code == 1, "{}", said(&o));
    }
}

/// Logs of hosts of which nothing is understood are a mistake, also to who asked for silence.
#[test]
fn context_that_says_nothing_is_told() {
    let p = Place::new("garbage", &traffic::everything().frames);
    let capture = p.at("in.pcap");
    let pod = r#"{"kind":"List","items":[{"kind":"Pod","metadata":{"name":"a","namespace":"b"},"spec":{},"status":{"podIP":"10.0.0.1"}}]}"#;
    for (name, log, told) in [
        ("words.log", "hello\n\nworld\n", Some("none of its 2 lines")),
        ("other.log", "{\"a\":1}\n{\"b\":2}\n", Some("none of its 2 lines")),
        ("other.json", "{\n\"a\":1}\n", Some("nothing in it")),
        ("mixed.log", &format!("hello\n{pod}\n"), None),
        ("pods.json", &pod.replace("[", "[\n"), None),
        ("empty.log", "", None),
    ] {
        let log = p.write(name, log);
        let o = tidegate(&["run", "-q", "-r", text(&capture), "-l", text(&p.0), "--context", text(&log)]);
        assert!(o.status.success(), "{}", said(&o));
        match told {
            Some(what) => assert!(said(&o).contains(&format!("{name}: {what}")), "{name}: {}", said(&o)),
            None => assert!(!said(&o).contains(name), "{}", said(&o)),
        }
    }
}

/// What reads events says that it was given something else, and does not answer that there is nothing.
#[test]
fn files_that_have_no_events_are_errors() {
    let p = Place::new("events", &traffic::everything().frames);
    let capture = p.at("in.pcap");
    let words = p.write("words.txt", "hello\n");
    let json = p.write("other.json", "{\"a\": 1}\n");
    let books = p.write("r.yaml", "never: {addresses: [10.0.0.1]}\n");
    let asks = p.write("q.json", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n");
    let gone = p.at("gone.json");
    let (books, asks) = (text(&books), text(&asks));
    type Given<'a> = (&'a str, &'a dyn Fn(&str) -> Output);
    let commands: [Given<'_>; 5] = [
        ("services", &|f| tidegate(&["services", f])),
        ("incidents", &|f| tidegate(&["incidents", f])),
        ("mcp", &|f| tidegate(&["mcp", f, "--ask", asks])),
        ("export", &|f| tidegate(&["export", "--labels", f])),
        ("playbook", &|f| tidegate(&["playbook", "test", books, "--events", f])),
    ];
    for (name, run) in commands {
        for (file, says) in [
            (&capture, "in.pcap:1:1: this is a capture"),
            (&words, "words.txt:1:1: this is no file of events"),
            (&json, "other.json:1:1: there are no events in it"),
            (&gone, "gone.json: No such file or directory"),
        ] {
            // Captures are read for services.
            if name == "services" && *file == capture {
                assert_ne!(run(text(file)).status.code(), Some(1));
                continue;
            }
            let o = run(text(file));
            assert_eq!(o.status.code(), Some(1), "{name} {says}: {}", said(&o));
            let says = if name == "services" && *file == words { "words.txt" } else { says };
            assert!(said(&o).contains(says), "{name}: {}", said(&o));
        }
    }
    // A sensor that has seen nothing yet is no error, and an error has no answer beside it.
    let none = p.write("eve.json", "");
    for (name, answer) in [("services", "No AI services.\n"), ("incidents", "No incidents.\n")] {
        let o = tidegate(&[name, text(&none)]);
        assert!(o.status.success(), "{name}: {}", said(&o));
        assert_eq!(String::from_utf8_lossy(&o.stdout), answer);
        let o = tidegate(&[name, text(&none), text(&words)]);
        assert_eq!((o.status.code(), o.stdout.len()), (Some(1), 0), "{name}: {o:?}");
    }
    let o = tidegate(&["mcp", text(&p.0), "--capture", text(&words), "--ask", asks]);
    assert!(o.status.code() == Some(1) && said(&o).contains("words.txt"), "{}", said(&o));
}

/// What has no effect is told where it is asked for, and an error with `--strict`.
#[test]
fn what_has_no_effect_in_outputs_is_told() {
    let p = Place::new("no-effect", &traffic::everything().frames);
    let (capture, out) = (p.at("in.pcap"), p.at("out"));
    let run = |yaml: &str, more: &[&str]| {
        let file = p.write("c.yaml", yaml);
        let all = ["run", "-r", text(&capture), "-S", "/dev/null", "-c", text(&file), "-l", text(&out)];
        tidegate(&[&all[..], more].concat())
    };
    let log = |more: &str, types: &str| format!("outputs:\n - eve-log:\n    types: [{types}]\n{more}");
    for (yaml, says) in [
        ("vars: {address-groups: {HOME_NET: \"[10.0.0.0/8]\"}}".to_string(), "no output is on"),
        (log(" - fast: {filename: f.log}\n", "alert"), "it is off without `enabled: yes`"),
        (log("", "http: {content: yes}"), "not a setting here"),
        (log("", "redis: {content: hash}"), "`hash` is for `ai`"),
        (log("", "dns, flow, {dns: {requests: no}}"), "it is there twice"),
        (log("    community-id-seed: 5\n", "alert"), "`community-id` is off"),
        (log(" - pcap-log: {enabled: yes, lz4-checksum: yes}\n", "alert"), "`compression` is not lz4"),
        (log("", "alert") + "exception-policy: drop-flow\n", "packets are only watched"),
    ] {
        let o = run(&yaml, &[]);
        assert!(o.status.success() && said(&o).contains(says), "{yaml}: {}", said(&o));
        if !says.starts_with("no output") {
            assert_eq!(run(&yaml, &["--strict"]).status.code(), Some(1), "{yaml}");
        }
    }
    assert_eq!(run(&log("", "dns: {version: 1}"), &[]).status.code(), Some(1));
    let o = run(&log("", "alert"), &["--data-dir", "/nope"]);
    assert!(said(&o).contains("/nope: there is no such folder"), "{}", said(&o));
    // A file whose rules are all comments, and nothing beside it.
    let rules = p.write("none.rules", "# alert tcp any any -> any any (sid:1;)\n");
    let o = tidegate(&["run", "-r", text(&capture), "-S", text(&rules), "-l", text(&out)]);
    assert!(o.status.success() && said(&o).contains("there are no rules in it"), "{}", said(&o));
    let o = tidegate(&["run", "-i", "lo", "-S", text(&rules), "--fail", "open", "-l", text(&out)]);
    assert_eq!(o.status.code(), Some(2), "{}", said(&o));
}
