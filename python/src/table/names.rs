//! What a flow's records say of its ends: server name, user agent, fingerprints. Kept from a record until the flow ends.

use std::collections::HashMap;

use tidegate_core::event::{Fields, Nest, TxRecord, Value};

use super::rows::Rows;

/// Columns, and the paths of EVE's records that fill them: the first value counts.
const PATHS: [(&str, &str); 9] = [
    ("tls.sni", "server_name"),
    ("http.hostname", "server_name"),
    ("dns.queries.rrname", "server_name"),
    ("http.http_user_agent", "user_agent"),
    ("http.http_content_type", "content_type"),
    ("tls.ja3.hash", "client_fingerprint"),
    ("ssh.client.hassh.hash", "client_fingerprint"),
    ("tls.ja3s.hash", "server_fingerprint"),
    ("ssh.server.hassh.hash", "server_fingerprint"),
];

pub const COLUMNS: [&str; 5] =
    ["server_name", "user_agent", "content_type", "client_fingerprint", "server_fingerprint"];

/// Longest text that is kept.
const LONGEST: usize = 512;

/// By flow.
#[derive(Default)]
pub struct Names(HashMap<u64, [Option<String>; COLUMNS.len()]>);

impl Names {
    pub fn record(&mut self, t: &TxRecord<'_>) {
        let mut path = t.tx.record().to_owned();
        path.push('.');
        let of = self.0.entry(t.flow.id()).or_default();
        t.tx.log(t.dir, &mut Collect { path, back: Vec::new(), of });
    }

    /// Fills the columns of a flow that ended.
    pub fn fill(&mut self, flow: u64, rows: &mut Rows) {
        for text in self.0.remove(&flow).unwrap_or_default() {
            match text {
                Some(t) => rows.next().text(&t),
                None => rows.next().null(),
            }
        }
    }
}

struct Collect<'a> {
    path: String,
    back: Vec<usize>,
    of: &'a mut [Option<String>; COLUMNS.len()],
}

impl Fields for Collect<'_> {
    fn value(&mut self, key: &str, value: Value<'_>) {
        let Value::Bytes(v) = value else { return };
        let column = PATHS.iter().find(|(p, _)| p.strip_prefix(self.path.as_str()) == Some(key));
        let place = column.and_then(|(_, name)| COLUMNS.iter().position(|c| c == name));
        if let Some(slot) = place.and_then(|i| self.of.get_mut(i))
            && slot.is_none()
        {
            *slot = Some(String::from_utf8_lossy(v.get(..LONGEST).unwrap_or(v)).into_owned());
        }
    }
    fn open(&mut self, key: &str, _: Nest) {
        self.back.push(self.path.len());
        if !key.is_empty() {
            self.path.push_str(key);
            self.path.push('.');
        }
    }
    fn close(&mut self, _: Nest) {
        let to = self.back.pop().unwrap_or(0);
        self.path.truncate(to);
    }
}
