//! Which frames `pcap-log` writes. In: what the engine says of packets while it looks at a burst. Out: yes or no for each
//! frame of it, the same however frames are put together to bursts.

use std::collections::HashMap;

use tidegate_core::Dir;
use tidegate_core::engine::Frame;
use tidegate_core::event::{Event, PacketSeen};
use tidegate_core::flow::flag;
use tidegate_core::packet::Packet;

use crate::config::pcaplog::{Conditional, PcapLogSettings};

/// Something that decides about the frame that a packet came in.
#[derive(Clone, Copy, Debug)]
struct Mark {
    /// Where the packet's bytes are: within those of its frame, unless it was put together.
    at: usize,
    /// Its number, which a packet put together has from its last frame; 0: none.
    index: u64,
    wanted: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Picker {
    conditional: Conditional,
    honor_pass: bool,
    /// Bytes of a stream's direction that are written.
    depth: Option<u64>,
    /// Payload of living TCP flows so far, by flow and direction; only with a depth.
    streams: HashMap<u64, [u64; 2]>,
    /// What the frames of this burst brought, in their order.
    marks: Vec<Mark>,
}

impl Picker {
    /// `depth`: bytes of a stream that are looked at; 0: all.
    pub fn new(s: &PcapLogSettings, depth: u64) -> Picker {
        Picker {
            conditional: s.conditional,
            honor_pass: s.honor_pass,
            depth: (s.use_depth && depth > 0).then_some(depth),
            streams: HashMap::new(),
            marks: Vec::with_capacity(1024),
        }
    }

    fn mark(&mut self, p: &Packet<'_>, wanted: bool) {
        self.marks.push(Mark { at: p.data.as_ptr() as usize, index: p.index, wanted });
    }

    /// A packet of a flow, before rules see it.
    pub fn packet(&mut self, seen: &PacketSeen<'_>) {
        if self.honor_pass && seen.flags & flag::PASS != 0 {
            self.mark(seen.packet, false);
        } else if self.conditional == Conditional::Alerts && seen.flags & flag::ALERTED != 0 {
            self.mark(seen.packet, true);
        }
        if let (Some(depth), 6) = (self.depth, seen.packet.proto) {
            let bytes = self.streams.entry(seen.cold.id).or_default();
            let of = &mut bytes[usize::from(seen.dir == Dir::ToClient)];
            let beyond = *of >= depth;
            *of = of.saturating_add(seen.packet.payload().len() as u64);
            if beyond {
                self.mark(seen.packet, false);
            }
        }
    }

    /// Something was told.
    pub fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Alert(a) => {
                let wanted = match self.conditional {
                    Conditional::All => false,
                    Conditional::Alerts => !a.tagged,
                    Conditional::Tag => a.tagged || a.rule.tags,
                };
                if wanted {
                    self.mark(a.packet, true);
                }
            }
            Event::Flow(f) if self.depth.is_some() => {
                self.streams.remove(&f.id());
            }
            _ => {}
        }
    }

    /// Whether a frame of the burst that the engine has seen is to be written. What is left out for its flow's sake is left
    /// out whatever else is said of it.
    pub fn picks(&self, f: &Frame<'_>) -> bool {
        let begin = f.data.as_ptr() as usize;
        let of = |m: &&Mark| {
            (f.index != 0 && m.index == f.index) || (begin..begin + f.data.len().max(1)).contains(&m.at)
        };
        let mut wanted = self.conditional == Conditional::All;
        for m in self.marks.iter().filter(of) {
            if !m.wanted {
                return false;
            }
            wanted = true;
        }
        wanted
    }

    /// The burst is over.
    pub fn clear(&mut self) {
        self.marks.clear();
    }
}
