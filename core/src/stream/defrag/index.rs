//! Where in the list of a datagram's fragments a place is: an index by kilobyte of the offset.
//!
//! In: offsets. Out: the last fragment that begins before one. Owns, of each datagram with at least [`FEW`] fragments, 256
//! bytes of the pool: of each kilobyte the first fragment that begins in it. Without it, which is when the pool is full, the
//! list is walked from its start.

use super::{Defrag, FEW, MAX_STEPS, NIL};

/// Kilobytes of the largest datagram.
const PLACES: usize = 64;

const fn place(off: u32) -> usize {
    let p = (off >> 10) as usize;
    if p < PLACES { p } else { PLACES - 1 }
}

impl Defrag {
    fn indexed(&self, id: u32, place: usize) -> u32 {
        let index = self.trackers.get(id).index.get(&self.bytes);
        index.get(place * 4..).and_then(|i| i.first_chunk()).map_or(NIL, |w| u32::from_le_bytes(*w))
    }

    fn set_indexed(&mut self, id: u32, place: usize, frag: u32) {
        let index = self.trackers.get(id).index.get_mut(&mut self.bytes);
        if let Some(w) = index.get_mut(place * 4..).and_then(|i| i.first_chunk_mut::<4>()) {
            *w = frag.to_le_bytes();
        }
    }

    /// The fragment that begins last before `off`; `NIL`: none does. `None`: too many begin at the same places.
    pub(super) fn last_before(&mut self, id: u32, off: u32) -> Option<u32> {
        let t = self.trackers.get(id);
        let (mut found, mut at) = (NIL, t.first);
        if t.index.is_allocated() {
            let start = (0..=place(off))
                .rev()
                .map(|p| self.indexed(id, p))
                .find(|&f| f != NIL && self.frags.get(f).x.off < off);
            (found, at) = start.map_or((NIL, at), |f| (f, self.frags.get(f).next));
        }
        let mut steps = 0;
        while at != NIL {
            let f = self.frags.get(at);
            steps += 1;
            if f.x.off >= off || steps > MAX_STEPS {
                break;
            }
            (found, at) = (at, f.next);
        }
        self.stats.steps += u64::from(steps);
        (steps <= MAX_STEPS).then_some(found)
    }

    /// `frag` was added.
    pub(super) fn index_with(&mut self, id: u32, frag: u32) {
        let t = self.trackers.get(id);
        if !t.index.is_allocated() {
            if t.count == FEW {
                self.index_all(id);
            }
            return;
        }
        let off = self.frags.get(frag).x.off;
        let was = self.indexed(id, place(off));
        if was == NIL || off < self.frags.get(was).x.off {
            self.set_indexed(id, place(off), frag);
        }
    }

    /// Makes the index.
    fn index_all(&mut self, id: u32) {
        let mut index = self.trackers.get(id).index;
        if index.resize(&mut self.bytes, PLACES * 4).is_err() {
            return;
        }
        index.get_mut(&mut self.bytes).fill(0xff);
        let t = self.trackers.get_mut(id);
        t.index = index;
        let mut at = t.last;
        while at != NIL {
            let f = self.frags.get(at);
            let (off, prev) = (f.x.off, f.prev);
            self.set_indexed(id, place(off), at);
            at = prev;
        }
    }

    /// `frag` is about to be taken out.
    pub(super) fn index_without(&mut self, id: u32, frag: u32) {
        let f = self.frags.get(frag);
        let (p, next) = (place(f.x.off), f.next);
        if self.trackers.get(id).index.is_allocated() && self.indexed(id, p) == frag {
            let stays = next != NIL && place(self.frags.get(next).x.off) == p;
            self.set_indexed(id, p, if stays { next } else { NIL });
        }
    }
}
