//! Conversations of a few messages, whole and cut everywhere.

use super::*;
use crate::app::bench::Bench;
use alloc::vec::Vec;

/// A value with its tag.
fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let mut v = alloc::vec![tag];
    if body.len() < 128 {
        v.push(body.len() as u8);
    } else {
        v.extend([0x82, (body.len() >> 8) as u8, body.len() as u8]);
    }
    v.extend(body);
    v
}

fn message(id: u8, operation: &[u8]) -> Vec<u8> {
    tlv(0x30, &[&[2, 1, id], operation])
}

fn result(kind: u8, code: u8, text: &[u8]) -> Vec<u8> {
    tlv(0x60 | kind, &[&[10, 1, code], &tlv(4, &[]), &tlv(4, &[text])])
}

fn search(id: u8, base: &[u8], attributes: &[&[u8]]) -> Vec<u8> {
    let filter = tlv(0x87, &[b"objectClass"]);
    let wanted: Vec<Vec<u8>> = attributes.iter().map(|a| tlv(4, &[a])).collect();
    let list = tlv(0x30, &wanted.iter().map(Vec::as_slice).collect::<Vec<_>>());
    message(
        id,
        &tlv(0x63, &[&tlv(4, &[base]), &[10, 1, 2, 10, 1, 0, 2, 1, 9, 2, 1, 30, 1, 1, 0], &filter, &list]),
    )
}

fn entry(id: u8, name: &[u8], attribute: &[u8]) -> Vec<u8> {
    let set = tlv(0x31, &[&tlv(4, &[b"v"])]);
    message(id, &tlv(0x64, &[&tlv(4, &[name]), &tlv(0x30, &[&tlv(0x30, &[&tlv(4, &[attribute]), &set])])]))
}

/// Requests and their answers.
fn conversation() -> (Vec<u8>, Vec<u8>) {
    let requests =
        [search(2, b"dc=a", &[b"*", b"+"]), message(3, &tlv(0x4a, &[b"cn=gone"])), message(4, &[0x42, 0])];
    let answers = [
        entry(2, b"dc=one", b"objectClass"),
        message(3, &result(DEL_RESPONSE, 49, b"no")),
        entry(2, b"dc=two", b"mail"),
        message(2, &result(SEARCH_DONE, 4, b"more")),
    ];
    (requests.concat(), answers.concat())
}

fn buffer(name: &str) -> u8 {
    buffer_at(BUFFERS, name)
}

fn numbers(b: &mut Bench, id: u64, local: u8, dir: Dir) -> Vec<u64> {
    let tx = b.tx(id);
    let pool = &b.pool;
    (0..).map_while(|index| b.parser.int(b.st, tx, IntAt { local, dir, index, pool })).collect()
}

#[test]
fn answers_find_their_requests() {
    let (requests, answers) = conversation();
    let mut b = Bench::new(&LDAP);
    b.feed(Dir::ToServer, &requests);
    b.feed(Dir::ToClient, &answers);
    let texts = |b: &mut Bench, name, dir| -> Vec<(u64, Vec<u8>)> { b.values(buffer(name), dir) };
    let own = |id: u64, t: &[u8]| (id, t.to_vec());
    assert_eq!(texts(&mut b, "ldap.request.dn", Dir::ToServer), [own(0, b"dc=a"), own(1, b"cn=gone")]);
    assert_eq!(texts(&mut b, "ldap.request.attribute_type", Dir::ToServer), [own(0, b"*"), own(0, b"+")]);
    assert_eq!(
        texts(&mut b, "ldap.responses.dn", Dir::ToClient),
        [own(0, b"dc=one"), own(0, b"dc=two"), own(0, b""), own(1, b"")]
    );
    assert_eq!(texts(&mut b, "ldap.responses.message", Dir::ToClient), [own(0, b"more"), own(1, b"no")]);
    let named = texts(&mut b, "ldap.responses.attribute_type", Dir::ToClient);
    assert_eq!(named, [own(0, b"objectClass"), own(0, b"mail")]);
    assert_eq!(numbers(&mut b, 0, I_ANSWER, Dir::ToClient), [4, 4, 5]);
    assert_eq!(numbers(&mut b, 0, I_RESULT, Dir::ToClient), [4]);
    assert_eq!(numbers(&mut b, 1, I_RESULT, Dir::ToClient), [49]);
    assert_eq!(numbers(&mut b, 0, I_OPERATION, Dir::ToServer), [3]);
    b.close();
}

#[test]
fn any_cut_gives_the_same() {
    let (requests, answers) = conversation();
    let whole = {
        let mut b = Bench::new(&LDAP);
        b.feed(Dir::ToServer, &requests);
        b.feed(Dir::ToClient, &answers);
        b.everything(&LDAP)
    };
    for step in 1..answers.len() {
        let mut b = Bench::new(&LDAP);
        b.feed_cut(Dir::ToServer, &requests, &[step]);
        b.feed_cut(Dir::ToClient, &answers, &[step]);
        assert_eq!(b.everything(&LDAP), whole, "{step}");
        b.close();
    }
}

#[test]
fn events() {
    let cfg = AppConfig { max_states: 4, max_txs: 1024, max_files: 64, ..AppConfig::default() };
    let mut b = Bench::of(LDAP.parser.unwrap()(&cfg), cfg);
    b.feed(Dir::ToClient, &message(9, &result(DEL_RESPONSE, 0, b"")));
    assert_eq!(b.events(0), 1 << NOT_FOUND);
    for id in 0..=MOST_WAITING {
        b.feed(Dir::ToServer, &search(id as u8 & 0x7f, b"", &[]));
    }
    assert_eq!(b.feed(Dir::ToServer, &[0x31, 0]), Outcome::Failed);
    let raised = b.live().into_iter().fold(0, |all, tx| all | b.parser.common(tx).events);
    assert_eq!(raised & (1 << TOO_MANY | 1 << INVALID), 1 << TOO_MANY | 1 << INVALID);
    let mut b = Bench::new(&LDAP);
    b.feed(Dir::ToServer, &search(1, b"", &[]));
    for _ in 0..=MOST_ANSWERS {
        b.feed(Dir::ToClient, &entry(1, b"x", b"y"));
    }
    assert_eq!(b.events(0), 1 << TOO_MANY_ANSWERS);
}

#[test]
fn tls_is_agreed_on() {
    let mut b = Bench::new(&LDAP);
    b.feed(Dir::ToServer, &message(1, &tlv(0x77, &[&tlv(0x80, &[b"1.3.6.1.4.1.1466.20037"])])));
    let answer = message(1, &result(EXTENDED_RESPONSE, 0, b""));
    let tls = AppProto::by_name("tls");
    assert_eq!(b.feed(Dir::ToClient, &answer), Outcome::Change { bytes: answer.len(), to: tls });
}

#[test]
fn changed_bytes_do_no_harm() {
    let (requests, answers) = conversation();
    for i in 0..requests.len().max(answers.len()) {
        for x in [1, 0x80, 0xff] {
            let mut b = Bench::new(&LDAP);
            for (dir, bytes) in [(Dir::ToServer, &requests), (Dir::ToClient, &answers)] {
                let mut bytes = bytes.clone();
                if let Some(c) = bytes.get_mut(i) {
                    *c ^= x;
                }
                b.feed(dir, &bytes);
            }
            b.everything(&LDAP);
            b.close();
        }
    }
}
