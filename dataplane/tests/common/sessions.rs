//! Traffic of MQTT, PostgreSQL, RFB, RDP, IKE, BitTorrent's hash table, of protocols of text, and of such of single datagrams.

use super::wire::Wire;

/// A message of PostgreSQL.
fn pgsql(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind], &(body.len() as u32 + 4).to_be_bytes()[..], body].concat()
}

/// A packet of MQTT that is not long.
fn mqtt(first: u8, body: &[u8]) -> Vec<u8> {
    [&[first, body.len() as u8], body].concat()
}

fn tpkt(body: &[u8]) -> Vec<u8> {
    [&[3, 0], &(body.len() as u16 + 4).to_be_bytes()[..], body].concat()
}

/// A message of IKE version 1 with one payload, a security association with one transform.
fn ike(answer: bool) -> Vec<u8> {
    let attributes = b"\x80\x01\0\x07\x80\x0e\0\x80\x80\x02\0\x02\x80\x04\0\x02\x80\x03\0\x01\x80\x0b\0\x01\0\x0c\0\x04\0\x01\x51\x80";
    let item = |rest: &[u8]| [&[0, 0], &(rest.len() as u16 + 4).to_be_bytes()[..], rest].concat();
    let transform = item(&[&[1, 1, 0, 0], &attributes[..]].concat());
    let proposal = item(&[&[1, 1, 0, 1], &transform[..]].concat());
    let body = item(&[&b"\0\0\0\x01\0\0\0\x01"[..], &proposal].concat());
    let mut v = b"initspi!".to_vec();
    v.extend(if answer { b"respspi!" } else { &[0; 8] });
    v.extend([1, 0x10, 2, 0, 0, 0, 0, 0]);
    v.extend((28 + body.len() as u32).to_be_bytes());
    v.extend(body);
    v
}

/// Turns of a conversation: 0 the client's, 1 the server's.
pub type Turns = &'static [(usize, &'static [u8])];

/// Conversations, most of protocols of text, with the server's port. The promises of the engine are tested with them, and the fuzz
/// target `segments` goes on behind them.
pub const TALKS: &[(u16, Turns)] = &[
    (
        110,
        &[
            (1, b"+OK ready\r\n"),
            (0, b"USER evil\r\nPASS\r\nCAPA\r\n"),
            (1, b"+OK\r\n-ERR what\r\n+OK list\r\nUSER\r\nSTLS\r\n.\r\n"),
        ],
    ),
    (
        143,
        &[
            (1, b"* OK ready\r\n"),
            (0, b"a LOGIN {4+}\r\nevil secret\r\nb SELECT INBOX\r\nc XYZ {3+}\r\nabc {z}\r\n"),
            (1, b"a OK in\r\n* 1 EXISTS\r\nb OK\r\nc BAD\r\n"),
            (0, b"d FETCH 1 BODY[]\r\ne APPEND x {69+}\r\n"),
            (0, b"Subject: evil\r\nContent-Disposition: attachment; filename=a\r\n\r\nstart\r\n\r\n"),
            (1, b"* 1 FETCH (BODY[] {20}\r\nSubject: evil\r\n\r\nx\r\n)\r\nd OK\r\ne OK\r\n"),
            (0, b"f IDLE\r\nDONE\r\n"),
            (1, b"+ idling\r\nf OK\r\n"),
        ],
    ),
    (
        23,
        &[
            (1, b"\xff\xfd\x18\xff\xfd\x20login: "),
            (0, b"\xff\xfb\x18evil\r\n"),
            (1, b"\xff\xfa\x18\x01\xff\xf0password: "),
        ],
    ),
    (
        389,
        &[
            (0, b"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\0\x80\0"),
            (1, b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\0\x04\0\x04\0"),
            (0, b"\x30\x05\x02\x01\x02\x42\0"),
        ],
    ),
    (502, &[(0, b"\0\x01\0\0\0\x06\x01\x03\0\0\0\x01"), (1, b"\0\x01\0\0\0\x05\x01\x03\x02\0\x2a")]),
    // DNP3: a request in two segments, its answer.
    (
        20000,
        &[
            (0, b"\x05d\x10\xc4\x02\0\x03\0+N@\xc4\x02P\x01\0\x07\x07\x002\x01\xcc\x12"),
            (0, b"\x05d\x0e\xc4\x02\0\x03\0\xef\xc7\x81\x07\x01\x01\0\0\0\0\0\xcc\xa2"),
            (1, b"\x05d&D\x02\0\x03\0\xc5\xcd\xc0\xc4\x81\x80\x02\x1e\x05(\x01\0\x09\0\x01\0\0\xc0uq?\x0c\x01\x17\x01\x05A\x01d\0\0\0d\0\0\0\xf0\xc2\0\xff\xff"),
        ],
    ),
    // Kerberos: an error, then a ticket.
    (
        88,
        &[
            (0, b"\0\0\0OjM0K\xa1\x03\x02\x01\x05\xa2\x03\x02\x01\x0a\xa4?0=\xa0\x07\x03\x05\0\0\0\0\0\xa1\x110\x0f\xa0\x03\x02\x01\x01\xa1\x080\x06\x1b\x04evil\xa2\x05\x1b\x03LAB\xa3\x180\x16\xa0\x03\x02\x01\x01\xa1\x0f0\x0d\x1b\x06krbtgt\x1b\x03LAB"),
            (1, b"\0\0\09~705\xa0\x03\x02\x01\x05\xa1\x03\x02\x01\x1e\xa5\x03\x02\x01\0\xa6\x03\x02\x01\x19\xa9\x05\x1b\x03LAB\xaa\x180\x16\xa0\x03\x02\x01\x01\xa1\x0f0\x0d\x1b\x06krbtgt\x1b\x03LAB"),
            (0, b"\0\0\0OjM0K\xa1\x03\x02\x01\x05\xa2\x03\x02\x01\x0a\xa4?0=\xa0\x07\x03\x05\0\0\0\0\0\xa1\x110\x0f\xa0\x03\x02\x01\x01\xa1\x080\x06\x1b\x04evil\xa2\x05\x1b\x03LAB\xa3\x180\x16\xa0\x03\x02\x01\x01\xa1\x0f0\x0d\x1b\x06krbtgt\x1b\x03LAB"),
            (1, b"\0\0\0~k|0z\xa0\x03\x02\x01\x05\xa1\x03\x02\x01\x0b\xa3\x05\x1b\x03LAB\xa4\x110\x0f\xa0\x03\x02\x01\x01\xa1\x080\x06\x1b\x04evil\xa5?a=0;\xa0\x03\x02\x01\x05\xa1\x05\x1b\x03LAB\xa2\x180\x16\xa0\x03\x02\x01\x01\xa1\x0f0\x0d\x1b\x06krbtgt\x1b\x03LAB\xa3\x130\x11\xa0\x03\x02\x01\x17\xa2\x0a\x04\x08\x09\x09\x09\x09\x09\x09\x09\x09\xa6\x130\x11\xa0\x03\x02\x01\x12\xa2\x0a\x04\x08\x09\x09\x09\x09\x09\x09\x09\x09"),
        ],
    ),
    // DNS over HTTP/2.
    (80, &[(0, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\x006\x01\x05\0\0\0\x01\x82\0\x05:path-/dns-query?dns=AAABAAABAAAAAAAABGV2aWwAAAEAAQ"), (1, b"\0\0\0\x04\0\0\0\0\0\0\0'\x01\x04\0\0\0\x01\x88\0\x0ccontent-type\x17application/dns-message\0\0&\0\x01\0\0\0\x01\0\0\x81\0\0\x01\0\x01\0\0\0\0\x04evil\0\0\x01\0\x01\xc0\x0c\0\x01\0\x01\0\0\0<\0\x04\x01\x02\x03\x04")]),
];

/// Messages of protocols of single datagrams: client and server by their ports.
fn datagrams(w: &mut Wire, port: u16) {
    let dhcp = [
        &b"\x01\x01\x06\0\x12\x34\x56\x78\0\0\0\0"[..],
        &[0; 16],
        &[2; 6],
        &[0; 202],
        b"\x63\x82\x53\x63\x35\x01\x01\x0c\x04evil\xff",
    ]
    .concat();
    let messages: [(u16, u16, &[u8]); 6] = [
        (5353, 5353, b"\0\0\0\0\0\x01\0\0\0\0\0\0\x04evil\x05local\0\0\x0c\0\x01"),
        (68, 67, &dhcp),
        (port, 123, &[&[0x23][..], &[0; 47]].concat()),
        (port, 161, b"\x30\x26\x02\x01\x01\x04\x06public\xa0\x19\x02\x01\x01\x02\x01\0\x02\x01\0\x30\x0e\x30\x0c\x06\x08\x2b\x06\x01\x02\x01\x01\x01\0\x05\0"),
        (port, 69, b"\0\x01evil\0octet\0"),
        (port, 5060, b"OPTIONS sip:evil SIP/2.0\r\nVia: SIP/2.0/UDP a\r\nContent-Length: 0\r\n\r\n"),
    ];
    for (client, server, bytes) in messages {
        w.udp((1, client), (9, server), bytes);
    }
    w.udp((9, 5060), (1, port), b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a\r\nContent-Length: 0\r\n\r\n");
}

/// One conversation of each.
pub fn sessions(w: &mut Wire, port: u16) {
    w.talk(
        (1, port),
        (8, 1883),
        &[
            (0, &mqtt(0x10, b"\0\x04MQTT\x05\xc2\0\x3c\x03\x21\0\x14\0\x02id\0\x04evil\0\x02pw")),
            (1, &mqtt(0x20, b"\0\0\0")),
            (0, &mqtt(0x34, b"\0\x05topic\0\x07\0abracadabra")),
            (1, &mqtt(0x50, b"\0\x07")),
            (0, &mqtt(0x62, b"\0\x07")),
            (1, &mqtt(0x70, b"\0\x07")),
            (0, &mqtt(0x82, b"\0\x08\0\0\x01#\0")),
            (1, &[mqtt(0x90, b"\0\x08\0\0"), mqtt(0xb0, b"\0\x09")].concat()),
        ],
    );
    let ready = pgsql(b'Z', b"I");
    w.talk(
        (1, port + 1),
        (8, 5432),
        &[
            (0, b"\0\0\0\x08\x04\xd2\x16\x2f"),
            (1, b"N"),
            (0, b"\0\0\0\x11\0\x03\0\0user\0me\0\0"),
            (1, &[pgsql(b'R', &[0; 4]), pgsql(b'S', b"TimeZone\0UTC\0"), ready.clone()].concat()),
            (0, &pgsql(b'Q', b"drop table evil\0")),
            (1, &[pgsql(b'E', b"SERROR\0C42501\0Mno\0\0"), ready].concat()),
            (0, &[pgsql(b'!', b""), pgsql(b'X', b"")].concat()),
        ],
    );
    w.talk(
        (1, port + 2),
        (8, 5900),
        &[
            (1, b"RFB 003.008\n"),
            (0, b"RFB 003.007\n"),
            (1, b"\x01\x02"),
            (0, b"\x02"),
            (1, b"0123456789abcdef"),
            (0, b"fedcba9876543210"),
            (1, b"\0\0\0\0"),
            (0, b"\x01"),
            (1, b"\x05\0\x03\x20\x20\x18\0\x01\0\xff\0\xff\0\xff\x10\x08\0\0\0\0\0\0\0\x04evil"),
        ],
    );
    for (i, (server, turns)) in TALKS.iter().enumerate() {
        w.talk((1, port + 7 + i as u16), (8, *server), turns);
    }
    w.talk(
        (1, port + 4),
        (8, 3389),
        &[
            (0, &tpkt(b"\x0e\xe0\0\0\0\0\0Cookie: mstshash=evil\r\n\x01\0\x08\0\x03\0\0\0")),
            (1, &tpkt(b"\x0e\xd0\0\0\0\0\0\x02\0\x08\0\0\0\0\0")),
            (0, &tpkt(b"\x02\xf0\x80\x7f\x65 Duca\x0c\x03\xc0\x0c\0\x01\0\0\0rdpdr\0\0\0\0\0\0\0")),
            (1, &tpkt(b"\x02\xf0\x80\x7f\x66\0")),
        ],
    );
    datagrams(w, port + 3);
    w.udp((1, port + 5), (8, 500), &ike(false));
    w.udp((8, 500), (1, port + 5), &ike(true));
    w.udp((1, port + 6), (8, 6881), b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe");
    w.udp((8, 6881), (1, port + 6), b"d1:rd2:id20:abcdefghij0123456789e1:y1:re");
}
