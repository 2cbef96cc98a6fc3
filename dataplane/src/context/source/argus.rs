//! NVIDIA DOCA Argus: lines of its activity report (`/var/log/doca_argus_activity_report`), which a DPU reads out of its
//! host's memory. `activity_data` has a name and details of processes, containers and connections.
//!
//! Both forms that are in use are read: members on the top, or below `message_header`; `local_address` with `peer_address`, or
//! `source_ip_address` with `destination_ip_address`.

use serde_json::Value;

use super::{Connection, Container, Said, Source, Who, end, first, iso, number, pod, protocol, text};

pub const SOURCE: Source = Source {
    name: "argus",
    known: |v| v["activity_data"].is_object() || v["message_header"]["activity_data"].is_object(),
    read,
};

/// How deep details are looked through.
const DEPTH: usize = 4;

/// A member of that name, wherever in the details it is.
fn find<'a>(v: &'a Value, name: &str, depth: usize) -> Option<&'a Value> {
    let m = v.as_object()?;
    match m.get(name) {
        Some(x) if !x.is_null() => Some(x),
        _ if depth == 0 => None,
        _ => m.values().find_map(|x| find(x, name, depth - 1)),
    }
}

fn read(v: &Value, f: &mut dyn FnMut(Said)) {
    let head = if v["message_header"].is_object() { &v["message_header"] } else { v };
    let pick = |name: &str| if v[name].is_null() { &head[name] } else { &v[name] };
    let (activity, workload) = (pick("activity_data"), pick("workload_information"));
    let get = |name: &str| find(activity, name, DEPTH).unwrap_or(&Value::Null);
    let context = &workload["container_context"];
    let id = [get("process_container_id"), get("container_id"), &context["container_id"]].map(text);
    let id = id.into_iter().find(|t| !t.is_empty());
    let who = Who {
        host: first(workload, &["hostname", "unique_identifier"]),
        pid: number(get("process_id")),
        name: text(get("process_name")),
        path: text(get("process_executable_path")),
        args: text(get("process_command_line_arguments")),
        user: text(get("process_real_user_id")),
        sha256: text(get("process_hash_sha256")),
        container: id.map(|id| Container {
            id,
            name: text(&context["container_name"]),
            image: first(context, &["container_image", "image_name"]),
        }),
        pod: pod(first(context, &["pod_namespace", "namespace"]), text(&context["pod_name"])),
    };
    let local = end(get("local_address"), get("local_port"))
        .or_else(|| end(get("source_ip_address"), get("source_port")));
    let remote = end(get("peer_address"), get("peer_port"))
        .or_else(|| end(get("destination_ip_address"), get("destination_port")));
    // A time of 1970 means that none is known.
    let time = iso(pick("occurred_message_time_iso_8601_ns")).filter(|t| *t > 86_400_000_000_000);
    match (local, remote, time) {
        (Some(local), Some(remote), Some(time)) => {
            let proto = protocol(get("protocol")).unwrap_or(6);
            f(Said::Connection(Box::new(Connection { source: "argus", time, local, remote, proto, who })));
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
    fn a_connection_says_whose_it_is() {
        let line = json!({
            "product_name": "DOCA_ARGUS", "message_id": "m", "occurred_message_time_iso_8601_ns": "2026-01-05T09:00:00.000000001+00:00",
            "workload_information": {"hostname": "gpu-1", "container_context": {"pod_name": "llm-0", "pod_namespace": "serving",
                "container_name": "vllm"}},
            "activity_data": {"name": "tcp_network_connection_status",
                "process_details": {"process_id": 42, "process_name": "vllm", "process_executable_path": "/usr/bin/python3",
                    "process_container_id": "0123456789abcdef0123"},
                "network_connection_details": {"local_address": "::ffff:10.20.1.10", "local_port": 8000,
                    "peer_address": "203.0.113.77", "peer_port": "61001", "protocol": "TCP"}}});
        let all = said(line.clone());
        let [Said::Connection(c)] = &all[..] else { panic!("{all:?}") };
        assert_eq!((c.local.1, c.remote.1, c.proto, c.time % 1000), (8000, 61001, 6, 1));
        assert_eq!((c.who.pid, c.who.name.as_str(), c.who.host.as_str()), (Some(42), "vllm", "gpu-1"));
        assert_eq!(
            c.who.pod.as_ref().map(|p| (p.namespace.as_str(), p.name.as_str())),
            Some(("serving", "llm-0"))
        );
        // The same below a header, with the other names.
        let mut wrapped = json!({"message_header": line});
        wrapped["message_header"]["activity_data"]["network_connection_details"] = json!({"source_ip_address": "10.20.1.10",
            "source_port": 8000, "destination_ip_address": "203.0.113.77", "destination_port": 61001});
        assert_eq!(said(wrapped).len(), 1);
    }

    #[test]
    fn a_process_is_remembered_and_the_rest_says_nothing() {
        let process = json!({"occurred_message_time_iso_8601_ns": "2026-01-05T09:00:00Z", "workload_information": {"hostname": "h"},
            "activity_data": {"name": "Process Created", "process_created_details": {"process_id": 7, "process_name": "sh"}}});
        assert!(matches!(&said(process)[..], [Said::Process(w)] if w.pid == Some(7)));
        assert!(said(json!({"activity_data": {"name": "Container Started"}})).is_empty());
        let no_time = json!({"occurred_message_time_iso_8601_ns": "1970-01-01T00:00:00Z", "activity_data": {"x": {
            "local_address": "10.0.0.1", "local_port": 1, "peer_address": "10.0.0.2", "peer_port": 2}}});
        assert!(said(no_time).is_empty());
    }
}
