//! `policy` records: a policy decided on a flow, on a call in it, or on a packet without a flow. A record of our own.

use tidegate_core::event::PolicyRecord;
use tidegate_core::policy::Know;

use super::header::{About, Ends};
use super::json::Json;
use super::{Output, flow};

/// Bytes of a value from the wire.
const MOST: usize = 256;

impl Output {
    pub(super) fn policy(&mut self, r: &PolicyRecord<'_>) {
        if !self.settings.policy {
            return;
        }
        let about = About { packet: Some(r.packet), flow: r.flow.as_ref(), dir: r.dir };
        // A decision is about a flow, client to server, whichever packet brought it.
        let ends = r
            .flow
            .as_ref()
            .map_or(Ends::of_packet(r.packet), |f| Ends::of_flow(f, tidegate_core::Dir::ToServer));
        self.header("policy", r.packet.ts, about, &ends);
        self.options(about);
        let j = &mut self.json;
        if let Some(t) = &r.tx {
            j.uint("tx_id", t.common().shown_id);
        }
        if let Some(f) = &r.flow {
            flow::app_proto(j, f);
        }
        j.open("policy");
        j.word("action", r.decision.act.name());
        j.bool("enforced", r.enforced && r.decision.act.denies());
        for (key, n) in [("from", r.place.from), ("to", r.place.to)] {
            if n != 0 {
                j.string(key, r.policy.segment(n).as_bytes());
            }
        }
        match r.decision.line {
            Some(n) => {
                j.word("reason", "line");
                line(j, r, n);
            }
            None => j.word("reason", "default"),
        }
        if let (None, Some(miss)) = (r.decision.line, r.nearest) {
            j.open("nearest");
            line(j, r, miss.line);
            j.word("not", miss.not.name());
            j.close();
        }
        seen(j, r);
        j.close();
        self.end();
    }
}

/// `line`, `name`: which line of the file.
fn line(j: &mut Json, r: &PolicyRecord<'_>, n: u16) {
    let Some((name, place)) = r.policy.line(n) else { return };
    j.uint("line", u64::from(place));
    if !name.is_empty() {
        j.string("name", name.as_bytes());
    }
}

/// What was known of the flow or the call beyond its ends.
fn seen(j: &mut Json, r: &PolicyRecord<'_>) {
    let mut value = |key: &str, v: Know<&[u8]>| {
        if let Know::Is(v) = v {
            j.string(key, v.get(..MOST).unwrap_or(v));
        }
    };
    value("sni", r.facts.sni);
    if let Know::Is(c) = r.facts.call {
        value("provider", c.provider);
        value("operation", c.operation);
        value("model", c.model);
        value("tool", c.tool);
        value("credential", c.credential);
    }
}
