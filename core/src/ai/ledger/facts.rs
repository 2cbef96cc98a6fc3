//! What is kept account of in a call: addresses, names and figures, copied out of it.

use super::Short;
use crate::ai::call::{Call, Credential, Tag};
use crate::ai::judge::is_refusal;
use crate::ai::risk::ATTACK;
use crate::packet::Addr;
use crate::pool::BytePool;

/// Most models of a list that are looked at.
pub const LISTED: usize = 8;

/// A call in short.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts {
    pub client: Addr,
    pub server: Addr,
    pub port: u16,
    pub v6: bool,
    /// Packet time at its end, ns.
    pub at: u64,
    pub provider: &'static str,
    pub operation: &'static str,
    /// Software that answered, with its version, as far as it said so.
    pub software: Short<48>,
    /// The model that answered, or else that was asked for; and the one that was asked for, or else that answered.
    pub model: Short<48>,
    pub asked: Short<48>,
    pub listed: [Short<48>; LISTED],
    pub tools: u32,
    /// HTTP's status; 0 when there was none.
    pub status: u16,
    /// It was answered, and not by an error.
    pub answered: bool,
    /// The request showed no credential.
    pub open: bool,
    pub credential: &'static str,
    /// ns.
    pub ttft: Option<u64>,
    pub duration: Option<u64>,
    /// Tokens a second from the first piece of content on.
    pub rate: Option<f64>,
    pub confidence: Option<f64>,
    pub prompt_bytes: u64,
    pub completion_bytes: u64,
    /// The model would not answer.
    pub refused: bool,
    /// The request was an attack by its score; unknown where nobody asks for scores.
    pub risky: Option<bool>,
}

impl Facts {
    /// Of a call between `client` and `server` that ended at `at`.
    pub fn of(c: &Call, pool: &BytePool, ends: [(Addr, u16); 2], v6: bool, at: u64) -> Option<Facts> {
        if !c.is_proven() {
            return None;
        }
        let [client, server] = ends;
        let mut f = Facts {
            client: client.0,
            server: server.0,
            port: server.1,
            v6,
            at,
            provider: c.provider,
            operation: c.operation,
            status: c.status,
            // Those that a request defines are the client's.
            tools: if c.operation == "list_tools" {
                c.tools.all(pool, Tag::Defined as u8).count() as u32
            } else {
                0
            },
            open: c.credential == Credential::None,
            credential: c.credential.name(),
            ttft: c.ttft(),
            confidence: c.confidence(),
            prompt_bytes: c.prompt.bytes,
            completion_bytes: c.completion.bytes + c.others,
            risky: (c.judged[0] > 0).then_some(c.verdicts[0].score >= ATTACK),
            ..Facts::default()
        };
        if c.over > 0 {
            f.duration = Some(c.over.saturating_sub(c.created));
        }
        if let (Some(n), true) = (c.usage.output, c.last > c.first) {
            f.rate = Some(n as f64 * 1e9 / (c.last - c.first) as f64);
        }
        // A call of gRPC says by trailers how it went; one without an answer at all was not answered.
        let rpc_failed = c.rpc_status.is_some_and(|s| s != 0);
        let failed = c.short(pool, Tag::ErrorType).is_some() || c.short(pool, Tag::ErrorText).is_some();
        f.answered = (200..300).contains(&c.status) && !rpc_failed && !failed;
        f.refused = is_refusal(c, pool);
        f.software = software(c, pool);
        let (asked, answered) = (c.short(pool, Tag::Model), c.short(pool, Tag::AnswerModel));
        f.model = Short::of(answered.or(asked).unwrap_or(&[]));
        f.asked = Short::of(asked.or(answered).unwrap_or(&[]));
        for (to, name) in f.listed.iter_mut().zip(c.head.all(pool, Tag::Listed as u8)) {
            *to = Short::of(name);
        }
        Some(f)
    }
}

fn software(c: &Call, pool: &BytePool) -> Short<48> {
    let mut s = Short::EMPTY;
    if let Some(name) = c.short(pool, Tag::ServerName) {
        s.add(name);
        if let Some(v) = c.short(pool, Tag::ServerVersion) {
            s.add(b" ");
            s.add(v);
        }
    } else if !c.software.is_empty() {
        s.add(c.software.as_bytes());
    } else if let Some(v) = c.short(pool, Tag::Server) {
        s.add(v);
    }
    s
}
