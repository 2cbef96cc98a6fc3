//! Orders as they come: names with values go in (members of a JSON object), an [`Order`] comes out, or what was expected.

use tidegate_core::response::{Effect, Kind, LONGEST_REASON, Target};

const SECOND: u64 = 1_000_000_000;
/// The longest time for which anything is blocked: 30 days, seconds.
pub const LONGEST: u64 = 30 * 86_400;
/// The longest of somebody who is no admin, seconds.
pub const LONGEST_RESPONDER: u64 = 86_400;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    Set {
        effect: Effect,
        target: Target,
        /// How long, ns.
        span: u64,
        reason: String,
    },
    Undo(Which),
}

/// Which entry is to be undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    Id(u32),
    Target(Effect, Target),
}

/// A time as `90s`, `15m`, `2h` or `1d`, in ns.
///
/// # Errors
/// What was expected.
pub fn span(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is not a time from 1s to 30d (a number, then s, m, h or d)");
    let at = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let n: u64 = text[..at].parse().map_err(|_| wrong())?;
    let each = match &text[at..] {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let secs = n.checked_mul(each).filter(|s| (1..=LONGEST).contains(s)).ok_or_else(wrong)?;
    Ok(secs * SECOND)
}

/// The kind of a target by its name.
///
/// # Errors
/// What was expected.
pub fn kind(text: &str) -> Result<Kind, String> {
    let names = || Kind::ALL.map(Kind::name).join(", ");
    Kind::ALL
        .into_iter()
        .find(|k| k.name() == text)
        .ok_or_else(|| format!("`{text}` is not a kind of target; expected one of {}", names()))
}

fn effect(text: &str) -> Result<Effect, String> {
    match text {
        "block" => Ok(Effect::Block),
        "mark" => Ok(Effect::Mark),
        _ => Err(format!("`{text}` is not something to do; expected block, mark or undo")),
    }
}

/// Reads an order. `what`: `block`, `mark` or `undo`. `members` are the others; one that means nothing here is refused.
///
/// # Errors
/// What is wrong with it, and what was expected.
pub fn read(what: &str, members: &[(String, String)]) -> Result<Order, String> {
    let known: &[&str] = if what == "undo" {
        &["number", "effect", "kind", "target"]
    } else {
        &["kind", "target", "for", "reason"]
    };
    for (i, (name, _)) in members.iter().enumerate() {
        if !known.contains(&name.as_str()) {
            return Err(format!("`{name}` is not known here; expected {}", known.join(", ")));
        }
        if members.iter().skip(i + 1).any(|m| m.0 == *name) {
            return Err(format!("`{name}` is given twice"));
        }
    }
    let get = |name: &str| members.iter().find(|m| m.0 == name).map(|m| m.1.as_str());
    let need = |name: &str| get(name).ok_or_else(|| format!("`{name}` is missing"));
    let target = || Target::written(kind(need("kind")?)?, need("target")?);
    if what == "undo" {
        return Ok(Order::Undo(match get("number") {
            Some(n) => {
                if let Some(more) = ["kind", "target", "effect"].iter().find(|n| get(n).is_some()) {
                    return Err(format!("`{more}` means nothing beside `number`"));
                }
                let n = n.parse().map_err(|_| format!("`{n}` is not the number of a block"))?;
                Which::Id(n)
            }
            None => Which::Target(effect(get("effect").unwrap_or("block"))?, target()?),
        }));
    }
    let (effect, target, span) = (effect(what)?, target()?, span(need("for")?)?);
    let reason = get("reason").unwrap_or("");
    if reason.len() > LONGEST_REASON {
        return Err(format!("a reason has at most {LONGEST_REASON} bytes"));
    }
    Ok(Order::Set { effect, target, span, reason: reason.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(what: &str, members: &[(&str, &str)]) -> Result<Order, String> {
        let members: Vec<_> = members.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
        read(what, &members)
    }

    #[test]
    fn orders_are_read_or_refused_with_the_reason() {
        let host = order("block", &[("kind", "host"), ("target", "10.0.0.5"), ("for", "15m")]).unwrap();
        let Order::Set { effect: Effect::Block, span, .. } = host else { panic!("{host:?}") };
        assert_eq!(span, 900 * SECOND);
        assert_eq!(order("undo", &[("number", "7")]), Ok(Order::Undo(Which::Id(7))));
        for (what, members, said) in [
            ("block", &[("kind", "host"), ("target", "10.0.0.5")][..], "`for` is missing"),
            ("block", &[("kind", "hosts"), ("target", "x"), ("for", "1m")], "expected one of host, network"),
            ("block", &[("kind", "host"), ("target", "x"), ("for", "1m")], "not an address"),
            (
                "block",
                &[("kind", "network"), ("target", "10.0.0.0/33"), ("for", "1m")],
                "not an address or a network",
            ),
            ("block", &[("kind", "domain"), ("target", "a..b"), ("for", "1m")], "is not a domain"),
            ("block", &[("kind", "domain"), ("target", "bücher.de"), ("for", "1m")], "xn--"),
            ("block", &[("kind", "host"), ("target", "10.0.0.5"), ("for", "31d")], "from 1s to 30d"),
            ("block", &[("kind", "host"), ("target", "10.0.0.5"), ("for", "15")], "from 1s to 30d"),
            (
                "block",
                &[("kind", "model"), ("target", "llama-*"), ("for", "1m")],
                "expected a model's whole name",
            ),
            ("mark", &[("kind", "tool"), ("target", "get_?"), ("for", "1m")], "expected a tool's whole name"),
            ("block", &[("for", "15m"), ("for", "15m")], "given twice"),
            ("block", &[("number", "1")], "`number` is not known here"),
            ("undo", &[("number", "1"), ("kind", "host")], "`kind` means nothing beside `number`"),
            ("block", &[], "`kind` is missing"),
            (
                "dance",
                &[("kind", "host"), ("target", "10.0.0.5"), ("for", "1m")],
                "expected block, mark or undo",
            ),
        ] {
            let e = order(what, members).unwrap_err();
            assert!(e.contains(said), "{what} {members:?}: {e}");
        }
    }
}
