//! File names with wildcards, as `rule-files` has them: `*`, `?` and `[a-z]` in any part of a path.
//!
//! In: a path. Out: the paths that exist and match, in order of name. Called while rules are looked for.

use std::path::{Component, Path, PathBuf};

/// Whether a path has a wildcard.
pub fn is_pattern(path: &Path) -> bool {
    path.to_str().is_some_and(|p| p.contains(['*', '?', '[']))
}

/// What matches `path`, in order. A path without wildcards is itself.
pub fn expand(path: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for part in path.components() {
        let pattern = match part {
            Component::Normal(name) => name.to_str().filter(|n| is_pattern(Path::new(n))),
            _ => None,
        };
        let Some(pattern) = pattern else {
            found.iter_mut().for_each(|f| f.push(part));
            continue;
        };
        let mut next = Vec::new();
        for dir in found {
            let at = if dir.as_os_str().is_empty() { Path::new(".") } else { &dir };
            let Ok(entries) = std::fs::read_dir(at) else { continue };
            for name in entries.filter_map(|e| e.ok()?.file_name().into_string().ok()) {
                // Hidden files have to be named, as in a shell.
                if name.starts_with('.') == pattern.starts_with('.') && matches(pattern, &name) {
                    next.push(dir.join(&name));
                }
            }
        }
        found = next;
    }
    found.retain(|f| f.exists());
    found.sort();
    found
}

/// Whether all of `name` fits `pattern`. Takes at most the product of both lengths.
fn matches(pattern: &str, name: &str) -> bool {
    let (p, n): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut i) = (0, 0);
    // Where the last star stands, and how much of the name it takes so far.
    let mut star: Option<(usize, usize)> = None;
    while i < n.len() {
        if p.get(at) == Some(&'*') {
            star = Some((at, i));
            at += 1;
        } else if let Some(next) = one(&p, at, n[i]) {
            (at, i) = (next, i + 1);
        } else if let Some((s, taken)) = star {
            star = Some((s, taken + 1));
            (at, i) = (s + 1, taken + 1);
        } else {
            return false;
        }
    }
    p.get(at..).is_some_and(|rest| rest.iter().all(|c| *c == '*'))
}

/// The place behind the part of the pattern at `at`, if that fits `c`.
fn one(p: &[char], at: usize, c: char) -> Option<usize> {
    match *p.get(at)? {
        '?' => Some(at + 1),
        '[' => {
            // The first character of a set may be the bracket itself.
            let not = matches!(p.get(at + 1), Some('!' | '^'));
            let first = at + 1 + usize::from(not);
            let Some(end) = (first + 1..p.len()).find(|&i| p[i] == ']') else {
                return (c == '[').then_some(at + 1);
            };
            let (mut i, mut fits) = (first, false);
            while i < end {
                let range = p.get(i + 1) == Some(&'-') && i + 2 < end;
                let last = if range { p[i + 2] } else { p[i] };
                fits |= (p[i]..=last).contains(&c);
                i += if range { 3 } else { 1 };
            }
            (fits != not).then_some(end + 1)
        }
        same if same == c => Some(at + 1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (p, yes, no) in [
            ("*.rules", &["a.rules", ".rules"][..], &["a.rule", "a.rules.old"][..]),
            ("a?c", &["abc"], &["ac", "abbc"]),
            ("emerging-[a-d]*", &["emerging-dns"], &["emerging-x"]),
            ("[!a]", &["b"], &["a", ""]),
            ("[]x]", &["]", "x"], &["y"]),
            ("[x", &["[x"], &["x"]),
            ("*a*b", &["aab", "ab", "xaxbxb"], &["ba", "a"]),
        ] {
            yes.iter().for_each(|n| assert!(matches(p, n), "{p} {n}"));
            no.iter().for_each(|n| assert!(!matches(p, n), "{p} {n}"));
        }
    }

    #[test]
    fn files_are_found_in_order() {
        let dir = std::env::temp_dir().join(format!("tidegate-glob-{}", std::process::id()));
        for d in ["x1", "x2"] {
            std::fs::create_dir_all(dir.join(d)).unwrap();
            for f in ["b.rules", "a.rules", "c.txt", ".h.rules"] {
                std::fs::write(dir.join(d).join(f), "").unwrap();
            }
        }
        let all = |p: &str| -> Vec<String> {
            let found = expand(&dir.join(p));
            found.iter().map(|f| f.strip_prefix(&dir).unwrap().display().to_string()).collect()
        };
        assert_eq!(all("x?/*.rules"), ["x1/a.rules", "x1/b.rules", "x2/a.rules", "x2/b.rules"]);
        assert_eq!(all("x1/a.rules"), ["x1/a.rules"]);
        assert!(all("y*/a.rules").is_empty() && all("x1/none").is_empty());
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
