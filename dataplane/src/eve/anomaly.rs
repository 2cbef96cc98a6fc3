//! `anomaly` records: damaged or contradictory traffic.

use tidegate_core::Dir;
use tidegate_core::event::{Anomaly, AnomalyKind};

use super::header::{About, Ends};
use super::json::Json;
use super::{Output, alert};

/// Bytes of the packet that `packethdr` shows.
const HEADER_BYTES: usize = 32;

/// The event's name as EVE has it: rules name it without its station.
fn prefixed(j: &mut Json, station: &str, name: &str) {
    j.key("event");
    j.buf.push(b'"');
    j.buf.extend_from_slice(station.as_bytes());
    j.buf.extend_from_slice(name.as_bytes());
    j.buf.push(b'"');
}

impl Output {
    pub(super) fn anomaly(&mut self, a: &Anomaly<'_>) {
        let Some(s) = self.settings.anomaly else { return };
        let wanted = match a.kind {
            AnomalyKind::Decode => s.decode,
            AnomalyKind::Stream => s.stream,
            AnomalyKind::AppLayer => s.applayer,
        };
        if !wanted {
            return;
        }
        let about = About { packet: a.packet, flow: a.flow.as_ref(), dir: a.dir };
        let (ts, ends) = match (a.packet, &a.flow) {
            (Some(p), _) => (p.ts, Ends::of_packet(p)),
            (None, Some(f)) => (f.last(), Ends::of_flow(f, Dir::ToServer)),
            (None, None) => return,
        };
        let ends = ends.about(a.tx.as_ref());
        self.header("anomaly", ts, about, &ends);
        self.options(about);
        let j = &mut self.json;
        if let Some(t) = &a.tx {
            j.uint("tx_id", t.common().shown_id);
        }
        j.open("anomaly");
        match a.kind {
            AnomalyKind::Decode => {
                j.word("type", "decode");
                prefixed(j, "decoder.", a.name);
            }
            AnomalyKind::Stream => {
                j.word("type", "stream");
                prefixed(j, "stream.", a.name);
            }
            AnomalyKind::AppLayer => {
                j.word("app_proto", a.app_proto.name());
                j.word("type", "applayer");
                if a.layer == "proto_detect" || a.app_proto.def().shouts {
                    j.key("event");
                    j.buf.push(b'"');
                    j.buf.extend(a.name.bytes().map(|b| b.to_ascii_uppercase()));
                    j.buf.push(b'"');
                } else {
                    j.word("event", a.name);
                }
                j.word("layer", a.layer);
            }
        }
        j.close();
        if s.packethdr
            && a.kind != AnomalyKind::AppLayer
            && let Some(p) = a.packet
        {
            alert::packet(j, p, HEADER_BYTES);
        }
        self.end();
    }
}
