//! After a fault inside no engine goes on, above all none without its rules: it can only be freed.

use std::ffi::{CStr, c_int, c_void};
use std::ptr::{null, null_mut};

use tidegate::engine::*;
use tidegate::error::*;
use tidegate::event::tg_event;
use tidegate::packet::tg_packet;
use tidegate::rules::*;
use tidegate_core::fault::Station;

const RULES: &str = "alert http any any -> any any (msg:\"x\"; http.uri; content:\"secret\"; sid:1;)\n\
                     alert tcp any any -> any any (msg:\"y\"; content:\"secret\"; sid:2;)\n";

unsafe extern "C" fn count(_: *const tg_event, user: *mut c_void) -> c_int {
    // SAFETY: `user` is the counter given to `tg_engine_new`, which outlives the engine.
    unsafe { *user.cast::<u32>() += 1 };
    0
}

/// Ethernet, IPv4 and TCP from client (`up`) or server.
fn segment(up: bool, flags: u8, seq: u32, ack: u32, data: &[u8]) -> Vec<u8> {
    let mut f = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0];
    f.extend((40 + data.len() as u16).to_be_bytes());
    f.extend([0, 1, 0, 0, 64, 6, 0, 0]);
    let (a, b, p, q): ([u8; 4], [u8; 4], u16, u16) = ([10, 0, 0, 1], [10, 0, 0, 2], 40_000, 80);
    for end in if up { [a, b] } else { [b, a] } {
        f.extend(end);
    }
    for port in if up { [p, q] } else { [q, p] } {
        f.extend(port.to_be_bytes());
    }
    f.extend(seq.to_be_bytes());
    f.extend(ack.to_be_bytes());
    f.extend([0x50, flags, 16, 0, 0, 0, 0, 0]);
    f.extend(data);
    f
}

fn conversation() -> Vec<Vec<u8>> {
    let request = b"GET /secret HTTP/1.1\r\nHost: a\r\n\r\n";
    vec![
        segment(true, 2, 1, 0, b""),
        segment(false, 18, 100, 2, b""),
        segment(true, 16, 2, 101, b""),
        segment(true, 24, 2, 101, request),
        segment(false, 16, 101, 2 + request.len() as u32, b""),
    ]
}

fn packets(frames: &[Vec<u8>]) -> Vec<tg_packet> {
    let packet = |(i, f): (usize, &Vec<u8>)| tg_packet {
        data: f.as_ptr(),
        len: f.len() as u32,
        rss_hash: 0,
        ts_ns: 1_000_000_000 + i as u64,
        index: 0,
        port: 0,
        link_type: 1,
        wire_len: 0,
        vlan: 0,
        flags: 0,
        reserved: 0,
    };
    frames.iter().enumerate().map(packet).collect()
}

fn rules() -> *mut tg_ruleset {
    let source = tg_source { path: null(), text: RULES.as_ptr().cast(), text_len: RULES.len(), name: null() };
    let mut rules = null_mut();
    // SAFETY: the source and the place are there.
    let status =
        unsafe { tg_ruleset_compile(&raw const source, 1, null(), None, null_mut(), &raw mut rules) };
    assert_eq!(status, TG_OK);
    rules
}

fn engine(rules: *const tg_ruleset, alerts: &mut u32) -> *mut tg_engine {
    let mut config = tg_engine_config {
        size: size_of::<tg_engine_config>(),
        memory: 16 << 20,
        settings: null(),
        on_event: Some(count),
        user: std::ptr::from_mut(alerts).cast(),
        events: 1,
        flags: TG_ENGINE_INLINE,
        secret: [0; 16],
    };
    config.flags |= TG_ENGINE_IGNORE_CHECKSUMS;
    let mut engine = null_mut();
    // SAFETY: the handle lives, and the others are there.
    assert_eq!(unsafe { tg_engine_new(rules, &raw const config, &raw mut engine) }, TG_OK);
    engine
}

#[test]
fn after_a_fault_an_engine_can_only_be_freed() {
    let frames = conversation();
    let packets = packets(&frames);
    let rules = rules();
    for at in Station::ALL {
        let mut alerts = 0;
        let e = engine(rules, &mut alerts);
        let mut verdicts = [77u8; 8];
        // SAFETY: handles are the library's, packets and verdicts are here.
        unsafe {
            let process = |v: *mut u8| tg_engine_process(e, packets.as_ptr(), packets.len(), v);
            assert!(fail_at(e, at));
            assert_eq!(process(verdicts.as_mut_ptr()), TG_ERR_PANIC, "{at:?}");
            let said = CStr::from_ptr(tg_last_error()).to_string_lossy().into_owned();
            assert!(said.contains(at.name()), "{said}");
            assert_eq!(verdicts, [77; 8], "no verdict of a burst that failed");
            let before = alerts;
            assert_eq!(process(verdicts.as_mut_ptr()), TG_ERR_POISONED, "{at:?}");
            assert_eq!(tg_engine_tick(e, 1), TG_ERR_POISONED);
            assert_eq!(tg_engine_finish(e), TG_ERR_POISONED);
            assert_eq!(tg_engine_swap_rules(e, rules), TG_ERR_POISONED);
            assert_eq!(tg_engine_flow_block(e, 1), TG_ERR_POISONED);
            assert_eq!(alerts, before);
            assert_eq!(verdicts, [77; 8]);
            assert_eq!(tg_engine_free(e), TG_OK);
            // One that comes in its place has the rules.
            let mut alerts = 0;
            let next = engine(rules, &mut alerts);
            assert_eq!(tg_engine_process(next, packets.as_ptr(), packets.len(), null_mut()), TG_OK);
            assert_eq!(tg_engine_finish(next), TG_OK);
            assert!(alerts >= 2, "{at:?}: {alerts}");
            assert_eq!(tg_engine_free(next), TG_OK);
        }
    }
    // SAFETY: the handle lives.
    assert_eq!(unsafe { tg_ruleset_free(rules) }, TG_OK);
}
