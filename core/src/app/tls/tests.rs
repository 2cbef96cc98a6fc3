//! Real handshakes, broken ones, and any cut of them.

use super::*;
use crate::app::Encrypted;
use crate::app::bench::Bench;
use proptest::prelude::*;

fn bench() -> Bench<Tls> {
    let cfg =
        AppConfig { max_states: 4, max_files: 4, tls_encrypted: Encrypted::Full, ..AppConfig::default() };
    Bench::of(Box::new(Tls::new(&cfg)), cfg)
}

impl Bench<Tls> {
    /// Feeds `bytes` of one side in pieces of at most `piece`, keeping what is not consumed.
    fn feed_pieces(&mut self, st: StateId, dir: Dir, bytes: &[u8], piece: usize) -> bool {
        let (mut at, mut seen) = (0, 0);
        while seen < bytes.len() {
            seen = (seen + piece).min(bytes.len());
            let data = &bytes[at..seen];
            let input = Input { dir, data, gap: 0, eof: false, datagram: false };
            match self.with(|t, cx| t.parse(st, input, cx)) {
                Outcome::Consumed { bytes, need } => {
                    assert!(bytes <= data.len());
                    assert!(need == 0 || need > data.len() - bytes);
                    at += bytes;
                }
                Outcome::Failed => return false,
                o => panic!("{o:?}"),
            }
        }
        true
    }

    fn buffer(&mut self, st: StateId, name: &str, dir: Dir, index: u32) -> Option<Vec<u8>> {
        let local = BUFFERS.iter().position(|b| b.name == name).unwrap() as u8;
        match self.parser.buffer(
            st,
            st,
            BufferAt { local, dir, index, pool: &self.pool, scratch: &mut self.scratch },
        ) {
            Buffer::Data { bytes, .. } => Some(bytes.to_vec()),
            _ => None,
        }
    }

    /// Everything a rule or a record could see.
    fn all(&mut self, st: StateId) -> String {
        let mut out = String::new();
        for dir in Dir::BOTH {
            for b in BUFFERS {
                for i in 0..40 {
                    if let Some(v) = self.buffer(st, b.name, dir, i) {
                        out += &format!("{dir:?} {} {i} {v:02x?}\n", b.name);
                    }
                }
            }
            // `ssl_state` is about what was read last, which depends on the cuts.
            for (n, i) in INTS.iter().enumerate().filter(|(_, i)| i.name != "ssl_state") {
                for k in 0..5 {
                    if let Some(v) =
                        self.parser.int(st, st, IntAt { local: n as u8, dir, index: k, pool: &self.pool })
                    {
                        out += &format!("{dir:?} {} {v}\n", i.name);
                    }
                }
            }
        }
        let c = self.parser.common(st);
        out + &format!("{:?} {:x} due {}", c.steps(), c.events, self.parser.log_due(st))
    }
}

fn unhex(s: &str) -> Vec<u8> {
    let d: Vec<u8> = s.bytes().filter(u8::is_ascii_hexdigit).collect();
    d.chunks(2).map(|c| u8::from_str_radix(std::str::from_utf8(c).unwrap(), 16).unwrap()).collect()
}

fn vec16(b: &[u8]) -> Vec<u8> {
    [&(b.len() as u16).to_be_bytes()[..], b].concat()
}

fn vec24(b: &[u8]) -> Vec<u8> {
    [&(b.len() as u32).to_be_bytes()[1..], b].concat()
}

fn record(kind: u8, version: u16, body: &[u8]) -> Vec<u8> {
    [&[kind][..], &version.to_be_bytes(), &vec16(body)].concat()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind][..], &vec24(body)].concat()
}

fn ext(kind: u16, body: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &vec16(body)].concat()
}

fn words(v: &[u16]) -> Vec<u8> {
    v.iter().flat_map(|w| w.to_be_bytes()).collect()
}

fn sni(name: &str) -> Vec<u8> {
    ext(0, &vec16(&[&[0][..], &vec16(name.as_bytes())].concat()))
}

fn client_hello(ciphers: &[u16], exts: &[Vec<u8>]) -> Vec<u8> {
    let body = [
        &[3, 3][..],
        &(0..32).collect::<Vec<u8>>(),
        &[4, 9, 9, 9, 9],
        &vec16(&words(ciphers)),
        &[1, 0],
        &vec16(&exts.concat()),
    ];
    message(1, &body.concat())
}

fn server_hello(id: &[u8], cipher: u16, exts: &[Vec<u8>]) -> Vec<u8> {
    let body =
        [&[3, 3][..], &[7; 32], &[id.len() as u8], id, &cipher.to_be_bytes(), &[0], &vec16(&exts.concat())];
    message(2, &body.concat())
}

/// The example of JA4's technical details: Chrome's hello, `t13d1516h2_8daaf6152771_e5627efa2ab1`.
fn chrome() -> Vec<u8> {
    let ciphers = [
        0x0a0a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014,
        0x009c, 0x009d, 0x002f, 0x0035,
    ];
    let algorithms = [0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601];
    let exts = [
        ext(0x1a1a, &[]),
        ext(0x001b, &[2, 0, 2]),
        sni("example.com"),
        ext(0x0033, &[1, 2, 3]),
        ext(0x0010, &vec16(b"\x02h2\x08http/1.1")),
        ext(0x4469, &[0]),
        ext(0x0017, &[]),
        ext(0x002d, &[1, 1]),
        ext(0x000d, &vec16(&words(&algorithms))),
        ext(0x0005, &[1, 0, 0, 0, 0]),
        ext(0x0023, &[]),
        ext(0x0012, &[]),
        ext(0x002b, &[7, 0x2a, 0x2a, 3, 4, 3, 3, 0]),
        ext(0xff01, &[0]),
        ext(0x000b, &[1, 0]),
        ext(0x000a, &vec16(&words(&[0x3a3a, 29, 23, 24]))),
        ext(0x0015, &[0; 4]),
    ];
    client_hello(&ciphers, &exts)
}

#[test]
fn fingerprints_and_names_of_a_client() {
    let mut b = bench();
    let st = b.st;
    assert!(b.feed_pieces(st, Dir::ToServer, &record(22, 0x0301, &chrome()), usize::MAX >> 1));
    let mut get = |n| String::from_utf8(b.buffer(st, n, Dir::ToServer, 0).unwrap()).unwrap();
    assert_eq!(get("tls.sni"), "example.com");
    assert_eq!(get("ja4.hash"), "t13d1516h2_8daaf6152771_e5627efa2ab1");
    assert_eq!(
        get("ja3.string"),
        "771,4865-4866-4867-49195-49199-49196-49200-52393-52392-49171-49172-156-157-47-53,\
         27-0-51-16-17513-23-45-13-5-35-18-43-65281-11-10-21,29-23-24,0"
    );
    assert_eq!(get("ja3.hash").len(), 32);
    assert_eq!(b.buffer(st, "tls.alpn", Dir::ToServer, 1).unwrap(), b"http/1.1");
    assert_eq!(b.buffer(st, "tls.alpn", Dir::ToServer, 2), None);
    assert_eq!(b.buffer(st, "tls.random_bytes", Dir::ToServer, 0).unwrap()[0], 4);
    assert_eq!(
        b.parser.int(st, st, IntAt { local: 1, dir: Dir::ToServer, index: 0, pool: &b.pool }),
        Some(0x304)
    );
    assert_eq!(b.parser.common(st).steps(), [1, 0]);
}

/// A hello in records of `sizes` (the last is used again), and of the rest.
fn in_records(hello: &[u8], sizes: &[usize]) -> Vec<u8> {
    let (mut out, mut rest, mut n) = (Vec::new(), hello, 0);
    while !rest.is_empty() {
        let size = sizes[n.min(sizes.len() - 1)].clamp(1, rest.len());
        out.extend(record(22, 0x0301, &rest[..size]));
        rest = &rest[size..];
        n += 1;
    }
    out
}

/// Records of a few bytes, less than a message's header has, hide nothing; the event says that they are odd.
#[test]
fn a_hello_in_tiny_records_shows_its_names() {
    for sizes in [&[1][..], &[3, 1000], &[1, 1, 1, 1000], &[2, 2, 1000], &[200, 1], &[5, 1, 1000]] {
        let mut b = bench();
        let st = b.st;
        assert!(b.feed_pieces(st, Dir::ToServer, &in_records(&chrome(), sizes), 11), "{sizes:?}");
        assert_eq!(
            b.buffer(st, "tls.sni", Dir::ToServer, 0).as_deref(),
            Some(&b"example.com"[..]),
            "{sizes:?}"
        );
        assert!(b.buffer(st, "ja4.hash", Dir::ToServer, 0).is_some());
        let odd = sizes.iter().any(|s| *s < 4);
        assert_eq!(b.parser.common(st).events >> events::INVALID_SSL_RECORD & 1 == 1, odd, "{sizes:?}");
        assert_eq!(b.parser.common(st).steps(), [1, 0]);
    }
}

/// `ja3.string` and hash of the JA3 project's README.
#[test]
fn ja3_of_a_hello_without_extensions() {
    let mut b = bench();
    let st = b.st;
    let ciphers = [4, 5, 10, 9, 100, 98, 3, 6, 19, 18, 99];
    let body = [&[3, 1][..], &[0; 32], &[0], &vec16(&words(&ciphers)), &[1, 0]].concat();
    assert!(b.feed_pieces(st, Dir::ToServer, &record(22, 0x0301, &message(1, &body)), 7));
    assert_eq!(b.buffer(st, "ja3.string", Dir::ToServer, 0).unwrap(), b"769,4-5-10-9-100-98-3-6-19-18-99,,,");
    assert_eq!(b.buffer(st, "ja3.hash", Dir::ToServer, 0).unwrap(), b"de350869b8c85de67a350c8d186f11e6");
}

fn der(tag: u8, body: &[u8]) -> Vec<u8> {
    let n = body.len();
    let head = match n {
        0..=127 => vec![tag, n as u8],
        128..=255 => vec![tag, 0x81, n as u8],
        _ => vec![tag, 0x82, (n >> 8) as u8, n as u8],
    };
    [head, body.to_vec()].concat()
}

fn attribute(oid: &[u8], tag: u8, value: &[u8]) -> Vec<u8> {
    der(0x31, &der(0x30, &[der(6, oid), der(tag, value)].concat()))
}

fn certificate(subject: &[Vec<u8>], before: &[u8], names: &[&[u8]]) -> Vec<u8> {
    let algorithm = der(0x30, &der(6, &[0x2a, 0x86, 0x48]));
    let san = der(0x30, &names.iter().flat_map(|n| der(0x82, n)).collect::<Vec<u8>>());
    let exts = der(0x30, &der(0x30, &[der(6, &[0x55, 0x1d, 0x11]), der(4, &san)].concat()));
    let issuer = [attribute(&[0x55, 4, 6], 0x13, b"US"), attribute(&[0x55, 4, 10], 0x0c, b"A, B")].concat();
    let tbs = [
        der(0xa0, &der(2, &[2])),
        der(2, &[0, 0x97, 0xe6]),
        algorithm.clone(),
        der(0x30, &issuer),
        der(0x30, &[der(0x17, before), der(0x18, b"20391231235959Z")].concat()),
        der(0x30, &subject.concat()),
        der(0x30, &algorithm),
        der(0xa3, &exts),
    ];
    der(0x30, &[der(0x30, &tbs.concat()), algorithm, der(3, &[0, 1])].concat())
}

fn subject() -> Vec<Vec<u8>> {
    vec![
        attribute(&[0x55, 4, 3], 0x0c, b"host\0x"),
        attribute(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1], 0x16, b"a@b"),
        attribute(&[0x2a, 3, 0x87, 0x68], 0x0c, b"odd"),
    ]
}

fn server_flight() -> Vec<u8> {
    let cert = certificate(&subject(), b"491231000000Z", &[b"a.example", b"b.example"]);
    let chain = [vec24(&cert), vec24(b"second")].concat();
    let hs = [
        server_hello(&[1, 2], 0xc02f, &[ext(0xff01, &[0]), ext(16, &vec16(b"\x02h2"))]),
        message(11, &vec24(&chain)),
        message(14, &[]),
    ]
    .concat();
    // Messages cross the borders of records.
    hs.chunks(150).flat_map(|c| record(22, 0x0303, c)).collect()
}

#[test]
fn certificate_of_a_server() {
    let mut b = bench();
    let st = b.st;
    assert!(b.feed_pieces(st, Dir::ToServer, &record(22, 0x0301, &chrome()), 1000));
    assert!(b.feed_pieces(st, Dir::ToClient, &server_flight(), 1000));
    let mut get = |n, i| b.buffer(st, n, Dir::ToClient, i).map(|v| String::from_utf8_lossy(&v).into_owned());
    assert_eq!(get("tls.cert_subject", 0).unwrap(), "CN=host\0x, Email=a@b, 1.2.3.1000=odd");
    assert_eq!(get("tls.cert_issuer", 0).unwrap(), "C=US, O=A, B");
    assert_eq!(get("tls.cert_serial", 0).unwrap(), "00:97:E6");
    assert_eq!(get("tls.cert_fingerprint", 0).unwrap().len(), 59);
    assert_eq!(get("tls.subjectaltname", 1).unwrap(), "b.example");
    assert_eq!(get("tls.certs", 1).unwrap(), "second");
    assert_eq!(get("tls.certs", 2), None);
    assert_eq!(get("tls.alpn", 0).unwrap(), "h2");
    assert_eq!(get("ja3s.string", 0).unwrap(), "771,49199,65281-16");
    let s = b.parser.states.get(st);
    assert_eq!(x509::civil(s.sides[1].not_before), (2049, 12, 31, 0, 0, 0));
    assert_eq!(s.sides[1].not_after, 2_208_988_799);
    assert_eq!(b.parser.common(st).steps(), [3, 3]);
    assert_eq!(b.parser.common(st).events, 0);
    assert_eq!(b.parser.log_due(st), LOG_WHOLE);
    assert_eq!(
        b.parser.int(st, st, IntAt { local: 0, dir: Dir::ToClient, index: 0, pool: &b.pool }),
        Some(2)
    );
    b.with(|t, cx| t.close(st, cx));
    assert_eq!(b.pool.in_use(), 0);
}

#[test]
fn times_before_the_epoch() {
    let cert = certificate(&subject(), b"691231000000Z", &[]);
    let c = x509::parse(&cert).unwrap();
    assert_eq!((c.not_before, x509::civil(c.not_before)), (-86_400, (1969, 12, 31, 0, 0, 0)));
    for bad in [&b"691331000000Z"[..], b"6912310000", b"6912", b"", b"69123100000zZ"] {
        let r = x509::parse(&certificate(&subject(), bad, &[])).map(|_| ());
        assert_eq!(r, if bad == b"6912310000" { Ok(()) } else { Err(x509::Fault::Date) }, "{bad:?}");
    }
}

#[test]
fn resumption_shows_without_a_certificate() {
    let mut b = bench();
    let st = b.st;
    b.feed_pieces(st, Dir::ToServer, &record(22, 0x0301, &client_hello(&[1], &[])), 1000);
    let flight = [
        record(22, 0x0303, &server_hello(&[9; 4], 0xc02f, &[])),
        record(20, 0x0303, &[1]),
        record(22, 0x0303, &[0x55; 40]),
        record(23, 0x0303, b"x"),
    ];
    assert!(b.feed_pieces(st, Dir::ToClient, &flight.concat(), 10));
    assert_eq!(b.parser.log_due(st), 0);
    assert!(b.feed_pieces(st, Dir::ToServer, &record(20, 0x0303, &[1]), 1000));
    assert_eq!(b.parser.log_due(st), LOG_WHOLE);
    assert_eq!(b.parser.common(st).events, 0);
}

#[test]
fn tls13_is_due_without_a_certificate_and_then_opaque() {
    let mut b = bench();
    b.cfg.tls_encrypted = Encrypted::Track;
    let st = b.st;
    b.feed_pieces(st, Dir::ToServer, &record(22, 0x0301, &chrome()), 1000);
    let flight = [
        record(22, 0x0303, &server_hello(&[9; 4], 0x1301, &[ext(43, &[3, 4])])),
        record(20, 0x0303, &[1]),
        record(23, 0x0303, b"encrypted"),
    ];
    let flight = flight.concat();
    let (most, rest) = flight.split_at(flight.len() - 1);
    let give = |b: &mut Bench<Tls>, data: &[u8]| {
        let input = Input { dir: Dir::ToClient, data, gap: 0, eof: false, datagram: false };
        b.with(|t, cx| t.parse(st, input, cx))
    };
    // Part of a record of data does not end it.
    assert_eq!(give(&mut b, most), Outcome::Consumed { bytes: most.len(), need: 0 });
    assert_eq!((b.parser.common(st).steps(), b.parser.log_due(st)), ([1, 3], 0));
    assert_eq!(give(&mut b, rest), Outcome::Opaque { bytes: rest.len() });
    assert_eq!(b.parser.log_due(st), LOG_WHOLE);
    assert_eq!(
        b.parser.int(st, st, IntAt { local: 2, dir: Dir::ToClient, index: 0, pool: &b.pool }),
        Some(0x304)
    );
}

#[test]
fn sslv2_hello_then_tls() {
    let mut b = bench();
    let st = b.st;
    let v2 = unhex(
        "80 2e 01 03 01 00 15 00 00 00 10 00 00 16 00 00 13 00 00 0a 00 00 66 00 00 05 00 00 04 00 00 09
        01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 10",
    );
    assert!(b.feed_pieces(st, Dir::ToServer, &v2, 3));
    assert!(b.feed_pieces(st, Dir::ToClient, &server_flight(), 100));
    assert_eq!(b.parser.common(st).events, 0);
    assert_eq!(
        b.parser.int(st, st, IntAt { local: 1, dir: Dir::ToServer, index: 0, pool: &b.pool }),
        Some(0x301)
    );
    assert_eq!(b.parser.common(st).steps(), [3, 3]);
}

#[test]
fn broken_input_raises_events() {
    let name = |ev: u128| {
        let on = (0..events::NAMES.len()).filter(|i| ev >> i & 1 == 1);
        on.map(|i| events::NAMES[i]).collect::<Vec<_>>().join(" ")
    };
    let inner = unhex("30 06 30 84 ff ff ff fa 04");
    let cases: &[(Vec<u8>, &str)] = &[
        (record(30, 0x0303, &[0; 9]), "invalid_record_type"),
        (record(22, 0x0399, &[0; 9]), "invalid_record_version"),
        (record(22, 0x0303, &[]), "invalid_record_length"),
        (unhex("16 03 03 ff ff"), "invalid_record_length"),
        (record(22, 0x0303, &[1, 0]), "invalid_ssl_record"),
        (record(22, 0x0303, &[99, 0, 0, 1, 5]), "invalid_handshake_message"),
        (record(22, 0x0303, &message(1, &[3, 3, 9])), "handshake_invalid_length"),
        (record(21, 0x0303, &[2]), "invalid_alert_message"),
        (record(24, 0x0303, &[1, 0x40, 0, 1, 2]), "overflow_heartbeat_message"),
        (record(24, 0x0303, &[9, 0, 0, 1, 2]), "invalid_heartbeat_message"),
        (unhex("80 00 01"), "invalid_sslv2_header invalid_ssl_record"),
        (record(22, 0x0303, &message(11, &vec24(&vec24(&inner)))), "invalid_certificate"),
        (record(22, 0x0303, &message(11, &vec24(&vec24(&[0x30, 0x50, 1])))), "certificate_invalid_length"),
        (record(22, 0x0303, &client_hello(&[1], &[sni("a"), sni("b")])), "multiple_sni_extensions"),
        (record(22, 0x0303, &client_hello(&[1], &[sni("")])), "invalid_sni_length"),
        (record(22, 0x0303, &client_hello(&[1], &[ext(0, &[0, 3, 7, 0, 0])])), "invalid_sni_type"),
    ];
    for (bytes, want) in cases {
        let mut b = bench();
        let st = b.st;
        b.feed_pieces(st, Dir::ToServer, bytes, 1000);
        assert_eq!(name(b.parser.common(st).events), *want, "{bytes:02x?}");
    }
}

#[test]
fn a_gap_inside_opaque_data_is_passed_over() {
    let mut b = bench();
    let st = b.st;
    let data = record(23, 0x0303, &[0; 500]);
    b.feed_pieces(st, Dir::ToClient, &data[..100], 1000);
    for (gap, want) in [(405, Outcome::Consumed { bytes: 0, need: 0 }), (1, Outcome::Failed)] {
        let input = Input { dir: Dir::ToClient, data: &[], gap, eof: false, datagram: false };
        assert_eq!(b.with(|t, cx| t.parse(st, input, cx)), want);
    }
}

fn pieces() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(record(22, 0x0301, &chrome())),
        Just(server_flight()),
        Just(record(20, 0x0303, &[1])),
        Just(record(23, 0x0303, &[5; 30])),
        Just(record(21, 0x0303, &[2, 40])),
        Just(record(24, 0x0303, &[1, 0, 2, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])),
        prop::collection::vec(any::<u8>(), 0..40),
        (20u8..25, prop::collection::vec(any::<u8>(), 1..40)).prop_map(|(k, b)| record(k, 0x0303, &b)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// However the bytes are cut, the same is seen in the end.
    #[test]
    fn any_cut_is_the_same(
        parts in prop::collection::vec((any::<bool>(), pieces()), 1..5),
        flip in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
        cut in 1usize..90,
    ) {
        let mut results = Vec::new();
        for piece in [usize::MAX >> 1, cut] {
            let mut b = bench();
            let st = b.st;
            for (n, (to_client, bytes)) in parts.iter().enumerate() {
                let mut bytes = bytes.clone();
                if let (0, Some((at, v)), false) = (n, flip, bytes.is_empty()) {
                    let at = at.index(bytes.len());
                    bytes[at] = v;
                }
                // A part is whole records or garbage at its end; the next begins at a border only if it was
                // consumed, so stop where it was not.
                let dir = if *to_client { Dir::ToClient } else { Dir::ToServer };
                if !b.feed_pieces(st, dir, &bytes, piece) {
                    break;
                }
            }
            results.push(b.all(st));
            b.with(|t, cx| t.close(st, cx));
            prop_assert_eq!(b.pool.in_use(), 0);
        }
        prop_assert_eq!(&results[0], &results[1]);
    }

    /// However a flight is cut into records, the same is read.
    #[test]
    fn any_records_are_the_same(sizes in prop::collection::vec(1usize..60, 1..8)) {
        let flight = [chrome(), chrome()].concat();
        let mut seen = Vec::new();
        for wire in [record(22, 0x0301, &flight), in_records(&flight, &sizes)] {
            let mut b = bench();
            let st = b.st;
            prop_assert!(b.feed_pieces(st, Dir::ToServer, &wire, 1000));
            b.parser.states.get_mut(st).common.events = 0;
            seen.push(b.all(st));
        }
        prop_assert_eq!(&seen[0], &seen[1]);
    }

    /// No certificate breaks the reader.
    #[test]
    fn any_certificate(
        at in any::<prop::sample::Index>(), v in any::<u8>(), len in any::<prop::sample::Index>(),
    ) {
        let mut cert = certificate(&subject(), b"491231000000Z", &[b"a.example"]);
        let i = at.index(cert.len());
        cert[i] = v;
        cert.truncate(len.index(cert.len() + 1));
        let mut out = Scratch::new(4096);
        if let Ok(c) = x509::parse(&cert) {
            x509::write_name(c.subject, &mut out);
            x509::each_alt_name(c.alt_names, |_| ());
        }
    }
}
