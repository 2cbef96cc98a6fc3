//! Protocol records (`http`, `dns`, `tls`, …): the protocol names its fields, this wraps them.

use tidegate_core::Dir;
use tidegate_core::app::TxView;
use tidegate_core::event::TxRecord;
use tidegate_core::flow::FlowView;

use super::Output;
use super::fields::Record;
use super::header::{About, Ends};
use super::json::Json;
use crate::config::eve::RecordSettings;

/// Name of the setting that switches a record on: as in `app_proto`, with dashes.
fn setting<'a>(types: &'a [(String, RecordSettings)], record: &str) -> Option<&'a RecordSettings> {
    let same = |name: &str| name == record || name.replace('-', "_") == record;
    types
        .iter()
        .find(|(name, _)| same(name))
        // Data connections come with the control connection's records.
        .or_else(|| types.iter().find(|(name, _)| record == "ftp_data" && name == "ftp"))
        .map(|(_, s)| s)
}

/// The record's object, `"http":{…}`.
pub(super) fn object(
    j: &mut Json,
    t: &TxView<'_>,
    dir: Dir,
    settings: Option<&RecordSettings>,
    flow: Option<&FlowView<'_>>,
) {
    let name = t.record();
    if name.is_empty() {
        return;
    }
    j.open(name);
    let mut r = Record::new(j, settings);
    t.log(dir, &mut r);
    r.end();
    // What asked for the encryption.
    let from = flow.map(|f| f.extra.app_orig).filter(|p| p.is_known());
    if let Some(from) = from.filter(|_| name == "tls") {
        j.word("from_proto", from.name());
    }
    j.close();
}

impl Output {
    pub(super) fn tx(&mut self, r: &TxRecord<'_>) {
        let name = r.tx.record();
        let Some(s) = setting(&self.settings.records, name) else { return };
        let by_message = r.tx.proto.def().by_message;
        if by_message && !(if r.dir == Dir::ToServer { s.requests } else { s.responses }) {
            return;
        }
        let s = s.clone();
        let dir = r.tx.record_dir(r.dir);
        let about = About { packet: Some(r.packet), flow: Some(&r.flow), dir };
        let ends = Ends::of_flow(&r.flow, dir).about(Some(&r.tx));
        self.header(name, r.packet.ts, about, &ends);
        self.options(about);
        self.json.uint("tx_id", r.tx.common().shown_id);
        object(&mut self.json, &r.tx, r.dir, Some(&s), Some(&r.flow));
        self.end();
    }
}
