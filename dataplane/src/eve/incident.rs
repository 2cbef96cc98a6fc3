//! `incident` records: a story about a host, as far as it has come. A record of our own.

use super::Output;
use super::json::Json;
use crate::incident::{Occasion, Story, questions};

impl Output {
    pub(super) fn incident(&mut self, s: &Story, why: Occasion, related: &[String]) {
        let j = &mut self.json;
        j.open("");
        j.time("timestamp", s.last);
        j.word("event_type", "incident");
        j.open("incident");
        j.word("id", &s.name());
        j.word("told", why.name());
        j.uint("revision", u64::from(s.revision));
        j.string("host", s.host.as_bytes());
        j.string("title", s.title().as_bytes());
        j.uint("severity", u64::from(s.severity));
        j.time("first", s.first);
        j.time("last", s.last);
        j.uint("events", s.events);
        for (key, list) in [
            ("risk", s.all(|f| &f.risks)),
            ("attack", s.all(|f| &f.attack)),
            ("atlas", s.all(|f| &f.atlas)),
            ("owasp", s.all(|f| &f.owasp)),
        ] {
            strings(j, key, list);
        }
        chain(j, s);
        if s.left_out > 0 {
            j.uint("steps_left_out", s.left_out);
        }
        j.open_list("peers");
        for (address, events) in &s.peers {
            j.open("");
            j.string("address", address.as_bytes());
            j.uint("events", *events);
            j.close();
        }
        j.close_list();
        j.open_list("flows");
        s.flows.iter().for_each(|n| j.uint("", *n));
        j.close_list();
        if s.calls > 0 {
            j.uint("calls", s.calls);
        }
        strings(j, "related", related.iter().map(String::as_str).collect());
        j.open_list("ask");
        for q in questions(s) {
            j.open("");
            j.string("question", q.question.as_bytes());
            j.word("tool", q.tool);
            j.key("arguments");
            j.buf.extend_from_slice(q.arguments.to_string().as_bytes());
            j.close();
        }
        j.close_list();
        j.close();
        self.end();
    }
}

fn strings(j: &mut Json, key: &str, list: Vec<&str>) {
    if !list.is_empty() {
        j.open_list(key);
        list.iter().for_each(|w| j.string("", w.as_bytes()));
        j.close_list();
    }
}

/// The steps in the order of time.
fn chain(j: &mut Json, s: &Story) {
    j.open_list("chain");
    for step in s.steps() {
        let f = &step.first;
        j.open("");
        j.time("time", f.ns);
        j.word("kind", f.kind.name());
        j.string("what", f.what.as_bytes());
        if let Some(n) = f.signature {
            j.uint("signature_id", n);
        }
        j.uint("severity", u64::from(f.severity));
        if !f.action.is_empty() {
            j.string("action", f.action.as_bytes());
        }
        j.word("host_is", if f.client == (f.host == s.host) { "client" } else { "server" });
        let other = if f.host == s.host { f.peer.as_deref() } else { Some(f.host.as_str()) };
        if let Some(p) = other {
            j.string("peer", p.as_bytes());
        }
        if let Some(n) = f.flow {
            j.uint("flow_id", n);
        }
        if step.count > 1 {
            j.uint("count", step.count);
            j.time("last", step.last);
        }
        for (key, list) in [("risk", &f.risks), ("attack", &f.attack), ("atlas", &f.atlas)] {
            strings(j, key, list.iter().map(String::as_str).collect());
        }
        if !f.evidence.is_empty() {
            j.open("evidence");
            f.evidence.iter().for_each(|(name, value)| j.string(name, value.as_bytes()));
            j.close();
        }
        j.close();
    }
    j.close_list();
}
