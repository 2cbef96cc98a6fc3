//! Kubernetes: lists of pods, as `kubectl get pods -A -o json` gives them, and single pods, as `-w -o json` does, with
//! `--output-watch-events` also the end of one.
//!
//! Out: pods with their addresses, containers, node and service account. Pods on their node's own network have no address of
//! their own; those that are over have none any more.

use serde_json::Value;

use super::{Container, Pod, Said, Source, address, text};

pub const SOURCE: Source = Source { name: "kubernetes", known: says_pods, read };

/// Whether a value is about pods, a list of none included.
pub fn says_pods(v: &Value) -> bool {
    is_pod(v) || is_list(v) || is_pod(&v["object"])
}

/// Whether it is a list.
pub fn is_list(v: &Value) -> bool {
    v["items"].is_array()
}

fn is_pod(v: &Value) -> bool {
    v["kind"] == "Pod" && v["metadata"].is_object()
}

fn read(v: &Value, f: &mut dyn FnMut(Said)) {
    if v["type"] == "DELETED" && is_pod(&v["object"]) {
        let meta = &v["object"]["metadata"];
        return f(Said::Gone { namespace: text(&meta["namespace"]), name: text(&meta["name"]) });
    }
    let watched = [v, &v["object"]].into_iter().filter(|v| is_pod(v));
    // Members of a list do not say what they are.
    let listed = v["items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|i| is_pod(i) || i["spec"]["containers"].is_array());
    let pods: Vec<Pod> = watched.chain(listed).filter_map(one).collect();
    if !pods.is_empty() {
        f(Said::Pods(pods));
    }
}

fn one(v: &Value) -> Option<Pod> {
    let (meta, spec, status) = (&v["metadata"], &v["spec"], &v["status"]);
    let name = Some(text(&meta["name"])).filter(|n| !n.is_empty())?;
    let over = matches!(status["phase"].as_str(), Some("Succeeded" | "Failed"));
    let own = !over && spec["hostNetwork"] != true;
    let several = status["podIPs"].as_array().into_iter().flatten().map(|i| &i["ip"]);
    let mut addresses: Vec<_> =
        several.chain([&status["podIP"]]).filter(|_| own).filter_map(address).collect();
    addresses.sort_unstable();
    addresses.dedup();
    let lists = [
        &status["containerStatuses"],
        &status["initContainerStatuses"],
        &status["ephemeralContainerStatuses"],
    ];
    let containers =
        lists.into_iter().filter_map(Value::as_array).flatten().filter(|c| c["containerID"].is_string());
    Some(Pod {
        namespace: text(&meta["namespace"]),
        name,
        account: text(&spec["serviceAccountName"]),
        node: text(&spec["nodeName"]),
        addresses,
        containers: containers
            .map(|c| Container {
                id: text(&c["containerID"]),
                name: text(&c["name"]),
                image: text(&c["image"]),
            })
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::said;
    use super::*;
    use serde_json::json;

    #[test]
    fn lists_and_single_pods_are_read() {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "llm-0", "namespace": "serving"},
            "spec": {"serviceAccountName": "llm", "nodeName": "gpu-1", "containers": [{"name": "vllm"}]},
            "status": {"phase": "Running", "podIP": "10.20.1.10", "podIPs": [{"ip": "10.20.1.10"}, {"ip": "fd00::10"}],
            "containerStatuses": [{"name": "vllm", "image": "vllm/vllm-openai:v0.9", "containerID": "containerd://0123456789abcdef"}]}});
        let mut done = pod.clone();
        done["metadata"]["name"] = "job".into();
        done["status"]["phase"] = "Succeeded".into();
        let mut host = pod.clone();
        host["spec"]["hostNetwork"] = true.into();
        let all = said(json!({"apiVersion": "v1", "kind": "List", "items": [pod, done, host]}));
        let [Said::Pods(pods)] = &all[..] else { panic!("{all:?}") };
        assert_eq!(pods.iter().map(|p| p.addresses.len()).collect::<Vec<_>>(), [2, 0, 0]);
        assert_eq!(
            (pods[0].account.as_str(), pods[0].containers[0].image.as_str()),
            ("llm", "vllm/vllm-openai:v0.9")
        );
        assert_eq!(said(pod.clone()).len(), 1);
        assert_eq!(said(json!({"type": "MODIFIED", "object": pod})).len(), 1);
        let gone = Said::Gone { namespace: "serving".into(), name: "llm-0".into() };
        assert_eq!(said(json!({"type": "DELETED", "object": pod})), [gone]);
    }
}
