//! Settings of the protocol parsers: plain data, filled by the dataplane from its configuration.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::pool::Arena;

/// Protocols that Suricata leaves off unless the configuration names them.
pub const OFF_BY_DEFAULT: &[&str] = &["modbus", "dnp3"];

/// What is done with a flow once it is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Encrypted {
    /// Inspected on.
    Full,
    /// Followed without a look at payloads.
    #[default]
    Track,
    /// Not looked at any more.
    Bypass,
}

/// Settings of all protocols. Sizes are bytes.
#[derive(Clone, Debug)]
pub struct AppConfig {
    /// Key of the parsers' own tables; [`Engine::new`](crate::engine::Engine::new) makes it of the engine's secret.
    pub seed: u64,
    pub http: HttpConfig,
    pub dns: DnsConfig,
    /// Flows by their headers alone: nothing is recognised, no parser sees a byte.
    pub off: bool,
    /// Names of protocols that are switched off (`app-layer.protocols.NAME.enabled: no`). Those that are off unless
    /// the configuration switches them on are in the default value; `enabled: yes` takes the name out.
    pub disabled: Vec<String>,
    /// Protocols that are not recognised over TCP (`true`) or over UDP (`NAME.tcp.enabled: no`).
    pub disabled_over: Vec<(String, bool)>,
    /// Names of protocols that are recognised but not parsed (`enabled: detection-only`).
    pub detection_only: Vec<String>,
    /// Detection ports that replace a protocol's own: (protocol, over tcp, ports).
    pub ports: Vec<(String, bool, Vec<u16>)>,
    /// Streams may be picked up in their middle (`stream.midstream`): detection then tries the patterns of the
    /// other direction too, and may find that client and server are swapped.
    pub midstream: bool,
    /// Compute JA3 / JA4 even when no rule asks.
    pub tls_ja3: bool,
    pub tls_ja4: bool,
    /// The same of clients over QUIC.
    pub quic_ja3: bool,
    pub quic_ja4: bool,
    /// Compute HASSH fingerprints even when no rule asks (`app-layer.protocols.ssh.hassh`).
    pub ssh_hassh: bool,
    /// Judge what is said to models and by them even when no rule asks (`app-layer.protocols.ai.risk`).
    pub ai_risk: bool,
    /// What is done with what follows a TLS handshake, and an SSH key exchange
    /// (`app-layer.protocols.tls.encryption-handling`, `ssh.encryption-handling`).
    pub tls_encrypted: Encrypted,
    /// Sessions may be read with keys: [`Engine::new`](crate::engine::Engine::new) says so.
    pub tls_keys: bool,
    pub ssh_encrypted: Encrypted,
    /// Bytes of a WebSocket payload that are kept, those of a message together
    /// (`app-layer.protocols.websocket.max-payload-size`).
    pub websocket_max_payload: usize,
    pub mqtt: MqttConfig,
    pub smtp: SmtpConfig,
    /// Transactions of a flow that may wait for their answer, where the configuration says so
    /// (`app-layer.protocols.NAME.max-tx`): protocol, and how many, at most [`MOST_WAITING`].
    pub max_waiting: Vec<(String, u32)>,
    /// Hashes wanted for every file.
    pub file_md5: bool,
    /// The bytes of files go out to be stored ([`EventSink::file_bytes`](crate::event::EventSink)), and those of every file
    /// are, not only where a rule says `filestore`.
    pub file_tap: bool,
    pub file_store_all: bool,
    pub file_sha1: bool,
    /// What files are by their first bytes is told of each, not only where rules ask.
    pub file_magic: bool,
    pub file_sha256: bool,
    /// Outputs tell the verdicts on model files (EVE `artifact`).
    pub artifacts: bool,
    /// Bytes for the readers of model files; see [`crate::engine::MemoryPlan`].
    pub model_files: usize,
    /// Bytes of a file kept in the window that `file.data` sees.
    pub file_window: usize,
    /// Outputs show transactions, files or anomalies. Without them, and without rules, bodies are not decoded.
    pub shown: bool,
    /// Outputs tell of frames.
    pub frames_shown: bool,
    /// Bytes for the states, transactions and files of all protocols together; see [`Arena`].
    pub records: usize,
    /// Bytes for decoders of bodies.
    pub decoders: usize,
    /// Most states of a protocol at once, within `records`.
    pub max_states: usize,
    /// Most live transactions of a protocol at once, within `records`.
    pub max_txs: usize,
    /// Most files at once, within `records`.
    pub max_files: usize,
    /// What all parsers of an engine share; the application layer sets it.
    pub arena: Option<Arc<Arena>>,
}

/// Transactions of a flow that may wait for their answer at the most: answers walk those that wait.
pub const MOST_WAITING: u32 = 1024;

impl AppConfig {
    /// What is done with encrypted flows of a protocol.
    pub fn encrypted(&self, proto: super::AppProto) -> Encrypted {
        match proto.name() {
            "tls" => self.tls_encrypted,
            "ssh" => self.ssh_encrypted,
            _ => Encrypted::Track,
        }
    }

    /// Transactions of a flow of that protocol that may wait for their answer. Answers walk those that wait, so there is an
    /// end to it whatever the configuration says.
    pub(crate) fn waiting(&self, name: &str) -> u32 {
        self.waiting_or(name, 256)
    }

    /// As [`AppConfig::waiting`], with what the protocol does where the configuration says nothing.
    pub(crate) fn waiting_or(&self, name: &str, otherwise: u32) -> u32 {
        let set = self.max_waiting.iter().rfind(|m| m.0 == name).map_or(otherwise, |m| m.1);
        set.clamp(1, MOST_WAITING)
    }

    /// The memory for records: the engine's, or that of a parser on its own.
    pub(crate) fn arena(&self) -> Arc<Arena> {
        self.arena.clone().unwrap_or_else(|| Arena::new(self.records))
    }
}

/// Which DNS messages get a record (`outputs.eve-log.types.dns`).
#[derive(Clone, Debug, Default)]
pub struct DnsConfig {
    /// Only messages that ask for one of these record kinds (`types`); `None`: all.
    pub kinds: Option<Vec<u16>>,
}

impl DnsConfig {
    /// Whether records of that kind of question are wanted.
    pub fn wants(&self, kind: u16) -> bool {
        self.kinds.as_ref().is_none_or(|k| k.contains(&kind))
    }
}

/// `app-layer.protocols.http.libhtp.default-config`.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    pub request_body_limit: usize,
    pub response_body_limit: usize,
    pub request_min_inspect: usize,
    pub request_inspect_window: usize,
    pub response_min_inspect: usize,
    pub response_inspect_window: usize,
    pub double_decode_path: bool,
    pub double_decode_query: bool,
    pub decompress_layers: u8,
    pub lzma_enabled: bool,
    /// Largest dictionary of lzma, bytes: data is decoded until it is full.
    pub lzma_memory: usize,
    pub max_tx: usize,
}

/// `app-layer.protocols.smtp.mime`.
#[derive(Clone, Debug)]
pub struct SmtpConfig {
    /// Beginnings of the links that are taken out of texts, with `://` or `:` (`extract-urls`, `extract-urls-schemes`).
    pub links: Vec<String>,
    /// They are shown with that beginning (`log-url-scheme`).
    pub whole_links: bool,
}

impl Default for SmtpConfig {
    fn default() -> Self {
        SmtpConfig { links: alloc::vec![String::from("http://")], whole_links: false }
    }
}

/// `app-layer.protocols.mqtt`.
#[derive(Clone, Copy, Debug)]
pub struct MqttConfig {
    /// Packets that are longer are passed over (`max-msg-length`).
    pub max_message: usize,
    /// Topics of one packet that rules look at (`subscribe-topic-match-limit`, `unsubscribe-topic-match-limit`).
    pub subscribe_topics: u16,
    pub unsubscribe_topics: u16,
}

impl Default for MqttConfig {
    fn default() -> Self {
        MqttConfig { max_message: 1 << 20, subscribe_topics: 100, unsubscribe_topics: 100 }
    }
}

impl Default for HttpConfig {
    fn default() -> Self {
        HttpConfig {
            request_body_limit: 100 << 10,
            response_body_limit: 100 << 10,
            request_min_inspect: 32 << 10,
            request_inspect_window: 4 << 10,
            response_min_inspect: 40 << 10,
            response_inspect_window: 16 << 10,
            double_decode_path: false,
            double_decode_query: false,
            decompress_layers: 2,
            lzma_enabled: true,
            lzma_memory: 1 << 20,
            max_tx: 512,
        }
    }
}

impl Default for AppConfig {
    fn default() -> Self {
        AppConfig {
            seed: 0,
            http: HttpConfig::default(),
            dns: DnsConfig::default(),
            off: false,
            disabled: OFF_BY_DEFAULT.iter().map(|n| String::from(*n)).collect(),
            disabled_over: Vec::new(),
            detection_only: Vec::new(),
            ports: Vec::new(),
            midstream: false,
            tls_keys: false,
            tls_ja3: false,
            tls_ja4: false,
            quic_ja3: true,
            quic_ja4: true,
            ssh_hassh: false,
            ai_risk: false,
            tls_encrypted: Encrypted::Track,
            ssh_encrypted: Encrypted::Track,
            websocket_max_payload: 0xffff,
            mqtt: MqttConfig::default(),
            smtp: SmtpConfig::default(),
            max_waiting: Vec::new(),
            file_md5: false,
            file_tap: false,
            artifacts: false,
            model_files: 0,
            file_store_all: false,
            file_sha1: false,
            file_magic: false,
            file_sha256: false,
            file_window: 64 << 10,
            shown: true,
            frames_shown: false,
            records: 8 << 20,
            decoders: 16 << 20,
            max_states: usize::MAX,
            max_txs: usize::MAX,
            max_files: usize::MAX,
            arena: None,
        }
    }
}
