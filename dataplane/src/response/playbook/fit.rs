//! Conditions against an event: a field's name and what it may be go in, whether an event has that comes out.

use std::net::IpAddr;

use serde_json::Value;
use tidegate_core::policy::Glob;
use tidegate_core::response::Net;

/// Values of a list that are looked at.
const VALUES: usize = 64;
/// Bytes of a value that goes into a command or a message.
const FILLED: usize = 256;

/// What a value may be.
#[derive(Clone, Debug)]
pub enum Want {
    /// From, to.
    Range(u64, u64),
    Net(Net),
    Text(Glob),
}

/// A field and what it may be: one of these.
#[derive(Clone, Debug)]
pub struct Condition {
    pub path: String,
    pub wants: Vec<Want>,
}

/// Values under a dotted name; lists have those of their members.
fn each<'v>(v: &'v Value, path: &str, f: &mut dyn FnMut(&'v Value) -> bool) -> bool {
    if let Value::Array(list) = v {
        return list.iter().take(VALUES).any(|v| each(v, path, f));
    }
    if path.is_empty() {
        return !v.is_null() && f(v);
    }
    let (name, rest) = path.split_once('.').unwrap_or((path, ""));
    v.get(name).is_some_and(|v| each(v, rest, f))
}

/// The first value under a dotted name.
pub fn first<'v>(v: &'v Value, path: &str) -> Option<&'v Value> {
    let mut found = None;
    each(v, path, &mut |v| {
        found = Some(v);
        true
    });
    found.filter(|v| !v.is_object())
}

/// A value as text.
pub fn text(v: &Value) -> String {
    match v {
        Value::String(s) => s.clone(),
        other => other.to_string(),
    }
}

impl Want {
    fn fits(&self, v: &Value) -> bool {
        match self {
            Want::Range(from, to) => {
                let n = v.as_u64().or_else(|| v.as_str().and_then(|s| s.parse().ok()));
                n.is_some_and(|n| (*from..=*to).contains(&n))
            }
            Want::Net(net) => {
                let ip = v.as_str().and_then(|s| s.parse::<IpAddr>().ok());
                ip.is_some_and(|ip| net.has(ip))
            }
            Want::Text(g) => match v {
                Value::String(s) => g.fits(s.as_bytes()),
                other => g.fits(other.to_string().as_bytes()),
            },
        }
    }
}

impl Condition {
    pub fn fits(&self, event: &Value) -> bool {
        each(event, &self.path, &mut |v| self.wants.iter().any(|w| w.fits(v)))
    }

    /// The numbers that it may be, when these are few.
    pub fn numbers(&self) -> Option<Vec<u64>> {
        let mut out = Vec::new();
        for w in &self.wants {
            match w {
                Want::Range(a, b) if b - a < 1024 => out.extend(*a..=*b),
                _ => return None,
            }
        }
        Some(out)
    }
}

/// Puts values of an event in the place of `{field}`. What an event lacks is empty; values from the traffic lose control
/// characters and what is too long, so that they stay one word and one line.
pub fn fill(template: &str, event: &Value) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            out.push('{');
            rest = after;
            continue;
        };
        let value = first(event, name).map(text).unwrap_or_default();
        out.extend(value.chars().filter(|c| !c.is_control()).take(FILLED));
        rest = after;
    }
    out.push_str(rest);
    out
}
