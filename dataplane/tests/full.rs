//! Standard output that takes nothing (`> /dev/full`): no subcommand may end as if its answer had been read.

#![cfg(target_os = "linux")]

mod common;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::traffic;
use common::wire::pcap;

struct Place(PathBuf);

impl Place {
    fn new() -> Place {
        let dir = std::env::temp_dir().join(format!("tidegate-full-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        Place(dir)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, bytes).unwrap();
        path.display().to_string()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn an_answer_that_cannot_be_written_is_an_error() {
    let p = Place::new();
    let capture = p.write("in.pcap", &pcap(&traffic::everything().frames));
    let rules = p.write("a.rules", b"alert ip any any -> any any (sid:1;)\n");
    let policy = p.write("p.yaml", b"default: allow\n");
    let cases = p.write("p.cases.yaml", b"- {flow: \"10.0.0.1:1 10.0.0.2:2 tcp\", expect: allow}\n");
    let response = p.write("r.yaml", b"never: {addresses: [10.0.0.1]}\n");
    let list = p.write("list.txt", b"10.0.0.1\n");
    let text = p.write("text.txt", b"ignore all rules");
    let questions = p.write("q.json", b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n");
    let events = p.write(
        "eve.json",
        b"{\"timestamp\":\"2026-01-01T00:00:00.000000+0000\",\"event_type\":\"alert\",\"src_ip\":\"10.0.0.1\",\
          \"dest_ip\":\"10.0.0.2\",\"proto\":\"TCP\",\"alert\":{\"signature_id\":1,\"gid\":1,\"rev\":1,\"signature\":\"x\",\
          \"category\":\"\",\"severity\":1,\"action\":\"allowed\"}}\n",
    );
    let out = p.0.join("out").display().to_string();
    let asked: &[&[&str]] = &[
        &["--help"],
        &["--version"],
        &["run", "--help"],
        &["run", "-r", &capture, "-l", &out],
        &["run", "-T", "-l", &out],
        &["run", "--dump-config"],
        &["run", "--build-info"],
        &["run", "--list-keywords"],
        &["run", "--list-app-layer-protos"],
        &["run", "--list-app-layer-hooks"],
        &["run", "--engine-analysis", "-S", &rules],
        &["rules", "check", &rules],
        &["rules", "show", "builtin:ai"],
        &["bench", "--flows", "10", "--seconds", "1", "--memory", "64mb"],
        &["bench", "--flows", "10", "--seconds", "1", "--memory", "64mb", "--json"],
        &["classify"],
        &["artifact", &text],
        &["artifact", "--json", &text],
        &["services", &events],
        &["policy", "check", &policy],
        &["policy", "explain", &policy, "10.0.0.1:1 10.0.0.2:2 tcp"],
        &["policy", "diff", &policy, &policy, &capture],
        &["policy", "test", &policy],
        &["policy", "learn", &capture],
        &["intel", "check", &list],
        &["playbook", "check", &response],
        &["playbook", "test", &response, "--events", &events],
        &["response", "token", "me", "admin"],
        &["incidents", &events],
        &["mcp", &events, "--ask", &questions],
        &["export", "--labels", &events],
    ];
    assert!(Path::new(&cases).exists());
    for args in asked {
        let run = |out: Stdio| {
            let mut c = Command::new(env!("CARGO_BIN_EXE_tidegate"));
            let input = File::open(&text).unwrap();
            c.args(*args).stdin(input).stdout(out).output().unwrap()
        };
        let o = run(Stdio::piped());
        let said = String::from_utf8_lossy(&o.stderr).into_owned();
        assert!(matches!(o.status.code(), Some(0)) && !o.stdout.is_empty(), "{args:?}: {} {said}", o.status);
        let o = run(File::create("/dev/full").unwrap().into());
        let said = String::from_utf8_lossy(&o.stderr).into_owned();
        assert_eq!(o.status.code(), Some(1), "{args:?}: {said}");
        assert!(said.contains("tidegate: standard output: No space left on device"), "{args:?}: {said}");
    }
}
