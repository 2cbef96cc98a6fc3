//! `list_flows`: who talked to whom, by pairs of hosts and the server's port, with sums.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{Args, BUDGET, Context, Filter, Order, Tool, filter};

/// Pairs that are summed; flows of later ones are counted together.
const PAIRS: usize = 50_000;

pub const TOOL: Tool = Tool {
    name: "list_flows",
    title: "Who talked to whom",
    description: "Flows summed by client, server, port and protocol, the largest first: how many, when, how much in each direction. \
                  Single flows: search_events with types [\"flow\"].",
    arguments: || {
        let all = filter::properties();
        let mut p = json!({"limit": {"type": "integer", "minimum": 1, "maximum": 200, "default": 30},
            "sort": {"type": "string", "enum": ["bytes", "flows", "recent"], "default": "bytes"}});
        for name in NAMES {
            p[name] = all[name].clone();
        }
        (p, &[])
    },
    call,
    live: false,
};

const NAMES: [&str; 4] = ["host", "port", "from", "to"];

/// What flows of one pair add up to.
#[derive(Default)]
struct Sum {
    flows: u64,
    alerted: u64,
    to_server: u64,
    to_client: u64,
    first: String,
    last: String,
    example: u64,
}

impl Sum {
    fn add(&mut self, e: &Value) {
        let f = &e["flow"];
        let n = |key: &str| f[key].as_u64().unwrap_or(0);
        self.flows += 1;
        self.alerted += u64::from(f["alerted"] == true);
        self.to_server += n("bytes_toserver");
        self.to_client += n("bytes_toclient");
        let (start, end) = (f["start"].as_str().unwrap_or_default(), f["end"].as_str().unwrap_or_default());
        if self.first.is_empty() || start < self.first.as_str() {
            self.first = start.to_string();
        }
        if end > self.last.as_str() {
            self.last = end.to_string();
        }
        self.example = e["flow_id"].as_u64().unwrap_or(self.example);
    }
}

/// Client, server, port, protocol, application protocol.
type Pair = (String, String, u64, String, String);

fn pair(e: &Value) -> Pair {
    let word = |key: &str| e[key].as_str().unwrap_or_default().to_string();
    (word("src_ip"), word("dest_ip"), e["dest_port"].as_u64().unwrap_or(0), word("proto"), word("app_proto"))
}

fn call(c: &mut Context, arguments: &Value) -> Result<Value, String> {
    let known: Vec<&str> = NAMES.into_iter().chain(["limit", "sort"]).collect();
    let args = Args::new(arguments, &known)?;
    let limit = args.limit(30, 200)?;
    let by: fn(&Sum) -> (u64, String) = match args.text("sort")? {
        None | Some("bytes") => |s| (s.to_server + s.to_client, String::new()),
        Some("flows") => |s| (s.flows, String::new()),
        Some("recent") => |s| (0, s.last.clone()),
        Some(_) => return Err("`sort` is bytes, flows or recent".into()),
    };
    let f = Filter::of(&args)?.with_types(&["flow"]);
    let (mut sums, mut others): (HashMap<Pair, Sum>, u64) = (HashMap::new(), 0);
    let ended = c.store.scan(Order::Newest, None, BUDGET, &mut |_, line| {
        if let Some(e) = f.event(line) {
            let key = pair(&e);
            if sums.contains_key(&key) || sums.len() < PAIRS {
                sums.entry(key).or_default().add(&e);
            } else {
                others += 1;
            }
        }
        true
    })?;
    let all = sums.len();
    let mut list: Vec<(Pair, Sum)> = sums.into_iter().collect();
    list.sort_by(|a, b| by(&b.1).cmp(&by(&a.1)).then_with(|| a.0.cmp(&b.0)));
    let rows: Vec<Value> = list.into_iter().take(limit).map(|(p, s)| {
        json!({"client": p.0, "server": p.1, "port": p.2, "proto": p.3, "app_proto": p.4, "flows": s.flows,
            "alerted": s.alerted, "bytes_toserver": s.to_server, "bytes_toclient": s.to_client, "first": s.first,
            "last": s.last, "example_flow_id": s.example.to_string()})
    }).collect();
    let mut out = json!({"pairs": all, "flows": rows});
    if all > limit {
        out["more"] =
            format!("{} smaller pairs; ask with `host` or `port`, or a larger `limit`", all - limit).into();
    }
    if others > 0 {
        out["not_summed"] = format!("{others} flows of more than {PAIRS} pairs").into();
    }
    if ended.next.is_some() {
        out["searched"] = format!("only the newest {} MiB", ended.bytes >> 20).into();
    }
    Ok(out)
}
