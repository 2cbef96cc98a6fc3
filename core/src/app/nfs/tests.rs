//! Calls and replies made by hand.

use super::session::{COMMIT, LOOKUP, READ, READ2, RENAME, WRITE};
use super::*;
use crate::app::bench::Bench;
use crate::app::entries::work;
use crate::app::file::FileState;
use crate::app::shown;
use alloc::vec::Vec;
use proptest::prelude::*;

fn words(w: &[u32]) -> Vec<u8> {
    w.iter().flat_map(|w| w.to_be_bytes()).collect()
}

fn record(m: &[u8]) -> Vec<u8> {
    [&(0x8000_0000 | m.len() as u32).to_be_bytes()[..], m].concat()
}

/// A call by `UNIX`.
fn call(version: u32, xid: u32, procedure: u32, args: &[u8]) -> Vec<u8> {
    let creds = [&words(&[1, 24, 7, 4])[..], b"pc01", &words(&[1000, 100, 0])].concat();
    record(&[&words(&[xid, 0, 2, PROGRAM, version, procedure])[..], &creds, &words(&[0, 0]), args].concat())
}

fn reply(xid: u32, results: &[u8]) -> Vec<u8> {
    record(&[words(&[xid, 1, 0, 0, 0, 0]).as_slice(), results].concat())
}

/// A name is looked up, the file written and committed, and read back.
fn conversation() -> Vec<(Dir, Vec<u8>)> {
    use Dir::{ToClient, ToServer};
    let (dir, file) = (words(&[4, 1]), words(&[4, 2]));
    let write = |at: u32, data: &[u8]| [&file[..], &words(&[0, at, 4, 0, 4]), data].concat();
    let read = |eof: u32, data: &[u8]| [&words(&[0, 0, 4, eof, 4])[..], data].concat();
    alloc::vec![
        (ToServer, call(3, 1, LOOKUP, &[&dir[..], &words(&[2]), b"ab\0\0"].concat())),
        (ToClient, reply(1, &[&words(&[0])[..], &file].concat())),
        (ToServer, call(3, 2, WRITE, &write(0, b"hell"))),
        (ToClient, reply(2, &words(&[0, 0, 0, 4, 0, 1, 1]))),
        (ToServer, call(3, 3, WRITE, &write(4, b"o wo"))),
        (ToClient, reply(3, &words(&[0, 0, 0, 4, 0, 1, 1]))),
        (ToServer, call(3, 4, COMMIT, &[&file[..], &words(&[0, 0, 0])].concat())),
        (ToClient, reply(4, &words(&[0, 0, 0, 1, 1]))),
        (ToServer, call(3, 5, READ, &[&file[..], &words(&[0, 0, 4])].concat())),
        (ToServer, call(3, 6, READ, &[&file[..], &words(&[0, 4, 4])].concat())),
        (ToClient, reply(6, &read(1, b"5678"))),
        (ToClient, reply(5, &read(0, b"1234"))),
        (
            ToServer,
            call(
                3,
                7,
                RENAME,
                &[&dir[..], &words(&[1]), b"a\0\0\0", &dir, &words(&[1]), b"b\0\0\0"].concat()
            )
        ),
        (ToClient, reply(7, &words(&[13]))),
    ]
}

const RPC: &str = "auth_type=UNIX creds{ machine_name=pc01 uid=1000 gid=100 } ";

#[test]
fn a_conversation_is_told() {
    let mut b = Bench::new(&NFS);
    for (dir, m) in conversation() {
        b.feed(dir, &m);
    }
    let all = shown::records(&b, &NFS);
    assert_eq!(
        all[0],
        alloc::format!(
            "version=3 procedure=LOOKUP filename=ab hhash=cf4abe30 id=1 file_tx=false type=response status=OK }} \
             rpc{{ xid=1 status=ACCEPTED {RPC}"
        )
    );
    assert_eq!(
        all[1],
        "version=3 procedure=WRITE filename=ab hhash=cf4abe30 id=2 file_tx=true write{ first=true last=true \
         last_xid=4 chunks=1 } type=response status=OK } rpc{ xid=2 status=ACCEPTED auth_type=NULL "
    );
    assert!(all[2].contains("READ filename=ab"), "{}", all[2]);
    assert!(all[2].contains("read{ first=true last=true last_xid=6 chunks="), "{}", all[2]);
    assert!(all[3].contains("rename{ from=a to=b } type=response status=ERR_ACCESS"), "{}", all[3]);
    assert_eq!(b.values(FILE, Dir::ToServer), [(1, b"hello wo".to_vec())]);
    assert_eq!(b.values(NAME, Dir::ToServer), [(1, b"ab".to_vec())]);
    let f = b.files.view(b.parser.common(b.tx(1)).files[0]);
    assert_eq!((f.size(), f.state()), (8, FileState::Closed));
    assert!(b.live().iter().all(|t| b.parser.common(*t).both_reached(1)));
    let get =
        |n| b.parser.int(b.st, b.tx(1), IntAt { local: n, dir: Dir::ToServer, index: 0, pool: &b.pool });
    assert_eq!((get(0), get(1)), (Some(7), Some(3)));
    b.close();
}

/// Whoever writes chooses handles, also such as are alike under a hash that anybody can compute: FNV-1a is 0 after the first eight
/// bytes, and stays so.
#[test]
fn handles_that_a_stranger_chose_are_told_apart() {
    let first: &[u8] = b"\xd5\x6b\xb9\x53\x42\x87\x08\x36";
    let second = [first, &[0; 4]].concat();
    let mut b = Bench::new(&NFS);
    for (xid, (handle, data)) in [(first, b"good"), (&second[..], b"evil")].into_iter().enumerate() {
        let args = [&words(&[handle.len() as u32])[..], handle, &words(&[0, 0, 4, 0, 4]), data].concat();
        b.feed(Dir::ToServer, &call(3, xid as u32, WRITE, &args));
    }
    assert_eq!(b.values(FILE, Dir::ToServer), [(0, b"good".to_vec()), (1, b"evil".to_vec())]);
    b.close();
}

#[test]
fn a_compound_call_writes_a_file() {
    let mut b = Bench::new(&NFS);
    let mut args = words(&[0, 1, 4, 53]);
    args.extend([0; 32]);
    args.extend(words(&[22, 4, 9, 15, 1]));
    args.extend(b"f\0\0\0");
    args.extend(words(&[38, 0, 0, 0, 0, 0, 0, 2, 3]));
    args.extend(b"abc\0");
    b.feed(Dir::ToServer, &call(4, 1, 1, &args));
    b.feed(Dir::ToClient, &reply(1, &words(&[0, 0, 0])));
    assert_eq!(b.values(FILE, Dir::ToServer), [(0, b"abc".to_vec())]);
    let told = shown::record_of(&b, &NFS, 0, Dir::ToServer);
    assert!(told.starts_with("version=4 procedure=WRITE filename= hhash="), "{told}");
    // As in Suricata it is complete when the stream is.
    assert!(!b.parser.common(b.tx(0)).both_reached(1));
    for dir in Dir::BOTH {
        b.give(Input { dir, data: b"", gap: 0, eof: true, datagram: false });
    }
    assert!(b.parser.common(b.tx(0)).both_reached(1));
    b.close();
}

#[test]
fn an_old_file_is_read() {
    let mut b = Bench::new(&NFS);
    b.datagram(Dir::ToServer, &call(2, 1, READ2, &[&[7; 32][..], &words(&[0, 100, 100])].concat())[4..]);
    let mut results = words(&[0, 1, 0, 1, 0, 0, 3]);
    results.extend([0; 44]);
    results.extend(words(&[3]));
    results.extend(b"abc\0");
    b.datagram(Dir::ToClient, &reply(1, &results)[4..]);
    assert_eq!(b.values(FILE, Dir::ToClient), [(0, b"abc".to_vec())]);
    assert!(b.parser.common(b.tx(0)).both_reached(1));
    b.close();
}

#[test]
fn events() {
    let mut b = Bench::new(&NFS);
    b.feed(Dir::ToServer, &call(3, 1, LOOKUP, &words(&[100])));
    assert_eq!(b.events(0), 1 << EV_MALFORMED);
    b.close();
    let cfg = AppConfig { max_states: 4, max_txs: 1000, ..AppConfig::default() };
    let mut b = Bench::of(NFS.parser.unwrap()(&cfg), cfg);
    let calls: Vec<u8> = (0..300).flat_map(|i| call(3, i, 18, &[])).collect();
    b.feed(Dir::ToServer, &calls);
    assert_eq!(b.events(0), 1 << EV_MANY);
    b.close();
}

proptest! {
    #[test]
    fn cuts_do_not_matter(cuts in proptest::collection::vec(1usize..60, 1..6), at in 0usize..1600, byte: u8) {
        let seen = |cuts: &[usize], mutate: bool| {
            let mut b = Bench::new(&NFS);
            let mut n = 0;
            for (dir, mut m) in conversation() {
                if mutate && at >= n && at < n + m.len() {
                    m[at - n] = byte;
                }
                n += m.len();
                if b.feed_cut(dir, &m, cuts) > 0 {
                    break;
                }
            }
            let all = b.everything(&NFS);
            let told = shown::records(&b, &NFS);
            b.close();
            (all, told)
        };
        let whole = [usize::MAX >> 1];
        prop_assert_eq!(seen(&cuts, false), seen(&whole, false));
        prop_assert_eq!(seen(&cuts, true), seen(&whole, true));
    }
}

/// Writes that are never committed cost no walk of all before them.
#[test]
fn many_writes_without_commits() {
    let cfg = AppConfig {
        max_states: 4,
        max_txs: 80_000,
        records: 64 << 20,
        max_files: 80_000,
        ..AppConfig::default()
    };
    let mut b = Bench::of(NFS.parser.unwrap()(&cfg), cfg);
    b.pool = BytePool::new(64 << 20);
    let mut cost = |from: u32, n: u32| {
        let args = |i: u32| [&words(&[4, i])[..], &words(&[0, 0, 5, 0, 5]), b"hello\0\0\0"].concat();
        let calls: Vec<Vec<u8>> = (from..from + n).map(|i| call(3, i, WRITE, &args(i))).collect();
        work::take();
        for c in &calls {
            b.feed(Dir::ToServer, c);
        }
        work::take()
    };
    let first = (1..8).map(|i| cost(i * 1000, 1000)).min().unwrap();
    let last = (8..20).map(|i| cost(i * 1000, 1000)).max().unwrap();
    // Transactions that were walked over, a call: none, or as many as at first.
    assert!(last <= first * 2 + 1000, "{first} {last}");
    b.close();
}
