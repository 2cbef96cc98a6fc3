//! `response` records: something blocked or marked was met, and what was ordered, done, undone or refused. A record of our own.

use tidegate_core::event::ResponseRecord;
use tidegate_core::response::{Block, Effect};

use super::Output;
use super::header::{About, Ends};
use super::json::Json;

/// Something that was not met by a packet: an order and what became of it.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// ns since the epoch.
    pub ts: u64,
    /// `ordered`, `undone`, `expired`, `refused`, or what a playbook did.
    pub action: &'static str,
    pub block: Option<&'a Block>,
    /// Words beside it; empty ones are left out.
    pub words: &'a [(&'static str, &'a str)],
    pub numbers: &'a [(&'static str, u64)],
}

/// The fields of an entry.
fn entry(j: &mut Json, b: &Block) {
    j.uint("id", u64::from(b.id));
    j.word("effect", b.effect.name());
    j.word("kind", b.target.kind().name());
    j.string("target", b.target.text().as_bytes());
    if !b.reason.is_empty() {
        j.string("reason", b.reason.as_bytes());
    }
    j.time("until", b.until);
}

impl Output {
    pub(super) fn response(&mut self, r: &ResponseRecord<'_>) {
        if !self.settings.response {
            return;
        }
        let about = About { packet: Some(r.packet), flow: r.flow.as_ref(), dir: r.dir };
        self.header("response", r.packet.ts, about, &Ends::of_packet(r.packet));
        self.options(about);
        let j = &mut self.json;
        j.open("response");
        j.word(
            "action",
            match r.block.effect {
                Effect::Block if r.enforced => "dropped",
                Effect::Block => "met",
                Effect::Mark => "marked",
            },
        );
        entry(j, r.block);
        if !r.name.is_empty() {
            j.string("name", r.name);
        }
        j.uint("met", r.met);
        j.close();
        self.end();
    }

    pub(super) fn told(&mut self, t: &Told<'_>) {
        if !self.settings.response {
            return;
        }
        let j = &mut self.json;
        j.open("");
        j.time("timestamp", t.ts);
        j.word("event_type", "response");
        j.open("response");
        j.word("action", t.action);
        if let Some(b) = t.block {
            entry(j, b);
        }
        for (key, text) in t.words.iter().filter(|w| !w.1.is_empty()) {
            j.string(key, text.as_bytes());
        }
        for (key, n) in t.numbers {
            j.uint(key, *n);
        }
        j.close();
        self.end();
    }
}
