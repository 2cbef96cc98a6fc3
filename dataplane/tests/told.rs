//! What a receiver tells of a frame beside its bytes: its length on the wire, and the VLAN tag that it took out.

mod common;

use common::{config, engine, eve_of, frames, rules, run, settings, traffic};
use tidegate_core::engine::Frame;
use tidegate_core::event::NoSink;
use tidegate_core::packet::{DecodeConfig, Decoder, MAX_PER_FRAME, PacketBuf};

const RULES: &str = r#"
alert ip any any -> any any (msg:"tagged"; vlan.layers:>0; sid:1;)
alert http any any -> any any (msg:"uri"; http.uri; content:"/"; sid:2;)
"#;

/// One packet, and no fragment: fragments that were not captured whole are not put together, and some tunnels (GTP)
/// are not looked into.
fn is_plain(data: &[u8]) -> bool {
    let mut buf = PacketBuf::new(MAX_PER_FRAME);
    Decoder::new(DecodeConfig::default()).decode(data, 1, 0, 0, &mut buf);
    matches!(&buf[..], [p] if p.frag.is_none())
}

/// The value of a key in a line of JSON: everything up to a comma or brace outside of brackets.
fn of<'a>(line: &'a str, key: &str) -> &'a str {
    let Some(at) = line.find(&format!("\"{key}\":")) else { return "" };
    let rest = &line[at + key.len() + 3..];
    let end = if rest.starts_with('[') { rest.find(']') } else { rest.find([',', '}']) };
    &rest[..end.unwrap_or(rest.len())]
}

#[test]
fn a_tag_taken_out_is_a_tag() {
    let rules = rules(RULES, &settings());
    assert!(rules.refused.is_empty(), "{:?}", rules.refused);
    let wire = traffic::everything();
    let whole = frames(&wire.frames);
    let mut without: Vec<(Vec<u8>, Option<u16>)> = Vec::new();
    for f in &whole {
        match *f.data {
            [..] if f.data.get(12..14) == Some(&[0x81, 0]) => {
                let tag = u16::from_be_bytes([f.data[14], f.data[15]]);
                without.push(([&f.data[..12], &f.data[16..]].concat(), Some(tag)));
            }
            _ => without.push((f.data.to_vec(), None)),
        }
    }
    let tags = without.iter().filter(|w| w.1.is_some()).count();
    assert!(tags > 100, "{tags}");
    let told: Vec<Frame<'_>> =
        whole.iter().zip(&without).map(|(f, (data, vlan))| Frame { data, vlan: *vlan, ..*f }).collect();
    let short = |bytes: Vec<u8>| {
        let keys = ["event_type", "pcap_cnt", "vlan", "src_ip", "src_port", "dest_port", "signature_id"];
        let text = String::from_utf8_lossy(&bytes).into_owned();
        text.lines().map(|l| keys.map(|k| of(l, k).to_owned())).collect::<Vec<_>>()
    };
    let wanted = short(eve_of(config(16 << 20), &rules, &whole, 32));
    assert!(wanted.iter().any(|l| l[2].starts_with('[') && l[6] == "1"));
    assert_eq!(short(eve_of(config(16 << 20), &rules, &told, 32)), wanted);
    // By heads alone, where nothing looks at packets.
    let none = common::rules("", &settings());
    assert_eq!(
        short(eve_of(config(16 << 20), &none, &told, 32)),
        short(eve_of(config(16 << 20), &none, &whole, 32))
    );
}

#[test]
fn what_was_not_captured_counts_and_spoils_nothing() {
    let wire = traffic::everything();
    let whole: Vec<Frame<'_>> = frames(&wire.frames).into_iter().filter(|f| is_plain(f.data)).collect();
    let cut = |to: usize, told: bool| -> Vec<Frame<'_>> {
        let wire = |f: &Frame<'_>| if told { f.data.len() as u32 } else { 0 };
        whole.iter().map(|f| Frame { wire: wire(f), data: &f.data[..f.data.len().min(to)], ..*f }).collect()
    };
    for set in [rules(RULES, &settings()), rules("", &settings())] {
        let counted = |frames: &[Frame<'_>]| {
            let mut c = config(16 << 20);
            // Sums over bytes that are not there are not looked at.
            c.stream.checksum_validation = true;
            c.stream.checksum_compute = true;
            let mut e = engine(c, &set);
            run(&mut e, frames, 32, &mut NoSink);
            let s = e.stats();
            (s.bytes, s.packets, s.invalid, s.stream.invalid_checksum)
        };
        let all = counted(&whole);
        assert_eq!(all.3, 0);
        assert_eq!(counted(&cut(200, true)), all);
        assert!(counted(&cut(200, false)).2 > all.2);
        let lines = |frames: &[Frame<'_>], kind: &str| {
            let text = String::from_utf8(eve_of(config(16 << 20), &set, frames, 32)).unwrap();
            let kind = format!("\"event_type\":\"{kind}\"");
            text.lines().filter(|l| l.contains(&kind)).map(str::to_owned).collect::<Vec<_>>()
        };
        let bytes = |frames: &[Frame<'_>]| {
            let keys = ["bytes_toserver", "bytes_toclient"];
            let n = |l: &String| keys.map(|k| of(l, k).parse::<u64>().unwrap()).iter().sum::<u64>();
            lines(frames, "flow").iter().map(n).sum::<u64>()
        };
        assert_eq!(bytes(&cut(200, true)), bytes(&whole));
    }
}
