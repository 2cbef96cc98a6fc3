use super::frame::{BINARY, CLOSE, CONTINUATION, PING, TEXT};
use super::message::{Fault, Frame, Line};
use super::*;
use crate::app::bench::Bench;
use alloc::vec::Vec;
use miniz_oxide::deflate::core::{CompressorOxide, TDEFLFlush, compress, create_comp_flags_from_zip_params};
use proptest::prelude::*;

const TS: Dir = Dir::ToServer;
const TC: Dir = Dir::ToClient;
const MASK: [u8; 4] = [0xe2, 0xb6, 0x95, 0xed];

/// A frame; the client's are masked.
fn frame(dir: Dir, flags: u8, opcode: u8, payload: &[u8]) -> Vec<u8> {
    let masked = if dir == TS { 0x80 } else { 0 };
    let mut f = alloc::vec![flags | opcode];
    match payload.len() {
        n @ 0..126 => f.push(masked | n as u8),
        n @ 126..0x1_0000 => {
            f.push(masked | 126);
            f.extend((n as u16).to_be_bytes());
        }
        n => {
            f.push(masked | 127);
            f.extend((n as u64).to_be_bytes());
        }
    }
    if dir == TS {
        f.extend(MASK);
        f.extend(payload.iter().enumerate().map(|(i, b)| b ^ MASK[i % 4]));
    } else {
        f.extend(payload);
    }
    f
}

fn compressor() -> CompressorOxide {
    CompressorOxide::new(create_comp_flags_from_zip_params(6, -15, 0))
}

/// A message as permessage-deflate has it.
fn deflated(c: &mut CompressorOxide, text: &[u8]) -> Vec<u8> {
    let mut out = alloc::vec![0; text.len() + 1000];
    let (_, used, made) = compress(c, text, &mut out, TDEFLFlush::Sync);
    assert_eq!(used, text.len());
    out.truncate(made - 4);
    out
}

fn payloads(b: &mut Bench, dir: Dir) -> Vec<(u64, Vec<u8>)> {
    b.values(B_PAYLOAD, dir)
}

fn int(b: &Bench, id: u64, name: &str, dir: Dir) -> Option<u64> {
    b.parser.int(b.st, b.tx(id), IntAt { local: int_at(INTS, name), dir, index: 0, pool: &b.pool })
}

#[test]
fn frames_are_transactions() {
    let mut b = Bench::new(&WEBSOCKET);
    b.feed(TS, &[frame(TS, 0x80, TEXT, b"version,"), frame(TS, 0x80, PING, b"")].concat());
    b.feed(TC, &frame(TC, 0x80, BINARY, &[7; 300]));
    assert_eq!(payloads(&mut b, TS), [(0, b"version,".to_vec()), (1, Vec::new())]);
    assert_eq!(payloads(&mut b, TC), [(2, alloc::vec![7; 300])]);
    assert_eq!(int(&b, 0, "websocket.mask", TS), Some(3_803_616_749));
    assert_eq!((int(&b, 0, "websocket.mask", TC), int(&b, 2, "websocket.mask", TC)), (None, None));
    assert_eq!(
        (int(&b, 1, "websocket.opcode", TS), int(&b, 2, "websocket.flags", TC)),
        (Some(9), Some(0x80))
    );
    assert_eq!(b.values(B_HEADER, TS)[0].1, [&[0x81, 0x88][..], &MASK].concat());
    assert_eq!(b.values(B_PDU, TS)[0].1, frame(TS, 0x80, TEXT, b"version,"));
    assert_eq!(b.values(B_DATA, TC)[0].1, [7; 300]);
    assert_eq!([0, 1, 2].map(|i| b.events(i)), [0; 3]);
    assert_eq!([0, 2].map(|i| b.parser.log_due(b.tx(i))), [LOG_REQUEST, LOG_RESPONSE]);
    b.close();
}

#[test]
fn the_last_frame_has_the_whole_message() {
    let mut b = Bench::new(&WEBSOCKET);
    for f in [
        frame(TS, 0, TEXT, b"one "),
        frame(TS, 0x80, PING, b"still there?"),
        frame(TS, 0, CONTINUATION, b"two "),
        frame(TS, 0x80, CONTINUATION, b"three"),
        frame(TS, 0x80, TEXT, b"next"),
    ] {
        b.feed(TS, &f);
    }
    let texts = ["one ", "still there?", "two ", "one two three", "next"];
    let want: Vec<_> = texts.iter().enumerate().map(|(i, t)| (i as u64, t.as_bytes().to_vec())).collect();
    assert_eq!(payloads(&mut b, TS), want);
    b.close();
}

#[test]
fn compressed_messages_with_context_and_without() {
    let text = b"the same words again and again, ".repeat(20);
    for keep in [true, false] {
        let mut b = Bench::new(&WEBSOCKET);
        let mut c = compressor();
        for i in 0..4 {
            if !keep {
                c = compressor();
            }
            let m = deflated(&mut c, &text);
            assert!(i == 0 || !keep || m.len() < 20, "the window is used: {}", m.len());
            let (first, rest) = m.split_at(m.len() / 2);
            b.feed(TC, &frame(TC, 0x40, TEXT, first));
            b.feed(TC, &frame(TC, 0x80, PING, b"not compressed"));
            b.feed(TC, &frame(TC, 0x80, CONTINUATION, rest));
            // One that is not compressed does not enter the window.
            b.feed(TC, &frame(TC, 0x80, TEXT, b"plain"));
        }
        let all = payloads(&mut b, TC);
        for i in 0..4 {
            assert_eq!(all[4 * i + 2].1, text);
            assert_eq!(all[4 * i + 3].1, b"plain");
        }
        assert!((0..16).all(|i| b.events(i) == 0));
        b.close();
    }
}

/// What a direction says, as text; `!` where there is no inflater.
#[derive(Default)]
struct Heard(Vec<u8>);

impl message::Sink for Heard {
    fn begin(&mut self, _: &Frame, _: &[u8], _: &mut BytePool) {}
    fn data(&mut self, _: &Frame, bytes: &[u8], _: &mut BytePool) {
        self.0.extend(bytes);
    }
    fn fault(&mut self, _: &Frame, fault: Fault, _: &mut BytePool) {
        self.0.push(if fault == Fault::Room { b'!' } else { b'?' });
    }
    fn end(&mut self, _: &Frame, _: &mut BytePool) {}
}

/// Directions that hold inflaters and rest blind nobody: more than there are get one each, the longest idle loses its own.
#[test]
fn the_longest_idle_inflater_gives_way() {
    let cfg = AppConfig { records: 8 << 14, ..AppConfig::default() };
    let (mut messages, mut pool) = (Messages::new(&cfg), BytePool::new(1 << 20));
    let mut lines: [Line; 7] = Default::default();
    let mut say = |messages: &mut Messages, pool: &mut BytePool, line: usize, bytes: &[u8]| {
        let mut heard = Heard::default();
        messages.read(&mut lines[line], TC, bytes, pool, &mut heard);
        String::from_utf8(heard.0).unwrap()
    };
    let whole = |text: &[u8]| frame(TC, 0xc0, TEXT, &deflated(&mut compressor(), text));
    // The first has a message under way, then rests.
    let text = b"in two parts, the second of which comes late";
    let mut c = compressor();
    let begun = [deflated(&mut c, text), vec![0, 0, 0xff, 0xff]].concat();
    assert_eq!(say(&mut messages, &mut pool, 0, &frame(TC, 0x40, TEXT, &begun)).as_bytes(), text);
    for i in 1..7 {
        assert_eq!(say(&mut messages, &mut pool, i, &whole(b"all of it")), "all of it", "{i}");
    }
    assert_eq!(messages.evicted(), 3);
    let rest = frame(TC, 0x80, CONTINUATION, &deflated(&mut c, b"late"));
    assert_eq!(say(&mut messages, &mut pool, 0, &rest), "!");
    for i in 0..7 {
        assert_eq!(say(&mut messages, &mut pool, i, &whole(b"the next")), "the next", "{i}");
    }
    lines.iter_mut().for_each(|l| messages.close(l, &mut pool));
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn a_stream_that_ends_inside_is_followed_by_another() {
    let mut b = Bench::new(&WEBSOCKET);
    let mut m = miniz_oxide::deflate::compress_to_vec(b"with a final block", 6);
    m.push(0);
    b.feed(TC, &frame(TC, 0xc0, TEXT, &m));
    b.feed(TC, &frame(TC, 0xc0, TEXT, &deflated(&mut compressor(), b"and on")));
    assert_eq!(
        payloads(&mut b, TC).iter().map(|p| &p.1[..]).collect::<Vec<_>>(),
        [&b"with a final block"[..], b"and on"]
    );
    b.close();
}

#[test]
fn limits() {
    let mut b = Bench::new(&WEBSOCKET);
    let max = b.cfg.websocket_max_payload;
    b.feed(TC, &frame(TC, 0x80, BINARY, &alloc::vec![1; max + 10]));
    assert_eq!((payloads(&mut b, TC)[0].1.len(), b.events(0)), (max, 1 << EV_SKIP));
    b.feed(TC, &frame(TC, 0, BINARY, &alloc::vec![2; max - 5]));
    b.feed(TC, &frame(TC, 0x80, CONTINUATION, &[3; 10]));
    assert_eq!((payloads(&mut b, TC)[2].1.len(), b.events(2)), (max, 1 << EV_LIMIT));
    // A megabyte of zeros in a kilobyte, five times: given up, and the next message is read.
    let mut c = compressor();
    let bomb: Vec<u8> = (0..5)
        .flat_map(|_| {
            let mut m = deflated(&mut c, &alloc::vec![0; 1 << 20]);
            m.extend([0, 0, 255, 255]);
            m
        })
        .collect();
    b.feed(TC, &frame(TC, 0xc0, BINARY, &bomb));
    assert_eq!(payloads(&mut b, TC)[3].1.len(), max);
    assert_eq!(b.events(3), 1 << EV_LIMIT | 1 << event_of(Fault::Inflate));
    b.feed(TC, &frame(TC, 0xc0, TEXT, &deflated(&mut compressor(), b"after it")));
    assert_eq!(payloads(&mut b, TC)[4].1, b"after it");
    b.close();
}

#[test]
fn what_is_wrong_is_told() {
    let mut b = Bench::new(&WEBSOCKET);
    for (i, (dir, f, fault)) in [
        (TC, frame(TC, 0x80, CONTINUATION, b"of nothing"), Fault::Fragment),
        (TC, frame(TC, 0x80, 5, b"?"), Fault::Opcode),
        (TC, frame(TC, 0x80, 0xb, b"?"), Fault::Opcode),
        (TC, frame(TC, 0, CLOSE, b""), Fault::Control),
        (TC, frame(TC, 0x80, PING, &[0; 126]), Fault::Control),
        (TS, frame(TC, 0x80, TEXT, b"bare"), Fault::Mask),
        (TC, frame(TC, 0xc0, TEXT, b"\xff\xff\xff\xff"), Fault::Inflate),
    ]
    .into_iter()
    .enumerate()
    {
        b.feed(dir, &f);
        assert_eq!(b.events(i as u64), 1 << event_of(fault), "{fault:?}");
    }
    b.close();
}

#[test]
fn gaps_inside_a_payload_are_bridged() {
    let mut b = Bench::new(&WEBSOCKET);
    let f = frame(TS, 0x80, TEXT, b"0123456789");
    b.feed(TS, &f[..8]);
    b.give(Input { dir: TS, data: &f[11..], gap: 3, eof: false, datagram: false });
    b.feed(TS, &frame(TS, 0x80, TEXT, b"next"));
    assert_eq!(payloads(&mut b, TS), [(0, b"0156789".to_vec()), (1, b"next".to_vec())]);
    b.feed(TS, &f[..8]);
    b.give(Input { dir: TS, data: b"", gap: 20, eof: false, datagram: false });
    b.feed(TS, &f);
    assert_eq!((b.events(2), b.live().len()), (1 << EV_GAP, 3));
    assert_eq!(b.parser.common(b.tx(2)).steps(), [1, 1]);
    b.close();
}

fn talk() -> Vec<u8> {
    let mut c = compressor();
    let long = b"a long text, ".repeat(700);
    let m = deflated(&mut c, &long);
    [
        frame(TS, 0x80, TEXT, b"hello"),
        frame(TS, 0x40, TEXT, &m[..m.len() / 3]),
        frame(TS, 0x80, CLOSE, b"\x03\xe8bye"),
        frame(TS, 0x80, CONTINUATION, &m[m.len() / 3..]),
        frame(TS, 0xc0, BINARY, &deflated(&mut c, &long)),
        frame(TS, 0x80, BINARY, &[9; 200]),
    ]
    .concat()
}

proptest! {
    #[test]
    fn any_cut_gives_the_same(cuts in proptest::collection::vec(1usize..60, 1..8)) {
        let t = talk();
        let mut whole = Bench::new(&WEBSOCKET);
        whole.feed(TS, &t);
        let mut cut = Bench::new(&WEBSOCKET);
        prop_assert_eq!(cut.feed_cut(TS, &t, &cuts), 0);
        prop_assert_eq!(cut.everything(&WEBSOCKET), whole.everything(&WEBSOCKET));
        cut.close();
        whole.close();
    }

    #[test]
    fn never_panics(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..6),
        gap in 0u32..20,
    ) {
        let mut b = Bench::new(&WEBSOCKET);
        let mut t = talk();
        for (i, v) in changes {
            let n = i.index(t.len());
            t[n] = v;
        }
        let half = t.len() / 2;
        b.feed(TS, &t[..half]);
        b.give(Input { dir: TS, data: &t[half..], gap, eof: false, datagram: false });
        b.feed(TC, &bytes);
        b.everything(&WEBSOCKET);
        b.close();
    }
}
