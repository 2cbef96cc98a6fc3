use super::*;
use crate::app::bench::Bench;
use crate::app::shown::{cut_is_whole, events, ints, mutated, record, record_with, values};
use alloc::vec::Vec;
use proptest::prelude::*;

const TS: Dir = Dir::ToServer;
const TC: Dir = Dir::ToClient;

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut v = alloc::vec![first];
    let mut n = body.len();
    loop {
        v.push((n & 0x7f) as u8 | if n > 0x7f { 0x80 } else { 0 });
        n >>= 7;
        if n == 0 {
            break;
        }
    }
    v.extend(body);
    v
}

/// A CONNECT of version 4 with everything.
fn connect() -> Vec<u8> {
    packet(0x10, b"\0\x04MQTT\x04\xe6\0\x3c\0\x02id\0\x01w\0\x03bye\0\x04user\0\x04pass")
}

/// A CONNECT of version 5 with a number, a text and a pair of the user's.
fn connect5() -> Vec<u8> {
    packet(0x10, b"\0\x04MQTT\x05\x02\0\x3c\x10\x21\0\x14\x15\0\x03foo\x26\0\x01k\0\x01v\0\0")
}

#[test]
fn a_connection_with_its_answer() {
    let mut b = Bench::new(&MQTT);
    b.feed(TS, &connect());
    assert_eq!(b.parser.log_due(b.tx(0)), 0);
    b.feed(TC, &packet(0x20, b"\x01\x00"));
    assert_eq!(
        record(&b, &MQTT, 0),
        "connect{ qos=0 retain=false dup=false protocol_string=MQTT protocol_version=4 flags{ username=true password=true \
         will_retain=true will=true clean_session=true } client_id=id username=user password=pass will{ topic=w message=bye } } \
         connack{ qos=0 retain=false dup=false session_present=true return_code=0 }"
    );
    assert!(!record_with(&b, &MQTT, 0, &["passwords.no"], None).contains("pass "));
    for (name, value) in [
        ("mqtt.connect.protocol_string", "MQTT"),
        ("mqtt.connect.clientid", "id"),
        ("mqtt.connect.username", "user"),
        ("mqtt.connect.password", "pass"),
        ("mqtt.connect.willtopic", "w"),
        ("mqtt.connect.willmessage", "bye"),
    ] {
        assert_eq!(values(&mut b, &MQTT, name, TS), [(0, value.into())], "{name}");
    }
    let int = |name| ints(&b, &MQTT, 0, name, TS);
    assert_eq!(int("mqtt.type"), [1, 2]);
    assert_eq!(int("mqtt.protocol_version"), [4]);
    assert_eq!(int("mqtt.connect.flags"), [0xe6]);
    assert_eq!(int("mqtt.reason_code"), [0]);
    assert_eq!(int("mqtt.connack.session_present"), [1]);
    b.feed(TS, &connect());
    assert_eq!(events(&b, &MQTT, 1), ["double_connect"]);
    b.close();
}

#[test]
fn properties_of_version_five() {
    let mut b = Bench::new(&MQTT);
    b.feed(TS, &connect5());
    b.feed(TC, &packet(0x20, b"\x00\x8c\x03\x22\x00\x0a"));
    let r = record(&b, &MQTT, 0);
    assert!(r.contains("properties{ receive_maximum=20 authentication_method=foo k=v }"), "{r}");
    assert!(r.contains("return_code=140 properties{ topic_alias_maximum=10 }"), "{r}");
    // One name for several: a list, so that a record has no key twice.
    let mut several = Bench::new(&MQTT);
    let pairs = b"\x26\0\x01k\0\x01v\x15\0\x03foo\x26\0\x01x\0\x01y\x26\0\x01k\0\x01w\x26\0\x15authentication_method\0\x01z";
    let body = [&b"\0\x04MQTT\x05\x02\0\x3c"[..], &[pairs.len() as u8], pairs, b"\0\0"].concat();
    several.feed(TS, &packet(0x10, &body));
    let r = record(&several, &MQTT, 0);
    assert!(r.contains("properties{ k[ v w ] authentication_method[ foo z ] x=y }"), "{r}");
    several.close();
    // A property that there is none of.
    b.feed(TS, &packet(0x10, b"\0\x04MQTT\x05\x02\0\x3c\x02\x63\0\0\0"));
    assert_eq!(events(&b, &MQTT, 1), ["malformed_traffic"]);
    assert_eq!(b.parser.log_due(b.tx(1)), 0);
    b.close();
}

#[test]
fn messages_and_what_confirms_them() {
    let mut b = Bench::new(&MQTT);
    b.feed(TS, &connect());
    b.feed(TC, &packet(0x20, b"\0\0"));
    b.feed(TS, &packet(0x3d, b"\0\x01t\0\x07hello"));
    b.feed(TC, &packet(0x50, b"\0\x07"));
    b.feed(TS, &packet(0x62, b"\0\x07"));
    assert_eq!(b.parser.common(b.tx(1)).steps(), [0, 0]);
    b.feed(TC, &packet(0x70, b"\0\x07"));
    assert_eq!(b.parser.common(b.tx(1)).steps(), [1, 1]);
    assert_eq!(ints(&b, &MQTT, 1, "mqtt.type", TS), [3, 5, 6, 7]);
    assert_eq!(ints(&b, &MQTT, 1, "mqtt.flags", TS), [9, 0, 0, 0]);
    assert_eq!(ints(&b, &MQTT, 1, "mqtt.qos", TS), [2, 0, 1, 0]);
    assert_eq!(values(&mut b, &MQTT, "mqtt.publish.topic", TS), [(1, "t".into())]);
    assert_eq!(values(&mut b, &MQTT, "mqtt.publish.message", TS), [(1, "hello".into())]);
    assert_eq!(
        record_with(&b, &MQTT, 1, &[], Some(2)),
        "publish{ qos=2 retain=true dup=true topic=t message_id=7 message=he[truncated 3 additional bytes] } \
         pubrec{ qos=0 retain=false dup=false message_id=7 } pubrel{ qos=1 retain=false dup=false message_id=7 } \
         pubcomp{ qos=0 retain=false dup=false message_id=7 }"
    );
    // The other side's message of the same number is another one.
    b.feed(TS, &packet(0x32, b"\0\x01t\0\x01a"));
    b.feed(TC, &packet(0x32, b"\0\x01u\0\x01b"));
    b.feed(TS, &packet(0x40, b"\0\x01"));
    assert_eq!([2, 3].map(|i| b.parser.common(b.tx(i)).steps()), [[0, 0], [1, 1]]);
    b.close();
}

#[test]
fn subscriptions() {
    let mut b = Bench::new(&MQTT);
    b.feed(TS, &connect());
    b.feed(TC, &packet(0x20, b"\0\0"));
    b.feed(TS, &packet(0x82, b"\0\x01\0\x06topicX\0\0\x06topicY\x02"));
    b.feed(TC, &packet(0x90, b"\0\x01\0\x80"));
    b.feed(TS, &packet(0xa2, b"\0\x02\0\x06topicX\0\x06topicY"));
    b.feed(TC, &packet(0xb0, b"\0\x02"));
    assert_eq!(
        values(&mut b, &MQTT, "mqtt.subscribe.topic", TS),
        [(1, "topicX".into()), (1, "topicY".into())]
    );
    assert_eq!(values(&mut b, &MQTT, "mqtt.unsubscribe.topic", TS).len(), 2);
    assert_eq!(ints(&b, &MQTT, 1, "mqtt.reason_code", TS), [0, 0x80]);
    assert_eq!(
        record_with(&b, &MQTT, 1, &[], Some(10)),
        "subscribe{ qos=1 retain=false dup=false message_id=1 topics[ { topic=topicX qos=0 } \
         { topic=topi[truncated 2 additional bytes] qos=2 } ] } suback{ qos=0 retain=false dup=false message_id=1 \
         qos_granted[ 0 128 ] }"
    );
    assert_eq!(
        record(&b, &MQTT, 2),
        "unsubscribe{ qos=1 retain=false dup=false message_id=2 topics[ topicX topicY ] } \
         unsuback{ qos=0 retain=false dup=false message_id=2 }"
    );
    b.close();
}

#[test]
fn every_event() {
    let mut b = Bench::new(&MQTT);
    for (dir, bytes, event) in [
        (TC, packet(0x40, b"\0\x01"), "missing_publish"),
        (TC, packet(0x90, b"\0\x01\0"), "missing_subscribe"),
        (TC, packet(0xb0, b"\0\x01"), "missing_unsubscribe"),
        (TS, packet(0xc0, b""), "unintroduced_message"),
        (TC, packet(0x20, b"\0\0"), "missing_connect"),
        (TS, packet(0x36, b"\0\x01t\0\x01x"), "invalid_qos_level"),
        (TS, packet(0x82, b"\0\0\0\x01t\0"), "missing_msg_id"),
        (TS, packet(0x00, b"xy"), "unassigned_msg_type"),
    ] {
        b.feed(dir, &bytes);
        let last = b.live().len() as u64 - 1;
        assert_eq!(events(&b, &MQTT, last), [event]);
        // Only rules of its own direction look at it.
        assert!(!b.parser.common(b.tx(last)).is_dirty(dir.flip()), "{event}");
    }
    b.feed(TS, &packet(0x34, b"\0\x01t\0\x09x"));
    let at = b.live().len() as u64 - 1;
    for _ in 0..PACKETS_MAX {
        b.feed(TC, &packet(0x50, b"\0\x09"));
    }
    assert_eq!(events(&b, &MQTT, at), ["too_many_messages"]);
    b.close();

    let cfg = AppConfig { max_txs: 1000, ..AppConfig::default() };
    let mut b = Bench::of((MQTT.parser.unwrap())(&cfg), cfg);
    for i in 1..=AppConfig::default().waiting("mqtt") + 1 {
        let id = (i as u16).to_be_bytes();
        b.feed(TS, &packet(0x32, &[b"\0\x01t", &id[..], b"x"].concat()));
    }
    assert_eq!(events(&b, &MQTT, 0), ["unintroduced_message", "too_many_transactions"]);
    assert_eq!(b.parser.common(b.tx(0)).steps(), [1, 1]);
    b.close();
}

#[test]
fn what_is_too_long_is_passed_over() {
    let cfg = AppConfig {
        mqtt: crate::app::config::MqttConfig { max_message: 20, ..Default::default() },
        max_txs: 99,
        ..AppConfig::default()
    };
    let mut b = Bench::of((MQTT.parser.unwrap())(&cfg), cfg);
    b.feed(TS, &packet(0x32, &[&b"\0\x01t\0\x01"[..], &[b'x'; 200]].concat()));
    b.feed(TS, &packet(0xe0, b""));
    assert_eq!(
        record(&b, &MQTT, 0),
        "publish{ qos=1 retain=false dup=false truncated=true skipped_length=208 }"
    );
    assert_eq!(record(&b, &MQTT, 1), "disconnect{ qos=0 retain=false dup=false }");
    // A hole inside it does no harm.
    let long = packet(0x30, &[b'x'; 200]);
    b.feed(TS, &long[..50]);
    b.give(Input { dir: TS, data: &long[150..], gap: 100, eof: false, datagram: false });
    b.feed(TS, &packet(0xc0, b""));
    assert_eq!(record(&b, &MQTT, 3), "pingreq{ qos=0 retain=false dup=false }");
    b.close();
}

fn conversation() -> Vec<(Dir, Vec<u8>)> {
    alloc::vec![
        (TS, connect5()),
        (TC, packet(0x20, b"\x00\x00\x03\x22\x00\x0a")),
        (TS, [packet(0x34, b"\0\x01t\0\x07\0hello"), packet(0x82, b"\0\x01\0\0\x01a\0\0\x01b\x01")].concat()),
        (
            TC,
            [packet(0x50, b"\0\x07"), packet(0x90, b"\0\x01\0\0\x01"), packet(0x31, b"\0\x01b\0zz")].concat()
        ),
        (TS, packet(0x62, b"\0\x07\0\0")),
        (TC, packet(0x70, b"\0\x07")),
        (TS, [packet(0xa2, b"\0\x02\0\0\x01a"), packet(0xc0, b""), packet(0xe0, b"\x04\0")].concat()),
    ]
}

proptest! {
    #[test]
    fn any_cut_gives_the_same(cuts in proptest::collection::vec(1usize..9, 1..8)) {
        let all = conversation();
        let turns: Vec<(Dir, &[u8])> = all.iter().map(|(d, t)| (*d, &t[..])).collect();
        cut_is_whole(&MQTT, &turns, &cuts);
    }

    #[test]
    fn never_panics(
        tail in proptest::collection::vec(any::<u8>(), 0..200),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..6),
        gap in 0u32..20,
    ) {
        let all = conversation();
        let turns: Vec<(Dir, &[u8])> = all.iter().map(|(d, t)| (*d, &t[..])).collect();
        mutated(&MQTT, &turns, &changes, gap, &tail);
    }
}
