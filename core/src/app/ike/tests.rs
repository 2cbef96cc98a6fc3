use super::*;
use crate::app::bench::Bench;
use crate::app::shown::{events, ints, record, record_with, seen, values};
use alloc::string::String;
use alloc::vec::Vec;
use proptest::prelude::*;

/// Payloads behind a header; the first of each pair is the type.
fn message(major: u8, exchange: u8, flags: u8, payloads: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (i, (_, bytes)) in payloads.iter().enumerate() {
        body.extend([payloads.get(i + 1).map_or(0, |p| p.0), 0]);
        body.extend((bytes.len() as u16 + 4).to_be_bytes());
        body.extend(bytes);
    }
    let mut v = b"\x01\x02\x03\x04\x05\x06\x07\x08".to_vec();
    v.extend([0; 8]);
    v.extend([payloads.first().map_or(0, |p| p.0), major << 4, exchange, flags, 0, 0, 0, 0]);
    v.extend((28 + body.len() as u32).to_be_bytes());
    v.extend(body);
    v
}

fn item(last: u8, rest: &[u8]) -> Vec<u8> {
    [&[last, 0][..], &(rest.len() as u16 + 4).to_be_bytes(), rest].concat()
}

const ATTRIBUTES: &[u8] =
    b"\x80\x01\0\x07\x80\x0e\0\x80\x80\x02\0\x02\x80\x04\0\x02\x80\x03\0\x01\x80\x0b\0\x01\0\x0c\0\x04\0\x01\x51\x80\x80\x0b\0\x02";

/// A security association of version 1 with so many equal transforms.
fn sa1(transforms: u8) -> Vec<u8> {
    let mut list = Vec::new();
    for i in 1..=transforms {
        let last = if i == transforms { 0 } else { 3 };
        list.extend(item(last, &[&[i, 1, 0, 0][..], ATTRIBUTES].concat()));
    }
    let proposal = item(0, &[&[1, 1, 0, transforms][..], &list].concat());
    [&b"\0\0\0\x01\0\0\0\x01"[..], &proposal].concat()
}

/// Proposals of version 2: protocol, and type and number of each transform.
fn sa2(all: &[(u8, &[(u8, u16)])]) -> Vec<u8> {
    let mut v = Vec::new();
    for (i, (protocol, transforms)) in all.iter().enumerate() {
        let mut list = Vec::new();
        for (j, (kind, id)) in transforms.iter().enumerate() {
            let id = id.to_be_bytes();
            list.extend(item(if j + 1 == transforms.len() { 0 } else { 3 }, &[*kind, 0, id[0], id[1]]));
        }
        let last = if i + 1 == all.len() { 0 } else { 2 };
        v.extend(item(last, &[&[1, *protocol, 0, transforms.len() as u8][..], &list].concat()));
    }
    v
}

const GOOD: &[(u8, u16)] = &[(1, 12), (2, 5), (3, 12), (4, 14), (5, 0)];

fn client() -> Vec<u8> {
    let vendors = [(13, b"\x4a\x13\x1c".to_vec()), (13, b"\x90\xcb".to_vec())];
    message(1, 2, 0, &[&[(1, sa1(1))][..], &vendors].concat())
}

const SHOWN: &str = "alg_enc=EncAesCbc alg_enc_raw=7 sa_key_length=Unknown sa_key_length_raw=128 alg_hash=HashSha alg_hash_raw=2 \
     alg_dh=GroupAlternate1024BitModpGroup alg_dh_raw=2 alg_auth=AuthPreSharedKey alg_auth_raw=1 \
     sa_life_type=LifeTypeSeconds sa_life_type_raw=1 sa_life_duration=Unknown sa_life_duration_raw=86400";

fn conversation() -> Vec<(Dir, Vec<u8>)> {
    alloc::vec![
        (ToServer, client()),
        (ToClient, message(1, 2, 0, &[(1, sa1(1))])),
        (ToServer, message(1, 2, 0, &[(4, b"clientkey".to_vec()), (10, b"cn".to_vec())])),
        (ToClient, message(1, 2, 0, &[(4, b"serverkey".to_vec()), (10, b"sn".to_vec())])),
        (ToServer, message(1, 2, 1, &[(5, b"hidden".to_vec())])),
        (
            ToServer,
            message(
                2,
                34,
                8,
                &[(33, sa2(&[(1, GOOD)])), (34, b"\0\x0e\0\0key".to_vec()), (40, b"nonce".to_vec())]
            )
        ),
        (
            ToClient,
            message(
                2,
                34,
                32,
                &[(33, sa2(&[(1, GOOD)])), (41, b"\0\0\x40\x04data".to_vec()), (41, b"\0\0\0\x0e".to_vec())]
            )
        ),
        (ToServer, message(2, 35, 8, &[(46, b"hidden".to_vec())])),
    ]
}

fn talk(b: &mut Bench) {
    for (dir, bytes) in conversation() {
        b.datagram(dir, &bytes);
    }
}

#[test]
fn version_one() {
    let mut b = Bench::new(&IKE);
    talk(&mut b);
    let head = "version_major=1 version_minor=0 init_spi=0102030405060708 resp_spi=0000000000000000 message_id=0 exchange_type=2";
    let client = alloc::format!("proposals[ {{ {SHOWN} }} ]");
    assert_eq!(
        record(&b, &IKE, 0),
        alloc::format!(
            "{head} payload[ SecurityAssociation Proposal Transform VendorID ] ikev1{{ doi=1 encrypted_payloads=false \
             client{{ {client} }} vendor_ids[ 4a131c 90cb ] }}"
        )
    );
    assert!(
        record_with(&b, &IKE, 0, &["extended"], None).contains("exchange_type_verbose=Identity Protection")
    );
    assert_eq!(
        record(&b, &IKE, 1),
        alloc::format!(
            "{head} {SHOWN} payload[ SecurityAssociation Proposal Transform ] ikev1{{ doi=1 encrypted_payloads=false \
             client{{ {client} }} }}"
        )
    );
    assert!(record(&b, &IKE, 3).contains(
        "server{ key_exchange_payload=7365727665726b6579 key_exchange_payload_length=9 nonce_payload=736e \
             nonce_payload_length=2 }"
    ));
    assert!(record(&b, &IKE, 4).ends_with("exchange_type=2 ikev1{ encrypted_payloads=true }"));
    assert_eq!(values(&mut b, &IKE, "ike.vendor", ToServer), [(0, "4a131c".into()), (0, "90cb".into())]);
    assert_eq!(values(&mut b, &IKE, "ike.init_spi", ToServer)[0].1, "0102030405060708");
    assert_eq!(values(&mut b, &IKE, "ike.resp_spi", ToClient)[0].1, "0000000000000000");
    assert_eq!(
        values(&mut b, &IKE, "ike.key_exchange_payload", ToServer),
        [(2, String::from("clientkey")), (5, "key".into())]
    );
    assert_eq!(values(&mut b, &IKE, "ike.nonce_payload", ToClient), [(3, "sn".into())]);
    assert_eq!(ints(&b, &IKE, 2, "ike.key_exchange_payload_length", ToServer), [9]);
    assert_eq!(ints(&b, &IKE, 2, "ike.nonce_payload_length", ToServer), [2]);
    assert_eq!(ints(&b, &IKE, 2, "ike.exchtype", ToServer), [2]);
    for (name, value) in
        [("alg_enc", 7), ("alg_hash", 2), ("sa_key_length", 128), ("sa_life_duration", 86400)]
    {
        let name = alloc::format!("ike.chosen_sa_attribute={name}");
        assert_eq!(ints(&b, &IKE, 1, &name, ToClient), [value], "{name}");
        assert_eq!(ints(&b, &IKE, 0, &name, ToServer), [0u64; 0]);
    }
    b.close();
}

#[test]
fn version_two() {
    let mut b = Bench::new(&IKE);
    talk(&mut b);
    assert_eq!(
        record(&b, &IKE, 6),
        "version_major=2 version_minor=0 init_spi=0102030405060708 resp_spi=0000000000000000 message_id=0 exchange_type=34 \
         role=responder payload[ SecurityAssociation Notify ] ikev2{ errors=1 notify[ NAT_DETECTION_SOURCE_IP \
         NO_PROPOSAL_CHOSEN ] }"
    );
    assert!(record(&b, &IKE, 7).contains("role=initiator payload[ EncryptedAndAuthenticated ]"));
    for (name, value) in [("alg_enc", 12), ("alg_prf", 5), ("alg_auth", 12), ("alg_dh", 14)] {
        let name = alloc::format!("ike.chosen_sa_attribute={name}");
        assert_eq!(ints(&b, &IKE, 6, &name, ToClient), [value], "{name}");
    }
    for id in 0..8 {
        assert_eq!(b.events(id), 0, "{id}");
    }
    b.close();
}

#[test]
fn every_event() {
    let sa = |all: &[(u8, &[(u8, u16)])]| message(2, 34, 32, &[(33, sa2(all))]);
    let with = |change: &[(u8, u16)]| {
        let kept = GOOD.iter().filter(|g| change.iter().all(|c| c.0 != g.0));
        let all: Vec<(u8, u16)> = kept.chain(change).copied().collect();
        sa(&[(1, &all)])
    };
    let without = |kind: u8| {
        let all: Vec<(u8, u16)> = GOOD.iter().filter(|g| g.0 != kind).copied().collect();
        sa(&[(1, &all)])
    };
    for (bytes, event) in [
        (b"\x01\x02".to_vec(), "malformed_data"),
        (client()[..60].to_vec(), "malformed_data"),
        (with(&[(1, 3)]), "weak_crypto_enc"),
        (with(&[(2, 1)]), "weak_crypto_prf"),
        (with(&[(3, 2)]), "weak_crypto_auth"),
        (with(&[(4, 2)]), "weak_crypto_dh"),
        (without(4), "weak_crypto_no_dh"),
        (without(3), "weak_crypto_no_auth"),
        (with(&[(2, 0)]), "invalid_proposal"),
        (with(&[(1, 999)]), "unknown_proposal"),
        (sa(&[(2, GOOD)]), "no_encryption"),
        (sa(&[(1, GOOD), (1, GOOD)]), "multiple_server_proposal"),
        (message(1, 2, 0, &[(1, sa1(2))]), "multiple_server_proposal"),
    ] {
        let mut b = Bench::new(&IKE);
        b.datagram(ToClient, &bytes);
        assert_eq!(events(&b, &IKE, 0), [event]);
        assert!(!b.parser.common(b.tx(0)).is_dirty(ToServer));
        b.close();
    }
    // Authenticated encryption needs no integrity algorithm beside it.
    let mut b = Bench::new(&IKE);
    b.datagram(ToClient, &sa(&[(1, &[(1, 20), (2, 5), (4, 19)])]));
    assert_eq!(b.events(0), 0);
    b.close();
}

proptest! {
    #[test]
    fn never_panics(
        tail in proptest::collection::vec(any::<u8>(), 0..200),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<proptest::sample::Index>(),
    ) {
        let mut b = Bench::new(&IKE);
        for (dir, mut bytes) in conversation() {
            for (at, v) in &changes {
                let i = at.index(bytes.len());
                bytes[i] = *v;
            }
            b.datagram(dir, &bytes);
            b.datagram(dir, &bytes[..cut.index(bytes.len())]);
        }
        b.datagram(ToServer, &tail);
        seen(&mut b, &IKE);
        b.close();
    }
}
