//! `overview`: what there is: files, times, events by type, alerts by rule, hosts with alerts.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{Args, BUDGET, Context, Order, Tool};
use crate::mcp::filter::kind;

/// Different rules and hosts that are counted; later ones are counted together.
const DIFFERENT: usize = 10_000;
/// Lines of a list.
const LISTED: usize = 15;

pub const TOOL: Tool = Tool {
    name: "overview",
    title: "Overview",
    description: "What the sensor saw: times, events by type, alerts by rule, hosts with most alerts, and which files were read. \
                  Begin here.",
    arguments: || (json!({}), &[]),
    call,
    live: false,
};

/// Counts of one kind of thing.
#[derive(Default)]
struct Tally(HashMap<String, u64>);

impl Tally {
    fn add(&mut self, key: String) {
        if let Some(n) = self.0.get_mut(&key) {
            *n += 1;
        } else if self.0.len() < DIFFERENT {
            self.0.insert(key, 1);
        }
    }

    /// The most frequent, and how many there are.
    fn most(self) -> (Vec<(String, u64)>, usize) {
        let all = self.0.len();
        let mut list: Vec<_> = self.0.into_iter().collect();
        list.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        list.truncate(LISTED);
        (list, all)
    }
}

fn call(c: &mut Context, arguments: &Value) -> Result<Value, String> {
    Args::new(arguments, &[])?;
    let files = c.store.files()?;
    let (mut types, mut rules, mut hosts) = (Tally::default(), Tally::default(), Tally::default());
    let (mut first, mut last): (Option<String>, Option<String>) = (None, None);
    let mut not_read = 0u64;
    let ended = c.store.scan(Order::Newest, None, BUDGET, &mut |_, line| {
        let Some(k) = kind(line).and_then(|k| std::str::from_utf8(k).ok()) else {
            not_read += 1;
            return true;
        };
        types.add(k.to_string());
        if let Some(t) = time(line) {
            if first.as_deref().is_none_or(|f| t < f) {
                first = Some(t.to_string());
            }
            if last.as_deref().is_none_or(|l| t > l) {
                last = Some(t.to_string());
            }
        }
        if k == "alert"
            && let Ok(e) = serde_json::from_slice::<Value>(line)
        {
            let a = &e["alert"];
            rules.add(format!("{} {}", a["signature_id"], a["signature"].as_str().unwrap_or_default()));
            for end in [&e["src_ip"], &e["dest_ip"]] {
                end.as_str().into_iter().for_each(|h| hosts.add(h.to_string()));
            }
        }
        true
    })?;
    let listed = |t: Tally, key: &str| {
        let (list, all) = t.most();
        let items: Vec<Value> = list.into_iter().map(|(k, n)| json!({key: k, "events": n})).collect();
        json!({"different": all, "most": items})
    };
    let mut out = json!({
        "first": first, "last": last,
        "types": listed(types, "type"), "alerts": listed(rules, "rule"), "hosts_in_alerts": listed(hosts, "address"),
        "files": files.files.iter().rev().take(LISTED).map(|f| json!({"file": f.path.display().to_string(), "bytes": f.bytes}))
            .collect::<Vec<_>>(),
        "not_read": files.not_read,
    });
    if not_read + ended.too_long > 0 {
        out["lines_that_are_no_events"] = (not_read + ended.too_long).into();
    }
    if ended.next.is_some() {
        out["searched"] =
            format!("only the newest {} MiB; older events are not counted", ended.bytes >> 20).into();
    }
    Ok(out)
}

/// The time at the beginning of a line, which sorts as text within a zone.
fn time(line: &[u8]) -> Option<&str> {
    let rest = line.strip_prefix(b"{\"timestamp\":\"")?;
    std::str::from_utf8(rest.get(..memchr::memchr(b'"', rest.get(..64)?)?)?).ok()
}
