//! Without rules most packets are counted by their heads alone; events, and the packets told, are those of the general
//! way, which an engine with a rule takes (one that no packet meets).

mod common;

use common::{Rules, config, engine, eve_of, frames, rules, run, settings, traffic};
use tidegate_core::Dir;
use tidegate_core::engine::{Config, Frame};
use tidegate_core::event::{Event, EventSink, PacketSeen};
use tidegate_core::packet::{L4, TcpFields};

const BATCHES: [usize; 4] = [1, 7, 32, 256];

fn none() -> Rules {
    rules("", &settings())
}

fn unmet() -> Rules {
    let r = rules("alert tcp 203.0.113.77 1 -> 203.0.113.78 2 (msg:\"nobody\"; sid:1;)\n", &settings());
    assert!(r.refused.is_empty() && !r.rules.set.is_empty());
    r
}

/// All protocols, and between them what heads are enough for.
fn wire() -> common::wire::Wire {
    let mut wire = traffic::everything();
    for i in 0..200u16 {
        let client = (1, 45_000 + i % 7);
        wire.udp(client, (2, 9_100), &[i as u8; 30]);
        if i % 3 == 0 {
            wire.udp((2, 9_100), client, b"so it is");
        }
        if i % 50 == 0 {
            wire.udp((1, 46_000), (2, 53), &traffic::dns(i, "between.example", 1, None));
        }
    }
    wire
}

#[test]
fn heads_alone_give_the_same_events() {
    let wire = wire();
    let frames = frames(&wire.frames);
    let general = eve_of(config(16 << 20), &unmet(), &frames, 32);
    assert!(general.len() > 10_000);
    for batch in BATCHES {
        let lean = eve_of(config(16 << 20), &none(), &frames, batch);
        assert_eq!(
            String::from_utf8_lossy(&lean).lines().collect::<Vec<_>>(),
            String::from_utf8_lossy(&general).lines().collect::<Vec<_>>(),
            "batches of {batch}"
        );
    }
}

/// What statistics read of a packet.
#[derive(Debug, PartialEq)]
struct Told {
    index: u64,
    ts: u64,
    place: usize,
    dir: Dir,
    new: bool,
    l4: L4,
    tcp: TcpFields,
    frame: Vec<u8>,
    payload: Vec<u8>,
}

#[derive(Default)]
struct Packets {
    told: Vec<Told>,
    /// Places asked for ahead.
    soon: usize,
}

impl EventSink for Packets {
    fn event(&mut self, _: Event<'_>) {}

    fn packet(&mut self, s: &PacketSeen<'_>) {
        let p = s.packet;
        self.told.push(Told {
            index: p.index,
            ts: p.ts,
            place: s.place,
            dir: s.dir,
            new: s.new,
            l4: p.l4,
            tcp: p.tcp,
            frame: p.data.to_vec(),
            payload: p.payload().to_vec(),
        });
    }

    fn packet_soon(&mut self, place: usize) {
        assert!(place < 1 << 20, "no flow has place {place}");
        self.soon += 1;
    }
}

fn told(rules: &Rules, frames: &[Frame<'_>], batch: usize) -> Packets {
    let mut sink = Packets::default();
    run(&mut engine(Config { tell_packets: true, ..config(16 << 20) }, rules), frames, batch, &mut sink);
    sink
}

#[test]
fn heads_alone_tell_the_same_packets() {
    let wire = wire();
    let frames = frames(&wire.frames);
    let general = told(&unmet(), &frames, 32).told;
    assert!(general.len() > 500);
    for batch in BATCHES {
        let lean = told(&none(), &frames, batch);
        assert_eq!(lean.told, general, "batches of {batch}");
        // Nothing is ahead of a packet that comes alone.
        assert_eq!(lean.soon > 100, batch > 3, "batches of {batch}: {}", lean.soon);
    }
}
