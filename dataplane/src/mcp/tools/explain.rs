//! `explain_alert`: an alert with its rule, its flow, what else its flow did, and its packets.

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Value, json};

use super::{Args, Context, Filter, NOTE, Order, Place, Tool, warn};
use crate::mcp::packets::{self, Wanted};
use crate::mcp::quote::{BRIEF, WHOLE};

/// Bytes of events that are read before and behind the alert for what belongs to its flow.
const BEFORE: u64 = 32 << 20;
const BEHIND: u64 = 256 << 20;
/// Other events of the flow.
const OTHERS: usize = 12;
/// Longest rule file that is read.
const RULES: u64 = 256 << 20;

pub const TOOL: Tool = Tool {
    name: "explain_alert",
    title: "Explain an alert",
    description: "One alert: the rule that made it and why that matters, the flow, other events of the flow, and its packets with their \
                  text quoted. `id` is from search_events.",
    arguments: || {
        (json!({"id": {"type": "string", "description": "An event's id from search_events"}}), &["id"])
    },
    call,
    live: false,
};

fn call(c: &mut Context, arguments: &Value) -> Result<Value, String> {
    let args = Args::new(arguments, &["id"])?;
    let id = args.text("id")?.ok_or("`id` is needed; search_events gives it")?;
    let place = Place::of_name(id).ok_or("`id` is an event's id as search_events gives it")?;
    let line = c.store.line(place)?;
    let e: Value = serde_json::from_slice(&line).map_err(|_| "no event is at that place; search again")?;
    if e["event_type"] != "alert" {
        let kind = e["event_type"].as_str().unwrap_or("none");
        return Err(format!(
            "that event is no alert (its type is {kind:?}); search_events with types [\"alert\"]"
        ));
    }
    c.quoter.begin(BRIEF);
    let mut out = json!({"note": NOTE, "alert": c.quoter.event(id, &e)});
    if let Some(sid) = e["alert"]["signature_id"].as_u64() {
        out["rule"] = rule(c, sid);
    }
    if let Some(flow) = e["flow_id"].as_u64() {
        let (record, others) = of_flow(c, place, flow)?;
        out["flow"] = record.unwrap_or_else(|| json!({"not_ended": "no flow event yet"}));
        out["other_events_of_the_flow"] = Value::Array(others);
    }
    c.quoter.most = WHOLE;
    let mut found = packets::Found { packets: Vec::new(), said: Vec::new() };
    if let Some(w) = Wanted::of(&e) {
        let files = packets::captures(&c.sources.events, &c.sources.captures);
        found = packets::find(&files, &w, &mut c.quoter);
    }
    if found.packets.is_empty()
        && let Some(p) = packets::of_alert(&e, &mut c.quoter)
    {
        found.packets.push(p);
        found.said = vec!["the packet that the alert kept".into()];
    }
    if found.packets.is_empty()
        && let Some(t) = e["payload_printable"].as_str().filter(|t| !t.is_empty())
    {
        out["payload"] = c.quoter.text(t);
    }
    out["packets"] = Value::Array(found.packets);
    if !found.said.is_empty() {
        out["about_packets"] = json!(found.said);
    }
    warn(c, &mut out);
    Ok(out)
}

/// The rule's text, with the comment above it, from rules that ship and the files that the server was given.
fn rule(c: &Context, sid: u64) -> Value {
    let builtin =
        tidegate_core::ai::rules::ALL.iter().find_map(|(name, text)| Some((*name, find(text, sid)?)));
    if let Some((file, (comment, rule))) = builtin {
        return json!({"file": format!("builtin:ai/{file}"), "comment": comment, "text": rule});
    }
    let read = |f: &Path| -> Option<String> {
        let small = std::fs::metadata(f).is_ok_and(|m| m.is_file() && m.len() <= RULES);
        small.then(|| std::fs::read_to_string(f).ok()).flatten()
    };
    for f in &c.sources.rules {
        if let Some((comment, rule)) = read(f).and_then(|t| find(&t, sid)) {
            return json!({"file": f.display().to_string(), "comment": comment, "text": rule});
        }
    }
    json!({"not_found": "start the server with --rules FILE to see this rule's text"})
}

/// The line of a rule by its number, and the comment right above it.
fn find(text: &str, sid: u64) -> Option<(String, String)> {
    let mark = format!("sid:{sid};");
    let lines: Vec<&str> = text.lines().collect();
    let at = lines.iter().position(|l| !l.starts_with('#') && l.replace(' ', "").contains(&mark))?;
    let above = lines.get(..at).unwrap_or_default().iter().rev().take_while(|l| l.starts_with('#'));
    let mut comment: Vec<&str> = above.map(|l| l.trim_start_matches('#').trim()).take(12).collect();
    comment.reverse();
    Some((comment.join(" "), lines.get(at).map(|l| l.to_string()).unwrap_or_default()))
}

/// The flow's own record, and other events of it around the alert.
fn of_flow(c: &mut Context, alert: Place, flow: u64) -> Result<(Option<Value>, Vec<Value>), String> {
    let f = Filter::of_flow(flow);
    let (mut record, mut events): (Option<Value>, HashMap<u64, (Place, Value)>) = (None, HashMap::new());
    for (order, budget) in [(Order::Newest, BEFORE), (Order::Oldest, BEHIND)] {
        c.store.scan(order, Some(alert), budget, &mut |place, line| {
            if let Some(e) = f.event(line) {
                if e["event_type"] == "flow" {
                    record = Some(e);
                } else if place != alert && events.len() < OTHERS {
                    events.insert(place.at, (place, e));
                }
            }
            // The flow's record is the last of it.
            record.is_none()
        })?;
    }
    let mut list: Vec<(Place, Value)> = events.into_values().collect();
    list.sort_by_key(|(p, _)| p.at);
    let record = record.map(|r| c.quoter.part(&r, "flow"));
    let others = list.iter().map(|(p, e)| c.quoter.event(&p.name(), e)).collect();
    Ok((record, others))
}
