//! `frame` records, and the object `frame` of alerts: a unit of a protocol's bytes.

use tidegate_core::Dir;
use tidegate_core::app::frames::FrameView;
use tidegate_core::event::FrameRecord;

use super::header::{About, Ends};
use super::json::Json;
use super::{Output, flow};
use crate::config::eve::{AlertSettings, FrameSettings};

/// How much of a frame's bytes is shown, and whether as text as well.
#[derive(Clone, Copy, Debug)]
pub(super) struct Payload {
    printable: bool,
    most: usize,
}

impl Payload {
    /// Alerts always show it, as in Suricata.
    pub(super) fn of_alert(s: &AlertSettings) -> Payload {
        Payload { printable: true, most: s.payload_buffer }
    }

    fn of_record(s: &FrameSettings) -> Payload {
        Payload { printable: s.printable, most: s.most }
    }

    pub(super) fn write(self, j: &mut Json, bytes: &[u8]) {
        // The last byte of Suricata's buffer is never filled.
        let shown = bytes.get(..self.most.saturating_sub(1)).unwrap_or(bytes);
        j.base64("payload", shown);
        if self.printable {
            j.printable("payload_printable", shown);
        }
    }
}

/// The object `frame`.
pub(super) fn object(j: &mut Json, f: &FrameView<'_>, payload: Payload) {
    j.open("frame");
    j.word("type", f.kind());
    j.uint("id", f.id());
    j.word("direction", if f.dir() == Dir::ToServer { "toserver" } else { "toclient" });
    j.uint("stream_offset", f.offset());
    if let Some(n) = f.len() {
        j.uint("length", n);
    }
    j.bool("complete", f.complete());
    payload.write(j, f.bytes());
    if let Some(id) = f.tx() {
        j.uint("tx_id", id);
    }
    j.close();
}

impl Output {
    pub(super) fn frame(&mut self, r: &FrameRecord<'_>) {
        let Some(s) = self.settings.frame else { return };
        let dir = r.frame.dir();
        let about = About { packet: Some(r.packet), flow: Some(&r.flow), dir };
        let ends = Ends::of_flow(&r.flow, dir);
        self.header("frame", r.packet.ts, about, &ends);
        self.options(about);
        flow::app_proto(&mut self.json, &r.flow);
        object(&mut self.json, &r.frame, Payload::of_record(&s));
        self.end();
    }
}
