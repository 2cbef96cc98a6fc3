//! Model files that pass: the same verdict whatever carries them and however they are cut, told once, early enough to stop them.

mod common;

use common::wire::Wire;
use common::{config, eve_of, frames, rules, settings};
use tidegate_core::engine::Engine;
use tidegate_core::event::{NoSink, Verdict};

const C: (u8, u16) = (1, 40_000);
const S: (u8, u16) = (2, 80);

/// Names and calls `os.system`, then numbers.
fn pickle(behind: usize) -> Vec<u8> {
    let mut p = b"\x80\x02cos\nsystem\nX\x0b\x00\x00\x00echo corpus\x85R.".to_vec();
    p.extend((0..behind).map(|i| (i * 7 % 251) as u8));
    p
}

/// A dictionary with a number.
const HARMLESS: &[u8] = b"\x80\x02}q\x00X\x01\x00\x00\x00aq\x01K\x01s.";

const RULE: &str =
    "alert tcp any any -> any any (msg:\"runs code\"; artifact.verdict:malicious; artifact.risk:>90; sid:1;)";

fn answer(body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn get(w: &mut Wire, port: u16, name: &str, body: &[u8], mss: usize) {
    let mut t = w.tcp((C.0, port), S);
    t.send(0, format!("GET /{name} HTTP/1.1\r\nHost: hub\r\n\r\n").as_bytes());
    t.mss = mss;
    t.send(1, &answer(body));
    t.close();
}

/// Events of those kinds, as the engine's file has them.
fn events(w: &Wire, text: &str, memory: u64) -> Vec<serde_json::Value> {
    let r = rules(text, &settings());
    assert!(r.refused.is_empty(), "{:?}", r.refused);
    let eve = eve_of(config(memory), &r, &frames(&w.frames), 32);
    let lines = std::str::from_utf8(&eve).unwrap().lines().map(|l| serde_json::from_str(l).unwrap());
    lines
        .filter(|e: &serde_json::Value| e["event_type"] == "artifact" || e["event_type"] == "alert")
        .collect()
}

fn of<'a>(all: &'a [serde_json::Value], kind: &str) -> Vec<&'a serde_json::Value> {
    all.iter().filter(|e| e["event_type"] == kind).collect()
}

#[test]
fn a_verdict_does_not_depend_on_cuts_or_limits_of_bodies() {
    let body = pickle(300_000);
    let mut first = None;
    for mss in [1400, 997, 4096, 60_000] {
        let mut w = Wire::new();
        get(&mut w, 41_000, "weights.bin", &body, mss);
        let all = events(&w, RULE, 256 << 20);
        let (told, alerts) = (of(&all, "artifact"), of(&all, "alert"));
        assert_eq!((told.len(), alerts.len()), (1, 1), "{mss}: {all:#?}");
        let a = &told[0]["artifact"];
        assert_eq!((&a["verdict"], &a["format"]), (&"malicious".into(), &"pickle".into()));
        assert_eq!(a["imports"][0], "os.system");
        assert_eq!(a["size"], body.len());
        assert_eq!(alerts[0]["artifact"]["verdict"], "malicious");
        let a = a.to_string();
        assert_eq!(first.get_or_insert(a.clone()), &a);
    }
}

#[test]
fn every_carrier_of_files() {
    let part = |body: &[u8]| {
        let head = b"--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"m.pt\"\r\n\r\n";
        [&head[..], body, b"\r\n--b--\r\n"].concat()
    };
    for (body, bad) in [(pickle(2000), true), (HARMLESS.to_vec(), false)] {
        let mut w = Wire::new();
        let form = part(&body);
        let post = format!(
            "POST /up HTTP/1.1\r\nHost: hub\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: {}\r\n\r\n",
            form.len()
        );
        w.talk(C, S, &[(0, &[post.as_bytes(), &form].concat()), (1, &answer(b"ok"))]);
        let gz = common::traffic::gzip(&body);
        let coded =
            format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", gz.len());
        w.talk(
            (1, 40_001),
            S,
            &[(0, b"GET /x.pkl HTTP/1.1\r\nHost: h\r\n\r\n"), (1, &[coded.as_bytes(), &gz].concat())],
        );
        // An archive of one compressed member, told apart by its bytes alone.
        w.talk((1, 40_002), S, &[(0, b"GET /model HTTP/1.1\r\nHost: h\r\n\r\n"), (1, &answer(&gz))]);
        // FTP: the file has a connection of its own.
        let control = [
            (1, &b"220 hi\r\n"[..]),
            (0, b"USER a\r\n"),
            (1, b"331 ok\r\n"),
            (0, b"PASS b\r\n"),
            (1, b"230 ok\r\n"),
            (0, b"EPSV\r\n"),
            (1, b"229 Entering Extended Passive Mode (|||50000|)\r\n"),
            (0, b"RETR m.ckpt\r\n"),
            (1, b"150 here\r\n"),
        ];
        w.talk((1, 40_003), (2, 21), &control);
        w.talk((1, 40_004), (2, 50_000), &[(1, &body)]);
        let all = events(&w, RULE, 256 << 20);
        let told = of(&all, "artifact");
        assert_eq!(told.len(), 4, "{all:#?}");
        let verdict = if bad { "malicious" } else { "clean" };
        assert!(told.iter().all(|e| e["artifact"]["verdict"] == verdict), "{told:#?}");
        assert_eq!(of(&all, "alert").len(), if bad { 4 } else { 0 }, "{all:#?}");
        let names: Vec<_> = told.iter().map(|e| e["artifact"]["file"].as_str().unwrap()).collect();
        assert!(names.contains(&"m.pt") && names.contains(&"m.ckpt"), "{names:?}");
    }
}

/// A download in parts, two connections at once, the later part first.
#[test]
fn a_model_that_is_fetched_in_parts_is_judged_when_it_is_whole() {
    let body = pickle(4000);
    let mut w = Wire::new();
    for (port, from, to) in [(45_001, 11, body.len()), (45_000, 0, 11)] {
        let (part, last, all) = (&body[from..to], to - 1, body.len());
        let head = format!(
            "HTTP/1.1 206 Partial\r\nContent-Range: bytes {from}-{last}/{all}\r\nContent-Length: {}\r\n\r\n",
            part.len()
        );
        let answer = [head.as_bytes(), part].concat();
        w.talk((1, port), S, &[(0, b"GET /m.pkl HTTP/1.1\r\nHost: hub\r\n\r\n"), (1, &answer)]);
    }
    let all = events(&w, RULE, 256 << 20);
    let told: Vec<_> = of(&all, "artifact").iter().map(|e| e["artifact"]["verdict"].clone()).collect();
    assert!(told.contains(&"malicious".into()), "{all:#?}");
    assert_eq!(of(&all, "alert").len(), 1, "{all:#?}");
}

#[test]
fn what_could_not_be_looked_at_is_never_clean() {
    let (body, small) = (pickle(4000), 12 << 20);
    // Bytes are missing before the call; more files at once than there are readers; a part of a file.
    let mut w = Wire::new();
    let mut t = w.tcp((1, 42_000), S);
    t.send(0, b"GET /hole.pkl HTTP/1.1\r\nHost: h\r\n\r\n");
    let all = answer(&[&b"\x80\x02"[..], &body[2..]].concat());
    t.send(1, &all[..45]);
    t.seq[1] = t.seq[1].wrapping_add(45);
    t.segment(0, common::wire::ACK, &[]);
    t.send(1, &all[90..]);
    t.close();
    let part = [&b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 100-4999/5000\r\nContent-Length: 4900\r\n\r\n"[..], &[7; 4900]];
    w.talk((1, 42_001), S, &[(0, b"GET /part.pt HTTP/1.1\r\nHost: h\r\n\r\n"), (1, &part.concat())]);
    let all = events(&w, RULE, 256 << 20);
    for e in of(&all, "artifact") {
        assert_eq!(e["artifact"]["verdict"], "unreadable", "{all:#?}");
    }
    assert_eq!(of(&all, "artifact").len(), 2, "{all:#?}");
    // An engine too small for readers says so of each file, and alerts on none.
    let mut w = Wire::new();
    get(&mut w, 43_000, "m.pkl", &body, 1400);
    let all = events(&w, RULE, small);
    let told = of(&all, "artifact");
    assert_eq!((told.len(), of(&all, "alert").len()), (1, 0), "{all:#?}");
    assert_eq!(told[0]["artifact"]["why"], "not looked at: no reader was free");
}

#[test]
fn files_that_are_no_models_have_no_verdict() {
    let mut w = Wire::new();
    get(&mut w, 44_000, "index.html", b"<html>pickle os.system</html>", 1400);
    get(&mut w, 44_001, "logo.png", b"\x89PNG\r\n\x1a\n0000", 1400);
    get(&mut w, 44_002, "manifest.json", b"{\"name\": \"app\", \"version\": 3}", 1400);
    get(&mut w, 44_003, "notes.gz", &common::traffic::gzip(b"just a few words, nothing else here"), 1400);
    let any = "alert tcp any any -> any any (artifact.verdict:malicious,suspicious,unknown,unreadable,clean; sid:1;)\n\
               alert tcp any any -> any any (artifact.format:!pickle; sid:2;)\n\
               alert tcp any any -> any any (artifact.import:!\"os\"; sid:3;)";
    let all = events(&w, any, 256 << 20);
    assert!(all.is_empty(), "{all:#?}");
}

/// What is named as only models are, and is none, is told; rules on verdicts are about models.
#[test]
fn files_that_are_only_named_as_models_are_told() {
    const NAMES: [&str; 8] =
        ["a.pkl", "b.pt", "c.safetensors", "d.gguf", "e.onnx", "f.h5", "g.keras", "h.joblib"];
    let bodies: [&[u8]; 4] = [b"<html>404 not here</html>", b"{\"error\": \"no such file\"}", b"words", b""];
    let mut w = Wire::new();
    for (i, name) in NAMES.iter().enumerate() {
        for (j, body) in bodies.iter().enumerate() {
            get(&mut w, 44_100 + (i * 10 + j) as u16, name, body, 1400);
        }
    }
    get(&mut w, 44_900, "data.bin", b"words", 1400);
    let any = "alert tcp any any -> any any (artifact.verdict:malicious,suspicious,unknown,clean; sid:1;)\n\
               alert tcp any any -> any any (artifact.format:!pickle; sid:2;)";
    let all = events(&w, any, 256 << 20);
    let artifacts = of(&all, "artifact");
    for name in NAMES {
        let file = format!("/{name}");
        let own: Vec<_> = artifacts.iter().filter(|e| e["artifact"]["file"] == *file).collect();
        // An empty body is no file.
        assert_eq!(own.len(), bodies.len() - 1, "{name}: {all:#?}");
        for e in own.iter().map(|e| &e["artifact"]) {
            let pair = (e["verdict"].as_str().unwrap(), e["why"].as_str().unwrap());
            let odd = ("suspicious", "is not what its name says");
            assert!(pair == ("unknown", "no model format that is known") || pair == odd, "{e}");
        }
    }
    assert_eq!(artifacts.len(), NAMES.len() * 3);
    let suspicious = artifacts.iter().filter(|e| e["artifact"]["verdict"] == "suspicious").count();
    assert_eq!(suspicious, 6);
    for sid in [1, 2] {
        let alerts = of(&all, "alert").into_iter().filter(|e| e["alert"]["signature_id"] == sid).count();
        assert_eq!(alerts, suspicious, "{sid}");
    }
}

#[test]
fn conditions_on_a_verdict() {
    let mut w = Wire::new();
    get(&mut w, 45_000, "a.pkl", &pickle(0), 1400);
    let ask = |condition: &str| {
        let rule = format!("alert http any any -> any any ({condition} sid:1;)");
        of(&events(&w, &rule, 256 << 20), "alert").len()
    };
    for yes in [
        "artifact.format:pickle;",
        "artifact.format:!zip;",
        "artifact.import:\"os.\";",
        "artifact.import:!\"sys.\";",
        "artifact.risk:>=95;",
        "artifact.risk:90<>99;",
        "artifact.verdict:malicious,suspicious;",
        "fileext:\"pkl\"; artifact.verdict:malicious;",
    ] {
        assert_eq!(ask(yes), 1, "{yes}");
    }
    for no in [
        "artifact.format:zip;",
        "artifact.import:\"subprocess\";",
        "artifact.risk:<90;",
        "artifact.verdict:clean;",
        "fileext:\"pt\"; artifact.verdict:malicious;",
        "artifact.import:\"os.system\"; filesize:>1000;",
    ] {
        assert_eq!(ask(no), 0, "{no}");
    }
    for wrong in
        ["artifact.format:elf;", "artifact.risk:>200;", "artifact.verdict:evil;", "artifact.import:\"\";"]
    {
        let r = rules(&format!("alert http any any -> any any ({wrong} sid:1;)"), &settings());
        assert_eq!(r.refused.len(), 1, "{wrong}");
    }
}

/// A rule that drops stops the file at the piece in which the call is made.
#[test]
fn inline_the_rest_of_the_file_stays_out() {
    let mut w = Wire::new();
    get(&mut w, 46_000, "weights.bin", &pickle(40_000), 1400);
    let over = tidegate_dataplane::config::Overrides { ips: true, set: &[] };
    let s = tidegate_dataplane::config::Settings::load(None, &over).unwrap();
    let mode = tidegate_dataplane::config::engine::Mode {
        ips: true,
        ignore_checksums: true,
        memory: 256 << 20,
        secret: tidegate_core::Secret::fixed(1),
    };
    let r = rules("drop http any any -> any any (artifact.verdict:malicious; sid:1;)", &s);
    let mut e = Engine::new(s.engine(mode).unwrap(), r.rules.clone());
    let all = frames(&w.frames);
    let mut passed = 0;
    for f in &all {
        let mut v = [Verdict::Forward];
        e.process(std::slice::from_ref(f), &mut v, &mut NoSink);
        passed += if v[0] == Verdict::Forward { f.data.len() } else { 0 };
    }
    assert!(passed < 3000, "{passed} bytes passed");
}
