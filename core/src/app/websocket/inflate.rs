//! The inflaters of all directions of one engine.
//!
//! In: directions that want one. Out: inflaters with their windows, until they are given back or given to another
//! direction: when all are taken, or there is no room for a further one, that of the direction that rested longest
//! is (counted). Owns their memory, and a list through them in order of last use.

use miniz_oxide::inflate::core::DecompressorOxide;

use crate::app::AppConfig;
use crate::pool::{BytePool, PAGE, PBuf, Records};

/// Largest window of deflate.
pub(super) const WINDOW: usize = 32 << 10;
const NIL: u32 = u32::MAX;

pub(super) struct Inflater {
    pub(super) core: DecompressorOxide,
    pub(super) window: PBuf,
    /// Where in the window it writes next.
    pub(super) at: usize,
    /// Number of its holder.
    number: u64,
    newer: u32,
    older: u32,
}

impl Default for Inflater {
    fn default() -> Self {
        Inflater {
            core: DecompressorOxide::default(),
            window: PBuf::new(),
            at: 0,
            number: 0,
            newer: NIL,
            older: NIL,
        }
    }
}

/// An inflater as its holder knows it: it may be somebody else's by now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    id: u32,
    number: u64,
}

pub(super) struct Inflaters {
    all: Records<Inflater>,
    oldest: u32,
    newest: u32,
    holders: u64,
    pub(super) evicted: u64,
}

impl Inflaters {
    /// Inflaters take a page each; at most an eighth of the memory for records.
    pub(super) fn new(cfg: &AppConfig) -> Self {
        let most = (cfg.records / 8 / PAGE).max(4);
        let all = Records::new(&cfg.arena(), most);
        Inflaters { all, oldest: NIL, newest: NIL, holders: 0, evicted: 0 }
    }

    fn holds(&self, h: Held) -> bool {
        self.all.peek(h.id).is_some_and(|i| i.number == h.number)
    }

    /// The inflater that was handed out as `h`, to be used now; `None` when another direction has it.
    pub(super) fn get(&mut self, h: Held) -> Option<&mut Inflater> {
        if !self.holds(h) {
            return None;
        }
        if self.newest != h.id {
            self.unlink(h.id);
            self.push(h.id);
        }
        Some(self.all.get_mut(h.id))
    }

    /// One for a further direction, with an empty window; `None` when there is no room for even one.
    pub(super) fn take(&mut self, pool: &mut BytePool) -> Option<Held> {
        let id = self.fresh(pool).or_else(|| self.evict(pool))?;
        self.push(id);
        self.holders += 1;
        let i = self.all.get_mut(id);
        i.number = self.holders;
        Some(Held { id, number: i.number })
    }

    fn fresh(&mut self, pool: &mut BytePool) -> Option<u32> {
        let mut window = PBuf::new();
        window.resize(pool, WINDOW).ok()?;
        let Some(id) = self.all.alloc() else {
            window.free(pool);
            return None;
        };
        self.all.get_mut(id).window = window;
        Some(id)
    }

    fn evict(&mut self, pool: &mut BytePool) -> Option<u32> {
        let id = self.oldest;
        if id == NIL {
            return None;
        }
        self.evicted += 1;
        self.unlink(id);
        let i = self.all.get_mut(id);
        i.core.init();
        i.at = 0;
        // What the window held belongs to the other.
        i.window.get_mut(pool).fill(0);
        Some(id)
    }

    /// Gives one back, if it is still the caller's.
    pub(super) fn give(&mut self, h: Held, pool: &mut BytePool) {
        if self.holds(h) {
            self.unlink(h.id);
            let i = self.all.get_mut(h.id);
            i.window.free(pool);
            i.number = 0;
            self.all.free(h.id);
        }
    }

    fn push(&mut self, id: u32) {
        let older = core::mem::replace(&mut self.newest, id);
        if older == NIL {
            self.oldest = id;
        } else {
            self.all.get_mut(older).newer = id;
        }
        let i = self.all.get_mut(id);
        (i.older, i.newer) = (older, NIL);
    }

    fn unlink(&mut self, id: u32) {
        let i = self.all.get(id);
        let (older, newer) = (i.older, i.newer);
        if older == NIL {
            self.oldest = newer
        } else {
            self.all.get_mut(older).newer = newer
        }
        if newer == NIL { self.newest = older } else { self.all.get_mut(newer).older = older }
    }
}
