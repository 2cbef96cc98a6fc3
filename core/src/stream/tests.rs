//! Sessions from made-up packets; reassembly against naive oracles.

use proptest::prelude::*;

use super::buffer::{Limits, Range, Reassembly, new_wins};
use super::policy::OsPolicy;
use super::segment::{ACK, FIN, RST, SYN, URG};
use super::*;
use crate::Dir;
use crate::flow::{FlowConfig, FlowIx, FlowTable, Found};
use crate::packet::{Addr, L3, L4, Packet, Span};
use crate::pool::BytePool;

/// A client, a server and the engine's view of them.
struct Net {
    flows: FlowTable,
    streams: Streams,
    pool: BytePool,
    now: u64,
}

const CLIENT: Addr = Addr::v4([10, 0, 0, 1]);
const SERVER: Addr = Addr::v4([10, 0, 0, 2]);

impl Net {
    fn new(cfg: StreamConfig) -> Net {
        Net {
            flows: FlowTable::new(
                FlowConfig { max_flows: 64, ..FlowConfig::default() },
                crate::Secret::fixed(1),
            ),
            streams: Streams::new(StreamConfig { max_sessions: 64, ..cfg }),
            pool: BytePool::new(4 << 20),
            now: 1_700_000_000_000_000_000,
        }
    }

    fn send(&mut self, dir: Dir, flags: u8, seq: u32, ack: u32, data: &[u8]) -> (FlowIx, StreamOut) {
        self.send_urg(dir, flags, seq, ack, data, 0)
    }

    fn send_urg(
        &mut self,
        dir: Dir,
        flags: u8,
        seq: u32,
        ack: u32,
        data: &[u8],
        urgent: u16,
    ) -> (FlowIx, StreamOut) {
        self.send_as((dir, flags, seq, ack), data, |p| p.tcp.urgent = urgent)
    }

    /// Sends a packet that is changed by `edit`: given are its direction, flags, sequence number and acknowledgment.
    fn send_as(
        &mut self,
        (dir, flags, seq, ack): (Dir, u8, u32, u32),
        data: &[u8],
        edit: impl FnOnce(&mut Packet<'_>),
    ) -> (FlowIx, StreamOut) {
        self.now += 1_000_000;
        let mut p = Packet::new(data, 101, self.now, 1);
        p.l3 = L3::Ipv4;
        p.l4 = L4::Tcp;
        p.proto = 6;
        (p.src, p.dst, p.sp, p.dp) =
            if dir == Dir::ToServer { (CLIENT, SERVER, 4000, 80) } else { (SERVER, CLIENT, 80, 4000) };
        p.payload = Span::new(0, data.len());
        p.tcp.flags = flags;
        p.tcp.seq = seq;
        p.tcp.ack = ack;
        p.tcp.window = 60000;
        edit(&mut p);
        let h = self.flows.hash(&p);
        loop {
            match self.flows.lookup_or_insert(&p, &h, &self.streams) {
                Found::Flow { ix, dir, .. } => {
                    self.flows.update(ix, &p, dir);
                    let out = self.streams.packet(&mut self.flows, ix, &p, dir, &mut self.pool);
                    return (ix, out);
                }
                Found::Ended(ix) => self.end(ix),
                other => panic!("{other:?}"),
            }
        }
    }

    fn end(&mut self, ix: FlowIx) {
        let tcp = self.flows.hot(ix).tcp;
        self.streams.remove(tcp, &mut self.pool);
        self.flows.remove(ix);
    }

    fn handshake(&mut self) -> u32 {
        self.send(Dir::ToServer, SYN, 999, 0, b"");
        self.send(Dir::ToClient, SYN | ACK, 4999, 1000, b"");
        let (ix, _) = self.send(Dir::ToServer, ACK, 1000, 5000, b"");
        self.flows.hot(ix).tcp
    }

    /// Everything a parser would get now: bytes, and gaps as `None`s.
    fn read(&mut self, tcp: u32, dir: Dir, flush: bool) -> (Vec<u8>, u64, bool) {
        let (mut bytes, mut gaps, mut eof) = (Vec::new(), 0, false);
        for _ in 0..1000 {
            let c = self.streams.app_ready(tcp, dir, &self.pool, flush);
            eof |= c.eof;
            let n = if c.gap > 0 {
                gaps += u64::from(c.gap);
                c.gap as usize
            } else {
                bytes.extend_from_slice(c.data);
                c.data.len()
            };
            if n == 0 {
                break;
            }
            self.streams.app_consume(tcp, dir, n, &mut self.pool);
        }
        (bytes, gaps, eof)
    }

    fn read_raw(&mut self, tcp: u32, dir: Dir, flush: bool) -> Vec<u8> {
        let mut bytes = Vec::new();
        for _ in 0..1000 {
            let c = self.streams.raw_ready(tcp, dir, &self.pool, flush);
            let new = &c.data[c.new_from..];
            if new.is_empty() {
                break;
            }
            bytes.extend_from_slice(new);
            self.streams.raw_consume(tcp, dir, &mut self.pool, flush);
        }
        bytes
    }

    fn state(&self, tcp: u32) -> TcpState {
        self.streams.session(tcp).unwrap().state()
    }
}

#[test]
fn a_whole_session() {
    let mut n = Net::new(StreamConfig::default());
    let (ix, out) = n.send(Dir::ToServer, SYN, 999, 0, b"");
    assert!(out.has(outflag::NEW));
    let tcp = n.flows.hot(ix).tcp;
    assert_eq!(n.state(tcp), TcpState::SynSent);
    let (_, out) = n.send(Dir::ToClient, SYN | ACK, 4999, 1000, b"");
    assert!(!out.has(outflag::ESTABLISHED));
    n.send(Dir::ToServer, ACK, 1000, 5000, b"");
    assert_eq!(n.state(tcp), TcpState::Established);
    assert_eq!(n.flows.hot(ix).state, crate::flow::State::Established);

    let (_, out) = n.send(Dir::ToServer, ACK, 1000, 5000, b"GET / ");
    assert!(out.has(outflag::ADDED) && out.has(outflag::ESTABLISHED));
    assert_eq!(out.update, Dir::ToClient.bit());
    assert_eq!(n.read(tcp, Dir::ToServer, false).0, b"", "not acknowledged yet");
    let (_, out) = n.send(Dir::ToClient, ACK, 5000, 1006, b"200 OK");
    assert_eq!(out.update, Dir::ToServer.bit());
    assert_eq!(n.read(tcp, Dir::ToServer, false).0, b"GET / ");
    assert_eq!(n.read_raw(tcp, Dir::ToServer, false), b"GET / ");
    n.send(Dir::ToServer, ACK, 1006, 5006, b"");
    assert_eq!(n.read(tcp, Dir::ToClient, false).0, b"200 OK");

    n.send(Dir::ToServer, FIN | ACK, 1006, 5006, b"");
    assert_eq!(n.state(tcp), TcpState::CloseWait);
    n.send(Dir::ToClient, FIN | ACK, 5006, 1007, b"");
    assert_eq!(n.state(tcp), TcpState::LastAck);
    let (_, out) = n.send(Dir::ToServer, ACK, 1007, 5007, b"");
    assert_eq!(n.state(tcp), TcpState::Closed);
    assert!(out.has(outflag::CLOSED));
    assert_eq!(n.flows.hot(ix).state, crate::flow::State::Closed);
    assert!(n.read(tcp, Dir::ToServer, false).2, "end of file");
    assert_eq!(n.streams.session(tcp).unwrap().tcp_flags(Dir::ToServer), SYN | ACK | FIN);

    // The same ports again: the old flow ends, a new one begins.
    let (again, _) = n.send(Dir::ToServer, SYN, 77_000, 0, b"");
    let tcp = n.flows.hot(again).tcp;
    assert_eq!(n.state(tcp), TcpState::SynSent);
    assert_eq!(n.flows.counters().tcp_reuse, 1);
    assert_eq!(n.flows.len(), 1);
    n.end(again);
    assert_eq!(n.pool.in_use(), 0);
}

#[test]
fn out_of_order_then_gap() {
    let mut n = Net::new(StreamConfig::default());
    let tcp = n.handshake();
    n.send(Dir::ToServer, ACK, 1005, 5000, b"world");
    n.send(Dir::ToServer, ACK, 1000, 5000, b"hello");
    n.send(Dir::ToServer, ACK, 1020, 5000, b"after");
    n.send(Dir::ToClient, ACK, 5000, 1010, b"");
    assert_eq!(n.read(tcp, Dir::ToServer, false), (b"helloworld".to_vec(), 0, false));
    // The receiver has what was lost here.
    n.send(Dir::ToClient, ACK, 5000, 1025, b"");
    let (bytes, gaps, _) = n.read(tcp, Dir::ToServer, false);
    assert_eq!((bytes.as_slice(), gaps), (&b"after"[..], 10));
    assert!(n.streams.session(tcp).unwrap().has_gap(Dir::ToServer));
    assert_eq!(n.read_raw(tcp, Dir::ToServer, false), b"helloworldafter");
}

#[test]
fn rst_and_injection() {
    let mut n = Net::new(StreamConfig::default());
    let tcp = n.handshake();
    let (_, out) = n.send(Dir::ToClient, RST | ACK, 9000, 1000, b"");
    assert!(out.has(outflag::REFUSED), "outside of what the policy takes");
    assert_eq!(n.state(tcp), TcpState::Established);
    n.send(Dir::ToServer, ACK, 1000, 5000, b"left");
    n.send(Dir::ToClient, RST | ACK, 5000, 1004, b"");
    assert_eq!(n.state(tcp), TcpState::Closed);
    assert_eq!(n.read(tcp, Dir::ToServer, false), (b"left".to_vec(), 0, true));
}

/// A RST that is signed where the connection is not closes the session only until its sender goes on.
#[test]
fn a_signed_rst_of_an_unsigned_connection() {
    let mut n = Net::new(StreamConfig::default());
    let tcp = n.handshake();
    n.send_as((Dir::ToServer, RST | ACK, 1000, 5000), b"", |p| p.tcp.signed = true);
    assert_eq!(n.state(tcp), TcpState::Closed);
    let (_, out) = n.send(Dir::ToServer, ACK, 1000, 5000, b"on");
    assert!(out.events.has(Ev::SuspectedRstInject as u8) && out.has(outflag::ADDED));
    assert_eq!(n.state(tcp), TcpState::Established);
    let (_, out) = n.send(Dir::ToServer, ACK, 1002, 5000, b"more");
    assert!(!out.events.has(Ev::SuspectedRstInject as u8));
    n.send(Dir::ToClient, ACK, 5000, 1006, b"");
    assert_eq!(n.read(tcp, Dir::ToServer, false).0, b"onmore");
    // A plain one is believed.
    n.send(Dir::ToServer, RST | ACK, 1006, 5000, b"");
    let (_, out) = n.send(Dir::ToServer, ACK, 1006, 5000, b"late");
    assert!(!out.events.has(Ev::SuspectedRstInject as u8) && !out.has(outflag::ADDED));
    // Where all of a connection is signed, so is its RST.
    let mut n = Net::new(StreamConfig::default());
    for (dir, flags, seq, ack) in [
        (Dir::ToServer, SYN, 999, 0),
        (Dir::ToClient, SYN | ACK, 4999, 1000),
        (Dir::ToServer, ACK, 1000, 5000),
        (Dir::ToServer, RST | ACK, 1000, 5000),
    ] {
        n.send_as((dir, flags, seq, ack), b"", |p| p.tcp.signed = true);
    }
    let (_, out) = n.send_as((Dir::ToServer, ACK, 1000, 5000), b"late", |p| p.tcp.signed = true);
    assert!(!out.events.has(Ev::SuspectedRstInject as u8) && !out.has(outflag::ADDED));
}

/// An answer with a timestamp to a SYN without one is an answer; the timestamps mean nothing.
#[test]
fn timestamps_that_nobody_asked_for() {
    let mut n = Net::new(StreamConfig::default());
    n.send(Dir::ToServer, SYN, 999, 0, b"");
    let stamp = |v, e| move |p: &mut Packet<'_>| p.tcp.timestamp = Some((v, e));
    let (_, out) = n.send_as((Dir::ToClient, SYN | ACK, 4999, 1000), b"", stamp(1000, 9000));
    assert!(out.events.is_empty());
    n.send_as((Dir::ToServer, ACK, 1000, 5000), b"", stamp(9000, 1001));
    let (ix, _) = n.send_as((Dir::ToServer, ACK, 1000, 5000), b"data", stamp(1, 1));
    let tcp = n.flows.hot(ix).tcp;
    assert_eq!((n.state(tcp), n.read(tcp, Dir::ToServer, true).0), (TcpState::Established, b"data".to_vec()));
}

/// One tick back is let pass where that is set, two are not; where it is not set, neither is by a system that is strict.
#[test]
fn timestamps_a_little_older() {
    for (liberal, back, refused) in [(true, 1, false), (true, 2, true), (false, 1, true), (false, 0, false)] {
        let mut n = Net::new(StreamConfig { liberal_timestamps: liberal, ..StreamConfig::default() });
        let stamp = |v, e| move |p: &mut Packet<'_>| p.tcp.timestamp = Some((v, e));
        n.send_as((Dir::ToServer, SYN, 999, 0), b"", stamp(100, 0));
        n.send_as((Dir::ToClient, SYN | ACK, 4999, 1000), b"", stamp(500, 100));
        n.send_as((Dir::ToServer, ACK, 1000, 5000), b"", stamp(101, 500));
        let (_, out) = n.send_as((Dir::ToServer, ACK, 1000, 5000), b"more", stamp(101 - back, 500));
        let told: Vec<_> = out.events.iter().map(events::name).collect();
        assert_eq!(told.contains(&"pkt_invalid_timestamp"), refused, "{liberal} {back} {told:?}");
    }
}

#[test]
fn without_a_beginning() {
    let mut n = Net::new(StreamConfig::default());
    let (ix, out) = n.send(Dir::ToServer, ACK, 1000, 5000, b"data");
    assert!(out.has(outflag::NO_SESSION));
    assert_eq!(n.flows.hot(ix).tcp, u32::MAX);
    let (_, out) = n.send(Dir::ToServer, FIN | ACK, 1000, 5000, b"");
    assert_eq!(out.events.iter().map(events::name).collect::<Vec<_>>(), ["fin_but_no_session"]);

    let mut n = Net::new(StreamConfig { midstream: true, ..StreamConfig::default() });
    let (ix, out) = n.send(Dir::ToClient, SYN | ACK, 4999, 1000, b"");
    assert!(out.has(outflag::SWAPPED));
    assert_eq!(out.dir, Dir::ToClient);
    assert_eq!(n.flows.key(ix).src, CLIENT);
    let (ix2, out) = n.send(Dir::ToServer, ACK, 1000, 5000, b"x");
    assert_eq!((ix2, out.dir), (ix, Dir::ToServer));
    assert_eq!(n.state(n.flows.hot(ix).tcp), TcpState::Established);
}

#[test]
fn depth_and_flush() {
    let mut n = Net::new(StreamConfig { depth: 10, ..StreamConfig::default() });
    let tcp = n.handshake();
    n.send(Dir::ToServer, ACK, 1000, 5000, b"12345678");
    let (_, out) = n.send(Dir::ToServer, ACK, 1008, 5000, b"90abc");
    assert!(out.events.has(Ev::ReassemblyDepthReached as u8) && out.has(outflag::DEPTH));
    assert_eq!(n.read(tcp, Dir::ToServer, false).0, b"");
    assert_eq!(n.read(tcp, Dir::ToServer, true), (b"1234567890".to_vec(), 0, true));
    let mut n = Net::new(StreamConfig { inline: true, ..StreamConfig::default() });
    let tcp = n.handshake();
    let (_, out) = n.send(Dir::ToServer, ACK, 1000, 5000, b"at once");
    assert_eq!(out.update, Dir::ToServer.bit());
    assert_eq!(n.read(tcp, Dir::ToServer, false).0, b"at once");
}

#[test]
fn urgent_bytes() {
    for (policy, want) in [(UrgentPolicy::Oob, &b"HELLO"[..]), (UrgentPolicy::Inline, b"HEXLLO")] {
        let mut n = Net::new(StreamConfig { urgent: policy, ..StreamConfig::default() });
        let tcp = n.handshake();
        n.send(Dir::ToServer, ACK, 1000, 5000, b"HE");
        n.send_urg(Dir::ToServer, ACK | URG, 1002, 5000, b"X", 1);
        n.send(Dir::ToServer, ACK, 1003, 5000, b"LLO");
        n.send(Dir::ToClient, ACK, 5000, 1006, b"");
        assert_eq!(n.read(tcp, Dir::ToServer, false).0, want, "{policy:?}");
    }
}

#[test]
fn keep_alives_change_nothing() {
    let mut n = Net::new(StreamConfig::default());
    let tcp = n.handshake();
    n.send(Dir::ToServer, ACK, 1000, 5000, b"abc");
    n.send(Dir::ToClient, ACK, 5000, 1003, b"");
    let (_, out) = n.send(Dir::ToServer, ACK, 1002, 5000, b"\0");
    assert!(out.has(outflag::KEEP_ALIVE) && out.events.is_empty());
    n.send(Dir::ToClient, ACK, 5000, 1003, b"");
    assert_eq!(n.read(tcp, Dir::ToServer, false).0, b"abc");
}

#[test]
fn policies_decide_overlaps() {
    // Novak and Sturges' cases: what stands first, what comes second, and which letter stays in the overlap.
    let r = |start, end| Range { start, end };
    let cases = [
        // new before old, ending within / with / beyond it
        (r(0, 4), r(2, 6)),
        (r(0, 6), r(2, 6)),
        (r(0, 8), r(2, 6)),
        // same start, shorter / equal / longer
        (r(2, 4), r(2, 6)),
        (r(2, 6), r(2, 6)),
        (r(2, 8), r(2, 6)),
        // new after old, within / with its end / beyond
        (r(3, 5), r(2, 6)),
        (r(3, 6), r(2, 6)),
        (r(3, 8), r(2, 6)),
    ];
    let table = [
        (OsPolicy::First, "ooooooooo"),
        (OsPolicy::Last, "nnnnnnnnn"),
        (OsPolicy::Bsd, "nnnoooooo"),
        (OsPolicy::Windows, "nnnoooooo"),
        (OsPolicy::Vista, "ooooooooo"),
        (OsPolicy::Linux, "nnnoonooo"),
        (OsPolicy::OldLinux, "nnnonnooo"),
        (OsPolicy::Solaris, "onnonnoon"),
        (OsPolicy::Hpux11, "onnonnoon"),
    ];
    for (policy, want) in table {
        let got: String =
            cases.iter().map(|&(new, old)| if new_wins(policy, new, old) { 'n' } else { 'o' }).collect();
        assert_eq!(got, want, "{policy:?}");
    }
}

#[test]
fn overlap_in_a_session() {
    for (policy, want) in [(OsPolicy::Bsd, &b"AAAAAABB"[..]), (OsPolicy::Vista, b"AAAABBBB")] {
        let host_os = vec![(Addr::v4([0; 4]), false, 0, policy)];
        let mut n = Net::new(StreamConfig { host_os, ..StreamConfig::default() });
        let tcp = n.handshake();
        n.send(Dir::ToServer, ACK, 1004, 5000, b"BBBB");
        n.send(Dir::ToServer, ACK, 1000, 5000, b"AAAAAA");
        n.send(Dir::ToClient, ACK, 5000, 1008, b"");
        assert_eq!(n.read(tcp, Dir::ToServer, false).0, want, "{policy:?}");
    }
}

fn limits(policy: OsPolicy) -> Limits {
    Limits { window: 1 << 20, blocks: 64, policy, keep_old: false, compare: false }
}

const POLICIES: [OsPolicy; 7] = [
    OsPolicy::First,
    OsPolicy::Last,
    OsPolicy::Bsd,
    OsPolicy::Linux,
    OsPolicy::OldLinux,
    OsPolicy::Solaris,
    OsPolicy::Vista,
];

proptest! {
    /// Any cut, order and repetition of a stream gives the stream.
    #[test]
    fn any_segmentation_gives_the_bytes(
        text in proptest::collection::vec(any::<u8>(), 1..400),
        cuts in proptest::collection::vec((0usize..400, 1usize..60), 0..60),
        order in any::<u64>(),
        isn in any::<u32>(),
    ) {
        let mut n = Net::new(StreamConfig::default());
        n.send(Dir::ToServer, SYN, isn, 0, b"");
        let one = isn.wrapping_add(1);
        n.send(Dir::ToClient, SYN | ACK, 4999, one, b"");
        let (ix, _) = n.send(Dir::ToServer, ACK, one, 5000, b"");
        let tcp = n.flows.hot(ix).tcp;
        let mut segs: Vec<(usize, usize)> = cuts.iter().map(|&(a, l)| (a % text.len(), l)).collect();
        segs.extend((0..text.len()).step_by(37).map(|a| (a, 37)));
        // A cheap shuffle: sort by a keyed hash.
        segs.sort_by_key(|&(a, l)| (a as u64 ^ order).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(l as u32 & 31));
        let mut got = Vec::new();
        for (i, &(a, l)) in segs.iter().enumerate() {
            let end = (a + l).min(text.len());
            n.send(Dir::ToServer, ACK, one.wrapping_add(a as u32), 5000, &text[a..end]);
            if i % 3 == 0 {
                let (b, gaps, _) = n.read(tcp, Dir::ToServer, false);
                prop_assert_eq!(gaps, 0);
                got.extend(b);
            }
        }
        n.send(Dir::ToClient, ACK, 5000, one.wrapping_add(text.len() as u32), b"");
        let (b, gaps, _) = n.read(tcp, Dir::ToServer, false);
        prop_assert_eq!(gaps, 0);
        got.extend(b);
        prop_assert_eq!(&got, &text);
        prop_assert_eq!(n.read_raw(tcp, Dir::ToServer, false), text);
        n.end(ix);
        prop_assert_eq!(n.pool.in_use(), 0);
    }

    /// The buffer against a byte map with a list of whole segments, under every policy.
    #[test]
    fn buffer_equals_the_naive_one(
        segs in proptest::collection::vec((0u64..60, 1usize..20), 1..25),
        policy in 0usize..POLICIES.len(),
    ) {
        let policy = POLICIES[policy];
        let mut pool = BytePool::new(1 << 20);
        let mut r = Reassembly::default();
        let mut naive: Vec<Option<u8>> = vec![None; 100];
        let mut seen: Vec<Range> = Vec::new();
        for (i, &(at, len)) in segs.iter().enumerate() {
            let data: Vec<u8> = (0..len).map(|k| (i * 31 + k) as u8).collect();
            r.add(&mut pool, at, &data, 0, &limits(policy)).unwrap();
            let new = Range { start: at, end: at + len as u64 };
            for (k, &b) in data.iter().enumerate() {
                let pos = at + k as u64;
                let kept = seen.iter().any(|o| o.start <= pos && pos < o.end && !new_wins(policy, new, *o));
                if !kept {
                    naive[pos as usize] = Some(b);
                }
            }
            seen.push(new);
        }
        let mut off = 0;
        let mut got: Vec<Option<u8>> = vec![None; 100];
        while let Some(b) = r.block(&pool, off) {
            for (k, &byte) in r.slice(&pool, b).iter().enumerate() {
                got[b.start as usize + k] = Some(byte);
            }
            off = b.end;
        }
        prop_assert_eq!(got, naive);
        r.free(&mut pool);
        prop_assert_eq!(pool.in_use(), 0);
    }

    /// Packets that mean nothing together: no panic, and everything is given back.
    #[test]
    fn never_panics(
        packets in proptest::collection::vec(
            (any::<bool>(), any::<u8>(), 0u32..80, 0u32..80, 0usize..40, any::<u8>()), 1..60),
        midstream in any::<bool>(),
        inline in any::<bool>(),
        oneside in any::<bool>(),
        base in any::<u32>(),
    ) {
        let mut n = Net::new(StreamConfig { midstream, inline, async_oneside: oneside, depth: 64, ..StreamConfig::default() });
        let data = [7u8; 40];
        for (server, flags, seq, ack, len, how) in packets {
            let dir = if server { Dir::ToClient } else { Dir::ToServer };
            let (ix, out) =
                n.send_urg(dir, flags, base.wrapping_add(seq), base.wrapping_add(ack), &data[..len], u16::from(how));
            let tcp = n.flows.hot(ix).tcp;
            match how % 5 {
                0 => { n.read(tcp, out.dir, how > 250); }
                1 => { n.read_raw(tcp, out.dir, how > 250); }
                2 if how > 200 => n.streams.app_disable(tcp, out.dir, &mut n.pool),
                3 if how > 200 => n.streams.raw_skip(tcp, out.dir, &mut n.pool),
                _ => {}
            }
        }
        while let Some(ix) = n.flows.next_live(0) {
            let tcp = n.flows.hot(ix).tcp;
            n.read(tcp, Dir::ToServer, true);
            n.read_raw(tcp, Dir::ToClient, true);
            n.end(ix);
        }
        prop_assert_eq!(n.pool.in_use(), 0);
    }
}
