//! `metadata` records: what rules wrote down of a packet, with what is known of its flow.

use tidegate_core::Dir;
use tidegate_core::flow::FlowView;
use tidegate_core::packet::Packet;

use super::Output;
use super::header::{About, Ends};

impl Output {
    /// Of a packet that has variables. The object itself is what every event of the flow has.
    pub(super) fn vars(&mut self, packet: &Packet<'_>, dir: Dir, flow: &FlowView<'_>) {
        if !self.settings.vars {
            return;
        }
        let about = About { packet: Some(packet), flow: Some(flow), dir };
        self.header("metadata", packet.ts, about, &Ends::of_packet(packet));
        self.options(about);
        self.end();
    }
}
