//! What a receiver says of checksums counts as what the engine would have found out itself.

mod common;

use common::wire::Packet;
use common::{config, engine, eve_of, frames, rules, run, settings, traffic};
use tidegate_core::engine::{Config, Frame};
use tidegate_core::event::NoSink;
use tidegate_core::packet::checksum::{Sums, verify_l3, verify_l4};
use tidegate_core::packet::{Checksum, DecodeConfig, Decoder, L3, L4, MAX_PER_FRAME, PacketBuf};

const RULES: &str = r#"
alert ip any any -> any any (msg:"ip"; ipv4-csum:invalid; sid:1;)
alert tcp any any -> any any (msg:"tcp"; tcpv4-csum:invalid; sid:2;)
alert udp any any -> any any (msg:"udp"; udpv4-csum:invalid; sid:3;)
alert tcp any any -> any any (msg:"tcp6"; tcpv6-csum:invalid; sid:4;)
alert http any any -> any any (msg:"uri"; http.uri; content:"/"; sid:5;)
alert tcp any any -> any any (msg:"good"; tcpv4-csum:valid; flow:established; dsize:>0; sid:6;)
"#;

/// `compute`: what nobody says is computed.
fn checking(compute: bool) -> Config {
    let mut c = config(16 << 20);
    c.stream.checksum_validation = true;
    c.stream.checksum_compute = compute;
    c
}

/// Traffic of every protocol, and of each kind of packet some with a wrong sum.
fn spoilt() -> Vec<Packet> {
    let decoder = Decoder::new(DecodeConfig::default());
    let mut packets = traffic::everything().frames;
    for (i, p) in packets.iter_mut().enumerate() {
        let mut buf = PacketBuf::new(MAX_PER_FRAME);
        decoder.decode(&p.data, 1, 0, 0, &mut buf);
        let Some(q) = buf.first() else { continue };
        let at = match (i % 7, q.l4, q.l3) {
            (0, L4::Tcp, _) => q.l4_hdr.off + 16,
            (0 | 1, L4::Udp, _) => q.l4_hdr.off + 6,
            (2, _, L3::Ipv4) => q.l3_hdr.off + 10,
            _ => continue,
        } as usize;
        p.data[at] ^= 0x55;
    }
    packets
}

/// What a card would say. Of frames with tunnels it says what is of no use.
fn card(f: &Frame<'_>) -> Sums {
    let mut buf = PacketBuf::new(MAX_PER_FRAME);
    Decoder::new(DecodeConfig::default()).decode(f.data, 1, 0, 0, &mut buf);
    match &buf[..] {
        [p] => Sums { network: verify_l3(p), transport: verify_l4(p) },
        _ => Sums { network: Checksum::Bad, transport: Checksum::Bad },
    }
}

#[test]
fn a_card_spares_the_computing_and_changes_nothing() {
    let rules = rules(RULES, &settings());
    assert!(rules.refused.is_empty(), "{:?}", rules.refused);
    let packets = spoilt();
    let plain = frames(&packets);
    let told: Vec<Frame<'_>> = plain.iter().map(|f| Frame { sums: card(f), ..*f }).collect();
    assert!(told.iter().any(|f| f.sums.network == Checksum::Bad));
    let lines = |bytes: &[u8]| String::from_utf8_lossy(bytes).lines().map(str::to_owned).collect::<Vec<_>>();
    let computed = lines(&eve_of(checking(true), &rules, &plain, 32));
    for sid in 1..=6 {
        let sid = format!("\"signature_id\":{sid},");
        assert!(computed.iter().any(|l| l.contains(&sid)), "{sid}");
    }
    assert_eq!(lines(&eve_of(checking(true), &rules, &told, 32)), computed);
    // Nothing is computed for the stream, only for rules that ask.
    assert_eq!(lines(&eve_of(checking(false), &rules, &told, 7)), computed);
    // Without rules most packets go by their heads.
    let none = common::rules("", &settings());
    assert_eq!(
        lines(&eve_of(checking(false), &none, &told, 32)),
        lines(&eve_of(checking(true), &none, &plain, 32))
    );
}

#[test]
fn a_card_is_believed() {
    let none = rules("", &settings());
    let wire = traffic::everything();
    let good = frames(&wire.frames);
    let counted = |compute: bool, frames: &[Frame<'_>]| {
        let mut e = engine(checking(compute), &none);
        run(&mut e, frames, 32, &mut NoSink);
        e.stats().stream.invalid_checksum
    };
    assert_eq!(counted(true, &good), 0);
    let bad = Sums { network: Checksum::Good, transport: Checksum::Bad };
    let lied: Vec<Frame<'_>> = good.iter().map(|f| Frame { sums: bad, ..*f }).collect();
    let tcp = counted(false, &lied);
    assert!(tcp > 100, "{tcp}");
    assert_eq!(counted(true, &lied), tcp);
    let mut ignoring = checking(true);
    ignoring.stream.checksum_validation = false;
    let mut e = engine(ignoring, &none);
    run(&mut e, &lied, 32, &mut NoSink);
    assert_eq!(e.stats().stream.invalid_checksum, 0);
    // Wrong sums that a card calls right are right.
    let packets = spoilt();
    let spoilt = frames(&packets);
    assert!(counted(true, &spoilt) > 0);
    let fine = Sums { network: Checksum::Good, transport: Checksum::Good };
    let fine: Vec<Frame<'_>> = spoilt.iter().map(|f| Frame { sums: fine, ..*f }).collect();
    assert!(counted(true, &fine) < counted(true, &spoilt));
}

/// `auto`: a capture with some wrong checksums has them kept out; one in which they were never filled in is read whole.
#[test]
fn auto_tells_damage_from_offload() {
    let rules = rules("", &settings());
    for (every, kept_out) in [(50, true), (2, false)] {
        let mut w = common::wire::Wire::new();
        for n in 0..300u16 {
            w.talk((1, 2000 + n), (2, 80), &[(0, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")]);
        }
        let mut packets = w.frames;
        for p in packets.iter_mut().step_by(every) {
            // Ethernet, IPv4, then 16 bytes into the header of TCP.
            p.data[14 + 20 + 16] ^= 0x55;
        }
        let mut c = checking(false);
        c.stream.checksum_auto = true;
        let mut e = engine(c, &rules);
        run(&mut e, &frames(&packets), 32, &mut NoSink);
        let wrong = e.stats().stream.invalid_checksum;
        let (all, sample) = (packets.len().div_ceil(every) as u64, 1000u64.div_ceil(every as u64));
        assert_eq!(wrong, if kept_out { all } else { sample }, "{every}");
    }
}
