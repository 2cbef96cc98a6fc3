//! Many indicators at once: addresses and URLs by the thousands, against Hyperscan on the same bytes.
//!
//! In: how many patterns, else four sizes; they and the texts are made from fixed seeds. Out: MB/s of both and their ratio, the least, the median
//! and the most of five rounds one after the other, by the thread's processor time; both must find the same.
use tidegate_bench_sig::hs::{Hs, Pattern};
use tidegate_core::sig::{Builder, Scratch};

const TEXT: usize = 2 << 20;
const ROUNDS: usize = 5;

/// Seconds of processor time of this thread: what else the machine does counts for neither.
fn now() -> f64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes the time to where it may.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut t) };
    t.tv_sec as f64 + t.tv_nsec as f64 * 1e-9
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[(self.next() % all.len() as u64) as usize]
    }
}

fn address(r: &mut Random) -> String {
    let n = r.next();
    format!("{}.{}.{}.{}", n & 255, n >> 8 & 255, n >> 16 & 255, n >> 24 & 255)
}

fn url(r: &mut Random) -> String {
    let host = r.of(&["www", "cdn", "login", "mail", "secure"]);
    let tld = r.of(&["com", "net", "org", "io", "top"]);
    let page = r.of(&["index", "login", "account", "update", "doc"]);
    let n = r.next();
    format!("http://{host}{}.example{}.{tld}/{page}/{:x}", n & 63, n >> 6 & 1023, n >> 40)
}

fn words(r: &mut Random) -> String {
    let all = [
        "the",
        "model",
        "answers",
        "questions",
        "about",
        "http",
        "servers",
        "and",
        "their",
        "users",
        "10.1",
        "v2",
    ];
    (0..8).map(|_| r.of(&all)).collect::<Vec<_>>().join(" ")
}

fn text(r: &mut Random, line: fn(&mut Random) -> String) -> Vec<u8> {
    let mut t = String::with_capacity(TEXT + 100);
    while t.len() < TEXT {
        t += &line(r);
        t.push('\n');
    }
    t.into_bytes()
}

fn main() {
    println!("Hyperscan {}", tidegate_bench_sig::hs::version());
    let kinds: [(&str, fn(&mut Random) -> String); 2] = [("addresses", address), ("URLs", url)];
    println!(
        "| patterns | of | text | ours MB/s | Hyperscan MB/s | ratio (least, median, most) |\n|---|---|---|---|---|---|"
    );
    let sizes: Vec<usize> = std::env::args().skip(1).filter_map(|a| a.parse().ok()).collect();
    let sizes = if sizes.is_empty() { vec![1_000, 10_000, 50_000, 200_000] } else { sizes };
    for (kind, make) in kinds {
        for &n in &sizes {
            let mut r = Random(0x9e37_79b9_7f4a_7c15 ^ n as u64);
            let mut pats: Vec<Vec<u8>> = (0..n).map(|_| make(&mut r).into_bytes()).collect();
            pats.sort();
            pats.dedup();
            let mut b = Builder::new();
            for (i, p) in pats.iter().enumerate() {
                b.add(p, false, i as u32).expect("a pattern");
            }
            let db = b.build();
            eprintln!("{n} {kind}: {}", db.describe());
            let mut scratch = Scratch::new();
            db.prepare(&mut scratch);
            let theirs: Vec<Pattern<'_>> =
                pats.iter().enumerate().map(|(i, p)| Pattern { bytes: p, flags: 0, id: i as u32 }).collect();
            let mut hs = Hs::literals(&theirs, false).expect("Hyperscan compiles");
            let hays = [("such lines", text(&mut Random(77), make)), ("words", text(&mut Random(78), words))];
            for (name, hay) in hays {
                let mut ratios = Vec::new();
                let (mut ours_best, mut theirs_best) = (f64::MAX, f64::MAX);
                for _ in 0..ROUNDS {
                    let (mut a, mut b) = (Vec::new(), Vec::new());
                    let t = now();
                    db.scan(&hay, &mut scratch, |id, end| {
                        a.push((end as u64, id));
                        true
                    });
                    let ours = now() - t;
                    let t = now();
                    hs.scan(&hay, &mut |id, end| b.push((end, id)));
                    let theirs = now() - t;
                    a.sort_unstable();
                    b.sort_unstable();
                    b.dedup();
                    assert_eq!(a, b, "matches differ");
                    ratios.push(theirs / ours);
                    (ours_best, theirs_best) = (ours_best.min(ours), theirs_best.min(theirs));
                }
                ratios.sort_by(f64::total_cmp);
                let mb = |s: f64| hay.len() as f64 / 1e6 / s;
                println!(
                    "| {} | {kind} | {name} | {:.0} | {:.0} | {:.2}, {:.2}, {:.2} |",
                    pats.len(),
                    mb(ours_best),
                    mb(theirs_best),
                    ratios[0],
                    ratios[ROUNDS / 2],
                    ratios[ROUNDS - 1]
                );
            }
        }
    }
}
