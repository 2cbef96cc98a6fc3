//! A call: one request to a model, a tool or an AI service, and its answer.

use super::dialect::Route;
use super::risk::Verdict;
use crate::Dir;
use crate::app::bodies::{Carrier, Cut};
use crate::app::entries::Entries;
use crate::pool::{BytePool, PBuf};

/// Most bytes of one kind of text (prompts, completions) that a call keeps; lengths count all.
pub(super) const TEXT_MAX: usize = 1 << 20;
/// Most messages whose places are kept.
pub(super) const MESSAGES_MAX: usize = 4096;
/// Longest short value (a model's name, an identifier).
pub(super) const SHORT_MAX: usize = 1024;
/// Most values of a tag that are kept all (reasons of an end, models of a list).
const LISTED_MAX: u8 = 64;
/// Values that others took the place of, before their bytes are taken out.
const DEAD_MAX: u8 = 32;
/// Longest text about a tool.
pub(super) const TOOL_MAX: usize = 16 << 10;

/// Credential that a request shows; what it is is never kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) enum Credential {
    #[default]
    None,
    Bearer,
    Basic,
    ApiKey,
    Cookie,
    Query,
    Signature,
    Other,
}

impl Credential {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Credential::None => "none",
            Credential::Bearer => "bearer",
            Credential::Basic => "basic",
            Credential::ApiKey => "api_key",
            Credential::Cookie => "cookie",
            Credential::Query => "query",
            Credential::Signature => "signature",
            Credential::Other => "other",
        }
    }
}

/// Who speaks in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(u8)]
pub(super) enum Role {
    #[default]
    Unknown,
    User,
    Assistant,
    System,
    Developer,
    Tool,
    Function,
    Model,
    Document,
}

impl Role {
    pub(super) const ALL: [(&'static str, Role); 9] = [
        ("unknown", Role::Unknown),
        ("user", Role::User),
        ("assistant", Role::Assistant),
        ("system", Role::System),
        ("developer", Role::Developer),
        ("tool", Role::Tool),
        ("function", Role::Function),
        ("model", Role::Model),
        ("document", Role::Document),
    ];

    pub(super) fn of(name: &[u8]) -> Role {
        let is = |(n, _): &&(&str, Role)| name.eq_ignore_ascii_case(n.as_bytes());
        Role::ALL.iter().find(is).map_or(Role::Unknown, |r| r.1)
    }

    pub(super) fn name(self) -> &'static str {
        Role::ALL[self as usize].0
    }

    /// Who operates the model, not who asks it.
    pub(super) const fn is_system(self) -> bool {
        matches!(self, Role::System | Role::Developer)
    }

    pub(super) fn numbered(n: u8) -> Role {
        Role::ALL.get(usize::from(n)).map_or(Role::Unknown, |r| r.1)
    }
}

/// Tags of the short values of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Tag {
    Path,
    Method,
    Model,
    AnswerModel,
    Id,
    Server,
    Finish,
    ErrorType,
    ErrorText,
    RpcMethod,
    RpcTool,
    RpcResource,
    ServerName,
    ServerVersion,
    Collection,
    Session,
    ProtocolVersion,
    /// What headers of MCP say of the body.
    ClaimedMethod,
    ClaimedTool,
    Task,
    Service,
    ServiceMethod,
    // Of tools.
    Called,
    Defined,
    Answered,
    Description,
    Result,
    /// A tool of a list begins; one whose description is another than before.
    Begun,
    Changed,
    // Of services.
    Listed,
}

impl Tag {
    const COUNT: usize = Tag::Listed as usize + 1;
}

/// Text of one kind: what is kept of it, and its length.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Text {
    pub(super) kept: PBuf,
    pub(super) bytes: u64,
    /// More came than was kept.
    pub(super) cut: bool,
}

impl Text {
    /// Appends; what finds no room is counted only.
    pub(super) fn push(&mut self, pool: &mut BytePool, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        if self.cut || self.kept.len() + bytes.len() > TEXT_MAX || self.kept.extend(pool, bytes).is_err() {
            self.cut = true;
        }
    }
}

/// Where a message lies among the texts of its call.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Message {
    pub(super) role: Role,
    pub(super) from: u32,
    pub(super) to: u32,
}

const MESSAGE: usize = 9;

/// Counts of tokens, as the wire says them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    pub(super) input: Option<u64>,
    pub(super) output: Option<u64>,
    pub(super) cache_read: Option<u64>,
    pub(super) cache_creation: Option<u64>,
    pub(super) reasoning: Option<u64>,
}

/// A call; see the module.
#[derive(Debug, Default)]
pub struct Call {
    pub(super) provider: &'static str,
    pub(super) operation: &'static str,
    pub(super) carrier: Carrier,
    pub(super) framing: &'static str,
    /// Software that answered, when a header other than `Server` proves it.
    pub(super) software: &'static str,
    pub(super) streamed: bool,
    pub(super) proven: bool,
    pub(super) credential: Credential,
    pub(super) stream: Option<bool>,
    pub(super) max_tokens: Option<u64>,
    pub(super) temperature: Option<f64>,
    pub(super) status: u16,
    pub(super) rpc_status: Option<u64>,
    pub(super) tools_defined: u32,
    pub(super) header_mismatch: bool,
    pub(super) tool_failed: bool,
    /// Short values, and those about tools.
    pub(super) head: Entries,
    pub(super) tools: Entries,
    /// Where the one value of a tag lies in `head`, plus one; for tags with several how many there are. So that what an
    /// event of a stream says costs the same however many came before.
    places: [u16; Tag::COUNT],
    dead: u8,
    /// Texts of the request's messages one after the other, and where each lies.
    pub(super) prompt: Text,
    messages: PBuf,
    pub(super) message_count: u32,
    pub(super) completion: Text,
    /// Bytes of further answers.
    pub(super) others: u64,
    pub(super) reasoning: Text,
    /// Arguments of tools, one call after the other.
    pub(super) arguments: Text,
    pub(super) usage: Usage,
    /// What is wrong with the request and with the answer.
    pub(super) verdicts: [Verdict; 2],
    /// Number and role of the message that the request's verdict is about.
    pub(super) worst: (u32, Role),
    /// Messages, results and descriptions of tools that were judged, and bytes of the completion.
    pub(super) judged: [u32; 4],
    /// Kinds of secrets and personal data in the answer (bits of [`super::secret::Kind`]).
    pub(super) leaks: super::judge::Leaks,
    /// Sum of the logarithms of the tokens' probabilities, how many, how many below one half.
    pub(super) logprobs: (f64, u32, u32),
    /// Packet times, ns: created, request over, first and last piece of content, over.
    pub(super) created: u64,
    pub(super) asked: u64,
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) over: u64,
    /// Pieces of content.
    pub(super) chunks: u32,
}

impl Call {
    pub(super) fn begin(&mut self, dialect: &'static str, route: &'static Route, carrier: Carrier) {
        self.provider = dialect;
        self.operation = route.operation;
        self.carrier = carrier;
        self.stream = route.streams.then_some(true);
        self.proven = route.proof.is_empty();
    }

    /// How the answer is cut.
    pub(super) fn framing(&mut self, cut: Cut) {
        self.streamed = super::finds_itself_again(cut);
        self.framing = match cut {
            Cut::Sse => "+sse",
            Cut::Lines => "+ndjson",
            Cut::Grpc => "+grpc",
            Cut::EventStream => "+eventstream",
            Cut::Any => "",
        };
    }

    /// Whether pieces of that direction can be placed after a hole.
    pub(super) fn is_streamed(&self, dir: Dir) -> bool {
        dir == Dir::ToClient && self.streamed
    }

    /// It is a call of its dialect for certain.
    pub fn is_proven(&self) -> bool {
        self.proven
    }

    /// A short value: of several the last, as readers of JSON have it.
    pub(super) fn short<'p>(&self, pool: &'p BytePool, tag: Tag) -> Option<&'p [u8]> {
        self.head.at(pool, usize::from(self.places[tag as usize].checked_sub(1)?))
    }

    /// Notes a short value.
    pub(super) fn note(&mut self, pool: &mut BytePool, tag: Tag, value: &[u8]) {
        let value = &value[..value.len().min(SHORT_MAX)];
        if value.is_empty() || self.short(pool, tag) == Some(value) {
            return;
        }
        if let Some(place) = self.places[tag as usize].checked_sub(1) {
            if self.head.replace(pool, usize::from(place), value) {
                return;
            }
            self.places[tag as usize] = 0;
            self.dead += 1;
            if self.dead >= DEAD_MAX {
                self.pack(pool);
            }
        }
        let mut place = self.head.end();
        let mut there = self.head.push(pool, tag as u8, value);
        if !there && self.dead > 0 {
            self.pack(pool);
            place = self.head.end();
            there = self.head.push(pool, tag as u8, value);
        }
        if there {
            self.places[tag as usize] = place as u16 + 1;
        }
    }

    fn pack(&mut self, pool: &mut BytePool) {
        self.dead = 0;
        let places = &mut self.places;
        self.head.pack(pool, |tag, place| {
            if tag != Tag::Finish as u8
                && tag != Tag::Listed as u8
                && let Some(p) = places.get_mut(usize::from(tag))
            {
                *p = place as u16 + 1;
            }
        });
    }

    /// Adds a short value to those with its tag, unless it is there.
    pub(super) fn add(&mut self, pool: &mut BytePool, tag: Tag, value: &[u8]) {
        let value = &value[..value.len().min(SHORT_MAX)];
        if value.is_empty() || self.places[tag as usize] >= u16::from(LISTED_MAX) {
            return;
        }
        let there = self.head.all(pool, tag as u8).any(|v| v == value);
        if !there && self.head.push(pool, tag as u8, value) {
            self.places[tag as usize] += 1;
        }
    }

    /// Adds a text about a tool.
    pub(super) fn tool(&mut self, pool: &mut BytePool, tag: Tag, value: &[u8]) {
        self.tools.push(pool, tag as u8, &value[..value.len().min(TOOL_MAX)]);
    }

    /// As [`Call::tool`], of a value that lies in the pool.
    pub(super) fn tool_from(&mut self, pool: &mut BytePool, tag: Tag, value: &PBuf) {
        self.tools.push_from(pool, tag as u8, value, TOOL_MAX);
    }

    /// Texts of the tools of a list: which tool of it, tag, text.
    pub(super) fn tool_texts<'p>(
        &self,
        pool: &'p BytePool,
    ) -> impl Iterator<Item = (usize, u8, &'p [u8])> + use<'p> {
        let mut begun = 0usize;
        self.tools.tagged(pool).filter_map(move |(tag, text)| {
            begun += usize::from(tag == Tag::Begun as u8);
            Some((begun.checked_sub(1)?, tag, text))
        })
    }

    /// Notes that tool number `n` of the list is another one than before.
    pub(super) fn changed(&mut self, pool: &mut BytePool, n: usize) {
        let mut room = [0; 64];
        let of = |(i, tag, _): &(usize, u8, &[u8])| *i == n && *tag == Tag::Defined as u8;
        let Some((.., name)) = self.tool_texts(pool).find(of) else { return };
        let len = name.len().min(room.len());
        if let (Some(to), Some(from)) = (room.get_mut(..len), name.get(..len)) {
            to.copy_from_slice(from);
        }
        self.tools.push(pool, Tag::Changed as u8, room.get(..len).unwrap_or(&[]));
    }

    /// A message ends that began at `from` among the texts.
    pub(super) fn message(&mut self, pool: &mut BytePool, role: Role, from: u32) {
        self.message_count += 1;
        if self.messages.len() / MESSAGE >= MESSAGES_MAX {
            return;
        }
        let to = self.prompt.kept.len() as u32;
        let mut e = [0; MESSAGE];
        e[0] = role as u8;
        e[1..5].copy_from_slice(&from.to_le_bytes());
        e[5..].copy_from_slice(&to.to_le_bytes());
        let _full = self.messages.extend(pool, &e);
    }

    /// The request's messages.
    pub(super) fn messages<'p>(
        &self,
        pool: &'p BytePool,
    ) -> impl DoubleEndedIterator<Item = Message> + use<'p> {
        let word = |b: &[u8]| b.try_into().map_or(0, u32::from_le_bytes);
        self.messages.get(pool).chunks_exact(MESSAGE).map(move |e| Message {
            role: Role::numbered(e[0]),
            from: word(&e[1..5]),
            to: word(&e[5..]),
        })
    }

    /// The text of a message.
    pub(super) fn text<'p>(&self, pool: &'p BytePool, m: Message) -> &'p [u8] {
        self.prompt.kept.get(pool).get(m.from as usize..m.to as usize).unwrap_or(&[])
    }

    /// What is asked: the last message, where instructions to the model count only if there is nothing else. Members of
    /// JSON come in any order, so that they may stand behind it.
    pub(super) fn prompt<'p>(&self, pool: &'p BytePool) -> Option<&'p [u8]> {
        let said = self.messages(pool).rev().find(|m| !m.role.is_system());
        said.or_else(|| self.messages(pool).next_back()).map(|m| self.text(pool, m))
    }

    /// A piece of what the model says.
    pub(super) fn content(&mut self, now: u64) {
        if self.chunks == 0 {
            self.first = now;
        }
        self.chunks = self.chunks.saturating_add(1);
        self.last = now;
    }

    pub(super) fn free(&mut self, pool: &mut BytePool) {
        self.head.free(pool);
        self.tools.free(pool);
        self.prompt.kept.free(pool);
        self.messages.free(pool);
        self.completion.kept.free(pool);
        self.reasoning.kept.free(pool);
        self.arguments.kept.free(pool);
    }
}

/// Numbers made of others.
impl Call {
    /// Tokens of the request; of Anthropic's counts the sum, as they are apart there.
    pub(super) fn input_tokens(&self) -> Option<u64> {
        let u = &self.usage;
        let apart = if self.provider == "anthropic" { [u.cache_read, u.cache_creation] } else { [None; 2] };
        u.input.map(|n| apart.iter().flatten().fold(n, |a, b| a.saturating_add(*b)))
    }

    /// From the end of the request to the first piece of content, ns.
    pub(super) fn ttft(&self) -> Option<u64> {
        (self.chunks > 0 && self.asked > 0).then(|| self.first.saturating_sub(self.asked))
    }

    /// Geometric mean of the tokens' probabilities.
    pub(super) fn confidence(&self) -> Option<f64> {
        let (sum, n, _) = self.logprobs;
        (n > 0).then(|| libm::exp(sum / f64::from(n)))
    }
}
