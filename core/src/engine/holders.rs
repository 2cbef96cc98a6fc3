//! The flows that have a parser, in order: who began first is asked first to give way.
//!
//! In: flows that begin and end to have one. Out: candidates. Owns the ends of the list; the links lie in the flows'
//! states, so a flood of flows without a parser between them does not hide those that have one.

use super::FlowState;

const NIL: u32 = u32::MAX;

/// A flow's neighbours.
#[derive(Clone, Copy, Debug)]
pub(super) struct Links {
    older: u32,
    newer: u32,
    listed: bool,
}

impl Default for Links {
    fn default() -> Self {
        Links { older: NIL, newer: NIL, listed: false }
    }
}

/// The list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Holders {
    oldest: u32,
    newest: u32,
}

impl Default for Holders {
    fn default() -> Self {
        Holders { oldest: NIL, newest: NIL }
    }
}

impl Holders {
    /// The flow that is first in order.
    pub(super) fn first(&self) -> Option<u32> {
        (self.oldest != NIL).then_some(self.oldest)
    }

    /// Puts flow `ix` at the end, if it is not in the list.
    pub(super) fn add(&mut self, all: &mut [FlowState], ix: u32) {
        let Some(s) = all.get_mut(ix as usize).filter(|s| !s.holder.listed) else { return };
        let older = core::mem::replace(&mut self.newest, ix);
        s.holder = Links { older, newer: NIL, listed: true };
        match all.get_mut(older as usize) {
            Some(o) => o.holder.newer = ix,
            None => self.oldest = ix,
        }
    }

    /// Takes flow `ix` out, if it is in the list.
    pub(super) fn remove(&mut self, all: &mut [FlowState], ix: u32) {
        let Some(s) = all.get_mut(ix as usize).filter(|s| s.holder.listed) else { return };
        let Links { older, newer, .. } = core::mem::take(&mut s.holder);
        match all.get_mut(older as usize) {
            Some(o) => o.holder.newer = newer,
            None => self.oldest = newer,
        }
        match all.get_mut(newer as usize) {
            Some(n) => n.holder.older = older,
            None => self.newest = older,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_kept() {
        let mut all = alloc::vec![FlowState::default(); 5];
        let mut h = Holders::default();
        for ix in [3, 1, 4, 1, 0] {
            h.add(&mut all, ix);
        }
        h.remove(&mut all, 4);
        h.remove(&mut all, 2);
        let mut order = alloc::vec::Vec::new();
        while let Some(ix) = h.first() {
            order.push(ix);
            h.remove(&mut all, ix);
        }
        assert_eq!(order, [3, 1, 0]);
        h.add(&mut all, 2);
        assert_eq!(h.first(), Some(2));
    }
}
