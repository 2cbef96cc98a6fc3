//! What calls of models add up to.

use tidegate_core::Dir;
use tidegate_core::ai::ledger::Summary;
use tidegate_core::flow::FlowView;
use tidegate_core::packet::Packet;

use super::View;

impl<'a> View<'a> for Summary<'a> {
    fn name(&self) -> &'static str {
        self.record
    }
    fn dir(&self) -> Dir {
        Dir::ToServer
    }
    fn packet(&self) -> Option<&'a Packet<'a>> {
        None
    }
    fn time(&self) -> u64 {
        self.ts
    }
    fn flow(&self) -> Option<FlowView<'a>> {
        None
    }
}
