//! `tidegate policy`: a policy is checked, explained, compared with another one and tested. Files come in, text goes to
//! standard output.

mod captures;
mod cases;
mod learn;

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use tidegate_core::policy::{Act, Decision, Outcome, Policy};

use super::run::grouped;
use super::{PARTLY, PolicyArgs, PolicyCommand, answer};
use crate::policy::{self, flows::Flow};

/// Lines told by `explain` that do not fit.
const MISSES: usize = 10;

pub fn main(args: &PolicyArgs) -> ExitCode {
    let done = match &args.what {
        PolicyCommand::Check { file } => check(file).map(|t| (t, true)),
        PolicyCommand::Explain { file, flow } => explain(file, flow).map(|t| (t, true)),
        PolicyCommand::Diff { old, new, capture } => captures::diff(old, new, capture),
        PolicyCommand::Test { file } => cases::test(file),
        PolicyCommand::Learn { capture, segments, least } => {
            learn::learn(capture, segments.as_deref(), *least).map(|t| (t, true))
        }
    };
    let code = |same| if same { ExitCode::SUCCESS } else { ExitCode::from(PARTLY) };
    answer::end(done.map(|(text, same)| (text, code(same))))
}

fn check(file: &Path) -> Result<String, String> {
    let start = Instant::now();
    let source = policy::read(file)?;
    let read = start.elapsed();
    let start = Instant::now();
    let p = policy::compile(&source, file)?;
    policy::behind(&source, file).iter().for_each(|t| eprintln!("{t}"));
    let took = start.elapsed();
    let of = |f: fn(Act) -> bool| grouped(source.lines.iter().filter(|l| f(l.act)).count() as u64);
    let networks: usize = source.segments.iter().map(|s| s.networks.len()).sum();
    let mut t = String::new();
    let mut line = |name: &str, text: String| t.push_str(&format!("{name:<10}{text}\n"));
    let segments = grouped(source.segments.len() as u64);
    line("segments", format!("{segments} with {} networks", grouped(networks as u64)));
    let [deny, allow, watch] = [of(Act::denies), of(|a| a == Act::Allow), of(|a| a == Act::Watch)];
    line("lines", format!("{deny} deny, {allow} allow, {watch} watch"));
    line("default", word(source.default).to_string());
    line(
        "calls",
        if p.asks_calls() { "each call of an AI service is decided".into() } else { "not asked".into() },
    );
    line("tables", format!("{} bytes", grouped(p.bytes() as u64)));
    line("took", format!("{:.2} s to read, {:.2} s to compile", read.as_secs_f64(), took.as_secs_f64()));
    Ok(t)
}

/// The word of the language.
const fn word(a: Act) -> &'static str {
    match a {
        Act::Drop => "deny (drop)",
        Act::Reject => "deny (reject)",
        a => a.name(),
    }
}

/// `line 12 (gateway to inference)`, or `default`.
fn by(p: &Policy, line: Option<u16>) -> String {
    match line.and_then(|n| p.line(n)) {
        None => "default".into(),
        Some(("", place)) => format!("line {place}"),
        Some((name, place)) => format!("line {place} ({name})"),
    }
}

fn explain(file: &Path, flow: &str) -> Result<String, String> {
    let p = policy::load(file)?;
    // A flow has blanks; so may a file's name.
    if Path::new(flow).exists() {
        return captures::explain(file, Path::new(flow));
    }
    if !flow.trim().contains(char::is_whitespace) {
        return Err(format!("{flow}: no such capture"));
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.map_or(0, |d| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX));
    let f = Flow::parse(flow, now)?;
    let facts = f.facts();
    let at = p.place(&f.ends);
    let outcome = p.decide(&f.ends, &facts);
    let mut t = String::new();
    let name = |n: u16| if n == 0 { "(no segment)" } else { p.segment(n) };
    let _ = writeln!(t, "from      {}", name(at.from));
    let _ = writeln!(t, "to        {}", name(at.to));
    let _ = match outcome {
        Outcome::Final(d) => writeln!(t, "decision  {}, by {}", word(d.act), by(&p, d.line)),
        Outcome::Open { call: false } => writeln!(t, "decision  open until more is known"),
        Outcome::Open { call: true } => writeln!(t, "decision  open: each call is decided"),
    };
    misses(&mut t, &p, &f, outcome);
    Ok(t)
}

/// Why the lines between the two segments do not fit.
fn misses(t: &mut String, p: &Policy, f: &Flow, outcome: Outcome) {
    let facts = f.facts();
    let decided = match outcome {
        Outcome::Final(Decision { line: Some(n), .. }) => usize::from(n),
        _ => usize::MAX,
    };
    let (mut shown, mut left) = (0, 0);
    for (i, not) in p.explain(&f.ends, &facts).enumerate() {
        let n = i as u16;
        let text = match not {
            None if i == decided => continue,
            None if i > decided => "comes after the one that decides".to_string(),
            None => "may fit: it asks for what is not known yet".to_string(),
            Some(c) => format!("does not fit: {}", c.name()),
        };
        if shown == MISSES {
            left += 1;
            continue;
        }
        shown += 1;
        let act = p.act(n).map_or("", word);
        let _ = writeln!(t, "  {act} {}: {text}", by(p, Some(n)));
    }
    if left > 0 {
        let _ = writeln!(t, "  and {} more", grouped(left));
    }
}
