//! What records of protocols can have: a path goes in, out comes whether any event has it, or what is there instead. Constant
//! data: `fields.txt` has a line for each record, its name and then all paths in it, `*` for names that the traffic makes. Tests
//! hold it against the records of made traffic and of captures.

static FIELDS: &str = include_str!("fields.txt");
/// What any record says of itself when it is too long.
const CUT: &str = "truncated_record";

/// The paths of a record.
fn of(record: &str) -> Option<impl Iterator<Item = &'static str> + Clone> {
    let mut line =
        FIELDS.lines().map(str::split_ascii_whitespace).find(|l| l.clone().next() == Some(record))?;
    line.next();
    Some(line)
}

/// Whether that is the name of a record.
pub(super) fn is_record(name: &str) -> bool {
    of(name).is_some()
}

/// Whether a path that there is begins like that, name by name. What is below names that the traffic makes is not listed.
fn begins(path: &str, like: &str) -> bool {
    let mut names = path.split('.').peekable();
    like.split('.').all(|l| match names.next() {
        Some("*") if names.peek().is_none() => {
            names = "*".split('.').peekable();
            true
        }
        n => n.is_some_and(|n| n == l || n == "*"),
    })
}

/// Looks a path up in a record, without the record's name.
///
/// # Errors
/// What is there as far as the path is right.
pub(super) fn look(record: &str, path: &str) -> Result<(), String> {
    let none = || format!("there is no record `{record}`");
    let all = of(record).ok_or_else(none)?;
    if path == CUT || (!path.is_empty() && all.clone().any(|p| begins(p, path))) {
        return Ok(());
    }
    // The longest front that is right, and what comes after it.
    let mut front = path;
    while !front.is_empty() && !all.clone().any(|p| begins(p, front)) {
        front = front.rsplit_once('.').map_or("", |f| f.0);
    }
    let depth = if front.is_empty() { 0 } else { front.split('.').count() };
    let within = |p: &&str| front.is_empty() || begins(p, front);
    let mut names: Vec<&str> = all.filter(within).filter_map(|p| p.split('.').nth(depth)).collect();
    names.sort_unstable();
    names.dedup();
    let dot = if front.is_empty() { "" } else { "." };
    Err(if names.is_empty() {
        format!("{record}{dot}{front} has no members")
    } else {
        format!("expected {record}{dot}{front} with one of {}", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use tidegate_core::app::registry::PROTOCOLS;

    use super::*;

    #[test]
    fn every_record_is_there_once() {
        for def in PROTOCOLS.iter().filter(|d| !d.record.is_empty()) {
            assert!(is_record(def.record), "{}", def.record);
        }
        let mut names: Vec<&str> = FIELDS.lines().filter_map(|l| l.split(' ').next()).collect();
        let many = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), many);
    }

    #[test]
    fn paths_are_right_or_told() {
        for (record, path) in [
            ("http", "hostname"),
            ("tls", "sni"),
            ("ai", "request.model"),
            ("ai", "mcp.tool"),
            ("dns", "queries.rrname"),
            ("dns", "queries"),
            ("dns", "grouped.SOA.serial"),
            ("pgsql", "request.startup_parameters.optional_parameters.anything"),
        ] {
            assert_eq!(look(record, path), Ok(()), "{record}.{path}");
        }
        for (record, path, said) in [
            ("http", "hostnam", "expected http with one of "),
            ("http", "", "expected http with one of "),
            ("ai", "request.modle", "expected ai.request with one of collection, "),
            ("ai", "model", "expected ai with one of "),
            ("tls", "sni.x", "tls.sni has no members"),
            ("http2", "x", "there is no record `http2`"),
        ] {
            let e = look(record, path).unwrap_err();
            assert!(e.starts_with(said), "{record}.{path}: {e}");
        }
    }
}
