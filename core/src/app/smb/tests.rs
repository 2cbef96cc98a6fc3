//! Messages made by hand.

use super::*;
use crate::app::bench::Bench;
use alloc::vec::Vec;

/// An SMB 1 message in a record of the session service.
fn one(command: u8, answer: bool, words: &[u8], bytes: &[u8]) -> Vec<u8> {
    let mut m = b"\xffSMB".to_vec();
    m.extend([command, 0, 0, 0, 0, if answer { 0x98 } else { 0x18 }, 7, 0x28]);
    m.extend([0; 12]);
    m.extend([0, 0, 0x72, 0x7c, 0, 0x20, 9, 0]);
    m.push((words.len() / 2) as u8);
    m.extend(words);
    m.extend((bytes.len() as u16).to_le_bytes());
    m.extend(bytes);
    [&[0, 0, 0, m.len() as u8][..], &m].concat()
}

#[test]
fn a_share_is_known_when_the_answer_came() {
    let ask = |b: &mut Bench, n| b.values(n, Dir::ToServer);
    for (service, share) in [(&b"A:\0"[..], true), (&b"IPC\0"[..], false)] {
        let mut b = Bench::new(&SMB);
        b.feed(
            Dir::ToServer,
            &one(0x75, false, &[255, 0, 0, 0, 0, 0, 1, 0], b"\0\\\\10.0.0.2\\IPC$\0?????\0"),
        );
        assert!(ask(&mut b, SHARE).is_empty() && ask(&mut b, PIPE).is_empty());
        b.feed(Dir::ToClient, &one(0x75, true, &[255, 0, 0, 0, 0, 0], service));
        let name = alloc::vec![(0u64, b"\\10.0.0.2\\IPC$".to_vec())];
        let (yes, no) = if share { (SHARE, PIPE) } else { (PIPE, SHARE) };
        assert_eq!((ask(&mut b, yes), ask(&mut b, no)), (name, Vec::new()));
        b.close();
    }
}

#[test]
fn who_signs_in() {
    let mut blob = b"NTLMSSP\0\x03\0\0\0".to_vec();
    blob.resize(28, 0);
    blob.extend([6, 0, 6, 0, 64, 0, 0, 0, 6, 0, 6, 0, 70, 0, 0, 0]);
    blob.resize(60, 0);
    blob.extend([1, 0, 0, 0]);
    blob.extend(b"L\0A\0B\0b\0o\0b\0");
    let mut b = Bench::new(&SMB);
    b.feed(Dir::ToServer, &one(0x73, false, &[0; 24], &[b"xx", blob.as_slice()].concat()));
    assert_eq!(b.values(USER, Dir::ToServer), [(0, b"bob".to_vec())]);
    assert_eq!(b.values(DOMAIN, Dir::ToServer), [(0, b"LAB".to_vec())]);
    b.close();
}

#[test]
fn no_bytes_panic() {
    let whole = one(0x25, false, &[0; 32], b"\0\\PIPE\\\0");
    for n in 0..whole.len() {
        let _any = Record::read(whole.get(4..n).unwrap_or(&[]));
        let two = [b"\xfeSMB", &whole[..n]].concat();
        let _any = Record::read(&two);
    }
}
