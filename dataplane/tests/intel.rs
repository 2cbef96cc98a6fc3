//! Intelligence from files to alerts: every format, what cannot be used, and a capture with a thousand indicators.

mod common;

use std::collections::BTreeSet;
use std::path::PathBuf;

use common::wire::Wire;
use common::{frames, settings};
use tidegate_core::Secret;
use tidegate_core::detect::Rules;
use tidegate_core::engine::Engine;
use tidegate_core::event::{Event, EventSink};
use tidegate_core::intel::Kind;
use tidegate_dataplane::config::engine::Mode;
use tidegate_dataplane::intel::{self, Loaded};

/// A folder of its own for a test.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Place {
        let dir = std::env::temp_dir().join(format!("tidegate-intel-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        Place(dir)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        std::fs::write(self.0.join(name), text).unwrap();
        self.0.join(name)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn count(l: &Loaded, kind: Kind) -> usize {
    Kind::ALL.iter().zip(l.intel.counts()).find(|(k, _)| **k == kind).map_or(0, |k| k.1)
}

/// What was met: type, where, source, and what else is said.
#[derive(Default)]
struct Met(Vec<String>);

impl EventSink for Met {
    fn event(&mut self, event: Event<'_>) {
        if let Event::Alert(a) = event
            && let Some(s) = &a.intel
        {
            let value = match s.hit.kind {
                Kind::Address => format!("{:?}", s.hit.value),
                _ => String::from_utf8_lossy(s.hit.value).into_owned(),
            };
            self.0.push(format!("{} {value} {}", s.hit.kind.name(), s.place));
        }
    }
}

fn run(l: &Loaded, w: &Wire, batch: usize) -> Vec<String> {
    let s = settings();
    let rules = Rules::default().with_intel(Some(l.intel.clone()));
    let mode = Mode { ips: false, ignore_checksums: true, memory: 64 << 20, secret: Secret::fixed(1) };
    let mut e = Engine::new(s.engine(mode).unwrap(), rules);
    let mut met = Met::default();
    common::run(&mut e, &frames(&w.frames), batch, &mut met);
    assert_eq!(e.stats().intel.hits, met.0.len() as u64);
    met.0
}

#[test]
fn lists_and_tables() {
    let p = Place::new("lists");
    p.write("plain.txt", "# a comment\n192.0.2.1\t10\n198.51.100.0/24\nEvil.test # why\nhttp://evil.test/x\nrubbish\n0.0.0.0 hosts.test\na@evil.test\n");
    p.write("table.csv", "type,indicator,app,confidence,expires,tlp\r\ndomain,csv.test,\"A, B\",90,2030-01-01,amber\r\nip,203.0.113.0/24,x,,,\r\nregkey,HKLM,x,,,\r\n");
    p.write(
        "hashes.csv",
        "SHA256,Name\n2f3bc9ebe8c249f0416f5b0367f34b4b8f6aaa7d351dc5b4912fe2558491b6b7,a\nnone,b\n",
    );
    p.write("zeek.intel", "#fields\tindicator\tindicator_type\tmeta.source\tmeta.desc\nzeek.test\tIntel::DOMAIN\tus\tbad\nx\tIntel::USER_NAME\tus\t-\nEvil/1.0\tIntel::SOFTWARE\tus\t-\n");
    p.write("names.lst", "ZGF0YXNldC50ZXN0\nd41d8cd98f00b204e9800998ecf8427e\n");
    let l = intel::load(std::slice::from_ref(&p.0)).unwrap();
    let report = l.report();
    let counts: Vec<_> =
        Kind::ALL.iter().zip(l.intel.counts()).filter(|k| k.1 > 0).map(|k| (k.0.name(), k.1)).collect();
    assert_eq!(
        counts,
        [
            ("address", 1),
            ("network", 2),
            ("domain", 5),
            ("url", 1),
            ("email", 1),
            ("user-agent", 1),
            ("md5", 1),
            ("sha256", 1)
        ],
        "{report}"
    );
    for says in [
        "not used  value 1: looks like nothing that is known",
        "not used  regkey 1: no packet says it",
        "not used  sha256 1: malformed",
        "not used  Intel::USER_NAME 1: no packet says it",
        "for example `none` is not of type sha256",
    ] {
        assert!(report.contains(says), "{says} is not in\n{report}");
    }
    let hit = l.intel.domain(b"www.csv.test", 0).unwrap();
    assert_eq!(
        (hit.confidence, hit.about.tlp.map(|t| t.name()), hit.until),
        (Some(90), Some("amber"), Some(1_893_542_399))
    );
    assert_eq!(hit.about.description, "A, B");
    assert!(l.intel.domain(b"www.csv.test", 1_893_542_400).is_none());
}

/// An indicator whose end cannot be read must not live for ever.
#[test]
fn an_expiry_that_cannot_be_read_is_malformed() {
    let p = Place::new("expiry");
    let table =
        |name: &str, when: &str| p.write(name, &format!("type,indicator,expires\ndomain,x.test,{when}\n"));
    let until = |l: &Loaded| l.intel.domain(b"x.test", 0).map(|h| h.until);
    for (i, (when, expected)) in [
        ("", None),
        ("never", None),
        ("9999-12-31", None),
        ("9999-12-31T23:59:59Z", None),
        ("9999-12-31T23:59:59.999Z", None),
        ("2500-01-01T00:00:00Z", None),
        ("253402300799", None),
        ("1577836800", Some(1_577_836_800)),
        // Milliseconds.
        ("1577836800000", Some(1_577_836_800)),
        ("253402300799000", None),
        ("2020-01-01", Some(1_577_923_199)),
        ("2020-01-01T00:00:00Z", Some(1_577_836_800)),
        ("2020-01-01T01:00:00+01:00", Some(1_577_836_800)),
        ("2020-01-01 00:00:00", Some(1_577_836_800)),
        // Before the epoch is over as well.
        ("1969-12-31", Some(1)),
    ]
    .into_iter()
    .enumerate()
    {
        let l = intel::load(&[table(&format!("good{i}.csv"), when)]).unwrap();
        assert_eq!(until(&l), Some(expected), "{when}: {}", l.report());
    }
    for (i, when) in ["2020-13-45", "01/02/2020", "soon", "-5", "1e9", "9999-99-99", "99999999999999999999"]
        .into_iter()
        .enumerate()
    {
        let l = intel::load(&[table(&format!("bad{i}.csv"), when)]).unwrap();
        let report = l.report();
        assert_eq!(until(&l), None, "{when}: {report}");
        assert!(
            report.contains("not used  row 1: malformed") && report.contains(&format!("line 2: `{when}`")),
            "{report}"
        );
    }
    let bundle = |member: &str| {
        let text = format!(
            r#"{{"type":"bundle","id":"bundle--1","objects":[{{"type":"indicator","id":"indicator--7","pattern_type":"stix","pattern":"[domain-name:value='x.test']"{member}}}]}}"#
        );
        intel::load(&[p.write("b.json", &text)]).unwrap()
    };
    for member in ["", r#","valid_until":null"#, r#","valid_until":"9999-12-31T23:59:59Z""#] {
        assert_eq!(until(&bundle(member)), Some(None), "{member}");
    }
    for wrong in [r#""2020-02-31T99:00:00Z""#, "true", "[1]"] {
        let l = bundle(&format!(r#","valid_until":{wrong}"#));
        let report = l.report();
        assert_eq!(until(&l), None, "{report}");
        assert!(
            report.contains("not used  indicator 1: malformed") && report.contains("indicator--7: "),
            "{report}"
        );
    }
}

/// The indicator is as good as before; but somebody meant something.
#[test]
fn what_is_said_beside_a_value_and_not_known_is_told() {
    let p = Place::new("beside");
    let t = p.write("t.csv", "type,indicator,confidence,tlp\ndomain,a.test,101,amber\ndomain,b.test,high,\ndomain,c.test,90,purple\ndomain,d.test,100,\n");
    let b = p.write("b.json", r#"{"type":"bundle","id":"bundle--1","objects":[
        {"type":"marking-definition","id":"marking-definition--9","definition_type":"tlp","definition":{"tlp":"mauve"}},
        {"type":"indicator","id":"indicator--7","pattern_type":"stix","confidence":300,"pattern":"[domain-name:value='e.test']","object_marking_refs":["marking-definition--9"]}]}"#);
    let m = p.write("m.json", r#"{"Event":{"info":"x","Tag":[{"name":"tlp:teal"}],"Attribute":[{"type":"domain","value":"f.test","to_ids":true}]}}"#);
    let l = intel::load(&[t, b, m]).unwrap();
    let report = l.report();
    assert_eq!(count(&l, Kind::Domain), 6, "{report}");
    let sure = |d: &str| l.intel.domain(d.as_bytes(), 0).unwrap().confidence;
    assert_eq!(
        ["a.test", "b.test", "c.test", "d.test", "e.test"].map(sure),
        [None, None, Some(90), Some(100), None]
    );
    for says in [
        "not used  confidence 2: no number from 0 to 100",
        "not used  tlp 1: not a word of TLP",
        "line 2: `101`",
        "line 3: `high`",
        "line 4: `purple`",
        "not used  confidence 1: no number from 0 to 100",
        "indicator--7: `300`",
        "indicator--7: `mauve`",
        "`tlp:teal`",
    ] {
        assert!(report.contains(says), "{says} is not in\n{report}");
    }
}

#[test]
fn values_in_messages_are_cut() {
    let p = Place::new("cut");
    let long = "x/".repeat(5000);
    let list = p.write("l.txt", &format!("{long}\n"));
    let table = p.write("t.csv", &format!("type,indicator,expires\nmd5,{long},\ndomain,a.test,{long}\n"));
    let bundle = p.write(
        "b.json",
        &format!(r#"{{"type":"bundle","objects":[{{"type":"indicator","pattern":"[{long}"}}]}}"#),
    );
    for f in [list, table, bundle] {
        let l = intel::load(std::slice::from_ref(&f)).unwrap();
        let longest = l.files[0].wrong.iter().map(String::len).max().unwrap();
        assert!(longest < 300, "{}", l.report());
    }
}

#[test]
fn events_feeds_bundles_and_warnings() {
    let p = Place::new("json");
    let event = r#"{"Event":{"info":"a story","Orgc":{"name":"us"},"Tag":[{"name":"tlp:green"},
        {"name":"misp-galaxy:mitre-attack-pattern=\"PowerShell - T1059.001\""}],
        "Attribute":[{"type":"ip-dst","value":"192.0.2.9","to_ids":true},{"type":"domain|ip","value":"d.test|192.0.2.10","to_ids":true},
        {"type":"filename|sha1","value":"x|0123456789012345678901234567890123456789","to_ids":true},
        {"type":"regkey","value":"x","to_ids":true},{"type":"domain","value":"unsure.test","to_ids":false},
        {"type":"domain","value":"google.test","to_ids":true}],
        "Object":[{"Attribute":[{"type":"url","value":"http://o.test/p","to_ids":true,"comment":"drops x"}]}]}}"#;
    std::fs::create_dir_all(p.0.join("feed")).unwrap();
    p.write(
        "feed/manifest.json",
        r#"{"0f-1":{"info":"a story","date":"2024-01-01"},"0f-2":{"info":"gone","date":"2024-01-01"}}"#,
    );
    p.write("feed/0f-1.json", event);
    p.write(
        "warn.json",
        r#"{"name":"harmless","type":"string","matching_attributes":["domain"],"list":["google.test"]}"#,
    );
    let bundle = r#"{"type":"bundle","id":"bundle--1","objects":[
        {"type":"indicator","id":"indicator--1","pattern_type":"stix","pattern":"[domain-name:value='s.test']","name":"s","confidence":70,
         "valid_until":"2031-01-01T00:00:00Z","object_marking_refs":["marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed"]},
        {"type":"indicator","id":"indicator--2","pattern_type":"stix","pattern":"[process:name='x']"},
        {"type":"indicator","id":"indicator--3","pattern_type":"yara","pattern":"rule x {}"},
        {"type":"indicator","id":"indicator--4","pattern_type":"stix","pattern":"[broken"},
        {"type":"attack-pattern","id":"attack-pattern--1","name":"Web","external_references":[{"source_name":"mitre-attack","external_id":"T1071"}]},
        {"type":"relationship","id":"relationship--1","source_ref":"indicator--1","target_ref":"attack-pattern--1","relationship_type":"indicates"}]}"#;
    let stix = p.write("bundle.json", bundle);
    let l = intel::load(&[p.0.join("feed"), stix, p.0.join("warn.json")]).unwrap();
    let report = l.report();
    for says in [
        "has       domain 2, domain|ip 1, filename|sha1 1, ip-dst 1, regkey 1, url 1",
        "taken     address 2, domain 1, url 1, sha1 1",
        "not used  domain 1: to_ids is false",
        "not used  event 1: named in the manifest and not there",
        "held back 1: harmless",
        "not used  process:name 1: no packet says it",
        "not used  yara 1: a pattern of another language",
        "not used  pattern 1: malformed",
    ] {
        assert!(report.contains(says), "{says} is not in\n{report}");
    }
    let hit = l.intel.domain(b"s.test", 0).unwrap();
    assert_eq!(
        (hit.about.tlp.unwrap().name(), hit.about.attack.as_slice()),
        ("red", &["T1071".to_string()][..])
    );
    assert_eq!((hit.about.description.as_str(), hit.confidence), ("Web; s", Some(70)));
    let hit = l.intel.url(b"http://o.test/p", 0).unwrap();
    assert_eq!((hit.about.source.as_str(), hit.about.description.as_str()), ("us", "a story; drops x"));
    assert_eq!(hit.about.attack, ["T1059.001"]);
    for (name, text, place) in [
        ("cut.json", "{\"type\":\"bundle\",", ":1:"),
        ("odd.json", "{\"a\":1}", ":1:1: JSON that is none of"),
    ] {
        let e = intel::load(&[p.write(name, text)]).unwrap_err().to_string();
        assert!(e.contains(name) && e.contains(place), "{e}");
    }
}

/// Numbers that look like chance.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        self.0 >> 33
    }
    fn name(&mut self) -> String {
        (0..8).map(|_| (b'a' + (self.next() % 26) as u8) as char).collect()
    }
}

fn get(host: &str, path: &str, agent: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\n\r\n").into_bytes()
}

fn answer(body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn mail(from: &str, to: &str) -> Vec<(usize, Vec<u8>)> {
    let lines: [(usize, String); 12] = [
        (1, "220 mx\r\n".into()),
        (0, "EHLO me\r\n".into()),
        (1, "250 mx\r\n".into()),
        (0, format!("MAIL FROM:<{from}>\r\n")),
        (1, "250 ok\r\n".into()),
        (0, format!("RCPT TO:<{to}>\r\n")),
        (1, "250 ok\r\n".into()),
        (0, "DATA\r\n".into()),
        (1, "354 go\r\n".into()),
        (0, "Subject: x\r\n\r\nhello\r\n.\r\n".into()),
        (1, "250 ok\r\n".into()),
        (0, "QUIT\r\n".into()),
    ];
    lines.map(|(who, l)| (who, l.into_bytes())).into()
}

/// A datagram between any two addresses.
fn datagram(w: &mut Wire, src: [u8; 4], dst: [u8; 4], port: u16) {
    let body = common::wire::datagram(port, 9999, b"x");
    let p = common::wire::ipv4(17, src, dst, 1, 0, &body);
    w.ip_packet(&p);
    w.now += 1000;
}

/// A request to a proxy is met by the URL that it has, with another `Host` beside it or none.
#[test]
fn urls_are_met_behind_proxies() {
    let p = Place::new("proxy");
    let l =
        intel::load(&[p.write("urls.csv", "type,indicator\nurl,http://bad.example/malware.exe\n")]).unwrap();
    let mut w = Wire::new();
    for (port, target) in (4000..).zip([
        "http://bad.example/malware.exe HTTP/1.1\r\nHost: bad.example",
        "http://bad.example:80/malware.exe HTTP/1.1\r\nHost: proxy.example",
        "HTTP://BAD.example/malware.exe HTTP/1.0",
        "/malware.exe HTTP/1.1\r\nHost: bad.example:80",
        "http://good.example/malware.exe HTTP/1.1\r\nHost: bad.example",
    ]) {
        w.talk((1, port), (2, 3128), &[(0, format!("GET {target}\r\n\r\n").as_bytes()), (1, &answer(b""))]);
    }
    assert_eq!(run(&l, &w, 7), ["url bad.example/malware.exe http.uri.raw"; 4]);
}

/// A thousand indicators of all kinds that a capture can be made of; the alert on each, and none on what is nearly one.
#[test]
fn a_thousand_indicators_and_no_near_miss() {
    use sha2::Digest as _;
    let (mut d, mut list, mut w, mut want) =
        (Dice(5), String::from("type,indicator\n"), Wire::new(), BTreeSet::new());
    for i in 0..1000u32 {
        let port = 1024 + (i % 60_000) as u16;
        let (client, name) = ((1, port), d.name());
        let (b, c) = ((i >> 8) as u8, i as u8);
        match i % 8 {
            0 => {
                list += &format!("ip,198.18.{b}.{c}\n");
                want.insert(format!("address {:?} dest_ip", [198, 18, b, c]));
                datagram(&mut w, [10, 0, 0, 1], [198, 18, b, c], port);
                datagram(&mut w, [10, 0, 0, 1], [198, 19, b, c], port);
            }
            1 => {
                list += &format!("domain,{name}.test\n");
                want.insert(format!("domain {name}.test dns.query"));
                w.udp(client, (2, 53), &common::traffic::dns(i as u16, &format!("www.{name}.TEST"), 1, None));
                w.udp(client, (3, 53), &common::traffic::dns(i as u16, &format!("x{name}.test"), 1, None));
                w.udp(
                    client,
                    (4, 53),
                    &common::traffic::dns(i as u16, &format!("{name}.test.example"), 1, None),
                );
            }
            2 => {
                list += &format!("url,http://{name}.example/a/{i}?q=%7e\n");
                want.insert(format!("url {name}.example/a/{i}?q=~ http.uri.raw"));
                w.talk(
                    client,
                    (2, 80),
                    &[(0, &get(&format!("{name}.example"), &format!("/a/{i}?q=~"), "ok")), (1, &answer(b""))],
                );
                w.talk(
                    client,
                    (3, 80),
                    &[(0, &get(&format!("{name}.example"), &format!("/a/{i}"), "ok")), (1, &answer(b""))],
                );
            }
            3 => {
                list += &format!("user-agent,Evil {name}/1.0\n");
                want.insert(format!("user-agent Evil {name}/1.0 http.user_agent"));
                w.talk(
                    client,
                    (2, 80),
                    &[(0, &get("ok.example", "/", &format!("Evil {name}/1.0"))), (1, &answer(b""))],
                );
                w.talk(
                    client,
                    (3, 80),
                    &[(0, &get("ok.example", "/", &format!("Evil {name}/1.1"))), (1, &answer(b""))],
                );
            }
            4 => {
                let body = format!("the file {name}");
                let hash = sha2::Sha256::digest(body.as_bytes());
                let hex: String = hash.iter().map(|b| format!("{b:02x}")).collect();
                list += &format!("sha256,{}\n", hex.to_uppercase());
                want.insert(format!("sha256 {} file.sha256", String::from_utf8_lossy(&hash)));
                w.talk(
                    client,
                    (2, 80),
                    &[(0, &get("ok.example", "/f", "ok")), (1, &answer(body.as_bytes()))],
                );
                w.talk(
                    client,
                    (3, 80),
                    &[(0, &get("ok.example", "/f", "ok")), (1, &answer(format!("{body}!").as_bytes()))],
                );
            }
            5 => {
                list += &format!("domain,{name}.host.test\n");
                want.insert(format!("domain {name}.host.test http.host"));
                w.talk(
                    client,
                    (2, 80),
                    &[(0, &get(&format!("{name}.host.test:80"), "/", "ok")), (1, &answer(b""))],
                );
                w.talk(client, (3, 80), &[(0, &get("host.test", "/", "ok")), (1, &answer(b""))]);
            }
            6 => {
                list += &format!("email,{name}@mail.test\n");
                want.insert(format!("email {name}@mail.test smtp.mail_from"));
                for (server, from) in [(2, format!("{name}@MAIL.test")), (3, format!("x{name}@mail.test"))] {
                    let lines = mail(&from, "ok@ok.example");
                    let lines: Vec<(usize, &[u8])> = lines.iter().map(|(w, l)| (*w, l.as_slice())).collect();
                    w.talk(client, (server, 25), &lines);
                }
            }
            _ => {
                list += &format!("network,100.64.{b}.{}/30\n", c & 0xfc);
                want.insert(format!("network 100.64.{b}.{}/30 src_ip", c & 0xfc));
                datagram(&mut w, [100, 64, b, (c & 0xfc) | 2], [10, 0, 0, 1], port);
                datagram(&mut w, [100, 65, b, c], [10, 0, 0, 1], port);
            }
        }
    }
    let p = Place::new("thousand");
    let l = intel::load(&[p.write("all.csv", &list)]).unwrap();
    assert_eq!(l.files[0].all(), 1000, "{}", l.report());
    let met = run(&l, &w, 32);
    let got: BTreeSet<String> = met.iter().cloned().collect();
    let missing: Vec<_> = want.difference(&got).take(5).collect();
    let more: Vec<_> = got.difference(&want).take(5).collect();
    assert!(missing.is_empty() && more.is_empty(), "not met: {missing:?}; met by mistake: {more:?}");
    assert_eq!(met.len(), 1000);
    assert_eq!(run(&l, &w, 1), met);
    assert_eq!(count(&l, Kind::Domain), 250);
}

/// The bundles of the reference material have what its README says.
#[test]
#[ignore = "needs ../shared"]
fn shared_bundles_have_what_their_readme_says() {
    let dir = common::shared().join("intel");
    let readme = std::fs::read_to_string(dir.join("README.md")).unwrap();
    let mut files = 0;
    for row in readme.lines().filter(|l| l.starts_with("| `")) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
        let (name, says) =
            (cells[0].trim().trim_matches('`'), cells.last().unwrap().trim().replace("\\|", "|"));
        let l = intel::load(&[dir.join(name)]).unwrap();
        let f = &l.files[0];
        let of = |what: &str| f.seen.get(what).copied().unwrap_or(0);
        files += 1;
        // What follows a semicolon or brackets is said in words.
        let counts = says.split("; ").next().unwrap();
        match name.split('/').next().unwrap() {
            "ipsum" => assert_eq!(of("address"), 20_000, "{}", l.report()),
            "stalkerware" if name.ends_with(".csv") => assert_eq!(format!("rows {}", of("rows")), says),
            "stalkerware" if name.ends_with("hosts") => {
                assert_eq!(format!("lines {}", f.seen.values().sum::<u64>()), says);
            }
            "stalkerware" => {
                assert_eq!(
                    format!(
                        "rules {}, by_proto dns:{}/ip:{}",
                        f.seen.values().sum::<u64>(),
                        of("dns"),
                        of("ip")
                    ),
                    says
                );
            }
            "stix" => {
                let (objects, patterns) = says.split_once("; patterns: ").unwrap();
                for part in objects.split(", ").chain(patterns.split(" (").next().unwrap().split(", ")) {
                    let (what, n) = part.rsplit_once(' ').unwrap();
                    assert_eq!(of(what.trim_matches('`')).to_string(), n, "{name}: {what}\n{}", l.report());
                }
                let unused: u64 = f.unused.values().sum();
                assert_eq!(f.all() + unused, of("indicator"), "{}", l.report());
            }
            _ => {
                for part in counts.split(", ") {
                    let (what, n) = part.rsplit_once(' ').unwrap();
                    assert_eq!(of(what).to_string(), n, "{name}: {what}\n{}", l.report());
                }
            }
        }
        if let Some(n) = says.split("to_ids ").nth(1) {
            // Attributes of two parts are two indicators; what no packet says is none.
            let used =
                f.all() + f.unused.iter().filter(|u| u.0.1 == "no packet says it").map(|u| u.1).sum::<u64>();
            assert!(used >= n.parse::<u64>().unwrap(), "{name}: {used} of {n}\n{}", l.report());
        }
    }
    assert_eq!(files, 33);
    // All at once, with the warning lists in force.
    let all = intel::load(
        &["misp-events", "stix", "ipsum", "misp-warninglists", "stalkerware"].map(|d| dir.join(d)),
    )
    .unwrap();
    assert_eq!(all.files.len(), 33);
    assert!(all.intel.len() > 20_000 && all.twice > 300, "{}", all.report());
}
