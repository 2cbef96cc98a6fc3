//! The standard's own example packets (RFC 9001 A.3), read whole and in pieces.

use super::*;
use crate::app::bench::Bench;

/// Bytes of hexadecimal digits.
fn hex(t: &str) -> alloc::vec::Vec<u8> {
    let digits: alloc::vec::Vec<u8> =
        t.bytes().filter(u8::is_ascii_hexdigit).map(|b| (b as char).to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|d| d[0] << 4 | d[1]).collect()
}

#[test]
fn keys_of_the_standards_example() {
    // The server's Initial packet of RFC 9001 A.3: an acknowledgement and its hello.
    let mut p = hex(
        "cf000000010008f067a5502a4262b5004075c0d95a482cd0991cd25b0aac406a5816b6394100f37a1c69797554780bb38cc5a99f5ede4c
         f73c3ec2493a1839b3dbcba3f6ea46c5b7684df3548e7ddeb9c3bf9c73cc3f3bded74b562bfb19fb84022f8ef4cdd93795d77d06edbb7a
         af2f58891850abbdca3d20398c276456cbc42158407dd074ee",
    );
    let all = p.clone();
    let read = packet::read(&all).unwrap();
    assert_eq!((read.version, read.receiver), (1, &[][..]));
    let Kind::Initial(at, end) = read.kind else { panic!("{read:?}") };
    assert_eq!(end, p.len());
    let id = hex("8394c8f03e515708");
    let plain = keys::open(&mut p, at, (1, &id, Dir::ToServer.flip())).unwrap();
    let mut pieces = alloc::vec::Vec::new();
    frames::standard(&p[plain], |offset, bytes| pieces.push((offset, bytes.to_vec()))).unwrap();
    assert_eq!(pieces.len(), 1);
    let (offset, message) = &pieces[0];
    assert_eq!((*offset, message[0], message.len()), (0, 2, 90));
    let hello = hello::Hello::read(message, Dir::ToClient).unwrap();
    assert_eq!(hello.extensions().map(|e| e.0).collect::<alloc::vec::Vec<_>>(), [51, 43]);
    // A changed byte anywhere is found.
    for i in 0..all.len() {
        let mut bad = all.clone();
        bad[i] ^= 1;
        if let Some(Packet { kind: Kind::Initial(at, end), version, .. }) = packet::read(&bad)
            && end == bad.len()
        {
            assert!(keys::open(&mut bad, at, (version, &id, Dir::ToClient)).is_none(), "{i}");
        }
    }
}

/// A server's Initial packet of `Q050` out of a capture, which acknowledges; and the frame that a client's hello is in.
#[test]
fn googles_last_version() {
    let mut p = hex("c1513035300008df4a089e4eff5e7a00401852a1b69537b62de21ef829bc4b6b0332347fd42eeecb9fe9");
    let read = packet::read(&p).unwrap();
    let (Kind::Initial(at, _), packet::Q050) = (read.kind, read.version) else { panic!("{read:?}") };
    let id = hex("df4a089e4eff5e7a");
    let plain = keys::open(&mut p, at, (packet::Q050, &id, Dir::ToClient)).unwrap();
    assert_eq!(p[plain.clone()][..2], [0x40, 1]);
    assert_eq!(frames::google_handshake(&p[plain]), None);
    let hello = b"\x07\x40\x01\0\0\x01\0\0\x08\0\x05CHLO!\x02";
    assert_eq!(frames::google_handshake(hello), Some((0, &b"CHLO!"[..])));
    assert_eq!(frames::google_handshake(&hello[..14]), None);
}

#[test]
fn versions_as_records_write_them() {
    for (version, text) in
        [(1, "1"), (0, "0"), (0x5130_3436, "Q046"), (0x1b02_042a, "1b02042a"), (V2, "6b3343cf")]
    {
        assert_eq!(Version::new(version).get(), text.as_bytes());
    }
}

use packet::V2;

/// A hello with a server's name, cut into pieces in an order and of lengths as a client may choose them.
#[test]
fn a_hello_in_any_pieces() {
    let mut b = Bench::new(&QUIC);
    let mut hello = alloc::vec![1, 0, 0, 0, 3, 3];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0x13, 1, 1, 0, 0, 16, 0, 0, 0, 12, 0, 10, 0, 0, 7]);
    hello.extend(b"example");
    let len = hello.len() - 4;
    hello[3] = len as u8;
    for step in 1..=hello.len() {
        for reversed in [false, true] {
            let mut side = Side::default();
            let mut order: alloc::vec::Vec<usize> = (0..hello.len()).step_by(step).collect();
            if reversed {
                order.reverse();
            }
            let mut whole = false;
            for from in order {
                let piece = &hello[from..(from + step).min(hello.len())];
                assert!(side.add(from as u64, piece, &mut b.pool));
                whole = side.put_together(&b.pool, &mut b.scratch);
            }
            assert!(whole, "{step} {reversed}");
            assert_eq!(b.scratch.as_slice(), &hello[..]);
            let read = hello::Hello::read(b.scratch.as_slice(), Dir::ToServer).unwrap();
            assert_eq!(read.sni(), Some(&b"example"[..]));
            side.free(&mut b.pool);
        }
    }
}

#[test]
fn more_pieces_than_any_hello_has() {
    let mut b = Bench::new(&QUIC);
    let mut side = Side::default();
    let mut kept = 0;
    while side.add(1 + kept, b"x", &mut b.pool) {
        kept += 1;
    }
    assert_eq!(kept, PIECES as u64);
    assert!(!side.add(LONGEST as u64, b"x", &mut b.pool));
    side.free(&mut b.pool);
}

#[test]
fn googles_hello() {
    let mut hello = b"CHLO\x02\0\0\0PAD\0\x02\0\0\0SNI\0\x05\0\0\0".to_vec();
    hello.extend(b"--abc");
    let tags = frames::Tags::hello(&hello).unwrap();
    assert_eq!(tags.get(b"SNI"), Some(&b"abc"[..]));
    assert_eq!(tags.iter().map(|t| t.0).collect::<alloc::vec::Vec<_>>(), [&b"PAD"[..], b"SNI"]);
    // An acknowledgement before the stream is passed.
    let mut packet = alloc::vec![0x40, 1, 0, 0, 1, 0, 0xa0, 1, 0, hello.len() as u8];
    packet.extend(&hello);
    assert_eq!(frames::google(&packet), Some(&hello[..]));
    for n in 0..packet.len() {
        let _never_panics =
            frames::google(&packet[..n]).and_then(frames::Tags::hello).map(|t| t.iter().count());
    }
}

/// A packet that cannot be opened says nothing of those in other datagrams.
#[test]
fn datagrams_stand_for_themselves() {
    let mut b = Bench::new(&QUIC);
    let mut p = hex("c3000000010801020304050607080000 4028");
    p.extend([0; 40]);
    for n in 1..4 {
        assert_eq!(b.datagram(Dir::ToServer, &p), Outcome::Consumed { bytes: p.len(), need: 0 });
        assert_eq!(b.live().len(), n);
        assert_eq!(b.events(n as u64 - 1), 1 << FAILED_DECRYPT);
    }
    b.close();
}
