//! Detection: packets, reassembled bytes and transactions go in with the rule set; alerts and changed flow
//! state come out. Owns a worker's scratch, thresholds and host bits; the rule set is shared and immutable.
//!
//! How a packet is decided, cheapest first:
//! 1. protocol, direction and port select a precomputed group ([`ruleset::PortGroup`]) without looking at a byte;
//! 2. one multi-pattern scan of each of the group's buffers gives the rules whose fast pattern occurs;
//! 3. only those, and the few rules without a pattern, are evaluated: header, flow state, then the lists of
//!    conditions ([`inspect`]);
//! 4. what matched is put in order, thresholds and pass rules are applied, and alerts leave ([`queue`]).

pub mod asked;
mod bench;
pub mod captured;
pub mod compile;
pub mod context;
mod evaluate;
mod header;
pub mod inspect;
pub mod mpm;
mod once;
pub mod packet;
mod post;
pub mod queue;
pub mod ruleset;
pub mod run;
pub mod state;
pub mod tag;
mod text;
pub mod threshold;
mod transaction;
mod wait;

use crate::pool::{BytePool, PBuf};

pub use context::{FlowCx, PacketCx, TxAt};
pub use ruleset::{RuleSet, Rules};
pub use run::Detector;

/// What detection keeps of a flow. Of an older generation than the rules it must be renewed before it is read.
#[derive(Clone, Copy, Debug, Default)]
pub struct FlowDetect {
    /// Set flowbits: sorted `u16` numbers.
    pub bits: PBuf,
    /// flowint variables: (`u16` number, `u32` value) records.
    pub ints: PBuf,
    /// flowvar values: (`u16` number, `u16` length, bytes) records.
    pub vars: PBuf,
    /// The tag of the flow: see [`tag`].
    pub tag: Option<tag::Tag>,
    /// Directions whose files are stored from now on (bits of [`crate::Dir::bit`]).
    pub store: u8,
    /// Rules on addresses and ports alone were asked (bit per direction).
    pub addresses: u8,
    /// Rules that wrote all this ([`Detector::generation`]): numbers in it are those of that rule set.
    pub generation: u32,
    /// A rule with `bypass` matched: no more inspection of this flow.
    pub bypass: bool,
}

impl FlowDetect {
    /// Gives everything back; call once, at the flow's end.
    pub fn release(&mut self, pool: &mut BytePool) {
        self.bits.free(pool);
        self.ints.free(pool);
        self.vars.free(pool);
    }
}
