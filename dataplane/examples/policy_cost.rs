//! What a large policy costs: 10,000 lines, 1,000 segments and 500,000 networks are made up, compiled, and asked for random new
//! flows. `cargo run --release --example policy_cost`. Figures are printed; nothing is judged.

use std::hint::black_box;
use std::time::Instant;

use tidegate_core::packet::Addr;
use tidegate_core::policy::prefix::Prefix;
use tidegate_core::policy::{Act, Ends, Facts, Line, Outcome, Policy, Segment, Source, app_bit};

const LINES: usize = 10_000;
const SEGMENTS: usize = 1_000;
const NETWORKS: usize = 500_000;
const FLOWS: usize = 1 << 16;

/// Numbers that look like chance.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        self.0 >> 32
    }
    fn to(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

fn source(d: &mut Dice) -> Source {
    let mut s = Source::default();
    s.segments.extend((0..SEGMENTS).map(|i| Segment { name: format!("s{i}"), ..Segment::default() }));
    let mut seen = std::collections::HashSet::new();
    while seen.len() < NETWORKS {
        // Lengths as in a routing table: most are /24 and /48.
        let v6 = d.to(5) == 0;
        let mut a = [0u8; 16];
        a.iter_mut().take(if v6 { 8 } else { 4 }).for_each(|b| *b = d.next() as u8);
        let len = match (v6, d.to(10)) {
            (false, 0..=5) => 24,
            (false, 6..=8) => 17 + d.to(7) as u8,
            (false, _) => 25 + d.to(8) as u8,
            (true, 0..=5) => 48,
            (true, _) => 32 + d.to(33) as u8,
        };
        if v6 {
            a[0] = 0x20;
        }
        let Some(p) = Prefix::new(Addr(a), len, v6) else { continue };
        if seen.insert(p) {
            let at = d.to(SEGMENTS);
            s.segments[at].networks.push(p);
        }
    }
    for i in 0..LINES {
        let acts = [Act::Allow, Act::Allow, Act::Allow, Act::Drop, Act::Watch];
        let mut l = Line { place: i as u32, ..Line::any(acts[d.to(5)]) };
        let side = |d: &mut Dice| (d.to(20) != 0).then(|| (0..1 + d.to(3)).map(|_| d.to(SEGMENTS)).collect());
        (l.from, l.to) = (side(d), side(d));
        l.protos = if d.to(3) == 0 { vec![] } else { vec![6] };
        l.ports = (0..d.to(3)).map(|_| d.next() as u16).map(|p| (p, p.saturating_add(9))).collect();
        if d.to(4) == 0 {
            l.apps = app_bit(tidegate_core::app::AppProto(2 + d.to(10) as u8));
        }
        s.lines.push(l);
    }
    s
}

fn main() {
    let mut d = Dice(1);
    let s = source(&mut d);
    let start = Instant::now();
    let p = Policy::new(&s).expect("a policy");
    println!(
        "{LINES} lines, {SEGMENTS} segments, {NETWORKS} networks: compiled in {:.2} s, {:.1} MB",
        start.elapsed().as_secs_f64(),
        p.bytes() as f64 / 1e6
    );
    let all: Vec<Prefix> = s.segments.iter().flat_map(|s| s.networks.iter().copied()).collect();
    for v6 in [false, true] {
        let of: Vec<Prefix> = all.iter().copied().filter(|p| p.v6 == v6).collect();
        let flows: Vec<Ends> = (0..FLOWS)
            .map(|_| {
                let [src, dst] = [of[d.to(of.len())].addr, of[d.to(of.len())].addr];
                let proto = if d.to(4) == 0 { 17 } else { 6 };
                Ends { src, dst, v6, proto, port: d.next() as u16, vlan: None, vni: None, ts: 0 }
            })
            .collect();
        measure(&p, &flows, if v6 { "IPv6" } else { "IPv4" });
        // What comes again: as many flows as a rack has.
        measure(&p, &flows[..256], if v6 { "IPv6, 256 flows" } else { "IPv4, 256 flows" });
    }
}

/// Asks for all of `flows`, best of some rounds.
fn measure(p: &Policy, flows: &[Ends], name: &str) {
    let time = |ask: &dyn Fn(&Ends) -> usize| {
        let (mut best, mut sum) = (f64::MAX, 0);
        for _ in 0..9 {
            let start = Instant::now();
            sum = flows.iter().map(ask).sum();
            best = best.min(start.elapsed().as_secs_f64());
        }
        (best / flows.len() as f64 * 1e9, sum)
    };
    let place = time(&|e| usize::from(black_box(p.place(e)).from));
    let facts = Facts::default();
    let all = time(&|e| usize::from(matches!(p.decide(e, &facts), Outcome::Final(_))));
    println!(
        "{name}: {:.1} ns to find both segments, {:.1} ns a decision ({} of {} at once)",
        place.0,
        all.0,
        all.1,
        flows.len()
    );
}
