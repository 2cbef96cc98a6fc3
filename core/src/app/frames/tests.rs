use alloc::vec::Vec;
use proptest::prelude::*;

use super::*;
use crate::app::Wanted;
use crate::app::telnet::TELNET;

const PDU: u8 = 0;
const DATA: u8 = 2;

type Shown = (u64, &'static str, u64, Option<u64>, Vec<u8>);

struct Bench {
    frames: Frames,
    notes: Notes,
    pool: BytePool,
    st: StateId,
}

fn bench(shown: bool) -> Bench {
    let cfg = AppConfig { max_states: 4, max_txs: 2048, frames_shown: shown, ..AppConfig::default() };
    let mut frames = Frames::new(&cfg);
    let st = frames.start().unwrap();
    Bench { frames, notes: Notes::new(), pool: BytePool::new(8 << 20), st }
}

impl Bench {
    /// One input; `say` notes what is in it.
    fn give(
        &mut self,
        data: &[u8],
        gap: u32,
        consumed: usize,
        wanted: Wanted,
        say: impl FnOnce(&[u8], &mut Notes),
    ) {
        self.notes.begin_input(data, true);
        say(data, &mut self.notes);
        let input = Input { dir: Dir::ToServer, data, gap, eof: false, datagram: false };
        let proto = AppProto::by_name(TELNET.name).unwrap();
        let fed = Fed { input, consumed, proto, wanted, now: 0 };
        self.frames.feed(self.st, &mut self.notes, fed, &mut self.pool);
    }

    /// Number, kind, offset, length, bytes of the living frames.
    fn all(&self) -> Vec<Shown> {
        let next = |i: &TxIdx| self.frames.next_tx(self.st, Some(*i));
        core::iter::successors(self.frames.next_tx(self.st, None), next)
            .map(|i| self.frames.view(i, &self.pool))
            .map(|f| (f.id(), f.kind(), f.offset(), f.len(), f.bytes().to_vec()))
            .collect()
    }

    fn end(mut self) {
        self.frames.end(self.st, &mut self.pool);
        assert_eq!((self.pool.in_use(), self.frames.txs.used()), (0, 0));
    }
}

#[test]
fn only_what_is_asked_for_is_kept_but_all_have_a_number() {
    let mut b = bench(false);
    b.give(b"one\ntwo\n", 0, 8, Wanted(1 << DATA), |d, n| {
        n.whole(PDU, &d[..4]);
        n.whole(DATA, &d[..4]);
        n.of_tx(7);
        n.whole(PDU, &d[4..]);
        n.whole(DATA, &d[4..]);
        // Not in the input.
        n.whole(DATA, b"elsewhere");
    });
    // The first is the stream's.
    let frames = b.all();
    assert_eq!(frames.iter().map(|f| (f.0, f.1, f.2)).collect::<Vec<_>>(), [(3, "data", 0), (5, "data", 4)]);
    assert_eq!(frames[1].4, b"two\n");
    let first = b.frames.view(b.frames.next_tx(b.st, None).unwrap(), &b.pool);
    assert_eq!((first.tx(), first.complete()), (Some(7), true));
    b.end();
}

#[test]
fn a_hole_is_told_in_its_place() {
    let mut b = bench(true);
    b.give(b"abcd", 0, 4, Wanted(0), |d, n| n.begin(PDU, d, Some(20)));
    b.give(b"wxyz", 12, 4, Wanted(0), |_, _| {});
    let f = b.all();
    assert_eq!((f[1].2, f[1].3, &f[1].4[..]), (0, Some(20), &b"abcd[12 bytes missing]wxyz"[..]));
    assert_eq!(b.frames.view(b.frames.next_tx(b.st, None).unwrap(), &b.pool).kind(), "stream");
    b.end();
}

#[test]
fn a_frame_whose_end_comes_later_has_what_lies_before_it() {
    let mut b = bench(true);
    b.give(b"HEAD body", 0, 4, Wanted(0), |d, n| n.begin(PDU, d, None));
    // Given again.
    b.give(b" body of it. Next", 0, 12, Wanted(0), |d, n| n.end(PDU, &d[12..]));
    let f = b.all();
    assert_eq!((f[1].3, &f[1].4[..]), (Some(16), &b"HEAD body of it."[..]));
    b.end();
}

#[test]
fn memory_is_bounded() {
    let mut b = bench(true);
    let long = alloc::vec![b'x'; 40_000];
    for _ in 0..20 {
        b.give(&long, 0, long.len(), Wanted(0), |d, n| n.begin(PDU, d, Some(1 << 40)));
    }
    for _ in 0..100 {
        b.give(b"0123456789", 0, 10, Wanted(0), |d, n| (0..10).for_each(|i| n.whole(DATA, &d[i..i + 1])));
    }
    let f = b.all();
    assert_eq!(f.len(), LIVING as usize);
    assert!(f.iter().all(|f| f.4.len() <= KEPT));
    b.end();
}

proptest! {
    /// Frames of lines: however the bytes are cut, and whatever is given again.
    #[test]
    fn any_cut_gives_the_same(
        lines in proptest::collection::vec(0usize..40, 1..20),
        cuts in proptest::collection::vec(1usize..50, 1..10),
    ) {
        let mut all = Vec::new();
        for n in &lines {
            all.extend((0..*n).map(|i| b'a' + (i % 26) as u8));
            all.push(b'\n');
        }
        let read = |cuts: &[usize]| {
            let mut b = bench(true);
            let (mut from, mut to) = (0, 0);
            for c in cuts.iter().cycle() {
                to = (to + c).min(all.len());
                let data = &all[from..to];
                let consumed = data.iter().rposition(|c| *c == b'\n').map_or(0, |n| n + 1);
                b.give(data, 0, consumed, Wanted(0), |d, notes| {
                    let mut at = 0;
                    while let Some(n) = d[at..].iter().position(|c| *c == b'\n') {
                        notes.whole(PDU, &d[at..=at + n]);
                        at += n + 1;
                    }
                });
                from += consumed;
                if to == all.len() {
                    break;
                }
            }
            let frames = b.all();
            b.end();
            frames
        };
        let whole = read(&[all.len()]);
        prop_assert_eq!(whole.len(), lines.len() + 1);
        prop_assert_eq!(read(&cuts), whole);
    }

    #[test]
    fn never_panics(steps in proptest::collection::vec(
        (0usize..60, 0u32..30, 0usize..70, 0usize..60, 0u64..100, 0u8..5), 0..40)
    ) {
        let mut b = bench(true);
        for (len, gap, consumed, at, n, what) in steps {
            let data = alloc::vec![7u8; len];
            b.give(&data, gap, consumed.min(len), Wanted::ALL, |d, notes| {
                let d = d.get(at..).unwrap_or(&[]);
                match what {
                    0 => notes.begin(DATA, d, None),
                    1 => notes.begin(PDU, d, Some(n)),
                    2 => notes.end(DATA, d),
                    3 => notes.parts(PDU, d, (n as usize, 5)),
                    _ => notes.of_tx(n),
                }
            });
        }
        b.all();
        b.end();
    }
}
