//! Tokens of callers: what somebody sent goes in, who that is comes out. A file has a line for each: a name, a role, and the
//! SHA-256 of the token, never the token. It is read again when it changes; while it cannot be read nobody is let in.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{Caller, Role};

/// What a token begins with, so that programs that look for secrets know one.
const PREFIX: &str = "tgr_";
/// Longest token that is looked at, bytes.
const LONGEST: usize = 256;
/// Callers of a file.
const MOST: usize = 1024;

#[derive(Debug)]
struct Known {
    caller: Caller,
    digest: [u8; 32],
}

/// See the module.
#[derive(Debug)]
pub struct Tokens {
    path: PathBuf,
    /// Size, time of change (s, ns) and number of the file that was read.
    read: Option<(u64, i64, i64, u64)>,
    known: Vec<Known>,
}

/// Whether two digests are equal, in the same time wherever they differ.
fn same(a: &[u8; 32], b: &[u8; 32]) -> bool {
    let differs = a.iter().zip(b).fold(0u8, |d, (x, y)| d | std::hint::black_box(x ^ y));
    std::hint::black_box(differs) == 0
}

fn digest(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut out = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (i, b) in out.iter_mut().enumerate() {
        *b = u8::from_str_radix(text.get(2 * i..2 * i + 2)?, 16).ok()?;
    }
    Some(out)
}

/// A new token and its line for the file.
///
/// # Errors
/// The name cannot stand in a file, or the system has no randomness.
pub fn make(name: &str, role: Role) -> Result<(String, String), String> {
    if name.is_empty() || name.len() > 64 || !name.bytes().all(|b| b.is_ascii_graphic() && b != b'#') {
        return Err(format!("`{name}` is not a name of 1 to 64 letters, digits and signs without spaces"));
    }
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|e| e.to_string())?;
    let token = format!("{PREFIX}{}", hex(&random));
    let line = format!("{name} {} sha256:{}", role.name(), hex(&digest(token.as_bytes())));
    Ok((token, line))
}

impl Tokens {
    /// Reads a file.
    ///
    /// # Errors
    /// Its place, and what was expected.
    pub fn open(path: &Path) -> Result<Tokens, String> {
        let mut t = Tokens { path: path.to_owned(), read: None, known: Vec::new() };
        t.refresh()?;
        Ok(t)
    }

    /// Callers there are.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Reads the file again if it changed.
    ///
    /// # Errors
    /// Why nobody is known now.
    pub fn refresh(&mut self) -> Result<(), String> {
        let wrong = |e: &dyn std::fmt::Display| format!("{}: {e}", self.path.display());
        let meta = std::fs::metadata(&self.path).map_err(|e| wrong(&e));
        let now = match &meta {
            Ok(m) => Some((m.len(), m.mtime(), m.mtime_nsec(), m.ino())),
            Err(_) => None,
        };
        if now.is_some() && now == self.read {
            return Ok(());
        }
        self.read = None;
        self.known.clear();
        let meta = meta?;
        if meta.permissions().mode() & 0o022 != 0 {
            return Err(format!("{}: others may write it; chmod go-w", self.path.display()));
        }
        let text =
            std::fs::read_to_string(&self.path).map_err(|e| format!("{}: {e}", self.path.display()))?;
        self.known = parse(&text).map_err(|(line, e)| format!("{}:{line}: {e}", self.path.display()))?;
        self.read = now;
        Ok(())
    }

    /// Whose token that is. All digests are compared, whichever fits.
    pub fn who(&self, token: &[u8]) -> Option<Caller> {
        let d = digest(token.get(..LONGEST.min(token.len())).unwrap_or(&[]));
        let mut found = None;
        for k in &self.known {
            if same(&k.digest, &d) && token.len() <= LONGEST {
                found = Some(&k.caller);
            }
        }
        found.cloned()
    }
}

fn parse(text: &str) -> Result<Vec<Known>, (usize, String)> {
    let mut out: Vec<Known> = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or("").trim();
        if line.is_empty() {
            continue;
        }
        let wrong =
            |what: &str| (i + 1, format!("{what}; expected NAME ROLE sha256:HEX (tidegate response token)"));
        let words: Vec<&str> = line.split_whitespace().collect();
        let [name, role, hash] = words[..] else { return Err(wrong("there are not three words")) };
        let role = Role::ALL
            .into_iter()
            .find(|r| r.name() == role)
            .ok_or_else(|| wrong(&format!("`{role}` is not viewer, responder or admin")))?;
        let digest = hash
            .strip_prefix("sha256:")
            .and_then(unhex)
            .ok_or_else(|| wrong("the third word is not a SHA-256 in hexadecimal digits"))?;
        if out.iter().any(|k| k.caller.name == name || k.digest == digest) {
            return Err(wrong(&format!("`{name}` or its token is there twice")));
        }
        if out.len() >= MOST {
            return Err((i + 1, format!("there are more than {MOST} callers")));
        }
        out.push(Known { caller: Caller { name: name.into(), role }, digest });
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_known_by_their_digest() {
        let dir = std::env::temp_dir().join(format!("tidegate-tokens-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("t");
        let write = |text: &str| {
            let new = dir.join("new");
            std::fs::write(&new, text).unwrap();
            std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o600)).unwrap();
            std::fs::rename(new, &path).unwrap();
        };
        let (a, line_a) = make("alice", Role::Responder).unwrap();
        let (b, line_b) = make("bob", Role::Viewer).unwrap();
        assert!(!line_a.contains(&a));
        write(&format!("# who may\n{line_a}\n\n{line_b} # looks\n"));
        let mut t = Tokens::open(&path).unwrap();
        assert_eq!(t.who(a.as_bytes()), Some(Caller { name: "alice".into(), role: Role::Responder }));
        assert_eq!(t.who(b.as_bytes()).unwrap().role, Role::Viewer);
        for wrong in ["", "tgr_", &a[..a.len() - 1], &format!("{a}x"), line_a.rsplit(':').next().unwrap()] {
            assert_eq!(t.who(wrong.as_bytes()), None);
        }
        // Taken out: the next question knows.
        write(&format!("{line_b}\n"));
        t.refresh().unwrap();
        assert_eq!((t.who(a.as_bytes()), t.len()), (None, 1));
        for (text, said) in [
            ("alice responder\n", ":1: there are not three words"),
            ("\nalice boss sha256:00\n", ":2: `boss` is not viewer"),
            ("alice admin sha256:00\n", ":1: the third word"),
            ("alice admin tgr_secret\n", ":1: the third word"),
            (&format!("{line_a}\n{line_a}\n"), ":2: `alice` or its token is there twice"),
        ] {
            write(text);
            let e = t.refresh().unwrap_err();
            assert!(e.contains(said) && !e.contains("secret"), "{e}");
            assert!(t.is_empty() && t.refresh().is_err(), "nobody is let in");
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
        assert!(t.refresh().unwrap_err().contains("others may write it"));
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
