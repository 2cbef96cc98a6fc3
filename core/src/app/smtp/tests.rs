use super::*;
use crate::app::bench::Bench;
use crate::app::config::SmtpConfig;
use alloc::vec::Vec;
use proptest::prelude::*;

const CLIENT: &[u8] = b"EHLO GP\r\nMAIL FROM:<a@patriots.in> SIZE=3\r\nRCPT TO: <b@yahoo.co.in>\r\nDATA\r\n\
From: \"Gurpartap\" <a@patriots.in>\r\nTo: <b@yahoo.co.in>, c@d\r\nSubject: SMTP\r\n\tfolded\r\n\
Content-Type: multipart/mixed;\r\n\tboundary=\"bb\"\r\n\r\nhello\r\n--bb\r\nContent-Type: text/plain\r\n\r\n\
see http://example.org/x?y=1 now\r\n--bb\r\nContent-Type: application/zip; name=\"n.zip\"\r\n\
Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment;\r\n filename=\"real.zip\"\r\n\r\n\
SGVsbG8s\r\nIHdvcmxkIQ==\r\n--bb\r\nContent-Disposition: attachment; filename=plain.txt\r\n\r\nline 1\r\n..dot\r\n--bb--\r\n.\r\nQUIT\r\n";
const SERVER: &[u8] = b"220 xc90 ESMTP\r\n250-xc90\r\n250 HELP\r\n250 OK\r\n250 Accepted\r\n354 go\r\n250 OK id=1\r\n221 bye\r\n";

fn local(name: &str) -> u8 {
    BUFFERS.iter().position(|b| b.name == name).unwrap() as u8
}

/// Padding that fills a group ends it, wherever the lines end.
#[test]
fn groups_of_base64_over_lines() {
    let mut b = Bench::new(&SMTP);
    b.feed(Dir::ToServer, b"EHLO a\r\nMAIL FROM:<a@b>\r\nDATA\r\nContent-Type: application/zip; name=\"z\"\r\n\
Content-Disposition: attachment; filename=\"z\"\r\nContent-Transfer-Encoding: base64\r\n\r\nNA=\r\n=Mg\r\n==\r\n.\r\n");
    assert_eq!(b.values(local("file.data"), Dir::ToServer), [(0, b"42".to_vec())]);
    b.close();
}

/// Links are found as the configuration says, the last of a line first.
#[test]
fn links_by_their_beginnings() {
    let links = |smtp: SmtpConfig| {
        let cfg = AppConfig { smtp, ..Bench::new(&SMTP).cfg };
        let mut b = Bench::of(SMTP.parser.unwrap()(&cfg), cfg);
        b.feed(
            Dir::ToServer,
            b"EHLO a\r\nMAIL FROM:<a@b>\r\nDATA\r\nContent-Type: text/plain\r\n\r\n\
see http://one.example/a and HTTPS://two.example or mailto:me@three.example .\r\n.\r\n",
        );
        let found = b.values(local("email.url"), Dir::ToServer);
        b.close();
        found.into_iter().map(|f| alloc::string::String::from_utf8(f.1).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(links(SmtpConfig::default()), ["one.example/a"]);
    let all = ["http://", "https://", "mailto:"].map(alloc::string::String::from).to_vec();
    assert_eq!(
        links(SmtpConfig { links: all, whole_links: true }),
        ["mailto:me@three.example", "HTTPS://two.example", "http://one.example/a"]
    );
    assert!(links(SmtpConfig { links: Vec::new(), whole_links: false }).is_empty());
}

#[test]
fn mail_and_attachments() {
    let mut b = Bench::new(&SMTP);
    b.feed(Dir::ToClient, SERVER.get(..16).unwrap());
    b.feed(Dir::ToServer, CLIENT);
    b.feed(Dir::ToClient, SERVER.get(16..).unwrap());
    let one = |b: &mut Bench, name| b.values(local(name), Dir::ToServer);
    assert_eq!(one(&mut b, "smtp.helo"), [(0, b"GP".to_vec()), (1, b"GP".to_vec())]);
    assert_eq!(one(&mut b, "smtp.mail_from"), [(0, b"<a@patriots.in>".to_vec())]);
    assert_eq!(one(&mut b, "smtp.rcpt_to"), [(0, b"<b@yahoo.co.in>".to_vec())]);
    assert_eq!(one(&mut b, "email.subject"), [(0, b"SMTP folded".to_vec())]);
    assert_eq!(one(&mut b, "email.url"), [(0, b"example.org/x?y=1".to_vec())]);
    assert_eq!(one(&mut b, "file.name"), [(0, b"real.zip".to_vec()), (0, b"plain.txt".to_vec())]);
    assert_eq!(one(&mut b, "file.data"), [(0, b"Hello, world!".to_vec()), (0, b"line 1\r\n.dot".to_vec())]);
    let head = b.parser.common(b.tx(0)).files[0];
    let sizes: alloc::vec::Vec<u64> = b.files.chain(head).map(|f| b.files.view(f).size()).collect();
    assert_eq!(sizes, [13, 12]);
    // The mail came before the server had asked for it.
    assert_eq!(b.events(0), 1 << EV_PIPELINE);
    b.close();
}

#[test]
fn starttls_changes_the_protocol() {
    let mut b = Bench::new(&SMTP);
    b.feed(Dir::ToClient, b"220 x\r\n");
    b.feed(Dir::ToServer, b"EHLO a\r\nSTARTTLS\r\n");
    let out = b.feed(Dir::ToClient, b"250 ok\r\n220 go\r\n");
    assert!(matches!(out, Outcome::Change { bytes: 16, .. }), "{out:?}");
    b.close();
}

#[test]
fn refused_data_is_not_a_message() {
    let mut b = Bench::new(&SMTP);
    b.feed(Dir::ToClient, b"220 x\r\n");
    b.feed(Dir::ToServer, b"HELO a\r\nDATA\r\n");
    b.feed(Dir::ToClient, b"250 ok\r\n503 no\r\n");
    b.feed(Dir::ToServer, b"MAIL FROM:<q>\r\n");
    assert_eq!(b.values(local("smtp.mail_from"), Dir::ToServer).len(), 1);
    assert_eq!(b.events(0), 1 << EV_DATA_REJECTED);
    b.close();
}

/// What is odd in a mail's header, and what a client says too early.
#[test]
fn events_of_headers_and_pipelines() {
    let raised = |early: bool, message: &str| {
        let mut b = Bench::new(&SMTP);
        b.feed(Dir::ToClient, b"220 x\r\n");
        b.feed(Dir::ToServer, b"HELO a\r\n");
        b.feed(Dir::ToClient, b"250 ok\r\n");
        b.feed(Dir::ToServer, b"DATA\r\n");
        if !early {
            b.feed(Dir::ToClient, b"354 go\r\n");
        }
        b.feed(Dir::ToServer, format!("{message}\r\n\r\nbody\r\n.\r\n").as_bytes());
        let all = b.live().into_iter().fold(0, |a, tx| a | b.parser.common(tx).events);
        b.close();
        EVENTS.iter().enumerate().filter(|(i, _)| all >> i & 1 != 0).map(|(_, n)| *n).collect::<Vec<_>>()
    };
    let long = |name: usize, value: usize| format!("{}: {}", "n".repeat(name), "v ".repeat(value / 2));
    assert_eq!(raised(false, "Subject: x\r\n y"), [""; 0]);
    assert_eq!(raised(true, "Subject: x"), ["invalid_pipelined_sequence"]);
    assert_eq!(raised(false, "Subject: x\r\nnonsense"), [""; 0]);
    let parts = "Content-Type: multipart/mixed; boundary=bb\r\n\r\n--bb\r\n\r\nx";
    assert_eq!(raised(false, parts), ["mime_malformed_msg"]);
    assert_eq!(raised(false, &format!("{parts}\r\n--bb--")), [""; 0]);
    assert_eq!(raised(false, &long(75, 10)), [""; 0]);
    assert_eq!(raised(false, &long(76, 10)), ["mime_long_header_name"]);
    let folded = format!("Subject: {}", ["v".repeat(900), "v".repeat(900), "v".repeat(300)].join("\r\n "));
    assert_eq!(raised(false, &folded), ["mime_long_header_value"]);
}

proptest! {
    #[test]
    fn any_cut_gives_the_same(cuts in proptest::collection::vec(1usize..80, 1..10)) {
        let mut whole = Bench::new(&SMTP);
        whole.feed(Dir::ToServer, CLIENT);
        let want = whole.everything(&SMTP);
        let mut cut = Bench::new(&SMTP);
        prop_assert_eq!(cut.feed_cut(Dir::ToServer, CLIENT, &cuts), 0);
        prop_assert_eq!(cut.everything(&SMTP), want);
        cut.close();
        whole.close();
    }

    #[test]
    fn never_panics(noise in proptest::collection::vec((any::<bool>(), proptest::collection::vec(any::<u8>(), 0..300)), 0..8),
                    at in 0usize..CLIENT.len(), v in any::<u8>()) {
        let mut b = Bench::new(&SMTP);
        let mut c = CLIENT.to_vec();
        c[at] = v;
        b.feed_cut(Dir::ToServer, &c, &[50]);
        for (ts, bytes) in &noise {
            b.feed(if *ts { Dir::ToServer } else { Dir::ToClient }, bytes);
        }
        b.everything(&SMTP);
        b.close();
    }
}
