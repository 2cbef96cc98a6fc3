//! A protocol as somebody adds one, for the test that a file and a line of the registry are all it takes: clients say
//! `KNOCK word`, servers answer `OPEN n` or `SHUT`. Nobody speaks it.
//!
//! In: lines of both sides. Out: a transaction a knock, the buffer `knock.word`, the number `knock.floor`, the event
//! `unknown_command`, a record.

use super::entries::Entries;
use super::hosted::{Protocol, Transactions, make};
use super::plain::start;
use super::txs::Tx;
use super::{
    AppConfig, AppCx, Buffer, BufferAt, BufferDef, BufferKind, Input, IntAt, IntDef, OVER_TCP, Outcome,
    ProtoDef, Recognise, TxView, event_at,
};
use crate::Dir;
use crate::Dir::{ToClient, ToServer};
use crate::event::Fields;
use crate::pool::BytePool;

const EV_UNKNOWN: u8 = event_at(EVENTS, "unknown_command");
static EVENTS: &[&str] = &["unknown_command"];

pub static KNOCK: ProtoDef = ProtoDef {
    name: "knock",
    over: OVER_TCP,
    buffers: &[BufferDef {
        name: "knock.word",
        aliases: &[],
        modifiers: &[],
        dirs: 1,
        progress: 0,
        kind: BufferKind::Single,
    }],
    ints: &[IntDef { name: "knock.floor", aliases: &[], dirs: 2, progress: 0, multi: false, values: &[] }],
    events: EVENTS,
    recognise: Recognise { patterns: &[start(b"KNOCK ", ToServer, OVER_TCP)], ..Recognise::NONE },
    parser: Some(make::<Knock>),
    record: "knock",
    ours: true,
    ..ProtoDef::NONE
};

const T_WORD: u8 = 1;

#[derive(Debug, Default)]
pub struct Own {
    texts: Entries,
    floor: Option<u64>,
}

pub struct Knock;

impl Protocol for Knock {
    type State = ();
    type Own = Own;

    fn new(_: &AppConfig) -> Self {
        Knock
    }

    fn parse(
        &mut self,
        (): &mut (),
        flow: &mut Transactions<'_, Own>,
        input: Input<'_>,
        cx: &mut AppCx<'_>,
    ) -> Outcome {
        let mut at = 0;
        while let Some(n) = input.data.get(at..).and_then(|rest| memchr::memchr(b'\n', rest)) {
            if flow.is_full() {
                return Outcome::Full { bytes: at };
            }
            let line = &input.data[at..at + n];
            at += n + 1;
            if input.dir == ToServer {
                let Some(tx) = flow.open(cx.now) else { continue };
                let t = flow.get(tx);
                match line.strip_prefix(b"KNOCK ") {
                    Some(word) => _ = t.own.texts.push(cx.pool, T_WORD, word),
                    None => t.common.raise(EV_UNKNOWN, ToServer),
                }
                t.common.advance(ToServer, 1);
                flow.wait(tx);
            } else if let Some(tx) = flow.waiting(|_| true) {
                flow.answered(tx);
                let t = flow.get(tx);
                let floor = line.strip_prefix(b"OPEN ").and_then(|n| core::str::from_utf8(n).ok());
                t.own.floor = floor.and_then(|n| n.parse().ok());
                t.common.advance(ToClient, 1);
            }
        }
        Outcome::Consumed { bytes: at, need: 0 }
    }

    fn free(own: &mut Own, pool: &mut BytePool) {
        own.texts.free(pool);
    }

    fn buffer<'a>(&'a self, tx: &'a Tx<Own>, at: BufferAt<'a>) -> Buffer<'a> {
        match tx.own.texts.nth(at.pool, T_WORD, 0) {
            Some(word) if at.index == 0 => Buffer::whole(word),
            _ => Buffer::Absent,
        }
    }

    fn int(&self, tx: &Tx<Own>, _: IntAt<'_>) -> Option<u64> {
        tx.own.floor
    }

    fn log(&self, tx: &Tx<Own>, view: &TxView<'_>, _: Dir, out: &mut dyn Fields) {
        out.bytes("word", tx.own.texts.nth(view.pool, T_WORD, 0).unwrap_or(&[]));
        if let Some(floor) = tx.own.floor {
            out.u64("floor", floor);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;
    use crate::app::shown::{cut_is_whole, mutated};
    use crate::detect::{RuleSet, Rules};
    use crate::engine::{Config, Engine, Frame};
    use crate::event::{Event, EventSink, Verdict};
    use crate::rules::{Env, SetStore, Vars, parse_source};
    use alloc::collections::BTreeMap;
    use alloc::string::String;
    use alloc::sync::Arc;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    const TALK: &[(Dir, &[u8])] = &[
        (ToServer, b"KNOCK knock\nKNOCK sesame\n"),
        (ToClient, b"SHUT\nOPEN 7\n"),
        (ToServer, b"BANG\n"),
        (ToClient, b"SHUT\n"),
    ];

    /// A segment between two hosts; checksums are not looked at.
    fn segment(dir: Dir, flags: u8, seq: [u32; 2], data: &[u8]) -> Vec<u8> {
        let (from, to) = if dir == ToServer { ([9, 1], [9, 2]) } else { ([9, 2], [9, 1]) };
        let port = |host: [u8; 2]| if host[1] == 1 { 40_000u16 } else { 7777 }.to_be_bytes();
        let mut f = [&[0; 12][..], &[8, 0, 0x45, 0]].concat();
        f.extend((40 + data.len() as u16).to_be_bytes());
        f.extend([0, 0, 0, 0, 64, 6, 0, 0, 10, 0, from[0], from[1], 10, 0, to[0], to[1]]);
        f.extend([port(from), port(to)].concat());
        let (own, other) = if dir == ToServer { (seq[0], seq[1]) } else { (seq[1], seq[0]) };
        f.extend([own.to_be_bytes(), other.to_be_bytes()].concat());
        f.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        f.extend(data);
        f
    }

    fn packets() -> Vec<Vec<u8>> {
        let mut seq = [1, 1];
        let mut all = Vec::from([
            segment(ToServer, 2, [0, 0], b""),
            segment(ToClient, 0x12, [1, 0], b""),
            segment(ToServer, 0x10, [1, 1], b""),
        ]);
        for (dir, bytes) in TALK {
            all.push(segment(*dir, 0x18, seq, bytes));
            seq[usize::from(*dir == ToClient)] += bytes.len() as u32;
        }
        all
    }

    /// Rules by number, and records by name.
    #[derive(Default)]
    struct Told {
        alerts: BTreeMap<u32, u32>,
        records: BTreeMap<&'static str, u32>,
        flows: Vec<&'static str>,
    }

    impl EventSink for Told {
        fn event(&mut self, event: Event<'_>) {
            match event {
                Event::Alert(a) => *self.alerts.entry(a.rule.sid).or_default() += 1,
                Event::Tx(t) => *self.records.entry(t.tx.proto.def().record).or_default() += 1,
                Event::Flow(f) => self.flows.push(f.extra.app.name()),
                _ => {}
            }
        }
    }

    #[test]
    fn a_protocol_needs_a_file_and_a_line() {
        let text = "alert knock any any -> any any (knock.word; content:\"sesame\"; sid:1;)\n\
            alert knock any any -> any any (knock.floor:>6; sid:2;)\n\
            alert tcp any any -> any any (app-layer-event:knock.unknown_command; sid:3;)\n\
            alert tcp any any -> any any (app-layer-protocol:knock; flow:to_server; sid:4;)\n\
            alert knock any any -> any any (knock.word; content:\"pepper\"; sid:5;)\n";
        let (vars, none) = (Vars::default(), BTreeMap::new());
        let (classes, references) = (Default::default(), Default::default());
        let mut sets = SetStore::default();
        let mut file = |name: &str| -> Result<Vec<u8>, String> { Err(name.into()) };
        let mut env = Env::new(&vars, &classes, &references, &none, &mut file, &mut sets);
        let p = parse_source(text.as_bytes(), 0, &mut env);
        assert!(p.refused.is_empty(), "{:?}", p.refused);
        let rules = Rules::without_sets(Arc::new(RuleSet::compile(p.rules))).unwrap();
        let mut config = Config::new(Secret::fixed(1));
        config.stream.checksum_validation = false;
        let mut engine = Engine::new(config, rules);
        let packets = packets();
        let frames: Vec<Frame<'_>> = packets
            .iter()
            .enumerate()
            .map(|(i, data)| Frame { data, ts: i as u64, link: 1, index: i as u64 + 1, ..Frame::default() })
            .collect();
        let mut told = Told::default();
        for f in frames.chunks(1) {
            engine.process(f, &mut [Verdict::Forward], &mut told);
        }
        engine.finish(&mut told);
        assert_eq!(told.flows, ["knock"]);
        assert_eq!(told.records.get("knock"), Some(&3));
        let alerts: Vec<u32> = told.alerts.keys().copied().collect();
        assert_eq!(alerts, [1, 2, 3, 4]);
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same(cuts in proptest::collection::vec(1usize..12, 1..8)) {
            cut_is_whole(&KNOCK, TALK, &cuts);
        }

        #[test]
        fn never_panics(tail in proptest::collection::vec(any::<u8>(), 0..200), gap in 0u32..3) {
            mutated(&KNOCK, TALK, &[], gap, &tail);
        }
    }
}
