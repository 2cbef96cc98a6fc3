//! Messages made by hand.

use super::*;
use crate::app::bench::Bench;
use crate::app::file::FileState;
use crate::app::shown;
use alloc::vec::Vec;
use proptest::prelude::*;

/// A record of the session service.
fn record(m: &[u8]) -> Vec<u8> {
    [&[0, (m.len() >> 16) as u8, (m.len() >> 8) as u8, m.len() as u8][..], m].concat()
}

/// An SMB 1 message.
fn one(command: u8, answer: bool, words: &[u8], bytes: &[u8]) -> Vec<u8> {
    let mut m = b"\xffSMB".to_vec();
    m.extend([command, 0, 0, 0, 0, if answer { 0x98 } else { 0x18 }, 7, 0x48]);
    m.extend([0; 12]);
    m.extend([5, 0, 0x72, 0x7c, 0, 0x20, 9, 0]);
    m.push((words.len() / 2) as u8);
    m.extend(words);
    m.extend((bytes.len() as u16).to_le_bytes());
    m.extend(bytes);
    record(&m)
}

/// The header of an SMB 2 message.
fn head(command: u16, answer: bool, id: u64, status: u32, next: u32) -> Vec<u8> {
    let mut m = b"\xfeSMB\x40\0\0\0".to_vec();
    m.extend(status.to_le_bytes());
    m.extend(command.to_le_bytes());
    m.extend([1, 0, u8::from(answer), 0, 0, 0]);
    m.extend(next.to_le_bytes());
    m.extend(id.to_le_bytes());
    m.extend([0, 0, 0, 0, 7, 0, 0, 0]);
    m.extend(0x1122u64.to_le_bytes());
    m.extend([0; 16]);
    m
}

fn two(command: u16, answer: bool, id: u64, body: &[u8]) -> Vec<u8> {
    record(&[head(command, answer, id, 0, 0).as_slice(), body].concat())
}

fn wide(s: &str) -> Vec<u8> {
    s.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn fid(n: u8) -> [u8; 16] {
    [n, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]
}

fn create(name: &str, options: u32) -> Vec<u8> {
    let name = wide(name);
    let mut b = alloc::vec![0; 36];
    b.extend(1u32.to_le_bytes());
    b.extend(options.to_le_bytes());
    b.extend(120u16.to_le_bytes());
    b.extend((name.len() as u16).to_le_bytes());
    b.extend([0; 8]);
    b.extend(name);
    b
}

fn created(n: u8) -> Vec<u8> {
    let mut b = alloc::vec![0; 8];
    for t in 1..=4u64 {
        b.extend(((11_644_473_600 + t) * 10_000_000).to_le_bytes());
    }
    b.extend([0; 8]);
    b.extend(99u64.to_le_bytes());
    b.extend([0; 8]);
    b.extend(fid(n));
    b
}

fn write(n: u8, offset: u64, data: &[u8]) -> Vec<u8> {
    let mut b = alloc::vec![49, 0, 112, 0];
    b.extend((data.len() as u32).to_le_bytes());
    b.extend(offset.to_le_bytes());
    b.extend(fid(n));
    b.extend([0; 16]);
    b.extend(data);
    b
}

fn read(n: u8, offset: u64, len: u32) -> Vec<u8> {
    let mut b = alloc::vec![49, 0, 0, 0];
    b.extend(len.to_le_bytes());
    b.extend(offset.to_le_bytes());
    b.extend(fid(n));
    b.extend([0; 17]);
    b
}

fn read_answer(data: &[u8]) -> Vec<u8> {
    let mut b = alloc::vec![17, 0, 80, 0];
    b.extend((data.len() as u32).to_le_bytes());
    b.extend([0; 8]);
    b.extend(data);
    b
}

fn close(n: u8) -> Vec<u8> {
    [&[24, 0, 0, 0, 0, 0, 0, 0][..], &fid(n)].concat()
}

fn connect(path: &str) -> Vec<u8> {
    let path = wide(path);
    let mut b = alloc::vec![9, 0, 0, 0, 72, 0];
    b.extend((path.len() as u16).to_le_bytes());
    b.extend(path);
    b
}

/// A share, a file that is written and closed, one that is read in two pieces that are answered in the wrong order.
fn conversation() -> Vec<(Dir, Vec<u8>)> {
    use Dir::{ToClient, ToServer};
    let mut dialects = alloc::vec![36, 0, 2, 0];
    dialects.extend([0; 8]);
    dialects.extend([1; 16]);
    dialects.extend([0; 8]);
    dialects.extend([2, 2, 0x11, 3]);
    let mut chosen = alloc::vec![65, 0, 1, 0, 0x11, 3, 0, 0];
    chosen.extend([2; 16]);
    chosen.extend([0; 8]);
    chosen.extend((1u32 << 20).to_le_bytes());
    chosen.extend((1u32 << 20).to_le_bytes());
    alloc::vec![
        (ToServer, two(0, false, 0, &dialects)),
        (ToClient, two(0, true, 0, &chosen)),
        (ToServer, two(3, false, 1, &connect("\\\\s\\c"))),
        (ToClient, two(3, true, 1, &[16, 0, 1, 0, 0, 0, 0, 0])),
        (ToServer, two(5, false, 2, &create("a.txt", 0x1000))),
        (ToClient, two(5, true, 2, &created(1))),
        (ToServer, two(9, false, 3, &write(1, 0, b"hello "))),
        (ToServer, two(9, false, 4, &write(1, 6, b"world"))),
        (ToServer, two(6, false, 5, &close(1))),
        (ToClient, two(6, true, 5, &[60, 0])),
        (ToServer, two(5, false, 6, &create("b", 0))),
        (ToClient, two(5, true, 6, &created(2))),
        (ToServer, two(8, false, 7, &read(2, 0, 4))),
        (ToServer, two(8, false, 8, &read(2, 4, 4))),
        (ToClient, two(8, true, 8, &read_answer(b"5678"))),
        (ToClient, two(8, true, 7, &read_answer(b"1234"))),
        (ToServer, two(6, false, 9, &close(2))),
    ]
}

#[test]
fn a_conversation_is_told() {
    let mut b = Bench::new(&SMB);
    for (dir, m) in conversation() {
        b.feed(dir, &m);
    }
    let all = shown::records(&b, &SMB);
    let ones = "01010101-0101-0101-0101-010101010101";
    assert_eq!(
        all[0],
        alloc::format!(
            "id=1 dialect=3.11 command=SMB2_COMMAND_NEGOTIATE_PROTOCOL status=STATUS_SUCCESS status_code=0x0 \
             session_id=4386 tree_id=7 client_dialects[ 2.02 3.11 ] client_guid={ones} \
             server_guid=02020202-0202-0202-0202-020202020202 max_read_size=1048576 max_write_size=1048576 "
        )
    );
    assert!(all[1].ends_with("tree_id=7 share=\\\\s\\c share_type=FILE "), "{}", all[1]);
    assert!(
        all[2].ends_with(
            "filename=a.txt disposition=FILE_OPEN access=delete on close created=1 accessed=2 modified=3 \
             changed=4 size=99 fuid=00000001-0000-0000-0005-0000ffffffff "
        ),
        "{}",
        all[2]
    );
    assert!(all[3].contains("SMB2_COMMAND_WRITE status=STATUS_SUCCESS"), "{}", all[3]);
    assert!(all[3].ends_with("filename=a.txt share=\\\\s\\c fuid=00000001-0000-0000-0005-0000ffffffff "));
    assert_eq!(b.values(FILE, Dir::ToServer), [(3, b"hello world".to_vec())]);
    assert_eq!(b.values(FILE_NAME, Dir::ToServer), [(3, b"a.txt".to_vec())]);
    assert_eq!(b.values(FILE, Dir::ToClient), [(6, b"12345678".to_vec())]);
    let f = b.files.view(b.parser.common(b.tx(6)).files[1]);
    assert_eq!((f.size(), f.state(), f.gaps()), (8, FileState::Closed, false));
    b.close();
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
    blob.extend([6, 0, 6, 0, 72, 0, 0, 0, 6, 0, 6, 0, 78, 0, 0, 0, 2, 0, 2, 0, 84, 0, 0, 0]);
    blob.resize(60, 0);
    blob.extend([1, 0, 0, 2, 10, 0, 0x5a, 0x29, 0, 0, 0, 15]);
    blob.extend(b"L\0A\0B\0b\0o\0b\0h\0");
    let mut body = alloc::vec![25, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 88, 0];
    body.extend((blob.len() as u16).to_le_bytes());
    body.extend([0; 8]);
    body.extend(&blob);
    let mut b = Bench::new(&SMB);
    b.feed(Dir::ToServer, &two(1, false, 1, &body));
    assert_eq!(b.values(USER, Dir::ToServer), [(0, b"bob".to_vec())]);
    assert_eq!(b.values(DOMAIN, Dir::ToServer), [(0, b"LAB".to_vec())]);
    let told = shown::record_of(&b, &SMB, 0, Dir::ToServer);
    assert!(
        told.ends_with("ntlmssp{ domain=LAB user=bob host=h version=10.0 build 10586 rev 15 } "),
        "{told}"
    );
    // One whose fields lie outside is broken.
    body.truncate(60);
    b.feed(Dir::ToServer, &two(1, false, 2, &body));
    assert_eq!(b.events(1), 1 << EV_NTLMSSP);
    b.close();
}

/// A call in a pipe that is written and read.
#[test]
fn calls_in_pipes() {
    let mut b = Bench::new(&SMB);
    b.feed(Dir::ToServer, &two(3, false, 1, &connect("\\\\s\\IPC$")));
    b.feed(Dir::ToClient, &two(3, true, 1, &[16, 0, 2, 0, 0, 0, 0, 0]));
    let call = b"\x05\0\0\x03\x10\0\0\0\x1c\0\0\0\x09\0\0\0\0\0\0\0\0\0\x0f\0stub";
    let answer = b"\x05\0\x02\x03\x10\0\0\0\x1a\0\0\0\x09\0\0\0\0\0\0\0\0\0\0\0ok";
    b.feed(Dir::ToServer, &two(9, false, 2, &write(1, 0, call)));
    b.feed(Dir::ToClient, &two(9, true, 2, &[17, 0]));
    b.feed(Dir::ToServer, &two(8, false, 3, &read(1, 0, 1024)));
    b.feed(Dir::ToClient, &two(8, true, 3, &read_answer(answer)));
    let told = shown::record_of(&b, &SMB, 1, Dir::ToServer);
    assert!(
        told.ends_with(
            "dcerpc{ request=REQUEST response=RESPONSE opnum=15 req{ frag_cnt=1 stub_data_size=4 } \
             res{ frag_cnt=1 stub_data_size=2 } call_id=9 } "
        ),
        "{told}"
    );
    assert_eq!(b.values(STUB, Dir::ToServer), [(1, b"stub".to_vec())]);
    assert_eq!(b.values(STUB, Dir::ToClient), [(1, b"ok".to_vec())]);
    b.close();
}

#[test]
fn events() {
    let mut b = Bench::new(&SMB);
    for (dir, m) in conversation().into_iter().take(8) {
        b.feed(dir, &m);
    }
    let all = |b: &Bench| b.live().iter().fold(0, |e, t| e | b.parser.common(*t).events);
    let mut fires = |dir, m: &[u8], ev: u8| {
        assert_eq!(all(&b) >> ev & 1, 0, "{}", EVENTS[usize::from(ev)]);
        b.feed(dir, m);
        assert_eq!(all(&b) >> ev & 1, 1, "{}", EVENTS[usize::from(ev)]);
    };
    fires(Dir::ToServer, &two(9, false, 20, &write(1, 3, b"again")), EV_OVERLAP);
    fires(Dir::ToServer, &two(9, true, 21, &[]), EV_TO_SERVER);
    fires(Dir::ToClient, &two(9, false, 22, &[]), EV_TO_CLIENT);
    fires(Dir::ToServer, &two(8, false, 23, &read(1, 0, 2 << 20)), EV_READ);
    let mut big = write(1, 0, b"");
    big[6] = 0x20;
    fires(Dir::ToServer, &two(9, false, 24, &big), EV_WRITE);
    fires(Dir::ToServer, &two(0, false, 25, &[0; 36]), EV_AGAIN);
    fires(Dir::ToServer, &record(b"GET / HTTP"), EV_MALFORMED);
    fires(Dir::ToServer, &one(0x72, false, &[], b"\x03x\0"), EV_DIALECTS);
    b.feed(Dir::ToServer, &two(8, false, 30, &read(1, 0, 4)));
    let mut big = read_answer(b"");
    big[6] = 0x20;
    let mut fires = |dir, m: &[u8], ev: u8| {
        b.feed(dir, m);
        assert_eq!(all(&b) >> ev & 1, 1, "{}", EVENTS[usize::from(ev)]);
    };
    fires(Dir::ToClient, &two(8, true, 30, &big), EV_READ_ANSWER);
    // More pieces that come too early than can wait, of each direction.
    let early: Vec<u8> = (0..70).flat_map(|i| two(9, false, 100 + i, &write(3, 10 + 10 * i, b"x"))).collect();
    fires(Dir::ToServer, &early, EV_WRITES);
    for i in 0..70 {
        fires(Dir::ToServer, &two(8, false, 300 + i, &read(4, 10 + 10 * i, 4)), EV_OVERLAP);
        fires(Dir::ToClient, &two(8, true, 300 + i, &read_answer(b"x")), EV_OVERLAP);
    }
    fires(Dir::ToClient, &[], EV_READS);
    let long = alloc::vec![7; 700 << 10];
    fires(Dir::ToServer, &two(9, false, 400, &write(5, 10, &long)), EV_WRITES);
    fires(Dir::ToServer, &two(9, false, 401, &write(5, 1 << 20, &long)), EV_WRITE_BYTES);
    for (id, at) in [(402, 10), (403, 1 << 20)] {
        b.feed(Dir::ToServer, &two(8, false, id, &read(6, at, 700 << 10)));
        b.feed(Dir::ToClient, &two(8, true, id, &read_answer(&long)));
    }
    assert_eq!(all(&b) >> EV_READ_BYTES & 1, 1);
    b.end();
    let mut b = Bench::of(SMB.parser.unwrap()(&b.cfg), AppConfig { max_txs: 1000, ..b.cfg.clone() });
    let mut limits = alloc::vec![0; 32];
    limits.extend([0xff; 8]);
    b.feed(Dir::ToServer, &two(0, false, 0, &[0; 36]));
    b.feed(Dir::ToClient, &two(0, true, 0, &limits));
    assert_eq!(b.events(0), 1 << EV_MAX_READ | 1 << EV_MAX_WRITE);
    b.close();
    let cfg = AppConfig { max_states: 4, max_txs: 2000, ..AppConfig::default() };
    let mut b = Bench::of(SMB.parser.unwrap()(&cfg), cfg);
    let echoes: Vec<u8> = (0..1025).flat_map(|i| two(13, false, i, &[4, 0, 0, 0])).collect();
    // Nothing is read after that.
    assert_eq!(b.feed(Dir::ToServer, &echoes), Outcome::Failed);
    assert_eq!((b.events(0), b.live().len()), (1 << EV_MANY, 1024));
    b.close();
}

#[test]
fn bytes_that_never_arrived_are_a_gap_of_the_file() {
    let mut b = Bench::new(&SMB);
    let m = two(9, false, 1, &write(1, 0, &[7; 1000]));
    b.feed(Dir::ToServer, &m[..200]);
    b.give(Input { dir: Dir::ToServer, data: b"", gap: 500, eof: false, datagram: false });
    b.feed(Dir::ToServer, &m[700..]);
    // A gap between records: the next one is found.
    b.give(Input { dir: Dir::ToServer, data: b"", gap: 5000, eof: false, datagram: false });
    b.feed(Dir::ToServer, &[&b"\0\0rest"[..], &two(6, false, 2, &close(1))].concat());
    let f = b.files.view(b.parser.common(b.tx(0)).files[0]);
    assert_eq!((f.size(), f.state(), f.gaps()), (1000, FileState::Truncated, true));
    assert_eq!(b.live().len(), 2);
    b.close();
}

proptest! {
    #[test]
    fn cuts_do_not_matter(cuts in proptest::collection::vec(1usize..90, 1..6), at in 0usize..2000, byte: u8) {
        let seen = |cuts: &[usize], mutate: bool| {
            let mut b = Bench::new(&SMB);
            let mut n = 0;
            for (dir, mut m) in conversation() {
                if mutate && at >= n && at < n + m.len() {
                    m[at - n] = byte;
                }
                n += m.len();
                let left = b.feed_cut(dir, &m, cuts);
                if left > 0 {
                    break;
                }
            }
            let all = b.everything(&SMB);
            let told = shown::records(&b, &SMB);
            b.close();
            (all, told)
        };
        let whole = [usize::MAX >> 1];
        prop_assert_eq!(seen(&cuts, false), seen(&whole, false));
        prop_assert_eq!(seen(&cuts, true), seen(&whole, true));
    }
}
