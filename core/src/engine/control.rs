//! What a product asks of single flows from outside: look at one, drop or wave through the rest of it.
//!
//! A flow's number or key goes in; its view, or the deed, comes out. Owns nothing.

use super::Engine;
use crate::flow::{FlowView, Key, State, flag};
use crate::packet::Packet;

/// Flows can only be blocked by an engine whose verdicts are obeyed ([`Config::ips`](super::Config::ips)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the engine is not inline: its verdicts drop nothing")]
pub struct NotInline;

impl Engine {
    /// Lends the live flow with number `id` (EVE `flow_id`); `None` when there is none.
    pub fn with_flow_id<R>(&self, id: u64, f: impl FnOnce(FlowView<'_>) -> R) -> Option<R> {
        let ix = self.flows.by_id(id)?;
        let mut out = None;
        self.view(ix).with(|v| out = Some(f(v)));
        out
    }

    /// The number of the live flow between the ends of `key`, which may be either way round.
    pub fn flow_id(&self, key: &Key) -> Option<u64> {
        self.flows.by_key(key).map(|ix| self.flows.cold(ix).id)
    }

    /// Drops every further packet of flow `id`. `Ok(false)`: there is no such flow.
    ///
    /// # Errors
    /// [`NotInline`] when verdicts are not obeyed.
    pub fn block_flow(&mut self, id: u64) -> Result<bool, NotInline> {
        if !self.ips {
            return Err(NotInline);
        }
        let Some(ix) = self.flows.by_id(id) else { return Ok(false) };
        self.flows.hot_mut(ix).flags |= flag::DROP;
        Ok(true)
    }

    /// Inspects no further packet of flow `id`; their verdict is `Bypass`. `false`: there is no such flow.
    pub fn bypass_flow(&mut self, id: u64) -> bool {
        let Some(ix) = self.flows.by_id(id) else { return false };
        let hot = self.flows.hot_mut(ix);
        hot.flags = hot.flags & !flag::DROP | flag::PASS;
        self.flows.set_state(ix, State::Bypassed);
        true
    }

    /// The number of the live flow that a decoded packet belongs to. The packet itself is not counted.
    pub fn flow_of(&self, pkt: &Packet<'_>) -> Option<u64> {
        self.flows.by_packet(pkt).map(|ix| self.flows.cold(ix).id)
    }

    /// Shows live flows to `f` with their places from 0 on, until it says `false`; how many there are in all.
    pub fn each_flow(&self, f: &mut dyn FnMut(usize, &FlowView<'_>) -> bool) -> usize {
        let (mut at, mut n, mut more) = (0, 0, true);
        while more && let Some(ix) = self.flows.next_live(at) {
            self.view(ix).with(|v| more = f(n, &v));
            n += 1;
            at = ix.0 + 1;
        }
        self.flows.len()
    }

    /// Adds what hardware handled of flow `id` without showing it: packets and bytes per direction, and the time of the
    /// last of them. `false`: there is no such flow.
    pub fn fold_offloaded(&mut self, id: u64, pkts: [u64; 2], bytes: [u64; 2], last: u64) -> bool {
        let Some(ix) = self.flows.by_id(id) else { return false };
        let hot = self.flows.hot_mut(ix);
        for d in 0..2 {
            hot.pkts[d] = hot.pkts[d].saturating_add(u32::try_from(pkts[d]).unwrap_or(u32::MAX));
            hot.bytes[d] = hot.bytes[d].saturating_add(bytes[d]);
        }
        hot.last = hot.last.max(last);
        hot.flags |= flag::OFFLOADED;
        true
    }
}
