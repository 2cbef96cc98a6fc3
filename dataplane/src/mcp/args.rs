//! Arguments of tools: a JSON object goes in, typed values come out. A name that a tool does not know is an error, so that
//! nothing a model asks for is passed over in silence.

use serde_json::{Map, Value};

use crate::incident::nanoseconds;

/// The arguments of one call.
pub struct Args<'a> {
    all: &'a Map<String, Value>,
}

impl<'a> Args<'a> {
    /// `known`: the names that the tool has.
    pub fn new(v: &'a Value, known: &[&str]) -> Result<Args<'a>, String> {
        let all = v.as_object().ok_or("arguments are an object")?;
        match all.keys().find(|k| !known.contains(&k.as_str())) {
            Some(_) => Err(format!("an argument is not known; this tool has: {}", known.join(", "))),
            None => Ok(Args { all }),
        }
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        self.all.get(name).filter(|v| !v.is_null())
    }

    pub fn text(&self, name: &str) -> Result<Option<&'a str>, String> {
        let Some(v) = self.get(name) else { return Ok(None) };
        match v.as_str() {
            Some(t) if t.is_empty() || t.len() > 256 => Err(format!("`{name}` has from 1 to 256 bytes")),
            Some(t) => Ok(Some(t)),
            None => Err(format!("`{name}` is a text")),
        }
    }

    /// Numbers of flows are beyond what JavaScript holds exactly, so texts of digits are taken, too.
    pub fn number(&self, name: &str) -> Result<Option<u64>, String> {
        let Some(v) = self.get(name) else { return Ok(None) };
        let n = v.as_u64().or_else(|| v.as_str()?.parse().ok());
        n.map(Some).ok_or_else(|| format!("`{name}` is a whole number from 0 on"))
    }

    /// How many results: from 1 to `most`, `usual` unless it is said.
    pub fn limit(&self, usual: usize, most: usize) -> Result<usize, String> {
        match self.number("limit")? {
            None => Ok(usual),
            Some(n) if (1..=most as u64).contains(&n) => Ok(n as usize),
            Some(_) => Err(format!("`limit` is from 1 to {most}")),
        }
    }

    /// A time in ISO 8601 with a zone, as nanoseconds since the epoch.
    pub fn time(&self, name: &str) -> Result<Option<u64>, String> {
        let Some(t) = self.text(name)? else { return Ok(None) };
        let plain = t.parse::<jiff::Timestamp>().ok().and_then(|t| u64::try_from(t.as_nanosecond()).ok());
        let ns = nanoseconds(t).or(plain);
        ns.map(Some).ok_or_else(|| format!("`{name}` is a time as 2026-01-05T09:00:00Z"))
    }

    pub fn texts(&self, name: &str) -> Result<Vec<&'a str>, String> {
        let Some(v) = self.get(name) else { return Ok(Vec::new()) };
        let wrong = || format!("`{name}` is a list of at most 32 texts");
        let list = v.as_array().filter(|l| l.len() <= 32).ok_or_else(wrong)?;
        list.iter().map(|t| t.as_str().filter(|t| t.len() <= 64).ok_or_else(wrong)).collect()
    }
}
