//! The language of playbooks: a tree goes in, [`Playbook`]s come out, or the place of what is wrong and what was expected. What
//! could have no effect is refused. See `docs/response.md`.

use tidegate_core::ai::services;
use tidegate_core::app::registry::PROTOCOLS;
use tidegate_core::policy::Glob;
use tidegate_core::response::{Net, Never};

use super::fit::{Condition, Want};
use super::{Kinds, Playbook, Rate, doing, fields};
use crate::policy::CREDENTIALS;
use crate::policy::tree::{Node, Wrong};
use crate::response::order;
use crate::response::setup::unknown;

const PLAYBOOK: &str = "name, when, do, dry_run, limit";
const SECOND: u64 = 1_000_000_000;
/// Playbooks of a file, actions of one.
const MOST: usize = 256;
const MOST_ACTIONS: usize = 16;
/// How often a playbook runs when nothing is said.
const LIMIT: Rate = Rate { times: 60, within: 60 * SECOND };

/// Fields of all events.
const COMMON: [&str; 10] = [
    "src_ip",
    "src_port",
    "dest_ip",
    "dest_port",
    "proto",
    "app_proto",
    "in_iface",
    "vlan",
    "direction",
    "flow_id",
];
/// The objects of kinds of events, with their members.
const OBJECTS: [(&str, &[&str]); 2] = [
    ("alert", &["action", "gid", "signature_id", "rev", "signature", "category", "severity", "metadata"]),
    (
        "policy",
        &[
            "action",
            "enforced",
            "from",
            "to",
            "reason",
            "line",
            "name",
            "sni",
            "provider",
            "operation",
            "model",
            "tool",
            "credential",
        ],
    ),
];
/// The member of an alert with members that rules make.
const METADATA: &str = "metadata";

/// Reads a list of playbooks. `never`: the allow list, which no target that is written out may touch.
///
/// # Errors
/// The place, what is there and what was expected.
pub fn read(n: &Node, never: &Never) -> Result<Vec<Playbook>, Wrong> {
    let list = n.list("a list of playbooks")?;
    if list.len() > MOST {
        return Err(n.wrong(&format!("there are more than {MOST} playbooks")));
    }
    let mut out: Vec<Playbook> = Vec::new();
    for item in list {
        let p = playbook(item, never)?;
        if out.iter().any(|o| o.name == p.name) {
            return Err(item.wrong(&format!("there is another playbook named `{}`", p.name)));
        }
        out.push(p);
    }
    Ok(out)
}

pub(super) fn flag(n: &Node) -> Result<bool, Wrong> {
    match n.text("yes or no")? {
        "yes" | "true" => Ok(true),
        "no" | "false" => Ok(false),
        _ => Err(n.expected("yes or no")),
    }
}

fn playbook(n: &Node, never: &Never) -> Result<Playbook, Wrong> {
    let mut p = Playbook {
        name: String::new(),
        line: n.line,
        event: Kinds::Alert,
        conditions: Vec::new(),
        count: None,
        actions: Vec::new(),
        dry_run: false,
        limit: LIMIT,
    };
    let mut seen = false;
    for (name, at, v) in n.map("a playbook: a mapping of name, when and do")? {
        match name {
            "name" => {
                p.name = v.text("a name")?.to_string();
                if p.name.is_empty() || p.name.len() > 128 {
                    return Err(v.expected("a name of 1 to 128 bytes"));
                }
            }
            "when" => {
                seen = true;
                when(v, &mut p)?;
            }
            "do" => {}
            "dry_run" => p.dry_run = flag(v)?,
            "limit" => p.limit = limit(v)?,
            other => return Err(unknown(at, other, PLAYBOOK)),
        }
    }
    if p.name.is_empty() {
        return Err(n.wrong("the playbook has no `name`, which events and the log call it by"));
    }
    if !seen {
        return Err(n.wrong("the playbook has no `when`"));
    }
    let all = n.map("")?.find(|e| e.0 == "do").map(|e| e.2);
    let actions = all.ok_or_else(|| n.wrong("the playbook has no `do`, so it has no effect"))?;
    if actions.items().is_empty() || actions.items().len() > MOST_ACTIONS {
        return Err(actions.expected(&format!("a list of 1 to {MOST_ACTIONS} things to do")));
    }
    for a in actions.items() {
        let a = doing::action(a, p.event, never)?;
        p.actions.push(a);
    }
    Ok(p)
}

fn number(n: &Node, from: u32, to: u32) -> Result<u32, Wrong> {
    let what = format!("a number from {from} to {to}");
    let v = n.text(&what)?.parse().ok().filter(|v| (from..=to).contains(v));
    v.ok_or_else(|| n.expected(&what))
}

pub(super) fn span(n: &Node) -> Result<u64, Wrong> {
    order::span(n.text("a time from 1s to 30d")?).map_err(|e| n.wrong(&e))
}

fn limit(n: &Node) -> Result<Rate, Wrong> {
    let (mut times, mut within) = (None, None);
    for (name, at, v) in n.map("a mapping of runs and within")? {
        match name {
            "runs" => times = Some(number(v, 1, 10_000)?),
            "within" => within = Some(span(v)?),
            other => return Err(unknown(at, other, "runs, within")),
        }
    }
    match (times, within) {
        (Some(times), Some(within)) => Ok(Rate { times, within }),
        _ => Err(n.wrong("expected both `runs` and `within`")),
    }
}

/// The whole name of a field that events of the kind can have (`signature_id` is `alert.signature_id` there); else what they have.
pub(super) fn known(path: &str, kind: Kinds) -> Result<String, String> {
    if COMMON.contains(&path) {
        return Ok(path.into());
    }
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    let (_, own) = OBJECTS[usize::from(kind == Kinds::Policy)];
    let member = |path: &str| {
        let (first, rest) = path.split_once('.').unwrap_or((path, ""));
        own.contains(&first) && (rest.is_empty() || (kind == Kinds::Alert && first == METADATA))
    };
    if member(path) {
        return Ok(format!("{}.{path}", kind.name()));
    }
    if first == kind.name() {
        let fault = || format!("`{path}` is not known; expected {first} with one of {}", own.join(", "));
        return if member(rest) { Ok(path.into()) } else { Err(fault()) };
    }
    // Alerts have the record of the protocol that they matched in; nothing else has.
    let record = fields::is_record(first);
    if Kinds::ALL.iter().any(|k| k.name() == first) || (record && kind != Kinds::Alert) {
        return Err(format!("`{path}` is not in an event of the kind {}", kind.name()));
    }
    if record {
        return match fields::look(first, rest) {
            Ok(()) => Ok(path.into()),
            Err(what) => Err(format!("`{path}` is not known; {what}")),
        };
    }
    Err(format!(
        "`{path}` is not known here; expected one of {}, {}, or a field of a protocol's record (http.hostname)",
        COMMON.join(", "),
        own.join(", ")
    ))
}

/// A text with fields of the event in braces, by their whole names.
pub(super) fn template(n: &Node, text: &str, kind: Kinds) -> Result<String, Wrong> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').ok_or_else(|| n.wrong("a `{` has no `}`"))?;
        out.push_str(&format!("{before}{{{}}}", known(name, kind).map_err(|e| n.wrong(&e))?));
        rest = after;
    }
    Ok(out + rest)
}

fn when(n: &Node, p: &mut Playbook) -> Result<(), Wrong> {
    let all: Vec<_> = n.map("a mapping with `event` and conditions")?.collect();
    let event = all.iter().find(|e| e.0 == "event").map(|e| e.2);
    let event = event.ok_or_else(|| n.wrong("`event` is missing; expected event: alert or event: policy"))?;
    let text = event.text("alert or policy")?;
    p.event = Kinds::ALL
        .into_iter()
        .find(|k| k.name() == text)
        .ok_or_else(|| event.expected("a kind of event that playbooks see: alert or policy"))?;
    let (mut count, mut within, mut by) = (None, None, None);
    for (name, at, v) in &all {
        match *name {
            "event" => {}
            "count" => count = Some(number(v, 2, 10_000)?),
            "within" => within = Some(span(v)?),
            "by" => {
                let mut fields = Vec::new();
                for f in v.items() {
                    let path = f.text("a field of the event")?;
                    fields.push(known(path, p.event).map_err(|e| f.wrong(&e))?);
                }
                by = Some(fields);
            }
            path => {
                let path = known(path, p.event).map_err(|e| at.wrong(&e))?;
                p.conditions.push(condition(&path, v)?);
            }
        }
    }
    p.count = match (count, within, by) {
        (Some(times), Some(within), by) => {
            Some((Rate { times, within }, by.unwrap_or_else(|| vec!["src_ip".into()])))
        }
        (None, None, None) => None,
        _ => return Err(n.wrong("`count` and `within` go together, and `by` with both")),
    };
    Ok(())
}

/// Fields that are numbers, with the greatest that each can be.
const NUMBERS: [(&str, u64); 9] = [
    ("src_port", 0xffff),
    ("dest_port", 0xffff),
    ("vlan", 4095),
    ("flow_id", u64::MAX),
    ("alert.gid", u32::MAX as u64),
    ("alert.signature_id", u32::MAX as u64),
    ("alert.rev", u32::MAX as u64),
    ("alert.severity", 255),
    ("policy.line", u32::MAX as u64),
];

/// The words of a field that has no others.
fn closed(path: &str) -> Option<Vec<&'static str>> {
    Some(match path {
        "direction" => vec!["to_server", "to_client"],
        "proto" => (0..=u8::MAX).filter_map(crate::eve::protocol).collect(),
        "app_proto" => PROTOCOLS.iter().map(|d| d.name).chain(["failed", "unknown"]).collect(),
        "alert.action" => vec!["allowed", "blocked"],
        "policy.action" => vec!["allow", "watch", "drop", "reject"],
        "policy.enforced" => vec!["true", "false"],
        "policy.reason" => vec!["line", "default"],
        "policy.provider" => services()[0].clone(),
        "policy.operation" => services()[1].clone(),
        "policy.credential" => CREDENTIALS.iter().copied().chain(["none"]).collect(),
        _ => return None,
    })
}

/// A text that a number never is.
fn no_number(text: &str) -> bool {
    !text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'*' | b'?'))
}

fn condition(path: &str, n: &Node) -> Result<Condition, Wrong> {
    let address = path.ends_with("_ip");
    let most = NUMBERS.iter().find(|f| f.0 == path).map(|f| f.1);
    let words = closed(path);
    let mut wants = Vec::new();
    for item in n.items() {
        let text = item.text("a value, or a list of values")?;
        let number = |t: &str| t.trim().parse::<u64>().ok();
        let range = text.split_once('-').and_then(|(a, b)| Some((number(a)?, number(b)?)));
        if let Some(most) = most {
            let least = number(text).or(range.map(|r| r.0));
            if least.is_some_and(|l| l > most) || (least.is_none() && no_number(text)) {
                let to = if most == u64::MAX { String::new() } else { format!(" from 0 to {most}") };
                return Err(item.expected(&format!("a number{to}, or a range of them (1-9)")));
            }
        }
        if let Some(words) = &words {
            let glob = Glob::new(text);
            if !words.iter().any(|w| glob.as_ref().is_some_and(|g| g.fits(w.as_bytes()))) {
                return Err(item.expected(&format!("one of {}", words.join(", "))));
            }
        }
        wants.push(if address {
            Want::Net(Net::parse(text).map_err(|e| item.wrong(&e))?)
        } else if let Some(v) = number(text) {
            Want::Range(v, v)
        } else if let Some((a, b)) = range {
            if a > b {
                return Err(item.wrong(&format!("`{text}` has no number in it: it ends before it begins")));
            }
            Want::Range(a, b)
        } else {
            Want::Text(Glob::new(text).ok_or_else(|| item.expected("a text of 1 to 256 bytes"))?)
        });
    }
    if wants.is_empty() {
        return Err(n.expected("a value: nothing would ever fit"));
    }
    Ok(Condition { path: path.into(), wants })
}
