use super::*;
use crate::app::bench::Bench;
use crate::app::shown::{cut_is_whole, events, mutated, record, record_with, values};
use alloc::string::String;
use alloc::vec::Vec;
use proptest::prelude::*;

/// A message with its type and length.
fn msg(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut v = alloc::vec![kind];
    v.extend((body.len() as u32 + 4).to_be_bytes());
    v.extend(body);
    v
}

/// A message without a type.
fn opening(code: u32, body: &[u8]) -> Vec<u8> {
    let mut v = (body.len() as u32 + 8).to_be_bytes().to_vec();
    v.extend(code.to_be_bytes());
    v.extend(body);
    v
}

fn auth(kind: u32, rest: &[u8]) -> Vec<u8> {
    msg(b'R', &[&kind.to_be_bytes(), rest].concat())
}

fn row(values: &[&[u8]]) -> Vec<u8> {
    let mut v = (values.len() as u16).to_be_bytes().to_vec();
    for x in values {
        v.extend((x.len() as u32).to_be_bytes());
        v.extend(*x);
    }
    msg(b'D', &v)
}

const READY: &[u8] = b"Z\0\0\0\x05I";

fn login() -> Vec<(Dir, Vec<u8>)> {
    alloc::vec![
        (ToServer, opening(SSL, b"")),
        (ToClient, b"N".to_vec()),
        (ToServer, opening(3 << 16, b"user\0me\0database\0db\0DateStyle\0ISO\0\0")),
        (ToClient, auth(5, b"salt")),
        (ToServer, msg(b'p', b"md5secret\0")),
        (
            ToClient,
            [
                auth(0, b""),
                msg(b'S', b"TimeZone\0UTC\0"),
                msg(b'S', b"is_superuser\0on\0"),
                msg(b'K', b"\0\0\0\x07\0\0\0\x09"),
                READY.to_vec(),
            ]
            .concat(),
        ),
        (ToServer, msg(b'Q', b"select a from t\0")),
        (
            ToClient,
            [
                msg(b'T', b"\0\x02rest"),
                row(&[b"one", b""]),
                row(&[b"xy", b"z"]),
                msg(b'C', b"SELECT 2\0"),
                READY.to_vec()
            ]
            .concat(),
        ),
    ]
}

fn say(b: &mut Bench, turns: &[(Dir, Vec<u8>)]) {
    for (dir, bytes) in turns {
        b.feed(*dir, bytes);
    }
}

#[test]
fn a_login_and_a_query() {
    let mut b = Bench::new(&PGSQL);
    say(&mut b, &login());
    let all: Vec<String> = (0..4).map(|i| record(&b, &PGSQL, i)).collect();
    assert_eq!(
        all,
        [
            "tx_id=1 request{ message=SSL Request } response{ ssl_accepted=false }",
            "tx_id=2 request{ protocol_version=3.0 startup_parameters{ user=me optional_parameters[ { database=db } \
             { date_style=ISO } ] } } response{ authentication_md5_password=salt }",
            "tx_id=3 request{ password_redacted=true } response{ message=authentication_ok parameter_status[ \
             { time_zone=UTC } { is_superuser=on } ] process_id=7 secret_key=9 }",
            "tx_id=4 request{ simple_query=select a from t } response{ field_count=2 data_rows=2 data_size=6 \
             command_completed=SELECT 2 }",
        ]
    );
    assert!(record_with(&b, &PGSQL, 2, &["passwords.yes"], None).contains("password=md5secret"));
    assert_eq!(values(&mut b, &PGSQL, "pgsql.query", ToServer), [(3, "select a from t".into())]);
    b.feed(ToServer, &msg(b'X', b""));
    assert_eq!(record(&b, &PGSQL, 4), "tx_id=5 request{ message=termination_message }");
    assert_eq!(b.parser.common(b.tx(4)).steps(), [1, 1]);
    b.close();
}

#[test]
fn encryption_is_accepted() {
    for (byte, tls) in [(&b"S\x16\x03"[..], true), (b"G\x16\x03", false)] {
        let mut b = Bench::new(&PGSQL);
        b.feed(ToServer, &opening(if tls { SSL } else { GSS }, b""));
        let out = b.feed(ToClient, byte);
        if tls {
            assert_eq!(out, Outcome::Change { bytes: 1, to: AppProto::by_name("tls") });
        } else {
            assert_eq!(out, Outcome::Opaque { bytes: 1 });
        }
        assert!(record(&b, &PGSQL, 0).ends_with("response{ ssl_accepted=true }"));
        b.close();
    }
}

#[test]
fn scram() {
    let mut b = Bench::new(&PGSQL);
    say(
        &mut b,
        &[
            (ToServer, opening(3 << 16, b"user\0me\0\0")),
            (ToClient, auth(10, b"SCRAM-SHA-256\0\0")),
            (ToServer, msg(b'p', b"SCRAM-SHA-256\0\0\0\0\x05n,,n=")),
            (ToClient, auth(11, b"r=1")),
            (ToServer, msg(b'p', b"c=biws")),
            (ToClient, [auth(12, b"v=x"), auth(0, b""), READY.to_vec()].concat()),
        ],
    );
    assert!(record(&b, &PGSQL, 0).ends_with("response{ message=authentication_sasl }"));
    assert_eq!(
        [1, 2].map(|i| record(&b, &PGSQL, i)),
        [
            "tx_id=2 request{ sasl_authentication_mechanism=scram_SHA256 sasl_param=n,,n= } \
             response{ message=authentication_sasl_continue }",
            "tx_id=3 request{ sasl_response=c=biws } response{ message=authentication_ok authentication_sasl_final=v=x }",
        ]
    );
    b.close();
}

#[test]
fn copies_errors_and_cancels() {
    let mut b = Bench::new(&PGSQL);
    say(&mut b, &login());
    say(
        &mut b,
        &[
            (ToServer, msg(b'Q', b"COPY t FROM STDIN\0")),
            (ToClient, msg(b'G', b"\0\0\x03\0\0\0\0\0\0")),
            (ToServer, [msg(b'd', b"12345"), msg(b'd', b"67"), msg(b'c', b"")].concat()),
            (ToClient, [msg(b'C', b"COPY 2\0"), READY.to_vec()].concat()),
            (ToServer, msg(b'Q', b"COPY t TO STDOUT\0")),
            (
                ToClient,
                [
                    msg(b'H', b"\0\0\x02\0\0\0\0"),
                    msg(b'd', b"1\t2"),
                    msg(b'c', b""),
                    msg(b'C', b"COPY 1\0"),
                    READY.to_vec(),
                ]
                .concat(),
            ),
            (ToServer, msg(b'Q', b"bad\0")),
            (
                ToClient,
                [
                    msg(b'E', b"SFEHLER\0VERROR\0C42601\0Msyntax\0Fscan.l\0L1\0Ryyerror\0P3\0\0"),
                    READY.to_vec(),
                ]
                .concat(),
            ),
            (ToServer, opening(CANCEL, b"\0\0\0\x07\0\0\0\x09")),
        ],
    );
    assert_eq!(
        [4, 5, 6, 7, 8].map(|i| record(&b, &PGSQL, i)),
        [
            "tx_id=5 request{ simple_query=COPY t FROM STDIN } response{ copy_in_response{ columns=3 } }",
            "tx_id=6 request{ copy_data_in{ msg_count=2 data_size=7 } message=copy_done } response{ command_completed=COPY 2 }",
            "tx_id=7 request{ simple_query=COPY t TO STDOUT } response{ copy_out_response{ columns=2 } copy_data_out{ \
             row_count=1 data_size=3 } command_completed=COPY 1 }",
            "tx_id=8 request{ simple_query=bad } response{ severity_localizable=FEHLER severity_non_localizable=ERROR \
             code=42601 message=syntax file=scan.l line=1 routine=yyerror }",
            "tx_id=9 request{ message=cancel_request process_id=7 secret_key=9 }",
        ]
    );
    b.close();
}

/// What the extended protocol asks has no transaction, and its answers belong to no other.
#[test]
fn extended_queries_are_passed_over() {
    let mut b = Bench::new(&PGSQL);
    say(&mut b, &login());
    say(
        &mut b,
        &[
            (
                ToServer,
                [msg(b'P', b"\0select\0\0\0"), msg(b'B', b"\0\0"), msg(b'E', b"\0\0\0\0\0"), msg(b'S', b"")]
                    .concat(),
            ),
            (ToServer, msg(b'Q', b"next\0")),
            (ToClient, [msg(b'1', b""), msg(b'2', b""), msg(b'C', b"SELECT 0\0"), READY.to_vec()].concat()),
            (ToClient, [msg(b'C', b"SELECT 9\0"), READY.to_vec()].concat()),
        ],
    );
    assert_eq!(
        record(&b, &PGSQL, 4),
        "tx_id=5 request{ simple_query=next } response{ command_completed=SELECT 9 }"
    );
    assert_eq!(b.live().len(), 5);
    b.close();
}

#[test]
fn every_event() {
    let mut b = Bench::new(&PGSQL);
    b.feed(ToServer, &opening(0xff_00ff, b""));
    b.feed(ToServer, &msg(b'!', b""));
    b.feed(ToClient, &msg(b'!', b"xx"));
    b.feed(ToServer, b"Q\0\0\0\x01");
    let all = [0, 1, 2, 3].map(|i| events(&b, &PGSQL, i));
    assert_eq!(
        all.concat(),
        ["malformed_request", "malformed_request", "malformed_response", "invalid_length"]
    );
    assert_eq!(b.parser.log_due(b.tx(0)), 0);
    b.close();
    let cfg = AppConfig { max_txs: 1000, ..AppConfig::default() };
    let mut b = Bench::of((PGSQL.parser.unwrap())(&cfg), cfg);
    for _ in 0..=AppConfig::default().waiting("pgsql") {
        b.feed(ToServer, &msg(b'Q', b"x\0"));
    }
    assert_eq!(events(&b, &PGSQL, 0), ["too_many_transactions"]);
    b.close();
}

#[test]
fn what_is_long_is_not_waited_for() {
    let mut b = Bench::new(&PGSQL);
    say(&mut b, &login());
    b.feed(ToServer, &msg(b'Q', &[b'x'; 200_000]));
    b.feed(ToServer, &msg(b'd', &[0; 300_000]));
    b.give(Input {
        dir: ToClient,
        data: &row(&[&[1; 100_000]])[..1000],
        gap: 0,
        eof: false,
        datagram: false,
    });
    b.give(Input { dir: ToClient, data: READY, gap: 99_011, eof: false, datagram: false });
    assert!(values(&mut b, &PGSQL, "pgsql.query", ToServer)[1].1.len() <= TEXT_MAX);
    assert!(record(&b, &PGSQL, 4).ends_with("response{ data_rows=1 data_size=100000 }"));
    assert_eq!(b.parser.common(b.tx(4)).steps(), [1, 1]);
    b.close();
}

proptest! {
    #[test]
    fn any_cut_gives_the_same(cuts in proptest::collection::vec(1usize..40, 1..8)) {
        let all = login();
        let turns: Vec<(Dir, &[u8])> = all.iter().map(|(d, t)| (*d, &t[..])).collect();
        cut_is_whole(&PGSQL, &turns, &cuts);
    }

    #[test]
    fn never_panics(
        tail in proptest::collection::vec(any::<u8>(), 0..200),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..6),
        gap in 0u32..20,
    ) {
        let all = login();
        let turns: Vec<(Dir, &[u8])> = all.iter().map(|(d, t)| (*d, &t[..])).collect();
        mutated(&PGSQL, &turns, &changes, gap, &tail);
    }
}
