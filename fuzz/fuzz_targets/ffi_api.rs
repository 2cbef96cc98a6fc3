//! Any calls of the C ABI in any order, with handles that live, were freed, are of another kind or NULL, and wrong
//! sizes and values: an error, never a crash or a panic; what is written on success only is not touched otherwise;
//! and a handle that was freed is refused as long as its cell rests.
#![no_main]
use std::ffi::{c_int, c_void};
use std::ptr::{null, null_mut};

use libfuzzer_sys::fuzz_target;
use tidegate::args::*;
use tidegate::capture::*;
use tidegate::db::*;
use tidegate::decode::*;
use tidegate::engine::*;
use tidegate::error::*;
use tidegate::event::*;
use tidegate::packet::*;
use tidegate::rules::*;
use tidegate::scanner::*;
use tidegate::settings::*;

/// Bytes of the input, taken one after the other.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> u8 {
        self.bytes(1).first().copied().unwrap_or(0)
    }

    fn bytes(&mut self, n: usize) -> &'a [u8] {
        let (a, b) = self.0.split_at(n.min(self.0.len()));
        self.0 = b;
        a
    }

    fn number(&mut self) -> u64 {
        let mut b = [0; 8];
        let got = self.bytes(8);
        b[..got.len()].copy_from_slice(got);
        u64::from_le_bytes(b)
    }
}

/// Handles of one kind, freed ones among them.
struct Handles<T> {
    list: Vec<(*mut T, bool)>,
}

impl<T> Handles<T> {
    fn new() -> Self {
        Handles { list: Vec::new() }
    }

    /// Some handle, and whether it lives.
    fn some(&self, i: &mut Input<'_>) -> (*mut T, bool) {
        let n = usize::from(i.byte());
        // The last ones are the most interesting.
        self.list.iter().rev().nth(n % 6).copied().unwrap_or((null_mut(), false))
    }

    fn add(&mut self, status: tg_status, p: *mut T) {
        if status == TG_OK {
            assert!(!p.is_null());
            // A cell that is used again has a tenant again.
            self.list.retain(|h| h.0 != p);
            self.list.push((p, true));
        } else {
            assert!(p.is_null(), "written without success");
        }
    }

    fn freed(&mut self, status: tg_status, p: *mut T) {
        if status == TG_OK {
            self.list.iter_mut().filter(|h| h.0 == p).for_each(|h| h.1 = false);
        }
    }
}

/// What all calls must keep to.
fn sane(status: tg_status) -> tg_status {
    assert_ne!(status, TG_ERR_PANIC, "{:?}", unsafe { std::ffi::CStr::from_ptr(tg_last_error()) });
    assert_ne!(status, TG_ERR_POISONED);
    status
}

/// As [`sane`], for a call of a handle: one that does not live is refused.
fn of(handle: (impl Sized, bool), status: tg_status) -> tg_status {
    if !handle.1 {
        assert_ne!(status, TG_OK, "a handle that does not live was taken");
    }
    sane(status)
}

/// What callbacks do: ask the event everything, call into the engine, stop now and then.
struct Asked {
    engine: *mut tg_engine,
    stop: u8,
    seen: u8,
}

unsafe extern "C" fn on_event(e: *const tg_event, user: *mut c_void) -> c_int {
    let a = unsafe { &mut *user.cast::<Asked>() };
    a.seen = a.seen.wrapping_add(1);
    macro_rules! ask {
        ($f:ident, $t:ty) => {{
            let mut v: $t = unsafe { std::mem::zeroed() };
            v.size = size_of::<$t>();
            sane(unsafe { $f(e, &mut v) });
            v
        }};
    }
    let info = ask!(tg_event_describe, tg_event_info);
    let alert = ask!(tg_event_alert, tg_alert);
    ask!(tg_event_flow, tg_flow);
    ask!(tg_event_anomaly, tg_anomaly);
    ask!(tg_event_file, tg_file);
    ask!(tg_event_drop, tg_drop);
    ask!(tg_event_http, tg_http);
    ask!(tg_event_dns, tg_dns);
    ask!(tg_event_tls, tg_tls);
    let (mut x, mut y) = (tg_bytes::default(), tg_bytes::default());
    unsafe {
        for i in 0..=alert.metadata.min(5) {
            sane(tg_event_alert_metadata(e, i, &mut x, &mut y));
            sane(tg_event_alert_reference(e, i, &mut x));
        }
        let mut n = 0u32;
        sane(tg_event_fields(e, Some(on_field), (&raw mut n).cast()));
        if sane(tg_event_json(e, &mut x)) == TG_OK {
            let line = std::slice::from_raw_parts(x.data, x.len);
            assert!(line.starts_with(b"{") && line.ends_with(b"}"), "{}", String::from_utf8_lossy(line));
        }
        match a.seen % 8 {
            0 => assert_eq!(tg_engine_free(a.engine), TG_ERR_REENTRANT),
            1 => drop(sane(tg_engine_flow_block(a.engine, info.flow_id))),
            2 => assert_eq!(sane(tg_engine_flow_bypass(a.engine, info.flow_id)), TG_OK),
            3 => assert_eq!(tg_engine_finish(a.engine), TG_ERR_REENTRANT),
            _ => {}
        }
    }
    c_int::from(a.stop != 0 && a.seen.is_multiple_of(a.stop))
}

unsafe extern "C" fn on_field(f: *const tg_field, user: *mut c_void) -> c_int {
    let (f, n) = unsafe { (&*f, &mut *user.cast::<u32>()) };
    assert!(f.path.len > 0);
    *n += 1;
    c_int::from(*n > 500)
}

unsafe extern "C" fn on_rule(e: *const tg_rule_error, _: *mut c_void) -> c_int {
    assert!(unsafe { (*e).reason.len } > 0);
    0
}

unsafe extern "C" fn on_match(m: *const tg_match, _: *mut c_void) -> c_int {
    let m = unsafe { &*m };
    assert!(m.start <= m.end);
    c_int::from(m.sid == 3)
}

unsafe extern "C" fn on_hit(id: u32, _end: u64, _: *mut c_void) -> c_int {
    c_int::from(id == 3)
}

/// Things that rules say, for the input to choose from.
const PARTS: [&str; 12] = [
    "alert ip any any -> any any (content:\"a\"; sid:1;)\n",
    "drop udp any any -> any any (msg:\"m\"; content:\"evil\"; nocase; sid:2;)\n",
    "alert tcp any any -> any any (flags:S; sid:3;)\n",
    "pass udp any any -> any 53 (sid:4;)\n",
    "alert http any any -> any any (http.uri; content:\"/\"; metadata:a b; reference:url,x; sid:5;)\n",
    "alert dns any any -> any any (dns.query; content:\".\"; sid:6;)\n",
    "alert ip any any -> any any (pcre:\"/e.*l/i\"; sid:7;)\n",
    "reject tcp any any -> any any (content:\"GET\"; sid:8;)\n",
    "alert ip $NOT any -> any any (sid:9;)\n",
    "alert udp any any -> any any (content:\"evil\"; threshold:type limit, track by_src, count 1, seconds 1; sid:10;)\n",
    "alert udp any any -> any any (content:\"v\"; flowbits:set,x; sid:11;)\n",
    "nonsense\n",
];

fuzz_target!(|data: &[u8]| {
    let mut i = Input(data);
    let (mut settings, mut rules, mut engines) = (Handles::new(), Handles::new(), Handles::new());
    let (mut scanners, mut streams) = (Handles::new(), Handles::new());
    let (mut dbs, mut scratches, mut db_streams) = (Handles::new(), Handles::new(), Handles::new());
    let mut captures = Handles::<tg_capture>::new();
    let mut asked: Vec<Box<Asked>> = Vec::new();
    let mut time = 1_000_000_000u64;
    // SAFETY (of all blocks): pointers are NULL, handles that were made here, or to memory of the size that is said.
    for _ in 0..200 {
        if i.0.is_empty() {
            break;
        }
        match i.byte() % 30 {
            0 => {
                let mut p = null_mut();
                let s = unsafe { tg_settings_new(&mut p) };
                settings.add(sane(s), p);
            }
            1 => {
                let h = settings.some(&mut i);
                let names =
                    [c"stream.midstream", c"stream.inline", c"vars.address-groups.NOT", c"", c"a.b.c"];
                let values = [c"true", c"no", c"10.0.0.0/8", c"[", c"99999999999999999999"];
                let (n, v) = (names[usize::from(i.byte()) % 5], values[usize::from(i.byte()) % 5]);
                of(h, unsafe { tg_settings_set(h.0, n.as_ptr(), v.as_ptr()) });
            }
            2 => {
                let h = settings.some(&mut i);
                let n = usize::from(i.byte());
                let text = i.bytes(n);
                of(h, unsafe { tg_settings_parse(h.0, text.as_ptr().cast(), text.len()) });
            }
            3 => {
                let h = settings.some(&mut i);
                let s = unsafe { tg_settings_free(h.0) };
                assert!(h.0.is_null() || (s == TG_OK) == h.1);
                settings.freed(s, h.0);
            }
            4 | 5 => {
                let mut text = String::new();
                let chosen = i.byte();
                let start = usize::from(i.byte());
                for bit in 0..8 {
                    if chosen >> bit & 1 == 1 {
                        text.push_str(PARTS[(start + bit) % PARTS.len()]);
                    }
                }
                let n = usize::from(i.byte() % 64);
                let mut text = text.into_bytes();
                text.extend_from_slice(i.bytes(n));
                let source = tg_source {
                    path: null(),
                    text: text.as_ptr().cast(),
                    text_len: text.len(),
                    name: null(),
                };
                let with = settings.some(&mut i);
                let mut p = null_mut();
                let s = unsafe {
                    tg_ruleset_compile(
                        &source,
                        usize::from(i.byte() % 2),
                        with.0,
                        Some(on_rule),
                        null_mut(),
                        &mut p,
                    )
                };
                rules.add(sane(s), p);
            }
            6 => {
                let h = rules.some(&mut i);
                let mut v: tg_ruleset_info = unsafe { std::mem::zeroed() };
                v.size = size_of::<tg_ruleset_info>();
                of(h, unsafe { tg_ruleset_describe(h.0, &mut v) });
            }
            7 => {
                let h = rules.some(&mut i);
                let s = unsafe { tg_ruleset_free(h.0) };
                assert!(h.0.is_null() || (s == TG_OK) == h.1);
                rules.freed(s, h.0);
            }
            8 | 9 => {
                let (r, s) = (rules.some(&mut i), settings.some(&mut i));
                let mut a = Box::new(Asked { engine: null_mut(), stop: i.byte(), seen: 0 });
                let mut c: tg_engine_config = unsafe { std::mem::zeroed() };
                c.size = size_of::<tg_engine_config>();
                if i.byte() == 7 {
                    c.size = usize::from(i.byte()) % c.size;
                }
                c.memory = if i.byte() == 3 { i.number() % (4 << 20) } else { 1 << 20 };
                c.settings = s.0;
                c.on_event = Some(on_event);
                c.user = (&raw mut *a).cast();
                c.events = u32::from(i.byte()) & if i.byte() < 8 { 255 } else { 63 };
                c.flags = u32::from(i.byte() & 3);
                let mut p = null_mut();
                let status = sane(unsafe { tg_engine_new(r.0, &c, &mut p) });
                a.engine = p;
                asked.push(a);
                engines.add(status, p);
            }
            10..=14 => {
                let h = engines.some(&mut i);
                let n = usize::from(i.byte() % 40);
                let packets: Vec<tg_packet> = (0..n)
                    .map(|k| {
                        let len = usize::from(i.byte());
                        let data = i.bytes(len);
                        time += u64::from(i.byte()) << 20;
                        tg_packet {
                            data: data.as_ptr(),
                            len: data.len() as u32,
                            rss_hash: 1,
                            ts_ns: time,
                            index: k as u64,
                            port: 0,
                            link_type: if i.byte() < 128 { TG_LINK_RAW_IP } else { 0 },
                            reserved: 0,
                        }
                    })
                    .collect();
                let mut verdicts = vec![77u8; n];
                let s = unsafe { tg_engine_process(h.0, packets.as_ptr(), n, verdicts.as_mut_ptr()) };
                of(h, s);
                let written = s == TG_OK || s == TG_ERR_STOPPED;
                assert!(verdicts.iter().all(|&v| if written { v <= TG_VERDICT_BYPASS } else { v == 77 }));
            }
            15 => {
                let h = engines.some(&mut i);
                let t = if i.byte() == 9 { i.number() } else { time };
                of(h, unsafe { tg_engine_tick(h.0, t) });
            }
            16 => {
                let h = engines.some(&mut i);
                of(h, unsafe { tg_engine_finish(h.0) });
            }
            17 => {
                let (h, r) = (engines.some(&mut i), rules.some(&mut i));
                let s = of(h, unsafe { tg_engine_swap_rules(h.0, r.0) });
                assert!(s != TG_OK || r.1);
            }
            18 => {
                let h = engines.some(&mut i);
                let mut v: tg_stats = unsafe { std::mem::zeroed() };
                v.size = size_of::<tg_stats>();
                if of(h, unsafe { tg_engine_stats(h.0, &mut v) }) == TG_OK {
                    assert!(v.flows_active <= v.flows);
                }
            }
            19 => {
                let h = engines.some(&mut i);
                let mut k: tg_flow_key = unsafe { std::mem::zeroed() };
                k.size = size_of::<tg_flow_key>();
                (k.ip_version, k.proto, k.src_port, k.dst_port) = (4, 17, i.byte().into(), i.byte().into());
                k.vlans = i.byte();
                let mut id = 0;
                if of(h, unsafe { tg_engine_flow_find(h.0, &k, &mut id) }) == TG_OK {
                    let mut f: tg_flow = unsafe { std::mem::zeroed() };
                    f.size = size_of::<tg_flow>();
                    assert_eq!(unsafe { tg_engine_flow(h.0, id, &mut f) }, TG_OK);
                    assert_eq!(f.id, id);
                }
                let id = i.number();
                of(h, unsafe { tg_engine_flow_block(h.0, id) });
                of(h, unsafe { tg_engine_flow_bypass(h.0, id) });
            }
            20 => {
                let h = engines.some(&mut i);
                let s = unsafe { tg_engine_free(h.0) };
                assert!(h.0.is_null() || (s == TG_OK) == h.1);
                engines.freed(s, h.0);
            }
            21 => {
                let r = rules.some(&mut i);
                let mut p = null_mut();
                let s = sane(unsafe { tg_scanner_new(r.0, u32::from(i.byte()), &mut p) });
                assert!(s != TG_OK || r.1);
                scanners.add(s, p);
            }
            22 => {
                let h = scanners.some(&mut i);
                let n = usize::from(i.byte());
                let t = i.bytes(n);
                of(h, unsafe {
                    tg_scanner_scan(h.0, t.as_ptr().cast(), t.len(), Some(on_match), null_mut())
                });
                let mut p = null_mut();
                streams.add(of(h, unsafe { tg_scan_stream_new(h.0, &mut p) }), p);
            }
            23 => {
                let (h, s) = (scanners.some(&mut i), streams.some(&mut i));
                let n = usize::from(i.byte());
                let t = i.bytes(n);
                let (p, len) = (t.as_ptr().cast(), t.len());
                let status =
                    of(h, unsafe { tg_scan_stream_feed(h.0, s.0, p, len, Some(on_match), null_mut()) });
                assert!(status != TG_OK || s.1);
                if i.byte() < 20 {
                    of(s, unsafe { tg_scan_stream_reset(s.0) });
                }
            }
            24 => {
                let (h, s) = (scanners.some(&mut i), streams.some(&mut i));
                if i.byte() < 128 {
                    scanners.freed(unsafe { tg_scanner_free(h.0) }, h.0);
                } else {
                    streams.freed(unsafe { tg_scan_stream_free(s.0) }, s.0);
                }
            }
            25 => {
                let patterns: Vec<tg_pattern> = (0..i.byte() % 5)
                    .map(|k| {
                        let n = usize::from(i.byte() % 16);
                        let t = i.bytes(n);
                        let flags = u32::from(i.byte() & 67);
                        tg_pattern { data: t.as_ptr(), len: t.len(), id: u32::from(k), flags }
                    })
                    .collect();
                let mut p = null_mut();
                dbs.add(sane(unsafe { tg_db_compile(patterns.as_ptr(), patterns.len(), &mut p) }), p);
            }
            26 => {
                let h = dbs.some(&mut i);
                let (mut a, mut b) = (null_mut(), null_mut());
                scratches.add(of(h, unsafe { tg_scratch_new(h.0, &mut a) }), a);
                db_streams.add(of(h, unsafe { tg_db_stream_new(h.0, &mut b) }), b);
                let mut v: tg_db_info = unsafe { std::mem::zeroed() };
                v.size = size_of::<tg_db_info>();
                of(h, unsafe { tg_db_describe(h.0, &mut v) });
            }
            27 => {
                let (a, b) = (scratches.some(&mut i), db_streams.some(&mut i));
                let n = usize::from(i.byte());
                let t = i.bytes(n);
                of(a, unsafe { tg_db_scan(a.0, t.as_ptr(), t.len(), Some(on_hit), null_mut()) });
                of(b, unsafe { tg_db_stream_scan(b.0, t.as_ptr(), t.len(), Some(on_hit), null_mut()) });
                if i.byte() < 20 {
                    of(b, unsafe { tg_db_stream_reset(b.0) });
                }
            }
            28 => match i.byte() % 3 {
                0 => {
                    let h = dbs.some(&mut i);
                    dbs.freed(sane(unsafe { tg_db_free(h.0) }), h.0);
                }
                1 => {
                    let h = scratches.some(&mut i);
                    scratches.freed(sane(unsafe { tg_scratch_free(h.0) }), h.0);
                }
                _ => {
                    let h = db_streams.some(&mut i);
                    db_streams.freed(sane(unsafe { tg_db_stream_free(h.0) }), h.0);
                }
            },
            _ => {
                let n = usize::from(i.byte());
                let data = i.bytes(n);
                let p = tg_packet {
                    data: data.as_ptr(),
                    len: data.len() as u32,
                    rss_hash: 0,
                    ts_ns: 0,
                    index: 0,
                    port: 0,
                    link_type: u16::from(i.byte()),
                    reserved: 0,
                };
                let mut out: [tg_decoded; TG_MAX_LAYERS] = unsafe { std::mem::zeroed() };
                let mut count = 0;
                let room = usize::from(i.byte() % 9);
                sane(unsafe { tg_packet_decode(&p, out.as_mut_ptr(), room, &mut count) });
                assert!(count <= TG_MAX_LAYERS);
                let h = captures.some(&mut i);
                let s = unsafe { tg_capture_close(h.0) };
                captures.freed(s, h.0);
                let mut c = null_mut();
                captures.add(sane(unsafe { tg_capture_open(c"/dev/null".as_ptr(), &mut c) }), c);
            }
        }
    }
    // What lives is given back, in the order of making; everything is refused from then on.
    unsafe {
        for (p, live) in engines.list {
            assert_eq!(tg_engine_free(p) == TG_OK, live);
        }
        rules.list.iter().for_each(|h| assert_eq!(tg_ruleset_free(h.0) == TG_OK, h.1));
        settings.list.iter().for_each(|h| assert_eq!(tg_settings_free(h.0) == TG_OK, h.1));
        scanners.list.iter().for_each(|h| assert_eq!(tg_scanner_free(h.0) == TG_OK, h.1));
        streams.list.iter().for_each(|h| assert_eq!(tg_scan_stream_free(h.0) == TG_OK, h.1));
        dbs.list.iter().for_each(|h| assert_eq!(tg_db_free(h.0) == TG_OK, h.1));
        scratches.list.iter().for_each(|h| assert_eq!(tg_scratch_free(h.0) == TG_OK, h.1));
        db_streams.list.iter().for_each(|h| assert_eq!(tg_db_stream_free(h.0) == TG_OK, h.1));
    }
});
