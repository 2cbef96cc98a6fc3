//! Packets of ports that cannot spread them: which lane they belong to, and how they get there.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant};

use crate::dpdk::{Burst, Sender};
use crate::live::worker::{Worker, add};

/// Which of `lanes` a frame belongs to: by its addresses, whichever way round; what has none goes to the first. All lanes have
/// the same `key`, which nobody else knows: senders who could compute the lane would overload one and leave others idle.
pub(super) fn lane_of(frame: &[u8], lanes: usize, key: &RandomState) -> usize {
    let (mut at, mut kind) = (14, frame.get(12..14));
    for _ in 0..3 {
        match kind {
            Some([0x81, 0x00] | [0x88, 0xa8] | [0x91, 0x00]) => {
                kind = frame.get(at + 2..at + 4);
                at += 4;
            }
            _ => break,
        }
    }
    let mut stacked = [0u8; 2];
    if let Some([0x88, 0x47 | 0x48]) = kind {
        // MPLS (RFC 3032): labels up to the one with the bottom bit, then IP by its first nibble.
        for _ in 0..8 {
            let Some(&[_, _, c, _]) = frame.get(at..at + 4).and_then(|l| l.first_chunk::<4>()) else {
                return 0;
            };
            at += 4;
            if c & 1 != 0 {
                break;
            }
        }
        stacked = match frame.get(at).map(|b| b >> 4) {
            Some(4) => [0x08, 0x00],
            Some(6) => [0x86, 0xdd],
            _ => return 0,
        };
    } else if let (Some([0x88, 0x64]), Some(proto)) = (kind, frame.get(at + 6..at + 8)) {
        // PPPoE (RFC 2516) with PPP's protocol behind.
        at += 8;
        stacked = match proto {
            [0x00, 0x21] => [0x08, 0x00],
            [0x00, 0x57] => [0x86, 0xdd],
            _ => return 0,
        };
    }
    if stacked != [0; 2] {
        kind = Some(&stacked);
    }
    let (from, size) = match kind {
        Some([0x08, 0x00]) => (at + 12, 4),
        Some([0x86, 0xdd]) => (at + 8, 16),
        _ => return 0,
    };
    let Some(a) = frame.get(from..from + 2 * size) else { return 0 };
    let (src, dst) = a.split_at(size);
    let mut hash = key.build_hasher();
    hash.write(src.min(dst));
    hash.write(src.max(dst));
    lane_by((hash.finish() >> 32) as u32, lanes)
}

/// Which of `lanes` the packets with a hash belong to, for hashes that both directions share.
#[inline]
pub(super) fn lane_by(hash: u32, lanes: usize) -> usize {
    ((u64::from(hash) * lanes as u64) >> 32) as usize
}

/// Longest wait for another lane: two lanes that wait for each other must not do so for ever.
const HAND_OVER: Duration = Duration::from_secs(10);

/// Gives a burst to another lane. `wait`: until it has room (captures), else what does not fit is shed.
pub(super) fn hand_over(s: &Sender, b: &mut Burst, w: &mut Worker, wait: bool) {
    let mut until = None;
    loop {
        s.send(b);
        if b.is_empty() {
            return;
        }
        let late = wait && Instant::now() > *until.get_or_insert_with(|| Instant::now() + HAND_OVER);
        if !wait || late || w.stopping() {
            add(&w.counters.shed_ring, b.len() as u64);
            b.free();
            return;
        }
        std::thread::yield_now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions_meet() {
        let key = RandomState::new();
        let mut there = vec![0u8; 34];
        there[12] = 8;
        there[26..34].copy_from_slice(&[10, 0, 0, 1, 192, 168, 7, 9]);
        let mut back = there.clone();
        back[26..34].copy_from_slice(&[192, 168, 7, 9, 10, 0, 0, 1]);
        for lanes in 1..9 {
            assert_eq!(lane_of(&there, lanes, &key), lane_of(&back, lanes, &key));
            assert!(lane_of(&there, lanes, &key) < lanes);
        }
        let mut tagged = there[..12].to_vec();
        tagged.extend([0x81, 0, 0, 5]);
        tagged.extend(&there[12..]);
        assert_eq!(lane_of(&tagged, 8, &key), lane_of(&there, 8, &key));
        let mut labelled = there[..12].to_vec();
        labelled.extend([0x88, 0x47, 0, 1, 0, 64, 0, 2, 1, 64]);
        labelled.extend(&there[14..]);
        labelled[22] = 0x45;
        assert_eq!(lane_of(&labelled, 8, &key), lane_of(&there, 8, &key));
        assert_eq!(lane_of(&[], 4, &key), 0);
    }

    /// Which addresses share a lane is another matter with each key.
    #[test]
    fn lanes_cannot_be_computed() {
        let keys = [RandomState::new(), RandomState::new()];
        let mut frame = vec![0u8; 34];
        frame[12] = 8;
        let mut share = [[0; 4]; 2];
        let mut same = 0;
        for n in 0..4000u32 {
            frame[26..30].copy_from_slice(&n.to_be_bytes());
            let lanes = [0, 1].map(|k| lane_of(&frame, 4, &keys[k]));
            same += usize::from(lanes[0] == lanes[1]);
            (0..2).for_each(|k| share[k][lanes[k]] += 1);
        }
        assert!((700..1300).contains(&same), "{same}");
        assert!(share.iter().flatten().all(|n| (800..1200).contains(n)), "{share:?}");
    }

    #[test]
    fn hashes_are_shared_out() {
        for lanes in 1..9 {
            // The symmetric key gives hashes whose halves are alike.
            let mut seen = vec![0; lanes];
            (0..=0xffffu32).for_each(|h| seen[lane_by(h << 16 | h, lanes)] += 1);
            assert!(seen.iter().all(|n| n * lanes > 0xff00), "{seen:?}");
        }
        assert_eq!(lane_by(u32::MAX, 7), 6);
    }
}
