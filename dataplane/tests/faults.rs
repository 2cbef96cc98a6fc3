//! A panic at any station ends at the worker's boundary, and what comes after it is as configured.

mod common;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use common::wire::Wire;
use tidegate_core::engine::Frame;
use tidegate_core::event::Verdict;
use tidegate_core::fault::Station;
use tidegate_dataplane::config::engine::Mode;
use tidegate_dataplane::config::{Overrides, Settings};
use tidegate_dataplane::live::chunk::Channel;
use tidegate_dataplane::live::manager;
use tidegate_dataplane::live::sink::LiveSink;
use tidegate_dataplane::live::worker::{Answer, Fail, Fault, Order, Worker};

/// Whatever station fails: the burst is decided by policy, nothing is inspected without rules, and the engine that comes
/// in its place has all of them.
#[test]
fn a_fault_at_any_station_costs_the_engine_and_nothing_else() {
    let settings = Settings::load(None, &Overrides { set: &[], ips: true }).unwrap();
    let rules = common::rules(
        "alert http any any -> any any (msg:\"x\"; http.uri; content:\"secret\"; sid:1;)\n\
         alert ip any any -> any any (msg:\"y\"; content:\"secret\"; sid:2;)\n",
        &settings,
    )
    .rules;
    let mode = Mode {
        ips: true,
        ignore_checksums: true,
        memory: 16 << 20,
        secret: tidegate_dataplane::secret::CAPTURES,
    };
    let engine = || manager::engine(&settings, mode, &rules);
    let mut wire = Wire::new();
    let request = b"GET /secret HTTP/1.1\r\nHost: a\r\n\r\n";
    wire.talk((1, 40_000), (2, 80), &[(0, request), (1, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")]);
    let frames: Vec<Frame<'_>> = common::frames(&wire.frames);
    let faults = Station::ALL.map(Fault::At).into_iter().chain([Fault::Burst, Fault::Sink]);
    for fault in faults {
        for (fail, said) in [(Fail::Open, Verdict::Forward), (Fail::Closed, Verdict::Drop)] {
            let sink = LiveSink::new(&settings.outputs, true, Arc::new(Channel::new()), false);
            let mut w = Worker::new(0, engine(), sink, fail, true, false);
            let mut verdicts = vec![Verdict::Reject { to_src: true, to_dst: true }; frames.len()];
            w.mail.orders.push(Order::Fault(fault)).ok();
            w.between(0);
            assert!(!w.inspect(&frames, &mut verdicts), "{fault:?}: nothing failed");
            assert!(verdicts.iter().all(|v| *v == said), "{fault:?}");
            assert_eq!(w.counters.faults.load(Ordering::Relaxed), 1);
            // No engine, no inspection: above all none without rules.
            assert!(w.engine().is_none() && !w.inspect(&frames, &mut verdicts));
            assert!(verdicts.iter().all(|v| *v == said), "{fault:?}");
            assert_eq!(w.counters.uninspected.load(Ordering::Relaxed), 2 * frames.len() as u64);
            assert!(std::iter::from_fn(|| w.mail.answers.pop()).any(|a| matches!(a, Answer::Broken(_))));
            assert!(w.mail.engine.force_push(engine()).is_none());
            w.between(0);
            let before = w.sink.counts.alerts;
            assert!(w.inspect(&frames, &mut verdicts), "{fault:?}");
            assert_eq!(w.sink.counts.alerts - before, 2, "{fault:?}: both rules are asked");
        }
    }
}
