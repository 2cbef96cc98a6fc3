//! `artifact` records: the verdict on a model file that passed.

use tidegate_core::ai::artifact::Verdict;
use tidegate_core::event::FileRecord;

use super::header::{About, Ends};
use super::json::Json;
use super::{Output, flow, tx};

impl Output {
    pub(super) fn artifact(&mut self, r: &FileRecord<'_>) {
        let Some(v) = r.file.artifact().filter(Verdict::is_told) else { return };
        let about = About { packet: Some(r.packet), flow: Some(&r.flow), dir: r.dir };
        let ends = Ends::of_flow(&r.flow, r.dir);
        self.header_from("artifact", r.packet.ts, about, &ends, None);
        self.options(about);
        if let Some(t) = &r.tx {
            tx::object(&mut self.json, t, r.dir, self.settings.record(t.record()));
        }
        let j = &mut self.json;
        flow::app_proto(j, &r.flow);
        j.open("artifact");
        j.string("file", r.file.name(r.pool));
        fields(j, &v);
        j.uint("size", r.file.size());
        if let Some(h) = r.file.sha256() {
            j.hex("sha256", h);
        }
        j.uint("tx_id", r.file.tx_id());
        j.close();
        self.end();
    }
}

/// What an `artifact` object and an alert's `files` say of a verdict.
pub(super) fn fields(j: &mut Json, v: &Verdict<'_>) {
    j.word("verdict", v.judgement.name());
    if !v.format.is_empty() {
        j.word("format", v.format);
    }
    j.uint("risk", u64::from(v.risk));
    if !v.why().is_empty() {
        j.string("why", v.why().as_bytes());
    }
    if v.imports().next().is_some() {
        j.open_list("imports");
        for name in v.imports() {
            j.string("", name.as_bytes());
        }
        j.close_list();
    }
}
