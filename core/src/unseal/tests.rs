//! Sessions that a peer of these tests protects by itself: what comes out, however the bytes come.

use alloc::vec;
use alloc::vec::Vec;

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes128Gcm, KeyInit};
use proptest::prelude::*;

use super::derive::expand;
use super::secrets::{Label, TlsSecret};
use super::suite::Hash;
use super::*;

const RANDOM: [u8; 32] = [7; 32];
const SECRETS: [(Label, [u8; 32]); 4] = [
    (Label::ClientHandshake, [1; 32]),
    (Label::ServerHandshake, [2; 32]),
    (Label::ClientTraffic, [3; 32]),
    (Label::ServerTraffic, [4; 32]),
];

/// Protects records of one direction of TLS 1.3.
struct Sealer {
    secret: [u8; 32],
    seq: u64,
}

impl Sealer {
    fn record(&mut self, kind: u8, body: &[u8], padding: usize) -> Vec<u8> {
        let (mut key, mut iv) = ([0; 16], [0; 12]);
        expand(Hash::Sha256, &self.secret, b"key", &mut key).unwrap();
        expand(Hash::Sha256, &self.secret, b"iv", &mut iv).unwrap();
        iv[4..].iter_mut().zip(self.seq.to_be_bytes()).for_each(|(n, s)| *n ^= s);
        self.seq += 1;
        let mut inner = body.to_vec();
        inner.push(kind);
        inner.resize(inner.len() + padding, 0);
        let [hi, lo] = ((inner.len() + 16) as u16).to_be_bytes();
        let head = [23, 3, 3, hi, lo];
        let cipher = Aes128Gcm::new(&key.into());
        let tag = cipher.encrypt_inout_detached(&iv.into(), &head, inner.as_mut_slice().into()).unwrap();
        [&head[..], &inner, &tag].concat()
    }

    fn update(&mut self, padding: usize) -> Vec<u8> {
        let out = self.record(22, &[24, 0, 0, 1, 0], padding);
        let mut next = [0; 32];
        expand(Hash::Sha256, &self.secret, b"traffic upd", &mut next).unwrap();
        *self = Sealer { secret: next, seq: 0 };
        out
    }
}

/// A server's flight, a client's, and data of both: records, and what they say as data.
#[derive(Clone, Debug)]
enum Said {
    Data(Vec<u8>),
    Update,
    Ticket,
}

fn said() -> impl Strategy<Value = Said> {
    prop_oneof![
        5 => prop::collection::vec(any::<u8>(), 0..300).prop_map(Said::Data),
        1 => Just(Said::Update),
        1 => Just(Said::Ticket),
    ]
}

fn sealed(dir: Dir, words: &[Said], padding: usize) -> (Vec<u8>, Vec<u8>) {
    let [handshake, traffic] = if dir == Dir::ToServer { [1, 3] } else { [2, 4] };
    let mut s = Sealer { secret: [handshake; 32], seq: 0 };
    let mut wire = vec![20, 3, 3, 0, 1, 1];
    if dir == Dir::ToClient {
        // Extensions, and a Finished whose header is cut by a record's end.
        wire.extend(s.record(22, &[8, 0, 0, 2, 0, 0, 20, 0], padding));
        wire.extend(s.record(22, &[0, 3, 9, 9, 9], padding));
    } else {
        wire.extend(s.record(22, &[20, 0, 0, 3, 9, 9, 9], padding));
    }
    let mut s = Sealer { secret: [traffic; 32], seq: 0 };
    let mut plain = Vec::new();
    for w in words {
        match w {
            Said::Data(d) => {
                plain.extend_from_slice(d);
                wire.extend(s.record(23, d, padding));
            }
            Said::Update => wire.extend(s.update(padding)),
            Said::Ticket => wire.extend(s.record(22, &[4, 0, 0, 2, 1, 1], padding)),
        }
    }
    wire.extend(s.record(21, &[1, 0], padding));
    (wire, plain)
}

fn unsealer(wait: u64) -> Unsealer {
    let cfg = UnsealConfig { sessions: 4, secrets: 4, bytes: 4 << 20, wait, wait_bytes: 1 << 20 };
    Unsealer::new(cfg, Secret::fixed(3))
}

fn at(last: bool, now: u64) -> When {
    When { last, over: last, now }
}

fn hello() -> Hello {
    Hello { client_random: RANDOM, suite: 0x1301, version: 0x0304, ..Hello::default() }
}

fn tell(u: &mut Unsealer, but: Option<Label>) {
    for (label, secret) in SECRETS.iter().filter(|s| Some(s.0) != but) {
        u.tell(&TlsSecret::new(RANDOM, *label, secret).unwrap());
    }
}

/// Both directions, a piece of each in turn; what came out as records of the handshake and as data.
fn run(u: &mut Unsealer, wires: [&[u8]; 2], cuts: &[usize]) -> ([Vec<u8>; 2], [Vec<u8>; 2], bool) {
    let id = u.begin(hello()).unwrap();
    let (mut records, mut data) = ([const { Vec::new() }; 2], [const { Vec::new() }; 2]);
    let (mut took, mut have, mut unfit) = ([0, 0], [0, 0], false);
    let mut turn = 0;
    // The server speaks first, as after its hello.
    while (0..2).any(|i| have[i] < wires[i].len()) {
        let dir = if turn % 2 == 0 { Dir::ToClient } else { Dir::ToServer };
        let i = dir.ix();
        have[i] = (have[i] + cuts[turn % cuts.len()]).min(wires[i].len());
        turn += 1;
        let last = have[i] == wires[i].len();
        let taken = u.take(id, dir, &wires[i][took[i]..have[i]], at(last, 1));
        took[i] += taken.bytes;
        unfit |= taken.unfit;
        for d in [dir, dir.flip(), dir] {
            let open = u.is_open(id);
            let got = u.ready(id, d).data.to_vec();
            u.consume(id, d, got.len());
            let to = if open { &mut data } else { &mut records };
            to[d.ix()].extend(got);
            u.opens(id, d);
        }
    }
    for d in Dir::BOTH {
        let got = u.ready(id, d).data.to_vec();
        u.consume(id, d, got.len());
        let to = if u.is_open(id) { &mut data } else { &mut records };
        to[d.ix()].extend(got);
    }
    u.end(id);
    (records, data, unfit)
}

proptest! {
    /// However bytes come, the same comes out, and nothing is kept.
    #[test]
    fn any_cut_gives_what_was_said(
        client in prop::collection::vec(said(), 1..12),
        server in prop::collection::vec(said(), 1..12),
        cuts in prop::collection::vec(1usize..700, 1..8),
        padding in 0usize..20,
    ) {
        let (up, asked) = sealed(Dir::ToServer, &client, padding);
        let (down, answered) = sealed(Dir::ToClient, &server, padding);
        prop_assume!(!asked.is_empty() || !answered.is_empty());
        let mut u = unsealer(0);
        tell(&mut u, None);
        let (records, data, unfit) = run(&mut u, [&up, &down], &cuts);
        prop_assert!(!unfit);
        prop_assert_eq!(&data, &[asked, answered]);
        // Data that comes before ends it here; what follows it is that nothing follows.
        let handshake = [22, 3, 3, 0, 8, 8, 0, 0, 2, 0, 0, 20, 0, 22, 3, 3, 0, 5, 0, 3, 9, 9, 9];
        let seen = &records[1];
        prop_assert!(seen.starts_with(&handshake) || handshake.starts_with(seen), "{seen:?}");
        prop_assert_eq!(u.pool.in_use(), 0);
        prop_assert_eq!(u.counters().opened, 1);
    }

    /// Without the secrets of the handshake it is passed over.
    #[test]
    fn secrets_of_data_are_enough(words in prop::collection::vec(said(), 1..8), cuts in prop::collection::vec(1usize..400, 1..5)) {
        let (up, asked) = sealed(Dir::ToServer, &words, 0);
        let (down, answered) = sealed(Dir::ToClient, &words, 3);
        prop_assume!(!asked.is_empty());
        let mut u = unsealer(0);
        for (label, secret) in &SECRETS[2..] {
            u.tell(&TlsSecret::new(RANDOM, *label, secret).unwrap());
        }
        let (_, data, unfit) = run(&mut u, [&up, &down], &cuts);
        prop_assert!(!unfit);
        prop_assert_eq!(data, [asked, answered]);
    }

    /// A changed byte ends what comes out, where it is, and makes nothing up.
    #[test]
    fn a_changed_byte_is_noticed(
        words in prop::collection::vec(said(), 1..8),
        at in any::<prop::sample::Index>(),
        bit in 0u32..8,
        cuts in prop::collection::vec(1usize..400, 1..5),
    ) {
        let (up, asked) = sealed(Dir::ToServer, &words, 2);
        let (down, answered) = sealed(Dir::ToClient, &words, 2);
        let mut bad = down.clone();
        let i = at.index(bad.len());
        bad[i] ^= 1 << bit;
        let mut u = unsealer(0);
        tell(&mut u, None);
        let (_, data, _) = run(&mut u, [&up, &bad], &cuts);
        prop_assert!(asked.starts_with(&data[0]));
        prop_assert!(answered.starts_with(&data[1]));
    }

    /// Anything may come, whatever the hellos said.
    #[test]
    fn rubbish_never_panics(
        bytes in prop::collection::vec(any::<u8>(), 0..3000),
        suite in any::<u16>(),
        version in prop_oneof![Just(0x0304u16), Just(0x0303), Just(0x0301), any::<u16>()],
        flags in any::<[bool; 3]>(),
    ) {
        let mut u = unsealer(0);
        tell(&mut u, None);
        u.tell(&TlsSecret::new(RANDOM, Label::Master, &[9; 48]).unwrap());
        u.tell(&TlsSecret::new(RANDOM, Label::ClientEarly, &[9; 32]).unwrap());
        let h = Hello { suite, version, mac_last: flags[0], early: flags[1], ..hello() };
        let id = u.begin(h).unwrap();
        // Often enough a record.
        let mut wire = Vec::new();
        for piece in bytes.chunks(97) {
            wire.extend_from_slice(&[20 + piece[0] % 5, 3, 3, 0, piece.len() as u8]);
            wire.extend_from_slice(piece);
        }
        for dir in Dir::BOTH {
            u.take(id, dir, if flags[2] { &wire } else { &bytes }, at(true, 5));
            let n = u.ready(id, dir).data.len();
            u.consume(id, dir, n);
        }
        u.end(id);
        prop_assert_eq!(u.pool.in_use(), 0);
    }
}

#[test]
fn keys_may_come_late_within_the_window() {
    let (up, asked) = sealed(Dir::ToServer, &[Said::Data(b"a question".to_vec())], 0);
    for (later, comes) in [(900, true), (1100, false)] {
        let mut u = unsealer(1000);
        let id = u.begin(hello()).unwrap();
        assert_eq!(u.take(id, Dir::ToServer, &up, at(false, 10)), Taken { bytes: 6, unfit: false });
        if comes {
            tell(&mut u, None);
        }
        let taken = u.take(id, Dir::ToServer, &up[6..], at(false, 10 + later));
        assert_eq!(taken, Taken { bytes: if comes { up.len() - 6 } else { 0 }, unfit: false });
        assert_eq!(u.is_over(id, Dir::ToServer), !comes);
        assert_eq!(u.counters().without_keys, u64::from(!comes));
        if comes {
            let n = u.ready(id, Dir::ToServer).data.len();
            u.consume(id, Dir::ToServer, n);
            assert!(u.opens(id, Dir::ToServer));
            assert_eq!(u.ready(id, Dir::ToServer).data, asked);
        }
    }
}

/// Secrets are told line by line, and packets come in between.
#[test]
fn secrets_may_come_one_by_one() {
    let (up, asked) = sealed(Dir::ToServer, &[Said::Data(b"a question".to_vec())], 0);
    let (down, answered) = sealed(Dir::ToClient, &[Said::Data(b"an answer".to_vec())], 0);
    let mut u = unsealer(1000);
    let id = u.begin(hello()).unwrap();
    let mut left = [&up[..], &down[..]];
    let told = [Label::ServerHandshake, Label::ServerTraffic, Label::ClientHandshake, Label::ClientTraffic];
    for label in told {
        let secret = SECRETS.iter().find(|s| s.0 == label).unwrap();
        u.tell(&TlsSecret::new(RANDOM, label, &secret.1).unwrap());
        for dir in [Dir::ToClient, Dir::ToServer] {
            let taken = u.take(id, dir, left[dir.ix()], at(false, 1));
            assert!(!taken.unfit, "{label:?}");
            left[dir.ix()] = &left[dir.ix()][taken.bytes..];
            let n = u.ready(id, dir).data.len();
            u.consume(id, dir, n);
        }
    }
    assert_eq!(left, [&[][..], &[]]);
    assert!(u.opens(id, Dir::ToServer));
    assert_eq!(u.ready(id, Dir::ToServer).data, asked);
    assert_eq!(u.ready(id, Dir::ToClient).data, answered);
}

/// Data before the handshake (RFC 8446 4.2.10), taken by the server or not.
#[test]
fn early_data() {
    let early = Sealer { secret: [5; 32], seq: 0 }.record(23, b"GET /early", 0);
    let mut s = Sealer { secret: [5; 32], seq: 1 };
    let over = s.record(22, &[5, 0, 0, 0], 0);
    let (up, _) = sealed(Dir::ToServer, &[Said::Data(b"GET /later".to_vec())], 0);
    for (taken, wanted) in [(true, &b"GET /earlyGET /later"[..]), (false, b"GET /later")] {
        let mut u = unsealer(0);
        tell(&mut u, None);
        u.tell(&TlsSecret::new(RANDOM, Label::ClientEarly, &[5; 32]).unwrap());
        let h = Hello { early: true, suite: 0, ..hello() };
        let id = u.begin(h).unwrap();
        let wire = [&early[..], if taken { &over[..] } else { &[] }, &up].concat();
        // Until the server's hello says how it is protected it waits.
        assert_eq!(u.take(id, Dir::ToServer, &wire, at(false, 1)).bytes, 0);
        assert!(!u.is_whole(id));
        u.know(id, Hello { early: true, ..hello() });
        assert_eq!(u.take(id, Dir::ToServer, &wire, at(false, 2)), Taken { bytes: wire.len(), unfit: false });
        let n = u.ready(id, Dir::ToServer).data.len();
        u.consume(id, Dir::ToServer, n);
        assert!(u.opens(id, Dir::ToServer));
        assert_eq!(u.ready(id, Dir::ToServer).data, wanted);
    }
}

#[test]
fn it_takes_no_more_than_it_says() {
    let cfg = UnsealConfig::within(8 << 20, 0);
    assert!(cfg.takes() <= 8 << 20, "{}", cfg.takes());
    assert!(cfg.sessions > 100 && cfg.secrets > 1000);
    assert_eq!(UnsealConfig::default().takes(), 0);
}
