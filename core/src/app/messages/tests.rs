//! What rules see of single messages.

use super::dhcp::DHCP;
use super::*;
use crate::app::ProtoDef;

/// Value of the named buffer.
fn text<'m>(
    def: &ProtoDef,
    read: fn(&'m [u8], u8, u32) -> Option<&'m [u8]>,
    msg: &'m [u8],
    name: &str,
    i: u32,
) -> Option<&'m [u8]> {
    let local = def.buffers.iter().position(|b| b.name == name).unwrap();
    read(msg, local as u8, i)
}

const INVITE: &[u8] = b"INVITE sip:bob@example.org SIP/2.0\r\nVia: SIP/2.0/UDP a\r\nv: SIP/2.0/UDP b\r\n\
    Content-Type: application/sdp\r\nContent-Length: 71\r\n\r\nv=0\r\no=alice 1 1 IN IP4 10.0.0.1\r\ns=call\r\nm=audio 4000 RTP/AVP 0\r\nc=X\r\n";

#[test]
fn a_sip_request_and_its_description() {
    let get = |name, i| text(&SIP, sip::Sip::text, INVITE, name, i);
    assert_eq!(sip::Sip::read(INVITE, Dir::ToServer), Some(0));
    assert_eq!(sip::Sip::read(INVITE, Dir::ToClient), None);
    assert_eq!(get("sip.method", 0), Some(&b"INVITE"[..]));
    assert_eq!(get("sip.uri", 0), Some(&b"sip:bob@example.org"[..]));
    assert_eq!(get("sip.protocol", 0), Some(&b"SIP/2.0"[..]));
    assert_eq!((get("sip.via", 1), get("sip.via", 2)), (Some(&b"SIP/2.0/UDP b"[..]), None));
    assert_eq!(get("sdp.origin", 0), Some(&b"alice 1 1 IN IP4 10.0.0.1"[..]));
    assert_eq!(get("sdp.media.media", 0), Some(&b"audio 4000 RTP/AVP 0"[..]));
    // Lines behind the first medium are that medium's.
    assert_eq!((get("sdp.connection_data", 0), get("sdp.media.connection_data", 0)), (None, Some(&b"X"[..])));
    let answer = b"SIP/2.0 486 Busy Here\r\n\r\n";
    let get = |name| text(&SIP, sip::Sip::text, answer, name, 0);
    assert_eq!((get("sip.stat_code"), get("sip.stat_msg")), (Some(&b"486"[..]), Some(&b"Busy Here"[..])));
    assert_eq!((get("sip.protocol"), get("sdp.origin")), (Some(&b"SIP/2.0"[..]), None));
}

#[test]
fn messages_of_a_stream_end_where_they_say() {
    for n in 0..INVITE.len() {
        assert!(matches!(sip::Sip::ends(&INVITE[..n]), Ends::More(need) if need > n), "{n}");
    }
    let two = [INVITE, INVITE].concat();
    assert!(matches!(sip::Sip::ends(&two), Ends::At(n) if n == INVITE.len()));
    // A header that does not end is not waited for, however long its message may be.
    for endless in [&b"Via: a\r\n"[..], b"x"] {
        let header = [b"INVITE sip:bob@example.org SIP/2.0\r\n", &endless.repeat(20_000)[..]].concat();
        assert!(matches!(sip::Sip::ends(&header[..16_000]), Ends::More(16_001)));
        assert!(matches!(sip::Sip::ends(&header[..16_384]), Ends::Never));
        assert!(matches!(sip::Sip::ends(&header), Ends::Never));
    }
}

#[test]
fn snmp_of_each_version() {
    let v2 = [
        0x30, 0x1f, 2, 1, 1, 4, 6, b'p', b'u', b'b', b'l', b'i', b'c', 0xa0, 0x12, 2, 1, 9, 2, 1, 0, 2, 1, 0,
        0x30, 7, 0x30, 5, 6, 1, 0x2b, 5, 0,
    ];
    assert_eq!(snmp::Snmp::read(&v2, Dir::ToServer), Some(0));
    assert_eq!(snmp::Snmp::text(&v2, 0, 0), Some(&b"public"[..]));
    assert_eq!((snmp::Snmp::number(&v2, 0, 0), snmp::Snmp::number(&v2, 1, 0)), (Some(2), Some(0)));
    let usm = [&[0x30, 0x10, 4, 1, 1, 2, 1, 0, 2, 1, 0, 4, 3][..], b"bob", &[4, 0, 4, 0][..]].concat();
    let head = [0x30, 0x0d, 2, 1, 5, 2, 2, 5, 0xdc, 4, 1, 4, 2, 1, 3];
    let body = [&[2, 1, 3][..], &head, &[4, usm.len() as u8], &usm, &[4, 0]].concat();
    let v3 = [&[0x30, body.len() as u8][..], &body].concat();
    assert_eq!(snmp::Snmp::text(&v3, 1, 0), Some(&b"bob"[..]));
    assert_eq!(snmp::Snmp::number(&v3, 0, 0), Some(3));
    for n in 0..v3.len() {
        let _never_panics = snmp::Snmp::read(&v3[..n], Dir::ToServer);
    }
}

#[test]
fn dhcp_and_ntp_numbers() {
    let mut m = alloc::vec![0u8; 240];
    m[236..240].copy_from_slice(&[0x63, 0x82, 0x53, 0x63]);
    m.extend([53, 1, 5, 51, 4, 0, 0, 0x0e, 0x10, 0, 255]);
    assert_eq!(dhcp::Dhcp::read(&m, Dir::ToClient), Some(0));
    assert_eq!((dhcp::Dhcp::number(&m, 0, 0), dhcp::Dhcp::number(&m, 1, 0)), (Some(3600), None));
    m.truncate(m.len() - 3);
    assert_eq!(dhcp::Dhcp::read(&m, Dir::ToClient), Some(1));
    assert_eq!(DHCP.events[0], "truncated_options");
    let mut n = [0u8; 48];
    (n[0], n[1]) = (0x23, 2);
    assert_eq!([0, 1, 2].map(|l| ntp::Ntp::number(&n, l, 0)), [Some(4), Some(3), Some(2)]);
}

#[test]
fn tftp_requests_only() {
    assert_eq!(tftp::Tftp::read(&[0, 1, b'a', 0], Dir::ToServer), Some(0));
    assert_eq!(tftp::Tftp::read(&[0, 4, 0, 1], Dir::ToServer), None);
}

/// The records of datagrams of one protocol, in both forms: asked for everything, and for what is always there.
fn records(def: &'static ProtoDef, dir: Dir, msg: &[u8]) -> [alloc::string::String; 2] {
    use crate::app::bench::Bench;
    use crate::app::shown::record_with;
    [&["extended"][..], &[]].map(|wants| {
        let mut b = Bench::new(def);
        b.datagram(dir, msg);
        let some = !b.live().is_empty();
        let text = if some { record_with(&b, def, 0, wants, None) } else { Default::default() };
        b.close();
        text
    })
}

#[test]
fn records_of_sip() {
    let [all, _] = records(&SIP, Dir::ToServer, INVITE);
    assert!(
        all.starts_with("method=INVITE uri=sip:bob@example.org version=SIP/2.0 request_line=INVITE "),
        "{all}"
    );
    assert!(
        all.ends_with(
            "sdp{ version=0 origin=alice 1 1 IN IP4 10.0.0.1 session_name=call media_descriptions[ { media=audio 4000 \
             RTP/AVP 0 connection_data=X } ] }"
        ),
        "{all}"
    );
    let [all, _] = records(&SIP, Dir::ToClient, b"SIP/2.0 486 Busy Here\r\n\r\n");
    assert_eq!(all, "version=SIP/2.0 code=486 reason=Busy Here response_line=SIP/2.0 486 Busy Here");
}

#[test]
fn records_of_snmp() {
    // A trap of version 1: enterprise, agent, kind, code, time, one variable.
    let trap = [
        0x30, 0x31, 2, 1, 0, 4, 6, b'p', b'u', b'b', b'l', b'i', b'c', 0xa4, 0x24, 6, 3, 0x2b, 6, 1, 0x40, 4,
        10, 0, 0, 9, 2, 1, 3, 2, 1, 0, 0x43, 1, 5, 0x30, 0x0e, 0x30, 0x0c, 6, 8, 0x2b, 6, 1, 2, 1, 1, 0x83,
        0x10, 5, 0,
    ];
    let [all, _] = records(&SNMP, Dir::ToServer, &trap);
    assert_eq!(
        all,
        "version=1 pdu_type=trap_v1 trap_type=linkUp trap_oid=1.3.6.1 trap_address=10.0.0.9 vars[ 1.3.6.1.2.1.1.400 ] \
         community=public"
    );
    for n in 0..trap.len() {
        let mut cut = trap;
        cut[n] ^= 0x55;
        records(&SNMP, Dir::ToServer, &cut);
        records(&SNMP, Dir::ToServer, &trap[..n]);
    }
}

#[test]
fn records_of_dhcp() {
    let mut m = alloc::vec![0u8; 240];
    (m[0], m[1], m[2], m[7]) = (2, 1, 6, 7);
    m[16..20].copy_from_slice(&[10, 0, 0, 5]);
    m[28..34].copy_from_slice(&[2, 0, 0, 0, 0, 9]);
    m[236..240].copy_from_slice(&[0x63, 0x82, 0x53, 0x63]);
    m.extend([
        53, 1, 5, 51, 4, 0, 0, 0x0e, 0x10, 6, 8, 1, 1, 1, 1, 8, 8, 8, 8, 12, 2, b'p', b'c', 55, 3, 1, 2, 3,
        255,
    ]);
    let head = "type=reply id=7 client_mac=02:00:00:00:00:09 assigned_ip=10.0.0.5 ";
    let [all, brief] = records(&DHCP, Dir::ToClient, &m);
    assert_eq!(brief, alloc::format!("{head}dhcp_type=ack hostname=pc"));
    assert_eq!(
        all,
        alloc::format!(
            "{head}client_ip=0.0.0.0 relay_ip=0.0.0.0 next_server_ip=0.0.0.0 dhcp_type=ack lease_time=3600 dns_servers[ \
             1.1.1.1 8.8.8.8 ] hostname=pc params[ subnet_mask router ]"
        )
    );
    // A brief record tells of leases alone.
    m[242] = 3;
    let [all, brief] = records(&DHCP, Dir::ToServer, &m);
    assert!(brief.is_empty() && all.contains("dhcp_type=request"), "{all}");
    for n in 236..m.len() {
        records(&DHCP, Dir::ToServer, &m[..n]);
    }
}

#[test]
fn records_of_ntp_and_tftp() {
    let mut n = [0u8; 48];
    (n[0], n[1]) = (0x1c, 2);
    n[12..16].copy_from_slice(b"LOCL");
    let [all, _] = records(&NTP, Dir::ToClient, &n);
    assert_eq!(all, "version=3 mode=4 stratum=2 reference_id=4c:4f:43:4c");
    let [all, _] = records(&TFTP, Dir::ToServer, b"\0\x02a.bin\0octet\0");
    assert_eq!(all, "packet=write file=a.bin mode=octet");
}

#[test]
fn what_follows_a_time_packet_has_to_add_up() {
    use crate::app::plain::is_ntp;
    let packet = |first: u8, more: &[u8]| {
        let mut p = alloc::vec![0u8; 48];
        p[0] = first;
        p.extend(more);
        is_ntp(&p)
    };
    // Nothing; a key's number with an MD5; an extension field of eight bytes, and then either.
    let field = [0, 1, 0, 8, 0, 0, 0, 0];
    assert!(packet(0x23, &[]) && packet(0x23, &[9; 20]) && packet(0x23, &field));
    assert!(packet(0x23, &[&field[..], &[9; 20]].concat()));
    // A length of nothing, one beyond the end, a SHA-1.
    assert!(!packet(0x23, &[0; 8]) && !packet(0x23, &[0, 1, 0, 9, 0]) && !packet(0x23, &[9; 24]));
    assert!(packet(0x1b, &[9; 24]));
}
