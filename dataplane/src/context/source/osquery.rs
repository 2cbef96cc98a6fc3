//! osquery: lines of its results log, of events (`columns`) and snapshots (`snapshot`).
//!
//! Rows of `socket_events`, `bpf_socket_events` and `process_open_sockets` have both ends; rows of `process_events`,
//! `bpf_process_events` and `processes` name processes.

use serde_json::Value;

use super::{Connection, Said, Source, Who, base, container, end, first, number, protocol, text};

pub const SOURCE: Source = Source {
    name: "osquery",
    known: |v| v["hostIdentifier"].is_string() && (v["columns"].is_object() || v["snapshot"].is_array()),
    read,
};

fn read(v: &Value, f: &mut dyn FnMut(Said)) {
    // Rows that went away say nothing new.
    if v["action"] == "removed" {
        return;
    }
    let host = text(&v["hostIdentifier"]);
    let when = number(&v["unixTime"]);
    let rows = v["snapshot"].as_array().into_iter().flatten();
    for c in [&v["columns"]].into_iter().filter(|c| c.is_object()).chain(rows) {
        row(c, &host, when, f);
    }
}

fn row(c: &Value, host: &str, when: Option<u64>, f: &mut dyn FnMut(Said)) {
    let path = text(&c["path"]);
    let name = text(&c["name"]);
    let who = Who {
        host: host.to_string(),
        pid: number(&c["pid"]),
        name: if name.is_empty() { base(&path).to_string() } else { name },
        path,
        args: first(c, &["cmdline", "json_cmdline"]),
        user: first(c, &["username", "auid", "uid"]),
        sha256: text(&c["sha256"]),
        container: container(c, "container_id", "container_name", "container_image"),
        pod: None,
    };
    let both = end(&c["local_address"], &c["local_port"]).zip(end(&c["remote_address"], &c["remote_port"]));
    let time = number(&c["time"]).filter(|t| *t > 0).or(when).and_then(|t| t.checked_mul(1_000_000_000));
    match (both, time) {
        (Some((local, remote)), Some(time)) => {
            let proto = protocol(&c["protocol"]).filter(|p| *p != 0).unwrap_or(6);
            f(Said::Connection(Box::new(Connection { source: "osquery", time, local, remote, proto, who })));
        }
        _ if who.pid.is_some() && !who.name.is_empty() => f(Said::Process(Box::new(who))),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::said;
    use super::*;
    use serde_json::json;

    #[test]
    fn events_and_snapshots_are_read() {
        let socket = json!({"action": "connect", "pid": "123", "path": "/usr/bin/ssh", "family": "2", "protocol": "6",
            "local_address": "10.0.0.5", "local_port": "43210", "remote_address": "10.0.0.9", "remote_port": "22",
            "time": "1767603600", "success": "1"});
        let line = json!({"name": "pack_x_socket_events", "hostIdentifier": "h1", "calendarTime": "…", "unixTime": 1_767_603_601,
            "columns": socket, "action": "added"});
        let all = said(line.clone());
        let [Said::Connection(c)] = &all[..] else { panic!("{all:?}") };
        assert_eq!(
            (c.time, c.remote.1, c.who.pid, c.who.name.as_str()),
            (1_767_603_600_000_000_000, 22, Some(123), "ssh")
        );
        let rows = json!([socket, {"pid": "9", "name": "python3", "path": "/usr/bin/python3"}, {"pid": "1", "local_address": "0.0.0.0",
            "local_port": "22", "remote_address": "0.0.0.0", "remote_port": "0"}]);
        let snapshot =
            json!({"hostIdentifier": "h1", "unixTime": "1767603600", "snapshot": rows, "action": "snapshot"});
        assert!(matches!(&said(snapshot)[..], [Said::Connection(_), Said::Process(_)]));
        let mut gone = line;
        gone["action"] = "removed".into();
        assert!(said(gone).is_empty());
    }
}
