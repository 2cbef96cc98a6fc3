//! `tidegate rules check`: what a rule set becomes.

use std::fmt::Write as _;
use std::process::ExitCode;

use crate::config::{Overrides, Settings};
use crate::load::{self, Loaded};
use tidegate_core::detect::ruleset::Fast;

use super::{CheckArgs, PARTLY, RulesArgs, RulesCommand, answer};

pub fn main(args: &RulesArgs) -> ExitCode {
    let text = match &args.what {
        RulesCommand::Check(args) => check(args),
        RulesCommand::Show { name } => show(name).map(|t| (t, ExitCode::SUCCESS)),
    };
    answer::end(text)
}

/// The text of a rule set of the program.
fn show(name: &std::path::Path) -> Result<String, String> {
    let set = name.to_str().and_then(load::builtin);
    let set = set.ok_or_else(|| format!("{}: no such rule set; there is builtin:ai", name.display()))?;
    Ok(set.iter().map(|(file, text)| format!("# {file}\n\n{text}\n")).collect())
}

fn check(args: &CheckArgs) -> Result<(String, ExitCode), String> {
    let over = Overrides { set: &args.set, ips: false };
    let s = Settings::load(args.config.as_deref(), &over).map_err(|e| e.to_string())?;
    super::settings_without_effect(&s, None, args.strict)?;
    let l = load::load(&args.rules, &s, args.data_dir.as_deref())?;
    l.notes.iter().for_each(|n| eprintln!("{n}"));
    let code =
        if l.refused.is_empty() && l.notes.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(PARTLY) };
    Ok((report(&l, args.brief), code))
}

/// The report as text.
fn report(l: &Loaded, brief: bool) -> String {
    let mut t = String::new();
    // Writing to a String cannot fail.
    let _ = write_report(&mut t, l, brief);
    t
}

fn write_report(t: &mut String, l: &Loaded, brief: bool) -> std::fmt::Result {
    let total = l.loaded + l.refused.len();
    let share = if total == 0 { 100.0 } else { l.loaded as f64 * 100.0 / total as f64 };
    writeln!(t, "loaded   {:>7} of {total} rules ({share:.1} %) in {:.2} s", l.loaded, l.took.as_secs_f64())?;
    writeln!(t, "refused  {:>7}", l.refused.len())?;
    writeln!(t, "skipped  {:>7} (they require what is not here)", l.skipped)?;
    if !l.refused.is_empty() {
        writeln!(t, "\nrefused by reason")?;
        for (reason, n) in l.by_reason() {
            writeln!(t, "{n:>8}  {reason}")?;
        }
    }
    let idle = l.without_effect();
    if !idle.is_empty() {
        writeln!(t, "\nloaded, with parts that have no effect")?;
        for (part, n) in idle {
            writeln!(t, "{n:>8}  {part}")?;
        }
    }
    let s = l.rules.set.stats();
    writeln!(t, "\ngroups")?;
    writeln!(t, "{:>8}  by ports", s.port_groups)?;
    writeln!(t, "{:>8}  by protocol and direction", s.tx_groups)?;
    writeln!(t, "{:>8}  rules by address alone", s.ip_only)?;
    writeln!(t, "{:>8}  rules without a literal to look for", s.without_pattern)?;
    writeln!(
        t,
        "{:>8}  pattern databases with {} patterns in {:.1} MiB",
        s.databases,
        s.patterns,
        s.bytes as f64 / (1 << 20) as f64
    )?;
    if brief {
        return Ok(());
    }
    if !l.refused.is_empty() {
        writeln!(t, "\nrefused rules")?;
        for r in &l.refused {
            writeln!(t, "  {}", l.place(r))?;
        }
    }
    if !l.warnings.is_empty() {
        writeln!(t, "\nloaded, but odd")?;
        for r in &l.warnings {
            writeln!(t, "  {}", l.place(r))?;
        }
    }
    writeln!(t, "\nfast patterns")?;
    for (meta, fast) in l.rules.set.fast_patterns() {
        match fast {
            Some(f) => writeln!(t, "{:>10}  {}", meta.sid, pattern(f))?,
            None => writeln!(t, "{:>10}  -", meta.sid)?,
        }
    }
    Ok(())
}

/// `http.uri "/admin" nocase`, bytes that do not print as rules write them.
pub(super) fn pattern(f: &Fast) -> String {
    let mut text = format!("{} \"", f.buffer);
    let mut hex = false;
    for &b in &f.bytes {
        let plain = (b' '..=b'~').contains(&b) && !b"\"\\;:|".contains(&b);
        if plain == hex {
            text.push('|');
            hex = !hex;
        } else if hex {
            text.push(' ');
        }
        if plain {
            text.push(char::from(b));
        } else {
            let _ = write!(text, "{b:02x}");
        }
    }
    if hex {
        text.push('|');
    }
    text.push('"');
    if f.nocase {
        text.push_str(" nocase");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_as_rules_write_them() {
        let f = Fast { buffer: "payload".into(), bytes: b"GET |\r\n\0a".to_vec(), nocase: true };
        assert_eq!(pattern(&f), "payload \"GET |7c 0d 0a 00|a\" nocase");
    }
}
