//! Messages made by hand.

use super::*;
use crate::app::bench::Bench;
use crate::app::shown;
use alloc::vec::Vec;
use proptest::prelude::*;

fn message(command: u16, context: u8, data: &[u8]) -> Vec<u8> {
    let mut m = command.to_le_bytes().to_vec();
    m.extend((data.len() as u16).to_le_bytes());
    m.extend([1, 0, 0, 0, 0, 0, 0, 0, context, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    m.extend(data);
    m
}

fn carried(cip: &[u8]) -> Vec<u8> {
    let mut d = alloc::vec![0, 0, 0, 0, 0, 0, 2, 0, 0xa1, 0, 4, 0, 1, 2, 3, 4, 0xb1, 0];
    d.extend((cip.len() as u16 + 2).to_le_bytes());
    d.extend([9, 0]);
    d.extend(cip);
    d
}

/// Two calls in one, and their answers.
fn conversation() -> [Vec<u8>; 2] {
    let call =
        b"\x0a\x02\x20\x02\x24\x01\x02\0\x06\0\x0e\0\x0e\x03\x20\x01\x24\x01\x30\x05\x01\x02\x21\0\x00\x01";
    let answer = b"\x8a\0\0\0\x02\0\x06\0\x0c\0\x8e\0\0\0\x07\0\x81\0\x05\x01\x34\x12";
    [
        [message(0x70, 1, &carried(call)), message(0x63, 2, &[])].concat(),
        [message(0x70, 1, &carried(answer)), message(0x63, 2, &identity())].concat(),
    ]
}

fn identity() -> Vec<u8> {
    let mut d = alloc::vec![1, 0, 12, 0, 40, 0, 1, 0];
    d.extend([0; 16]);
    d.extend([1, 0, 12, 0, 58, 0, 4, 3, 0x30, 0, 0x8e, 0x4d, 0x52, 0, 4]);
    d.extend(b"ENBT\x03");
    d
}

#[test]
fn calls_and_identities_are_told() {
    let [client, server] = conversation();
    let mut b = Bench::new(&ENIP);
    b.feed(Dir::ToServer, &client);
    b.feed(Dir::ToClient, &server);
    let all = shown::records(&b, &ENIP);
    assert_eq!(
        all[0],
        "request{ command=send_unit_data status=success cip{ service=multiple_service path[ { \
         segment_type=class_8bits value=2 } { segment_type=instance_8bits value=1 } ] class_name=message_router \
         multiple[ { service=get_attr_single path[ { segment_type=class_8bits value=1 } { \
         segment_type=instance_8bits value=1 } { segment_type=attr_8bits value=5 } ] class_name=identity } { \
         service=get_attr_all path[ { segment_type=class_16bits value=256 } ] } ] } } response{ \
         command=send_unit_data status=success cip{ service=multiple_service status=success multiple[ { \
         service=get_attr_single status=success } { service=get_attr_all status=path_destination_unknown \
         status_extended=1234 } ] } } "
    );
    assert!(all[1].contains(
        "identity{ protocol_version=1 revision=4.3 vendor_id=1 device_type=communications_adapter"
    ));
    let get =
        |id, local, index, dir| b.parser.int(b.st, b.tx(id), IntAt { local, dir, index, pool: &b.pool });
    let list = |id, local, dir| (0..5).map_while(|i| get(id, local, i, dir)).collect::<Vec<_>>();
    assert_eq!(list(0, I_CLASS, Dir::ToServer), [2, 1, 256]);
    assert_eq!(list(0, I_ATTRIBUTE, Dir::ToServer), [5]);
    assert_eq!(
        list(0, I_CALL, Dir::ToServer),
        [0x0a << 32 | 2 << 16, 0x0e << 32 | 1 << 16 | 5, 1 << 32 | 256 << 16]
    );
    assert_eq!(list(0, I_CIP_STATUS, Dir::ToClient), [0, 0, 5]);
    assert_eq!(list(0, I_EXTENDED, Dir::ToClient), [0x1234]);
    assert_eq!(list(1, I_SERIAL, Dir::ToClient), [0x52_4d8e]);
    assert_eq!(list(1, I_REVISION, Dir::ToClient), [0x403]);
    assert_eq!(b.values(PRODUCT, Dir::ToClient), [(1, b"ENBT".to_vec())]);
    b.close();
}

#[test]
fn events() {
    let mut b = Bench::new(&ENIP);
    b.feed(Dir::ToServer, &message(0x6f, 1, &[0; 3]));
    assert_eq!(b.events(0), 1 << EV_INVALID);
    b.close();
    let cfg = AppConfig { max_states: 4, max_txs: 1000, ..AppConfig::default() };
    let mut b = Bench::of(ENIP.parser.unwrap()(&cfg), cfg);
    let many: Vec<u8> = (0..300).flat_map(|_| message(4, 1, &[])).collect();
    b.feed(Dir::ToServer, &many);
    assert_eq!(b.events(0), 1 << EV_MANY);
    b.close();
}

proptest! {
    #[test]
    fn cuts_do_not_matter(cuts in proptest::collection::vec(1usize..40, 1..6), at in 0usize..150, byte: u8) {
        let whole = [usize::MAX >> 1];
        let [mut client, server] = conversation();
        let seen = |client: &[u8], cuts: &[usize]| {
            let mut b = Bench::new(&ENIP);
            b.feed_cut(Dir::ToServer, client, cuts);
            b.feed_cut(Dir::ToClient, &server, cuts);
            let all = (b.everything(&ENIP), shown::records(&b, &ENIP));
            b.close();
            all
        };
        prop_assert_eq!(seen(&client, &cuts), seen(&client, &whole));
        let n = client.len();
        client[at % n] = byte;
        prop_assert_eq!(seen(&client, &cuts), seen(&client, &whole));
    }
}
