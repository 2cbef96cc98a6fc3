//! `stats` records: the engine's counters under Suricata's names.

use super::json::Json;

/// What is told of a run.
#[derive(Debug)]
pub struct Stats<'a> {
    /// Wall-clock time of the record, ns since the epoch.
    pub now: u64,
    /// When the rules in force were loaded, likewise.
    pub last_reload: u64,
    pub uptime_s: u64,
    /// Counters by dotted name (`decoder.pkts`, `app_layer.flow.http`), any order.
    pub counters: &'a [(String, u64)],
    pub rules_loaded: u64,
    pub rules_failed: u64,
    pub rules_skipped: u64,
}

/// Writes one record up to its last brace.
pub(super) fn write(j: &mut Json, s: &Stats<'_>, zeros: bool) {
    j.open("");
    j.time("timestamp", s.now);
    j.word("event_type", "stats");
    j.open("stats");
    j.uint("uptime", s.uptime_s);
    let mut list: Vec<(Vec<&str>, u64)> =
        s.counters.iter().filter(|c| zeros || c.1 != 0).map(|(n, v)| (n.split('.').collect(), *v)).collect();
    list.sort();
    let mut groups: Vec<&str> = list.iter().map(|(p, _)| p[0]).collect();
    groups.push("detect");
    groups.sort_unstable();
    groups.dedup();
    for g in groups {
        let mine: Vec<_> = list.iter().filter(|(p, _)| p[0] == g).collect();
        let alone = mine.iter().find(|(p, _)| p.len() == 1);
        if let Some((_, v)) = alone {
            j.uint(g, *v);
            continue;
        }
        j.open(g);
        if g == "detect" {
            engines(j, s);
        }
        nested(j, &mine, 1);
        j.close();
    }
    j.close();
}

fn engines(j: &mut Json, s: &Stats<'_>) {
    j.open_list("engines");
    j.open("");
    j.uint("id", 0);
    j.time("last_reload", s.last_reload);
    j.uint("rules_loaded", s.rules_loaded);
    j.uint("rules_failed", s.rules_failed);
    j.uint("rules_skipped", s.rules_skipped);
    j.close();
    j.close_list();
}

/// Sorted counters that share their first `depth` names, as nested objects.
fn nested(j: &mut Json, list: &[&(Vec<&str>, u64)], depth: usize) {
    let mut at = 0;
    while at < list.len() {
        let (path, value) = list[at];
        if path.len() == depth + 1 {
            j.uint(path[depth], *value);
            at += 1;
            continue;
        }
        let Some(name) = path.get(depth) else {
            at += 1;
            continue;
        };
        let end = at
            + list[at..]
                .iter()
                .take_while(|(p, _)| p.get(depth) == Some(name) && p.len() > depth + 1)
                .count();
        j.open(name);
        nested(j, &list[at..end], depth + 1);
        j.close();
        at = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dotted_names_nest() {
        let counters = [
            ("tcp.syn", 2),
            ("decoder.pkts", 1),
            ("decoder.event.ipv4.x", 3),
            ("decoder.event.ipv6.y", 0),
            ("detect.alert", 4),
        ]
        .map(|(n, v)| (n.to_string(), v));
        let s = Stats {
            now: 0,
            last_reload: 3_600_000_000_000,
            uptime_s: 1,
            counters: &counters,
            rules_loaded: 7,
            rules_failed: 0,
            rules_skipped: 0,
        };
        let mut j =
            Json { clock: super::super::time::Clock::new(jiff::tz::TimeZone::UTC), ..Json::default() };
        write(&mut j, &s, true);
        let text = String::from_utf8(j.buf).unwrap();
        assert!(text.contains(r#""decoder":{"event":{"ipv4":{"x":3},"ipv6":{"y":0}},"pkts":1}"#), "{text}");
        // Of the rules, not of the record.
        assert!(text.starts_with(r#"{"timestamp":"1970-01-01T00:00:00.000000+0000""#), "{text}");
        assert!(text.contains(r#""last_reload":"1970-01-01T01:00:00.000000+0000""#), "{text}");
        assert!(
            text.contains(r#""rules_loaded":7"#)
                && text.contains(r#""alert":4}"#)
                && text.contains(r#""tcp":{"syn":2}"#)
        );
        let mut j = Json::default();
        write(&mut j, &s, false);
        assert!(!String::from_utf8(j.buf).unwrap().contains("ipv6"));
    }
}
