//! Tetragon: lines of its JSON export. `process_kprobe` events on functions of sockets have the ends in `sock_arg`;
//! `process_exec` events name processes.

use serde_json::Value;

use super::{Connection, Container, Said, Source, Who, base, end, iso, number, pod, protocol, text};

pub const SOURCE: Source = Source {
    name: "tetragon",
    known: |v| {
        ["process_kprobe", "process_exec", "process_tracepoint", "process_exit"]
            .iter()
            .any(|k| v[*k].is_object())
    },
    read,
};

fn who(p: &Value, node: &Value) -> Who {
    let (k, path) = (&p["pod"], text(&p["binary"]));
    let c = &k["container"];
    let id = [&c["id"], &p["docker"]].map(text).into_iter().find(|t| !t.is_empty());
    Who {
        host: text(node),
        pid: number(&p["pid"]),
        name: base(&path).to_string(),
        path,
        args: text(&p["arguments"]),
        user: text(&p["uid"]),
        sha256: String::new(),
        container: id.map(|id| Container { id, name: text(&c["name"]), image: text(&c["image"]["name"]) }),
        pod: pod(text(&k["namespace"]), text(&k["name"])),
    }
}

fn read(v: &Value, f: &mut dyn FnMut(Said)) {
    let node = &v["node_name"];
    if v["process_exec"].is_object() {
        let w = who(&v["process_exec"]["process"], node);
        if w.pid.is_some() {
            f(Said::Process(Box::new(w)));
        }
        return;
    }
    let probe = &v["process_kprobe"];
    let sock = |a: &Value| {
        let s = &a["sock_arg"];
        // `saddr` is the socket's own address, whoever began the connection.
        Some((
            end(&s["saddr"], &s["sport"])?,
            end(&s["daddr"], &s["dport"])?,
            protocol(&s["protocol"]).unwrap_or(6),
        ))
    };
    let found = probe["args"].as_array().into_iter().flatten().find_map(sock);
    if let (Some((local, remote, proto)), Some(time)) = (found, iso(&v["time"])) {
        let who = who(&probe["process"], node);
        f(Said::Connection(Box::new(Connection { source: "tetragon", time, local, remote, proto, who })));
    }
}

#[cfg(test)]
mod tests {
    use super::super::said;
    use super::*;
    use serde_json::json;

    #[test]
    fn sockets_have_their_process_and_pod() {
        let process = json!({"exec_id": "e", "pid": 52699, "uid": 0, "binary": "/usr/bin/curl", "arguments": "https://ebpf.io",
            "pod": {"namespace": "default", "name": "xwing", "container": {"id": "containerd://551e161c47d8ff0e", "name": "spaceship",
            "image": {"id": "x", "name": "docker.io/tgraf/netperf:latest"}}}, "docker": "551e161c47d8ff0"});
        let line = json!({"process_kprobe": {"process": process, "function_name": "tcp_connect", "args": [{"int_arg": 3}, {"sock_arg":
            {"family": "AF_INET", "type": "SOCK_STREAM", "protocol": "IPPROTO_TCP", "saddr": "10.0.0.5", "daddr": "104.198.14.52",
            "sport": 43210, "dport": 443}}]}, "node_name": "node-1", "time": "2026-01-05T09:00:00.5Z"});
        let all = said(line);
        let [Said::Connection(c)] = &all[..] else { panic!("{all:?}") };
        assert_eq!((c.local.1, c.who.name.as_str(), c.who.host.as_str()), (43210, "curl", "node-1"));
        assert_eq!(c.who.container.as_ref().map(|c| c.name.as_str()), Some("spaceship"));
        let exec = json!({"process_exec": {"process": process}, "node_name": "node-1", "time": "2026-01-05T09:00:00Z"});
        assert!(matches!(&said(exec)[..], [Said::Process(_)]));
        assert!(said(json!({"process_exit": {"process": process}})).is_empty());
    }
}
