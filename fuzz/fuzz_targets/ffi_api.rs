//! Any calls of the C ABI in any order, with handles that live, were freed, are of another kind or NULL, and wrong
//! sizes and values: an error, never a crash or a panic; what is written on success only is not touched otherwise;
//! and a handle that was freed is refused as long as its cell rests.
#![no_main]
use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::ptr::{null, null_mut};

use libfuzzer_sys::fuzz_target;
use tidegate::alloc::*;
use tidegate::args::*;
use tidegate::capture::*;
use tidegate::db::*;
use tidegate::decode::*;
use tidegate::engine::*;
use tidegate::error::*;
use tidegate::event::*;
use tidegate::log::*;
use tidegate::packet::*;
use tidegate::rules::*;
use tidegate::scanner::*;
use tidegate::settings::*;
use tidegate::version::*;

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

/// Zeros that begin with the size of the struct. Of some structs they are no value before the library wrote to them.
fn sized<T>() -> MaybeUninit<T> {
    let mut v = MaybeUninit::<T>::zeroed();
    unsafe { v.as_mut_ptr().cast::<usize>().write(size_of::<T>()) };
    v
}

unsafe extern "C" fn on_event(e: *const tg_event, user: *mut c_void) -> c_int {
    let a = unsafe { &mut *user.cast::<Asked>() };
    a.seen = a.seen.wrapping_add(1);
    macro_rules! ask {
        ($f:ident, $t:ty) => {{
            let mut v = sized::<$t>();
            sane(unsafe { $f(e, v.as_mut_ptr()) });
            v
        }};
    }
    let info = ask!(tg_event_describe, tg_event_info);
    // Every event tells what it is, and of others zeros are a value.
    let info = unsafe { info.assume_init() };
    let alert = ask!(tg_event_alert, tg_alert);
    let alert = unsafe { alert.assume_init() };
    assert!(info.name.len > 0);
    ask!(tg_event_flow, tg_flow);
    ask!(tg_event_anomaly, tg_anomaly);
    ask!(tg_event_file, tg_file);
    ask!(tg_event_drop, tg_drop);
    ask!(tg_event_http, tg_http);
    ask!(tg_event_dns, tg_dns);
    ask!(tg_event_tls, tg_tls);
    // Other sizes: refused, or as much as fits, and never more than was said.
    macro_rules! odd {
        ($($f:ident)*) => {$({
            let mut room = [0u64; 128];
            room[0] = u64::from(a.seen) * 4 + u64::from(a.stop & 3);
            let size = usize::from(a.seen) * 4 + usize::from(a.stop & 3);
            sane(unsafe { $f(e, room.as_mut_ptr().cast()) });
            let bytes: &[u8; 1024] = unsafe { &*room.as_ptr().cast() };
            assert!(bytes[size.max(8)..].iter().all(|&b| b == 0), "more was written than was said");
            assert!(matches!(sane(unsafe { $f(e, null_mut()) }), TG_ERR_NULL | TG_ERR_TYPE | TG_ERR_NOT_FOUND));
        })*};
    }
    odd!(tg_event_describe tg_event_alert tg_event_flow tg_event_anomaly tg_event_file tg_event_drop tg_event_http
        tg_event_dns tg_event_tls);
    for path in [c"hostname", c"queries.0.rrname", c"answers.0.rdata", c"version", c"status", c"", c"a..b.9"]
    {
        let mut v = sized::<tg_field>();
        if sane(unsafe { tg_event_field(e, path.as_ptr(), v.as_mut_ptr()) }) == TG_OK {
            let v = unsafe { v.assume_init() };
            assert_eq!(unsafe { std::slice::from_raw_parts(v.path.data, v.path.len) }, path.to_bytes());
        }
    }
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

unsafe extern "C" fn on_counter(name: tg_bytes, _: u64, _: *mut c_void) -> c_int {
    assert!(name.len > 0);
    0
}

unsafe extern "C" fn on_log(level: tg_log_level, message: *const std::ffi::c_char, _: *mut c_void) {
    let text = unsafe { std::ffi::CStr::from_ptr(message) }.to_string_lossy();
    assert!(!text.is_empty());
    // Panics, of the callbacks here as well.
    if level == tg_log_level::TG_LOG_ERROR {
        eprintln!("{text}");
    }
}

unsafe extern "C" fn give(_: *mut c_void, _: usize, _: usize) -> *mut c_void {
    null_mut()
}

unsafe extern "C" fn take(_: *mut c_void, _: *mut c_void, _: usize, _: usize) {}

/// What client and server say to each other, so that the events of protocols come: protocol, port, both sides.
const TALKS: [(u8, u16, &[u8], &[u8]); 8] = [
    (
        6,
        80,
        b"POST /evil?q=1 HTTP/1.1\r\nHost: a.example:8\r\nUser-Agent: u\r\nReferer: r\r\nContent-Length: 4\r\n\r\nevil",
        b"HTTP/1.1 302 Found\r\nContent-Type: text/html\r\nLocation: /x\r\nContent-Length: 5\r\n\r\nvevil",
    ),
    (6, 80, b"GET / HTTP/1.1\r\n\r\n\x00", b"HTTP/1.0 200\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
    (
        17,
        53,
        b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04evil\x07example\x00\x00\x01\x00\x01",
        b"\x12\x34\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\x04evil\x07example\x00\x00\x01\x00\x01\
\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x0a\x00\x00\x01",
    ),
    (
        6,
        443,
        b"\x16\x03\x01\x00\x4f\x01\x00\x00\x4b\x03\x03aaaaaaaabbbbbbbbccccccccdddddddd\x00\x00\x04\x13\x01\xc0\x2f\
\x01\x00\x00\x1e\x00\x00\x00\x0f\x00\x0d\x00\x00\x0aev.example\x00\x0a\x00\x04\x00\x02\x00\x1d\x00\x17\x00\x00\x00",
        b"\x16\x03\x03\x00\x2a\x02\x00\x00\x26\x03\x03aaaaaaaabbbbbbbbccccccccdddddddd\x00\xc0\x2f\x00\
\x14\x03\x03\x00\x01\x01\x17\x03\x03\x00\x03evl",
    ),
    (
        6,
        25,
        b"EHLO e\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nSubject: evil\r\nContent-Disposition: attachment; filename=v\r\n\r\nx\r\n.\r\n",
        b"220 hi\r\n250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n",
    ),
    (6, 22, b"SSH-2.0-evil\r\n", b"SSH-2.0-v_1\r\n"),
    (6, 21, b"USER evil\r\nPASV\r\nRETR v\r\n", b"220 x\r\n331 y\r\n227 ok (10,0,0,2,4,1)\r\n150 z\r\n"),
    (17, 9, b"evil", b"v"),
];

/// IPv4 packets of a conversation, right but for the bytes that the input changes.
fn talk(i: &mut Input<'_>) -> Vec<Vec<u8>> {
    let (proto, port, asks, answers) = TALKS[usize::from(i.byte()) % TALKS.len()];
    let client = u16::from(i.byte() % 4);
    let cut = usize::from(i.byte()).max(1);
    let sides = [asks, answers];
    let mut next = [1u32, 1];
    let mut out = Vec::new();
    let mut packet = |side: usize, flags: u8, data: &[u8]| {
        let ports = if side == 0 { [client, port] } else { [port, client] };
        let mut t = [ports[0].to_be_bytes(), ports[1].to_be_bytes()].concat();
        if proto == 6 {
            t.extend(next[side].to_be_bytes());
            t.extend(if flags == 2 { 0 } else { next[1 - side] }.to_be_bytes());
            t.extend([0x50, flags, 255, 255, 0, 0, 0, 0]);
            next[side] += data.len() as u32 + u32::from(flags & 3 != 0);
        } else {
            t.extend((8 + data.len() as u16).to_be_bytes());
            t.extend([0, 0]);
        }
        t.extend(data);
        let ends = if side == 0 { [10, 0, 0, 1, 10, 0, 0, 2] } else { [10, 0, 0, 2, 10, 0, 0, 1] };
        let sum = |parts: &[&[u8]]| {
            let all = parts.concat();
            let mut s: u32 =
                all.chunks(2).map(|c| u32::from(c[0]) << 8 | u32::from(*c.get(1).unwrap_or(&0))).sum();
            while s > 0xffff {
                s = (s & 0xffff) + (s >> 16);
            }
            (!s as u16).to_be_bytes()
        };
        if proto == 6 {
            let s = sum(&[&ends, &[0, 6], &(t.len() as u16).to_be_bytes(), &t]);
            t[16..18].copy_from_slice(&s);
        }
        let len = (20 + t.len() as u16).to_be_bytes();
        let mut p = vec![0x45, 0, len[0], len[1], 0, 0, 0, 0, 64, proto, 0, 0];
        p.extend(ends);
        let s = sum(&[&p]);
        p[10..12].copy_from_slice(&s);
        p.extend(t);
        out.push(p);
    };
    if proto == 6 {
        packet(0, 2, b"");
        packet(1, 0x12, b"");
        packet(0, 0x10, b"");
    }
    for (side, said) in sides.into_iter().enumerate() {
        said.chunks(cut).for_each(|piece| packet(side, 0x18, piece));
    }
    if proto == 6 {
        packet(0, 0x11, b"");
        packet(1, 0x11, b"");
    }
    for _ in 0..i.byte() % 8 {
        let (k, at, with) = (usize::from(i.byte()), usize::from(i.byte()), i.byte());
        let k = k % out.len();
        match at {
            254 => out.swap(0, k),
            255 => drop(out[k].pop()),
            at => {
                let n = out[k].len();
                // An empty packet is one of the damages.
                if n > 0 {
                    out[k][at % n] ^= with;
                }
            }
        }
    }
    out
}

/// A capture file of these packets.
fn capture(packets: &[Vec<u8>]) -> std::ffi::CString {
    let mut f = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 101, 0, 0, 0];
    for (n, p) in packets.iter().enumerate() {
        for v in [n as u32, 0, p.len() as u32, p.len() as u32] {
            f.extend(v.to_le_bytes());
        }
        f.extend(p);
    }
    let path = std::env::temp_dir().join(format!("tidegate-ffi-api-{}.pcap", std::process::id()));
    std::fs::write(&path, f).unwrap();
    std::ffi::CString::new(path.into_os_string().into_encoded_bytes()).unwrap()
}

/// Gives packets to some engine.
fn process(h: (*mut tg_engine, bool), packets: &[tg_packet]) {
    let mut verdicts = vec![77u8; packets.len()];
    let s = of(h, unsafe { tg_engine_process(h.0, packets.as_ptr(), packets.len(), verdicts.as_mut_ptr()) });
    let written = s == TG_OK || s == TG_ERR_STOPPED;
    assert!(verdicts.iter().all(|&v| if written { v <= TG_VERDICT_BYPASS } else { v == 77 }));
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
    assert_eq!(tg_log_set(Some(on_log), null_mut(), 1), TG_OK);
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
        match i.byte() % 36 {
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
                c.secret = [1; 16];
                if i.byte() == 7 {
                    c.size = usize::from(i.byte()) % c.size;
                }
                c.memory = if i.byte() == 3 { i.number() % (4 << 20) } else { 2 << 20 };
                c.settings = s.0;
                c.on_event = Some(on_event);
                c.user = (&raw mut *a).cast();
                c.events = u32::from(i.byte()) & if i.byte() < 8 { 255 } else { 63 };
                c.flags = u32::from(i.byte() & 15);
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
                            wire_len: 0,
                            vlan: 0,
                            flags: 0,
                            reserved: 0,
                        }
                    })
                    .collect();
                process(h, &packets);
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
                of(h, unsafe { tg_engine_counters(h.0, Some(on_counter), null_mut()) });
            }
            19 => {
                let h = engines.some(&mut i);
                let mut k: tg_flow_key = unsafe { std::mem::zeroed() };
                k.size = size_of::<tg_flow_key>();
                (k.ip_version, k.proto, k.src_port, k.dst_port) = (4, 17, i.byte().into(), i.byte().into());
                // The ends of a conversation, mostly.
                if i.byte() < 200 {
                    let (proto, port, ..) = TALKS[usize::from(i.byte()) % TALKS.len()];
                    k.src[..4].copy_from_slice(&[10, 0, 0, 1]);
                    k.dst[..4].copy_from_slice(&[10, 0, 0, 2]);
                    (k.proto, k.src_port, k.dst_port) = (proto, k.src_port % 4, port);
                }
                k.vlans = if i.byte() < 200 { 0 } else { i.byte() };
                let mut id = 0u64;
                if of(h, unsafe { tg_engine_flow_find(h.0, &k, &mut id) }) == TG_OK {
                    let mut f: tg_flow = unsafe { std::mem::zeroed() };
                    f.size = size_of::<tg_flow>();
                    assert_eq!(unsafe { tg_engine_flow(h.0, id, &mut f) }, TG_OK);
                    assert_eq!(f.id, id);
                } else {
                    id = i.number();
                }
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
            29..=32 => {
                let h = engines.some(&mut i);
                let frames = talk(&mut i);
                let packets: Vec<tg_packet> = frames
                    .iter()
                    .map(|f| {
                        time += 1 << 20;
                        let (data, len) = (f.as_ptr(), f.len() as u32);
                        let link_type = TG_LINK_RAW_IP;
                        tg_packet {
                            data,
                            len,
                            rss_hash: 7,
                            ts_ns: time,
                            index: 3,
                            port: 1,
                            link_type,
                            wire_len: u32::from(i.byte()),
                            vlan: 7,
                            flags: [0, 0, 0, 1, 2, 9, 16, 32][usize::from(i.byte() % 8)],
                            reserved: u32::from(i.byte() == 1),
                        }
                    })
                    .collect();
                process(h, &packets);
            }
            33 => {
                // From a file, damaged perhaps, into an engine.
                let mut frames = talk(&mut i);
                frames.extend(talk(&mut i));
                let path = capture(&frames);
                let mut c = null_mut();
                captures.add(sane(unsafe { tg_capture_open(path.as_ptr(), &mut c) }), c);
                let h = captures.some(&mut i);
                let e = engines.some(&mut i);
                for _ in 0..4 {
                    let mut packets: [tg_packet; 8] = unsafe { std::mem::zeroed() };
                    let (room, mut count) = (usize::from(i.byte() % 9), 99);
                    let s = of(h, unsafe { tg_capture_next(h.0, packets.as_mut_ptr(), room, &mut count) });
                    if s == TG_OK {
                        assert!(count <= room);
                        process(e, &packets[..count]);
                    } else {
                        assert_eq!(count, 99, "written without success");
                    }
                }
            }
            34 => {
                // What must be refused, in every state of the library.
                let h = (engines.some(&mut i), rules.some(&mut i), settings.some(&mut i));
                unsafe {
                    assert_eq!(tg_settings_new(null_mut()), TG_ERR_NULL);
                    assert_eq!(tg_engine_new(h.1.0, null(), null_mut()), TG_ERR_NULL);
                    assert_eq!(tg_capture_open(null(), null_mut()), TG_ERR_NULL);
                    assert_eq!(tg_scanner_new(null(), 0, null_mut()), TG_ERR_NULL);
                    assert_eq!(tg_db_compile(null(), 1, null_mut()), TG_ERR_NULL);
                    assert_eq!(tg_packet_decode(null(), null_mut(), 0, null_mut()), TG_ERR_NULL);
                    assert_ne!(sane(tg_engine_process(h.0.0, null(), 3, null_mut())), TG_OK);
                    assert_ne!(sane(tg_engine_stats(h.0.0, null_mut())), TG_OK);
                    assert_ne!(sane(tg_engine_flow_find(h.0.0, null(), null_mut())), TG_OK);
                    assert_ne!(sane(tg_engine_counters(h.0.0, None, null_mut())), TG_OK);
                    // A handle of another kind.
                    assert_ne!(sane(tg_engine_tick(h.1.0.cast(), 1)), TG_OK);
                    assert_ne!(sane(tg_scanner_free(h.2.0.cast())) == TG_OK, !h.2.0.is_null());
                    let size = usize::from(i.byte());
                    let mut room = [0u64; 64];
                    room[0] = size as u64;
                    sane(tg_engine_stats(h.0.0, room.as_mut_ptr().cast()));
                    room = [0; 64];
                    room[0] = size as u64;
                    sane(tg_ruleset_describe(h.1.0, room.as_mut_ptr().cast()));
                    let a = tg_allocator {
                        size: size_of::<tg_allocator>(),
                        alloc: Some(give),
                        free: Some(take),
                        user: null_mut(),
                        alloc_zeroed: None,
                    };
                    assert_eq!(tg_allocator_set(&a), TG_ERR_STATE, "memory was taken before");
                    assert!(!tg_strerror(i.number() as i32).is_null() && !tg_version().is_null());
                    assert_eq!(
                        (tg_abi_version(), tg_version_number() >> 16),
                        (TG_ABI_VERSION, TG_VERSION_MAJOR)
                    );
                    let bit = u32::from(i.byte());
                    let (_, _) = (tg_layer_name(bit), tg_anomaly_name(bit));
                    sane(tg_log_set(Some(on_log), null_mut(), u32::from(i.byte())));
                    of(h.2, tg_settings_data_dir(h.2.0, c"/tmp".as_ptr()));
                    of(h.2, tg_settings_load(h.2.0, c"/dev/null".as_ptr()));
                }
            }
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
                    wire_len: 0,
                    vlan: 0,
                    flags: 0,
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
        captures.list.iter().for_each(|h| assert_eq!(tg_capture_close(h.0) == TG_OK, h.1));
    }
});
