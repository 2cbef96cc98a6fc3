//! What tools said of themselves before: the description of a tool is pinned when a server lists it, and another one later is told.
//!
//! In: the answers to `tools/list`. Out: names of tools that changed. Owns a fixed table; a tool that finds no room in its places takes
//! that of the one that was listed longest ago. A server is what its clients call it: host and path.

use alloc::boxed::Box;

use super::call::{Call, Tag};
use crate::keyed::Sip13;
use crate::pool::BytePool;

const SLOTS: usize = 2048;
const WAYS: usize = 4;
/// Most tools of a list that are noted as changed.
const NOTED: usize = 16;

/// A tool of a list while it is read: its number there, its key, what it says of itself.
#[derive(Clone, Copy, Default)]
struct Tool {
    number: usize,
    named: bool,
    name: u64,
    said: u64,
}

#[derive(Clone, Copy, Default)]
struct Pin {
    tool: u64,
    said: u64,
    last: u32,
}

pub(super) struct Pins {
    slots: Box<[Pin]>,
    key: Sip13,
    lists: u32,
}

/// Texts as a number under a key: nobody who does not know it finds other texts with the same.
fn number(key: &Sip13, parts: &[&[u8]], more: u64) -> u64 {
    parts.iter().fold(more, |h, p| key.text(p, h))
}

impl Pins {
    /// Takes its memory, 48 KB.
    pub(super) fn new(seed: u64) -> Self {
        let slots = alloc::vec![Pin::default(); SLOTS].into_boxed_slice();
        Pins { slots, key: Sip13::new([seed, !seed]), lists: 0 }
    }

    /// Takes what a list of tools says; tools that say something else than before are noted in the call. Whether there are some.
    pub(super) fn listed(&mut self, call: &mut Call, server: [&[u8]; 2], pool: &mut BytePool) -> bool {
        self.lists = self.lists.wrapping_add(1).max(1);
        let (mut others, mut count) = ([0; NOTED], 0);
        let mut at = Tool::default();
        let end = (usize::MAX, Tag::Begun as u8, &[][..]);
        for (n, tag, text) in call.tool_texts(pool).chain([end]) {
            if tag == Tag::Begun as u8 {
                if at.named && self.differs(at.name, at.said) && count < NOTED {
                    others[count] = at.number;
                    count += 1;
                }
                at = Tool { number: n, ..Tool::default() };
            } else if tag == Tag::Defined as u8 && !at.named {
                at.name = number(&self.key, &[server[0], server[1], text], 1);
                at.named = true;
            } else if tag == Tag::Description as u8 {
                at.said = number(&self.key, &[text], at.said);
            }
        }
        others.iter().take(count).for_each(|n| call.changed(pool, *n));
        count > 0
    }

    fn differs(&mut self, tool: u64, said: u64) -> bool {
        let from = (tool % (SLOTS / WAYS) as u64) as usize * WAYS;
        let Some(ways) = self.slots.get_mut(from..from + WAYS) else { return false };
        let place = match ways.iter_mut().position(|p| p.last > 0 && p.tool == tool) {
            Some(i) => i,
            None => {
                let oldest = (0..WAYS).min_by_key(|i| ways[*i].last).unwrap_or(0);
                ways[oldest] = Pin { tool, said, last: 0 };
                oldest
            }
        };
        let p = &mut ways[place];
        let differs = p.said != said;
        (p.said, p.last) = (said, self.lists);
        differs
    }
}
