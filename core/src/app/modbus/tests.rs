//! Messages made by hand.

use super::*;
use crate::app::bench::Bench;
use crate::app::shown;
use alloc::vec::Vec;
use proptest::prelude::*;

fn message(id: u8, function: u8, data: &[u8]) -> Vec<u8> {
    let mut m = alloc::vec![0, id, 0, 0, 0, data.len() as u8 + 2, 10, function];
    m.extend(data);
    m
}

fn conversation() -> [Vec<u8>; 2] {
    [
        [
            message(1, 1, &[0, 0, 0, 9]),
            message(2, 16, &[0, 5, 0, 2, 4, 0, 7, 1, 0]),
            message(3, 8, &[0, 4, 0, 0]),
            message(4, 43, &[14, 1, 0]),
        ]
        .concat(),
        [
            message(1, 1, &[2, 0xff, 1]),
            message(2, 16, &[0, 5, 0, 2]),
            message(4, 43, &[14, 1, 1]),
            message(3, 0x88, &[1]),
        ]
        .concat(),
    ]
}

#[test]
fn messages_are_told() {
    let [client, server] = conversation();
    let mut b = Bench::new(&MODBUS);
    b.feed(Dir::ToServer, &client);
    b.feed(Dir::ToClient, &server);
    let all = shown::records(&b, &MODBUS);
    let head = "transaction_id=1 protocol_id=0 unit_id=10 function_raw=1 function_code=RdCoils access_type=READ | COILS \
                category=PUBLIC_ASSIGNED error_flags=NONE ";
    assert_eq!(
        all[0],
        alloc::format!(
            "id=1 request{{ {head}read{{ address=0 quantity=9 }} }} response{{ {head}read{{ data=ff01 }} }} "
        )
    );
    assert!(all[1].contains("write{ address=5 quantity=2 data=00070100 } "), "{}", all[1]);
    assert!(all[2].contains("diagnostic{ raw=4 code=ForceListenOnlyMode data=0000 } "), "{}", all[2]);
    assert!(all[2].contains("exception{ raw=1 code=IllegalFunction } "), "{}", all[2]);
    assert!(all[3].contains("mei{ raw=14 code=RdDevId data="), "{}", all[3]);
    assert!(b.live().iter().all(|t| b.parser.common(*t).both_reached(1) && b.parser.common(*t).events == 0));
    let get = |id, local, index| {
        b.parser.int(b.st, b.tx(id), IntAt { local, dir: Dir::ToServer, index, pool: &b.pool })
    };
    assert_eq!((get(0, I_UNIT, 0), get(0, I_FIRST, 0), get(0, I_LAST, 0)), (Some(10), Some(1), Some(9)));
    assert_eq!((get(1, 7, 0), get(1, 7, 1), get(1, 7, 2)), (Some(6 << 16 | 7), Some(7 << 16 | 256), None));
    assert_eq!((get(2, I_SUB, 0), get(2, I_CATEGORY, 0)), (Some(4), Some(2)));
    b.close();
}

#[test]
fn events() {
    let all = |client: &[u8], server: &[u8]| {
        let cfg = AppConfig { max_states: 4, max_txs: 1000, ..AppConfig::default() };
        let mut b = Bench::of(MODBUS.parser.unwrap()(&cfg), cfg);
        b.feed(Dir::ToServer, client);
        b.feed(Dir::ToClient, server);
        let e = b.live().iter().fold(0, |e, t| e | b.parser.common(*t).events);
        b.close();
        e
    };
    let ask = message(1, 1, &[0, 0, 0, 9]);
    assert_eq!(all(&[], &message(1, 1, &[1, 0])), 1 << EV_UNASKED);
    assert_eq!(all(&ask, &message(1, 1, &[1, 0])), 1 << EV_MISMATCH);
    assert_eq!(all(&ask, &message(1, 0x81, &[99])), 1 << EV_EXCEPTION);
    assert_eq!(all(&message(1, 1, &[0, 0, 0, 0]), &[]), 1 << EV_VALUE);
    assert_eq!(all(&message(1, 1, &[0, 0, 0, 1, 1]), &[]), 1 << EV_LENGTH);
    assert_eq!(all(&[0, 1, 0, 0, 1, 0], &[]), 1 << EV_LENGTH);
    assert_eq!(all(&message(1, 0, &[]), &[]), 1 << EV_FUNCTION);
    assert_eq!(all(&[0, 1, 0, 1, 0, 6, 1, 1, 0, 0, 0, 1], &[]), 1 << EV_PROTOCOL);
    let many: Vec<u8> = (0..501).flat_map(|i| message(i as u8, 1, &[0, 0, 0, 1])).collect();
    assert_eq!(all(&many, &[]), 1 << EV_FLOODED);
}

proptest! {
    #[test]
    fn cuts_do_not_matter(cuts in proptest::collection::vec(1usize..20, 1..6), at in 0usize..50, byte: u8) {
        let whole = [usize::MAX >> 1];
        let [mut client, server] = conversation();
        let seen = |client: &[u8], cuts: &[usize]| {
            let mut b = Bench::new(&MODBUS);
            b.feed_cut(Dir::ToServer, client, cuts);
            b.feed_cut(Dir::ToClient, &server, cuts);
            let all = shown::records(&b, &MODBUS);
            let events: Vec<_> = b.live().iter().map(|t| b.parser.common(*t).events).collect();
            b.close();
            (all, events)
        };
        prop_assert_eq!(seen(&client, &cuts), seen(&client, &whole));
        let n = client.len();
        client[at % n] = byte;
        prop_assert_eq!(seen(&client, &cuts), seen(&client, &whole));
    }
}
