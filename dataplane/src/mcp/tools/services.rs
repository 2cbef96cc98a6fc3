//! `list_services`: AI services as the sensor knows them, the last that was said of each.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Args, BUDGET, Context, Filter, NOTE, Order, Tool, filter, warn};
use crate::mcp::quote::BRIEF;

/// Services that are kept while events are read.
const KEPT: usize = 4096;

pub const TOOL: Tool = Tool {
    name: "list_services",
    title: "AI services",
    description: "Which AI services there are, what they offer, to how many clients, and which of them answer somebody without a \
                  credential (`exposed`).",
    arguments: || {
        let p = json!({"host": filter::properties()["host"], "exposed": {"type": "boolean",
            "description": "true: only services that answer without a credential"},
            "limit": {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}});
        (p, &[])
    },
    call,
    live: false,
};

fn call(c: &mut Context, arguments: &Value) -> Result<Value, String> {
    let exposed = arguments.get("exposed").filter(|v| !v.is_null());
    if exposed.is_some_and(|v| !v.is_boolean()) {
        return Err("`exposed` is true or false".into());
    }
    let args = Args::new(arguments, &["host", "exposed", "limit"])?;
    let limit = args.limit(50, 200)?;
    let f = Filter::of(&args)?.with_types(&["ai_service"]);
    let mut known: BTreeMap<(String, u64), Value> = BTreeMap::new();
    // The newest first: what comes later is older.
    let ended = c.store.scan(Order::Newest, None, 4 * BUDGET, &mut |_, line| {
        if let Some(e) = f.event(line) {
            let s = &e["ai_service"];
            let key =
                (s["address"].as_str().unwrap_or_default().to_string(), s["port"].as_u64().unwrap_or(0));
            if known.len() < KEPT {
                known.entry(key).or_insert(e);
            }
        }
        true
    })?;
    c.quoter.begin(BRIEF);
    let fits = |e: &&Value| exposed != Some(&Value::Bool(true)) || e["ai_service"]["exposed"].is_object();
    let all: Vec<&Value> = known.values().filter(fits).collect();
    let shown: Vec<Value> = all.iter().take(limit).map(|e| c.quoter.part(e, "ai_service")).collect();
    let mut out = json!({"note": NOTE, "count": all.len(), "services": shown});
    if all.len() > limit {
        out["more"] = format!("{} more; ask with `host`, or a larger `limit`", all.len() - limit).into();
    }
    if all.is_empty() {
        out["hint"] =
            "events of the type ai_service say what services there are; the sensor wrote none that fit"
                .into();
    }
    if ended.next.is_some() {
        out["searched"] = format!("only the newest {} MiB", ended.bytes >> 20).into();
    }
    warn(c, &mut out);
    Ok(out)
}
