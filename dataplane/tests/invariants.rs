//! The promises of the engine (see ARCHITECTURE.md, "Invariants"), each with the test that fails when it is broken.
//!
//! Traffic of every protocol is made here; real captures of `../shared` are used too when that folder lies beside
//! the checkout.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeSet;

use common::traffic::{GET, everything, page};
use common::wire::{ACK, PSH, Packet, Wire};
use common::{all_rules, config, engine, eve, frames, rules, run, settings};
use proptest::prelude::*;
use tidegate_core::engine::{Engine, Frame};
use tidegate_core::event::{Event, EventSink, Fields, Nest, NoSink, Value, Verdict};
use tidegate_dataplane::config::engine::Mode;

thread_local! {
    /// Allocations of this thread while they are forbidden; `None` while they are not.
    static FORBIDDEN: Cell<Option<u64>> = const { Cell::new(None) };
}

/// The system's allocator, counting.
struct Counting;

/// Counts an allocation, and tells where the first one came from.
fn counted() {
    // What a panic allocates is not the engine's.
    if std::thread::panicking() {
        return;
    }
    let first = FORBIDDEN.try_with(|c| {
        let n = c.get();
        c.set(n.map(|n| n + 1));
        n == Some(0)
    });
    if first == Ok(true) {
        let n = FORBIDDEN.replace(None);
        eprintln!("an allocation where there must be none:\n{}", std::backtrace::Backtrace::force_capture());
        FORBIDDEN.set(n);
    }
}

// SAFETY: every call goes to the system's allocator unchanged, whose contract this is; counting touches only a
// thread-local number that needs no allocation itself.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        counted();
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        counted();
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        counted();
        // SAFETY: `ptr` came from `System` with that layout, as the caller promises.
        unsafe { System.realloc(ptr, layout, new_size) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: `ptr` came from `System` with that layout, as the caller promises.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Reads every field of every record and keeps nothing but sums.
#[derive(Default)]
struct Reader {
    fields: u64,
    alerts: u64,
    records: u64,
    flows: u64,
    summaries: u64,
}

impl Fields for Reader {
    fn value(&mut self, _key: &str, value: Value<'_>) {
        self.fields += 1;
        match value {
            Value::Bytes(v) | Value::Hex(v) | Value::Base64(v) => {
                self.fields += v.iter().map(|b| u64::from(*b)).sum::<u64>();
            }
            Value::Text(v) => drop(std::fmt::Write::write_fmt(self, v)),
            _ => {}
        }
    }
    fn open(&mut self, _key: &str, _nest: Nest) {}
    fn close(&mut self, _nest: Nest) {}
}

impl std::fmt::Write for Reader {
    fn write_str(&mut self, s: &str) -> std::fmt::Result {
        self.bytes("", s.as_bytes());
        Ok(())
    }
}

impl EventSink for Reader {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Alert(a) => {
                self.alerts += 1;
                if let Some(t) = a.tx {
                    t.log(a.dir, self);
                }
            }
            Event::Tx(t) => {
                self.records += 1;
                t.tx.log(t.dir, self);
            }
            Event::File(f) => self.bytes("", f.file.name(f.pool)),
            Event::Flow(_) => self.flows += 1,
            Event::Anomaly(a) => self.bytes("", a.name.as_bytes()),
            Event::Frame(f) => self.bytes(f.frame.kind(), f.frame.bytes()),
            Event::Stream(s) => s.events().for_each(|e| self.bytes("", e.as_bytes())),
            Event::Summary(s) => {
                self.summaries += 1;
                s.body.fields(self);
            }
            Event::Drop(_) => {}
        }
    }
}

/// Allocations while `frames` go through `engine`, time passes, and it is finished.
fn allocations(engine: &mut Engine, frames: &[Frame<'_>], sink: &mut dyn EventSink) -> u64 {
    let mut verdicts = [Verdict::Forward; 64];
    let last = frames.iter().map(|f| f.ts).max().unwrap_or(0);
    FORBIDDEN.set(Some(0));
    for b in frames.chunks(64) {
        engine.process(b, &mut verdicts, sink);
    }
    engine.tick(last + 5_000_000_000, sink);
    engine.tick(last + 4_000_000_000_000, sink);
    // Once more: what is warm now must not grow either.
    for b in frames.chunks(64) {
        engine.process(b, &mut verdicts, sink);
    }
    engine.finish(sink);
    FORBIDDEN.replace(None).unwrap_or(0)
}

/// Protocols that have no transaction here: Telnet has none at all.
const UNMADE: &[&str] = &["telnet"];

#[test]
fn no_allocation_in_process_tick_and_finish() {
    let w = everything();
    let frames = frames(&w.frames);
    let mut sink = Reader::default();
    let mut e = engine(config(16 << 20), &all_rules());
    assert_eq!(allocations(&mut e, &frames, &mut sink), 0);
    // It was not for want of work.
    let s = e.stats();
    assert!(sink.alerts > 300 && sink.records > 100 && sink.flows > 100, "{} alerts", sink.alerts);
    assert!(sink.summaries > 3, "{} summaries", sink.summaries);
    let seen: BTreeSet<&str> = tidegate_core::engine::Stats::protocols()
        .zip(s.app_txs)
        .filter(|(_, n)| *n > 0)
        .map(|(name, _)| name)
        .collect();
    // A protocol without traffic here would keep no promise: it belongs into `common/`.
    let parsed = tidegate_core::app::registry::PROTOCOLS.iter().filter(|d| d.is_parsed()).map(|d| d.name);
    let unseen: Vec<&str> = parsed.filter(|n| !seen.contains(n)).collect();
    assert_eq!(unseen, UNMADE, "protocols without a transaction");
    for layer in [
        "pppoe",
        "vlan",
        "vlan_qinq",
        "mpls",
        "erspan",
        "teredo",
        "vxlan",
        "geneve",
        "gtp",
        "ipv4_in_ipv4",
        "ipv6_in_ipv4",
    ] {
        let n = tidegate_core::packet::layers::NAMES.iter().position(|n| *n == layer).map(|i| s.layers[i]);
        assert!(n.is_some_and(|n| n > 0), "no packet with {layer}");
    }
    assert!(s.tunnelled > 0 && s.defragmented > 0 && s.ipv6 > 0 && s.icmpv4 > 0 && s.invalid > 0);
}

#[test]
fn a_policy_costs_no_allocation() {
    let text = "segments: {a: {addresses: 10.1.0.0/30}, b: {addresses: [10.1.0.0/16, \"2001:db8::/32\"]}}\nallow:\n  \
                - {from: a, to: b, app: [http, dns, tls], ai: {models: \"x*\"}}\n  - {from: any, to: b, sni: \"*.a\", app: tls}\n\
                watch:\n  - {from: b, to: any, app: unknown}\ntell: all\ndefault: deny\n";
    let path = std::path::Path::new("p.yaml");
    let source = tidegate_dataplane::policy::parse(text, path).unwrap();
    let policy = tidegate_dataplane::policy::compile(&source, path).unwrap();
    let w = everything();
    let frames = frames(&w.frames);
    for ips in [false, true] {
        let mode =
            Mode { ips, ignore_checksums: true, memory: 16 << 20, secret: tidegate_core::Secret::fixed(1) };
        let rules = all_rules().rules.with_policy(Some(policy.clone()));
        let mut e = Engine::new(settings().engine(mode).unwrap(), rules);
        assert_eq!(allocations(&mut e, &frames, &mut Reader::default()), 0);
        let p = e.stats().policy;
        assert!(p.allowed + p.watched > 0 && p.dropped > 50, "{p:?}");
    }
}

#[test]
fn what_is_blocked_costs_no_allocation() {
    use tidegate_core::response::{Block, Blocks, Effect, Kind, Never, Target};
    let w = everything();
    let frames = frames(&w.frames);
    let first = frames.first().unwrap().ts;
    let named = [
        (Kind::Host, "10.1.0.9"),
        (Kind::Network, "2001:db8::/32"),
        (Kind::Domain, "example.com"),
        (Kind::Model, "x"),
        (Kind::Tool, "x"),
    ];
    for ips in [false, true] {
        let mode =
            Mode { ips, ignore_checksums: true, memory: 16 << 20, secret: tidegate_core::Secret::fixed(1) };
        let mut e = Engine::new(settings().engine(mode).unwrap(), all_rules().rules);
        for effect in [Effect::Mark, Effect::Block] {
            let entry = |(i, (kind, text)): (usize, &(Kind, &str))| Block {
                id: i as u32,
                target: Target::parse(*kind, text).unwrap(),
                effect,
                // Some are over on the way.
                until: first + (i as u64 + 1) * 100_000_000,
                reason: String::new(),
            };
            let blocks = Blocks::new(named.iter().enumerate().map(entry).collect(), &Never::default()).0;
            let _ = e.set_blocks(Some(std::sync::Arc::new(blocks)));
            assert_eq!(allocations(&mut e, &frames, &mut Reader::default()), 0);
        }
        let r = e.stats().response;
        assert!(r.marked > 5 && (r.packets > 5) == ips, "{r:?}");
    }
}

#[test]
fn intelligence_costs_no_allocation() {
    use tidegate_core::intel::{About, Builder, Kind};
    let mut b = Builder::default();
    let a = b.about(&About { source: "test".into(), ..About::default() });
    for (kind, text) in [
        (Kind::Domain, "example.com"),
        (Kind::Domain, "example.org"),
        (Kind::Domain, "example"),
        (Kind::Network, "10.1.0.0/30"),
        (Kind::Url, "http://www.example.com/"),
        (Kind::UserAgent, "curl"),
        (Kind::Email, "a@example.com"),
        (Kind::Ja3, "de350869b8c85de67a350c8d186f11e6"),
        (Kind::Ja4, "t13d1516h2_8daaf6152771_e5627efa2ab1"),
        (Kind::Certificate, "00000000000000000000000000000000000000000000000000000000000000ff"),
        (Kind::Md5, "d41d8cd98f00b204e9800998ecf8427e"),
        (Kind::Sha256, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (Kind::McpServer, "server"),
    ] {
        // What is none is refused.
        let _ = b.add(kind, text.as_bytes(), a, None, None);
    }
    let rules =
        all_rules().rules.with_intel(Some(std::sync::Arc::new(b.build(tidegate_core::Secret::fixed(1)).0)));
    let s = settings();
    let mode = Mode {
        ips: false,
        ignore_checksums: true,
        memory: 16 << 20,
        secret: tidegate_core::Secret::fixed(1),
    };
    let mut e = Engine::new(s.engine(mode).unwrap(), rules);
    let w = everything();
    assert_eq!(allocations(&mut e, &frames(&w.frames), &mut Reader::default()), 0);
    let i = e.stats().intel;
    assert!(i.looked > 100 && i.hits > 50, "{i:?}");
}

#[test]
#[ignore = "needs ../shared"]
fn shared_captures_cost_no_allocation() {
    let dir = common::shared();
    let mut text = common::RULES.to_string();
    let open = std::fs::read_to_string(dir.join("rules/et-open/et-open.rules")).unwrap_or_default();
    // Every eighth is enough for a build without optimisation.
    for line in open.lines().filter(|l| l.starts_with("alert")).step_by(8) {
        text.push_str(line);
        text.push('\n');
    }
    let rules = rules(&text, &settings());
    let mut e = engine(config(16 << 20), &rules);
    let mut sink = Reader::default();
    let mut index = 0;
    for path in common::captures(&dir.join("captures"), 20_000) {
        let packets = common::read(&path);
        let frames: Vec<Frame<'_>> = packets
            .iter()
            .map(|(p, link)| {
                index += 1;
                Frame { data: &p.data, ts: p.ts, link: *link, index, ..Frame::default() }
            })
            .collect();
        assert_eq!(allocations(&mut e, &frames, &mut sink), 0, "{}", path.display());
    }
    println!("{index} frames of real captures, {} rules, {} alerts", rules.rules.set.len(), sink.alerts);
}

/// Many conversations at once, none of them ended.
fn flood() -> Wire {
    let mut w = Wire::new();
    let junk = [b'j'; 1400];
    for n in 0..600u16 {
        let mut t = w.tcp(((n % 200) as u8, 10_000 + n), (250, 80));
        // A request that does not end, unacknowledged bytes, and bytes beyond a hole.
        t.send(0, b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n");
        for _ in 0..3 {
            t.send(0, &junk);
        }
        t.segment_at(0, 3000, ACK, &junk);
        t.segment_at(1, 1000, ACK, &junk);
        w.udp(((n % 200) as u8, 20_000 + n), (251, 53), &common::traffic::dns(n, "flood.example", 1, None));
        // The first half of a datagram only.
        let whole = w.frames.len();
        w.udp_in_fragments(((n % 200) as u8, 1), (252, 9), &junk, 1000, false);
        w.frames.truncate(whole + 1);
    }
    w
}

#[test]
fn bounded_memory() {
    let rules = all_rules();
    for (flows, pool) in [(64, 64 << 10), (64, 1 << 10), (1, 4 << 10), (1024, 32 << 10)] {
        let mut c = config(16 << 20);
        c.flow.max_flows = flows;
        c.stream.max_sessions = flows;
        c.memory.stream = pool;
        c.memory.app = pool;
        c.defrag.memory = pool;
        c.defrag.trackers = 8;
        c.defrag.max_frags = 16;
        c.app.max_states = flows.min(32);
        c.app.max_txs = 32;
        c.app.max_files = 8;
        c.detect.threshold_slots = 64;
        c.detect.host_slots = 64;
        let mut e = engine(c, &rules);
        let w = flood();
        let all = everything();
        let frames: Vec<Frame<'_>> = frames(&w.frames).into_iter().chain(frames(&all.frames)).collect();
        let mut verdicts = [Verdict::Forward; 32];
        FORBIDDEN.set(Some(0));
        for b in frames.chunks(32) {
            e.process(b, &mut verdicts, &mut NoSink);
            let s = e.stats();
            assert!(s.flows_active <= flows as u64, "{} flows", s.flows_active);
            for (used, size) in s.pools {
                assert!(used <= size, "{used} of {size} bytes");
            }
        }
        e.finish(&mut NoSink);
        assert_eq!(FORBIDDEN.replace(None), Some(0), "memory grew with {flows} flows and {pool} bytes");
        let s = e.stats();
        assert_eq!(s.frames, frames.len() as u64);
        if flows < 600 {
            assert!(s.flow.evicted + s.flow.refused > 0, "a full table is counted");
        }
        assert!(s.pool_refused.iter().any(|n| *n > 0) || pool >= 32 << 10, "full pools are counted");
        assert_eq!(s.flows_active, 0);
        assert_eq!(
            s.pools.map(|p| p.0),
            [0, 0],
            "memory of ended flows is not given back: {flows} flows, {pool} bytes"
        );
    }
}

/// One change to a frame.
#[derive(Clone, Debug)]
enum Damage {
    Flip(u16, u8),
    Cut(u16),
    Splice(u16, u16),
    Swap(u16),
    Repeat,
}

fn damage() -> impl Strategy<Value = (u16, Damage)> {
    let kind = prop_oneof![
        5 => (any::<u16>(), any::<u8>()).prop_map(|(a, b)| Damage::Flip(a, b)),
        2 => any::<u16>().prop_map(Damage::Cut),
        2 => (any::<u16>(), any::<u16>()).prop_map(|(a, b)| Damage::Splice(a, b)),
        1 => any::<u16>().prop_map(Damage::Swap),
        1 => Just(Damage::Repeat),
    ];
    (any::<u16>(), kind)
}

fn apply(frames: &mut Vec<Packet>, which: u16, d: &Damage) {
    let n = frames.len();
    let i = usize::from(which) % n;
    let len = frames[i].data.len().max(1);
    match d {
        Damage::Flip(at, bits) => {
            if let Some(b) = frames[i].data.get_mut(usize::from(*at) % len) {
                *b ^= bits;
            }
        }
        Damage::Cut(at) => frames[i].data.truncate(usize::from(*at) % len),
        Damage::Splice(other, at) => {
            let tail = frames[usize::from(*other) % n].data.clone();
            let at = usize::from(*at) % len;
            frames[i].data.truncate(at);
            frames[i].data.extend(tail.get(at..).unwrap_or(&[]));
        }
        Damage::Swap(other) => frames.swap(i, usize::from(*other) % n),
        Damage::Repeat => {
            let f = frames[i].clone();
            frames.insert(i, f);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 150, ..ProptestConfig::default() })]

    #[test]
    fn no_panic_from_input(changes in prop::collection::vec(damage(), 1..400), ips in any::<bool>()) {
        thread_local! {
            static MADE: (common::Rules, Vec<Packet>) = (all_rules(), everything().frames);
        }
        MADE.with(|(rules, packets)| {
            let mut packets = packets.clone();
            for (which, d) in &changes {
                apply(&mut packets, *which, d);
            }
            let mut c = config(4 << 20);
            c.ips = ips;
            let mut e = engine(c, rules);
            run(&mut e, &frames(&packets), 32, &mut Reader::default());
            assert_eq!(e.stats().pools.map(|p| p.0), [0, 0], "memory of ended flows is not given back");
        });
    }
}

#[test]
fn same_events_for_any_batch_size_and_run() {
    let (rules, w) = (all_rules(), everything());
    let frames = frames(&w.frames);
    let first = eve(&rules, &frames, 1);
    let lines = |t: &[u8]| String::from_utf8_lossy(t).lines().map(str::to_string).collect::<Vec<_>>();
    assert!(lines(&first).len() > 500, "only {} events", lines(&first).len());
    for batch in [7, 32, 256, 1] {
        let other = eve(&rules, &frames, batch);
        if other != first {
            let (a, b) = (lines(&first), lines(&other));
            let at = a.iter().zip(&b).position(|(a, b)| a != b).unwrap_or(a.len().min(b.len()));
            panic!("batches of {batch} differ in event {at}:\n{:?}\n{:?}", a.get(at), b.get(at));
        }
    }
}

/// Signatures that matched, with the transaction they matched in.
#[derive(Default)]
struct Matches(BTreeSet<(u32, Option<u64>)>);

impl EventSink for Matches {
    fn event(&mut self, event: Event<'_>) {
        if let Event::Alert(a) = event {
            self.0.insert((a.rule.sid, a.tx.map(|t| t.common().id)));
        }
    }
}

/// Rules whose answer is in the content, not in packets.
const CONTENT_SIDS: &[u32] = &[1, 10, 11, 12, 13, 14, 15, 16, 17, 18, 20, 21, 22, 23, 24, 26];

fn content_matches(rules: &common::Rules, frames: &[Packet]) -> BTreeSet<(u32, Option<u64>)> {
    let mut m = Matches::default();
    run(&mut engine(config(8 << 20), rules), &common::frames(frames), 32, &mut m);
    m.0.retain(|(sid, _)| CONTENT_SIDS.contains(sid));
    // The raw stream knows no transactions; whether one is attached depends on when it was read.
    m.0.into_iter().map(|(sid, tx)| (sid, tx.filter(|_| sid != 1))).collect()
}

/// How one side's bytes are cut: lengths, then for each piece whether it is sent late, or twice.
type Cuts = Vec<(usize, u8)>;

fn speak(w: &mut Wire, cuts: &Cuts) {
    let (page, plain) =
        (page(), b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nabracadabra, sesame.".to_vec());
    let says = [(0, GET.to_vec()), (1, page), (0, GET.to_vec()), (1, plain)];
    let mut t = w.tcp((1, 33_333), (2, 80));
    let mut cut = cuts.iter().cycle();
    for (from, bytes) in says {
        let mut at = 0;
        while at < bytes.len() {
            // Up to four pieces are in flight; they arrive in an order of their own.
            let mut flight = Vec::new();
            let start = at;
            while at < bytes.len() && flight.len() < 4 {
                let (len, how) = *cut.next().expect("cuts do not end");
                let end = (at + len).min(bytes.len());
                flight.push((at, end, how));
                at = end;
            }
            flight.sort_by_key(|(a, _, how)| (how & 3, *a));
            for (a, b, how) in &flight {
                t.segment_at(from, (a - start) as u32, ACK | PSH, &bytes[*a..*b]);
                if how & 4 != 0 {
                    t.segment_at(from, (a - start) as u32, ACK | PSH, &bytes[*a..*b]);
                }
            }
            t.acknowledged(from, at - start);
        }
    }
    t.close();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 150, ..ProptestConfig::default() })]

    #[test]
    fn detection_does_not_depend_on_segmentation(
        cuts in prop::collection::vec((prop_oneof![1usize..8, 1usize..200, 100usize..1400], any::<u8>()), 1..60),
        v6 in any::<bool>(),
    ) {
        thread_local! {
            static WHOLE: (common::Rules, BTreeSet<(u32, Option<u64>)>) = {
                let rules = all_rules();
                let mut w = Wire::new();
                speak(&mut w, &vec![(1400, 0)]);
                let whole = content_matches(&rules, &w.frames);
                assert!(whole.len() > 15, "{whole:?}");
                (rules, whole)
            };
        }
        WHOLE.with(|(rules, whole)| {
            let mut w = Wire::new();
            w.v6 = v6;
            speak(&mut w, &cuts);
            prop_assert_eq!(&content_matches(rules, &w.frames), whole);
            Ok(())
        })?;
    }
}

/// Patterns, regexes and relative contents on inputs made to be bad: the work, counted, grows with the input.
#[test]
fn matching_is_linear() {
    use tidegate_core::sig::Builder;
    use tidegate_core::sig::regex::{Cache, Flags, Outcome, Regex};

    // Many patterns that nearly match everywhere.
    let mut b = Builder::new();
    for n in 1..=200usize {
        b.add(&[&b"a".repeat(n)[..], b"b"].concat(), n % 2 == 0, n as u32).expect("a pattern");
    }
    let db = b.build();
    let work = |n: usize| {
        let w = db.work(&b"a".repeat(n));
        w.candidates + w.compared + w.full
    };
    assert!(work(32_000) <= 2 * work(16_000) + 50_000, "{} {}", work(16_000), work(32_000));

    // Regexes that blow up a naive matcher: twice the text is twice the work, with nothing added that would hide more.
    let steps = |pattern: &str, n: usize| {
        let r = Regex::compile(pattern.as_bytes(), Flags::default()).expect("a regex");
        let (mut cache, mut caps) = (Cache::default(), [0; 8]);
        let text = [&b"a".repeat(n)[..], b"!"].concat();
        (r.find_at(&text, 0, &mut cache, &mut caps), cache.work())
    };
    for pattern in
        ["(a+)+$", "(a|aa)+$", "(.*)(.*)(.*)(.*)(.*)x!?x", "(?:a?){30}a{30}b", ".*a.*a.*a.*a.*z", "a{1,900}b"]
    {
        let [few, many] = [20_000, 40_000].map(|n| steps(pattern, n));
        assert_eq!((few.0, many.0), (Outcome::NoMatch, Outcome::NoMatch), "{pattern}: the answer is known");
        assert!(many.1 <= few.1 * 21 / 10, "{pattern}: {} steps, twice the text: {}", few.1, many.1);
    }
    // Those that need backtracking end at their limit, which does not grow with the text, and say so.
    for pattern in ["(a+)+\\1b", "(?=(a+)+b)a"] {
        let [few, many] = [20_000, 40_000].map(|n| steps(pattern, n));
        assert_eq!((few.0, many.0), (Outcome::LimitHit, Outcome::LimitHit), "{pattern}");
        assert!(many.1 <= few.1 * 11 / 10 + 1_000, "{pattern}: {} steps, twice the text: {}", few.1, many.1);
    }

    // Rules whose steps restart one another, through the whole engine.
    let rules = rules(
        "alert tcp any any -> any any (msg:\"steps\"; content:\"a\"; content:\"a\"; distance:0; content:\"a\"; distance:0; \
         content:\"a\"; distance:0; content:\"a\"; distance:0; content:\"b\"; distance:0; sid:1;)\n\
         alert tcp any any -> any any (msg:\"limit\"; content:\"a\"; pcre:\"/(a+)+\\1!x/\"; sid:2;)\n\
         alert tcp any any -> any any (msg:\"near\"; content:\"a\"; content:\"a\"; within:50; content:\"a\"; within:50; \
         content:\"a\"; within:50; content:\"zz\"; within:50; sid:3;)\n",
        &settings(),
    );
    assert!(rules.refused.is_empty(), "{:?}", rules.refused);
    let cost = |n: usize| {
        let mut w = Wire::new();
        let mut t = w.tcp((1, 4000), (2, 4001));
        t.send(0, &b"a".repeat(n));
        t.close();
        let mut e = engine(config(8 << 20), &rules);
        run(&mut e, &frames(&w.frames), 32, &mut NoSink);
        let d = e.stats().detect;
        assert!(d.work > 0);
        (d.work, d.regex_limits)
    };
    let ((few, _), (many, limits)) = (cost(20_000), cost(40_000));
    assert!(many <= 3 * few, "{few} steps, twice the bytes: {many}");
    println!("steps {few}, {many}; {limits} regex limits met");
}

/// What a packet brings is what is looked at: a body that comes byte by byte, and headers before it, are not searched
/// again with every packet. Inline, where every packet is inspected.
#[test]
fn work_follows_new_bytes() {
    let rules = rules(
        "alert http any any -> any any (msg:\"missing\"; http.request_body; content:\"begin\"; content:\"never\"; sid:1;)\n\
         alert http any any -> any any (msg:\"apart\"; http.request_body; content:\"begin\"; content:\"xyz\"; within:9; sid:2;)\n\
         alert http any any -> any any (msg:\"regex\"; http.request_body; content:\"begin\"; pcre:\"/xyz[0-9]end/\"; sid:3;)\n\
         alert http any any -> any any (msg:\"changed\"; http.request_body; to_lowercase; content:\"last\"; sid:4;)\n\
         alert http any any -> any any (msg:\"none\"; http.request_body; pcre:\"/never[0-9]/\"; sid:5;)\n\
         alert http any any -> any any (msg:\"file\"; flow:to_server; file.data; content:\"begin\"; content:\"never\"; distance:0; sid:6;)\n\
         alert http any any -> any any (msg:\"field\"; http.request_header; content:\"X-7: \"; http.request_body; content:\"begin\"; \
         content:\"also\"; sid:7;)\n\
         alert http any any -> any any (msg:\"both\"; http.request_header; content:\"nothing\"; http.request_body; content:\"begin\"; \
         sid:8;)\n\
         alert http any any -> any any (msg:\"elsewhere\"; http.request_body; content:\"again\"; fast_pattern; content:\"never\"; http.uri; \
         content:\"/x\"; sid:9;)\n",
        &settings(),
    );
    assert!(rules.refused.is_empty(), "{:?}", rules.refused);
    let body = |n: usize| {
        let mut b = b"begin xyz".to_vec();
        b.extend((0..n).map(|i| if i / 5 % 2 == 0 { b"again"[i % 5] } else { b"abcdefghijklm"[i * 7 % 13] }));
        b.extend(b"also xyz7end LAST");
        b
    };
    let cost = |n: usize, piece: usize| {
        let mut w = Wire::new();
        let mut t = w.tcp((1, 4000), (2, 80));
        let fields: String = (0..40).map(|i| format!("X-{i}: {}\r\n", "v".repeat(100))).collect();
        let body = body(n);
        t.send(
            0,
            format!("POST / HTTP/1.1\r\nHost: h\r\n{fields}Content-Length: {}\r\n\r\n", body.len())
                .as_bytes(),
        );
        t.mss = piece;
        t.send(0, &body);
        t.send(1, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        t.close();
        let mut c = config(64 << 20);
        (c.ips, c.stream.inline) = (true, true);
        (c.detect.body_min, c.detect.body_step) = ([0; 2], [0; 2]);
        let mut e = engine(c, &rules);
        let mut seen = Alerts::default();
        run(&mut e, &frames(&w.frames), 32, &mut seen);
        (e.stats().detect.searched, seen.0)
    };
    for n in [5_000, 20_000] {
        let (whole, alerts) = cost(n, 1400);
        assert_eq!(alerts, [2, 3, 4, 7].into(), "{n}");
        let (bytes, same) = cost(n, 1);
        assert_eq!(same, alerts, "{n}");
        println!("{n} bytes: {whole} searched at once, {bytes} byte by byte");
        // Rules whose contents are all there look again after each 64th part.
        assert!(bytes <= 400 * n as u64, "{n} bytes: {whole}, byte by byte {bytes}");
    }
}

/// The rules that alerted, in order.
#[derive(Default)]
struct Alerts(std::collections::BTreeSet<u32>);

impl EventSink for Alerts {
    fn event(&mut self, event: Event<'_>) {
        if let Event::Alert(a) = event {
            self.0.insert(a.rule.sid);
        }
    }
}

/// The same of files of an upload that come one behind the other, and of rules whose contents are there and that wait for
/// the end of a file, as the file comes byte by byte.
#[test]
fn work_follows_new_bytes_of_the_next_file() {
    let rules = rules(
        "alert http any any -> any any (msg:\"missing\"; flow:to_server; file.data; content:\"begin\"; content:\"never\"; sid:1;)\n\
         alert http any any -> any any (msg:\"apart\"; flow:to_server; file.data; content:\"begin\"; content:\"xyz\"; within:9; sid:2;)\n\
         alert http any any -> any any (msg:\"size\"; flow:to_server; file.data; content:\"late\"; filesize:>2000; sid:3;)\n\
         alert http any any -> any any (msg:\"name\"; flow:to_server; file.name; content:\"none\"; file.data; content:\"late\"; sid:4;)\n\
         alert http any any -> any any (msg:\"last\"; flow:to_server; file.data; content:\"begin\"; content:\"seldom\"; sid:5;)\n",
        &settings(),
    );
    assert!(rules.refused.is_empty(), "{:?}", rules.refused);
    let cost = |n: usize, files: usize| {
        let mut body = Vec::new();
        for f in 0..files {
            body.extend(
                format!("--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f{f}\"\r\n\r\nbegin ")
                    .bytes(),
            );
            body.extend(std::iter::repeat_n(b'a', n));
            body.extend(b"late");
            body.extend(std::iter::repeat_n(b'b', n));
            body.extend(if f + 1 == files { &b"begin xyz seldom\r\n"[..] } else { b"\r\n" });
        }
        body.extend(b"--b--\r\n");
        let mut w = Wire::new();
        let mut t = w.tcp((1, 4000), (2, 80));
        let head = format!(
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        t.send(0, head.as_bytes());
        t.mss = 1;
        t.send(0, &body);
        t.send(1, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        t.close();
        let mut c = config(64 << 20);
        (c.ips, c.stream.inline) = (true, true);
        (c.detect.body_min, c.detect.body_step) = ([0; 2], [0; 2]);
        let mut e = engine(c, &rules);
        let mut seen = Alerts::default();
        run(&mut e, &frames(&w.frames), 32, &mut seen);
        (e.stats().detect.searched, body.len() as u64, seen.0)
    };
    for (n, files) in [(1500, 2), (6000, 2), (100, 40)] {
        let (searched, bytes, alerts) = cost(n, files);
        println!("{n} bytes, {files} files: {searched} searched of {bytes}");
        let mut all = std::collections::BTreeSet::from([2, 3, 5]);
        if 2 * n < 2000 {
            all.remove(&3);
        }
        assert_eq!(alerts, all, "{n} {files}");
        assert!(searched <= 400 * bytes, "{n} bytes, {files} files: {searched} searched of {bytes}");
    }
}

/// The same of buffers with several values that come one by one: each value is looked at when it came.
#[test]
fn work_follows_new_values() {
    let rules = rules(
        "alert smtp any any -> any any (msg:\"missing\"; smtp.rcpt_to; content:\"user\"; content:\"never\"; sid:1;)\n\
         alert smtp any any -> any any (msg:\"regex\"; smtp.rcpt_to; content:\"user\"; pcre:\"/user[0-9]+@last/\"; sid:2;)\n\
         alert smtp any any -> any any (msg:\"changed\"; smtp.rcpt_to; to_uppercase; content:\"@LAST\"; sid:3;)\n\
         alert smtp any any -> any any (msg:\"other\"; smtp.rcpt_to; content:\"user\"; smtp.mail_from; content:\"nobody\"; sid:4;)\n\
         alert smtp any any -> any any (msg:\"both\"; smtp.rcpt_to; content:\"user1@\"; smtp.rcpt_to; content:\"@last\"; sid:5;)\n\
         alert smtp any any -> any any (msg:\"none\"; smtp.rcpt_to; pcre:\"/never[0-9]/\"; sid:6;)\n\
         alert smtp any any -> any any (msg:\"absent\"; smtp.rcpt_to; content:!\"user\"; content:\"@\"; sid:7;)\n\
         alert smtp any any -> any any (msg:\"later\"; smtp.rcpt_to; content:\"user\"; file.data; content:\"nothing\"; sid:8;)\n",
        &settings(),
    );
    assert!(rules.refused.is_empty(), "{:?}", rules.refused);
    let cost = |n: usize| {
        let mut w = Wire::new();
        let mut t = w.tcp((1, 4000), (2, 25));
        t.send(1, b"220 hello\r\n");
        t.send(0, b"EHLO a\r\n");
        t.send(1, b"250 ok\r\n");
        t.send(0, b"MAIL FROM:<a@b>\r\n");
        t.send(1, b"250 ok\r\n");
        for i in 0..n {
            let at = if i + 1 == n { "last" } else { "d" };
            t.send(0, format!("RCPT TO:<user{i}@{at}>\r\n").as_bytes());
            t.send(1, b"250 ok\r\n");
        }
        t.close();
        let mut c = config(64 << 20);
        (c.ips, c.stream.inline) = (true, true);
        let mut e = engine(c, &rules);
        let mut seen = Alerts::default();
        run(&mut e, &frames(&w.frames), 32, &mut seen);
        let d = e.stats().detect;
        (d.searched, d.work, seen.0)
    };
    let [(few, w1, a), (many, w2, b)] = [250, 1000].map(cost);
    println!("{few} {many}, {w1} {w2}");
    assert_eq!((a, &b), (b.clone(), &[2, 3, 5].into()));
    assert!(many <= 5 * few, "{few} bytes searched of 250 values, {many} of 1000");
}
