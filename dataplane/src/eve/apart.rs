//! Files that are written by two outputs: settings and folders go in, an error comes out that names both. Two writers of one file
//! mix their lines, or the second empties what the first wrote.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use crate::config::Settings;

/// Two outputs have one file.
#[derive(Debug, thiserror::Error)]
#[error("{first} and {second} are one file, {}: each needs its own", path.display())]
pub struct Shared {
    pub first: String,
    pub second: String,
    pub path: PathBuf,
}

/// Whether every output has a file of its own. `dir`: the folder of events; `log_dir`: that of the program's own words;
/// `others`: what else is written, with its name.
pub fn apart(s: &Settings, dir: &Path, log_dir: &Path, others: &[(&str, &Path)]) -> Result<(), Shared> {
    let eve = s.outputs.eve.iter().map(|e| (format!("eve-log ({})", e.filename), dir.join(&e.filename)));
    let fast = s.outputs.fast.iter().map(|f| (format!("fast ({f})"), dir.join(f)));
    let own = s.logging.files.iter();
    let own = own.map(|l| (format!("logging.outputs.file ({})", l.path.display()), log_dir.join(&l.path)));
    let others =
        others.iter().map(|(name, path)| (format!("{name} ({})", path.display()), path.to_path_buf()));
    let mut seen: Vec<(String, PathBuf)> = Vec::new();
    for (name, path) in eve.chain(fast).chain(own).chain(others) {
        let path = resolved(&path);
        // Whatever goes to a device does not come back.
        if is_device(&path) {
            continue;
        }
        if let Some((first, path)) = seen.iter().find(|x| x.1 == path).cloned() {
            return Err(Shared { first, second: name, path });
        }
        seen.push((name, path));
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
