//! What hosts say of connections, joined to flows: counts, memory, and events of a whole run.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

#[allow(dead_code)]
#[path = "../examples/ai_factory.rs"]
mod ai_factory;
#[allow(dead_code)]
#[path = "../examples/context_rate.rs"]
mod context_rate;

use context_rate::{Order, joins};

/// A million flows and a word of a host on each, within the window, in any order: 99.9 % meet, in fixed memory. The orders that
/// are one side after the other have fewer flows, in as much less memory.
#[test]
fn a_million_flows_meet_their_hosts_in_any_order() {
    for (order, flows) in
        [(Order::Mixed, 1_000_000), (Order::HostFirst, 200_000), (Order::FlowFirst, 200_000)]
    {
        let memory = (192 << 20) * flows / 1_000_000;
        let r = joins(flows, memory, order);
        let n = |name: &str| r.counters.iter().find(|c| c.0 == name).map_or(0, |c| c.1);
        assert_eq!(n("context.connections"), flows);
        assert_eq!(n("context.joined") + n("context.unjoined"), flows, "{order:?}: {:?}", r.counters);
        assert!(n("context.joined") >= flows * 999 / 1000, "{order:?}: {:?}", r.counters);
        assert_eq!(n("context.memuse"), memory);
        // What processes and waiting events take is fixed, too, and little.
        assert!(r.grew <= memory + (24 << 20), "{order:?}: {} bytes", r.grew);
    }
}

/// A table that is too small loses words and says so.
#[test]
fn what_finds_no_room_is_counted() {
    let r = joins(100_000, 1 << 20, Order::HostFirst);
    let n = |name: &str| r.counters.iter().find(|c| c.0 == name).map_or(0, |c| c.1);
    assert_eq!(n("context.joined") + n("context.unjoined"), 100_000);
    assert!(n("context.unjoined") > 50_000);
}

struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Dir {
        let d = std::env::temp_dir().join(format!("tidegate-{name}-{}", std::process::id()));
        let _old = std::fs::remove_dir_all(&d);
        std::fs::create_dir_all(&d).unwrap();
        std::fs::write(d.join("c.pcap"), ai_factory::capture()).unwrap();
        Dir(d)
    }

    /// Runs the capture and gives its events.
    fn run(&self, more: &[&str]) -> Vec<Value> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut c = Command::new(env!("CARGO_BIN_EXE_tidegate"));
        c.current_dir(&self.0).args(["run", "-q", "-r", "c.pcap", "-S", "builtin:ai", "-l", "."]);
        let o = c.arg("-c").arg(root.join("examples/ai-factory.yaml")).args(more).output().unwrap();
        assert!(o.status.success() && o.stderr.is_empty(), "{}", String::from_utf8_lossy(&o.stderr));
        let text = std::fs::read_to_string(self.0.join("eve.json")).unwrap();
        text.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A line of Argus about the model server's connection with a client, `late` seconds after it began.
fn argus(client: &str, port: u16, seconds: f64) -> String {
    let time = 1_767_603_600.0 + seconds;
    let time = jiff::Timestamp::from_nanosecond((time * 1e9) as i128).unwrap();
    json!({"occurred_message_time_iso_8601_ns": time.to_string(), "workload_information": {"hostname": "gpu-1"},
        "activity_data": {"name": "tcp_network_connection_status", "process_details": {"process_id": 42, "process_name": "vllm",
        "process_container_id": "0123456789abcdef"}, "network_connection_details": {"local_address": "10.20.1.10",
        "local_port": 8000, "peer_address": client, "peer_port": port, "protocol": "TCP"}}})
    .to_string()
        + "\n"
}

const PODS: &str = r#"{
  "apiVersion": "v1", "kind": "List", "items": [
    {"kind": "Pod", "metadata": {"name": "llm-0", "namespace": "serving"},
     "spec": {"serviceAccountName": "llm", "nodeName": "gpu-1"},
     "status": {"phase": "Running", "podIP": "10.20.1.10", "containerStatuses":
       [{"name": "vllm", "image": "vllm/vllm-openai:v0.9", "containerID": "containerd://0123456789abcdef"}]}}
  ]
}
"#;

#[test]
fn every_event_of_a_flow_says_whose_it_is() {
    let d = Dir::new("context-run");
    std::fs::write(d.0.join("argus.log"), argus("203.0.113.77", 61_001, 3.0)).unwrap();
    std::fs::write(d.0.join("pods.json"), PODS).unwrap();
    let events = d.run(&["--context", "argus.log", "--context", "pods.json"]);
    let of_flow: Vec<&Value> =
        events.iter().filter(|e| e["src_port"] == 61_001 || e["dest_port"] == 61_001).collect();
    assert!(of_flow.len() >= 5, "alerts, http, ai, file, flow: {}", of_flow.len());
    for e in of_flow {
        let s = &e["context"]["server"];
        assert_eq!(
            (&s["process"]["name"], &s["process"]["pid"], &s["source"]),
            (&json!("vllm"), &json!(42), &json!("argus"))
        );
        assert_eq!(
            s["pod"],
            json!({"name": "llm-0", "namespace": "serving", "service_account": "llm", "node": "gpu-1"})
        );
        assert_eq!(
            s["container"],
            json!({"id": "0123456789ab", "name": "vllm", "image": "vllm/vllm-openai:v0.9"})
        );
        assert!(e["context"]["client"].is_null());
    }
    // Other flows of the pod are known by its address alone.
    let other = events.iter().find(|e| e["src_port"] == 50_001 && e["event_type"] == "http").unwrap();
    assert_eq!(other["context"]["server"]["source"], "kubernetes");
    assert!(events.iter().all(|e| e["event_type"] != "context"));
}

/// A word that comes later than the window allows to wait for is told by an event of its own; one beyond the window is counted.
#[test]
fn what_comes_late_has_an_event_of_its_own() {
    let d = Dir::new("context-late");
    // Behind the last packet the log goes on; the first line is out of its order.
    let lines = argus("10.9.9.9", 1, 200.0).repeat(200)
        + &argus("203.0.113.77", 61_001, 4.0)
        + &argus("203.0.113.77", 61_002, 700.0);
    std::fs::write(d.0.join("late.log"), lines).unwrap();
    let types = "outputs.1.eve-log.types.10.stats.enabled=yes";
    let events = d.run(&["--context", "late.log", "--set", "context.window=20s", "--set", types]);
    let late: Vec<&Value> = events.iter().filter(|e| e["event_type"] == "context").collect();
    assert_eq!(late.len(), 1, "{late:?}");
    assert_eq!((&late[0]["src_ip"], &late[0]["dest_port"]), (&json!("203.0.113.77"), &json!(8000)));
    assert_eq!(late[0]["context"]["server"]["process"]["name"], "vllm");
    let same = events.iter().filter(|e| e["flow_id"] == late[0]["flow_id"]).count();
    assert!(same >= 5, "{same}");
    let s = events.iter().find(|e| e["event_type"] == "stats").map(|e| &e["stats"]["context"]).unwrap();
    assert_eq!((&s["joined"], &s["joined_late"], &s["unjoined"]), (&json!(1), &json!(1), &json!(201)));
    // Switched off, and files that are not there.
    let off = d.run(&["--context", "late.log", "--set", "outputs.1.eve-log.types.10.context.enabled=no"]);
    assert!(off.iter().all(|e| e["event_type"] != "context"));
    let mut c = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    let o = c.current_dir(&d.0).args(["run", "-r", "c.pcap", "--context", "none.log"]).output().unwrap();
    assert!(!o.status.success() && String::from_utf8_lossy(&o.stderr).contains("none.log"));
}

/// A connection's ends, as the tests of the table have them.
#[test]
fn addresses_of_the_example_are_different() {
    let a: Vec<(IpAddr, u16)> = (0..1000).map(context_rate::client).collect();
    let mut b = a.clone();
    b.sort();
    b.dedup();
    assert_eq!(a.len(), b.len());
}
