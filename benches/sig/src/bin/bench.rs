//! The table of `make bench-sig`: literal sets against Hyperscan, aho-corasick and daachorse, in the same run, on the
//! same bytes, each run of one engine next to a run of every other.
use clap::Parser;
use std::path::PathBuf;
use tidegate_bench_sig::data::{self, Data, Payloads};
use tidegate_bench_sig::{cpu_seconds, hs};
use tidegate_core::sig::{Builder, Database, Scratch, Stream};

#[derive(Debug, Parser)]
struct Args {
    /// The folder with rules, captures and prompts; what is missing in it is made up.
    #[arg(long, default_value = "../shared")]
    shared: PathBuf,
    /// Sizes of pattern sets.
    #[arg(long, value_delimiter = ',', default_value = "10,100,1000,10000")]
    sets: Vec<usize>,
    /// Kinds of data, of packets, http, random, prompts; all by default.
    #[arg(long, value_delimiter = ',')]
    data: Vec<String>,
    /// Modes, of all, once, stream.
    #[arg(long, value_delimiter = ',', default_value = "all,once,stream")]
    modes: Vec<String>,
    /// Paired runs.
    #[arg(long, default_value_t = 5)]
    pairs: usize,
    /// Only Hyperscan to compare with.
    #[arg(long)]
    quick: bool,
    /// Hyperscan compiled for AVX2 and run by its functions for AVX2, as on a machine without AVX-512: to be compared with
    /// `TIDEGATE_ISA=avx2`.
    #[arg(long)]
    avx2: bool,
    /// Fails when a median against Hyperscan is below the goal of its set.
    #[arg(long)]
    gate: bool,
}

/// Number of matches, and a sum over their ids and ends that does not depend on their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum(u64, u64);

impl Sum {
    #[inline]
    fn add(&mut self, id: u32, end: u64) {
        self.0 += 1;
        self.1 = self.1.wrapping_add((u64::from(id) + 1).wrapping_mul(end + 7));
    }
}

/// One engine in one mode over some data: scans all of it once.
type Run<'a> = (&'static str, Box<dyn FnMut() -> Sum + 'a>);

/// A run takes at least this long, by repeating it.
const LEAST: f64 = 0.03;

/// `runs` in turn, `pairs` times: for each its bytes per second. The first is ours.
fn measure(runs: &mut [Run<'_>], bytes: usize, pairs: usize) -> Vec<Vec<f64>> {
    let mut repeats = Vec::new();
    let mut first = None;
    for (name, run) in runs.iter_mut() {
        // Warms up, and is compared.
        let sum = run();
        let want = *first.get_or_insert(sum);
        assert_eq!(sum, want, "{name} found other matches than ours");
        let t = cpu_seconds();
        run();
        repeats.push((LEAST / (cpu_seconds() - t).max(1e-6)).ceil().max(1.0) as u32);
    }
    let mut speed = vec![Vec::new(); runs.len()];
    for _ in 0..pairs {
        for ((_, run), (n, out)) in runs.iter_mut().zip(repeats.iter().zip(&mut speed)) {
            let t = cpu_seconds();
            for _ in 0..*n {
                std::hint::black_box(run());
            }
            out.push(f64::from(*n) * bytes as f64 / (cpu_seconds() - t));
        }
    }
    speed
}

fn median(v: &[f64]) -> f64 {
    let mut v = v.to_vec();
    v.sort_by(f64::total_cmp);
    v[v.len() / 2]
}

fn ours(pats: &[Vec<u8>]) -> (Database<'static>, f64) {
    let t = cpu_seconds();
    let mut b = Builder::new();
    for (i, p) in pats.iter().enumerate() {
        b.add(p, true, i as u32).expect("patterns of rules are no longer than a pattern may be");
    }
    let db = b.build();
    (db, cpu_seconds() - t)
}

fn theirs(pats: &[Vec<u8>], flags: u32, streaming: bool) -> (hs::Hs, f64) {
    let pats: Vec<_> = (pats.iter().enumerate())
        .map(|(i, p)| hs::Pattern { bytes: p, flags: hs::CASELESS | flags, id: i as u32 })
        .collect();
    let t = cpu_seconds();
    let db = hs::Hs::literals(&pats, streaming).expect("Hyperscan compiles literals");
    (db, cpu_seconds() - t)
}

fn in_blocks(args: &Args, pats: &[Vec<u8>], data: &Data, once: bool) -> Row {
    let (db, _) = ours(pats);
    let mut scratch = Scratch::for_databases([&db]);
    let (mut other, _) = theirs(pats, if once { hs::SINGLEMATCH } else { 0 }, false);
    let pieces = &data.pieces;
    let others = !once && !args.quick;
    let build = |kind| {
        let mut b = aho_corasick::AhoCorasickBuilder::new();
        others.then(|| b.kind(Some(kind)).ascii_case_insensitive(true).build(pats).ok()).flatten()
    };
    let dfa = build(aho_corasick::AhoCorasickKind::DFA);
    let nfa = build(aho_corasick::AhoCorasickKind::ContiguousNFA);
    let da = others.then(|| daachorse::DoubleArrayAhoCorasick::<u32>::new(pats).ok()).flatten();
    // daachorse knows no case: it gets lower-case bytes, and their making is not counted.
    let folded: Vec<Vec<u8>> = pieces.iter().filter(|_| others).map(|p| p.to_ascii_lowercase()).collect();
    let mut runs: Vec<Run<'_>> = vec![
        (
            "ours",
            Box::new(|| {
                let mut s = Sum::default();
                for p in pieces {
                    let on = |id, end| {
                        s.add(id, end as u64);
                        true
                    };
                    if once { db.scan_once(p, &mut scratch, on) } else { db.scan(p, &mut scratch, on) }
                }
                s
            }),
        ),
        (
            "Hyperscan",
            Box::new(|| {
                let mut s = Sum::default();
                for p in pieces {
                    other.scan(p, &mut |id, end| s.add(id, end));
                }
                s
            }),
        ),
    ];
    for (name, ac) in [("aho-corasick DFA", &dfa), ("aho-corasick NFA", &nfa)] {
        let Some(ac) = ac else { continue };
        let run = move || {
            let mut s = Sum::default();
            for p in pieces {
                for m in ac.find_overlapping_iter(p) {
                    s.add(m.pattern().as_u32(), m.end() as u64);
                }
            }
            s
        };
        runs.push((name, Box::new(run)));
    }
    if let Some(da) = &da {
        let run = || {
            let mut s = Sum::default();
            for p in &folded {
                for m in da.find_overlapping_iter(p) {
                    s.add(m.value(), m.end() as u64);
                }
            }
            s
        };
        runs.push(("daachorse", Box::new(run)));
    }
    row(measure(&mut runs, data.bytes(), args.pairs), &runs)
}

/// Speeds of all engines, bytes per second, by name; ours first, then Hyperscan.
type Row = Vec<(&'static str, Vec<f64>)>;

fn row(speed: Vec<Vec<f64>>, runs: &[Run<'_>]) -> Row {
    runs.iter().map(|r| r.0).zip(speed).collect()
}

/// Ratio of ours to another: least, median, most over the pairs.
fn ratio(row: &Row, name: &str) -> Option<[f64; 3]> {
    let other = &row.iter().find(|r| r.0 == name)?.1;
    let mut v: Vec<f64> = row[0].1.iter().zip(other).map(|(a, b)| a / b).collect();
    v.sort_by(f64::total_cmp);
    Some([v[0], v[v.len() / 2], v[v.len() - 1]])
}

/// The goal against Hyperscan: with AVX-512, and on machines without it.
fn goal(patterns: usize, mode: &str) -> f64 {
    let wide = matches!(tidegate_core::sig::instruction_set(), Ok("AVX-512 VBMI"));
    match (wide, mode, patterns) {
        (true, "stream", _) => 1.5,
        (true, _, ..=1000) => 2.0,
        (false, "stream", _) => 1.2,
        (true, ..) | (false, _, ..=100) => 1.5,
        (false, ..) => 1.3,
    }
}

fn main() {
    let args = Args::parse();
    if args.avx2 {
        hs::limit_to_avx2().expect("Hyperscan has functions for AVX2");
    }
    let isa = tidegate_core::sig::instruction_set().expect("TIDEGATE_ISA");
    let (source, pats) = data::patterns(&args.shared.join("rules/et-open/et-open.rules"));
    let real = data::payloads(&args.shared.join("captures"));
    let all = data::all(&args.shared, &real);
    println!(
        "ours: {isa}; Hyperscan {}, {}; {} patterns ({source}); caseless; CPU time of the thread",
        hs::version(),
        if args.avx2 { "for AVX2" } else { "for this machine" },
        pats.len()
    );
    for d in &all {
        let n = d.pieces.len();
        println!(
            "  {:8} {:6.1} MB in {n} pieces of {} bytes ({})",
            d.name,
            d.bytes() as f64 / 1e6,
            d.bytes() / n.max(1),
            d.source
        );
    }
    println!(
        "GB/s is the median of {} interleaved runs; ratio is ours to Hyperscan, min/median/max of the pairs.",
        args.pairs
    );
    println!(
        "Counted: scans with the callback. Not counted: reading, building, scratch. The same matches are asserted.\n"
    );
    println!(
        "{:>8} {:>6} {:8} {:>7} {:>7} {:>20}   others, GB/s",
        "patterns", "mode", "data", "ours", "HS", "ratio min/med/max"
    );
    let mut missed = 0;
    for &n in &args.sets {
        let pats = &pats[..n.min(pats.len())];
        for mode in &args.modes {
            let rows: Vec<(&str, Row)> = match mode.as_str() {
                "all" | "once" => all
                    .iter()
                    .filter(|d| args.data.is_empty() || args.data.iter().any(|x| x == d.name))
                    .map(|d| (d.name, in_blocks(&args, pats, d, mode == "once")))
                    .collect(),
                "stream" => streams(&args, pats, &real).map(|r| ("flows", r)).into_iter().collect(),
                _ => panic!("no mode {mode}"),
            };
            for (name, row) in rows {
                missed += u32::from(print_row(n, mode, name, &row));
            }
        }
        let (db, built) = ours(pats);
        let (other, compiled) = theirs(pats, 0, false);
        println!(
            "{n:>8}  build {:.1} ms, Hyperscan {:.1}; database {} bytes, Hyperscan {}",
            built * 1e3,
            compiled * 1e3,
            db.memory_bytes(),
            other.size()
        );
        println!("          {}", db.describe());
        for d in &all {
            let work = d
                .pieces
                .iter()
                .map(|p| db.work(p))
                .fold([0; 3], |[a, b, c], w| [a + w.candidates, b + w.compared, c + w.matches]);
            let [candidates, heads, matches] = work.map(|n| n as f64 * 1024.0 / d.bytes().max(1) as f64);
            println!(
                "          {:8} a KB: {candidates:.2} candidates, {heads:.2} heads, {matches:.2} matches",
                d.name
            );
        }
        println!();
        missed += u32::from(built > compiled) + u32::from(db.memory_bytes() > other.size());
    }
    println!("goals missed: {missed}");
    if args.gate && missed > 0 {
        std::process::exit(1);
    }
}

/// Prints a line of the table; says whether its goal was missed.
fn print_row(n: usize, mode: &str, data: &str, row: &Row) -> bool {
    let Some([lo, mid, hi]) = ratio(row, "Hyperscan") else { return false };
    let missed = mid < goal(n, mode);
    let others: Vec<String> =
        row.iter().skip(2).map(|(n, s)| format!("{n} {:.2}", median(s) / 1e9)).collect();
    println!(
        "{n:>8} {mode:>6} {data:8} {:7.3} {:7.3} {:>20} {} {}",
        median(&row[0].1) / 1e9,
        median(&row[1].1) / 1e9,
        format!("{lo:.2}/{mid:.2}/{hi:.2}"),
        if missed { "-" } else { " " },
        others.join(", ")
    );
    missed
}

/// Flows as they came, every packet a cut. States of all streams are there at once; a run begins them anew.
fn streams(args: &Args, pats: &[Vec<u8>], real: &Payloads) -> Option<Row> {
    let bytes = real.bytes.len();
    if bytes == 0 {
        return None;
    }
    let (db, _) = ours(pats);
    let mut scratch = Scratch::for_databases([&db]);
    let (mut other, _) = theirs(pats, 0, true);
    // As in a table of flows: one beside the other.
    let size = db.stream_bytes();
    let mut states = vec![0u8; real.streams * size];
    let mut open: Vec<_> = (0..real.streams).map(|_| other.stream()).collect();
    println!(
        "{:>8} {:>6} {} streams, state of {} bytes, Hyperscan {}",
        pats.len(),
        "stream",
        real.streams,
        db.stream_bytes(),
        other.stream_size()
    );
    let mut runs: Vec<Run<'_>> = vec![
        (
            "ours",
            Box::new(|| {
                let mut s = Sum::default();
                states.fill(0);
                for (i, p) in &real.streamed {
                    let mut stream = Stream::in_bytes(&mut states[i * size..][..size]);
                    db.scan_stream(&mut stream, &real.bytes[p.clone()], &mut scratch, |id, end| {
                        s.add(id, end);
                        true
                    });
                }
                s
            }),
        ),
        (
            "Hyperscan",
            Box::new(|| {
                let mut s = Sum::default();
                for o in &mut open {
                    // What a reset tells belongs to ends of streams; literals have none.
                    other.reset(o, &mut |_, _| {});
                }
                for (i, p) in &real.streamed {
                    other.feed(&mut open[*i], &real.bytes[p.clone()], &mut |id, end| s.add(id, end));
                }
                s
            }),
        ),
    ];
    let speed = measure(&mut runs, bytes, args.pairs);
    Some(row(speed, &runs))
}
