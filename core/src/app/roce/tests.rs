use super::*;
use crate::app::bench::Bench;
use alloc::vec::Vec;
use proptest::prelude::*;

const TS: Dir = Dir::ToServer;

/// A packet: operation, queue pair, sequence number, what follows the base header; the CRC is not computed.
fn packet(opcode: u8, qp: u32, psn: u32, rest: &[u8]) -> Vec<u8> {
    let (q, p) = (qp.to_be_bytes(), psn.to_be_bytes());
    let bth = [opcode, 0x40, 0xff, 0xff, 0, q[1], q[2], q[3], 0x80, p[1], p[2], p[3]];
    [&bth[..], rest, &[0; 4]].concat()
}

fn reth(address: u64, key: u32, len: u32) -> Vec<u8> {
    [&address.to_be_bytes()[..], &key.to_be_bytes(), &len.to_be_bytes()].concat()
}

fn int(b: &Bench, id: u64, name: &str) -> Option<u64> {
    b.parser.int(b.st, b.tx(id), IntAt { local: int_at(INTS, name), dir: TS, index: 0, pool: &b.pool })
}

fn totals(b: &mut Bench) -> (u64, u64, u64) {
    // By the record, as outputs see them.
    struct Out(Vec<(alloc::string::String, u64)>);
    impl Fields for Out {
        fn value(&mut self, key: &str, value: crate::event::Value<'_>) {
            if let crate::event::Value::U64(v) = value {
                self.0.push((key.into(), v));
            }
        }
        fn open(&mut self, _: &str, _: crate::event::Nest) {}
        fn close(&mut self, _: crate::event::Nest) {}
    }
    let mut out = Out(Vec::new());
    let view = TxView {
        before: crate::app::AppProto::UNKNOWN,
        proto: crate::app::AppProto::by_name("roce").unwrap(),
        parser: &*b.parser,
        state: b.st,
        tx: b.tx(0),
        pool: &b.pool,
        files: &b.files,
    };
    b.parser.log(&view, TS, &mut out);
    let of = |n: &str| out.0.iter().find(|(k, _)| k == n).map_or(0, |(_, v)| *v);
    (of("packets"), of("remote_keys"), of("unrecorded"))
}

#[test]
fn requests_and_refusals() {
    let mut b = Bench::new(&ROCE);
    b.datagram(
        TS,
        &packet(0x06, 690, 900, &[reth(0x7f00_0000_0000, 0x12ab, 2048), alloc::vec![1; 1024]].concat()),
    );
    b.datagram(TS, &packet(0x08, 690, 901, &[1; 1024]));
    b.datagram(TS, &packet(0x0c, 690, 902, &reth(0x7f00_0000_1000, 0x12ac, 2048)));
    b.datagram(TS, &packet(0x14, 690, 904, &[reth(7, 0x12ab, 0), alloc::vec![0; 12]].concat()));
    b.datagram(TS, &packet(0x11, 417, 904, &[0x1f, 0, 0, 1]));
    b.datagram(TS, &packet(0x11, 417, 904, &[0x62, 0, 0, 2]));
    assert_eq!(b.live().len(), 5);
    assert_eq!(
        [1, 2, 3].map(|i| (int(&b, i, "roce.virtual_address"), int(&b, i, "roce.dma_length"))),
        [(Some(0x7f00_0000_0000), Some(2048)), (Some(0x7f00_0000_1000), Some(2048)), (Some(7), None)]
    );
    assert_eq!((int(&b, 4, "roce.nak"), int(&b, 4, "roce.syndrome")), (Some(2), Some(0x62)));
    let names: Vec<_> = b.values(0, TS).into_iter().map(|v| v.1).collect();
    assert_eq!(
        names,
        [&b"RC_RDMA_WRITE_FIRST"[..], b"RC_RDMA_READ_REQUEST", b"RC_FETCH_ADD", b"RC_ACKNOWLEDGE"]
    );
    assert_eq!(b.events(0), 1 << EV_ACCESS);
    assert_eq!(totals(&mut b), (6, 2, 0));
    b.close();
}

#[test]
fn numbers_out_of_order_are_told() {
    let mut b = Bench::new(&ROCE);
    b.datagram(TS, &packet(0x04, 690, 10, &[1; 64]));
    b.datagram(TS, &packet(0x04, 690, 11, &[1; 64]));
    assert_eq!(b.events(0), 0);
    b.datagram(TS, &packet(0x04, 690, 500, &[1; 64]));
    assert_eq!((int(&b, 3, "roce.psn_gap"), int(&b, 2, "roce.psn_gap")), (Some(488), Some(0)));
    assert_eq!(b.events(0), 1 << EV_GAP);
    b.close();
}

#[test]
fn a_storm_has_few_records() {
    let mut b = Bench::new(&ROCE);
    let st = b.st;
    let mut recorded = 0;
    for i in 0..1000 {
        b.datagram(TS, &packet(0x0a, 690, i, &reth(0, i, 4)));
        let tx = b.tx(1 + u64::from(i));
        recorded += usize::from(b.parser.log_due(tx) != 0);
        b.with(|p, cx| p.free_tx(st, tx, cx));
    }
    assert_eq!(recorded, 128);
    assert_eq!(totals(&mut b), (1000, 1000, 872));
    b.close();
}

#[test]
fn recognised_by_its_header() {
    let good = packet(0x0a, 1, 1, &reth(0, 1, 4));
    assert_eq!(probe_roce(&good, TS), Verdict::Yes);
    for (at, v) in [(0, 0xff), (1, 0x41), (4, 1), (8, 0x81)] {
        let mut bad = good.clone();
        bad[at] = v;
        assert_eq!(probe_roce(&bad, TS), Verdict::No, "{at}");
    }
    assert_eq!(probe_roce(&good[..15], TS), Verdict::No);
    let mut b = Bench::new(&ROCE);
    b.datagram(TS, &packet(0x0c, 1, 1, &[0; 3]));
    b.datagram(TS, b"short");
    assert_eq!(b.events(0), 1 << EV_MALFORMED);
    b.close();
}

proptest! {
    #[test]
    fn never_panics(packets in proptest::collection::vec((any::<u8>(), 0usize..80, any::<u8>()), 1..20)) {
        let mut b = Bench::new(&ROCE);
        for (op, len, fill) in packets {
            let p = packet(op, 5, u32::from(fill) * 7, &alloc::vec![fill; len]);
            b.datagram(TS, &p);
            b.datagram(Dir::ToClient, &p[..len.min(p.len())]);
        }
        b.everything(&ROCE);
        totals(&mut b);
        b.close();
    }
}
