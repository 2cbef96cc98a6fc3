//! Frames of protocols: on which packets rules on them alert, and what records tell.

mod common;

use common::alone::{counts, talk};
use common::{rules, settings};

#[test]
fn messages_of_http() {
    let request = b"POST /x HTTP/1.1\r\nHost: h.example\r\nContent-Length: 5\r\n\r\nhello";
    let wire = talk(
        80,
        &[
            (0, request),
            (1, b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none"),
            (0, b"GET /y HTTP/1.1\r\nHost: h.example\r\n\r\n"),
            (1, b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntwo"),
        ],
    );
    counts(
        &wire,
        &[
            (
                "http any any -> any any (frame:http1.request; content:\"POST\"; startswith; content:\"hello\"; endswith; bsize:61; sid:1;)",
                1,
            ),
            ("http any any -> any any (frame:request; content:\"Host\"; sid:1;)", 2),
            ("http1 any any -> any any (frame:http1.response; content:\"two\"; endswith; sid:1;)", 1),
            ("http any any -> any any (frame:http1.response; content:\"one\"; content:\"two\"; sid:1;)", 0),
            (
                "http any any -> any any (flow:to_client; frame:http1.stream; content:\"one\"; content:\"two\"; sid:1;)",
                1,
            ),
        ],
    );
}

/// A unit, its header, its data: SMB with two commands in one message, DCERPC.
#[test]
fn units_with_headers() {
    let mut smb = Vec::new();
    for (next, command) in [(72u32, 13u16), (0, 13)] {
        let mut m = b"\xfeSMB\x40\0\0\0\0\0\0\0".to_vec();
        m.extend(command.to_le_bytes());
        m.extend([0; 6]);
        m.extend(next.to_le_bytes());
        m.extend([0; 40]);
        m.extend([4, 0, 0, 0, b'd', b'a', b't', b'a']);
        smb.extend(m);
    }
    let mut message = (smb.len() as u32).to_be_bytes().to_vec();
    message.extend(&smb);
    let mut call = vec![5, 0, 11, 3, 16, 0, 0, 0, 72, 0, 0, 0, 1, 0, 0, 0];
    call.extend([0xd0, 0x16, 0xd0, 0x16, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0]);
    call.extend([7; 40]);
    counts(
        &talk(445, &[(0, &message)]),
        &[
            ("smb any any -> any any (frame:smb2.pdu; content:\"|fe|SMB\"; startswith; bsize:72; sid:1;)", 2),
            ("smb any any -> any any (frame:smb.smb2.hdr; bsize:64; content:\"SMB\"; sid:1;)", 2),
            ("smb any any -> any any (frame:smb2.data; content:\"data\"; endswith; bsize:8; sid:1;)", 2),
            ("smb any any -> any any (frame:nbss.hdr; content:\"|00 00 00 90|\"; sid:1;)", 1),
            ("smb any any -> any any (frame:smb1.pdu; content:\"SMB\"; sid:1;)", 0),
        ],
    );
    counts(
        &talk(135, &[(0, &call)]),
        &[
            (
                "dcerpc any any -> any any (frame:dcerpc.pdu; content:\"|05 00 0b|\"; startswith; bsize:72; sid:1;)",
                1,
            ),
            ("dcerpc any any -> any any (frame:dcerpc.hdr; bsize:16; content:\"|10 00|\"; sid:1;)", 1),
            ("dcerpc any any -> any any (frame:data; content:\"|d0 16|\"; startswith; sid:1;)", 1),
        ],
    );
}

#[test]
fn lines_and_mails() {
    let mail = talk(
        25,
        &[
            (1, b"220 here\r\n"),
            (0, b"HELO me\r\n"),
            (1, b"250 ok\r\n"),
            (0, b"MAIL FROM:<a@b>\r\n"),
            (1, b"250 ok\r\n"),
            (0, b"RCPT TO:<c@d>\r\n"),
            (1, b"250 ok\r\n"),
            (0, b"DATA\r\n"),
            (1, b"354 go on\r\n"),
            (0, b"Subject: s\r\n\r\ntext\r\n.\r\n"),
            (1, b"250 taken\r\n"),
        ],
    );
    counts(
        &mail,
        &[
            ("smtp any any -> any any (frame:smtp.command_line; content:\"|0d 0a|\"; endswith; sid:1;)", 4),
            ("smtp any any -> any any (frame:smtp.response_line; content:\"250 ok\"; startswith; sid:1;)", 3),
            (
                "smtp any any -> any any (frame:smtp.data; content:\"Subject\"; startswith; content:\"text|0d 0a|\"; endswith; sid:1;)",
                1,
            ),
            ("smtp any any -> any any (frame:smtp.stream; content:\"|0d 0a|.|0d 0a|\"; sid:1;)", 1),
        ],
    );
    let telnet = talk(23, &[(0, b"\xff\xfb\x18\xff\xfa\x18\x00xterm\xff\xf0"), (0, b"who\r\nls\r\n")]);
    counts(
        &telnet,
        &[
            ("telnet any any -> any any (frame:ctl; content:\"xterm\"; endswith; sid:1;)", 1),
            ("telnet any any -> any any (frame:telnet.data; content:\"|0d 0a|\"; endswith; sid:1;)", 2),
            ("telnet any any -> any any (frame:telnet.pdu; bsize:>1; content:\"|18|\"; sid:1;)", 2),
        ],
    );
}

/// A rule asks for frames or for transactions, not for both.
#[test]
fn frames_and_transactions_do_not_mix() {
    for rule in [
        "alert http any any -> any any (frame:http1.request; content:\"a\"; http.uri; content:\"b\"; sid:1;)",
        "alert http any any -> any any (frame:http1.request; content:\"a\"; pkt_data; content:\"b\"; sid:1;)",
        "alert http any any -> any any (frame:http1.nothing; content:\"a\"; sid:1;)",
    ] {
        assert_eq!(rules(rule, &settings()).refused.len(), 1, "{rule}");
    }
}
