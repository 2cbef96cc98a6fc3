//! Files that are written by two outputs: settings and folders go in, an error comes out that names both. Two writers of one file
//! mix their lines, or the second empties what the first wrote. Names with a time in them are taken to be whatever they can
//! become, today or at another time: a sensor runs on, and finds out at midnight.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use crate::config::Settings;
use crate::config::eve::StoreSettings;
use crate::config::pcaplog::PcapLogSettings;
use crate::eve::logs::Log;
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
    forms: Vec<Vec<Part>>,
}

impl Taken {
    /// `pattern`: `%Y` and the like in `file` stand for a time.
    fn new(name: String, dir: &Path, file: &Path, pattern: bool) -> Taken {
        let text = file.to_string_lossy();
        if !pattern || !text.contains('%') {
            let path = resolved(&dir.join(file));
            let forms = vec![parts(&path)];
            return Taken { name, path, forms };
        }
        let now = with_time(&text).unwrap_or_else(|_| text.to_string());
        let forms = vec![parts(&resolved(&dir.join(marked(&text))))];
        Taken { name, path: resolved(&dir.join(now)), forms }
    }

    /// Files of packets: their names have the time of a packet, and behind it a number where one name would come twice; those of
    /// another link type end in it.
    fn packets(s: &PcapLogSettings, dir: &Path) -> Taken {
        let dir = s.dir.as_ref().map_or_else(|| dir.to_owned(), |d| dir.join(d));
        let number = format!("{DIGIT}{MORE}");
        let own = |t: &str| t.replace("%t", "").replace("%n", &number).replace("%i", &number);
        let (before, after) =
            s.filename.split_once("%t").map_or((format!("{}.", s.filename), ""), |(b, a)| (b.to_string(), a));
        let time =
            if s.micros { format!("{number}.{}", DIGIT.to_string().repeat(6)) } else { number.clone() };
        let suffix = if s.lz4 { ".lz4" } else { "" };
        let mut forms = Vec::new();
        for again in [String::new(), format!("-{number}")] {
            for link in [String::new(), format!(".link{number}")] {
                let name = format!("{}{time}{again}{}{suffix}{link}", own(&before), own(after));
                forms.push(parts(&resolved(&dir.join(name))));
            }
        }
        Taken { name: format!("pcap-log ({})", s.filename), path: resolved(&dir.join(&s.filename)), forms }
    }

    /// The folder of stored files: itself, what is unfinished, of which it is emptied, and what lies under a digest.
    fn stored(s: &StoreSettings, dir: &Path) -> Taken {
        let path = resolved(&dir.join(&s.dir));
        let any = format!("{ANY}{MORE}");
        let one = |n| ANY.to_string().repeat(n);
        let digest = format!("{}/{}", one(2), one(64));
        let below = ["tmp".into(), format!("tmp/{any}"), format!("tmp/{any}/{any}"), digest.clone()];
        let record = format!("{digest}.{DIGIT}{MORE}.{DIGIT}{MORE}.json");
        let forms = below.iter().chain([&record]).map(|b| parts(&path.join(b)));
        let forms = std::iter::once(parts(&path)).chain(forms).collect();
        Taken { name: format!("file-store ({})", s.dir), path, forms }
    }

    fn meets(&self, other: &Taken) -> bool {
        self.forms.iter().any(|a| other.forms.iter().any(|b| can_meet(a, b)))
    }

    /// Its name is the same at any time.
    fn is_fixed(&self) -> bool {
        self.forms.iter().all(|f| f.iter().all(|p| matches!(p.what, What::Char(_))))
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
    let timed = |log: &dyn Log| {
        let (name, file) = (log.name(), log.file());
        Taken::new(format!("{name} ({file})"), dir, Path::new(file), true)
    };
    let plain =
        |what: &str, dir: &Path, f: &Path| Taken::new(format!("{what} ({})", f.display()), dir, f, false);
    let logs = s.outputs.logs().map(timed);
    let own = s.logging.files.iter().map(|l| plain("logging.outputs.file", log_dir, &l.path));
    let others = others.iter().map(|(name, path)| plain(name, Path::new(""), path));
    let mut seen: Vec<Taken> = Vec::new();
    let packets = s.outputs.pcap_log.iter().map(|p| Taken::packets(p, dir));
    let stored = s.outputs.store.iter().map(|p| Taken::stored(p, dir));
    for t in logs.chain(own).chain(others).chain(packets).chain(stored) {
        // Whatever goes to a device does not come back.
        if is_device(&t.path) {
            continue;
        }
        if let Some(x) = seen.iter().find(|x| x.meets(&t)).cloned() {
            let timed = x.path != t.path;
            let path = if x.is_fixed() { x.path } else { t.path };
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
    use crate::eve::logs::KINDS;

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

    /// Names of packet files have the time of a packet; stored files have a folder to themselves.
    #[test]
    fn packets_and_stored_files_have_files_of_their_own() {
        let dir = std::env::temp_dir().join(format!("tidegate-apart-packets-{}", std::process::id()));
        let with = |eve: &str, more: &str| {
            check(&format!("outputs: [eve-log: {{filename: '{eve}'}}, {more}]"), &dir)
        };
        let pcap = |more: &str| format!("pcap-log: {{enabled: yes{more}}}");
        let hex = "0f".repeat(32);
        for (eve, settings) in [
            ("log.pcap.1600000000", ""),
            ("log.pcap.%s", ""),
            ("log.pcap.1600000000-2", ""),
            ("log.pcap.1600000000.link101", ""),
            ("x-1600000000.pcap", ", filename: x-%t.pcap"),
            ("x-%s.pcap", ", filename: x-%t.pcap"),
            ("x-1600000000.000001.pcap", ", filename: x-%t.pcap, ts-format: usec"),
            ("x-1600000000.pcap.lz4", ", filename: x-%t.pcap, compression: lz4"),
            ("p/w3-1.pcap", ", filename: w%n-%t.pcap, dir: p, mode: multi"),
            ("77.1", ", filename: '%i'"),
        ] {
            let e = with(eve, &pcap(settings)).unwrap_err();
            assert!(e.starts_with(&format!("eve-log ({eve}) and pcap-log (")), "{eve} {settings}: {e}");
        }
        for (eve, settings) in [
            ("log.pcap", ""),
            ("log.pcap.1a", ""),
            ("eve.json", ""),
            ("x-1600000000.pcap", ", filename: x-%t.pcap, compression: lz4"),
            ("x-1600000000.pcap", ", filename: x-%t.pcap, ts-format: usec"),
            ("w3-1.pcap", ", filename: w%n-%t.pcap, dir: p"),
        ] {
            with(eve, &pcap(settings)).unwrap_or_else(|e| panic!("{eve} {settings}: {e}"));
        }
        let store = "file-store: {enabled: yes, dir: kept}";
        for eve in ["kept", "kept/tmp", "kept/tmp/eve.json", "kept/tmp/a/b", &format!("kept/0f/{hex}")] {
            let e = with(eve, store).unwrap_err();
            assert!(e.starts_with(&format!("eve-log ({eve}) and file-store (kept)")), "{eve}: {e}");
        }
        for eve in ["kept/eve.json", "kept2", "tmp/eve.json", "kept/0f/x"] {
            with(eve, store).unwrap_or_else(|e| panic!("{eve}: {e}"));
        }
        let both = format!("{}, {store}", pcap(", dir: kept/tmp"));
        let e = with("eve.json", &both).unwrap_err();
        assert!(e.starts_with("pcap-log (log.pcap) and file-store (kept) can become one file"), "{e}");
    }

    /// What is held once and given twice would be the last one's alone.
    #[test]
    fn an_output_that_there_is_once_is_not_given_twice() {
        for name in KINDS.iter().filter(|k| !k.several).map(|k| k.name) {
            let text =
                format!("outputs:\n - {name}: {{enabled: yes}}\n - {name}: {{enabled: yes, dir: x}}\n");
            let e = Settings::parse(&text, &Overrides::default()).unwrap_err().to_string();
            assert!(e.starts_with("configuration:3:"), "{e}");
            assert!(e.ends_with(&format!("a second `{name}`; there is one at most")), "{e}");
        }
    }
}
