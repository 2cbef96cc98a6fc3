//! The table against a hash map, the wheel against a sorted list, and the bound of a flooded lookup.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;

use super::wheel::Wheel;
use super::*;
use crate::Secret;
use crate::packet::{Embedded, L3, L4, Packet};
use crate::stream::{StreamConfig, Streams};

const T0: u64 = 1_700_000_000_000_000_000;
const S: u64 = 1_000_000_000;

fn streams() -> Streams {
    Streams::new(StreamConfig { max_sessions: 8, ..StreamConfig::default() })
}

fn udp(src: u8, sp: u16, dst: u8, dp: u16, ts: u64) -> Packet<'static> {
    let mut p = Packet::new(b"frame", 101, ts, 1);
    p.l3 = L3::Ipv4;
    p.l4 = L4::Udp;
    p.proto = 17;
    p.src = Addr::v4([10, 0, 0, src]);
    p.dst = Addr::v4([10, 0, 0, dst]);
    (p.sp, p.dp, p.ttl) = (sp, dp, 64);
    p
}

fn icmp(src: u8, dst: u8, kind: u8, code: u8) -> Packet<'static> {
    let mut p = udp(src, 0, dst, 0, T0);
    (p.l4, p.proto) = (L4::Icmpv4, 1);
    (p.icmp.kind, p.icmp.code) = (kind, code);
    p
}

fn get(t: &mut FlowTable, p: &Packet<'_>) -> Found {
    let h = t.hash(p);
    t.lookup_or_insert(p, &h, &streams())
}

fn flow(t: &mut FlowTable, p: &Packet<'_>) -> (FlowIx, Dir, bool) {
    match get(t, p) {
        Found::Flow { ix, dir, new } => {
            t.update(ix, p, dir);
            (ix, dir, new)
        }
        other => panic!("{other:?}"),
    }
}

fn table(n: usize) -> FlowTable {
    FlowTable::new(FlowConfig { max_flows: n, ..FlowConfig::default() }, Secret::fixed(1))
}

#[test]
fn sizes() {
    assert_eq!(size_of::<Hot>(), 64);
    assert!(size_of::<Key>() <= 64);
    assert_eq!(align_of::<Hot>(), 64);
}

#[test]
fn both_directions_are_one_flow() {
    let mut t = table(16);
    let (a, dir, new) = flow(&mut t, &udp(1, 5000, 2, 53, T0));
    assert_eq!((dir, new), (Dir::ToServer, true));
    assert_eq!(t.hot(a).state, State::New);
    let (b, dir, new) = flow(&mut t, &udp(2, 53, 1, 5000, T0 + 1));
    assert_eq!((b, dir, new), (a, Dir::ToClient, false));
    assert_eq!(t.hot(a).state, State::Established);
    assert_eq!((t.hot(a).pkts, t.hot(a).bytes), ([1, 1], [5, 5]));
    let mut v = udp(1, 5000, 2, 53, T0);
    (v.vlan, v.vlans) = ([7, 0, 0], 1);
    assert!(flow(&mut t, &v).2, "another VLAN is another flow");
    let mut v = udp(1, 5000, 2, 53, T0);
    v.recursion = 1;
    assert!(flow(&mut t, &v).2, "so is a tunnel");
    let (s, streams) = (t.view(a, &streams()).id(), streams());
    assert_ne!(s, 0);
    assert_eq!(t.view(a, &streams).ttl(Dir::ToServer), (64, 64));
}

#[test]
fn icmp_kinds() {
    let mut t = table(16);
    let (a, ..) = flow(&mut t, &icmp(1, 2, 8, 0));
    let (b, dir, _) = flow(&mut t, &icmp(2, 1, 0, 0));
    assert_eq!((a, dir), (b, Dir::ToClient));
    // An error about a datagram belongs to the datagram's flow, seen from its sender.
    let (u, ..) = flow(&mut t, &udp(1, 5000, 2, 53, T0));
    let mut e = icmp(2, 1, 3, 3);
    let (src, dst) = (Addr::v4([10, 0, 0, 1]), Addr::v4([10, 0, 0, 2]));
    e.icmp.embedded = Some(Embedded { v6: false, src, dst, proto: 17, sp: 5000, dp: 53 });
    let (f, dir, new) = flow(&mut t, &e);
    assert_eq!((f, dir, new), (u, Dir::ToClient, false));
    assert_eq!(t.hot(u).state, State::New, "an error is no answer");
    assert_eq!(get(&mut t, &icmp(3, 4, 11, 0)), Found::NotTracked);
    let mut gre = udp(1, 0, 2, 0, T0);
    (gre.l4, gre.proto) = (L4::Gre, 47);
    assert_eq!(get(&mut t, &gre), Found::NotTracked);
}

#[test]
fn idle_flows_end() {
    let mut t = table(16);
    let (a, ..) = flow(&mut t, &udp(1, 5000, 2, 53, T0));
    assert_eq!(t.next_expired(T0 + 29 * S), None);
    // Found again too late: the caller ends it and asks again.
    assert_eq!(get(&mut t, &udp(1, 5000, 2, 53, T0 + 30 * S)), Found::Ended(a));
    assert_eq!(t.cold(a).end, EndReason::Timeout);
    t.remove(a);
    let (b, ..) = flow(&mut t, &udp(1, 5000, 2, 53, T0 + 30 * S));
    flow(&mut t, &udp(2, 53, 1, 5000, T0 + 31 * S));
    assert_eq!(t.next_expired(T0 + 300 * S), None);
    assert_eq!(t.next_expired(T0 + 331 * S), Some(b));
    t.remove(b);
    assert!(t.is_empty());
}

#[test]
fn swapping_exchanges_everything() {
    let mut t = table(4);
    let (a, ..) = flow(&mut t, &udp(1, 5000, 2, 53, T0));
    t.swap(a);
    assert_eq!((t.key(a).sp, t.hot(a).pkts), (53, [0, 1]));
    assert_eq!(t.hot(a).flags & (flag::TO_SERVER_SEEN | flag::TO_CLIENT_SEEN), flag::TO_CLIENT_SEEN);
    assert_eq!(flow(&mut t, &udp(1, 5000, 2, 53, T0)).1, Dir::ToClient);
}

#[test]
fn a_full_table_gives_up_the_oldest() {
    let mut t = table(8);
    for i in 0..200u16 {
        let p = udp(1, i, 2, 53, T0 + u64::from(i));
        match get(&mut t, &p) {
            Found::Ended(ix) => {
                assert_eq!(t.cold(ix).end, EndReason::Forced);
                t.remove(ix);
                assert!(flow(&mut t, &p).2);
            }
            Found::Flow { ix, dir, .. } => {
                t.update(ix, &p, dir);
            }
            other => panic!("{other:?}"),
        }
        assert!(t.len() <= 8);
    }
    assert_eq!(t.counters().evicted, 192);
    assert_eq!(t.iter().count(), 8);
}

#[test]
fn a_flood_cannot_lengthen_lookups() {
    let mut t = table(512);
    for i in 0..40_000u32 {
        let p = udp((i >> 16) as u8, i as u16, 2, 53, T0);
        if let Found::Ended(ix) = get(&mut t, &p) {
            t.remove(ix);
            flow(&mut t, &p);
        }
    }
    // In keys, as buckets have not always been of one size: 60 in four buckets of 15 once.
    assert!(t.counters().longest_probe as usize * super::table::WAYS <= 32);
    assert!(t.len() <= 512);
}

proptest! {
    #[test]
    fn equals_a_hash_map(ops in proptest::collection::vec((0u8..4, 0u16..6, 0u8..4, 0u16..6, 0u8..10), 1..400)) {
        let mut t = table(2048);
        type End = (u8, u16);
        let mut model: HashMap<(End, End), (FlowIx, u32)> = HashMap::new();
        for (src, sp, dst, dp, what) in ops {
            let (a, b) = ((src, sp), (dst, dp));
            let key = if a <= b { (a, b) } else { (b, a) };
            if what == 0 {
                if let Some((ix, _)) = model.remove(&key) {
                    t.remove(ix);
                }
                continue;
            }
            let (ix, _, new) = flow(&mut t, &udp(src, sp, dst, dp, T0));
            let e = model.entry(key).or_insert((ix, 0));
            prop_assert_eq!(e.0, ix);
            prop_assert_eq!(new, e.1 == 0);
            e.1 += 1;
            prop_assert_eq!(t.hot(ix).pkts.iter().sum::<u32>(), e.1);
        }
        prop_assert_eq!(t.len(), model.len());
    }

    /// The wheel hands out a flow at or before its time, never after, and an unchanged one exactly once.
    #[test]
    fn wheel_equals_a_sorted_list(
        start in 0u64..2_000_000_000,
        ops in proptest::collection::vec((0u32..40, 0u64..100_000, 0u64..5000), 1..200),
    ) {
        let mut w = Wheel::new(40);
        (0..40).for_each(|i| w.reset(i));
        let mut model: BTreeMap<u32, u64> = BTreeMap::new();
        let mut now = start;
        for (ix, ahead, step) in ops {
            w.arm(ix, now + ahead, now);
            model.insert(ix, now + ahead);
            now += step;
            while let Some(ix) = w.due(now) {
                let when = model[&ix];
                if when > now {
                    w.arm(ix, when, now);
                } else {
                    model.remove(&ix);
                }
            }
            prop_assert!(model.values().all(|&when| when > now), "{model:?} at {now}");
        }
    }
}

/// The frame of a UDP or TCP packet with up to two VLAN tags.
fn frame(p: &Packet<'_>) -> Vec<u8> {
    let mut f = vec![2; 12];
    for v in &p.vlan[..p.vlans as usize] {
        f.extend([0x81, 0, (v >> 8) as u8 & 15, *v as u8]);
    }
    f.extend([8, 0, 0x45, 0, 0, 40, 0, 0, 0, 0, 64, p.proto, 0, 0]);
    f.extend([&p.src.0[..4], &p.dst.0[..4]].concat());
    f.extend(p.sp.to_be_bytes());
    f.extend(p.dp.to_be_bytes());
    f.extend([0, 20, 0, 0, 0, 0, 0, 0, 0x50, 0x10, 0, 0, 0, 0, 0, 0]);
    f
}

/// The key that versions before secrets had in their source, for everybody to read.
const PUBLISHED: [u64; 2] = [0x7469_6465_6761_7465, 0x666c_6f77_7461_626c];

/// Establishes a flow, then sends 64 further ones whose keys fall into its buckets under `known`, as whoever knows the
/// key can compute them. Whether the flow is still there.
fn survives(t: &mut FlowTable, known: &super::hash::Nh) -> bool {
    const BUCKETS: u64 = 2048;
    let plain = |p: &Packet<'_>| {
        let end = |a: &Addr, port: u16| {
            u64::from(u32::from_le_bytes(*a.0.first_chunk().unwrap())) << 16 | u64::from(port)
        };
        let (s, d) = (end(&p.src, p.sp), end(&p.dst, p.dp));
        let (a, b) = (s.min(d), s.max(d));
        known.two(a >> 16 | b >> 16 << 32, (a & 0xffff) | (b & 0xffff) << 16 | entry::UDP)
    };
    let victim = udp(1, 5000, 2, 53, T0);
    flow(t, &victim);
    let (ix, ..) = flow(t, &udp(2, 53, 1, 5000, T0));
    assert_eq!(t.hot(ix).state, State::Established);
    let home = plain(&victim) % BUCKETS;
    let (mut sent, mut n) = (0, 0u32);
    while sent < 64 {
        n += 1;
        let mut p = udp(3, (n & 0xffff) as u16, 4, 53, T0 + S);
        p.src = Addr::v4([11, (n >> 16) as u8, 0, 1]);
        if plain(&p).wrapping_sub(home) % BUCKETS >= 8 {
            continue;
        }
        sent += 1;
        while let Found::Ended(gone) = get(t, &p) {
            t.remove(gone);
        }
        let back = Packet { src: p.dst, dst: p.src, sp: p.dp, dp: p.sp, ts: T0 + 2 * S, ..p.clone() };
        flow(t, &p);
        flow(t, &back);
    }
    matches!(get(t, &victim), Found::Flow { new: false, .. })
}

#[test]
fn keys_made_for_published_constants_do_not_evict() {
    // Who knows the key evicts the flow from a nearly empty table: so this traffic is harmful.
    let secret = Secret::fixed(7);
    let own = super::hash::Nh::new(secret.key(*b"flows   "));
    let cfg = || FlowConfig { max_flows: 4096, ..FlowConfig::default() };
    assert!(!survives(&mut FlowTable::new(cfg(), secret), &own));
    // With the constants of the source, or with another engine's secret, nobody does.
    for known in
        [super::hash::Nh::new(PUBLISHED), own, super::hash::Nh::new(Secret::fixed(0).key(*b"flows   "))]
    {
        for n in 1..5 {
            let mut t = FlowTable::new(cfg(), Secret::random([n; 16]));
            assert!(survives(&mut t, &known));
            assert_eq!(t.counters().evicted, 0);
        }
    }
}

proptest! {
    /// The short ways for TCP and UDP over IPv4 say what the general one says, in both directions; a table finds
    /// by one what came by another.
    #[test]
    fn all_ways_of_hashing_agree(
        src: [u8; 4], dst: [u8; 4], sp in 1u16..1000, dp in 1u16..1000, vlan in [0u16..4096, 0u16..4096], vlans in 0u8..3,
        tcp: bool, same_ends: bool, by_vlan: bool, by_recursion: bool, quoted: bool, recursion in 0u8..4,
    ) {
        let mut p = udp(0, sp, 0, dp, T0);
        (p.src, p.dst) = (Addr::v4(src), Addr::v4(if same_ends { src } else { dst }));
        (p.vlan, p.vlans) = ([vlan[0], vlan[1], 0], vlans);
        p.vlan[vlans as usize..].fill(0);
        if tcp {
            (p.l4, p.proto) = (L4::Tcp, 6);
        }
        let cfg = FlowConfig {
            max_flows: 4,
            vlan_tracking: by_vlan,
            recursion_tracking: by_recursion,
            ..FlowConfig::default()
        };
        let mut t = FlowTable::new(cfg, Secret::fixed(1));
        let back = Packet { src: p.dst, dst: p.src, sp: dp, dp: sp, ..p.clone() };
        prop_assert_eq!(t.hash(&p).sum(), t.hash(&back).sum());
        // Some ports are left to the general way, as they may carry tunnels.
        use crate::packet::{DecodeConfig, Decoder, Ports};
        let no = Ports::NONE;
        let cfg = DecodeConfig { teredo: no, vxlan: no, geneve: no, gtp: no, l2tp: no, tzsp: no, roce: no, ..DecodeConfig::default() };
        let decoder = Decoder::new(cfg);
        let heads = [&p, &back].map(|p| decoder.head(&frame(p)).unwrap());
        prop_assert_eq!(t.hash_head(&heads[0]), t.hash(&p));
        prop_assert_eq!(t.hash_head(&heads[1]), t.hash(&back));
        let mut found = [None; 2];
        t.find_bulk(&heads, &mut found);
        prop_assert_eq!(found, [None; 2]);
        let (ix, ..) = flow(&mut t, &p);
        let turn = if p.src == p.dst && sp == dp { Dir::ToServer } else { Dir::ToClient };
        t.find_bulk(&heads, &mut found);
        prop_assert_eq!(found, [Some((ix, Dir::ToServer)), Some((ix, turn))]);
        prop_assert_eq!(get(&mut t, &back), Found::Flow { ix, dir: turn, new: false });
        let key = *t.key(ix);
        prop_assert_eq!((t.by_key(&key), t.by_packet(&back)), (Some(ix), Some(ix)));
        if quoted {
            let mut e = icmp(9, 8, 3, 3);
            (e.vlan, e.vlans, e.src) = (p.vlan, p.vlans, p.dst);
            e.icmp.embedded = Some(Embedded { v6: false, src: p.src, dst: p.dst, proto: p.proto, sp, dp });
            let dir = if p.src == p.dst { Dir::ToServer } else { Dir::ToClient };
            prop_assert_eq!(get(&mut t, &e), Found::Flow { ix, dir, new: false });
        }
        // In a tunnel, which no head tells of.
        let inner = Packet { recursion, ..p.clone() };
        let (other, ..) = flow(&mut t, &inner);
        prop_assert_eq!(other != ix, by_recursion && recursion > 0);
        let key = *t.key(other);
        let of = Packet { recursion, ..back.clone() };
        prop_assert_eq!((t.by_key(&key), t.by_packet(&of)), (Some(other), Some(other)));
        t.swap(ix);
        t.find_bulk(&heads, &mut found);
        prop_assert_eq!(found, [Some((ix, turn)), Some((ix, Dir::ToServer))]);
        t.remove(ix);
        t.find_bulk(&heads, &mut found);
        prop_assert_eq!(found, [None; 2]);
    }
}

#[test]
fn a_guess_does_not_outlive_its_flow() {
    let mut t = table(8);
    let p = udp(1, 1000, 2, 53, T0);
    let (ix, ..) = flow(&mut t, &p);
    let mut h = t.hash(&p);
    t.prefetch_flow(&mut h);
    assert_eq!(t.peek(&h).map(|f| f.0), Some(ix));
    assert_eq!(t.lookup_or_insert(&p, &h, &streams()), Found::Flow { ix, dir: Dir::ToServer, new: false });
    t.remove(ix);
    assert!(matches!(t.lookup_or_insert(&p, &h, &streams()), Found::Flow { new: true, .. }));
    assert_eq!(t.len(), 1);
    // Another flow in its place is not taken for it either.
    t.remove(ix);
    let other = udp(3, 7, 4, 9, T0);
    assert_eq!(flow(&mut t, &other).0, ix);
    assert!(
        matches!(t.lookup_or_insert(&p, &h, &streams()), Found::Flow { new: true, ix: n, .. } if n != ix)
    );
}

#[test]
fn flows_are_found_by_number_and_by_key() {
    let mut t = table(16);
    let ids: Vec<_> = (0..9u8)
        .map(|i| {
            let (ix, ..) = flow(&mut t, &udp(1, 5000 + u16::from(i), 2, 53, T0));
            (ix, t.cold(ix).id, *t.key(ix))
        })
        .collect();
    for (ix, id, key) in &ids {
        assert_eq!((t.by_id(*id), t.by_key(key)), (Some(*ix), Some(*ix)));
        let back = Key { src: key.dst, dst: key.src, sp: key.dp, dp: key.sp, ..*key };
        assert_eq!(t.by_key(&back), Some(*ix));
        assert_eq!((t.by_id(id ^ 1 << 40), t.by_id(*id | 1 << 63)), (None, None));
    }
    let (ix, id, key) = ids[4];
    t.remove(ix);
    assert_eq!((t.by_id(id), t.by_key(&key)), (None, None));
    // Another flow takes the place, under another number.
    let (again, ..) = flow(&mut t, &udp(3, 1, 2, 53, T0));
    assert_eq!((again, t.by_id(id)), (ix, None));
}
