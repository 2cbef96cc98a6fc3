//! The tables against an evaluator that walks all lines and all prefixes.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::prefix::Prefix;
use super::*;

/// Cases: a million in an optimised build.
const CASES: usize = if cfg!(debug_assertions) { 20_000 } else { 1_000_000 };

/// Numbers that look like chance.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        self.0 >> 33
    }
    fn to(&mut self, n: u64) -> u64 {
        self.next() % n
    }
    fn one_in(&mut self, n: u64) -> bool {
        self.to(n) == 0
    }
    fn addr(&mut self, v6: bool) -> Addr {
        let mut a = [0; 16];
        for b in a.iter_mut().take(if v6 { 16 } else { 4 }) {
            *b = self.to(4) as u8;
        }
        Addr(a)
    }
}

fn globs(texts: &[&str]) -> Names {
    Some(texts.iter().map(|t| Glob::new(t).unwrap()).collect())
}

fn source(d: &mut Dice) -> Source {
    let mut s = Source::default();
    for i in 0..1 + d.to(12) {
        let mut seg = Segment { name: alloc::format!("s{i}"), ..Segment::default() };
        if d.one_in(4) {
            seg.vlans = vec![d.to(3) as u16];
        }
        if d.one_in(6) {
            seg.vnis = vec![d.to(2) as u32];
        }
        for _ in 0..d.to(6) {
            let v6 = d.one_in(2);
            let len = d.to(if v6 { 129 } else { 33 }) as u8;
            seg.networks.push(Prefix::new(d.addr(v6), len, v6).unwrap());
        }
        // No network is in two segments without a tag.
        if seg.vlans.is_empty() && seg.vnis.is_empty() {
            let taken: Vec<Prefix> = s
                .segments
                .iter()
                .filter(|o: &&Segment| o.vlans.is_empty() && o.vnis.is_empty())
                .flat_map(|o| o.networks.iter().copied())
                .collect();
            seg.networks.retain(|p| !taken.contains(p));
        }
        s.segments.push(seg);
    }
    let n = s.segments.len() as u64;
    let most = if d.one_in(20) { 9000 } else { 90 };
    for place in 0..d.to(most) {
        let acts = [Act::Allow, Act::Allow, Act::Watch, Act::Drop, Act::Reject];
        let mut l = Line { place: place as u32, ..Line::any(acts[d.to(5) as usize]) };
        let side =
            |d: &mut Dice| (!d.one_in(4)).then(|| (0..1 + d.to(2)).map(|_| d.to(n) as usize).collect());
        (l.from, l.to) = (side(d), side(d));
        if d.one_in(3) {
            l.protos = vec![[6, 17, 1][d.to(3) as usize]];
        }
        if d.one_in(2) {
            l.ports = (0..1 + d.to(3)).map(|_| (d.to(60) as u16, d.to(90) as u16)).collect();
        }
        if d.one_in(4) {
            l.apps = 1 << d.to(4) | if d.one_in(5) { UNRECOGNISED } else { 0 };
        }
        if d.one_in(12) {
            l.sni = globs(&["*.a"]);
        }
        if d.one_in(6) {
            let kinds =
                [Credential::Any, Credential::Required, Credential::Absent, Credential::Kinds(vec![])];
            l.calls = Some(Calls {
                operations: d.one_in(2).then(|| globs(&["chat"])).flatten(),
                models: d.one_in(2).then(|| globs(&["llama-*", "x"])).flatten(),
                tools: d.one_in(4).then(|| globs(&["read"])).flatten(),
                providers: None,
                credential: kinds[d.to(4) as usize].clone(),
            });
        }
        if d.one_in(10) {
            let (from, to) = (d.to(1440) as u16, d.to(1441) as u16);
            l.time = vec![Window { days: d.to(128) as u8, from, to, offset: 60 }];
        }
        s.lines.push(l);
    }
    s.default = [Act::Drop, Act::Reject, Act::Watch, Act::Allow][d.to(4) as usize];
    s
}

fn know<'a>(d: &mut Dice, values: &[&'a str]) -> Know<&'a [u8]> {
    match d.to(4) {
        0 => Know::Later,
        1 => Know::Absent,
        _ => Know::Is(values[d.to(values.len() as u64) as usize].as_bytes()),
    }
}

fn facts(d: &mut Dice) -> Facts<'static> {
    let app = match d.to(4) {
        0 => Know::Later,
        1 => Know::Is(UNRECOGNISED),
        _ => Know::Is(1 << d.to(5)),
    };
    let call = match d.to(4) {
        0 => Know::Later,
        1 => Know::Absent,
        _ => Know::Is(Call {
            provider: Know::Absent,
            operation: know(d, &["chat", "embeddings"]),
            model: know(d, &["llama-3", "gpt", "X"]),
            tool: know(d, &["read", "write"]),
            credential: know(d, &["none", "bearer"]),
        }),
    };
    Facts { app, sni: know(d, &["b.a", "a"]), call }
}

/// The place of the address in the list of segments.
fn naive_segment(s: &Source, addr: &Addr, e: &Ends) -> Option<usize> {
    let mut best: Option<(u8, bool, usize)> = None;
    for (i, seg) in s.segments.iter().enumerate() {
        let tagged = !seg.vlans.is_empty() || !seg.vnis.is_empty();
        let fits = (seg.vlans.is_empty() || e.vlan.is_some_and(|v| seg.vlans.contains(&v)))
            && (seg.vnis.is_empty() || e.vni.is_some_and(|v| seg.vnis.contains(&v)));
        if !fits {
            continue;
        }
        let whole = Prefix::new(Addr::default(), 0, e.v6);
        let whole = whole.filter(|_| tagged && seg.networks.is_empty());
        for p in seg.networks.iter().copied().chain(whole).filter(|p| p.has(addr, e.v6)) {
            if best.is_none_or(|b| (p.len, tagged) > (b.0, b.1)) {
                best = Some((p.len, tagged, i));
            }
        }
    }
    best.map(|b| b.2)
}

/// What stands against a line: nothing (`Is(true)`), something (`Is(false)`), or it is not known yet; and whether that is
/// about calls.
fn naive_fit(l: &Line, ends: [Option<usize>; 2], e: &Ends, f: &Facts<'_>) -> (Know<bool>, bool) {
    let mut all: Vec<(Know<bool>, bool)> = Vec::new();
    for (want, is) in [(&l.from, ends[0]), (&l.to, ends[1])] {
        let fits = want.as_ref().is_none_or(|w| is.is_some_and(|i| w.contains(&i)));
        all.push((Know::Is(fits), false));
    }
    let has_ports = matches!(e.proto, 6 | 17 | 132);
    all.push((Know::Is(l.protos.is_empty() || l.protos.contains(&e.proto)), false));
    let port = l.ports.is_empty() || (has_ports && l.ports.iter().any(|r| (r.0..=r.1).contains(&e.port)));
    all.push((Know::Is(port), false));
    all.push((Know::Is(l.time.is_empty() || l.time.iter().any(|w| w.has(e.ts))), false));
    if l.apps != 0 {
        all.push((f.app.map(|a| a & l.apps != 0), false));
    }
    let any =
        |names: &Names, v: Know<&[u8]>| v.map(|v| names.as_ref().is_none_or(|n| n.iter().any(|g| g.fits(v))));
    if l.sni.is_some() {
        all.push((any(&l.sni, f.sni), false));
    }
    if let Some(c) = &l.calls {
        match f.call {
            Know::Later => all.push((Know::Later, true)),
            Know::Absent => all.push((Know::Absent, true)),
            Know::Is(call) => {
                for (n, v) in
                    [(&c.operations, call.operation), (&c.models, call.model), (&c.tools, call.tool)]
                {
                    if n.is_some() {
                        all.push((any(n, v), true));
                    }
                }
                let none = |v: &[u8]| v == b"none";
                all.push(match (&c.credential, call.credential) {
                    (Credential::Any, _) => (Know::Is(true), true),
                    (Credential::Required, v) => (v.map(|v| !none(v)), true),
                    (Credential::Absent, Know::Absent) => (Know::Is(true), true),
                    (Credential::Absent, v) => (v.map(none), true),
                    (Credential::Kinds(k), v) => (v.map(|v| k.iter().any(|g| g.fits(v))), true),
                });
            }
        }
    }
    if all.iter().any(|a| matches!(a.0, Know::Is(false) | Know::Absent)) {
        return (Know::Is(false), false);
    }
    let later = |a: &&(Know<bool>, bool)| a.0 == Know::Later;
    match all.iter().find(later) {
        None => (Know::Is(true), false),
        Some(_) => (Know::Later, all.iter().filter(later).any(|a| a.1)),
    }
}

fn naive(s: &Source, order: &[usize], e: &Ends, f: &Facts<'_>) -> (Outcome, Option<u32>) {
    let ends = [naive_segment(s, &e.src, e), naive_segment(s, &e.dst, e)];
    let (mut maybe, mut call) = (Vec::new(), false);
    let mut found = None;
    for &i in order {
        let l = &s.lines[i];
        match naive_fit(l, ends, e, f) {
            (Know::Is(true), _) => {
                found = Some((l.act, l.place));
                break;
            }
            (Know::Later, asks) => {
                maybe.push(l.act);
                call |= asks;
            }
            _ => {}
        }
    }
    let act = found.map_or(s.default, |f| f.0);
    if maybe.iter().any(|m| *m != act) {
        return (Outcome::Open { call }, None);
    }
    (Outcome::Final(Decision { act, line: None }), found.map(|f| f.1))
}

#[test]
fn equal_with_a_naive_evaluator() {
    let mut d = Dice(3);
    let (mut done, mut finals, mut opens) = (0, 0, 0);
    while done < CASES {
        let s = source(&mut d);
        let p = Policy::new(&s).unwrap();
        let mut order: Vec<usize> = (0..s.lines.len()).collect();
        order.sort_by_key(|i| match s.lines[*i].act {
            Act::Drop | Act::Reject => 0,
            Act::Allow => 1,
            Act::Watch => 2,
        });
        for _ in 0..if s.lines.len() > 500 { 100 } else { 400 } {
            let v6 = d.one_in(2);
            let mut e = Ends {
                src: d.addr(v6),
                dst: d.addr(v6),
                v6,
                proto: [6, 17, 1, 132][d.to(4) as usize],
                port: d.to(100) as u16,
                vlan: d.one_in(2).then(|| d.to(3) as u16),
                vni: d.one_in(2).then(|| d.to(2) as u32),
                ts: d.next() * 1_000_000_000,
            };
            if let Some(n) = s.segments[d.to(s.segments.len() as u64) as usize].networks.first()
                && n.v6 == v6
            {
                e.src = n.addr;
            }
            let f = facts(&mut d);
            let (want, place) = naive(&s, &order, &e, &f);
            let got = p.decide(&e, &f);
            match (want, got) {
                (Outcome::Final(a), Outcome::Final(b)) => {
                    let at = b.line.map(|n| p.line(n).unwrap().1);
                    assert_eq!((a.act, place), (b.act, at), "{e:?} {f:?} {s:#?}");
                    finals += 1;
                }
                (a, b) => {
                    assert_eq!(a, b, "{e:?} {f:?} {s:#?}");
                    opens += 1;
                }
            }
            // What is explained is what decided.
            if done % 16 == 0 {
                let fits: Vec<_> = p.explain(&e, &f).collect();
                if let Outcome::Final(Decision { line: Some(n), .. }) = got {
                    assert_eq!(fits[usize::from(n)], None);
                }
            }
            done += 1;
        }
    }
    assert!(finals > CASES / 4 && opens > CASES / 20, "{finals} decided, {opens} open");
}

#[test]
fn a_network_of_two_segments_is_refused() {
    let net = |name: &str| Segment {
        name: String::from(name),
        networks: vec![Prefix::parse("10.0.0.0/8").unwrap()],
        ..Segment::default()
    };
    let mut s = Source { segments: vec![net("a"), net("b")], ..Source::default() };
    let e = Policy::new(&s).unwrap_err();
    assert!(alloc::format!("{e}").starts_with("10.0.0.0/8 is in segment a and in segment b"), "{e}");
    s.segments[1].vlans = vec![7];
    Policy::new(&s).unwrap();
}

#[test]
fn times() {
    // Tuesday, 2 January 2024, 08:30 UTC.
    let ts = 1_704_184_200_000_000_000;
    let w = Window { days: 1 << 1, from: 8 * 60, to: 9 * 60, offset: 0 };
    assert!(w.has(ts));
    assert!(!Window { days: 1, ..w }.has(ts));
    assert!(!Window { offset: 60, ..w }.has(ts));
    // From Monday evening to Tuesday morning.
    assert!(Window { days: 1, from: 22 * 60, to: 9 * 60, offset: 0 }.has(ts));
    assert!(!Window { days: 2, from: 22 * 60, to: 9 * 60, offset: 0 }.has(ts));
}
