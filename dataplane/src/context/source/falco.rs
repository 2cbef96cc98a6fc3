//! Falco: lines of `json_output`, with the fields of a rule's output in `output_fields`.
//!
//! Ends are in `fd.cip`, `fd.cport`, `fd.sip`, `fd.sport`, or in `fd.name` (`10.0.0.1:4000->10.0.0.2:80`, client first). The
//! process is at the client unless the event is an accept, or `fd.lip` says otherwise.

use std::net::{IpAddr, SocketAddr};

use serde_json::Value;

use super::{
    Connection, Container, Said, Source, Who, address, end, first, iso, number, pod, protocol, text,
};

pub const SOURCE: Source = Source {
    name: "falco",
    known: |v| v["output_fields"].is_object() && (v["rule"].is_string() || v["priority"].is_string()),
    read,
};

/// Both ends of `fd.name`, client first.
fn ends(name: &str) -> Option<((IpAddr, u16), (IpAddr, u16))> {
    let (client, server) = name.split_once("->")?;
    let one = |t: &str| {
        let t = t.trim();
        // IPv6 addresses stand there without brackets.
        let plain = || t.rsplit_once(':').and_then(|(a, p)| Some((a.parse().ok()?, p.parse().ok()?)));
        t.parse::<SocketAddr>().ok().map(|s| (s.ip(), s.port())).or_else(plain)
    };
    Some((one(client)?, one(server)?))
}

fn read(v: &Value, f: &mut dyn FnMut(Said)) {
    let o = &v["output_fields"];
    let id = text(&o["container.id"]);
    let image = match (text(&o["container.image.repository"]), text(&o["container.image.tag"])) {
        (i, t) if i.is_empty() || t.is_empty() => i,
        (i, t) => format!("{i}:{t}"),
    };
    // On the host itself the container is called `host`.
    let inside = !id.is_empty() && id != "host";
    let who = Who {
        host: text(&v["hostname"]),
        pid: number(&o["proc.pid"]),
        name: text(&o["proc.name"]),
        path: first(o, &["proc.exepath", "proc.exe"]),
        args: first(o, &["proc.cmdline", "proc.args"]),
        user: first(o, &["user.name", "user.uid"]),
        sha256: String::new(),
        container: inside.then(|| Container { id, name: text(&o["container.name"]), image }),
        pod: pod(text(&o["k8s.ns.name"]), text(&o["k8s.pod.name"])),
    };
    let named = || o["fd.name"].as_str().and_then(ends);
    let both = end(&o["fd.cip"], &o["fd.cport"]).zip(end(&o["fd.sip"], &o["fd.sport"])).or_else(named);
    let time = iso(&v["time"]).or_else(|| o["evt.time"].as_u64()).or_else(|| o["evt.rawtime"].as_u64());
    let (Some((client, server)), Some(time)) = (both, time) else {
        if who.pid.is_some() && !who.name.is_empty() {
            f(Said::Process(Box::new(who)));
        }
        return;
    };
    let accepts = o["evt.type"].as_str().is_some_and(|t| t.starts_with("accept"));
    let at_server = address(&o["fd.lip"]).map_or(accepts, |l| l == server.0 && l != client.0);
    let (local, remote) = if at_server { (server, client) } else { (client, server) };
    let proto = protocol(&o["fd.l4proto"]).unwrap_or(6);
    f(Said::Connection(Box::new(Connection { source: "falco", time, local, remote, proto, who })));
}

#[cfg(test)]
mod tests {
    use super::super::said;
    use super::*;
    use serde_json::json;

    #[test]
    fn ends_come_from_fields_or_the_name() {
        let mut line = json!({"hostname": "n1", "output": "…", "priority": "Notice", "rule": "Outbound connection", "source": "syscall",
            "time": "2026-01-05T09:00:00.123456789Z", "output_fields": {"container.id": "0123456789ab", "container.name": "app",
            "container.image.repository": "docker.io/library/app", "container.image.tag": "1.2", "evt.type": "connect",
            "fd.l4proto": "tcp", "fd.name": "10.0.0.5:43210->203.0.113.9:443", "k8s.ns.name": "ns", "k8s.pod.name": "app-1",
            "proc.name": "curl", "proc.pid": 77, "proc.cmdline": "curl https://x", "user.name": "root"}});
        let all = said(line.clone());
        let [Said::Connection(c)] = &all[..] else { panic!("{all:?}") };
        assert_eq!((c.local.1, c.remote.1), (43210, 443));
        assert_eq!(c.who.container.as_ref().map(|x| x.image.as_str()), Some("docker.io/library/app:1.2"));
        line["output_fields"]["evt.type"] = "accept4".into();
        assert!(matches!(&said(line.clone())[..], [Said::Connection(c)] if c.local.1 == 443));
        line["output_fields"]["fd.name"] = "2001:db8::1:43210->2001:db8::2:443".into();
        assert!(matches!(&said(line.clone())[..], [Said::Connection(c)] if c.local.0.is_ipv6()));
        line["output_fields"]["fd.name"] = "/etc/passwd".into();
        assert!(matches!(&said(line)[..], [Said::Process(_)]));
    }
}
