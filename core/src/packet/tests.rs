//! Decoding of whole frames, built layer by layer from real bytes, and of anything at all.
use super::*;
use alloc::{vec, vec::Vec};
use proptest::prelude::*;

mod links;

const SRC: [u8; 4] = [192, 0, 2, 1];
const DST: [u8; 4] = [198, 51, 100, 7];

fn eth(ether: u16, body: &[u8]) -> Vec<u8> {
    let mut f = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
    f.extend(ether.to_be_bytes());
    f.extend(body);
    f
}

fn v4(proto: u8, body: &[u8]) -> Vec<u8> {
    let mut h = vec![0x45, 0, 0, 0, 0x12, 0x34, 0, 0, 64, proto, 0, 0];
    h.extend(SRC);
    h.extend(DST);
    h[2..4].copy_from_slice(&(20 + body.len() as u16).to_be_bytes());
    let sum = checksum::internet(&h);
    h[10..12].copy_from_slice(&sum.to_be_bytes());
    h.extend(body);
    h
}

fn v6(next: u8, body: &[u8]) -> Vec<u8> {
    let mut h = vec![0x60, 0, 0, 0];
    h.extend((body.len() as u16).to_be_bytes());
    h.extend([next, 64]);
    h.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    h.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
    h.extend(body);
    h
}

fn udp(sp: u16, dp: u16, body: &[u8]) -> Vec<u8> {
    let mut h = Vec::new();
    h.extend(sp.to_be_bytes());
    h.extend(dp.to_be_bytes());
    h.extend((8 + body.len() as u16).to_be_bytes());
    h.extend([0, 0]);
    h.extend(body);
    h
}

fn tcp(options: &[u8], body: &[u8]) -> Vec<u8> {
    let mut h = vec![0x04, 0xd2, 0, 80, 0, 0, 0, 9, 0, 0, 0, 5, 0, 0x18, 0x20, 0, 0, 0, 0, 0];
    h[12] = ((20 + options.len()) as u8 / 4) << 4;
    h.extend(options);
    h.extend(body);
    h
}

/// The frame's packets, reduced by `look`.
fn all<T>(frame: &[u8], link: u16, look: impl Fn(&[Packet<'_>]) -> T) -> T {
    let mut out = PacketBuf::new(MAX_PER_FRAME);
    let n = Decoder::default().decode(frame, link, 7, 1, &mut out);
    assert_eq!(n, out.len());
    look(&out)
}

fn names(p: &Packet<'_>) -> Vec<&'static str> {
    p.events.iter().map(events::name).collect()
}

#[test]
fn plain_tcp() {
    let opts = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2];
    all(&eth(0x0800, &v4(6, &tcp(&opts, b"hello"))), 1, |p| {
        let p = &p[0];
        assert_eq!((p.l3, p.l4, p.proto), (L3::Ipv4, L4::Tcp, 6));
        assert_eq!((p.sp, p.dp, p.src, p.dst), (1234, 80, Addr::v4(SRC), Addr::v4(DST)));
        assert_eq!((p.tcp.seq, p.tcp.ack, p.tcp.flags, p.tcp.window), (9, 5, 0x18, 0x2000));
        assert_eq!(p.tcp.timestamp, Some((1, 2)));
        assert_eq!(p.payload(), b"hello");
        assert_eq!(p.mac, Some(([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])));
        assert_eq!(p.l4_hdr.len, 32);
        assert!(p.wants_flow && !p.invalid && !p.carrier && p.events.is_empty());
        assert_eq!(checksum::verify_l3(p), Checksum::Good);
        assert_eq!(checksum::verify_l4(p), Checksum::Bad);
    });
}

#[test]
fn trailing_ethernet_padding_is_no_payload() {
    let mut f = eth(0x0800, &v4(17, &udp(53, 53, b"q")));
    f.extend([0; 20]);
    all(&f, 1, |p| assert_eq!(p[0].payload(), b"q"));
}

#[test]
fn tcp_options_and_their_faults() {
    let opts = [2, 4, 5, 0xb4, 4, 2, 1, 3, 3, 7, 34, 2];
    all(&eth(0x0800, &v4(6, &tcp(&opts, b""))), 1, |p| {
        let t = p[0].tcp;
        assert_eq!((t.mss, t.wscale, t.sack_permitted, t.fast_open), (Some(1460), Some(7), true, Some(0)));
        assert!(p[0].events.is_empty());
    });
    for (opts, want) in [
        ([3, 3, 7, 3, 3, 7, 0, 0], "tcp.opt_duplicate"),
        ([2, 3, 7, 0, 0, 0, 0, 0], "tcp.opt_invalid_len"),
        ([8, 60, 7, 0, 0, 0, 0, 0], "tcp.opt_invalid_len"),
    ] {
        all(&eth(0x0800, &v4(6, &tcp(&opts, b""))), 1, |p| {
            assert_eq!(names(&p[0]), [want]);
            assert!(!p[0].invalid && p[0].wants_flow);
        });
    }
    let mut short = tcp(&[], b"");
    short[12] = 0x40;
    all(&v4(6, &short), 101, |p| assert_eq!(names(&p[0]), ["tcp.invalid_optlen"]));
}

#[test]
fn damaged_ipv4_headers() {
    let good = v4(6, &tcp(&[], b"x"));
    let faults: [(usize, u8, &str); 5] = [
        (0, 0x55, "ipv4.wrong_ip_version"),
        (0, 0x44, "ipv4.hlen_too_small"),
        (3, 0x10, "ipv4.iplen_smaller_than_hlen"),
        (2, 0x10, "ipv4.trunc_pkt"),
        (9, 58, "ipv4.icmpv6"),
    ];
    for (at, byte, name) in faults {
        let mut f = good.clone();
        f[at] = byte;
        all(&eth(0x0800, &f), 1, |p| {
            assert_eq!(names(&p[0]), [name]);
            assert!(p[0].invalid && !p[0].wants_flow);
        });
    }
    all(&eth(0x0800, &good[..19]), 1, |p| assert_eq!(names(&p[0]), ["ipv4.pkt_too_small"]));
}

#[test]
fn vlan_tags_up_to_three() {
    let ip = v4(17, &udp(1, 2, b"z"));
    let tag = |id: u16, ether: u16, body: &[u8]| {
        let mut t = id.to_be_bytes().to_vec();
        t.extend(ether.to_be_bytes());
        t.extend(body);
        t
    };
    let one = tag(0x6005, 0x0800, &ip);
    let two = tag(6, 0x8100, &one);
    let three = tag(7, 0x88a8, &two);
    let four = tag(8, 0x8100, &three);
    all(&eth(0x8100, &three), 1, |p| {
        assert_eq!((p[0].vlan, p[0].vlans, p[0].l4), ([7, 6, 5], 3, L4::Udp));
        use layers::{ETHERNET, QINQ, QINQINQ, VLAN};
        assert_eq!(p[0].layers, ETHERNET | VLAN | QINQ | QINQINQ);
    });
    all(&eth(0x8100, &four), 1, |p| {
        assert_eq!(names(&p[0]), ["vlan.too_many_layers"]);
        assert_eq!(p[0].l3, L3::None);
    });
}

#[test]
fn ipv4_fragment() {
    let mut ip = v4(17, &udp(1, 2, b"abcdefgh"));
    ip[6] = 0x20;
    ip[7] = 0x02;
    all(&eth(0x0800, &ip), 1, |p| {
        let f = p[0].frag.unwrap();
        assert_eq!((f.id, f.offset, f.more, f.next, f.unfrag_len), (0x1234, 16, true, 17, 20));
        assert_eq!(f.data.of(p[0].data).len(), 16);
        assert_eq!((p[0].l4, p[0].wants_flow), (L4::None, false));
    });
}

#[test]
fn ipv6_extension_headers() {
    let u = udp(5, 6, b"pay");
    let mut dest = vec![17, 0, 1, 4, 0, 0, 0, 0];
    dest.extend(&u);
    let mut hop = vec![60, 0, 5, 2, 0, 0, 0, 0];
    hop.extend(&dest);
    all(&eth(0x86dd, &v6(0, &hop)), 1, |p| {
        assert_eq!((p[0].l4, p[0].proto, p[0].sp), (L4::Udp, 17, 5));
        assert_eq!(p[0].payload(), b"pay");
        assert_eq!(names(&p[0]), ["ipv6.dstopts_only_padding"]);
    });
    let mut frag = vec![17, 0, 0, 1, 0, 0, 0, 9];
    frag.extend(&u);
    let mut hop = vec![44, 0, 5, 2, 0, 0, 0, 0];
    hop.extend(&frag);
    all(&eth(0x86dd, &v6(0, &hop)), 1, |p| {
        let f = p[0].frag.unwrap();
        assert_eq!((f.id, f.offset, f.more, f.next, f.unfrag_len, f.nh_off), (9, 0, true, 17, 48, 40));
        assert_eq!(names(&p[0]), ["ipv6.frag_invalid_length"]);
    });
    frag[3] = 0;
    all(&eth(0x86dd, &v6(44, &frag)), 1, |p| {
        assert_eq!(names(&p[0]), ["ipv6.exthdr_useless_fh"]);
        assert_eq!((p[0].l4, p[0].frag), (L4::Udp, None));
    });
    all(&eth(0x86dd, &v6(59, b"x")), 1, |p| {
        assert_eq!(names(&p[0]), ["ipv6.data_after_none_header"]);
    });
}

#[test]
fn tunnels_give_inner_packets() {
    let inner = v4(17, &udp(1000, 53, b"dns"));
    let inner6 = v6(17, &udp(1000, 53, b"dns"));
    let frame = eth(0x0800, &inner);
    let with = |head: &[u8], body: &[u8]| [head, body].concat();
    let vxlan = udp(4000, 4789, &with(&[8, 0, 0, 0, 0, 0, 5, 0], &frame));
    let geneve = udp(4000, 6081, &with(&[1, 0, 0x65, 0x58, 0, 0, 6, 0, 1, 1, 1, 0], &frame));
    let gtp = udp(2152, 2152, &with(&[0x30, 255, 0, inner.len() as u8, 0, 0, 0, 1], &inner));
    let gtp_ext = udp(
        9,
        2152,
        &with(&[0x34, 255, 0, inner.len() as u8 + 8, 0, 0, 0, 1, 0, 0, 0, 0x85, 1, 16, 9, 0], &inner),
    );
    let cases: [(Vec<u8>, &str, Option<u32>); 9] = [
        (v4(47, &with(&[0, 0, 8, 0], &inner)), "gre tunnel", None),
        (v4(47, &with(&[0x30, 0, 0x65, 0x58, 0, 0, 0, 1, 0, 0, 0, 2], &frame)), "gre tunnel", None),
        (v4(4, &inner), "ipv4 tunnel", None),
        (v4(41, &inner6), "ipv4 tunnel", None),
        (v4(17, &vxlan), "vxlan encapsulation", Some(5)),
        (v4(17, &geneve), "geneve encapsulation", Some(6)),
        (v4(17, &gtp), "gtp-u tunnel", None),
        (v4(17, &gtp_ext), "gtp-u tunnel", None),
        (v4(17, &udp(3544, 9, &inner6)), "teredo tunnel", None),
    ];
    for (outer, name, vni) in cases {
        all(&eth(0x0800, &outer), 1, |p| {
            assert_eq!(p.len(), 2, "{name}");
            assert!(p[0].carrier && !p[1].carrier);
            assert_eq!(p[1].source, Source::Tunnel(name));
            assert_eq!((p[1].recursion, p[1].vni), (1, vni));
            assert_eq!((p[1].l4, p[1].sp, p[1].payload()), (L4::Udp, 1000, &b"dns"[..]));
            assert!(p[1].wants_flow);
        });
    }
    for (next, body) in [(4, &inner), (41, &inner6)] {
        all(&v6(next, body), 101, |p| {
            assert_eq!((p.len(), p[1].source), (2, Source::Tunnel("ipv6 tunnel")));
        });
    }
}

#[test]
fn erspan_types() {
    let frame = eth(0x0800, &v4(17, &udp(1000, 53, b"dns")));
    let two = [&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 5, 0, 0, 0, 0, 0, 0][..], &frame].concat();
    let three =
        [&[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &frame].concat();
    let one = [&[0, 0, 0x88, 0xbe][..], &frame].concat();
    for (gre, vlan) in [(&one, None), (&two, Some(5)), (&three, Some(5))] {
        all(&eth(0x0800, &v4(47, gre)), 1, |p| {
            assert_eq!((p.len(), p[1].sp), (2, 1000));
            assert_eq!(p[1].vlan.first().copied().filter(|_| p[1].vlans == 1), vlan);
        });
    }
}

#[test]
fn a_tunnel_that_is_none_leaves_the_carrier() {
    let mut inner = v6(17, &udp(1000, 53, b"dns"));
    inner[6] = 6;
    all(&eth(0x0800, &v4(17, &udp(3544, 9, &inner))), 1, |p| {
        assert_eq!((p.len(), p[0].carrier, p[0].invalid, p[0].wants_flow), (1, false, false, true));
    });
}

#[test]
fn nesting_is_bounded() {
    let mut ip = v4(17, &udp(1, 2, b"deep"));
    for _ in 0..30 {
        ip = v4(4, &ip);
    }
    all(&eth(0x0800, &ip), 1, |p| assert_eq!(p.len(), MAX_PER_FRAME));
    let decoder = Decoder::new(DecodeConfig { max_layers: 4, ..DecodeConfig::default() });
    let f = eth(0x0800, &ip);
    let mut out = PacketBuf::new(MAX_PER_FRAME);
    decoder.decode(&f, 1, 0, 1, &mut out);
    assert_eq!(names(out.last().unwrap()), ["too_many_layers"]);
}

#[test]
fn icmp_quotes() {
    let quoted = v4(17, &udp(4321, 53, b""));
    let msg = [&[3, 3, 0, 0, 0, 0, 0, 0][..], &quoted].concat();
    all(&eth(0x0800, &v4(1, &msg)), 1, |p| {
        let e = p[0].icmp.embedded.unwrap();
        assert_eq!((e.proto, e.sp, e.dp, e.src), (17, 4321, 53, Addr::v4(SRC)));
        assert_eq!((p[0].l4, p[0].icmp.kind, p[0].icmp.code), (L4::Icmpv4, 3, 3));
    });
    all(&eth(0x0800, &v4(1, &[8, 1, 0, 0, 0, 7, 0, 9])), 1, |p| {
        assert_eq!(names(&p[0]), ["icmpv4.unknown_code"]);
        assert_eq!((p[0].icmp.id, p[0].icmp.seq), (Some(7), Some(9)));
    });
    let quoted = v6(6, &tcp(&[], b""));
    let msg = [&[2, 0, 0, 0, 0, 0, 5, 0][..], &quoted].concat();
    all(&v6(58, &msg), 229, |p| {
        assert_eq!(p[0].icmp.mtu, Some(1280));
        assert_eq!(p[0].icmp.embedded.unwrap().dp, 80);
    });
}

#[test]
fn links() {
    let ip = v4(17, &udp(9, 10, b"l"));
    let with = |head: &[u8]| [head, &ip].concat();
    let mut cooked = [0u8; 16];
    cooked[14] = 8;
    let mut cooked2 = [0u8; 20];
    cooked2[0] = 8;
    for (link, frame) in [
        (101, ip.clone()),
        (12, ip.clone()),
        (228, ip.clone()),
        (0, with(&[2, 0, 0, 0])),
        (0, with(&[0, 0, 0, 2])),
        (108, with(&[0, 0, 0, 2])),
        (9, with(&[0xff, 3, 0, 0x21])),
        (9, with(&[0x21])),
        (50, with(&[0, 0x21])),
        (104, with(&[0x0f, 0, 8, 0])),
        (113, with(&cooked)),
        (276, with(&cooked2)),
        (1, eth(0x8847, &with(&[0, 1, 0x41, 64]))),
        (1, eth(0x8864, &with(&[0x11, 0, 0, 1, 0, 50, 0, 0x21]))),
    ] {
        all(&frame, link, |p| assert_eq!((p[0].sp, p[0].payload()), (9, &b"l"[..]), "link {link}"));
    }
    all(&ip, 147, |p| assert_eq!(p[0].l3, L3::None));
}

#[test]
fn rocev2() {
    // RDMA write only with RETH, pad 1, then an acknowledgement.
    let mut bth = vec![10, 0x90, 0xff, 0xff, 0, 0, 0, 0x11, 0x80, 0, 0, 7];
    bth.extend([0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0x20, 0, 0, 0, 0, 3]);
    bth.extend([1, 2, 3, 0, 9, 9, 9, 9]);
    all(&eth(0x0800, &v4(17, &udp(49152, 4791, &bth))), 1, |p| {
        let r = p[0].roce.unwrap();
        assert_eq!((r.dest_qp, r.psn, r.ack_req, r.solicited, r.pad), (17, 7, true, true, 1));
        assert_eq!(r.reth, Some((0x1000, 0x2000, 3)));
        assert_eq!(r.data.of(p[0].data), [1, 2, 3]);
        assert_eq!(roce_opcode_name(r.opcode), "RC_RDMA_WRITE_ONLY");
    });
    let ack = [17, 0x40, 0xff, 0xff, 0, 0, 0, 0x11, 0, 0, 0, 7, 0x1f, 0, 0, 2, 9, 9, 9, 9];
    all(&eth(0x0800, &v4(17, &udp(49152, 4791, &ack))), 1, |p| {
        assert_eq!(p[0].roce.unwrap().aeth, Some((0x1f, 2)));
    });
    assert_eq!(roce_opcode_name(0x81), "CNP");
}

#[test]
fn checksums_with_pseudo_header() {
    let mut seg = tcp(&[], b"odd");
    let body = [&SRC[..], &DST[..], &[0, 6, 0, seg.len() as u8], &seg].concat();
    let sum = checksum::internet(&body);
    seg[16..18].copy_from_slice(&sum.to_be_bytes());
    all(&v4(6, &seg), 101, |p| assert_eq!(checksum::verify_l4(&p[0]), Checksum::Good));
    seg[20] ^= 1;
    all(&v4(6, &seg), 101, |p| assert_eq!(checksum::verify_l4(&p[0]), Checksum::Bad));
    all(&v4(17, &udp(1, 2, b"none")), 101, |p| assert_eq!(checksum::verify_l4(&p[0]), Checksum::Good));
}

#[test]
fn recycling_keeps_the_storage() {
    let frame = eth(0x0800, &v4(17, &udp(1, 2, b"")));
    let mut out = PacketBuf::new(64);
    Decoder::default().decode(&frame, 1, 0, 1, &mut out);
    let at = out.as_ptr() as usize;
    let mut again: PacketBuf<'static> = out.recycle();
    assert!(again.is_empty() && again.has_room());
    Decoder::default().decode(&[0; 60], 1, 0, 1, &mut again);
    assert_eq!(again.as_ptr() as usize, at);
}

#[test]
fn a_full_buffer_takes_no_more() {
    let frame = eth(0x0800, &v4(4, &v4(17, &udp(1, 2, b""))));
    let mut out = PacketBuf::new(1);
    assert_eq!(Decoder::default().decode(&frame, 1, 0, 1, &mut out), 1);
    assert_eq!(Decoder::default().decode(&frame, 1, 0, 2, &mut out), 0);
}

const LINKS: [u16; 24] = [
    0, 1, 9, 12, 50, 51, 101, 104, 105, 107, 108, 113, 127, 166, 192, 204, 205, 206, 228, 229, 239, 242, 247,
    276,
];

/// Every range lies inside the packet and agrees with the rest.
fn consistent(p: &Packet<'_>) {
    for s in [p.l3_hdr, p.l4_hdr, p.payload, p.tcp.sack] {
        assert!(s.is_empty() || (s.off + s.len) as usize <= p.data.len());
    }
    if let Some(f) = p.frag {
        assert!((f.data.off + f.data.len) as usize <= p.data.len());
        assert!(f.nh_off < f.unfrag_len);
    }
    assert!(!p.wants_flow || p.has_ip());
    checksum::verify_l3(p);
    checksum::verify_l4(p);
}

proptest! {
    #[test]
    fn event_sets_list_their_members(members in proptest::collection::btree_set(any::<u8>(), 0..40)) {
        let mut set = EventSet::default();
        members.iter().for_each(|&e| set.set(e));
        prop_assert_eq!(set.iter().collect::<Vec<u8>>(), members.into_iter().collect::<Vec<u8>>());
    }
}

proptest! {
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200), link in 0..LINKS.len()) {
        all(&bytes, LINKS[link], |ps| ps.iter().for_each(consistent));
    }

    #[test]
    fn damaged_tunnels(flips in proptest::collection::vec((any::<u16>(), any::<u8>()), 0..6), cut in any::<u16>()) {
        let inner = eth(0x8100, &[&[0, 5, 0x86, 0xdd][..], &v6(0, &[&[44, 0, 1, 4, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 1][..],
            &tcp(&[2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 3, 7], b"GET /")].concat())].concat());
        let vx = v4(17, &udp(4000, 4789, &[&[8, 0, 0, 0, 0, 0, 5, 0][..], &inner].concat()));
        let mut f = eth(0x0800, &v4(47, &[&[0xb0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2][..], &vx].concat()));
        for (at, x) in flips {
            let n = f.len();
            f[at as usize % n] ^= x;
        }
        f.truncate(f.len() - cut as usize % (2 * f.len()).max(1).min(f.len()));
        all(&f, 1, |ps| ps.iter().for_each(consistent));
    }
}

/// A frame that goes the short way, or nearly.
fn nearly_plain() -> impl Strategy<Value = Vec<u8>> {
    let tags = prop_oneof![
        4 => Just(vec![]),
        2 => Just(vec![0x81u8, 0, 0x20, 5]),
        2 => Just(vec![0x88, 0xa8, 0, 7, 0x81, 0, 0, 9]),
        1 => Just(vec![0x91, 0, 0, 7, 0x81, 0, 0, 9, 0x81, 0, 0, 1]),
    ];
    let stamp = vec![1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2];
    let sack = vec![1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 2];
    let options =
        prop_oneof![4 => Just(vec![]), 2 => Just(stamp), 1 => Just(sack), 1 => Just(vec![2, 4, 5, 180])];
    let ports = prop_oneof![Just(53u16), Just(4789), Just(3544), Just(4791), Just(472), any::<u16>()];
    let body = proptest::collection::vec(any::<u8>(), 0..60);
    let change = proptest::collection::vec((0usize..110, any::<u8>()), 0..3);
    (tags, any::<(bool, bool)>(), options, ports, body, change, 0usize..8, 0usize..3).prop_map(
        |(tags, (six, is_tcp), options, port, body, change, longer, cut)| {
            let (proto, l4) = if is_tcp { (6, tcp(&options, &body)) } else { (17, udp(1000, port, &body)) };
            let l3 = if six { v6(proto, &l4) } else { v4(proto, &l4) };
            let mut f = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
            f.extend(&tags);
            f.extend(if six { [0x86, 0xdd] } else { [8, 0] });
            f.extend(&l3);
            f.extend(vec![0; longer]);
            for (at, to) in change {
                if let Some(b) = f.get_mut(at) {
                    *b = to;
                }
            }
            if cut == 1 {
                f.truncate(f.len() - f.len() / 4);
            }
            f
        },
    )
}

/// Whether the frame goes the short way; that way must lead to what the general one says.
fn ways_agree(decoder: &Decoder, frame: &[u8]) -> bool {
    let (mut short, mut general) = (PacketBuf::new(MAX_PER_FRAME), PacketBuf::new(MAX_PER_FRAME));
    decoder.decode(frame, 1, 7, 3, &mut short);
    decoder.decode_any(frame, 1, 7, 3, &mut general);
    assert_eq!(std::format!("{:?}", &*short), std::format!("{:?}", &*general));
    let head = decoder.head(frame);
    if let Some(h) = &head {
        let p = &general[0];
        assert_eq!((h.src, h.dst, h.sp, h.dp, h.proto, h.ttl), (p.src, p.dst, p.sp, p.dp, p.proto, p.ttl));
        assert_eq!(
            (h.payload_len() as u32, u32::from(h.payload), h.layers()),
            (p.payload.len, p.payload.off, p.layers)
        );
        assert_eq!((h.tcp_flags, h.v6, h.vlans), (p.tcp.flags, p.is_ipv6(), p.vlans));
    }
    head.is_some()
}

proptest! {
    #[test]
    fn the_short_way_leads_where_the_general_one_does(frame in nearly_plain(), layers in 0u8..20) {
        ways_agree(&Decoder::default(), &frame);
        ways_agree(&Decoder::new(DecodeConfig { max_layers: layers, ..DecodeConfig::default() }), &frame);
    }

    #[test]
    fn the_short_way_on_any_bytes(frame in proptest::collection::vec(any::<u8>(), 54..80)) {
        ways_agree(&Decoder::default(), &frame);
    }
}

#[test]
fn plain_frames_go_the_short_way() {
    let d = Decoder::default();
    let stamp = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2];
    for (l4, proto) in
        [(tcp(&[], b"payload"), 6), (tcp(&stamp, b""), 6), (udp(1000, 53, b"some payload"), 17)]
    {
        for (l3, ether) in [(v4(proto, &l4), 0x0800u16), (v6(proto, &l4), 0x86dd)] {
            let plain = eth(ether, &l3);
            assert!(ways_agree(&d, &plain));
            let tagged = [&plain[..12], &[0x81, 0, 0, 5], &plain[12..]].concat();
            assert!(ways_agree(&d, &tagged));
            let twice = [&plain[..12], &[0x88, 0xa8, 0, 7, 0x81, 0, 0, 5], &plain[12..]].concat();
            assert!(ways_agree(&d, &twice));
            let thrice = [&twice[..12], &[0x91, 0, 0, 6], &twice[12..]].concat();
            assert!(!ways_agree(&d, &thrice));
        }
    }
    assert!(!ways_agree(&d, &eth(0x0800, &v4(6, &tcp(&[2, 4, 5, 180], b"")))));
    assert!(!ways_agree(&d, &eth(0x0800, &v4(17, &udp(1000, 4789, b"no tunnel, but of its port")))));
}

/// Tunnels in tunnels beyond those that are decoded: the innermost that is says so.
#[test]
fn what_is_too_deep_is_told() {
    let ip = |body: &[u8], proto: u8| {
        let len = (20 + body.len()) as u16;
        let mut h = vec![0x45, 0, (len >> 8) as u8, len as u8, 0, 1, 0, 0, 64, proto, 0, 0];
        h.extend([10, 0, 0, 1, 10, 0, 0, 2]);
        h.extend(body);
        h
    };
    for (levels, told) in [(MAX_PER_FRAME - 1, false), (MAX_PER_FRAME + 3, true)] {
        let mut frame = ip(&[0, 7, 0, 8, 0, 8, 0, 0], 17);
        for _ in 0..levels {
            frame = ip(&frame, 4);
        }
        let mut out = PacketBuf::new(MAX_PER_FRAME);
        Decoder::new(DecodeConfig { max_layers: 100, ..DecodeConfig::default() })
            .decode(&frame, 101, 0, 1, &mut out);
        let names = names(out.last().unwrap());
        assert_eq!(names.contains(&"too_many_layers"), told, "{levels}: {names:?}");
    }
}
