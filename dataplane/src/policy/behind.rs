//! Lines of a policy that never decide, because a line before them fits whatever they fit: a [`Source`] goes in, a sentence for each comes
//! out. A policy with such lines is used as it is: who puts `deny: [{}]` before the rest to close a network down means it, and is told.

use std::path::Path;

use tidegate_core::policy::{Act, Calls, Credential, Line, Names, Source};

/// Lines that others are looked for behind, from the first.
const LOOKED: usize = 1000;

/// What is never reached, as `FILE:LINE:COLUMN: what`.
pub fn behind(s: &Source, path: &Path) -> Vec<String> {
    let rank = |a: Act| match a {
        Act::Drop | Act::Reject => 0,
        Act::Allow => 1,
        Act::Watch => 2,
    };
    let mut lines: Vec<&Line> = s.lines.iter().collect();
    lines.sort_by_key(|l| rank(l.act));
    let place = |line: u32, column: u32, what: &str| format!("{}:{line}:{column}: {what}", path.display());
    let told = |l: &Line, what: &str| place(l.place, l.column, what);
    let mut out = Vec::new();
    for (i, l) in lines.iter().enumerate() {
        let before = lines.iter().take(i.min(LOOKED)).find(|b| covers(b, l));
        if let Some(b) = before {
            let what = format!(
                "the line never decides: line {} ({}) comes before it and fits all that it fits",
                b.place,
                word(b.act)
            );
            out.push(told(l, &what));
        } else if l.act.denies() && covers(l, &Line::any(l.act)) {
            out.push(told(l, "the line has no condition: it denies everything"));
        }
    }
    let all = lines.iter().find(|l| covers(l, &Line::any(l.act)));
    if let (Some(all), Some((line, column))) = (all, s.default_place) {
        let what =
            format!("the default never decides: line {} ({}) fits everything", all.place, word(all.act));
        out.push(place(line, column, &what));
    }
    out
}

const fn word(a: Act) -> &'static str {
    match a {
        Act::Drop | Act::Reject => "deny",
        a => a.name(),
    }
}

/// Whether `a` fits whatever `b` fits.
fn covers(a: &Line, b: &Line) -> bool {
    fn all<T: PartialEq>(a: &[T], b: &[T]) -> bool {
        a.is_empty() || (!b.is_empty() && b.iter().all(|x| a.contains(x)))
    }
    let ends = |a: &Option<Vec<usize>>, b: &Option<Vec<usize>>| match (a, b) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(a), Some(b)) => all(a, b),
    };
    let within = |p: &(u16, u16)| a.ports.iter().any(|q| q.0 <= p.0 && p.1 <= q.1);
    ends(&a.from, &b.from)
        && ends(&a.to, &b.to)
        && all(&a.protos, &b.protos)
        && (a.ports.is_empty() || (!b.ports.is_empty() && b.ports.iter().all(within)))
        && (a.apps == 0 || (b.apps != 0 && b.apps & !a.apps == 0))
        && names(&a.sni, &b.sni)
        && a.calls.as_ref().is_none_or(|a| b.calls.as_ref().is_some_and(|b| calls(a, b)))
        && all(&a.time, &b.time)
}

/// Names are compared as they are written; that `gpt-*` has `gpt-4` is not worked out.
fn names(a: &Names, b: &Names) -> bool {
    let Some(a) = a else { return true };
    b.as_ref().is_some_and(|b| b.iter().all(|n| a.contains(n)))
}

fn calls(a: &Calls, b: &Calls) -> bool {
    let credential = match (&a.credential, &b.credential) {
        (Credential::Any, _) | (Credential::Required, Credential::Required) => true,
        (Credential::Absent, Credential::Absent) => true,
        (Credential::Required, Credential::Kinds(_)) => true,
        (Credential::Kinds(a), Credential::Kinds(b)) => b.iter().all(|k| a.contains(k)),
        _ => false,
    };
    credential
        && names(&a.providers, &b.providers)
        && names(&a.operations, &b.operations)
        && names(&a.models, &b.models)
        && names(&a.tools, &b.tools)
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    fn told(text: &str) -> Vec<String> {
        behind(&parse(text, Path::new("p.yaml")).unwrap(), Path::new("p.yaml"))
    }

    #[test]
    fn lines_that_never_decide_are_told() {
        let never = |at: &str, by: &str| {
            format!(
                "p.yaml:{at}: the line never decides: line {by} comes before it and fits all that it fits"
            )
        };
        assert_eq!(told("allow:\n  - {}\nwatch:\n  - {app: dns}\n"), [never("4:5", "2 (allow)")]);
        // In the order in which they are looked at, not in that of the file.
        assert_eq!(
            told("watch: [{app: dns}]\nallow:\n  - {app: dns}\n  - {app: dns, port: 53}\ndeny: [{}]\n"),
            [
                "p.yaml:5:8: the line has no condition: it denies everything".to_string(),
                never("3:5", "5 (deny)"),
                never("4:5", "5 (deny)"),
                never("1:9", "5 (deny)"),
            ]
        );
        assert_eq!(
            told("allow: [{}]\ndefault: deny\n"),
            ["p.yaml:2:10: the default never decides: line 1 (allow) fits everything"]
        );
        assert!(told("allow: [{}]\n").is_empty() && told("default: deny\n").is_empty());
        let segments = "segments: {a: {addresses: 10.0.0.1}, b: {addresses: 10.0.0.2}}\n";
        let of = |lines: &str| told(&format!("{segments}allow:\n{lines}")).len();
        for (first, second, n) in [
            ("{from: [a, b]}", "{from: a}", 1),
            ("{from: a}", "{from: [a, b]}", 0),
            ("{from: a}", "{to: a}", 0),
            ("{port: 1-100}", "{port: [5, 7-9], proto: tcp}", 1),
            ("{port: 1-100}", "{port: [5, 101]}", 0),
            ("{port: 80}", "{app: http}", 0),
            ("{proto: tcp}", "{proto: [tcp, udp]}", 0),
            ("{app: [http, dns]}", "{app: dns}", 1),
            ("{sni: \"*.a\"}", "{app: tls, sni: \"*.A\"}", 1),
            ("{app: http}", "{app: http, ai: {models: x}}", 1),
            ("{ai: {models: x}}", "{app: http}", 0),
            ("{credential: required}", "{credential: bearer}", 1),
            ("{credential: bearer}", "{credential: required}", 0),
            ("{time: {days: mon}}", "{}", 0),
        ] {
            assert_eq!(of(&format!("  - {first}\n  - {second}\n")), n, "{first} {second}");
        }
    }

    /// A line that is told decides on no flow: asked of the compiled tables.
    #[test]
    fn what_is_told_never_decides() {
        let text = "deny:\n  - {port: 1-100}\nallow:\n  - {port: 50, proto: udp}\n  - {port: 101}\n";
        let source = parse(text, Path::new("p.yaml")).unwrap();
        assert_eq!(behind(&source, Path::new("p.yaml")).len(), 1);
        let policy = super::super::compile(&source, Path::new("p.yaml")).unwrap();
        let mut decided = std::collections::BTreeSet::new();
        for proto in ["tcp", "udp", "icmp"] {
            for port in 0..200 {
                let text = format!("10.0.0.1:1 10.0.0.2:{port} {proto}");
                let f = super::super::flows::Flow::parse(&text, 0).unwrap();
                if let tidegate_core::policy::Outcome::Final(d) = policy.decide(&f.ends, &f.facts()) {
                    decided.extend(d.line.and_then(|n| policy.line(n)).map(|l| l.1));
                }
            }
        }
        assert_eq!(decided.into_iter().collect::<Vec<_>>(), [2, 5]);
    }
}
