use super::*;
use crate::app::bench::Bench;
use crate::app::shown::{cut_is_whole, events, mutated, record, talk, values};
use alloc::vec::Vec;
use proptest::prelude::*;

const MAIL: &[u8] =
    b"From: a@b\r\nTo: c@d\r\nSubject: hello\r\nContent-Type: application/zip; name=n.zip\r\n\
Content-Transfer-Encoding: base64\r\n\r\nSGVsbG8s\r\nIHdvcmxkIQ==\r\n";

/// A session with all that goes on.
const TALK: &[(Dir, &[u8])] = &[
    (ToClient, b"* OK [CAPABILITY IMAP4rev1] ready {5}\r\n"),
    (ToServer, b"a1 capability\r\na2 LOGIN {4}\r\n"),
    (ToClient, b"* CAPABILITY IMAP4rev1 IDLE\r\na1 OK done\r\n+ go\r\n"),
    (ToServer, b"fred {6+}\r\nsecret\r\n"),
    (ToClient, b"a2 NO [AUTHENTICATIONFAILED] no\r\n"),
    (ToServer, b"a3 AUTHENTICATE PLAIN\r\n"),
    (ToClient, b"+ \r\n"),
    (ToServer, b"AGZyZWQAc2VjcmV0\r\n"),
    (ToClient, b"a3 OK in\r\n"),
    (ToServer, b"a4 SELECT \"my box\"\r\na5 uid fetch 1:2 (FLAGS BODY[])\r\n"),
    (ToClient, b"* 2 EXISTS\r\na4 OK [READ-WRITE] there\r\n* 1 FETCH (BODY[] {140}\r\n"),
    (ToClient, MAIL),
    (ToClient, b" FLAGS (\\Seen))\r\n* 2 FETCH (BODY[HEADER] {4}\r\na b\n)\r\na5 OK done\r\n"),
    (ToServer, b"a6 APPEND {5+}\r\nDraft (\\Seen) {140}\r\n"),
    (ToClient, b"+ go\r\n"),
    (ToServer, MAIL),
    (ToServer, b"\r\n"),
    (ToClient, b"a6 OK done\r\n"),
    (ToServer, b"a7 IDLE\r\n"),
    (ToClient, b"+ idling\r\n* 3 EXISTS\r\n"),
    (ToServer, b"DONE\r\n"),
    (ToClient, b"a7 OK\r\n"),
    (ToServer, b"a8 APPEND x {10}\r\n"),
    (ToClient, b"a8 NO [OVERQUOTA] no\r\n"),
    (ToServer, b"a9 LOGOUT\r\n"),
    (ToClient, b"* BYE bye\r\n"),
];

#[test]
fn commands_answers_and_mails() {
    let mut b = Bench::new(&IMAP);
    talk(&mut b, TALK, &[]);
    let email = "mail_size=140 } email{ status=PARSE_DONE from=a@b to[ c@d ] attachment[ n.zip ]";
    let want = [
        "response{ status=OK header=[CAPABILITY IMAP4rev1] ready {5} }",
        "request{ tag=a1 command=CAPABILITY } response{ status=OK header=done data[ CAPABILITY IMAP4rev1 IDLE ] }",
        "request{ tag=a2 command=LOGIN credentials=true } response{ status=NO header=[AUTHENTICATIONFAILED] no }",
        "request{ tag=a3 command=AUTHENTICATE args[ PLAIN ] credentials=true } response{ status=OK header=in }",
        "request{ tag=a4 command=SELECT args[ my box ] } response{ status=OK header=[READ-WRITE] there data[ 2 EXISTS ] }",
        "request{ tag=a5 command=UID FETCH args[ 1:2 (FLAGS BODY[]) ] } response{ status=OK header=done \
         data[ 1 FETCH (BODY[] {140}  FLAGS (\\Seen)) 2 FETCH (BODY[HEADER] {4} ) ] }",
        &format!("request{{ tag=a5 command=UID FETCH }} {email}"),
        "request{ tag=a6 command=APPEND args[ Draft (\\Seen) ] } response{ status=OK header=done }",
        &format!("request{{ tag=a6 command=APPEND args[ Draft ] }} {email}"),
        "request{ tag=a7 command=IDLE } response{ status=OK header= data[ 3 EXISTS ] }",
        "request{ tag=a8 command=APPEND args[ x ] } response{ status=NO header=[OVERQUOTA] no }",
        "request{ tag=a9 command=LOGOUT } response{ data[ BYE bye ] }",
    ];
    for (i, text) in want.iter().enumerate() {
        assert_eq!(record(&b, &IMAP, i as u64), *text);
        assert_eq!(events(&b, &IMAP, i as u64), [""; 0], "{i}");
        assert_eq!(b.parser.common(b.tx(i as u64)).steps(), [1, u8::from(i < 11)], "{i}");
    }
    assert_eq!(b.live().len(), want.len());
    let of = |name, dir| (name, dir);
    for ((name, dir), want) in [
        (of("imap.mailbox", ToServer), &[(4, "my box"), (7, "Draft"), (8, "Draft"), (10, "x")][..]),
        (
            of("imap.status", ToClient),
            &[
                (0, "OK"),
                (1, "OK"),
                (2, "NO"),
                (3, "OK"),
                (4, "OK"),
                (5, "OK"),
                (7, "OK"),
                (9, "OK"),
                (10, "NO"),
            ],
        ),
        (of("email.subject", ToServer), &[(8, "hello")]),
        (of("email.subject", ToClient), &[(6, "hello")]),
        (of("file.data", ToServer), &[(8, "Hello, world!")]),
        (of("file.data", ToClient), &[(6, "Hello, world!")]),
    ] {
        let got = values(&mut b, &IMAP, name, dir);
        let got: Vec<(u64, &str)> = got.iter().map(|(i, v)| (*i, v.as_str())).collect();
        assert_eq!(got, want, "{name}");
    }
    for (tx, dir) in [(6, ToClient), (8, ToServer)] {
        let head = b.parser.common(b.tx(tx)).files[dir.ix()];
        assert_eq!(b.files.chain(head).map(|f| b.files.view(f).size()).collect::<Vec<_>>(), [13]);
    }
    // No record, and no memory, has what logged in.
    let all: Vec<u8> = b.everything(&IMAP).into_iter().flat_map(|v| v.1).collect();
    for secret in [&b"secret"[..], b"fred", b"AGZyZWQAc2VjcmV0"] {
        assert!(memchr::memmem::find(&all, secret).is_none());
    }
    b.close();
}

#[test]
fn a_client_is_known_by_its_first_command() {
    let judged = |b: &[u8]| probe_imap(b, ToServer);
    assert_eq!(judged(b". CAPABILITY\r\n"), Verdict::Yes);
    assert_eq!(judged(b"a1 login {4}\r\nfred"), Verdict::Yes);
    assert_eq!(judged(b". CAPABI"), Verdict::Unsure);
    for no in [&b"GET / HTTP/1.1\r\n"[..], b"USER me\r\n", b"a1 XYZ\r\n", b"\n", &[b'x'; 600]] {
        assert_eq!(judged(no), Verdict::No);
    }
}

#[test]
fn encryption_and_compression() {
    let mut b = Bench::new(&IMAP);
    b.feed(ToServer, b"a STARTTLS\r\n");
    assert!(matches!(b.feed(ToClient, b"a BAD no\r\n"), Outcome::Consumed { .. }));
    b.feed(ToServer, b"b starttls\r\nc LOGIN me pw\r\n");
    assert_eq!(events(&b, &IMAP, 2), ["command_behind_starttls"]);
    let out = b.feed(ToClient, b"b OK go\r\n\x16\x03");
    assert_eq!(out, Outcome::Change { bytes: 9, to: AppProto::by_name("tls") });
    b.close();
    let mut b = Bench::new(&IMAP);
    b.feed(ToServer, b"a COMPRESS DEFLATE\r\n");
    b.feed(ToClient, b"a OK go\r\n\x01\x02\n* OK\n");
    b.feed(ToServer, b"\x01\x02 c\n* OK\n");
    assert_eq!(b.live().len(), 1);
    b.close();
}

#[test]
fn every_event() {
    let mut b = Bench::new(&IMAP);
    b.feed(ToServer, b"a LOGIN me\r\nb XYZZY\r\nc YZZY\r\nnothing\r\nd NOOP {x}\r\ne IDLE\r\nf NOOP\r\n");
    b.feed(ToServer, &[b"g SEARCH ", &[b'x'; 9000][..], b"\r\n"].concat());
    b.feed(ToClient, b"z OK what\r\nnonsense\r\n");
    let all = (0..10).map(|i| events(&b, &IMAP, i)).collect::<Vec<_>>();
    assert_eq!(
        all,
        [
            &["incorrect_argument_count"][..],
            &[],
            &["unknown_command"],
            &["malformed_command"],
            &["incorrect_argument_count", "invalid_literal"],
            &[],
            &["command_while_idle"],
            &["request_too_long"],
            &["unknown_tag"],
            &["malformed_response"],
        ]
    );
    b.close();
    let cfg = AppConfig { max_txs: 1000, ..AppConfig::default() };
    let mut b = Bench::of((IMAP.parser.unwrap())(&cfg), cfg);
    for _ in 0..=AppConfig::default().waiting("imap") {
        b.feed(ToServer, b"a NOOP\r\n");
    }
    assert_eq!(events(&b, &IMAP, 0), ["too_many_transactions"]);
    b.close();
}

/// A mail's own oddities are events of its transaction.
#[test]
fn events_of_mails() {
    let mut b = Bench::new(&IMAP);
    let mail = "Content-Type: multipart/mixed; boundary=bb\r\n\r\n--bb\r\n\r\nx";
    b.feed(ToServer, format!("a APPEND x {{{}+}}\r\n{mail}\r\n", mail.len()).as_bytes());
    assert_eq!(events(&b, &IMAP, 1), ["mime_malformed_msg"]);
    b.close();
}

/// A literal of a line that is longer than what is kept of lines is found all the same.
#[test]
fn literals_of_long_lines() {
    let mut b = Bench::new(&IMAP);
    b.feed(ToServer, b"a FETCH 1 (ENVELOPE RFC822)\r\n");
    let long = [b"* 1 FETCH (ENVELOPE (\"", &[b'x'; 20_000][..], b"\") RFC822 {140}\r\n"].concat();
    b.feed(ToClient, &long);
    b.feed(ToClient, MAIL);
    b.feed(ToClient, b")\r\na OK\r\n");
    assert_eq!(values(&mut b, &IMAP, "email.subject", ToClient), [(1, "hello".into())]);
    assert_eq!(values(&mut b, &IMAP, "imap.status", ToClient), [(0, "OK".into())]);
    b.close();
}

/// Bytes that are missing within a mail, and beyond it: what was not read before them is missing, too.
#[test]
fn holes() {
    let subject = MAIL.windows(9).position(|w| w == b"Subject: ").unwrap() + 16;
    for (gap, after) in [(20, &MAIL[subject + 20..]), (200, &b"x\r\n"[..])] {
        let mut b = Bench::new(&IMAP);
        b.feed(ToServer, b"a FETCH 1 RFC822\r\n");
        b.feed(ToClient, b"* 1 FETCH (RFC822 {140}\r\n");
        assert_eq!(b.feed(ToClient, &MAIL[..subject]), Outcome::Consumed { bytes: subject, need: 0 });
        b.give(Input { dir: ToClient, data: after, gap, eof: false, datagram: false });
        b.feed(ToClient, if gap == 20 { &b")\r\na OK x\r\n"[..] } else { b"a OK x\r\n" });
        assert_eq!(values(&mut b, &IMAP, "email.subject", ToClient), [(1, "hello".into())]);
        assert_eq!(values(&mut b, &IMAP, "imap.status", ToClient), [(0, "OK".into())]);
        b.close();
    }
}

#[test]
fn what_is_long_is_kept_in_part() {
    let mut b = Bench::new(&IMAP);
    b.feed(ToServer, b"a LIST \"\" *\r\n");
    let line: Vec<u8> = [b"* LIST () \"/\" ", &[b'y'; 70][..], b"\r\n"].concat();
    for _ in 0..2000 {
        b.feed(ToClient, &line);
    }
    b.feed(ToClient, b"a OK x\r\n");
    b.feed(ToServer, b"b LOGIN {4000000000}\r\n");
    for _ in 0..1000 {
        b.feed(ToServer, &[b'z'; 4000]);
    }
    assert!(b.pool.in_use() < 100_000, "{}", b.pool.in_use());
    assert_eq!(b.parser.common(b.tx(0)).steps(), [1, 1]);
    assert!(record(&b, &IMAP, 0).len() < 40_000);
    b.close();
}

proptest! {
    #[test]
    fn any_cut_gives_the_same(cuts in proptest::collection::vec(1usize..40, 1..8)) {
        cut_is_whole(&IMAP, TALK, &cuts);
    }

    #[test]
    fn never_panics(
        tail in proptest::collection::vec(any::<u8>(), 0..200),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..6),
        gap in 0u32..300,
    ) {
        mutated(&IMAP, TALK, &changes, gap, &tail);
    }

    /// Of any bytes: what is read of a whole session and of one that is cut anyhow is the same, and credentials are nowhere.
    #[test]
    fn any_literals_any_cut(
        literals in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..60), any::<bool>()), 1..4),
        cuts in proptest::collection::vec(1usize..20, 1..6),
    ) {
        let mut bytes = b"a APPEND box".to_vec();
        for (literal, consent) in &literals {
            bytes.extend(format!(" {{{}{}}}\r\n", literal.len(), if *consent { "" } else { "+" }).bytes());
            bytes.extend(literal);
        }
        bytes.extend(b"\r\nb NOOP\r\n");
        let turns = [(ToServer, &bytes[..]), (ToClient, &b"a OK\r\nb OK\r\n"[..])];
        cut_is_whole(&IMAP, &turns, &cuts);
        let mut b = Bench::new(&IMAP);
        talk(&mut b, &turns, &[]);
        let mails = literals.iter().filter(|l| !l.0.is_empty()).count();
        prop_assert_eq!(b.live().len(), 2 + mails);
        prop_assert_eq!(values(&mut b, &IMAP, "imap.status", ToClient).len(), 2);
        b.close();
    }
}
