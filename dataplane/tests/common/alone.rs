//! What a rule means when it is alone.

use super::wire::Wire;
use super::{eve, frames, rules, settings};

/// Packets on which the rule alerts; 0 stands for one that the engine makes up.
pub fn alerts(wire: &Wire, rule: &str) -> Vec<u64> {
    let r = rules(&format!("alert {rule}"), &settings());
    assert_eq!(r.refused, Vec::<String>::new(), "{rule}");
    let text = String::from_utf8(eve(&r, &frames(&wire.frames), 32)).unwrap();
    let number = |l: &str| {
        let at = l.find("\"pcap_cnt\":").map(|i| i + 11)?;
        l.get(at..)?.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    text.lines().filter(|l| l.contains("\"event_type\":\"alert\"")).map(|l| number(l).unwrap_or(0)).collect()
}

/// A conversation of a TCP protocol, with its end.
pub fn talk(port: u16, lines: &[(usize, &[u8])]) -> Wire {
    let mut wire = Wire::new();
    wire.talk((1, 40_000), (2, port), lines);
    wire
}

/// How often each rule alerts.
pub fn counts(wire: &Wire, table: &[(&str, usize)]) {
    let wrong: Vec<_> =
        table.iter().map(|(r, want)| (r, *want, alerts(wire, r))).filter(|t| t.1 != t.2.len()).collect();
    assert!(wrong.is_empty(), "rule, expected, seen: {wrong:#?}");
}
