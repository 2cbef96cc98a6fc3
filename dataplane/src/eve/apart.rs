//! Files that are written by two outputs: settings and folders go in, an error comes out that names both. Two writers of one file
//! mix their lines, or the second empties what the first wrote. Names with a time in them are taken to be whatever they can
//! become, today or at another time: a sensor runs on, and finds out at midnight.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use crate::config::Settings;
use crate::lines::with_time;

/// Two outputs have one file, or can come to have one.
#[derive(Debug, thiserror::Error)]
#[error("{first} and {second} {} one file, {}: each needs its own", if *timed { "can become" } else { "are" }, path.display())]
pub struct Shared {
    pub first: String,
    pub second: String,
    pub path: PathBuf,
    /// It depends on the time in a name.
    pub timed: bool,
}

/// An output: how it is called, its path now, and what its path can become.
#[derive(Clone)]
struct Taken {
    name: String,
    path: PathBuf,
    form: Vec<Part>,
}

impl Taken {
    /// `pattern`: `%Y` and the like in `file` stand for a time.
    fn new(name: String, dir: &Path, file: &Path, pattern: bool) -> Taken {
        let text = file.to_string_lossy();
        if !pattern || !text.contains('%') {
            let path = resolved(&dir.join(file));
            let form = parts(&path);
            return Taken { name, path, form };
        }
        let now = with_time(&text).unwrap_or_else(|_| text.to_string());
        let form = parts(&resolved(&dir.join(marked(&text))));
        Taken { name, path: resolved(&dir.join(now)), form }
    }
}

/// One character of a path, or any number of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    what: What,
    many: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Char(char),
    Digit,
    /// Whatever can be in a name.
    Any,
}

impl What {
    fn meets(self, other: What) -> bool {
        match (self, other) {
            (What::Char(a), What::Char(b)) => a == b,
            (What::Char(c), What::Digit) | (What::Digit, What::Char(c)) => c.is_ascii_digit(),
            (What::Char(c), What::Any) | (What::Any, What::Char(c)) => c != '/',
            _ => true,
        }
    }
}

/// Characters that no path has (Unicode's private ones) in place of a time while a path is made: a digit, anything.
const DIGIT: char = '\u{f0d16}';
const ANY: char = '\u{f0a22}';
/// One more of what stands before.
const MORE: char = '\u{f03e5}';

/// `name` with marks in place of `%Y` and the like.
fn marked(name: &str) -> String {
    let mut out = String::new();
    let mut rest = name.chars();
    while let Some(c) = rest.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        match rest.next() {
            Some('%') => out.push('%'),
            Some('Y') => out.extend([DIGIT; 4]),
            Some('m' | 'd' | 'H' | 'M' | 'S' | 'y' | 'I') => out.extend([DIGIT; 2]),
            Some('j') => out.extend([DIGIT; 3]),
            Some('s') => out.extend([DIGIT, MORE]),
            // A name of a day, a date with marks between, a flag of strftime with what follows: anything.
            _ => out.extend([ANY, MORE]),
        }
    }
    out
}

fn parts(path: &Path) -> Vec<Part> {
    let mut out: Vec<Part> = Vec::new();
    for c in path.to_string_lossy().chars() {
        let what = match c {
            DIGIT => What::Digit,
            ANY => What::Any,
            MORE => {
                out.extend(out.last().copied().map(|p| Part { many: true, ..p }));
                continue;
            }
            c => What::Char(c),
        };
        out.push(Part { what, many: false });
    }
    out
}

/// Whether there is a path that is both.
fn can_meet(a: &[Part], b: &[Part]) -> bool {
    let width = b.len() + 1;
    let mut seen = vec![false; (a.len() + 1) * width];
    let mut open = vec![(0, 0)];
    while let Some((i, j)) = open.pop() {
        if i == a.len() && j == b.len() {
            return true;
        }
        if std::mem::replace(&mut seen[i * width + j], true) {
            continue;
        }
        let (x, y) = (a.get(i), b.get(j));
        if x.is_some_and(|p| p.many) {
            open.push((i + 1, j));
        }
        if y.is_some_and(|p| p.many) {
            open.push((i, j + 1));
        }
        if let (Some(x), Some(y)) = (x, y)
            && x.what.meets(y.what)
        {
            open.push((i + usize::from(!x.many), j + usize::from(!y.many)));
        }
    }
    false
}

/// Whether every output has a file of its own. `dir`: the folder of events; `log_dir`: that of the program's own words;
/// `others`: what else is written, with its name.
pub fn apart(s: &Settings, dir: &Path, log_dir: &Path, others: &[(&str, &Path)]) -> Result<(), Shared> {
    let timed = |what: &str, f: &String| Taken::new(format!("{what} ({f})"), dir, Path::new(f), true);
    let plain =
        |what: &str, dir: &Path, f: &Path| Taken::new(format!("{what} ({})", f.display()), dir, f, false);
    let eve = s.outputs.eve.iter().map(|e| timed("eve-log", &e.filename));
    let fast = s.outputs.fast.iter().map(|f| timed("fast", f));
    let own = s.logging.files.iter().map(|l| plain("logging.outputs.file", log_dir, &l.path));
    let others = others.iter().map(|(name, path)| plain(name, Path::new(""), path));
    let mut seen: Vec<Taken> = Vec::new();
    for t in eve.chain(fast).chain(own).chain(others) {
        // Whatever goes to a device does not come back.
        if is_device(&t.path) {
            continue;
        }
        if let Some(x) = seen.iter().find(|x| x.path == t.path || can_meet(&x.form, &t.form)).cloned() {
            let timed = x.path != t.path;
            let path = if x.form.iter().all(|p| matches!(p.what, What::Char(_))) { x.path } else { t.path };
            return Err(Shared { first: x.name, second: t.name, path, timed });
        }
        seen.push(t);
    }
    Ok(())
}

#[cfg(unix)]
fn is_device(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    std::fs::metadata(path).is_ok_and(|m| m.file_type().is_char_device())
}

#[cfg(not(unix))]
fn is_device(_: &Path) -> bool {
    false
}

/// The one spelling of a path: absolute, without `.` and `..`, links followed as far as it exists.
fn resolved(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let (mut there, mut missing) = (path.as_path(), Vec::<OsString>::new());
    loop {
        if let Ok(real) = there.canonicalize() {
            let mut out = real;
            for part in missing.iter().rev() {
                match part.to_str() {
                    Some("..") => _ = out.pop(),
                    _ => out.push(part),
                }
            }
            return out;
        }
        match (there.components().next_back(), there.parent()) {
            (Some(Component::Normal(n)), Some(up)) => {
                missing.push(n.to_owned());
                there = up;
            }
            (Some(Component::ParentDir), Some(up)) => {
                missing.push("..".into());
                there = up;
            }
            _ => return path,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Overrides;

    fn check(outputs: &str, dir: &Path) -> Result<(), String> {
        let s = Settings::parse(outputs, &Overrides::default()).unwrap();
        apart(&s, dir, dir, &[("--pidfile", Path::new("/run/x.pid"))]).map_err(|e| e.to_string())
    }

    #[test]
    fn two_outputs_of_one_file_are_refused_by_both_names() {
        let dir = std::env::temp_dir().join(format!("tidegate-apart-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("real")).unwrap();
        #[cfg(unix)]
        let _ = std::os::unix::fs::symlink(dir.join("real"), dir.join("link"));
        let eve =
            |a: &str, b: &str| format!("outputs: [eve-log: {{filename: {a}}}, eve-log: {{filename: {b}}}]");
        for (a, b) in [
            ("eve.json", "eve.json"),
            ("eve.json", "./eve.json"),
            ("eve.json", "new/../eve.json"),
            ("eve.json", dir.join("eve.json").to_str().unwrap()),
            #[cfg(unix)]
            ("real/new/e.json", "link/new/e.json"),
        ] {
            let e = check(&eve(a, b), &dir).unwrap_err();
            let both = format!("eve-log ({a}) and eve-log ({b}) are one file, ");
            assert!(e.starts_with(&both), "{a} {b}: {e}");
        }
        check(&eve("eve.json", "other.json"), &dir).unwrap();
        check(&eve("eve.json", "sub/eve.json"), &dir).unwrap();
        #[cfg(unix)]
        check(&eve("/dev/null", "/dev/null"), &dir).unwrap();
        let fast = "outputs: [eve-log: {filename: x}, fast: {enabled: yes, filename: x}]";
        assert!(check(fast, &dir).unwrap_err().starts_with("eve-log (x) and fast (x) are one file"));
        let log = "outputs: [eve-log: {filename: x}]\nlogging: {outputs: [file: {type: json, filename: x}]}";
        assert!(check(log, &dir).unwrap_err().contains("logging.outputs.file (x)"));
        let pid = "outputs: [eve-log: {filename: /run/x.pid}]";
        assert!(check(pid, &dir).unwrap_err().contains("--pidfile (/run/x.pid)"));
        std::fs::remove_dir_all(&dir).unwrap();
    }

    /// Also when they are not one today.
    #[test]
    fn names_with_a_time_that_can_become_one_file_are_refused() {
        let dir = std::env::temp_dir().join(format!("tidegate-apart-timed-{}", std::process::id()));
        let two = |a: &str, b: &str| {
            format!("outputs: [eve-log: {{filename: '{a}'}}, eve-log: {{filename: '{b}'}}]")
        };
        let year = jiff::Zoned::now().year();
        for (a, b) in [
            ("eve-%Y.json", format!("eve-{year}.json").as_str()),
            ("eve-%Y.json", "eve-1999.json"),
            ("eve-%Y.json", "./eve-%Y.json"),
            ("eve-%Y.json", "eve-20%y.json"),
            ("eve-%H.json", "eve-%M.json"),
            ("%Y/eve.json", "1999/eve.json"),
            ("eve-%s.json", "eve-1.json"),
            ("eve-%A.json", "eve-Sunday.json"),
            ("eve%%%d", "eve%01"),
        ] {
            let e = check(&two(a, &b.replace("%01", "%%01")), &dir).unwrap_err();
            assert!(e.starts_with(&format!("eve-log ({a}) and eve-log (")), "{a} {b}: {e}");
            assert!(e.contains(" one file, ") && e.ends_with(": each needs its own"), "{e}");
            let fast = format!(
                "outputs: [eve-log: {{filename: '{a}'}}, fast: {{enabled: yes, filename: '{}'}}]",
                b.replace("%01", "%%01")
            );
            assert!(check(&fast, &dir).unwrap_err().contains("fast ("), "{fast}");
        }
        for (a, b) in [
            ("eve-%Y.json", "fast-%Y.json"),
            ("eve-%Y.json", "eve-%Y-%m.json"),
            ("eve-%Y.json", "eve-200.json"),
            ("eve-%Y.json", "eve-abcd.json"),
            ("eve-%A.json", "eve-/x.json"),
            ("eve-%s.json", "eve-.json"),
            ("%Y/eve.json", "%Y/other.json"),
        ] {
            check(&two(a, b), &dir).unwrap_or_else(|e| panic!("{a} {b}: {e}"));
        }
        let pid = "outputs: [eve-log: {filename: '/run/%Y.pid'}, eve-log: {filename: '/run/%a.pid'}]";
        assert!(check(pid, &dir).unwrap_err().contains("can become one file"));
        assert!(
            check("outputs: [eve-log: {filename: '/run/%a.pid'}]", &dir).unwrap_err().contains("--pidfile")
        );
    }

    /// What is held once and given twice would be the last one's alone.
    #[test]
    fn an_output_that_there_is_once_is_not_given_twice() {
        for name in ["fast", "pcap-log", "file-store"] {
            let text =
                format!("outputs:\n - {name}: {{enabled: yes}}\n - {name}: {{enabled: yes, dir: x}}\n");
            let e = Settings::parse(&text, &Overrides::default()).unwrap_err().to_string();
            assert!(e.starts_with("configuration:3:"), "{e}");
            assert!(e.ends_with(&format!("a second `{name}`; there is one at most")), "{e}");
        }
    }
}
