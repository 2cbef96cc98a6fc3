//! Protocol records as rows: the protocol names its fields, those that a column asks for are kept.

use tidegate_core::event::{Fields, Nest, Value};

use super::column::Kind;
use super::rows::{HEAD, Rows, Spec};

/// A column of a record: the path of its field in EVE's record, without places in lists.
pub struct Wanted {
    pub path: &'static str,
    pub spec: Spec,
}

const fn wanted(path: &'static str, name: &'static str, kind: Kind) -> Wanted {
    Wanted { path, spec: (name, kind) }
}

/// EVE's `http`.
pub static HTTP: [Wanted; 11] = [
    wanted("http_method", "method", Kind::Str),
    wanted("hostname", "hostname", Kind::Str),
    wanted("http_port", "port", Kind::U16),
    wanted("url", "url", Kind::Str),
    wanted("protocol", "protocol", Kind::Str),
    wanted("status", "status", Kind::U16),
    wanted("length", "length", Kind::U64),
    wanted("http_user_agent", "user_agent", Kind::Str),
    wanted("http_content_type", "content_type", Kind::Str),
    wanted("http_refer", "referer", Kind::Str),
    wanted("redirect", "redirect", Kind::Str),
];

/// EVE's `dns`, version 3; a row a message.
pub static DNS: [Wanted; 10] = [
    wanted("type", "type", Kind::Str),
    wanted("id", "id", Kind::U16),
    wanted("opcode", "opcode", Kind::U8),
    wanted("rcode", "rcode", Kind::Str),
    wanted("queries.rrname", "rrname", Kind::Str),
    wanted("queries.rrtype", "rrtype", Kind::Str),
    wanted("answers.rrname", "answer_names", Kind::Strs),
    wanted("answers.rrtype", "answer_types", Kind::Strs),
    wanted("answers.ttl", "answer_ttls", Kind::U32s),
    wanted("answers.rdata", "answers", Kind::Strs),
];

/// EVE's `tls`.
pub static TLS: [Wanted; 14] = [
    wanted("sni", "sni", Kind::Str),
    wanted("version", "version", Kind::Str),
    wanted("subject", "subject", Kind::Str),
    wanted("issuerdn", "issuer", Kind::Str),
    wanted("serial", "serial", Kind::Str),
    wanted("fingerprint", "fingerprint", Kind::Str),
    wanted("notbefore", "not_before", Kind::Str),
    wanted("notafter", "not_after", Kind::Str),
    wanted("subjectaltname", "alt_names", Kind::Strs),
    wanted("ja3.hash", "ja3", Kind::Str),
    wanted("ja3s.hash", "ja3s", Kind::Str),
    wanted("ja4", "ja4", Kind::Str),
    wanted("client_alpns", "client_alpns", Kind::Strs),
    wanted("session_resumed", "resumed", Kind::Bool),
];

/// EVE's `mdns`; a row a message.
pub static MDNS: [Wanted; 8] = [
    wanted("type", "type", Kind::Str),
    wanted("id", "id", Kind::U16),
    wanted("opcode", "opcode", Kind::U8),
    wanted("queries.rrname", "rrname", Kind::Str),
    wanted("queries.rrtype", "rrtype", Kind::Str),
    wanted("answers.rrname", "answer_names", Kind::Strs),
    wanted("answers.rrtype", "answer_types", Kind::Strs),
    wanted("answers.rdata", "answers", Kind::Strs),
];

/// EVE's `ftp`; a row a command with its replies.
pub static FTP: [Wanted; 7] = [
    wanted("command", "command", Kind::Str),
    wanted("command_data", "data", Kind::Str),
    wanted("completion_code", "codes", Kind::Strs),
    wanted("reply", "replies", Kind::Strs),
    wanted("dynamic_port", "dynamic_port", Kind::U16),
    wanted("mode", "mode", Kind::Str),
    wanted("reply_received", "reply_received", Kind::Str),
];

/// EVE's `ssh`; a row a connection.
pub static SSH: [Wanted; 8] = [
    wanted("client.proto_version", "client_version", Kind::Str),
    wanted("client.software_version", "client_software", Kind::Str),
    wanted("client.hassh.hash", "hassh", Kind::Str),
    wanted("client.hassh.string", "hassh_string", Kind::Str),
    wanted("server.proto_version", "server_version", Kind::Str),
    wanted("server.software_version", "server_software", Kind::Str),
    wanted("server.hassh.hash", "hassh_server", Kind::Str),
    wanted("server.hassh.string", "hassh_server_string", Kind::Str),
];

/// EVE's `smtp` with its `email`; a row a mail.
pub static SMTP: [Wanted; 10] = [
    wanted("helo", "helo", Kind::Str),
    wanted("mail_from", "mail_from", Kind::Str),
    wanted("rcpt_to", "rcpt_to", Kind::Strs),
    wanted("email.status", "status", Kind::Str),
    wanted("email.from", "from", Kind::Str),
    wanted("email.to", "to", Kind::Strs),
    wanted("email.cc", "cc", Kind::Strs),
    wanted("email.subject", "subject", Kind::Str),
    wanted("email.attachment", "attachments", Kind::Strs),
    wanted("email.url", "urls", Kind::Strs),
];

/// EVE's `ai`; a row a call.
pub static AI: [Wanted; 39] = [
    wanted("provider", "provider", Kind::Str),
    wanted("operation", "operation", Kind::Str),
    wanted("carrier", "carrier", Kind::Str),
    wanted("server", "server", Kind::Str),
    wanted("request.method", "method", Kind::Str),
    wanted("request.path", "path", Kind::Str),
    wanted("request.model", "model", Kind::Str),
    wanted("response.model", "response_model", Kind::Str),
    wanted("request.collection", "collection", Kind::Str),
    wanted("request.stream", "stream", Kind::Bool),
    wanted("response.status", "status", Kind::U16),
    wanted("response.error_type", "error_type", Kind::Str),
    wanted("response.finish_reasons", "finish_reasons", Kind::Strs),
    wanted("request.credential", "credential", Kind::Str),
    wanted("request.max_tokens", "max_tokens", Kind::U64),
    wanted("request.temperature", "temperature", Kind::F64),
    wanted("request.messages", "messages", Kind::U32),
    wanted("request.prompt_bytes", "prompt_bytes", Kind::U64),
    wanted("response.completion_bytes", "completion_bytes", Kind::U64),
    wanted("usage.input_tokens", "input_tokens", Kind::U64),
    wanted("usage.output_tokens", "output_tokens", Kind::U64),
    wanted("usage.cache_read_input_tokens", "cache_read_input_tokens", Kind::U64),
    wanted("usage.cache_creation_input_tokens", "cache_creation_input_tokens", Kind::U64),
    wanted("usage.reasoning_output_tokens", "reasoning_output_tokens", Kind::U64),
    wanted("timing.ttft_ms", "ttft_ms", Kind::F64),
    wanted("timing.duration_ms", "duration_ms", Kind::F64),
    wanted("timing.chunks", "chunks", Kind::U32),
    wanted("timing.itl_ms", "itl_ms", Kind::F64),
    wanted("timing.tokens_per_s", "tokens_per_s", Kind::F64),
    wanted("confidence", "confidence", Kind::F64),
    wanted("risk.score", "risk", Kind::U8),
    wanted("risk.families", "families", Kind::Strs),
    wanted("risk.where.role", "risk_role", Kind::Str),
    wanted("tools.called", "tools_called", Kind::Strs),
    wanted("tools.defined", "tools_defined", Kind::Strs),
    wanted("mcp.method", "mcp_method", Kind::Str),
    wanted("mcp.tool", "mcp_tool", Kind::Str),
    wanted("rpc.service", "rpc_service", Kind::Str),
    wanted("rpc.method", "rpc_method", Kind::Str),
];

/// EVE's `ai_service`; a row each time that something about a service is told.
pub static SERVICES: [Wanted; 23] = [
    wanted("address", "address", Kind::Str),
    wanted("port", "port", Kind::U16),
    wanted("told", "told", Kind::Str),
    wanted("changed", "changed", Kind::Strs),
    wanted("providers", "providers", Kind::Strs),
    wanted("server", "server", Kind::Str),
    wanted("models", "models", Kind::Strs),
    wanted("tools", "tools", Kind::U32),
    wanted("since", "since", Kind::Str),
    wanted("last", "last", Kind::Str),
    wanted("calls", "calls", Kind::U64),
    wanted("answered", "answered", Kind::U64),
    wanted("denied", "denied", Kind::U64),
    wanted("clients", "clients", Kind::U64),
    wanted("outside_clients", "outside_clients", Kind::Bool),
    wanted("credentials", "credentials", Kind::Strs),
    wanted("exposed.to", "exposed_to", Kind::Str),
    wanted("exposed.since", "exposed_since", Kind::Str),
    wanted("exposed.client", "exposed_client", Kind::Str),
    wanted("exposed.proof", "proof", Kind::Str),
    wanted("exposed.operations", "exposed_operations", Kind::Strs),
    wanted("more_models", "more_models", Kind::Bool),
    wanted("operations.chat", "chats", Kind::U64),
];

/// EVE's `ai_telemetry`; a row a window of a server's model.
pub static TELEMETRY: [Wanted; 23] = [
    wanted("address", "address", Kind::Str),
    wanted("port", "port", Kind::U16),
    wanted("provider", "provider", Kind::Str),
    wanted("model", "model", Kind::Str),
    wanted("response_model", "response_model", Kind::Str),
    wanted("server", "server", Kind::Str),
    wanted("window.from", "from", Kind::Str),
    wanted("window.to", "to", Kind::Str),
    wanted("state", "state", Kind::Str),
    wanted("figures.calls", "calls", Kind::F64),
    wanted("figures.error_rate", "error_rate", Kind::F64),
    wanted("figures.refusal_rate", "refusal_rate", Kind::F64),
    wanted("figures.risk_rate", "risk_rate", Kind::F64),
    wanted("figures.ttft_ms", "ttft_ms", Kind::F64),
    wanted("figures.duration_ms", "duration_ms", Kind::F64),
    wanted("figures.tokens_per_s", "tokens_per_s", Kind::F64),
    wanted("figures.prompt_bytes", "prompt_bytes", Kind::F64),
    wanted("figures.completion_bytes", "completion_bytes", Kind::F64),
    wanted("figures.confidence", "confidence", Kind::F64),
    wanted("figures.top_client_share", "top_client_share", Kind::F64),
    wanted("deviations.figure", "deviations", Kind::Strs),
    wanted("deviations.cause", "causes", Kind::Strs),
    wanted("deviations.why", "why", Kind::Strs),
];

/// What a row about no packet and no flow begins with.
pub const TIME: Spec = ("timestamp", Kind::Time);

/// The columns of a table of summaries.
pub fn sums(wanted: &[Wanted]) -> Vec<Spec> {
    core::iter::once(TIME).chain(wanted.iter().map(|w| w.spec)).collect()
}

/// The columns of a table of records.
pub fn specs(wanted: &[Wanted]) -> Vec<Spec> {
    HEAD.into_iter().chain(wanted.iter().map(|w| w.spec)).collect()
}

/// Takes a record's fields into the row being filled.
pub struct Collect<'a> {
    rows: &'a mut Rows,
    wanted: &'static [Wanted],
    /// Columns before the fields'.
    before: usize,
    /// Fields that have a value in this row; lists take any number.
    told: u64,
    path: String,
    /// Lengths of `path` to go back to.
    back: Vec<usize>,
}

impl<'a> Collect<'a> {
    /// `before`: columns that the row has before those of the fields.
    pub fn new(rows: &'a mut Rows, wanted: &'static [Wanted], before: usize) -> Collect<'a> {
        Collect { rows, wanted, before, told: 0, path: String::new(), back: Vec::new() }
    }

    fn enter(&mut self, key: &str) {
        self.back.push(self.path.len());
        if !key.is_empty() {
            self.path.push_str(key);
            self.path.push('.');
        }
    }

    fn leave(&mut self) {
        let to = self.back.pop().unwrap_or(0);
        self.path.truncate(to);
    }

    /// The column of a field, if one asks for it and has no value yet.
    fn column(&mut self, key: &str) -> Option<&mut super::column::Column> {
        // In a list the list's own name is the field's.
        let prefix = if key.is_empty() { self.path.strip_suffix('.').unwrap_or("") } else { &self.path };
        let i =
            self.wanted.iter().position(|w| w.path.strip_prefix(prefix).is_some_and(|rest| rest == key))?;
        let list = matches!(self.wanted[i].spec.1, Kind::Strs | Kind::U32s);
        if !list && self.told >> i & 1 == 1 {
            return None;
        }
        self.told |= 1 << i;
        self.rows.at(self.before + i)
    }
}

impl Fields for Collect<'_> {
    fn value(&mut self, key: &str, value: Value<'_>) {
        // No column is made of base64.
        if matches!(value, Value::Base64(_)) {
            return;
        }
        let Some(c) = self.column(key) else { return };
        match value {
            Value::Bytes(v) => c.text(&String::from_utf8_lossy(v)),
            Value::U64(v) => c.number(v),
            Value::I64(v) => c.number(u64::try_from(v).unwrap_or(0)),
            Value::F64(v) => c.float(v),
            Value::Bool(v) => c.number(u64::from(v)),
            Value::Text(v) => c.format(v),
            Value::Hex(v) => c.text(&v.iter().map(|b| format!("{b:02x}")).collect::<String>()),
            Value::Base64(_) => {}
        }
    }
    fn wants(&self, option: &str) -> bool {
        matches!(option, "extended" | "custom" | "custom.subject")
    }
    fn open(&mut self, key: &str, _: Nest) {
        self.enter(key);
    }
    fn close(&mut self, _: Nest) {
        self.leave();
    }
}
