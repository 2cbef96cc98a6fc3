//! `list_incidents`, `get_incident`: stories that the sensor wrote, or that are made here of its events.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{Args, BUDGET, Context, Filter, NOTE, Order, Tool, filter, warn};
use crate::config::EveSettings;
use crate::eve::EveLine;
use crate::incident::{IncidentSettings, Incidents};
use crate::mcp::quote::BRIEF;

/// Stories that are kept while events are read.
const KEPT: usize = 4096;

pub const LIST: Tool = Tool {
    name: "list_incidents",
    title: "Incidents",
    description: "Stories about a host each: alerts, policy decisions, intelligence and calls of models that belong together, the worst \
                  first, with what was done, techniques of ATT&CK and ATLAS, and how many steps there are.",
    arguments: || {
        let p = json!({"host": filter::properties()["host"], "risk": filter::properties()["risk"],
            "limit": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}});
        (p, &[])
    },
    call: list,
    live: false,
};

pub const GET: Tool = Tool {
    name: "get_incident",
    title: "One incident",
    description: "One story with its steps in the order of time, masked evidence, and what to ask next (`ask` names tools and arguments).",
    arguments: || (json!({"id": {"type": "string", "description": "From list_incidents"}}), &["id"]),
    call: get,
    live: false,
};

/// The latest of each story, by its name.
struct Known {
    stories: HashMap<String, Value>,
    /// They were made here.
    made: bool,
    searched: Option<String>,
}

fn id(e: &Value) -> String {
    e["incident"]["id"].as_str().unwrap_or_default().to_string()
}

/// What the sensor wrote; where it wrote none, what its events add up to.
fn known(c: &Context) -> Result<Known, String> {
    let f = Filter::types(&["incident"]);
    let mut stories: HashMap<String, Value> = HashMap::new();
    let ended = c.store.scan(Order::Newest, None, 2 * BUDGET, &mut |_, line| {
        if stories.len() < KEPT
            && let Some(e) = f.event(line)
        {
            stories.entry(id(&e)).or_insert(e);
        }
        true
    })?;
    let mut searched = ended.next.map(|_| format!("only the newest {} MiB", ended.bytes >> 20));
    let made = stories.is_empty();
    if made {
        let settings = IncidentSettings { home: c.sources.home.clone(), ..IncidentSettings::default() };
        let (mut table, mut line) = (Incidents::new(settings), EveLine::new(EveSettings::empty(""), false));
        let mut keep = |text: &[u8]| {
            if let Ok(e) = serde_json::from_slice::<Value>(text)
                && (stories.len() < KEPT || stories.contains_key(&id(&e)))
            {
                stories.insert(id(&e), e);
            }
        };
        let ended = c.store.scan(Order::Oldest, None, 2 * BUDGET, &mut |_, l| {
            table.line(l, &mut |s, why, related| keep(line.incident(s, why, related)));
            true
        })?;
        table.finish(&mut |s, why, related| keep(line.incident(s, why, related)));
        searched = ended.next.map(|_| format!("only the oldest {} MiB", ended.bytes >> 20));
    }
    Ok(Known { stories, made, searched })
}

/// The worst first, then those with most steps.
fn rank(e: &Value) -> (u64, std::cmp::Reverse<usize>, String) {
    let i = &e["incident"];
    let steps = i["chain"].as_array().map_or(0, Vec::len);
    (i["severity"].as_u64().unwrap_or(255), std::cmp::Reverse(steps), id(e))
}

/// The `incident` objects, for people.
pub fn all(c: &Context) -> Result<Vec<Value>, String> {
    let mut all: Vec<Value> = known(c)?.stories.into_values().collect();
    all.sort_by_key(rank);
    Ok(all.into_iter().map(|mut e| e["incident"].take()).collect())
}

fn list(c: &mut Context, arguments: &Value) -> Result<Value, String> {
    let args = Args::new(arguments, &["host", "risk", "limit"])?;
    let limit = args.limit(20, 100)?;
    let f = Filter::of(&args)?.with_types(&["incident"]);
    let known = known(c)?;
    let mut all: Vec<Value> = known.stories.into_values().filter(|e| f.wants(e)).collect();
    all.sort_by_key(rank);
    c.quoter.begin(BRIEF);
    let mut shown = Vec::new();
    for e in all.iter().take(limit) {
        let i = &e["incident"];
        let steps = i["chain"].as_array().map_or(0, Vec::len);
        let mut brief = e.clone();
        if let Some(m) = brief["incident"].as_object_mut() {
            ["chain", "ask", "flows"].iter().for_each(|k| {
                m.remove(*k);
            });
            m.insert("steps".into(), steps.into());
        }
        shown.push(c.quoter.part(&brief, "incident"));
    }
    let mut out = json!({"note": NOTE, "count": all.len(), "incidents": shown});
    if all.len() > limit {
        out["more"] =
            format!("{} more; ask with `host` or `risk`, or a larger `limit`", all.len() - limit).into();
    }
    if known.made {
        out["made"] =
            "the sensor wrote no incident events; these were made of its other events just now".into();
    }
    if let Some(s) = known.searched {
        out["searched"] = s.into();
    }
    warn(c, &mut out);
    Ok(out)
}

fn get(c: &mut Context, arguments: &Value) -> Result<Value, String> {
    let args = Args::new(arguments, &["id"])?;
    let wanted = args.text("id")?.ok_or("`id` is needed; list_incidents gives it")?;
    let known = known(c)?;
    let e =
        known.stories.get(wanted).ok_or("there is no such incident; list_incidents names those there are")?;
    c.quoter.begin(BRIEF);
    let mut out = json!({"note": NOTE, "incident": c.quoter.part(e, "incident")});
    warn(c, &mut out);
    Ok(out)
}
