//! Protocol records (`http`, `dns`, `tls`, …): the protocol names its fields, this wraps them.

use tidegate_core::Dir;
use tidegate_core::app::TxView;
use tidegate_core::event::TxRecord;

use super::Output;
use super::alert::forwarded_for;
use super::fields::Record;
use super::header::{About, Ends};
use super::json::Json;
use crate::config::eve::RecordSettings;

/// The settings of a protocol's record: under the protocol's name, as `http2`, or the record's, with dashes.
fn setting<'a>(
    types: &'a [(String, RecordSettings)],
    proto: &str,
    record: &str,
) -> Option<&'a RecordSettings> {
    let same = |name: &str| name == record || name.replace('-', "_") == record;
    types
        .iter()
        .find(|(name, _)| name == proto)
        .or_else(|| types.iter().find(|(name, _)| same(name)))
        // DNS over HTTP/2 has a type of its own, too.
        .or_else(|| types.iter().find(|(name, _)| record == "dns" && name == "doh2"))
        // Data connections come with the control connection's records.
        .or_else(|| types.iter().find(|(name, _)| record == "ftp_data" && name == "ftp"))
        .map(|(_, s)| s)
}

/// The record's object, `"http":{…}`. Whether there is something in it: with these settings a record may have nothing
/// to say, and is not written then.
pub(super) fn object(j: &mut Json, t: &TxView<'_>, dir: Dir, settings: Option<&RecordSettings>) -> bool {
    let name = t.record();
    if name.is_empty() {
        return false;
    }
    let before = j.buf.len();
    j.open(name);
    let from = j.buf.len();
    let mut r = Record::new(j, settings);
    t.log(dir, &mut r);
    r.end();
    let said = j.buf.len() > from;
    j.close();
    if !said {
        j.buf.truncate(before);
    }
    said
}

impl Output {
    /// Of a request of HTTP/1 through a proxy: the client's address, and whether it stands in place of the proxy's.
    fn forwarded(&self, r: &TxRecord<'_>, s: &RecordSettings) -> Option<(Vec<u8>, bool)> {
        let x = s.xff.as_ref().or(self.settings.xff.as_ref())?;
        if r.tx.proto.name() != "http" {
            return None;
        }
        Some((forwarded_for(&r.tx, x)?, x.overwrite))
    }

    pub(super) fn tx(&mut self, r: &TxRecord<'_>) {
        let name = r.tx.record();
        let Some(s) = setting(&self.settings.records, r.tx.proto.name(), name) else { return };
        let by_message = r.tx.proto.def().by_message;
        if by_message && !(if r.dir == Dir::ToServer { s.requests } else { s.responses }) {
            return;
        }
        let s = s.clone();
        let from = self.json.buf.len();
        // Version 2 of Suricata's DNS records shows an answer's addresses as its flow has them.
        let dir = if s.version == Some(2) { Dir::ToServer } else { r.tx.record_dir(r.dir) };
        let about = About { packet: Some(r.packet), flow: Some(&r.flow), dir };
        let ends = Ends::of_flow(&r.flow, dir).about(Some(&r.tx));
        let client = self.forwarded(r, &s);
        let overwrite = client.as_ref().is_some_and(|c| c.1);
        let proxied = client.as_ref().filter(|c| c.1).map(|c| (dir == Dir::ToServer, c.0.as_slice()));
        self.header_from(name, r.packet.ts, about, &ends, proxied);
        self.options(about);
        self.json.uint("tx_id", r.tx.common().shown_id);
        if object(&mut self.json, &r.tx, r.dir, Some(&s)) {
            if let Some((ip, _)) = client.filter(|_| !overwrite) {
                self.json.string("xff", &ip);
            }
            self.end();
        } else {
            self.json.buf.truncate(from);
        }
    }
}
