//! Fragments in any order, overlaps under every policy, limits and times.
use super::*;
use crate::Secret;
use crate::packet::checksum;
use crate::packet::{Decoder, L4, PacketBuf, Source, events};
use proptest::prelude::*;

const SECOND: u64 = 1_000_000_000;

fn small() -> DefragConfig {
    DefragConfig { trackers: 4, max_frags: 64, memory: 1 << 20, ..DefragConfig::default() }
}

/// A raw IPv4 fragment.
fn frag4(id: u16, off: usize, more: bool, data: &[u8]) -> Vec<u8> {
    let mut h = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    h[2..4].copy_from_slice(&(20 + data.len() as u16).to_be_bytes());
    h[4..6].copy_from_slice(&id.to_be_bytes());
    h[6..8].copy_from_slice(&((off as u16 / 8) | if more { 0x2000 } else { 0 }).to_be_bytes());
    let sum = checksum::internet(&h);
    h[10..12].copy_from_slice(&sum.to_be_bytes());
    h.extend(data);
    h
}

/// A raw IPv6 fragment behind a hop-by-hop header when `hop`.
fn frag6(id: u32, off: usize, more: bool, next: u8, hop: bool, data: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    if hop {
        body.extend([44, 0, 5, 2, 0, 0, 0, 0]);
    }
    body.extend([next, 0]);
    body.extend(((off as u16 & 0xfff8) | u16::from(more)).to_be_bytes());
    body.extend(id.to_be_bytes());
    body.extend(data);
    let mut h = vec![0x60, 0, 0, 0];
    h.extend((body.len() as u16).to_be_bytes());
    h.extend([if hop { 0 } else { 44 }, 64]);
    h.extend([0xfe; 16]);
    h.extend([0xfd; 16]);
    h.extend(body);
    h
}

/// Feeds one frame; the datagram's IP bytes when it completes one, and the names of the anomalies.
fn feed(d: &mut Defrag, frame: &[u8], ts: u64, policy: OsPolicy) -> (Option<Vec<u8>>, Vec<&'static str>) {
    let mut out = PacketBuf::new(8);
    Decoder::default().decode(frame, 101, ts, 1, &mut out);
    let mut set = EventSet::default();
    let whole = d.insert(&out[0], policy, &mut set).map(|g| {
        let bytes = d.datagram(&g)[g.l3_off()..].to_vec();
        d.release(g);
        bytes
    });
    (whole, set.iter().map(events::name).collect())
}

fn udp(body: &[u8]) -> Vec<u8> {
    let mut u = vec![0, 9, 0, 10];
    u.extend((8 + body.len() as u16).to_be_bytes());
    u.extend([0, 0]);
    u.extend(body);
    u
}

#[test]
fn two_fragments_give_a_decodable_datagram() {
    let data = udp(b"hello fragments!");
    let mut d = Defrag::new(&small(), Secret::fixed(1));
    let (a, b) = (frag4(7, 0, true, &data[..16]), frag4(7, 16, false, &data[16..]));
    assert_eq!(feed(&mut d, &a, 0, OsPolicy::Bsd), (None, vec![]));
    let mut out = PacketBuf::new(8);
    Decoder::default().decode(&b, 101, 5, 2, &mut out);
    let mut set = EventSet::default();
    let g = d.insert(&out[0], OsPolicy::Bsd, &mut set).unwrap();
    let mut whole = PacketBuf::new(8);
    assert_eq!(Decoder::default().decode_ip(d.datagram(&g), g.l3_off(), g.link(), &out[0], &mut whole), 1);
    let p = &whole[0];
    assert_eq!((p.l4, p.sp, p.dp, p.source), (L4::Udp, 9, 10, Source::Defrag));
    assert_eq!((p.ts, p.index, p.link, p.payload()), (5, 2, 101, &b"hello fragments!"[..]));
    assert_eq!(checksum::verify_l3(p), crate::packet::Checksum::Good);
    d.release(g);
    assert_eq!((d.in_use(), d.active()), (0, 0));
    assert_eq!((d.stats().ipv4_fragments, d.stats().ipv4_reassembled), (2, 1));
}

#[test]
fn link_header_of_the_first_fragment_is_kept() {
    let data = udp(b"12345678abcd");
    let mut d = Defrag::new(&small(), Secret::fixed(1));
    let mut last = None;
    for (off, more, part) in [(8, false, &data[8..]), (0, true, &data[..8])] {
        let frame = [&[0x21][..], &frag4(1, off, more, part)].concat();
        let mut out = PacketBuf::new(8);
        Decoder::default().decode(&frame, 9, 0, 1, &mut out);
        last = d.insert(&out[0], OsPolicy::Bsd, &mut EventSet::default());
    }
    let g = last.unwrap();
    assert_eq!((g.l3_off(), g.link()), (1, 9));
    assert_eq!(d.datagram(&g)[..2], [0x21, 0x45]);
    d.release(g);
}

#[test]
fn ipv6_keeps_extension_headers_and_names_the_payload() {
    for hop in [false, true] {
        let data = udp(b"six of them");
        let mut d = Defrag::new(&small(), Secret::fixed(1));
        assert_eq!(feed(&mut d, &frag6(3, 16, false, 99, hop, &data[16..]), 0, OsPolicy::Bsd).0, None);
        let (whole, names) = feed(&mut d, &frag6(3, 0, true, 17, hop, &data[..16]), 0, OsPolicy::Bsd);
        assert!(names.is_empty());
        let whole = whole.unwrap();
        let extra = if hop { 8 } else { 0 };
        assert_eq!(whole.len(), 40 + extra + data.len());
        assert_eq!(usize::from(u16::from_be_bytes([whole[4], whole[5]])), extra + data.len());
        assert_eq!(
            if hop { (whole[6], whole[40]) } else { (whole[6], 17) },
            if hop { (0, 17) } else { (17, 17) }
        );
        assert_eq!(whole[40 + extra..], data[..]);
    }
}

/// What each policy makes of the pieces of Novak's "Target-Based Fragmentation Reassembly" picture.
#[test]
fn overlap_policies() {
    // (offset, length) in units of eight bytes, in order of arrival, each filled with its number.
    let pieces = [(0, 3), (4, 2), (6, 3), (1, 4), (6, 3), (9, 3)];
    let shape = |policy| {
        let mut d = Defrag::new(&small(), Secret::fixed(1));
        let mut whole = None;
        for (i, &(off, len)) in pieces.iter().enumerate() {
            let more = i + 1 < pieces.len();
            let data = vec![b'1' + i as u8; len * 8];
            whole = feed(&mut d, &frag4(1, off * 8, more, &data), 0, policy).0.or(whole);
        }
        let whole = whole.unwrap();
        whole[20..].chunks(8).map(|c| c[0] as char).collect::<alloc::string::String>()
    };
    assert_eq!(shape(OsPolicy::First), "111422333666");
    assert_eq!(shape(OsPolicy::Windows), "111422333666");
    assert_eq!(shape(OsPolicy::Bsd), "111442333666");
    assert_eq!(shape(OsPolicy::Linux), "111442555666");
    assert_eq!(shape(OsPolicy::Last), "144442555666");
}

#[test]
fn overlap_is_an_event() {
    let mut d = Defrag::new(&small(), Secret::fixed(1));
    assert!(feed(&mut d, &frag4(1, 0, true, &[1; 16]), 0, OsPolicy::Bsd).1.is_empty());
    assert_eq!(feed(&mut d, &frag4(1, 8, true, &[2; 16]), 0, OsPolicy::Bsd).1, ["ipv4.frag_overlap"]);
    assert_eq!(feed(&mut d, &frag4(1, 0, true, &[1; 16]), 0, OsPolicy::Bsd).1, ["ipv4.frag_overlap"]);
    let (whole, _) = feed(&mut d, &frag4(1, 24, false, &[3; 1]), 0, OsPolicy::Bsd);
    assert_eq!(whole.unwrap()[20..], [&[1; 16][..], &[2; 8], &[3]].concat());
}

#[test]
fn a_datagram_beyond_64k_is_refused() {
    let mut d = Defrag::new(&small(), Secret::fixed(1));
    let (_, names) = feed(&mut d, &frag4(1, 65_528, false, &[0; 8]), 0, OsPolicy::Bsd);
    assert_eq!(names, ["ipv4.frag_pkt_too_large"]);
    let (_, names) = feed(&mut d, &frag6(1, 65_528, false, 17, false, &[0; 8]), 0, OsPolicy::Bsd);
    assert_eq!(names, ["ipv6.frag_pkt_too_large"]);
    assert_eq!((d.active(), d.in_use()), (0, 0));
}

#[test]
fn times_run_out() {
    let mut d = Defrag::new(&small(), Secret::fixed(1));
    let data = [5u8; 16];
    feed(&mut d, &frag4(1, 0, true, &data[..8]), 0, OsPolicy::Bsd);
    d.tick(60 * SECOND);
    assert_eq!(d.active(), 1);
    d.tick(61 * SECOND);
    assert_eq!((d.active(), d.in_use(), d.stats().timeouts), (0, 0, 1));
    feed(&mut d, &frag4(1, 0, true, &data[..8]), 0, OsPolicy::Bsd);
    // Without a tick: the identification is used again.
    assert_eq!(feed(&mut d, &frag4(1, 8, false, &data[8..]), 99 * SECOND, OsPolicy::Bsd).0, None);
    assert_eq!((d.active(), d.stats().soft_reuse), (1, 1));
}

#[test]
fn full_pools_degrade_and_count() {
    let mut d = Defrag::new(&small(), Secret::fixed(1));
    for id in 0..6 {
        feed(&mut d, &frag4(id, 0, true, &[0; 8]), u64::from(id), OsPolicy::Bsd);
    }
    assert_eq!((d.active(), d.stats().max_trackers_reached), (4, 2));
    let mut d = Defrag::new(&DefragConfig { max_frags: 2, ..small() }, Secret::fixed(1));
    feed(&mut d, &frag4(1, 0, true, &[0; 8]), 0, OsPolicy::Bsd);
    feed(&mut d, &frag4(1, 8, true, &[0; 8]), 0, OsPolicy::Bsd);
    // There is no other datagram that could give way.
    assert_eq!(feed(&mut d, &frag4(1, 16, false, &[0; 8]), 0, OsPolicy::Bsd).1, ["ipv4.frag_ignored"]);
    let mut d = Defrag::new(&DefragConfig { memory: 64, ..small() }, Secret::fixed(1));
    assert_eq!(feed(&mut d, &frag4(1, 0, true, &[0; 80]), 0, OsPolicy::Bsd).1, ["ipv4.frag_ignored"]);
    assert_eq!((d.active(), d.in_use()), (0, 0));
}

#[test]
fn unfinished_datagrams_give_way() {
    // Fragments first, then bytes are all taken by datagrams that never end; one that does is put together.
    for cfg in [DefragConfig { max_frags: 40, ..small() }, DefragConfig { memory: 2 << 10, ..small() }] {
        let mut d = Defrag::new(&DefragConfig { trackers: 64, ..cfg }, Secret::fixed(1));
        for id in 0..200 {
            feed(&mut d, &frag4(id, 0, true, &[0; 40]), u64::from(id), OsPolicy::Bsd);
        }
        let data = udp(b"the attack after the flood");
        assert_eq!(feed(&mut d, &frag4(999, 0, true, &data[..16]), 300, OsPolicy::Bsd).1.len(), 0);
        let (whole, _) = feed(&mut d, &frag4(999, 16, false, &data[16..]), 301, OsPolicy::Bsd);
        assert_eq!(whole.expect("complete")[20..], data);
        assert!(d.stats().evicted > 100);
        assert_eq!(d.stats().max_frags_reached, 0);
    }
}

/// Steps a fragment of a flood, from the number of fragments already sent.
fn steps(n: u32, policy: OsPolicy, mut frame: impl FnMut(u32) -> Vec<u8>) -> u64 {
    let cfg =
        DefragConfig { trackers: 20_000, max_frags: 65_536, memory: 32 << 20, ..DefragConfig::default() };
    let mut d = Defrag::new(&cfg, Secret::fixed(1));
    for i in 0..n {
        feed(&mut d, &frame(i), 0, policy);
    }
    d.stats().steps / u64::from(n)
}

#[test]
fn work_is_bounded() {
    let mut x = 1u32;
    let mut random = || {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        x
    };
    for policy in POLICIES {
        // A step is a read of some 100 bytes: 200 of them take as long as a few ordinary packets.
        for (name, steps) in [
            ("in order", steps(8000, policy, |i| frag4(1, (i as usize % 8000) * 8, true, &[0; 8]))),
            ("reversed", steps(8000, policy, |i| frag4(1, (7999 - i as usize) * 8, true, &[0; 8]))),
            (
                "every other",
                steps(8000, policy, |i| frag4(1, ((i * 2) % 8000 + i / 4000) as usize * 8, true, &[0; 8])),
            ),
            (
                "overlapping",
                steps(4000, policy, |_| frag4(1, random() as usize % 8000 * 8, true, &[1; 1400])),
            ),
        ] {
            let most = if name == "overlapping" { 2 * u64::from(MAX_STEPS) } else { 300 };
            assert!(steps <= most, "{name}, {policy:?}: {steps} steps");
        }
        // With the last fragment there, and a hole at the front.
        let vain = steps(4000, policy, |i| match i {
            0 => frag4(1, 60_000, false, &[1; 8]),
            _ => frag4(1, 8 + random() as usize % 7000 * 8, true, &[1; 1400]),
        });
        assert!(vain <= 3 * u64::from(MAX_STEPS), "{policy:?}: {vain} steps");
    }
}

/// The largest datagram in the smallest pieces is put together in any order; what overlaps too much is refused under its
/// own name.
#[test]
fn many_small_fragments_are_a_datagram() {
    let cfg = DefragConfig { trackers: 4, max_frags: 8192, memory: 4 << 20, ..DefragConfig::default() };
    let data: Vec<u8> = (0..60_000u32).map(|i| ((i * 31) >> 3) as u8).collect();
    let n = data.len() / 8;
    let mut shuffled: Vec<usize> = (0..n).collect();
    let mut x = 7usize;
    for i in (1..n).rev() {
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        shuffled.swap(i, (x >> 33) % (i + 1));
    }
    let orders = [
        (0..n).collect(),
        (0..n).rev().collect(),
        (0..n).map(|i| (i * 2) % n + i * 2 / n).collect(),
        shuffled,
    ];
    for policy in POLICIES {
        for order in &orders {
            let mut d = Defrag::new(&cfg, Secret::fixed(1));
            let mut whole = None;
            for &i in order {
                let f = frag4(1, i * 8, i + 1 < n, &data[i * 8..i * 8 + 8]);
                let (got, events) = feed(&mut d, &f, 0, policy);
                assert!(events.is_empty(), "{policy:?}: {events:?}");
                whole = whole.or(got);
            }
            assert_eq!(whole.expect("complete")[20..], data, "{policy:?}");
            assert_eq!((d.active(), d.in_use(), d.stats().overlaps_refused), (0, 0, 0));
        }
    }
    let mut d = Defrag::new(&cfg, Secret::fixed(1));
    let refused = (0..2000u32).filter(|i| {
        let f = frag4(1, (8 * (2000 - i)) as usize, true, &vec![1; 8 * *i as usize + 8]);
        feed(&mut d, &f, 0, OsPolicy::BsdRight).1.contains(&"ipv4.frag_ignored")
    });
    assert!(refused.count() > 1000);
    assert!(d.stats().overlaps_refused > 1000 && d.stats().max_frags_reached == 0, "{:?}", d.stats());
}

/// What a fragment gave away is had from who took it, though that one lies behind the end.
#[test]
fn bytes_that_were_given_away_behind_the_end() {
    let content: Vec<u8> = (0..1000u32).map(|i| (i * 7 + i / 251) as u8).collect();
    let mut d = Defrag::new(&small(), Secret::fixed(1));
    let mut whole = 0;
    for (off, more, len) in
        [(144, false, 1), (48, false, 72), (0, true, 81), (56, false, 26), (104, false, 40)]
    {
        let frame = frag4(1, off, more, &content[off..off + len]);
        if let (Some(w), _) = feed(&mut d, &frame, SECOND, OsPolicy::Linux) {
            assert_eq!(&w[20..], &content[..w.len() - 20]);
            whole += 1;
        }
    }
    assert_eq!(whole, 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// However fragments overlap: the list is in order both ways, and the index has the first of each kilobyte.
    #[test]
    fn the_index_is_that_of_the_list(
        frags in proptest::collection::vec((0usize..600, 1usize..40), 60..400),
        policy in 0..POLICIES.len(),
    ) {
        let mut d = Defrag::new(&DefragConfig { max_frags: 1000, ..small() }, Secret::fixed(1));
        for (at, len) in frags {
            feed(&mut d, &frag4(1, at * 8, true, &vec![1; len * 8]), 0, POLICIES[policy]);
            let id = d.oldest;
            let t = d.trackers.get(id);
            let (mut at, mut before, mut count) = (t.first, NIL, 0);
            let mut firsts = [NIL; 64];
            while at != NIL {
                let f = d.frags.get(at);
                prop_assert_eq!(f.prev, before);
                prop_assert!(before == NIL || d.frags.get(before).x.off <= f.x.off);
                let first = &mut firsts[(f.x.off >> 10) as usize];
                *first = if *first == NIL { at } else { *first };
                (before, at, count) = (at, f.next, count + 1);
            }
            prop_assert_eq!((t.last, t.count), (before, count));
            if t.index.is_allocated() {
                let index: Vec<u32> = t.index.get(&d.bytes).chunks_exact(4)
                    .map(|c| u32::from_le_bytes([c[0], c[1], c[2], c[3]])).collect();
                prop_assert_eq!(&index[..], &firsts[..]);
            }
        }
    }
}

#[test]
fn colliding_keys_do_not_make_long_chains() {
    // Each datagram is new. Without a secret all of them could be in one bucket, as their keys were computable.
    let chain = steps(10_000, OsPolicy::Bsd, |i| {
        let mut f = frag4(i as u16, 0, true, &[0; 8]);
        f[12..16].copy_from_slice(&(0x1000_0000 + i).to_be_bytes());
        f
    });
    assert!(chain <= 4, "{chain} trackers looked at for each fragment");
    // Keys that fell into one bucket of 65,536 under the published key, whose hash was this.
    let old = |src: u32, id: u16| {
        let words = [
            u64::from(src.swap_bytes()),
            0,
            u64::from(0x0a00_0002u32.swap_bytes()),
            0,
            u64::from(id) << 32 | 17 << 24,
        ];
        words.iter().fold(0x9e37_79b9_7f4a_7c15u64, |h, w| {
            let m = u128::from(h ^ w) * u128::from(1u64 ^ 0xd6e8_feb8_6659_fd93);
            (m as u64 ^ (m >> 64) as u64).wrapping_add(0x2545_f491_4f6c_dd1d)
        })
    };
    let mut found = (0u32..)
        .flat_map(|a| (0..=u16::MAX).map(move |id| (0x1000_0000 + a, id)))
        .filter(|k| old(k.0, k.1) & 0xffff == 0);
    let chain = steps(100, OsPolicy::Bsd, |_| {
        let (src, id) = found.next().unwrap();
        let mut f = frag4(id, 0, true, &[0; 8]);
        f[12..16].copy_from_slice(&src.to_be_bytes());
        f
    });
    assert!(chain <= 2, "{chain} trackers looked at for each fragment");
}

#[test]
fn different_datagrams_do_not_mix() {
    let mut d = Defrag::new(&small(), Secret::fixed(1));
    feed(&mut d, &frag4(1, 0, true, &[1; 8]), 0, OsPolicy::Bsd);
    assert_eq!(feed(&mut d, &frag4(2, 8, false, &[2; 8]), 0, OsPolicy::Bsd).0, None);
    assert_eq!(feed(&mut d, &frag6(1, 8, false, 17, false, &[3; 8]), 0, OsPolicy::Bsd).0, None);
    assert_eq!(d.active(), 3);
}

const POLICIES: [OsPolicy; 7] = [
    OsPolicy::Bsd,
    OsPolicy::BsdRight,
    OsPolicy::Linux,
    OsPolicy::Windows,
    OsPolicy::Solaris,
    OsPolicy::First,
    OsPolicy::Last,
];

proptest! {
    /// Any order, with repeats, under any policy: the datagram comes out whole as soon as all pieces are there.
    #[test]
    fn any_order_gives_the_datagram(
        body in proptest::collection::vec(any::<u8>(), 1..1500),
        cuts in proptest::collection::btree_set(1usize..180, 0..12),
        order in proptest::collection::vec(any::<u32>(), 14),
        repeats in proptest::collection::vec(any::<proptest::sample::Index>(), 0..5),
        policy in 0..POLICIES.len(),
        v6: bool,
        hop: bool,
    ) {
        let data = udp(&body);
        let mut at: Vec<usize> = cuts.into_iter().map(|c| c * 8).filter(|&c| c < data.len()).collect();
        at.insert(0, 0);
        at.push(data.len());
        let mut pieces: Vec<(usize, usize)> = at.windows(2).map(|w| (w[0], w[1])).collect();
        prop_assume!(pieces.len() > 1);
        for r in repeats {
            pieces.push(pieces[r.index(pieces.len())]);
        }
        let mut keyed: Vec<_> = pieces.into_iter().enumerate().map(|(i, p)| (order[i % 14].rotate_left(i as u32), p)).collect();
        keyed.sort();
        let mut d = Defrag::new(&small(), Secret::fixed(1));
        let mut have = alloc::collections::BTreeSet::new();
        for (_, (from, to)) in keyed {
            let more = to != data.len();
            let part = &data[from..to];
            let frame = if v6 { frag6(4, from, more, 17, hop, part) } else { frag4(4, from, more, part) };
            let (whole, _) = feed(&mut d, &frame, 0, POLICIES[policy]);
            have.insert(from);
            prop_assert_eq!(whole.is_some(), have.len() == at.len() - 1);
            if let Some(w) = whole {
                prop_assert_eq!(&w[w.len() - data.len()..], &data[..]);
                have.clear();
            }
        }
        d.tick(1000 * SECOND);
        prop_assert_eq!((d.in_use(), d.active()), (0, 0));
    }

    /// Arbitrary fragments: no panic, nothing leaks, and with one content for every byte the datagram has it.
    #[test]
    fn any_fragments(
        frags in proptest::collection::vec((0u16..3, 0usize..40, any::<bool>(), 0usize..90, any::<bool>()), 1..80),
        policy in 0..POLICIES.len(),
    ) {
        let content: Vec<u8> = (0..1000u32).map(|i| (i * 7 + i / 251) as u8).collect();
        let mut d = Defrag::new(&small(), Secret::fixed(1));
        for (i, (id, off, more, len, v6)) in frags.into_iter().enumerate() {
            let part = &content[off * 8..off * 8 + len];
            let frame = if v6 {
                frag6(id.into(), off * 8, more, 17, false, part)
            } else {
                frag4(id, off * 8, more, part)
            };
            if let (Some(w), _) = feed(&mut d, &frame, i as u64 * SECOND, POLICIES[policy]) {
                let header = if w[0] >> 4 == 6 { 40 } else { 20 };
                prop_assert_eq!(&w[header..], &content[..w.len() - header]);
            }
        }
        d.tick(10_000 * SECOND);
        prop_assert_eq!((d.in_use(), d.active()), (0, 0));
    }
}

/// A fragment that is sent again gives its bytes to the first of its kind, and takes none from a third one that lies at the same place.
#[test]
fn a_byte_that_one_fragment_gave_to_another_stays() {
    let content: Vec<u8> = (0..1000u32).map(|i| (i * 7 + i / 251) as u8).collect();
    for last in [129usize, 137] {
        let mut d = Defrag::new(&small(), Secret::fixed(1));
        let parts = [(72, false, 129), (8, true, 72), (8, false, 73), (72, false, last), (0, true, 8)];
        let mut whole = None;
        for (i, (from, more, to)) in parts.into_iter().enumerate() {
            let frame = frag6(0, from, more, 17, false, &content[from..to]);
            whole = feed(&mut d, &frame, i as u64 * SECOND, OsPolicy::Bsd).0;
        }
        let whole = whole.expect("all bytes were sent");
        assert_eq!(whole[40..], content[..whole.len() - 40], "{last}");
    }
}
