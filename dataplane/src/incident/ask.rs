//! What to ask next about a story: questions, each with the tool of `tidegate mcp` that answers it.

use serde_json::{Value, json};

use super::finding::Kind;
use super::story::Story;

/// Questions of one incident.
const MOST: usize = 6;

/// A question and who answers it.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    pub question: String,
    pub tool: &'static str,
    pub arguments: Value,
}

/// What a risk asks for, by the name that rules give it. `HOST` and `PEER` stand for the story's.
const BY_RISK: [(&[&str], &str, &str); 8] = [
    (
        &["exposed_service", "unauthenticated_inference"],
        "Which services does HOST offer, and to whom without a credential?",
        "list_services",
    ),
    (
        &["secret_leak", "pii_leak", "exfiltration"],
        "Who received what HOST said after the leak?",
        "list_flows",
    ),
    (
        &["prompt_injection", "indirect_injection", "jailbreak", "system_prompt_extraction"],
        "Which calls did the client PEER make before and after the injection?",
        "search_events:ai",
    ),
    (
        &["recon", "model_extraction", "model_theft"],
        "What else did PEER ask for, here and elsewhere?",
        "search_events",
    ),
    (&["fabric_intrusion", "rdma_misuse"], "Who else does PEER reach on the fabric?", "list_flows:peer"),
    (
        &["tool_poisoning", "tool_change"],
        "Which tools did HOST offer and who called them?",
        "search_events:mcp",
    ),
    (
        &["remote_code_execution", "unsafe_artifact"],
        "Did HOST open connections of its own afterwards?",
        "list_flows",
    ),
    (
        &["model_tampering", "rag_poisoning"],
        "Which files and models moved to or from HOST?",
        "search_events:fileinfo",
    ),
];

/// See the module.
pub fn questions(s: &Story) -> Vec<Question> {
    let mut out: Vec<Question> = Vec::new();
    let mut put = |question: String, tool: &'static str, arguments: Value| {
        if out.len() < MOST && !out.iter().any(|q| q.question == question) {
            out.push(Question { question, tool, arguments });
        }
    };
    let first_peer = s.peers.first().map_or(s.host.as_str(), |(p, _)| p);
    let risks = s.all(|f| &f.risks);
    for (names, question, tool) in BY_RISK {
        let Some(risk) = risks.iter().find(|r| names.contains(r)) else { continue };
        let step = s.steps().iter().find(|x| x.first.risks.iter().any(|r| r == risk));
        let peer = step.and_then(|x| x.first.peer.as_deref()).unwrap_or(first_peer);
        let (tool, about) = match tool {
            "search_events:ai" => ("search_events", json!({"types": ["ai"], "host": peer})),
            "search_events:mcp" => ("search_events", json!({"types": ["mcp", "ai"], "host": s.host})),
            "search_events:fileinfo" => ("search_events", json!({"types": ["fileinfo"], "host": s.host})),
            "search_events" => ("search_events", json!({"host": peer})),
            "list_flows:peer" => ("list_flows", json!({"host": peer})),
            t => (t, json!({"host": s.host})),
        };
        put(question.replace("HOST", &s.host).replace("PEER", peer), tool, about);
    }
    if s.steps().iter().any(|x| x.first.kind == Kind::Policy) {
        let q = format!("Which decisions of the policy concern {}?", s.host);
        put(q, "list_policy_decisions", json!({"host": s.host}));
    }
    if s.steps()
        .iter()
        .any(|x| x.first.key.starts_with("1:") && x.first.evidence.iter().any(|e| e.0 == "rrname"))
    {
        let q = format!("Which names did {} look up, and since when?", s.host);
        put(q, "search_events", json!({"types": ["dns"], "host": s.host}));
    }
    put(
        format!("What did the packets of the worst alert on {} say?", s.host),
        "search_events",
        json!({"types": ["alert"], "host": s.host}),
    );
    put(
        format!("Who else dealt with {}, and how much was sent?", s.host),
        "list_flows",
        json!({"host": s.host}),
    );
    out
}
