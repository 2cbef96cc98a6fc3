//! What filters select, and what is refused.

use super::*;
use tidegate_core::packet::Span;

fn tcp(src: [u8; 4], sp: u16, dst: [u8; 4], dp: u16) -> Packet<'static> {
    let mut p = Packet::new(&[0; 60], 1, 0, 1);
    (p.l3, p.l4, p.proto) = (L3::Ipv4, L4::Tcp, 6);
    (p.src, p.sp, p.dst, p.dp) = (Addr::v4(src), sp, Addr::v4(dst), dp);
    p
}

#[test]
fn primitives_and_their_combinations() {
    let p = tcp([10, 0, 0, 1], 4000, [192, 168, 1, 2], 22);
    for (text, want) in [
        ("port 22", true),
        ("src port 22", false),
        ("tcp dst port ssh", true),
        ("udp port 22", false),
        ("tcp", true),
        ("not tcp", false),
        ("host 10.0.0.1", true),
        ("dst host 10.0.0.1", false),
        ("src 10.0.0.1 and dst 192.168.1.2", true),
        ("net 10.0.0.0/8", true),
        ("dst net 10.0.0.0/8", false),
        ("port 80 or 22", true),
        ("tcp or udp and port 80", false),
        ("tcp or (udp and port 80)", true),
        ("not tcp and udp or port 22", true),
        ("not (tcp and udp) and port 22", true),
        ("portrange 20-25", true),
        ("(port 80 or port 443) and tcp", false),
        ("! (port 80 || udp) && ip", true),
        ("ip proto 6", true),
        ("proto \\udp", false),
        ("ip6", false),
        ("src or dst port 4000", true),
        ("src and dst port 4000", false),
        ("vlan", false),
        ("less 60 and greater 60", true),
        ("host 2001:db8::1", false),
    ] {
        assert_eq!(Filter::parse(text).unwrap().passes(&p), want, "{text}");
    }
}

#[test]
fn tagged_frames_need_the_word_vlan() {
    let mut p = tcp([1, 1, 1, 1], 1, [2, 2, 2, 2], 22);
    (p.vlans, p.vlan[0]) = (1, 7);
    assert!(!Filter::parse("port 22").unwrap().passes(&p));
    assert!(Filter::parse("vlan and port 22").unwrap().passes(&p));
    assert!(Filter::parse("vlan 7").unwrap().passes(&p));
    assert!(!Filter::parse("vlan 8").unwrap().passes(&p));
}

/// What libpcap 1.10.3 says of these frames: plain, with one tag (5), with two (5 and 6), and an ARP question from .1 for .9.
#[test]
fn tags_and_arp_are_those_of_libpcap() {
    let plain = tcp([10, 0, 0, 1], 4000, [10, 0, 0, 2], 80);
    let (mut one, mut two) = (plain.clone(), plain.clone());
    (one.vlans, one.vlan) = (1, [5, 0, 0]);
    (two.vlans, two.vlan) = (2, [5, 6, 0]);
    let message =
        [&[0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1][..], &[0, 0, 0, 0, 0, 0, 10, 0, 0, 9]]
            .concat();
    let mut arp = Packet::new(&message, 1, 0, 1);
    (arp.l3, arp.l3_hdr) = (L3::Arp, Span::new(0, 28));
    let mut tagged = arp.clone();
    (tagged.vlans, tagged.vlan) = (1, [5, 0, 0]);
    let frames = [&plain, &one, &two, &arp, &tagged];
    for (text, want) in [
        ("port 80", "1"),
        ("vlan", "235"),
        ("vlan 6", ""),
        ("vlan 5 and vlan 6", "3"),
        ("vlan 5 or vlan 6", "235"),
        ("vlan 5 and port 80", "2"),
        ("(vlan 5) and port 80", "2"),
        ("vlan and vlan and port 80", "3"),
        ("vlan 5 and (vlan 6 or port 80)", "3"),
        ("vlan or port 80", "235"),
        ("port 80 or vlan 5", "1235"),
        ("port 80 or vlan 5 and udp", ""),
        ("not vlan 5 and port 80", ""),
        ("not vlan or port 80", "124"),
        ("less 60 and vlan", "235"),
        ("vlan and arp", "5"),
        ("host 10.0.0.1", "14"),
        ("host 10.0.0.9", "4"),
        ("net 10.0.0.0/30", "14"),
        ("src host 10.0.0.1", "14"),
        ("dst 10.0.0.9", "4"),
        ("src and dst net 10.0.0.0/8", "14"),
        ("arp host 10.0.0.9", "4"),
        ("arp src net 10.0.0.8/29", ""),
        ("ip host 10.0.0.1", "1"),
        ("vlan and host 10.0.0.1", "25"),
        ("host 10.0.0.1 or vlan and host 10.0.0.1", "25"),
    ] {
        let f = Filter::parse(text).unwrap();
        let passed: String =
            (1..).zip(frames).filter(|(_, p)| f.passes(p)).map(|(n, _)| n.to_string()).collect();
        assert_eq!(passed, want, "{text}");
    }
}

#[test]
fn what_is_not_understood_is_refused() {
    for text in [
        "",
        "port",
        "port http-ish",
        "tcp[13] & 2 != 0",
        "host 1.2.3",
        "(port 1",
        "port 1 )",
        "ether host x",
        "and",
        "net 1.2.3.4/40",
    ] {
        assert!(Filter::parse(text).is_err(), "{text}");
    }
    for (text, said) in [
        ("port 80 and\n  prot 5", "filter, line 2, column 3: `prot` is not a port"),
        (
            "gateway x",
            "filter, column 1: `gateway` is not an address, or known here; expected one of host, net",
        ),
        ("tcp[13] & 2 != 0", "filter, column 1: `tcp[13]` is not an address, or known here"),
        ("tcp and (port 80", "filter, column 9: this parenthesis is not closed"),
        ("port 1 )", "filter, column 8: `)` is not expected here; expected and, or, or the end"),
        ("port", "filter, column 5: it ends where a value is expected"),
        ("tcp and", "filter, column 8: it ends where more is expected: host, net"),
        ("port 70000", "filter, column 6: `70000` is not a port"),
        ("tcp less 100", "filter, column 5: `less` stands by itself; expected `and` before it"),
        ("vlan 5000", "filter, column 6: `5000` is not a VLAN's number, 0 to 4095"),
        ("icmp port 80", "filter, column 11: no packet fits this"),
        ("ip6 host 10.0.0.1", "filter, column 10: no packet fits this"),
        ("src proto 6", "filter, column 11: no packet fits this"),
        ("icmp host 10.0.0.1", "filter, column 11: no packet fits this: addresses are those of ip, ip6"),
        ("tcp src 10.0.0.1", "filter, column 9: no packet fits this: addresses are those of ip, ip6"),
        ("udp net 10.0.0.0/8", "filter, column 9: no packet fits this: addresses are those of ip, ip6"),
        ("arp host 2001:db8::1", "filter, column 10: no packet fits this"),
        (
            "port 80 and vlan 5",
            "filter, column 1: no frame passes this: `vlan` is about what is written behind",
        ),
        ("not vlan and port 80", "filter, column 1: no frame passes this: `vlan` is about what is written"),
        ("net 10.0.0.1/8", "filter, column 5: `10.0.0.1/8` is not a network: bits behind its prefix"),
        ("vlan and vlan or vlan and vlan", "filter, column 27: each `vlan` asks for one tag more"),
    ] {
        let e = Filter::parse(text).unwrap_err().to_string();
        assert!(e.starts_with(said), "{text}: {e}");
    }
    let p = tcp([10, 0, 0, 1], 4000, [192, 168, 1, 2], 22);
    assert!(Filter::parse("portrange 30-20").unwrap().passes(&p));
    Filter::parse(&"(".repeat(100_000)).unwrap_err();
}
