//! Sources of context: log lines of other programs.
//!
//! In: a JSON value, as a line of a log has it. Out: [`Said`]: connections, processes, pods. A source is a file here and a line
//! in [`SOURCES`]; it is known by what its lines have, so that files need not say whose they are.

mod argus;
mod falco;
mod kubernetes;
mod osquery;
mod tetragon;

use std::net::IpAddr;

use serde_json::{Map, Value};

use super::known::short;
use crate::incident::masked;

/// Bytes of a text that are kept.
const TEXT: usize = 160;

/// One source.
pub struct Source {
    pub name: &'static str,
    /// Whether a value is one of its events.
    known: fn(&Value) -> bool,
    read: fn(&Value, &mut dyn FnMut(Said)),
}

/// All of them; the first that knows a value reads it.
pub const SOURCES: &[Source] =
    &[argus::SOURCE, tetragon::SOURCE, falco::SOURCE, osquery::SOURCE, kubernetes::SOURCE];

/// What an event says.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    Connection(Box<Connection>),
    /// A process was started, or is there.
    Process(Box<Who>),
    Pods(Vec<Pod>),
    /// A pod is no more.
    Gone {
        namespace: String,
        name: String,
    },
}

/// A process has a connection.
#[derive(Clone, Debug, PartialEq)]
pub struct Connection {
    pub source: &'static str,
    /// Nanoseconds since the epoch.
    pub time: u64,
    /// The end at the process, and the other one.
    pub local: (IpAddr, u16),
    pub remote: (IpAddr, u16),
    pub proto: u8,
    pub who: Who,
}

/// Who is at an end. Texts that are not known are empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Who {
    pub host: String,
    pub pid: Option<u64>,
    pub name: String,
    pub path: String,
    pub args: String,
    pub user: String,
    pub sha256: String,
    pub container: Option<Container>,
    pub pod: Option<Pod>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Container {
    pub id: String,
    pub name: String,
    pub image: String,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pod {
    pub namespace: String,
    pub name: String,
    pub account: String,
    pub node: String,
    pub addresses: Vec<IpAddr>,
    pub containers: Vec<Container>,
}

/// Whether a value says which pods there are, if only that there are none.
pub use kubernetes::{is_list, says_pods};

/// Reads a value by the source that knows it.
pub fn read(v: &Value, f: &mut dyn FnMut(Said)) {
    if let Some(s) = SOURCES.iter().find(|s| (s.known)(v)) {
        (s.read)(v, f);
    }
}

/// A text, cut; a number as text.
fn text(v: &Value) -> String {
    match v {
        Value::String(s) => {
            let end = (0..=TEXT.min(s.len())).rev().find(|&n| s.is_char_boundary(n)).unwrap_or(0);
            s.get(..end).unwrap_or_default().to_string()
        }
        Value::Number(n) => n.to_string(),
        _ => String::new(),
    }
}

/// The first of some members that says something.
fn first(v: &Value, names: &[&str]) -> String {
    names.iter().map(|n| text(&v[*n])).find(|t| !t.is_empty()).unwrap_or_default()
}

/// A number that may be written as text.
fn number(v: &Value) -> Option<u64> {
    v.as_u64().or_else(|| v.as_str()?.trim().parse().ok())
}

fn port(v: &Value) -> Option<u16> {
    u16::try_from(number(v)?).ok()
}

fn address(v: &Value) -> Option<IpAddr> {
    let t = v.as_str()?.trim();
    // A network's length behind it is no part of it.
    t.split_once('/').map_or(t, |(a, _)| a).parse().ok()
}

/// An end, unless it is nobody's.
fn end(ip: &Value, p: &Value) -> Option<(IpAddr, u16)> {
    Some((address(ip).filter(|a| !a.is_unspecified())?, port(p).filter(|p| *p != 0)?))
}

/// A protocol by its number or its name.
fn protocol(v: &Value) -> Option<u8> {
    if let Some(n) = number(v) {
        return u8::try_from(n).ok();
    }
    let name = v.as_str()?.to_ascii_lowercase();
    let name = name.strip_prefix("ipproto_").unwrap_or(&name);
    match name {
        "tcp" | "tcp6" => Some(6),
        "udp" | "udp6" => Some(17),
        "sctp" => Some(132),
        _ => None,
    }
}

/// Nanoseconds of a time in ISO 8601.
fn iso(v: &Value) -> Option<u64> {
    let t: jiff::Timestamp = v.as_str()?.parse().ok()?;
    u64::try_from(t.as_nanosecond()).ok().filter(|n| *n > 0)
}

/// The last part of a path.
fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Adds a text that says something.
fn put(m: &mut Map<String, Value>, key: &str, t: &str) {
    if !t.is_empty() {
        m.insert(key.into(), t.into());
    }
}

impl Who {
    /// The object that events have. Secrets in arguments are masked.
    pub fn json(&self, source: &str) -> String {
        let mut out = Map::new();
        put(&mut out, "source", source);
        put(&mut out, "host", &self.host);
        let mut p = Map::new();
        if let Some(pid) = self.pid {
            p.insert("pid".into(), pid.into());
        }
        let name = if self.name.is_empty() { base(&self.path) } else { &self.name };
        put(&mut p, "name", name);
        put(&mut p, "path", &self.path);
        put(&mut p, "args", &masked(&self.args, TEXT));
        put(&mut p, "user", &self.user);
        put(&mut p, "sha256", &self.sha256);
        if !p.is_empty() {
            out.insert("process".into(), p.into());
        }
        if let Some(c) = &self.container {
            let mut m = Map::new();
            put(&mut m, "id", short(&c.id));
            put(&mut m, "name", &c.name);
            put(&mut m, "image", &c.image);
            out.insert("container".into(), m.into());
        }
        if let Some(pod) = &self.pod {
            let mut m = Map::new();
            put(&mut m, "namespace", &pod.namespace);
            put(&mut m, "name", &pod.name);
            put(&mut m, "service_account", &pod.account);
            put(&mut m, "node", &pod.node);
            out.insert("pod".into(), m.into());
        }
        Value::Object(out).to_string()
    }

    /// Adds what an object of [`Who::json`] says.
    pub fn fill(&mut self, v: &Value) {
        let p = &v["process"];
        for (to, from) in [
            (&mut self.name, &p["name"]),
            (&mut self.path, &p["path"]),
            (&mut self.args, &p["args"]),
            (&mut self.user, &p["user"]),
            (&mut self.sha256, &p["sha256"]),
        ] {
            if to.is_empty() {
                *to = text(from);
            }
        }
        if self.container.is_none() && v["container"].is_object() {
            self.container = container(&v["container"], "id", "name", "image");
        }
    }

    /// The process runs in a pod of a list.
    pub fn in_pod(&mut self, pod: &Pod) {
        if let Some(c) = &mut self.container
            && let Some(listed) = pod.containers.iter().find(|x| short(&x.id) == short(&c.id))
        {
            for (to, from) in [(&mut c.name, &listed.name), (&mut c.image, &listed.image)] {
                if to.is_empty() {
                    to.clone_from(from);
                }
            }
        } else if self.container.is_none()
            && let [only] = &pod.containers[..]
        {
            self.container = Some(only.clone());
        }
        self.pod = Some(Pod { addresses: Vec::new(), containers: Vec::new(), ..pod.clone() });
    }
}

/// A container, when it says something.
fn container(v: &Value, id: &str, name: &str, image: &str) -> Option<Container> {
    let c = Container { id: text(&v[id]), name: text(&v[name]), image: text(&v[image]) };
    (c != Container::default()).then_some(c)
}

/// A pod, when it has a name.
fn pod(namespace: String, name: String) -> Option<Pod> {
    (!name.is_empty()).then(|| Pod { namespace, name, ..Pod::default() })
}

#[cfg(test)]
pub(super) fn said(v: Value) -> Vec<Said> {
    let mut out = Vec::new();
    read(&v, &mut |s| out.push(s));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_nobodys_says_nothing() {
        for v in
            [json!(null), json!([]), json!(7), json!({}), json!({"time": "x"}), json!({"kind": "Service"})]
        {
            assert!(said(v).is_empty());
        }
    }

    #[test]
    fn secrets_in_arguments_are_masked() {
        let w = Who { args: "--key AKIAZ7Q3M5RXW2LKD9TB --x".into(), ..Who::default() };
        assert!(!w.json("x").contains("Z7Q3M5RX"), "{}", w.json("x"));
    }
}
