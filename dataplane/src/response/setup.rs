//! The file of response (`--response FILE`): YAML goes in, a [`Setup`] comes out, or the place of what is wrong and what was
//! expected. See `docs/response.md`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidegate_core::response::Never;

use super::Desk;
use super::audit::Audit;
use crate::live::sink::OwnLines;
use crate::live::worker::Mailbox;
use crate::policy::PolicyError;
use crate::policy::tree::{Node, Wrong};

const TOP: &str = "never, state, audit";
const NEVER: &str = "addresses, domains, models, tools";

/// What a file says. Paths are those of the file's folder.
#[derive(Debug, Default)]
pub struct Setup {
    pub never: Never,
    /// What is blocked survives a restart here.
    pub state: Option<PathBuf>,
    pub audit: Option<PathBuf>,
}

/// A name that is not known at a place.
pub(super) fn unknown(at: &Node, name: &str, expected: &str) -> Wrong {
    at.wrong(&format!("`{name}` is not known here; expected one of {expected}"))
}

/// A file beside the one that names it.
fn beside(n: &Node, of: &Path) -> Result<PathBuf, Wrong> {
    let text = n.text("the name of a file")?;
    if text.is_empty() {
        return Err(n.expected("the name of a file"));
    }
    Ok(of.parent().unwrap_or(Path::new(".")).join(text))
}

impl Setup {
    /// Reads a file.
    ///
    /// # Errors
    /// [`PolicyError`] names the place.
    pub fn load(path: &Path) -> Result<Setup, PolicyError> {
        let bytes = std::fs::read(path).map_err(|source| PolicyError::Read { path: path.into(), source })?;
        let text = String::from_utf8(bytes)
            .map_err(|_| PolicyError::Whole { path: path.into(), what: "it is not UTF-8".into() })?;
        Setup::parse(&text, path)
    }

    /// As [`Setup::load`], from text.
    ///
    /// # Errors
    /// [`PolicyError`] names the place.
    pub fn parse(text: &str, path: &Path) -> Result<Setup, PolicyError> {
        Node::parse(text).and_then(|tree| Setup::read(&tree, path)).map_err(|w| w.of(path))
    }

    /// The desk that the file describes.
    ///
    /// # Errors
    /// A file that it names cannot be used.
    pub fn desk(self, ips: bool, lines: OwnLines, workers: Vec<Arc<Mailbox>>) -> Result<Arc<Desk>, String> {
        let now = crate::live::now_ns();
        let desk = Desk::new(self.never, ips, now);
        desk.set_lines(lines);
        if let Some(path) = self.audit {
            desk.set_audit(Audit::open(&path).map_err(|e| format!("{}: {e}", path.display()))?);
        }
        desk.set_workers(workers);
        if let Some(path) = self.state {
            for e in desk.set_state(path.clone(), now)? {
                eprintln!("{}: {e}: not restored", path.display());
            }
        }
        Ok(Arc::new(desk))
    }

    fn read(tree: &Node, path: &Path) -> Result<Setup, Wrong> {
        let mut s = Setup::default();
        for (name, at, value) in tree.map("a mapping of never, state and audit")? {
            match name {
                "never" => never(value, &mut s.never)?,
                "state" => s.state = Some(beside(value, path)?),
                "audit" => s.audit = Some(beside(value, path)?),
                other => return Err(unknown(at, other, TOP)),
            }
        }
        Ok(s)
    }
}

fn never(n: &Node, out: &mut Never) -> Result<(), Wrong> {
    for (name, at, value) in n.map("a mapping of addresses, domains, models and tools")? {
        let add: fn(&mut Never, &str) -> Result<(), String> = match name {
            "addresses" => Never::address,
            "domains" => Never::domain,
            "models" => Never::model,
            "tools" => Never::tool,
            other => return Err(unknown(at, other, NEVER)),
        };
        for item in value.items() {
            add(out, item.text("a name or an address")?).map_err(|e| item.wrong(&e))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let s = Setup::parse(
            "never: {addresses: [10.0.0.1, 2001:db8::/32], domains: Example.COM.}\nstate: s.json\n",
            Path::new("/etc/r.yaml"),
        )
        .unwrap();
        assert_eq!((s.never.len(), s.state.as_deref()), (3, Some(Path::new("/etc/s.json"))));
        for (text, said) in [
            ("nevr: {}\n", "r.yaml:1:1: `nevr` is not known here; expected one of never"),
            ("never:\n  addresses: [10.0.0.1, ten]\n", "r.yaml:2:25: `ten` is not an address or a network"),
            ("never: {domains: [a..b]}\n", "r.yaml:1:19: `a..b` is not a domain"),
            ("never: [x]\n", "r.yaml:1:8: a list is not a mapping"),
            ("state: []\n", "r.yaml:1:8: a list is not the name of a file"),
        ] {
            let e = Setup::parse(text, Path::new("r.yaml")).unwrap_err().to_string();
            assert!(e.starts_with(said), "{text}: {e}");
        }
    }
}
