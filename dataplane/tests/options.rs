//! Options and outputs that Suricata's users know: questions that are answered at once, folders and compressed captures,
//! names of outputs with the time in them, rule files by pattern, `pcap-log`.

mod common;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use common::wire::{Packet, Wire};

struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Place {
        let dir = std::env::temp_dir().join(format!("tidegate-options-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        Place(dir)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.at(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_string()
    }

    fn name(&self, name: &str) -> String {
        self.at(name).to_str().unwrap().to_string()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn pcap(packets: &[Packet]) -> Vec<u8> {
    let mut out = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0];
    for p in packets {
        let us = p.ts / 1000;
        for n in [(us / 1_000_000) as u32, (us % 1_000_000) as u32, p.data.len() as u32, p.data.len() as u32]
        {
            out.extend(n.to_le_bytes());
        }
        out.extend(&p.data);
    }
    out
}

/// `n` datagrams from ports of their own, each with its number.
fn datagrams(n: u16) -> Vec<Packet> {
    let mut w = Wire::new();
    for i in 0..n {
        w.udp((1, 4000 + i), (3, 9000), format!("number {i}").as_bytes());
    }
    w.frames
}

fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let o: Output = Command::new(env!("CARGO_BIN_EXE_tidegate")).arg("run").args(args).output().unwrap();
    let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
    (o.status.code(), text(&o.stdout), text(&o.stderr))
}

const RULE: &str = "alert udp any any -> any 9000 (msg:\"one\"; content:\"number 1\"; sid:1;)\n";

#[test]
fn questions_are_answered_without_a_capture() {
    let p = Place::new("ask");
    let rules = p.put("a.rules", RULE);
    for (args, word) in [
        (&["--list-keywords"][..], "\ncontent\n"),
        (&["--list-keywords=csv"], "\nnocase;;keyword, no option\n"),
        (&["--list-keywords=http.uri"], "\nhttp.uri;http,http2;sticky buffer, no option\n"),
        (&["--list-app-layer-protos"], "\ntls\n"),
        (&["--list-app-layer-hooks"], "\ntls:client_hello_done\n"),
        (&["--build-info"], "\nrule language       Suricata 8\n"),
        (&["--dump-config", "--set", "vars.address-groups.X=any"], "\nvars.address-groups.X = any\n"),
        (&["-T", "-S", &rules], "1 rules loaded"),
        (&["--engine-analysis", "-S", &rules], "fast pattern  payload \"number 1\"\n"),
        (&["--engine-analysis", "-S", &rules], "buffer        payload: 1 content\n"),
        (&["-V"], "tidegate 0."),
    ] {
        let (code, out, err) = run(args);
        assert!(code == Some(0) && format!("\n{out}").contains(word), "{args:?}: {out} {err}");
    }
    let (code, _, err) = run(&["-D", "-i", "lo"]);
    assert!(code == Some(2) && err.contains("systemd"), "{err}");
    assert_eq!(run(&["--list-keywords=nonsense"]).0, Some(1));
}

#[test]
fn a_test_fails_where_a_run_would_lack_something() {
    let p = Place::new("test");
    let wrong = p.put("w.rules", format!("{RULE}alert udp any any -> any any (nonsense; sid:2;)\n"));
    let yaml = p.put("w.yaml", "outputs: [{eve-log: {filename: 'x%'}}]");
    let filter = p.put("f.bpf", "port port");
    for (args, word) in [
        (&["-T", "-S", &wrong][..], "1 of 2 rules were refused"),
        (&["-T", "-c", &yaml], "w.yaml:1:"),
        (&["-T", "-r", "x", "-F", &filter], "port"),
        (&["-T", "-S", "/nowhere/*.rules"], "no such rule file"),
        (&["-T", "--strict", "--set", "nonsense=1"], "nonsense"),
    ] {
        let (code, _, err) = run(args);
        assert!(code == Some(1) && err.contains(word), "{args:?}: {err}");
    }
}

#[test]
fn filters_in_files_and_rules_by_pattern() {
    let p = Place::new("files");
    let capture = p.put("in.pcap", pcap(&datagrams(4)));
    p.put("rules/a.rules", RULE);
    p.put("rules/b.rules", "alert udp any any -> any 9000 (msg:\"two\"; content:\"number 2\"; sid:2;)\n");
    p.put("rules/c.txt", "no rule");
    let yaml = p.put("c.yaml", format!("default-rule-path: {}\nrule-files: ['?.rules']\n", p.name("rules")));
    let filter = p.put("f.bpf", "# who\nsrc port 4001\n or src port 4003 # also\n");
    let alerts = |more: &[&str]| {
        let out = p.name("out");
        let (code, said, err) = run(&[&["-r", &capture, "-l", &out][..], more].concat());
        assert_eq!(code, Some(0), "{err}");
        let lines = |w: &str| said.lines().find(|l| l.starts_with(w)).unwrap_or("").to_string();
        (lines("packets"), lines("alerts"))
    };
    let pattern = p.name("rules/*.rules");
    assert!(alerts(&["-S", &pattern]).1.ends_with(" 2"));
    assert!(alerts(&["-c", &yaml]).1.ends_with(" 2"));
    assert!(alerts(&["-c", &yaml, "--disable-detection"]).1.ends_with(" 0"));
    let (packets, found) = alerts(&["-S", &pattern, "-F", &filter]);
    assert!(packets.starts_with("packets  2,") && found.ends_with(" 1"), "{packets} {found}");
    assert_eq!(run(&["-r", &capture, "-F", &filter, "port 1"]).0, Some(2));
}

#[test]
fn compressed_captures_and_folders_in_folders() {
    let p = Place::new("packed");
    let all = pcap(&datagrams(6));
    let rules = p.put("a.rules", RULE);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&all).unwrap();
    let gzip = gzip.finish().unwrap();
    p.put("in/a.pcap", &all);
    p.put("in/below/b.pcap.gz", &gzip);
    let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
    lz4.write_all(&all).unwrap();
    p.put("in/below/c.pcap.lz4", lz4.finish().unwrap());
    let zstd = ruzstd::encoding::compress_to_vec(&all[..], ruzstd::encoding::CompressionLevel::Fastest);
    p.put("in/below/d.pcap.zst", zstd);
    let (source, out) = (p.name("in"), p.name("out"));
    let packets = |more: &[&str]| {
        let (code, said, err) = run(&[&["-r", &source, "-l", &out, "-S", &rules][..], more].concat());
        (code, said.lines().next().unwrap_or("").to_string(), err)
    };
    assert!(packets(&[]).1.starts_with("packets  6,"));
    let (code, said, err) = packets(&["--pcap-file-recursive"]);
    assert!(code == Some(0) && said.starts_with("packets  24,"), "{said} {err}");
    // Cut off: what could be decoded is there, the rest is told.
    p.put("cut.gz", &gzip[..gzip.len() - 9]);
    let (code, _, err) = run(&["-r", &p.name("cut.gz"), "-l", &out]);
    assert!(code == Some(3) && err.contains("cut.gz: reading at byte"), "{code:?} {err}");
    // Removed once read; what is no capture stays.
    p.put("in/notes.txt", "words");
    assert_eq!(packets(&["--pcap-file-recursive", "--pcap-file-delete"]).0, Some(3));
    assert!(
        p.at("in/notes.txt").exists() && !p.at("in/a.pcap").exists() && !p.at("in/below/d.pcap.zst").exists()
    );
}

#[test]
#[cfg(target_os = "linux")]
fn a_capture_is_removed_when_its_events_are_written() {
    let p = Place::new("unwritten");
    p.put("in/a.pcap", pcap(&datagrams(2)));
    std::fs::create_dir_all(p.at("out")).unwrap();
    std::os::unix::fs::symlink("/dev/full", p.at("out/eve.json")).unwrap();
    let (code, _, err) = run(&["-r", &p.name("in"), "-l", &p.name("out"), "--pcap-file-delete"]);
    assert!(code == Some(1) && err.contains("events cannot be written"), "{code:?} {err}");
    assert!(p.at("in/a.pcap").exists());
    assert_eq!(run(&["-r", &p.name("in"), "-l", &p.name("else"), "--pcap-file-delete"]).0, Some(0));
    assert!(!p.at("in/a.pcap").exists());
}

/// What is no file is refused at once, by a test as well: whoever opens a named pipe waits for somebody to read it.
#[test]
fn a_named_pipe_is_no_output() {
    let p = Place::new("named-pipe");
    let capture = p.put("a.pcap", pcap(&datagrams(1)));
    std::fs::create_dir(p.at("out")).unwrap();
    nix::unistd::mkfifo(&p.at("out/eve.json"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    nix::unistd::mkfifo(&p.at("pid"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let (out, pid, other) = (p.name("out"), p.name("pid"), p.name("other"));
    for more in [&["-l", &out][..], &["-l", &other, "--pidfile", &pid]] {
        for test in [&[][..], &["-T"]] {
            let (code, _, err) = run(&[&["-r", &capture], more, test].concat());
            assert!(
                code == Some(1) && err.contains("it is a named pipe"),
                "{more:?} {test:?}: {code:?} {err}"
            );
        }
    }
    // What the program was given open is written to.
    let yaml = "%YAML 1.1\n---\noutputs: [{eve-log: {enabled: yes, filename: /dev/stdout, types: [flow]}}]\n";
    let yaml = p.put("c.yaml", yaml);
    let (code, said, err) = run(&["-r", &capture, "-q", "-l", &other, "-c", &yaml]);
    assert!(code == Some(0) && said.contains("\"event_type\":\"flow\""), "{code:?} {said} {err}");
}

/// Settings, rules and captures that are wrong are told with their place.
#[test]
fn what_is_wrong_is_told_with_its_place() {
    let p = Place::new("places");
    let rules =
        p.put("r.rules", "\nalert udp any any -> any any (msg:\"x\"; stream_size:client,>,5; sid:1;)\n");
    let (code, _, err) = run(&["-T", "-S", &rules]);
    assert!(code == Some(0) && err.contains(&format!("so it never matches ({rules}:2)")), "{code:?} {err}");
    let garbage = p.put("x.pcap", "garbage, and no capture");
    let o = Command::new(env!("CARGO_BIN_EXE_tidegate")).args(["bench", "-r", &garbage]).output().unwrap();
    let err = String::from_utf8(o.stderr).unwrap();
    assert!(o.status.code() == Some(1) && err.contains(&format!("{garbage}: not a pcap")), "{err}");
}

/// What a run would not do is refused by its test.
#[test]
fn a_test_refuses_what_a_run_refuses() {
    let p = Place::new("test-refuses");
    let (out, words) = (p.name("out"), p.put("words", "garbage\n"));
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let held = held.local_addr().unwrap().to_string();
    for (args, code, told) in [
        (&["-i", "lo", "--batch", "5"][..], Some(2), "works on captures (-r) only"),
        (&["-i", "lo", "--pcap-file-continuous"], Some(2), "works on captures (-r) only"),
        (&["-i", "lo", "--prometheus", "192.0.2.1:5"], Some(1), "--prometheus: 192.0.2.1:5: "),
        (&["-i", "lo", "--context", &words], Some(1), "no context comes of it"),
        // The sensor beside which the test is made has it.
        (&["-i", "lo", "--prometheus", &held], Some(0), "a run needs that whoever has it"),
    ] {
        let (ended, _, err) = run(&[&["-T", "-l", &out], args].concat());
        assert!(ended == code && err.contains(told), "{args:?}: {ended:?} {err}");
    }
}

#[test]
fn captures_that_come_later_are_read() {
    use nix::sys::signal::Signal::{SIGHUP, SIGINT, SIGTERM};
    // The user's end, the service manager's, and that of the terminal.
    for end in [SIGINT, SIGTERM, SIGHUP] {
        read_until(end);
    }
}

fn read_until(end: nix::sys::signal::Signal) {
    let p = Place::new(&format!("later-{end}"));
    p.put("in/a.pcap", pcap(&datagrams(2)));
    let (source, out, pid_file) = (p.name("in"), p.name("out"), p.name("pid"));
    let mut child = Command::new(env!("CARGO_BIN_EXE_tidegate"))
        .args(["run", "-r", &source, "-l", &out, "--pcap-file-continuous", "--pidfile", &pid_file])
        .args(["--set", "pcap-file.delay=0", "--set", "pcap-file.poll-interval=0", "--pcap-file-delete"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let gone = |f: &Path| {
        let start = std::time::Instant::now();
        while f.exists() && start.elapsed().as_secs() < 60 {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        !f.exists()
    };
    assert!(gone(&p.at("in/a.pcap")));
    assert_eq!(std::fs::read_to_string(p.at("pid")).unwrap().trim(), child.id().to_string());
    // It comes into the folder whole.
    p.put("b.pcap", pcap(&datagrams(3)));
    std::fs::rename(p.at("b.pcap"), p.at("in/b.pcap")).unwrap();
    assert!(gone(&p.at("in/b.pcap")));
    let pid = nix::unistd::Pid::from_raw(child.id().try_into().unwrap());
    // What a sensor is asked for by these is no end, either.
    for other in [nix::sys::signal::Signal::SIGUSR1, nix::sys::signal::Signal::SIGUSR2] {
        nix::sys::signal::kill(pid, other).unwrap();
    }
    p.put("c.pcap", pcap(&datagrams(1)));
    std::fs::rename(p.at("c.pcap"), p.at("in/c.pcap")).unwrap();
    assert!(gone(&p.at("in/c.pcap")));
    nix::sys::signal::kill(pid, end).unwrap();
    let mut said = String::new();
    std::io::Read::read_to_string(&mut child.stdout.take().unwrap(), &mut said).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(said.starts_with("packets  6,") && !p.at("pid").exists(), "{said}");
}

/// What came by a pipe is written before more comes, and a pipe that stays open does not keep the program from its end.
#[test]
fn a_quiet_pipe_does_not_hold_back() {
    let p = Place::new("pipe");
    let out = p.name("out");
    let mut child = Command::new(env!("CARGO_BIN_EXE_tidegate"))
        .args(["run", "-r", "-", "-l", &out])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let mut capture = pcap(&datagrams(3));
    // And part of another packet.
    capture.extend_from_slice(&[0; 10]);
    std::io::Write::write_all(&mut pipe, &capture).unwrap();
    let start = std::time::Instant::now();
    while !p.at("out/eve.json").exists() && start.elapsed().as_secs() < 60 {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    std::thread::sleep(std::time::Duration::from_millis(500));
    let pid = nix::unistd::Pid::from_raw(child.id().try_into().unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let mut said = String::new();
    std::io::Read::read_to_string(&mut child.stdout.take().unwrap(), &mut said).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(said.starts_with("packets  3,"), "{said}");
    drop(pipe);
}

#[test]
fn outputs_have_the_time_in_their_names() {
    let p = Place::new("names");
    let capture = p.put("in.pcap", pcap(&datagrams(2)));
    let yaml = p.put(
        "c.yaml",
        "outputs: [{eve-log: {filename: 'y%Y/eve.json', rotate-interval: day, types: [flow]}}, {fast: {enabled: yes, filename: 'f%%.log'}}]",
    );
    let (code, _, err) = run(&["-r", &capture, "-l", &p.name("out"), "-c", &yaml]);
    assert!(code == Some(0) && err.contains("rotate-interval: it is for live traffic"), "{err}");
    let years: Vec<_> = std::fs::read_dir(p.at("out")).unwrap().map(|e| e.unwrap().file_name()).collect();
    let year =
        years.iter().filter_map(|n| n.to_str()).find(|n| n.starts_with("y2")).expect("a folder of a year");
    assert!(std::fs::metadata(p.at("out").join(year).join("eve.json")).unwrap().len() > 0);
    assert!(p.at("out/f%.log").exists());
}

/// What of each datagram follows `number ` in the one file of a `pcap-log`.
fn logged(p: &Place, packets: &[Packet], rules: &str, settings: &str) -> Vec<String> {
    let capture = p.put("in.pcap", pcap(packets));
    let rules = if rules.is_empty() { "/dev/null".into() } else { p.put("p.rules", rules) };
    let yaml = format!(
        "outputs: [{{pcap-log: {{enabled: yes, filename: p, dir: packets{settings}}}}}]\nstream: {{midstream: true, reassembly: {{depth: 1000}}}}"
    );
    let yaml = p.put("p.yaml", yaml);
    let _ = std::fs::remove_dir_all(p.at("out"));
    let mut all = Vec::new();
    for batch in ["1", "256"] {
        let (code, _, err) = run(&[
            "-r",
            &capture,
            "-l",
            &p.name("out"),
            "-c",
            &yaml,
            "-S",
            &rules,
            "--batch",
            batch,
            "-k",
            "none",
        ]);
        assert!(code == Some(0) && err.is_empty(), "{err}");
        let files: Vec<PathBuf> = std::fs::read_dir(p.at("out/packets"))
            .map_or(Vec::new(), |d| d.map(|e| e.unwrap().path()).collect());
        assert!(files.len() < 2, "{files:?}");
        let read = files.first().map_or(Vec::new(), |f| common::read(f));
        // As they arrived: bytes and times.
        for (r, _) in &read {
            assert!(packets.iter().any(|f| f.data == r.data && f.ts / 1000 == r.ts / 1000));
        }
        let number = |d: &[u8]| {
            let t = String::from_utf8_lossy(d);
            t.split("number ").nth(1).unwrap_or("-").trim_end_matches('\0').to_string()
        };
        all.push(read.iter().map(|(r, _)| number(&r.data)).collect::<Vec<_>>());
    }
    assert_eq!(all[0], all[1], "batches");
    all.remove(0)
}

#[test]
fn pcap_log_writes_what_is_asked_for() {
    let p = Place::new("pcaplog");
    let mut w = Wire::new();
    for i in 0..12u16 {
        w.udp((1, 4000 + i % 2), (3, 9000), format!("number {i}").as_bytes());
    }
    let f = w.frames;
    let numbers = |r: &[u8]| r.iter().map(u8::to_string).collect::<Vec<_>>();
    let alert = "alert udp any any -> any any (content:\"number 5\"; sid:1;)\n";
    let all: Vec<u8> = (0..12).collect();
    assert_eq!(logged(&p, &f, alert, ""), numbers(&all));
    // From the alert on, its flow alone.
    assert_eq!(logged(&p, &f, alert, ", conditional: alerts"), numbers(&[5, 7, 9, 11]));
    assert_eq!(logged(&p, &f, "", ", conditional: alerts"), Vec::<String>::new());
    let tag = "alert udp any any -> any any (content:\"number 5\"; tag:session,2,packets; sid:1;)\n";
    assert_eq!(logged(&p, &f, tag, ", conditional: tag"), numbers(&[5, 7]));
    assert_eq!(logged(&p, &f, alert, ", conditional: tag"), Vec::<String>::new());
    // A flow that is let pass, from its next packet on.
    let pass = "pass udp any 4001 -> any any (sid:2;)\n";
    assert_eq!(logged(&p, &f, pass, ", honor-pass-rules: yes"), numbers(&[0, 1, 2, 4, 6, 8, 10]));
    // Beyond the depth of streams.
    let mut w = Wire::new();
    let parts: Vec<String> = (0..6).map(|i| format!("number {i}{}", " ".repeat(400))).collect();
    let lines: Vec<(usize, &[u8])> = parts.iter().map(|t| (0, t.as_bytes())).collect();
    w.talk((1, 4000), (3, 9000), &lines);
    let data = |more: &str| logged(&p, &w.frames, "", more).iter().filter(|n| *n != "-").count();
    assert_eq!((data(""), data(", use-stream-depth: yes")), (6, 3));
}

#[test]
fn pcap_log_is_counted_and_in_lz4() {
    let p = Place::new("pcaplz4");
    let capture = p.put("in.pcap", pcap(&datagrams(40)));
    let yaml = p.put(
        "c.yaml",
        "outputs: [{eve-log: {types: [stats]}}, {pcap-log: {enabled: yes, limit: 4096, compression: lz4, lz4-level: 9}}]",
    );
    let (code, _, err) = run(&["-r", &capture, "-l", &p.name("out"), "-c", &yaml]);
    assert!(code == Some(0) && err.contains("there is one level)"), "{err}");
    let eve = std::fs::read_to_string(p.at("out/eve.json")).unwrap();
    let counted = eve.split("\"pcap_log\":").nth(1).unwrap_or("");
    assert!(counted.split('}').next().unwrap_or("").contains("\"packets\":40"), "{eve}");
    let logs = std::fs::read_dir(p.at("out")).unwrap().map(|e| e.unwrap().path());
    let logs: Vec<PathBuf> = logs.filter(|f| f.extension().is_some_and(|e| e == "lz4")).collect();
    assert!(!logs.is_empty());
    assert_eq!(logs.iter().map(|f| common::read(f).len()).sum::<usize>(), 40);
}

/// A request through a proxy, with fields of its own.
fn proxied() -> Vec<Packet> {
    let request: &[u8] = b"GET /x HTTP/1.1\r\nHost: a.example\r\nX-Forwarded-For: 203.0.113.7, 198.51.100.2\r\nDNT: 1\r\nX-Own: z\r\n\r\n";
    let answer: &[u8] = b"HTTP/1.1 200 OK\r\nServer: s/1\r\nContent-Length: 0\r\n\r\n";
    let mut w = Wire::new();
    w.talk((1, 4000), (2, 80), &[(0, request), (1, answer)]);
    w.frames
}

#[test]
fn records_have_what_their_settings_name() {
    let p = Place::new("records");
    let capture = p.put("in.pcap", pcap(&proxied()));
    let record = |settings: &str, told: &str| {
        let yaml = format!("outputs: [{{eve-log: {{sensor-name: s1, types: [{{http: {{{settings}}}}}]}}}}]");
        let yaml = p.put("c.yaml", yaml);
        let (code, _, err) = run(&["-r", &capture, "-l", &p.name("out"), "-c", &yaml, "-k", "none"]);
        assert!(code == Some(0) && err.contains(told) && (!told.is_empty() || err.is_empty()), "{err}");
        std::fs::read_to_string(p.at("out/eve.json")).unwrap()
    };
    let plain = record("extended: no", "");
    assert!(
        plain.contains("\"host\":\"s1\"") && !plain.contains("dnt") && !plain.contains("\"xff\""),
        "{plain}"
    );
    let custom = record("custom: [DNT, server, x_requested_with]", "");
    assert!(custom.contains("\"dnt\":\"1\"") && custom.contains("\"server\":\"s/1\""), "{custom}");
    record("custom: [dnt, x-own]", "records of http have no such field)");
    record("passwords: yes", ": not a setting here)");
    let all = record("dump-all-headers: both", "");
    assert!(all.contains(r#""request_headers":[{"name":"Host","value":"a.example"}"#), "{all}");
    assert!(all.contains(r#""response_headers":[{"name":"Server","value":"s/1"}"#), "{all}");
    let one = record("dump-all-headers: response", "");
    assert!(!one.contains("request_headers") && one.contains("response_headers"), "{one}");
    let extra = record("xff: {enabled: yes}", "");
    assert!(
        extra.contains("\"xff\":\"198.51.100.2\"") && extra.contains("\"src_ip\":\"10.1.0.1\""),
        "{extra}"
    );
    let over = record("xff: {enabled: yes, mode: overwrite, deployment: forward}", "");
    assert!(over.contains("\"src_ip\":\"203.0.113.7\"") && !over.contains("\"xff\""), "{over}");
}
