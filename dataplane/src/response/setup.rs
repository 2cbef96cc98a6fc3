//! The file of response (`--response FILE`): YAML goes in, a [`Setup`] comes out, or the place of what is wrong and what was
//! expected. See `docs/response.md`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidegate_core::response::{Effect, Never};

use super::audit::Audit;
use super::captures::Captures;
use super::playbook::run::{Handle, Responder};
use super::playbook::{self, Action, Playbook, Playbooks};
use super::tap::Shared;
use super::tokens::Tokens;
use super::{Desk, http, tls};
use crate::live::sink::OwnLines;
use crate::live::worker::Mailbox;
use crate::policy::PolicyError;
use crate::policy::tree::{Node, Wrong};

const TOP: &str = "never, state, audit, listen, tokens, tls, playbooks";
const NEVER: &str = "addresses, domains, models, tools";

/// What a file says. Paths are those of the file's folder.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    pub never: Never,
    /// What is blocked survives a restart here.
    pub state: Option<PathBuf>,
    pub audit: Option<PathBuf>,
    /// Where orders over HTTP are taken, and the file of who may give them.
    pub http: Option<(SocketAddr, PathBuf)>,
    /// Certificates, without which only loopback addresses are listened on.
    pub tls: Option<tls::Files>,
    pub playbooks: Vec<Playbook>,
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

/// As [`beside`], of a file that comes into being: its folder must be there.
fn written(n: &Node, of: &Path) -> Result<PathBuf, Wrong> {
    let file = beside(n, of)?;
    let folder = file.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return Err(n.wrong(&format!(
            "there is no folder {}; expected a file in one that there is",
            folder.display()
        )));
    }
    if file.is_dir() {
        return Err(n.wrong(&format!("{} is a folder; expected a file", file.display())));
    }
    Ok(file)
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

    /// Playbooks that block, where no packet can be dropped.
    ///
    /// # Errors
    /// The first one.
    pub fn effects(&self, ips: bool) -> Result<(), String> {
        let blocks = |a: &Action| matches!(a, Action::Set { effect: Effect::Block, .. });
        match self.playbooks.iter().find(|p| !ips && !p.dry_run && p.actions.iter().any(blocks)) {
            None => Ok(()),
            Some(p) => Err(format!(
                "playbook `{}` (line {}) blocks, but packets are only watched here: use --inline, or `dry_run: yes`",
                p.name, p.line
            )),
        }
    }

    /// The desk that the file describes, for workers with these mailboxes.
    ///
    /// # Errors
    /// A file that it names cannot be used.
    pub fn desk(
        &mut self,
        ips: bool,
        lines: OwnLines,
        workers: Vec<Arc<Mailbox>>,
    ) -> Result<Arc<Desk>, String> {
        let now = crate::live::now_ns();
        let desk = Desk::new(std::mem::take(&mut self.never), ips, now);
        desk.set_lines(lines);
        if let Some(path) = &self.audit {
            desk.set_audit(Audit::open(path).map_err(|e| format!("{}: {e}", path.display()))?);
        }
        desk.set_workers(workers);
        if let Some(path) = &self.state {
            for e in desk.set_state(path.clone(), now)? {
                eprintln!("{}: {e}: not restored", path.display());
            }
        }
        Ok(Arc::new(desk))
    }

    /// Where orders are to be taken.
    pub fn address(&self) -> Option<SocketAddr> {
        self.http.as_ref().map(|h| h.0)
    }

    /// Takes orders over HTTP, if the file says so; where.
    ///
    /// # Errors
    /// Nobody can be let in, or the address cannot be had.
    pub fn listen(&self, desk: &Arc<Desk>) -> Result<Option<SocketAddr>, String> {
        let Some((at, file)) = &self.http else { return Ok(None) };
        let tokens = Tokens::open(file)?;
        let tls = self.tls.as_ref().map(tls::Tls::new).transpose()?;
        http::listen(*at, desk.clone(), tokens, tls).map(Some).map_err(|e| format!("{at}: {e}"))
    }

    /// Starts the playbooks, if there are any. Captures go to `folder`.
    ///
    /// # Errors
    /// There can be no more threads.
    pub fn start(
        self,
        desk: &Arc<Desk>,
        shared: Arc<Shared>,
        folder: PathBuf,
        workers: Vec<Arc<Mailbox>>,
    ) -> Result<Option<Handle>, String> {
        if self.playbooks.is_empty() {
            return Ok(None);
        }
        let captures = Captures::new(folder, workers, shared.clone());
        let handle = Responder::start(desk.clone(), Playbooks::new(self.playbooks), shared, captures);
        handle.map(Some).map_err(|e| e.to_string())
    }

    fn read(tree: &Node, path: &Path) -> Result<Setup, Wrong> {
        let mut s = Setup::default();
        let all: Vec<_> = tree.map("a mapping of never, playbooks and more")?.collect();
        let (mut listen, mut tokens) = (None, None);
        for (name, at, value) in &all {
            match *name {
                "never" => never(value, &mut s.never)?,
                "state" => s.state = Some(written(value, path)?),
                "audit" => s.audit = Some(written(value, path)?),
                "listen" => listen = Some((*at, *value)),
                "tls" => s.tls = Some(certificates(value, path)?),
                "tokens" => tokens = Some((*at, beside(value, path)?)),
                "playbooks" => {}
                other => return Err(unknown(at, other, TOP)),
            }
        }
        // The allow list is known now, wherever it stands.
        if let Some((_, _, value)) = all.iter().find(|e| e.0 == "playbooks") {
            s.playbooks = playbook::read(value, &s.never)?;
        }
        s.http = match (listen, tokens) {
            (Some((_, at)), Some((_, file))) => Some((address(at, s.tls.is_some())?, file)),
            (Some((at, value)), None) => {
                address(value, s.tls.is_some())?;
                return Err(at.wrong("`listen` needs `tokens`: without them nobody may order anything"));
            }
            (None, Some((at, _))) => return Err(at.wrong("`tokens` has no effect without `listen`")),
            (None, None) if s.tls.is_some() => return Err(tree.wrong("`tls` has no effect without `listen`")),
            (None, None) => None,
        };
        Ok(s)
    }
}

/// Where to listen: on loopback without TLS, as tokens would go over the wire in the clear.
fn address(n: &Node, tls: bool) -> Result<SocketAddr, Wrong> {
    let what = "an address with a port, as 127.0.0.1:9418";
    let at: SocketAddr = n.text(what)?.parse().map_err(|_| n.expected(what))?;
    if tls || at.ip().to_canonical().is_loopback() {
        return Ok(at);
    }
    Err(n.wrong(&format!(
        "`{at}` is no loopback address, and tokens would go over the wire in the clear; \
         use 127.0.0.1 or [::1], or `tls`"
    )))
}

/// Files of certificates.
#[cfg(feature = "tls")]
fn certificates(n: &Node, path: &Path) -> Result<tls::Files, Wrong> {
    let (mut certificate, mut key, mut clients) = (None, None, None);
    for (name, at, value) in n.map("a mapping of certificate, key and clients")? {
        let slot = match name {
            "certificate" => &mut certificate,
            "key" => &mut key,
            "clients" => &mut clients,
            other => return Err(unknown(at, other, "certificate, key, clients")),
        };
        *slot = Some(beside(value, path)?);
    }
    match (certificate, key, clients) {
        (Some(certificate), Some(key), Some(clients)) => Ok(tls::Files { certificate, key, clients }),
        _ => Err(n.wrong("expected all of `certificate`, `key` and `clients`")),
    }
}

/// Without TLS there can be none.
#[cfg(not(feature = "tls"))]
fn certificates(n: &Node, _: &Path) -> Result<tls::Files, Wrong> {
    Err(n.wrong("this program was built without TLS (cargo build --features tls)"))
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
            let text = item.text("a name or an address")?;
            add(out, text).map_err(|e| item.wrong(&e))?;
            // A network of length 0, a name of stars alone.
            let all = match name {
                "addresses" => text.trim().rsplit_once('/').is_some_and(|(_, len)| len.parse() == Ok(0u8)),
                _ => text.trim().bytes().all(|b| b == b'*'),
            };
            if all {
                return Err(item.wrong(&format!(
                    "`{text}` is everything, so that no order to block could have an effect; expected what must not be blocked"
                )));
            }
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
            ("listen: 0.0.0.0:80\n", "r.yaml:1:9: `0.0.0.0:80` is no loopback address"),
            ("listen: 127.0.0.1:80\n", "r.yaml:1:1: `listen` needs `tokens`"),
            ("tokens: t\n", "r.yaml:1:1: `tokens` has no effect without `listen`"),
            ("state: []\n", "r.yaml:1:8: a list is not the name of a file"),
            ("state: nosuch/s.json\n", "r.yaml:1:8: there is no folder nosuch; expected a file in one"),
            ("audit: /nosuch/a.log\n", "r.yaml:1:8: there is no folder /nosuch; expected a file in one"),
            ("audit: /etc\n", "r.yaml:1:8: /etc is a folder; expected a file"),
            ("never: {addresses: [10.0.0.1, 0.0.0.0/0]}\n", "r.yaml:1:31: `0.0.0.0/0` is everything"),
            ("never: {addresses: \"::/0\"}\n", "r.yaml:1:20: `::/0` is everything"),
            ("never: {models: \"*\"}\n", "r.yaml:1:17: `*` is everything"),
        ] {
            let e = Setup::parse(text, Path::new("r.yaml")).unwrap_err().to_string();
            assert!(e.starts_with(said), "{text}: {e}");
        }
    }
}
