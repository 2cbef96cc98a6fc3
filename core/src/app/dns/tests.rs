use super::*;
use crate::app::file::Files;
use crate::app::{Wanted, config::AppConfig};
use alloc::vec::Vec;
use proptest::prelude::*;

/// A query for google.com MX, and a response with a compressed answer.
const QUERY_MX: &[u8] =
    b"\x10\x32\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x06google\x03com\x00\x00\x0f\x00\x01";
const ANSWER_MX: &[u8] =
    b"\xf7\x6f\x81\x80\x00\x01\x00\x02\x00\x00\x00\x00\x06google\x03com\x00\x00\x0f\x00\x01\
\xc0\x0c\x00\x0f\x00\x01\x00\x00\x02\x28\x00\x0a\x00\x28\x05smtp4\xc0\x0c\
\xc0\x0c\x00\x01\x00\x01\x00\x00\x02\x28\x00\x04\x08\x08\x04\x04";

struct Bench {
    dns: Dns,
    pool: BytePool,
    files: Files,
    scratch: Scratch,
    cfg: AppConfig,
    st: StateId,
}

impl Bench {
    fn new() -> Self {
        let cfg = AppConfig { max_states: 4, max_txs: 64, max_files: 4, ..AppConfig::default() };
        let mut b = Bench {
            dns: Dns::new(&cfg, false),
            pool: BytePool::new(1 << 20),
            files: Files::new(&cfg),
            scratch: Scratch::new(64 << 10),
            cfg,
            st: 0,
        };
        b.st = b.with(|d, cx| d.open(cx).unwrap());
        b
    }

    fn with<R>(&mut self, f: impl FnOnce(&mut Dns, &mut AppCx<'_>) -> R) -> R {
        let mut cx = AppCx {
            pool: &mut self.pool,
            files: &mut self.files,
            scratch: &mut self.scratch,
            cfg: &self.cfg,
            now: 0,
            wanted: Wanted::ALL,
            shown: true,
            ports: [4000, 53],
        };
        f(&mut self.dns, &mut cx)
    }

    fn feed(&mut self, dir: Dir, data: &[u8], datagram: bool) -> Outcome {
        let st = self.st;
        let input = Input { dir, data, gap: 0, eof: false, datagram };
        self.with(|d, cx| d.parse(st, input, cx))
    }

    fn names(&mut self, local: u8, dir: Dir) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        let (lo, hi) = self.dns.tx_bounds(self.st);
        for id in lo..hi {
            let Some(tx) = self.dns.tx(self.st, id) else { continue };
            for i in 0.. {
                match self.dns.buffer(self.st, tx, local, dir, i, &self.pool, &mut self.scratch) {
                    Buffer::Data { bytes, .. } => all.push(bytes.to_vec()),
                    _ => break,
                }
            }
        }
        all
    }
}

#[test]
fn request_and_response_are_two_transactions() {
    let mut b = Bench::new();
    b.feed(Dir::ToServer, QUERY_MX, true);
    b.feed(Dir::ToClient, ANSWER_MX, true);
    assert_eq!(b.dns.tx_bounds(b.st), (0, 2));
    assert_eq!(b.names(QUERY, Dir::ToServer), [b"google.com".to_vec()]);
    assert_eq!(b.names(ANSWERS, Dir::ToClient), [b"google.com".to_vec(), b"google.com".to_vec()]);
    let any = b.names(RESPONSE, Dir::ToClient);
    assert!(any.contains(&b"smtp4.google.com".to_vec()));
    let tx = b.dns.tx(b.st, 1).unwrap();
    assert_eq!(b.dns.int(b.st, tx, 2, Dir::ToClient, 0, &b.pool), Some(15));
    assert_eq!(b.dns.int(b.st, tx, 2, Dir::ToClient, 2, &b.pool), Some(1));
    assert_eq!(b.dns.int(b.st, tx, 2, Dir::ToClient, 3, &b.pool), None);
    let st = b.st;
    b.with(|d, cx| d.close(st, cx));
    assert_eq!(b.pool.in_use(), 0);
}

#[test]
fn a_name_that_refers_to_itself_ends() {
    let mut m = b"\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\xc0\x0c\x00\x01\x00\x01".to_vec();
    let c = message::check(&m, |_| {}).unwrap();
    assert_eq!(c.names & message::LABELS, message::LABELS);
    m[12..14].copy_from_slice(b"\xc0\x0c");
    assert!(message::check(&m[..18], |_| {}).is_some_and(|c| c.names & message::LOOPS != 0));
}

#[test]
fn opcode_and_wrong_direction_are_noted() {
    let mut b = Bench::new();
    let mut q = QUERY_MX.to_vec();
    q[2] = 0x48;
    b.feed(Dir::ToServer, &q, true);
    let tx = b.dns.tx(b.st, 0).unwrap();
    assert_eq!(b.dns.common(tx).events, 1 << EV_OPCODE);
    b.feed(Dir::ToClient, QUERY_MX, true);
    let tx = b.dns.tx(b.st, 1).unwrap();
    assert_eq!(b.dns.common(tx).events, 1 << EV_NOT_RESPONSE);
}

fn tcp(messages: &[&[u8]]) -> Vec<u8> {
    let mut v = Vec::new();
    for m in messages {
        v.extend_from_slice(&(m.len() as u16).to_be_bytes());
        v.extend_from_slice(m);
    }
    v
}

proptest! {
    #[test]
    fn any_cut_gives_the_same(cuts in proptest::collection::vec(1usize..40, 1..12)) {
        let whole = tcp(&[ANSWER_MX, ANSWER_MX, ANSWER_MX]);
        let mut one = Bench::new();
        one.feed(Dir::ToClient, &whole, false);
        let want = one.names(RESPONSE, Dir::ToClient);
        prop_assert_eq!(want.len(), 15);
        let mut many = Bench::new();
        let (mut from, mut to) = (0, 0);
        for c in cuts.iter().cycle() {
            to = (to + c).min(whole.len());
            match many.feed(Dir::ToClient, &whole[from..to], false) {
                Outcome::Consumed { bytes, .. } => from += bytes,
                o => prop_assert!(false, "{:?}", o),
            }
            if to == whole.len() {
                break;
            }
        }
        prop_assert_eq!(from, whole.len());
        prop_assert_eq!(many.names(RESPONSE, Dir::ToClient), want);
    }

    #[test]
    fn never_panics(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), plain in any::<bool>(), at in 0usize..60, v in any::<u8>()) {
        if !plain {
            bytes = ANSWER_MX.to_vec();
            let n = bytes.len();
            bytes[at % n] = v;
        }
        let mut b = Bench::new();
        b.feed(Dir::ToClient, &bytes, true);
        b.feed(Dir::ToServer, &bytes, true);
        b.feed(Dir::ToServer, &bytes, false);
        for dir in Dir::BOTH {
            for local in 0..6 {
                b.names(local, dir);
            }
        }
        let st = b.st;
        b.with(|d, cx| d.close(st, cx));
        prop_assert_eq!(b.pool.in_use(), 0);
    }
}
