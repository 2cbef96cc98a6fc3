//! Frames made by hand.

use super::*;
use crate::app::bench::Bench;
use crate::app::shown;
use alloc::vec::Vec;
use proptest::prelude::*;

fn with_crc(b: &[u8]) -> Vec<u8> {
    [b, &link::crc(b).to_le_bytes()].concat()
}

fn frame(control: u8, data: &[u8]) -> Vec<u8> {
    let mut f = with_crc(&[0x05, 0x64, data.len() as u8 + 5, control, 2, 0, 3, 0]);
    data.chunks(16).for_each(|c| f.extend(with_crc(c)));
    f
}

/// A request in two segments, and its answer.
fn conversation() -> [Vec<u8>; 2] {
    let request = b"\xc4\x02\x50\x01\x00\x07\x07\x00\x32\x01\x07\x01\x01\x00\x00\x00\x00\x00";
    let client = [
        frame(0xc4, &[&b"\x40"[..], &request[..10]].concat()),
        frame(0xc4, &[&b"\x81"[..], &request[10..]].concat()),
    ];
    let answer = b"\xc0\xc4\x81\x80\x02\x1e\x05\x28\x01\x00\x09\x00\x01\x00\x00\xc0\x3f\x0c\x01\x17\x01\x05\x41\x01\x64\x00\x00\x00\x64\x00\x00\x00\x00";
    [client.concat(), frame(0x44, answer)]
}

#[test]
fn messages_are_told() {
    let [client, server] = conversation();
    let mut b = Bench::new(&DNP3);
    b.feed(Dir::ToServer, &client);
    b.feed(Dir::ToClient, &server);
    let object = "range_code=0 start=7 stop=7 count=1";
    assert_eq!(
        shown::record_of(&b, &DNP3, 0, Dir::ToServer),
        alloc::format!(
            "type=request control{{ dir=true pri=true fcb=false fcv=false function_code=4 }} src=3 dst=2 \
             application{{ control{{ fir=true fin=true con=false uns=false sequence=4 }} function_code=2 \
             objects[ {{ group=80 variation=1 qualifier=0 prefix_code=0 {object} points[ {{ prefix=0 index=7 \
             state=0 }} ] }} {{ group=50 variation=1 qualifier=7 prefix_code=0 range_code=7 start=0 stop=0 count=1 \
             points[ {{ prefix=0 index=0 timestamp=1 }} ] }} ] complete=true }} "
        )
    );
    let told = shown::record_of(&b, &DNP3, 1, Dir::ToServer);
    assert!(told.contains("points[ { prefix=9 index=9 online=1 restart=0 "), "{told}");
    assert!(told.contains("value=1.5 } ] }"), "{told}");
    assert!(
        told.contains("{ prefix=5 index=5 op_type=1 qu=0 cr=0 tcc=1 count=1 ontime=100 offtime=100 "),
        "{told}"
    );
    assert!(told.ends_with("iin{ indicators[ device_restart object_unknown ] } "), "{told}");
    let get =
        |id, local, index, dir| b.parser.int(b.st, b.tx(id), IntAt { local, dir, index, pool: &b.pool });
    assert_eq!((get(0, I_FUNCTION, 0, Dir::ToServer), get(0, I_FUNCTION, 0, Dir::ToClient)), (Some(2), None));
    assert_eq!(get(1, I_INDICATORS, 0, Dir::ToClient), Some(0x8002));
    let objects: Vec<_> = (0..3).map(|i| get(1, 2, i, Dir::ToClient)).collect();
    assert_eq!(objects, [Some(30 << 8 | 5), Some(12 << 8 | 1), None]);
    assert_eq!(b.values(0, Dir::ToServer)[0].1[..4], [0xc4, 2, 0x50, 1]);
    b.close();
}

#[test]
fn events() {
    let all = |m: &[u8]| {
        let cfg = AppConfig { max_states: 4, max_txs: 1000, ..AppConfig::default() };
        let mut b = Bench::of(DNP3.parser.unwrap()(&cfg), cfg);
        b.feed(Dir::ToServer, m);
        let e = b.live().iter().fold(0, |e, t| e | b.parser.common(*t).events);
        b.close();
        e
    };
    let mut broken = frame(0xc4, b"\xc0\xc0\x01");
    broken[8] ^= 1;
    assert_eq!(all(&broken), 1 << EV_LINK);
    let mut broken = frame(0xc4, b"\xc0\xc0\x01");
    broken[11] ^= 1;
    assert_eq!(all(&broken), 1 << EV_TRANSPORT);
    assert_eq!(all(&frame(0xc4, b"")), 1 << EV_SMALL);
    assert_eq!(all(&frame(0xc4, b"\xc0\xc0\x02\xfa\x01\x07\x01\0")), 1 << EV_UNKNOWN);
    assert_eq!(all(&frame(0xc4, b"\xc0\xc0\x02\x01\x01\x01\0\0\xff\xff")), 1 << EV_POINTS);
    let long: Vec<u8> = (0..66)
        .flat_map(|i: u8| frame(0xc4, &[&[if i == 0 { 0x40 } else { i & 0x3f }][..], &[7; 249]].concat()))
        .collect();
    assert_eq!(all(&long), 1 << EV_LONG);
    let mut many: Vec<u8> = alloc::vec![0xc0, 1];
    (0..2100).for_each(|_| many.extend([60, 2, 6]));
    let last = many.chunks(240).count() - 1;
    let many: Vec<u8> = many
        .chunks(240)
        .enumerate()
        .flat_map(|(i, c)| {
            let bits = u8::from(i == 0) << 6 | u8::from(i == last) << 7;
            frame(0xc4, &[&[bits | i as u8 & 0x3f][..], c].concat())
        })
        .collect();
    assert_eq!(all(&many), 1 << EV_OBJECTS);
    let flood: Vec<u8> = (0..502).flat_map(|_| frame(0xc4, b"\xc0\xc0\x01")).collect();
    assert_eq!(all(&flood), 1 << EV_FLOODED);
}

proptest! {
    #[test]
    fn cuts_do_not_matter(cuts in proptest::collection::vec(1usize..30, 1..6), at in 0usize..60, byte: u8) {
        let whole = [usize::MAX >> 1];
        let [mut client, server] = conversation();
        client.extend(b"\x05zz");
        client.extend(conversation()[0].clone());
        let seen = |client: &[u8], cuts: &[usize]| {
            let mut b = Bench::new(&DNP3);
            b.feed_cut(Dir::ToServer, client, cuts);
            b.feed_cut(Dir::ToClient, &server, cuts);
            let all = (b.everything(&DNP3), shown::records(&b, &DNP3));
            b.close();
            all
        };
        prop_assert_eq!(seen(&client, &cuts), seen(&client, &whole));
        let n = client.len();
        client[at % n] = byte;
        prop_assert_eq!(seen(&client, &cuts), seen(&client, &whole));
    }

    #[test]
    fn no_objects_panic(b in proptest::collection::vec(any::<u8>(), 0..80), read: bool) {
        let _any = objects::walk(&b, read, &mut Kinds(&mut Scratch::new(100)));
        for l in layout::LAYOUTS {
            let _any = objects::fields(l, &b, |_| {});
        }
    }
}
