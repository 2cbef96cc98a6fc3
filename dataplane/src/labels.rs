//! Detections as a data set: one row of JSON a detection, with its labels, for people who train and measure models.
//!
//! In: EVE events. Out: rows. Labels are what rules, intelligence and policies say of an event; features are what the event has
//! of its flow and its protocol, flat, by dotted names. Secrets and personal data in texts are masked. Owns nothing.
//!
//! Rows of one flow are in the same half: `split` follows the flow, so that a model is never tested on what it learned.

use serde_json::{Map, Value, json};

use crate::incident::{Finding, Home, Kind, masked};

/// Bytes of a text.
const TEXT: usize = 2048;
/// Features of a row; further ones are left out.
const FEATURES: usize = 256;
/// Of ten flows so many are for training.
const TRAIN: u64 = 8;

/// Members of an event that are columns of their own, or say nothing of what happened.
const COLUMNS: [&str; 25] = [
    "timestamp",
    "flow_id",
    "event_type",
    "src_ip",
    "src_port",
    "dest_ip",
    "dest_port",
    "proto",
    "app_proto",
    "direction",
    "alert",
    "policy",
    "intel",
    "context",
    "pcap_cnt",
    "pkt_src",
    "ip_v",
    "tx_id",
    "community_id",
    "host",
    "pcap_filename",
    "payload",
    "packet",
    "packet_info",
    "payload_printable",
];

/// The row of an event; `None` when it is no detection. `flows`: flows that nothing was detected in are rows, too, labelled
/// `none`; what is not detected may still be bad.
pub fn row(e: &Value, flows: bool) -> Option<Value> {
    let kind = e["event_type"].as_str()?;
    if kind == "flow" {
        return (flows && e["flow"]["alerted"] == false).then(|| plain(e, "none"));
    }
    let f =
        Finding::of(e, Home(None), &|_| false).filter(|f| f.kind != Kind::Call && f.kind != Kind::Service)?;
    let label = match f.kind {
        Kind::Intel => format!("intel:{}", e["intel"]["type"].as_str().unwrap_or("unknown")),
        Kind::Policy => format!("policy:{}", f.action),
        _ => match f.risks.first() {
            Some(r) => r.clone(),
            None => format!("signature:{}", f.signature.unwrap_or(0)),
        },
    };
    let mut out = plain(e, &label);
    out["labels"] = json!({"risk": f.risks, "attack": f.attack, "atlas": f.atlas, "owasp": f.owasp});
    out["what"] = f.what.into();
    out["signature_id"] = f.signature.map_or(Value::Null, Value::from);
    out["severity"] = f.severity.into();
    out["action"] = f.action.into();
    Some(out)
}

/// The columns that all rows have.
fn plain(e: &Value, label: &str) -> Value {
    let mut features = Map::new();
    for (key, v) in e.as_object().into_iter().flatten() {
        if !COLUMNS.contains(&key.as_str()) {
            flat(key, v, &mut features);
        }
    }
    let text = e["payload_printable"].as_str().map(|t| masked(t, TEXT));
    let copy = |key: &str| e[key].clone();
    json!({
        "id": format!("{:016x}", print(e.to_string().as_bytes())),
        "time": copy("timestamp"), "kind": copy("event_type"), "flow_id": e["flow_id"].as_u64().map(|n| n.to_string()),
        "src_ip": copy("src_ip"), "src_port": copy("src_port"), "dest_ip": copy("dest_ip"), "dest_port": copy("dest_port"),
        "proto": copy("proto"), "app_proto": copy("app_proto"), "direction": copy("direction"),
        "label": label, "labels": {"risk": [], "attack": [], "atlas": [], "owasp": []},
        "what": null, "signature_id": null, "severity": null, "action": null,
        "split": if print(e["flow_id"].to_string().as_bytes()) % 10 < TRAIN { "train" } else { "test" },
        "text": text, "context": copy("context"), "features": features,
    })
}

/// Members by their dotted names; lists by the number of their values, and the first of them.
fn flat(name: &str, v: &Value, out: &mut Map<String, Value>) {
    if out.len() >= FEATURES {
        return;
    }
    match v {
        Value::Object(m) => m.iter().for_each(|(k, v)| flat(&format!("{name}.{k}"), v, out)),
        Value::Array(l) => {
            out.insert(format!("{name}.count"), l.len().into());
            l.iter().take(1).for_each(|v| flat(&format!("{name}.0"), v, out));
        }
        // The classifier's places in a text say nothing without it.
        Value::String(s) => {
            out.insert(name.into(), masked(s, TEXT).into());
        }
        Value::Null => {}
        plain => {
            out.insert(name.into(), plain.clone());
        }
    }
}

/// A number for bytes, the same everywhere (FNV-1a, with its bits mixed at the end so that each of them is good).
fn print(bytes: &[u8]) -> u64 {
    let h = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325u64, |h, &b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    let h = (h ^ h >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    h ^ h >> 33
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert() -> Value {
        json!({"timestamp": "2026-01-05T09:00:03.611200+0000", "flow_id": 7, "event_type": "alert", "src_ip": "203.0.113.77",
            "src_port": 1, "dest_ip": "10.20.1.10", "dest_port": 8000, "proto": "TCP", "app_proto": "http",
            "alert": {"action": "allowed", "gid": 1, "signature_id": 9, "signature": "s", "severity": 1,
                "metadata": {"ai_risk": ["recon"], "atlas": ["AML.T0014"], "mitre_technique_id": ["T1595"]}},
            "http": {"url": "/?k=AKIAZ7Q3M5RXW2LKD9TB", "length": 64}, "files": [{"size": 3}, {"size": 4}],
            "payload_printable": "GET / AKIAZ7Q3M5RXW2LKD9TB"})
    }

    #[test]
    fn a_detection_has_labels_and_flat_features_without_secrets() {
        let r = row(&alert(), false).unwrap();
        assert_eq!(
            (&r["label"], &r["labels"]["atlas"][0], &r["signature_id"]),
            (&json!("recon"), &json!("AML.T0014"), &json!(9))
        );
        assert_eq!((&r["features"]["http.length"], &r["features"]["files.count"]), (&json!(64), &json!(2)));
        assert!(!r.to_string().contains("Z7Q3M5RX"), "{r}");
        assert_eq!(row(&alert(), false), Some(r), "the same each time");
    }

    #[test]
    fn rows_of_a_flow_are_in_one_half_and_undetected_flows_on_request() {
        let flow = json!({"timestamp": "2026-01-05T09:00:03.611200+0000", "flow_id": 7, "event_type": "flow", "src_ip": "203.0.113.77",
            "dest_ip": "10.20.1.10", "flow": {"alerted": false, "bytes_toserver": 3}});
        assert!(row(&flow, false).is_none());
        let r = row(&flow, true).unwrap();
        assert_eq!((&r["label"], &r["split"]), (&json!("none"), &row(&alert(), false).unwrap()["split"]));
        let mut halves = [0; 2];
        for n in 0..1000 {
            let mut f = flow.clone();
            f["flow_id"] = n.into();
            halves[usize::from(row(&f, true).unwrap()["split"] == "test")] += 1;
        }
        assert!((150..250).contains(&halves[1]), "{halves:?}");
        assert!(row(&json!({"event_type": "http"}), true).is_none());
    }
}
