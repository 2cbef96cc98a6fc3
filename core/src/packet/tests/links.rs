//! Link layers beside Ethernet, and tunnels that are off by default: one UDP datagram in each.
use super::*;

const UDP: &[u8] = b"payload";

fn datagram() -> Vec<u8> {
    v4(17, &udp(4000, 53, UDP))
}

const SNAP_IP: [u8; 8] = [0xaa, 0xaa, 3, 0, 0, 0, 8, 0];
const A: [u8; 6] = [2, 0, 0, 0, 0, 0xa];
const B: [u8; 6] = [2, 0, 0, 0, 0, 0xb];
const C: [u8; 6] = [2, 0, 0, 0, 0, 0xc];

/// An 802.11 frame with `kind` and `flags` in its frame control and `rest` behind the sequence number.
fn wlan(kind: u8, flags: u8, rest: &[u8]) -> Vec<u8> {
    [&[kind, flags, 0, 0][..], &A, &B, &C, &[0, 0], rest].concat()
}

/// All tunnels on.
fn everything() -> Decoder {
    Decoder::new(DecodeConfig { l2tp: Ports::one(1701), tzsp: Ports::one(37008), ..DecodeConfig::default() })
}

/// The last packet of the frame is the datagram, whole.
fn finds(frame: &[u8], link: u16) {
    let mut out = PacketBuf::new(MAX_PER_FRAME);
    everything().decode(frame, link, 7, 1, &mut out);
    let p = out.last().expect("a packet");
    assert_eq!((p.l4, p.sp, p.dp, p.payload()), (L4::Udp, 4000, 53, UDP), "link {link}: {:?}", names(p));
    assert!(p.wants_flow && p.events.is_empty(), "{:?}", names(p));
}

/// Frames of every link type and tunnel of this file.
fn frames() -> Vec<(u16, Vec<u8>)> {
    let ip = datagram();
    let join = |head: &[u8]| [head, &ip].concat();
    let data = |kind, flags, rest: &[u8]| wlan(kind, flags, &[rest, &SNAP_IP, &ip].concat());
    let plain = data(8, 1, &[]);
    let tap = |present: [u8; 4], fields: &[u8], frame: &[u8]| {
        [&[0, 0, 8 + fields.len() as u8, 0][..], &present, fields, frame].concat()
    };
    let ether = eth(0x0800, &ip);
    let length = eth((8 + ip.len()) as u16, &join(&SNAP_IP));
    let l2tp = |head: &[u8], body: &[u8]| eth(0x0800, &v4(17, &udp(1701, 1701, &[head, body].concat())));
    let tzsp = |head: &[u8], body: &[u8]| eth(0x0800, &v4(17, &udp(9, 37008, &[head, body].concat())));
    let size = ip.len() as u8;
    let grh = [7; 40];
    let bth = [0x64, 0, 0xff, 0xff, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2];
    let sub = [&C[..], &A, &[0, 8 + size], &SNAP_IP, &ip, &[0; 3]].concat();
    std::vec![
        (51, join(&[0x11, 0, 0, 1, 0, size + 2, 0, 0x21])),
        (166, join(&[1, 3, 0, 0x21])),
        (166, join(&[0, 0x21])),
        (204, join(&[1, 0xff, 3, 0, 0x21])),
        (204, join(&[0, 0x21])),
        (205, join(&[0, 0x0f, 0, 8, 0])),
        (107, join(&[0x18, 0x41, 3, 0xcc])),
        (107, join(&[0x18, 0x41, 8, 0])),
        (107, join(&[0x18, 0x41, 3, 0, 0x80, 0, 0, 0, 8, 0])),
        (107, [&[0x18, 0x40, 0x41, 3, 0x80, 0, 0x80, 0xc2, 0, 7][..], &ether].concat()),
        (206, join(&[1, 0x18, 0x41, 3, 0xcc])),
        (239, join(&[2, 0, 0, 0, 8, 0, 1, 0, 8, 0, 0, 0, 4 + size, 0, 9, 0])),
        (242, [&[0; 40][..], &[8, 0, 0, 0], &ip].concat()),
        (247, [&[0, 2, 0, 1, 0, 9, 0, 2][..], &bth, &[8, 0, 0, 0], &ip, &[1; 6]].concat()),
        (247, [&[0, 3, 0, 1, 0, 9, 0, 2][..], &grh, &bth, &[8, 0, 0, 0], &ip, &[1; 6]].concat()),
        (105, plain.clone()),
        (105, data(0x88, 2, &[0, 0])),
        (105, data(0x88, 0x82, &[0, 0, 0, 0, 0, 0])),
        (105, data(8, 3, &C)),
        (105, wlan(0x88, 2, &[&[0x80, 0][..], &sub].concat())),
        (127, tap([0, 0, 0, 0], &[], &plain)),
        (127, tap([3, 0, 0, 0x80], &[0, 0, 0, 0, 9, 9, 9, 9, 9, 9, 9, 9, 0, 0], &plain)),
        (127, tap([2, 0, 0, 0], &[0x10], &[&plain[..], &[1, 2, 3, 4]].concat())),
        (127, tap([2, 0, 0, 0], &[0x20], &data(0x88, 2, &[0, 0, 0, 0]))),
        (192, [&[0, 0, 8, 0, 105, 0, 0, 0][..], &plain].concat()),
        (192, [&[0, 0, 12, 0, 1, 0, 0, 0, 9, 9, 9, 9][..], &ether].concat()),
        (1, length.clone()),
        (1, [&length[..], &[0; 9]].concat()),
        (1, eth(3 + u16::from(size), &join(&[6, 6, 3]))),
        (113, [&[0, 0, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0, 0, 4][..], &SNAP_IP, &ip].concat()),
        (1, l2tp(&[0, 2, 0, 1, 0, 2], &join(&[0xff, 3, 0, 0x21]))),
        (1, l2tp(&[0x4a, 2, 0, 18 + size, 0, 1, 0, 2, 0, 1, 0, 2, 0, 2, 9, 9], &join(&[0, 0x21]))),
        (1, l2tp(&[0, 3, 0, 0, 0, 0, 0, 5], &ether)),
        (1, l2tp(&[0, 3, 0, 0, 0, 0, 0, 5, 9, 9, 9, 9, 9, 9, 9, 9], &ether)),
        (1, l2tp(&[0, 3, 0, 0, 0, 0, 0, 5, 9, 9, 9, 9, 9, 9, 9, 9, 0x40, 0, 0, 7], &ip)),
        (1, eth(0x0800, &v4(115, &[&[0, 0, 0, 5, 9, 9, 9, 9][..], &ether].concat()))),
        (1, eth(0x86dd, &v6(115, &[&[0, 0, 0, 5][..], &ether].concat()))),
        (1, tzsp(&[1, 0, 0, 1, 0, 10, 1, 0xaa, 1], &ether)),
        (1, tzsp(&[1, 1, 0, 18, 1], &plain)),
        (1, eth(0x0800, &v4(51, &[&[17, 4, 0, 0][..], &[9; 20], &udp(4000, 53, UDP)].concat()))),
        (1, eth(0x86dd, &v6(51, &[&[17, 4, 0, 0][..], &[9; 20], &udp(4000, 53, UDP)].concat()))),
    ]
}

#[test]
fn the_datagram_is_found_in_each() {
    for (link, frame) in frames() {
        assert!(Decoder::knows_link(link));
        finds(&frame, link);
    }
}

#[test]
fn addresses_of_wireless_frames() {
    for (flags, rest, want) in [(0, &[][..], (B, A)), (1, &[], (B, C)), (2, &[], (C, A)), (3, &A, (A, C))] {
        let frame = wlan(8, flags, &[rest, &SNAP_IP, &datagram()].concat());
        all(&frame, 105, |p| assert_eq!(p[0].mac, Some(want), "{flags}"));
    }
}

/// What is encrypted, no data or a part of it is counted and has no network layer.
#[test]
fn wireless_frames_without_a_datagram() {
    let body = [&SNAP_IP[..], &datagram()].concat();
    for (kind, flags, protected) in
        [(8, 0x41, true), (8, 5, false), (0x48, 1, false), (0x80, 0, false), (0xb4, 0, false)]
    {
        all(&wlan(kind, flags, &body), 105, |p| {
            assert_eq!((p[0].l3, p[0].invalid), (L3::None, false));
            assert_eq!(p[0].layers & layers::IEEE80211_PROTECTED != 0, protected);
            assert!(p[0].layers & layers::IEEE80211 != 0 && p[0].events.is_empty());
        });
    }
}

/// 802.3 frames that carry something else are of an unknown type, as in Suricata.
#[test]
fn other_frames_of_lengths() {
    for body in [&[0x42, 0x42, 3, 0, 0, 0, 0, 0, 0][..], &[0xaa, 0xaa, 3, 0, 0, 12, 0x20, 0], &[0xaa], &[]] {
        all(&eth(body.len() as u16, body), 1, |p| {
            assert_eq!((p[0].l3, names(&p[0])), (L3::None, std::vec!["ethernet.unknown_ethertype"]));
        });
    }
}

/// L2TP and TZSP are off until they are asked for; control messages and other versions are plain UDP.
#[test]
fn tunnels_that_are_off() {
    let count = |d: &Decoder, f: &[u8]| {
        let mut out = PacketBuf::new(MAX_PER_FRAME);
        d.decode(f, 1, 0, 1, &mut out)
    };
    for (_, frame) in
        frames().iter().filter(|(link, f)| *link == 1 && f[23] != 51 && count(&everything(), f) == 2)
    {
        assert_eq!(count(&Decoder::default(), frame), 1);
    }
    for body in
        [&[0xc8, 2, 0, 12, 0, 1, 0, 0, 0, 0, 0, 0][..], &[0, 4, 0, 0], &[0, 3, 0, 0, 0, 0, 0, 0], &[1]]
    {
        assert_eq!(count(&everything(), &eth(0x0800, &v4(17, &udp(1701, 1701, body)))), 1);
    }
    for body in [&[1, 4, 0, 1, 1][..], &[2, 0, 0, 1, 1], &[1, 0, 0, 119, 1], &[1, 0, 0, 1, 10, 255, 0]] {
        assert_eq!(count(&everything(), &eth(0x0800, &v4(17, &udp(9, 37008, body)))), 1);
    }
}

/// Authentication headers before what is encrypted keep their number.
#[test]
fn authentication_before_what_is_not_known() {
    let ah = |next: u8, words: u8| v4(51, &[&[next, words, 0, 0][..], &[9; 24]].concat());
    for f in [ah(50, 4), ah(17, 0), ah(17, 200)] {
        all(&f, 101, |p| {
            assert_eq!((p.len(), p[0].proto, p[0].l4, p[0].invalid), (1, 51, L4::None, false));
        });
    }
    // What is known is a packet of its own, and the one on the wire keeps its number.
    let known = v4(51, &[&[17, 4, 0, 0][..], &[9; 20], &udp(1, 2, b"x")].concat());
    all(&known, 101, |p| {
        assert_eq!((p.len(), p[0].proto, p[0].l4, p[0].carrier), (2, 51, L4::None, true));
        assert_eq!(
            (p[1].proto, p[1].source.name(), p[1].src, p[1].payload()),
            (17, "ah", p[0].src, &b"x"[..])
        );
    });
}

#[test]
fn any_cut_of_each() {
    let mut out = PacketBuf::new(MAX_PER_FRAME);
    for (link, frame) in frames() {
        for cut in 0..frame.len() {
            out = out.recycle();
            everything().decode(&frame[..cut], link, 7, 1, &mut out);
            out.iter().for_each(consistent);
            out = out.recycle();
        }
    }
}

proptest! {
    #[test]
    fn any_change_of_each(which in any::<u16>(), flips in proptest::collection::vec((any::<u16>(), any::<u8>()), 1..6), cut in any::<u16>()) {
        let all = frames();
        let (link, mut frame) = all[usize::from(which) % all.len()].clone();
        let n = frame.len();
        for (at, x) in flips {
            frame[usize::from(at) % n] ^= x;
        }
        frame.truncate(n - usize::from(cut) % n);
        let mut out = PacketBuf::new(MAX_PER_FRAME);
        everything().decode(&frame, link, 7, 1, &mut out);
        out.iter().for_each(consistent);
    }
}
