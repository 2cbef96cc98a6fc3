//! A week of calls that the tests make, with changes in it; services by hand; memory and work.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::*;
use crate::event::{Nest, Value};

/// A record as `path=value` lines.
#[derive(Default)]
struct Lines {
    path: Vec<String>,
    out: Vec<String>,
}

impl Fields for Lines {
    fn value(&mut self, key: &str, value: Value<'_>) {
        let v = match value {
            Value::Bytes(b) => String::from_utf8_lossy(b).into_owned(),
            Value::U64(n) => format!("{n}"),
            Value::F64(n) => format!("{n}"),
            Value::Bool(b) => format!("{b}"),
            Value::Text(t) => format!("{t}"),
            v => format!("{v:?}"),
        };
        let path = self.path.join(".");
        self.out.push(format!("{path}{}{key}={v}", if path.is_empty() || key.is_empty() { "" } else { "." }));
    }
    fn open(&mut self, key: &str, _: Nest) {
        if !key.is_empty() {
            self.path.push(key.into());
        } else {
            self.path.push("-".into());
        }
    }
    fn close(&mut self, _: Nest) {
        self.path.pop();
    }
}

struct Said {
    ts: u64,
    lines: Vec<String>,
}

impl Said {
    fn get(&self, path: &str) -> &str {
        let of = |l: &'_ String| l.strip_prefix(path)?.strip_prefix('=').map(str::len);
        let line = self.lines.iter().find(|l| of(l).is_some());
        line.map_or("", |l| &l[path.len() + 1..])
    }
    fn all(&self, path: &str) -> Vec<&str> {
        self.lines.iter().filter_map(|l| l.strip_prefix(path)?.strip_prefix('=')).collect()
    }
}

const HOUR: u64 = 3_600_000_000_000;

fn ledger(bytes: usize, services: bool, telemetry: bool) -> Ledger {
    let telemetry = telemetry.then(TelemetryConfig::default);
    Ledger::new(&LedgerConfig { bytes, services, telemetry, home: None }, Secret::fixed(1))
}

fn heard(said: &mut Vec<Said>) -> impl FnMut(Summary<'_>) + '_ {
    |s| {
        let mut lines = Lines::default();
        s.body.fields(&mut lines);
        said.push(Said { ts: s.ts, lines: lines.out });
    }
}

fn addr(n: u32) -> Addr {
    let [a, b, c, d] = n.to_be_bytes();
    Addr::v4([a, b, c, d])
}

/// Numbers that look random, the same each time (xorshift, and Box and Muller's normal ones).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
    fn normal(&mut self) -> f64 {
        let (a, b) = (self.next().max(1e-12), self.next());
        libm::sqrt(-2.0 * libm::log(a)) * libm::cos(core::f64::consts::TAU * b)
    }
    fn around(&mut self, median: f64, spread: f64) -> f64 {
        median * libm::exp(spread * self.normal())
    }
}

/// Models of two servers, and how much of the traffic is theirs.
const MODELS: [(&str, u32, f64); 3] = [("m1", 1, 0.6), ("m2", 1, 0.25), ("m3", 2, 0.15)];
const CALLS: u64 = 200_000;
const THIEF: u32 = 0x0a00_0300;

/// What is done in the week: number, model, first hour, hours.
const CHANGES: [(&str, &str, u64, u64); 6] = [
    ("swap", "m1", 34, 134),
    ("drift", "m2", 58, 18),
    ("extraction", "m3", 82, 4),
    ("latency", "m3", 106, 6),
    ("refusals", "m1", 130, 5),
    ("jailbreaks", "m1", 154, 4),
];

fn during(change: &str, hour: f64) -> Option<f64> {
    let (.., from, hours) = CHANGES.iter().find(|c| c.0 == change).unwrap();
    let at = (hour - *from as f64) / *hours as f64;
    (0.0..1.0).contains(&at).then_some(at)
}

fn made_call(dice: &mut Dice, hour: f64, seed: u64) -> Facts {
    let (pick, who) = (dice.next(), dice.next());
    let (name, server, _) = match pick {
        p if p < 0.6 => MODELS[0],
        p if p < 0.85 => MODELS[1],
        _ => MODELS[2],
    };
    let swapped = name == "m1" && during("swap", hour).is_some();
    // Forty clients, some of which ask much more than others.
    let client = 0x0a00_0100 + (40.0 * who * who) as u32;
    let drift =
        if name == "m2" { during("drift", hour).unwrap_or(if hour > 76.0 { 1.0 } else { 0.0 }) } else { 0.0 };
    let refuse = if name == "m1" && during("refusals", hour).is_some() { 0.2 } else { 0.02 };
    let risk = if name == "m1" && during("jailbreaks", hour).is_some() { 0.15 } else { 0.004 };
    let slow = if name == "m3" && during("latency", hour).is_some() { 3.0 } else { 1.0 };
    let failed = dice.next() < 0.01;
    let rate = dice.around(if swapped { 90.0 } else { 55.0 }, 0.15);
    let tokens = dice.around(if swapped { 120.0 } else { 200.0 }, 0.7);
    let ttft = dice.around(250e6 * slow, 0.35);
    let sure = 0.86 - 0.2 * drift - if swapped { 0.08 } else { 0.0 };
    Facts {
        client: addr(client),
        server: addr(0x0a01_0000 + server),
        port: 8000,
        at: (hour * HOUR as f64) as u64 + seed % 1000,
        provider: "openai",
        operation: "chat",
        model: Short::of(if swapped { b"m1-mini" } else { name.as_bytes() }),
        asked: Short::of(name.as_bytes()),
        status: if failed { 500 } else { 200 },
        answered: !failed,
        ttft: (!failed).then_some(ttft as u64),
        duration: Some((ttft + tokens / rate * 1e9) as u64),
        rate: (!failed).then_some(rate),
        confidence: (!failed).then(|| (sure + 0.06 * dice.normal()).clamp(0.05, 1.0)),
        prompt_bytes: dice.around(900.0, 1.0) as u64,
        completion_bytes: (tokens * 4.2) as u64,
        refused: dice.next() < refuse,
        risky: Some(dice.next() < risk),
        ..Facts::default()
    }
}

/// The week's calls in order: fewer by night.
fn week(seed: u64, mut each: impl FnMut(&Facts)) {
    let mut dice = Dice(seed);
    let mut n = 0u64;
    for hour in 0..168u64 {
        let day = 1.0 + 0.6 * libm::sin(core::f64::consts::TAU * ((hour % 24) as f64 - 8.0) / 24.0);
        let calls = (CALLS as f64 / 168.0 * day) as u64;
        for i in 0..calls {
            n += 1;
            let at = hour as f64 + i as f64 / calls as f64;
            each(&made_call(&mut dice, at, n));
            // A client that asks one model all the time, with short questions.
            if during("extraction", at).is_some() && i % 2 == 0 {
                let mut f = made_call(&mut dice, at, n);
                (f.client, f.server, f.asked, f.model) =
                    (addr(THIEF), addr(0x0a01_0002), Short::of(b"m3"), Short::of(b"m3"));
                each(&f);
            }
        }
    }
}

/// A figure that deviated: hour, model, figure, cause, client, why.
type Word = (u64, String, String, String, String, String);

fn words(seed: u64) -> (Vec<Word>, usize) {
    let (mut l, mut said) = (ledger(1 << 20, false, true), Vec::new());
    week(seed, |f| l.call(f, &mut heard(&mut said)));
    l.finish(&mut heard(&mut said));
    let mut words = Vec::new();
    for s in &said {
        for (i, figure) in s.all("deviations.-.figure").iter().enumerate() {
            let causes = s.all("deviations.-.cause");
            let whys = s.all("deviations.-.why");
            // A client is there only where one carries the change.
            let before = causes[..i].iter().filter(|c| **c == "client").count();
            let client = if causes[i] == "client" { s.all("deviations.-.client")[before] } else { "" };
            words.push((
                s.ts / HOUR,
                s.get("model").into(),
                String::from(*figure),
                causes[i].into(),
                client.into(),
                whys[i].into(),
            ));
        }
    }
    (words, said.len())
}

#[test]
fn a_week_with_six_changes() {
    for seed in [0x9e37_79b9_7f4a_7c15, 12345, 777] {
        let (words, windows) = words(seed);
        assert!(windows >= 3 * 166, "{windows}");
        let told = |change: &str, figure: &str| {
            let (_, model, from, hours) = CHANGES.iter().find(|c| c.0 == change).unwrap();
            let hit =
                words.iter().find(|w| w.1 == *model && w.2 == figure && (*from..from + hours).contains(&w.0));
            hit.unwrap_or_else(|| panic!("{change}: {words:#?}")).clone()
        };
        // Within the first window, but for what comes slowly.
        for (change, figure, cause) in [
            ("swap", "tokens_per_s", "model"),
            ("drift", "confidence", "everybody"),
            ("extraction", "top_client_share", "client"),
            ("latency", "ttft_ms", "everybody"),
            ("refusals", "refusal_rate", "everybody"),
            ("jailbreaks", "risk_rate", "everybody"),
        ] {
            let w = told(change, figure);
            let (.., from, hours) = CHANGES.iter().find(|c| c.0 == change).unwrap();
            let within = if change == "drift" { *hours } else { 1 };
            assert!(w.0 - from < within, "{change}: {w:?}");
            assert_eq!(w.3, cause, "{change}: {w:?}");
        }
        let w = told("extraction", "top_client_share");
        assert_eq!(w.4, "10.0.3.0", "{w:?}");
        assert!(w.5.starts_with("one client asks 7"), "{w:?}");
        assert!(told("swap", "tokens_per_s").5.contains("from m1 to m1-mini"));
        // Words that no change explains: at most one a day.
        let explained = |w: &Word| {
            CHANGES
                .iter()
                .any(|(_, model, from, hours)| w.1 == *model && (*from..=from + hours).contains(&w.0))
        };
        let false_words: Vec<_> = words.iter().filter(|w| !explained(w)).collect();
        assert!(false_words.len() <= 3, "{} in six days: {false_words:#?}", false_words.len());
        // The swapped model is told once, not in each window from then on.
        let swap = words.iter().filter(|w| w.1 == "m1" && w.2 == "tokens_per_s").count();
        assert_eq!(swap, 1, "{words:#?}");
    }
}

/// Without changes nothing is said.
#[test]
fn a_quiet_week() {
    let (mut l, mut said) = (ledger(1 << 20, false, true), Vec::new());
    let mut dice = Dice(99);
    for hour in 0..168u64 {
        for i in 0..600u64 {
            // The first day again and again.
            let mut f = made_call(&mut dice, (hour % 24) as f64 + i as f64 / 600.0, i);
            f.at += hour / 24 * 24 * HOUR;
            l.call(&f, &mut heard(&mut said));
        }
    }
    let loud: Vec<_> = said.iter().filter(|s| s.get("state") == "deviating").map(|s| &s.lines).collect();
    assert!(loud.len() <= 1, "{loud:#?}");
}

fn answered(client: u32, model: &[u8], open: bool, at: u64) -> Facts {
    Facts {
        client: addr(client),
        server: addr(0x0a01_0001),
        port: 11434,
        at,
        provider: "ollama",
        operation: "chat",
        software: Short::of(b"ollama"),
        model: Short::of(model),
        asked: Short::of(model),
        status: 200,
        answered: true,
        open,
        credential: if open { "none" } else { "bearer" },
        ..Facts::default()
    }
}

const INSIDE: u32 = 0x0a00_0005;
const OUTSIDE: u32 = 0x0808_0808;

#[test]
fn a_service_and_its_exposure() {
    let (mut l, mut said) = (ledger(1 << 20, true, false), Vec::new());
    let second = 1_000_000_000;
    let mut say = |f: &Facts| {
        l.call(f, &mut heard(&mut said));
    };
    say(&answered(INSIDE, b"llama3", false, second));
    // The same again says nothing new; a refusal is no exposure.
    say(&answered(INSIDE, b"llama3", false, 2 * second));
    say(&Facts { status: 401, answered: false, ..answered(OUTSIDE, b"llama3", true, 3 * second) });
    assert_eq!(said.len(), 1);
    assert_eq!(said[0].get("address"), "10.1.0.1");
    assert_eq!((said[0].get("port"), said[0].get("server")), ("11434", "ollama"));
    assert_eq!(said[0].get("models"), "llama3");
    assert_eq!(said[0].get("since"), "1970-01-01T00:00:01Z");
    assert!(said[0].lines.iter().all(|l| !l.starts_with("exposed")));
    let mut say = |f: &Facts| l.call(f, &mut heard(&mut said));
    say(&answered(INSIDE, b"llama3", true, 4 * second));
    say(&answered(OUTSIDE, b"llama3", true, 5 * second));
    // A model that is new waits for its turn.
    say(&answered(INSIDE, b"qwen", false, 6 * second));
    assert_eq!(said.len(), 3);
    assert_eq!((said[1].get("exposed.to"), said[1].get("changed")), ("inside", "exposed"));
    assert_eq!((said[2].get("exposed.to"), said[2].get("exposed.client")), ("outside", "8.8.8.8"));
    assert_eq!(said[2].get("exposed.proof"), "chat without a credential was answered with 200");
    assert_eq!((said[2].get("calls"), said[2].get("answered"), said[2].get("denied")), ("5", "4", "1"));
    l.tick(9 * second, &mut heard(&mut said));
    assert_eq!(said.len(), 3);
    l.tick(16 * second, &mut heard(&mut said));
    assert_eq!((said.len(), said[3].get("changed")), (4, "model"));
    assert_eq!(said[3].all("models"), ["llama3", "qwen"]);
    l.finish(&mut heard(&mut said));
    l.finish(&mut heard(&mut said));
    assert_eq!((said.len(), said[4].get("told"), said[4].get("clients")), (5, "end", "2"));
}

/// More services and clients than there is room for: what is known of the others goes, and is counted.
#[test]
fn floods_of_services_and_clients() {
    let mut l = ledger(256 << 10, true, true);
    let before = l.services.as_ref().map(|s| s.places()).unwrap();
    let mut told = 0u64;
    for n in 0..200_000u32 {
        let f = Facts { server: addr(n % 10_000), ..answered(n, b"m", true, u64::from(n) * 1_000_000) };
        l.call(&f, &mut |_| told += 1);
    }
    assert_eq!(l.services.as_ref().map(|s| s.places()).unwrap(), before);
    let c = l.counts();
    assert!(c.services_evicted > 0 && c.series_evicted > 0, "{c:?}");
    assert!(told > 0);
    // The estimate of clients.
    for n in [3u32, 50, 1000, 1_000_000] {
        let mut l = ledger(256 << 10, true, false);
        let mut said = Vec::new();
        for c in 0..n {
            l.call(&answered(c, b"m", false, 0), &mut |_| {});
        }
        l.finish(&mut heard(&mut said));
        let got: f64 = said.last().unwrap().get("clients").parse().unwrap();
        assert!((got / f64::from(n) - 1.0).abs() < 0.35, "{got} of {n}");
    }
}
