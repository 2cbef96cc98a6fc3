use super::*;
use crate::app::bench::Bench;
use alloc::string::String;
use alloc::vec::Vec;
use proptest::prelude::*;

const TS: Dir = Dir::ToServer;
const TC: Dir = Dir::ToClient;

fn pdu(kind: u8, flags: u8, header: u8, data_at: u8, rest: &[u8]) -> Vec<u8> {
    let len = (8 + rest.len()) as u32;
    [&[kind, flags, header, data_at][..], &len.to_le_bytes(), rest].concat()
}

fn opening() -> (Vec<u8>, Vec<u8>) {
    let mut rest = [0; 120];
    let req = pdu(0, 0, 128, 0, &rest);
    rest[3] = 3;
    rest[6] = 2;
    (req, pdu(1, 0, 128, 0, &rest))
}

/// A command capsule: (opcode, number, namespace or fabrics type, double words 10 and 11, 12), with data.
fn command(opcode: u8, id: u16, nsid: u32, cdw10: u64, cdw12: u32, data: &[u8]) -> Vec<u8> {
    let mut e = [0; 64];
    e[0] = opcode;
    e[2..4].copy_from_slice(&id.to_le_bytes());
    e[4..8].copy_from_slice(&nsid.to_le_bytes());
    e[40..48].copy_from_slice(&cdw10.to_le_bytes());
    e[48..52].copy_from_slice(&cdw12.to_le_bytes());
    pdu(4, 0, 72, if data.is_empty() { 0 } else { 72 }, &[&e[..], data].concat())
}

fn connect(id: u16, queue: u16) -> Vec<u8> {
    let mut data = [0; 1024];
    data[16..18].copy_from_slice(&[0xff, 0xff]);
    data[256..270].copy_from_slice(b"nqn.2014-08.su");
    data[512..527].copy_from_slice(b"nqn.2014-08.hst");
    command(0x7f, id, 1, u64::from(queue) << 16, 0, &data)
}

fn response(id: u16, status: u16, result: u32) -> Vec<u8> {
    let mut e = [0; 16];
    e[..4].copy_from_slice(&result.to_le_bytes());
    e[12..14].copy_from_slice(&id.to_le_bytes());
    e[14..].copy_from_slice(&(status << 1).to_le_bytes());
    pdu(5, 0, 24, 0, &e)
}

fn data(kind: u8, flags: u8, id: u16, bytes: &[u8]) -> Vec<u8> {
    let mut h = [0; 16];
    h[..2].copy_from_slice(&id.to_le_bytes());
    h[8..12].copy_from_slice(&(bytes.len() as u32).to_le_bytes());
    pdu(kind, flags, 24, 24, &[&h[..], bytes].concat())
}

fn int(b: &Bench, id: u64, name: &str, dir: Dir) -> Option<u64> {
    b.parser.int(b.st, b.tx(id), IntAt { local: int_at(INTS, name), dir, index: 0, pool: &b.pool })
}

fn text(b: &mut Bench, name: &str) -> Vec<(u64, String)> {
    let all = b.values(buffer_at(BUFFERS, name), TS);
    all.into_iter().map(|(i, v)| (i, String::from_utf8(v).unwrap())).collect()
}

/// A connection with its queue connected: transaction 0 is the connection, 1 the connect.
fn open(queue: u16) -> Bench {
    let mut b = Bench::new(&NVME);
    let (req, resp) = opening();
    b.feed(TS, &req);
    b.feed(TC, &resp);
    b.feed(TS, &connect(1, queue));
    b.feed(TC, &response(1, 0, 1));
    b
}

#[test]
fn connects_name_both_ends() {
    let mut b = open(0);
    assert_eq!(text(&mut b, "nvme.host_nqn"), [(1, "nqn.2014-08.hst".into())]);
    assert_eq!(text(&mut b, "nvme.subsystem_nqn"), [(1, "nqn.2014-08.su".into())]);
    assert_eq!((int(&b, 1, "nvme.fabrics", TS), int(&b, 1, "nvme.queue", TS)), (Some(1), Some(0)));
    b.feed(TS, &command(6, 2, 0, 1, 0, &[]));
    b.feed(TC, &[data(7, 4, 2, &[0; 4096]), response(2, 0, 0)].concat());
    assert_eq!(text(&mut b, "nvme.command"), [(1, "connect".into()), (2, "identify".into())]);
    assert_eq!((int(&b, 2, "nvme.status", TC), int(&b, 2, "nvme.data_length", TC)), (Some(0), Some(4096)));
    assert_eq!(b.parser.common(b.tx(2)).steps(), [1, 1]);
    b.close();
}

#[test]
fn reads_and_writes_have_ranges_and_statuses() {
    let mut b = open(3);
    b.feed(TS, &command(2, 2, 1, 0x1_0000_0002, 7, &[]));
    b.feed(TS, &command(1, 3, 1, 16, 1, &[0x57; 1024]));
    b.feed(TS, &command(1, 4, 1, 32, 1, &[]));
    b.feed(TC, &pdu(9, 0, 24, 0, &[0; 16]));
    b.feed(TS, &data(6, 4, 4, &[1; 512]));
    // Read by data with success and no completion; the last write is refused.
    b.feed(
        TC,
        &[data(7, 0, 2, &[0; 2048]), data(7, 0xc, 2, &[0; 2048]), response(4, 0x80, 0), response(3, 0, 0)]
            .concat(),
    );
    assert_eq!((int(&b, 2, "nvme.lba", TS), int(&b, 2, "nvme.blocks", TS)), (Some(0x1_0000_0002), Some(8)));
    assert_eq!([2, 3, 4].map(|i| int(&b, i, "nvme.data_length", TC)), [4096, 1024, 512].map(Some));
    assert_eq!([2, 3, 4].map(|i| int(&b, i, "nvme.status", TC)), [0, 0, 0x80].map(Some));
    assert_eq!(b.events(0), 0);
    b.close();
}

/// A storm of reads has a bounded number of records; what is out of the ordinary still has one.
#[test]
fn records_are_rationed() {
    let mut b = open(1);
    let st = b.st;
    let mut recorded = [0, 0];
    for i in 0..1000u16 {
        let id = 10 + i;
        b.feed(TS, &command(2, id, 1, 0, 0, &[]));
        let status = if i % 100 == 99 { 0x80 } else { 0 };
        b.feed(TC, &response(id, status, 0));
        let tx = b.tx(2 + u64::from(i));
        recorded[usize::from(status > 0)] += usize::from(b.parser.log_due(tx) != 0);
        b.with(|p, cx| p.free_tx(st, tx, cx));
    }
    assert_eq!(recorded[1], 10);
    assert!((100..200).contains(&recorded[0]), "{recorded:?}");
    b.close();
}

#[test]
fn what_is_wrong_is_told_and_the_rest_is_read() {
    let mut b = open(1);
    b.feed(TC, &response(77, 0, 0));
    assert_eq!(b.events(0), 1 << EV_UNASKED);
    b.feed(TS, &command(2, 5, 1, 0, 0, &[]));
    b.feed(TS, &command(2, 5, 1, 0, 0, &[]));
    assert!(b.events(0) & 1 << EV_REUSED != 0);
    assert_eq!(b.parser.common(b.tx(2)).steps(), [1, 1]);
    // Bytes that are no PDU, and one behind them.
    b.feed(TS, &[&[0xff; 33][..], &command(2, 6, 1, 0, 0, &[])].concat());
    assert!(b.events(0) & 1 << EV_PDU != 0);
    assert_eq!(int(&b, 4, "nvme.opcode", TS), Some(2));
    // A hole inside data is bridged, another one is passed over.
    let w = command(1, 7, 1, 0, 1, &[0x57; 1024]);
    b.feed(TS, &w[..100]);
    b.give(Input { dir: TS, data: &w[300..], gap: 200, eof: false, datagram: false });
    assert_eq!(b.events(0) & 1 << EV_GAP, 0);
    b.give(Input {
        dir: TS,
        data: &[&w[500..], &command(0, 8, 1, 0, 0, &[])].concat(),
        gap: 20,
        eof: false,
        datagram: false,
    });
    assert!(b.events(0) & 1 << EV_GAP != 0);
    assert_eq!(int(&b, 6, "nvme.opcode", TS), Some(0));
    b.feed(TC, &pdu(3, 0, 24, 0, &[2; 16]));
    assert!(b.events(0) & 1 << EV_TERM != 0);
    b.close();
}

/// With digests of headers and data (flags 1 and 2), which lie between and behind.
#[test]
fn digests_are_no_data() {
    let mut b = open(1);
    let c = command(1, 2, 1, 4, 1, &[]);
    let len = 72 + 4 + 1024 + 4;
    let head = [&[4, 3, 72, 76][..], &(len as u32).to_le_bytes(), &c[8..]].concat();
    b.feed(TS, &[&head[..], &[0xd1; 4], &[0x57; 1024], &[0xd2; 4]].concat());
    let r = response(2, 0, 0);
    let head = [&[5, 1, 24, 0][..], &28u32.to_le_bytes(), &r[8..], &[0xd3; 4]].concat();
    b.feed(TC, &head);
    b.feed(TS, &command(0, 3, 1, 0, 0, &[]));
    assert_eq!((int(&b, 2, "nvme.data_length", TC), int(&b, 2, "nvme.status", TC)), (Some(1024), Some(0)));
    assert_eq!((int(&b, 3, "nvme.opcode", TS), b.events(0)), (Some(0), 0));
    b.close();
}

/// A direction that is not looked at any further is no reason for events, nor do its commands wait.
#[test]
fn one_direction_ends_before_the_other() {
    let mut b = open(1);
    b.give(Input { dir: TS, data: &[], gap: 0, eof: true, datagram: false });
    b.feed(TC, &response(9, 0, 0));
    assert_eq!(b.events(0), 0);
    b.close();
    let mut b = open(1);
    b.give(Input { dir: TC, data: &[], gap: 0, eof: true, datagram: false });
    b.feed(TS, &command(2, 2, 1, 0, 0, &[]));
    assert_eq!(b.parser.common(b.tx(2)).steps(), [1, 1]);
    b.close();
}

#[test]
fn recognised_by_its_first_pdu() {
    use crate::app::recognise::{Progress, Recogniser};
    let r = Recogniser::new(&AppConfig::default());
    let look = |bytes: &[u8], dir| {
        let found = r.look(
            OVER_TCP,
            bytes,
            dir,
            [40000, 12345],
            crate::app::AppProto::UNKNOWN,
            &mut Progress::default(),
        );
        found.map(|f| f.proto.name())
    };
    let (req, resp) = opening();
    assert_eq!((look(&req, TS), look(&resp, TC)), (Some("nvme"), Some("nvme")));
    assert_eq!((look(&req[..8], TS), look(&resp, TS)), (None, None));
}

fn talk() -> (Vec<u8>, Vec<u8>) {
    let (req, resp) = opening();
    let client = [
        req,
        connect(1, 1),
        command(2, 2, 1, 9, 7, &[]),
        command(1, 3, 1, 9, 7, &[7; 3000]),
        data(6, 4, 3, &[8; 500]),
        command(0, 4, 1, 0, 0, &[]),
    ];
    let server = [
        resp,
        response(1, 0, 1),
        data(7, 0, 2, &[3; 900]),
        response(2, 0x281, 0),
        response(3, 0, 0),
        response(9, 0, 0),
    ];
    (client.concat(), server.concat())
}

type All = (Vec<(u64, Vec<u8>)>, Vec<Option<u64>>);

fn seen(b: &mut Bench) -> All {
    let ids: Vec<u64> = b.live().into_iter().map(|t| b.parser.common(t).id).collect();
    let ints = ids.iter().flat_map(|i| INTS.iter().map(|d| int(b, *i, d.name, TC))).collect();
    (b.everything(&NVME), ints)
}

proptest! {
    #[test]
    fn any_cut_gives_the_same(cuts in proptest::collection::vec(1usize..90, 1..8)) {
        let (c, s) = talk();
        let mut whole = Bench::new(&NVME);
        whole.feed(TS, &c);
        whole.feed(TC, &s);
        let mut cut = Bench::new(&NVME);
        prop_assert_eq!(cut.feed_cut(TS, &c, &cuts), 0);
        prop_assert_eq!(cut.feed_cut(TC, &s, &cuts), 0);
        prop_assert_eq!(seen(&mut cut), seen(&mut whole));
        cut.close();
        whole.close();
    }

    #[test]
    fn never_panics(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..6),
        gap in 0u32..20,
    ) {
        let mut b = Bench::new(&NVME);
        let (mut c, s) = talk();
        for (i, v) in changes {
            let n = i.index(c.len());
            c[n] = v;
        }
        let half = c.len() / 2;
        b.feed(TS, &c[..half]);
        b.give(Input { dir: TS, data: &c[half..], gap, eof: false, datagram: false });
        b.feed(TC, &s);
        b.feed(TC, &bytes);
        seen(&mut b);
        b.close();
    }
}
