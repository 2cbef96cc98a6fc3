//! Frames of protocols, and packets of TCP sessions: records that are no transaction's. They are told where the settings have an
//! `eve-log` with `frame` or `stream`, and read as lines of EVE.

use tidegate_core::Dir;
use tidegate_core::event::{FrameRecord, StreamSeen};
use tidegate_core::flow::FlowView;
use tidegate_core::packet::Packet;

use super::View;

impl<'a> View<'a> for FrameRecord<'a> {
    fn name(&self) -> &'static str {
        "frame"
    }
    fn dir(&self) -> Dir {
        self.frame.dir()
    }
    fn packet(&self) -> Option<&'a Packet<'a>> {
        Some(self.packet)
    }
    fn flow(&self) -> Option<FlowView<'a>> {
        Some(self.flow)
    }
}

impl<'a> View<'a> for StreamSeen<'a> {
    fn name(&self) -> &'static str {
        "stream_tcp"
    }
    fn dir(&self) -> Dir {
        self.dir
    }
    fn packet(&self) -> Option<&'a Packet<'a>> {
        Some(self.packet)
    }
    fn flow(&self) -> Option<FlowView<'a>> {
        Some(self.flow)
    }
}
