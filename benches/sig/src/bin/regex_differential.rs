//! Every end of every match, ours against Hyperscan's: generated patterns, then every `pcre` of a rule file.
//!
//! A pattern counts when both compile it. Inputs come from the pattern (strings it should match, then damaged ones)
//! and from real payloads. Any difference is printed and fails the run.
use clap::Parser;
use std::collections::BTreeSet;
use std::path::PathBuf;
use tidegate_bench_sig::{Rng, data, hs};
use tidegate_core::sig::regex::{Automata, Flags, States};

#[derive(Debug, Parser)]
struct Args {
    #[arg(long, default_value = "../shared")]
    shared: PathBuf,
    /// Generated patterns.
    #[arg(long, default_value_t = 4000)]
    patterns: usize,
    /// Inputs for each pattern, besides payloads.
    #[arg(long, default_value_t = 12)]
    inputs: usize,
    /// Payloads for each pattern of the rules.
    #[arg(long, default_value_t = 40)]
    payloads: usize,
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// A pattern with a way to make strings it is likely to match.
enum Tree {
    /// Text of the pattern, bytes it takes.
    One(String, Vec<u8>),
    /// Takes nothing: an anchor.
    Zero(&'static str),
    Cat(Vec<Tree>),
    Alt(Vec<Tree>),
    Repeat(Box<Tree>, u32, Option<u32>, bool),
}

const BYTES: &[u8] = b"abcABC019_ -/.=\r\n\x00\xff";

fn leaf(r: &mut Rng) -> Tree {
    let one = |t: &str, b: &[u8]| Tree::One(t.into(), b.to_vec());
    match r.below(22) {
        0 => one(".", b"abz9 \xff"),
        1 => one("\\d", b"0159"),
        2 => one("\\w", b"aZ_5"),
        3 => one("\\s", b" \t\r\n\x0b\x0c"),
        4 => one("\\D", b"a -\n"),
        5 => one("\\W", b" -/\xe9"),
        6 => one("\\S", b"ab1-"),
        7 => one("[ab]", b"ab"),
        8 => one("[^ab]", b"cA\n \xff"),
        9 => one("[a-c0-9]", b"abc059"),
        10 => one("[\\w.-]", b"a_.-"),
        11 => one("[^\\r\\n]", b"ab \x00"),
        12 => one("\\x00", b"\0"),
        13 => one("[\\x80-\\xff]", b"\x80\xff\xc3"),
        14 => match r.below(6) {
            0 => Tree::Zero("^"),
            1 => Tree::Zero("$"),
            2 => Tree::Zero("\\b"),
            3 => Tree::Zero("\\B"),
            4 => Tree::Zero("\\A"),
            _ => Tree::Zero("\\z"),
        },
        15 => one("\\x41", b"A"),
        16 => one("\\.", b"."),
        _ => {
            let b = *r.pick(b"abcABC01 /=_");
            Tree::One(if b == b' ' { "\\x20".into() } else { char::from(b).into() }, vec![b])
        }
    }
}

fn tree(r: &mut Rng, depth: u32) -> Tree {
    if depth == 0 {
        return leaf(r);
    }
    match r.below(10) {
        0..=2 => leaf(r),
        3..=6 => Tree::Cat((0..2 + r.below(3)).map(|_| tree(r, depth - 1)).collect()),
        7 => Tree::Alt((0..2 + r.below(2)).map(|_| tree(r, depth - 1)).collect()),
        _ => {
            let (min, max) = match r.below(7) {
                0 => (0, None),
                1 => (1, None),
                2 => (0, Some(1)),
                3 => (2, Some(2)),
                4 => (1, Some(3)),
                5 => (2, None),
                _ => (0, Some(3)),
            };
            Tree::Repeat(Box::new(tree(r, depth - 1)), min, max, r.below(4) == 0)
        }
    }
}

impl Tree {
    fn text(&self, out: &mut String) {
        match self {
            Tree::One(t, _) => out.push_str(t),
            Tree::Zero(t) => out.push_str(t),
            Tree::Cat(v) => v.iter().for_each(|t| t.text(out)),
            Tree::Alt(v) => {
                out.push_str("(?:");
                for (i, t) in v.iter().enumerate() {
                    out.push_str(if i > 0 { "|" } else { "" });
                    t.text(out);
                }
                out.push(')');
            }
            Tree::Repeat(t, min, max, lazy) => {
                out.push('(');
                t.text(out);
                out.push(')');
                match (min, max) {
                    (0, None) => out.push('*'),
                    (1, None) => out.push('+'),
                    (0, Some(1)) => out.push('?'),
                    (n, None) => *out += &format!("{{{n},}}"),
                    (n, Some(m)) if n == m => *out += &format!("{{{n}}}"),
                    (n, Some(m)) => *out += &format!("{{{n},{m}}}"),
                }
                out.push_str(if *lazy { "?" } else { "" });
            }
        }
    }

    fn sample(&self, r: &mut Rng, out: &mut Vec<u8>) {
        match self {
            Tree::One(_, b) => out.push(*r.pick(b)),
            Tree::Zero(t) => {
                if matches!(*t, "^" | "$") && r.below(2) == 0 {
                    out.push(b'\n');
                }
            }
            Tree::Cat(v) => v.iter().for_each(|t| t.sample(r, out)),
            Tree::Alt(v) => r.pick(v).sample(r, out),
            Tree::Repeat(t, min, max, _) => {
                let most = max.unwrap_or(min + 3);
                let n = *min as usize + r.below((most - min) as usize + 1);
                (0..n).for_each(|_| t.sample(r, out));
            }
        }
    }
}

/// Strings around samples of `t`: alone, within other bytes, cut, with a byte changed.
fn inputs(t: &Tree, n: usize, r: &mut Rng) -> Vec<Vec<u8>> {
    let mut out = vec![vec![], b"\n".to_vec()];
    while out.len() < n {
        let mut s = Vec::new();
        for _ in 0..r.below(4) {
            s.push(*r.pick(BYTES));
        }
        for _ in 0..1 + r.below(2) {
            t.sample(r, &mut s);
        }
        for _ in 0..r.below(3) {
            s.push(*r.pick(BYTES));
        }
        if r.below(3) == 0 && !s.is_empty() {
            let i = r.below(s.len());
            match r.below(3) {
                0 => s.truncate(i),
                1 => s[i] = *r.pick(BYTES),
                _ => s[i] ^= 0x20,
            }
        }
        out.push(s);
    }
    out
}

/// A pattern both engines compile.
struct Both {
    automata: Automata,
    states: States,
    theirs: hs::Hs,
}

#[derive(Default)]
struct Counts {
    patterns: usize,
    pairs: usize,
    with_match: usize,
    ends: usize,
    different: usize,
    /// Ours, theirs.
    refused: [usize; 2],
}

impl Both {
    fn compile(text: &[u8], flags: Flags, counts: &mut Counts) -> Option<Both> {
        let mut automata = Automata::new();
        let ours = automata.add(text, flags);
        counts.refused[0] += usize::from(ours.is_err());
        let mut f = hs::ALLOWEMPTY;
        for (on, bit) in
            [(flags.caseless, hs::CASELESS), (flags.dotall, hs::DOTALL), (flags.multiline, hs::MULTILINE)]
        {
            f |= if on { bit } else { 0 };
        }
        // What Hyperscan has no flag for is said in the pattern.
        let mut said = Vec::new();
        if flags.extended {
            said.extend_from_slice(b"(?x)");
        }
        if flags.anchored {
            said.extend_from_slice(b"\\A(?:");
        }
        said.extend_from_slice(text);
        if flags.anchored {
            said.extend_from_slice(if flags.extended { b"\n)" } else { b")" });
        }
        if flags.dollar_endonly && text.contains(&b'$') {
            counts.refused[1] += 1;
            return None;
        }
        let theirs = hs::Hs::regexes(&[hs::Pattern { bytes: &said, flags: f, id: 0 }]);
        counts.refused[1] += usize::from(theirs.is_err());
        let (Ok(_), Ok(theirs)) = (ours, theirs) else { return None };
        counts.patterns += 1;
        Some(Both { automata, states: States::default(), theirs })
    }

    fn compare(&mut self, text: &[u8], flags: Flags, hay: &[u8], counts: &mut Counts) {
        let mut ours = Vec::new();
        self.automata.ends(&[0], hay, &mut self.states, |_, end| {
            ours.push(end as u64);
            true
        });
        assert!(ours.windows(2).all(|w| w[0] < w[1]), "ends out of order");
        let mut theirs = BTreeSet::new();
        self.theirs.scan(hay, &mut |_, end| {
            theirs.insert(end);
        });
        let ours: BTreeSet<u64> = ours.into_iter().collect();
        counts.pairs += 1;
        counts.ends += ours.len();
        counts.with_match += usize::from(!ours.is_empty());
        if ours != theirs {
            counts.different += 1;
            if counts.different <= 40 {
                let only = |a: &BTreeSet<u64>, b| a.difference(b).take(8).copied().collect::<Vec<_>>();
                println!(
                    "DIFFERENT {:?} {flags:?}\n  on {:?} of {} bytes\n  only ours {:?}, only Hyperscan {:?}",
                    text.escape_ascii().to_string(),
                    hay[..hay.len().min(120)].escape_ascii().to_string(),
                    hay.len(),
                    only(&ours, &theirs),
                    only(&theirs, &ours)
                );
            }
        }
    }
}

impl Counts {
    fn print(&self, what: &str) {
        println!(
            "{what}: {} patterns compiled by both (refused by ours {}, by Hyperscan {}), {} pattern/input pairs, \
             {} with matches, {} ends, {} pairs differ",
            self.patterns,
            self.refused[0],
            self.refused[1],
            self.pairs,
            self.with_match,
            self.ends,
            self.different
        );
    }
}

/// Patterns and flags of every `pcre` of a rule file.
fn pcres(text: &[u8]) -> Vec<(Vec<u8>, Flags)> {
    let mut out = Vec::new();
    for line in text.split(|&b| b == b'\n').filter(|l| l.starts_with(b"alert")) {
        let mut i = 0;
        while let Some(at) = line[i..].windows(5).position(|w| w == b"pcre:") {
            i += at + 5;
            let body = &line[i..];
            let body = body.strip_prefix(b"!").unwrap_or(body);
            let Some(body) = body.strip_prefix(b"\"/") else { continue };
            let Some(end) = (1..body.len()).find(|&i| body[i] == b';' && body[i - 1] != b'\\') else {
                continue;
            };
            let Some(slash) = body[..end].iter().rposition(|&b| b == b'/') else { continue };
            let letters = &body[slash + 1..end];
            let letters = &letters[..letters.iter().position(|&b| b == b',' || b == b'"').unwrap_or(0)];
            let has = |c| letters.contains(&c);
            let flags = Flags {
                caseless: has(b'i'),
                dotall: has(b's'),
                multiline: has(b'm'),
                extended: has(b'x'),
                // Where a search begins is a rule's affair; here it is the start of the text.
                anchored: has(b'A'),
                dollar_endonly: has(b'E'),
                ungreedy: has(b'G'),
            };
            out.push((body[..slash].to_vec(), flags));
        }
    }
    out.sort_by(|a, b| a.0.cmp(&b.0));
    out.dedup();
    out
}

/// A string that the pattern of a rule may match: read byte by byte, each part replaced by something it may take.
fn guess(p: &[u8], r: &mut Rng) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::new();
    let mut i = 0;
    while let Some(&c) = p.get(i) {
        i += 1;
        match c {
            b'\\' => {
                let e = p.get(i).copied().unwrap_or(b'\\');
                i += 1;
                match e {
                    b'd' => out.push(b'0' + r.below(10) as u8),
                    b'w' => out.push(*r.pick(b"abz09_")),
                    b's' => out.push(b' '),
                    b'S' | b'D' | b'W' => out.push(*r.pick(b"-/!")),
                    b'r' => out.push(b'\r'),
                    b'n' => out.push(b'\n'),
                    b't' => out.push(b'\t'),
                    b'b' | b'B' | b'A' | b'z' | b'Z' => {}
                    b'x' => {
                        let hex = p.get(i..i + 2).and_then(|h| std::str::from_utf8(h).ok());
                        if let Some(v) = hex.and_then(|h| u8::from_str_radix(h, 16).ok()) {
                            out.push(v);
                            i += 2;
                        }
                    }
                    _ => out.push(e),
                }
            }
            b'[' => {
                let neg = p.get(i) == Some(&b'^');
                let from = i + usize::from(neg);
                let mut j = from + 1;
                while p.get(j).is_some_and(|&b| b != b']') {
                    j += 1 + usize::from(p[j] == b'\\');
                }
                let class = p.get(from..j).unwrap_or(&[]);
                out.push(match (neg, class) {
                    (true, _) => *r.pick(b"aZ5 -\xff"),
                    (_, [a, b'-', b, ..]) if b > a => a + r.below(usize::from(b - a) + 1) as u8,
                    (_, [b'\\', b'd', ..]) => b'7',
                    (_, [b'\\', ..]) => b'a',
                    (_, [a, ..]) => *a,
                    _ => b'a',
                });
                i = j + 1;
            }
            b'(' => {
                if p.get(i) == Some(&b'?') {
                    while p.get(i).is_some_and(|b| !matches!(b, b':' | b')' | b'>' | b'=' | b'!')) {
                        i += 1;
                    }
                    i += 1;
                }
                // Sometimes not the first of the alternatives.
                if r.below(2) == 0
                    && let Some(bar) = p[i..].iter().position(|&b| matches!(b, b'|' | b')'))
                    && p[i + bar] == b'|'
                {
                    i += bar + 1;
                }
            }
            b'|' => match p[i..].iter().position(|&b| b == b')') {
                Some(end) => i += end,
                None => return out,
            },
            b'{' => {
                let digits: Vec<u8> = p[i..].iter().copied().take_while(u8::is_ascii_digit).collect();
                let n: usize = String::from_utf8_lossy(&digits).parse().unwrap_or(1);
                if let Some(&last) = out.last() {
                    out.extend(std::iter::repeat_n(last, n.saturating_sub(1).min(300)));
                }
                i += p[i..].iter().position(|&b| b == b'}').map_or(0, |e| e + 1);
            }
            b'*' | b'+' => {
                if let Some(&last) = out.last() {
                    out.extend(std::iter::repeat_n(last, r.below(4)));
                }
            }
            b'.' => out.push(*r.pick(b"ab9 /\xff")),
            b'^' | b'$' | b')' | b'?' => {}
            _ => out.push(c),
        }
    }
    out
}

fn main() {
    let args = Args::parse();
    println!("Hyperscan {}: ends of all matches", hs::version());
    let mut r = Rng(args.seed);
    let mut generated = Counts::default();
    for _ in 0..args.patterns {
        let depth = 1 + r.below(4) as u32;
        let t = tree(&mut r, depth);
        let mut text = String::new();
        t.text(&mut text);
        let flags = Flags {
            caseless: r.below(3) == 0,
            dotall: r.below(3) == 0,
            multiline: r.below(3) == 0,
            ..Flags::default()
        };
        let Some(mut both) = Both::compile(text.as_bytes(), flags, &mut generated) else { continue };
        for hay in inputs(&t, args.inputs, &mut r) {
            both.compare(text.as_bytes(), flags, &hay, &mut generated);
        }
    }
    generated.print("generated");
    assert!(generated.pairs >= 2000, "too few pairs");

    let rules = std::fs::read(args.shared.join("rules/et-open/et-open.rules")).unwrap_or_default();
    let mut of_rules = Counts::default();
    if rules.is_empty() {
        println!("rules: there are none in {}", args.shared.display());
    } else {
        let all = pcres(&rules);
        println!("rules: {} different patterns", all.len());
        let real = data::payloads(&args.shared.join("captures"));
        for (text, flags) in all {
            let Some(mut both) = Both::compile(&text, flags, &mut of_rules) else { continue };
            let mut hays: Vec<Vec<u8>> = Vec::new();
            for _ in 0..args.inputs {
                let s = guess(&text, &mut r);
                let mut around = r.pick(BYTES).to_ascii_lowercase().to_string().into_bytes();
                around.extend_from_slice(&s);
                around.push(*r.pick(BYTES));
                hays.extend([s, around]);
            }
            if !real.packets.is_empty() {
                for _ in 0..args.payloads {
                    // A payload, and one with a likely match inside.
                    let mut p = r.pick(&real.packets).clone();
                    p.truncate(2000);
                    if r.below(2) == 0 {
                        let at = r.below(p.len());
                        p.splice(at..at, guess(&text, &mut r));
                    }
                    hays.push(p);
                }
            }
            for hay in hays {
                both.compare(&text, flags, &hay, &mut of_rules);
            }
        }
        of_rules.print("rules");
    }
    if generated.different + of_rules.different > 0 {
        std::process::exit(1);
    }
}
