//! What a rule is made of, in words, for `tidegate run --engine-analysis`. In: a parsed rule. Out: an [`Analysis`].

use tidegate_core::rules::ir::{BufferMatch, BufferRef, Match, Rule, RuleId};

/// One rule in words.
#[derive(Clone, Debug)]
pub struct Analysis {
    pub id: RuleId,
    pub action: String,
    /// What its header names and its keywords allow.
    pub protocols: String,
    /// `http.uri: 2 contents, 1 pcre`.
    pub buffers: Vec<String>,
    /// `3 conditions on the packet` and the like.
    pub others: Vec<String>,
}

impl Analysis {
    pub fn of(r: &Rule) -> Analysis {
        let named = r.protos.iter().map(|p| p.name()).collect::<Vec<_>>().join(", ");
        let protocols = if named.is_empty() { format!("{:?}", r.header.proto).to_lowercase() } else { named };
        let mut others = Vec::new();
        for (n, what) in [
            (r.packet.len(), "on the packet"),
            (r.ints.len(), "on numbers of the protocol"),
            (r.files.len(), "on files"),
            (r.state.len(), "on state between packets"),
        ] {
            if n > 0 {
                others.push(format!("{} {what}", counted(n, "condition")));
            }
        }
        if !r.post.is_empty() {
            others.push(format!("{} when it matches", counted(r.post.len(), "action")));
        }
        if r.threshold.is_some() {
            others.push("a threshold".into());
        }
        Analysis {
            id: r.meta.id(),
            action: format!("{:?}", r.meta.action).to_lowercase(),
            protocols,
            buffers: r.lists.iter().map(buffer).collect(),
            others,
        }
    }
}

/// `2 contents`
fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn buffer(b: &BufferMatch) -> String {
    let name = match &b.buffer {
        BufferRef::Payload => "payload".to_string(),
        BufferRef::App(name) => (*name).to_string(),
        BufferRef::Magic => "file.magic".to_string(),
        BufferRef::Base64 => "base64_data".to_string(),
        BufferRef::PacketHeader(h) => format!("{h:?} header"),
        BufferRef::Frame(name) => format!("frame {name}"),
    };
    let count = |is: fn(&Match) -> bool| b.matches.iter().filter(|m| is(m)).count();
    let contents = count(|m| matches!(m, Match::Content(_)));
    let pcres = count(|m| matches!(m, Match::Pcre(_)));
    let parts = [
        (contents, "content"),
        (pcres, "pcre"),
        (b.matches.len() - contents - pcres, "other condition"),
        (b.transforms.len(), "transform"),
    ];
    let parts: Vec<String> = parts.iter().filter(|p| p.0 > 0).map(|p| counted(p.0, p.1)).collect();
    let parts = if parts.is_empty() { "whether it is there".to_string() } else { parts.join(", ") };
    format!("{name}: {parts}")
}
