//! Settings of an engine: what each station needs, and how much memory it may take.

use crate::ai::ledger::LedgerConfig;
use crate::app::AppConfig;
use crate::detect::context::DetectConfig;
use crate::flow::FlowConfig;
use crate::keyed::Secret;
use crate::packet::DecodeConfig;
use crate::stream::StreamConfig;

/// Settings of one engine. The memory it takes at construction is what these sizes add up to.
#[derive(Debug)]
pub struct Config {
    /// Keys every hash table; has no default on purpose.
    pub secret: Secret,
    pub decode: DecodeConfig,
    pub flow: FlowConfig,
    pub stream: StreamConfig,
    pub defrag: crate::stream::defrag::DefragConfig,
    pub app: AppConfig,
    pub detect: DetectConfig,
    pub memory: Memory,
    /// Room for TLS sessions that are read with keys; see [`Engine::tls_secret`](super::Engine::tls_secret).
    pub unseal: crate::unseal::UnsealConfig,
    /// What becomes of a packet, or its flow, at which a parser fails (`app-layer.error-policy`).
    pub app_error: crate::stream::ExceptionPolicy,
    /// What becomes of a packet whose flow found no room (`flow.memcap-policy`), and of a fragment that found none
    /// (`defrag.memcap-policy`). There is no flow to decide on: the packet alone is.
    pub flow_memcap: crate::stream::ExceptionPolicy,
    pub defrag_memcap: crate::stream::ExceptionPolicy,
    /// What calls of models add up to, and who is inside.
    pub ledger: LedgerConfig,
    /// Verdicts are obeyed (inline, or simulated): drop rules block, drop records are written.
    pub ips: bool,
    /// The sink is told of every packet with a flow ([`crate::event::EventSink::packet`]): for statistics of flows.
    pub tell_packets: bool,
    /// Tell of every packet of a TCP session: [`crate::event::StreamSeen`].
    pub tell_streams: bool,
    /// An alert by a rule that looked at no transaction is about the flow's transaction if there is one only
    /// (`detect.guess-applayer-tx`).
    pub guess_tx: bool,
}

impl Config {
    /// The defaults under `secret`.
    pub fn new(secret: Secret) -> Config {
        Config {
            secret,
            decode: DecodeConfig::default(),
            flow: FlowConfig::default(),
            stream: StreamConfig::default(),
            defrag: crate::stream::defrag::DefragConfig::default(),
            app: AppConfig::default(),
            detect: DetectConfig::default(),
            memory: Memory::default(),
            unseal: crate::unseal::UnsealConfig::default(),
            app_error: crate::stream::ExceptionPolicy::default(),
            flow_memcap: crate::stream::ExceptionPolicy::default(),
            defrag_memcap: crate::stream::ExceptionPolicy::default(),
            ledger: LedgerConfig::default(),
            ips: false,
            tell_packets: false,
            tell_streams: false,
            guess_tx: false,
        }
    }
}

/// Bytes of the two variable-size pools.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// Reassembled bytes (`stream.reassembly.memcap`).
    pub stream: usize,
    /// What parsers, files and flow variables hold.
    pub app: usize,
}

impl Default for Memory {
    fn default() -> Self {
        Memory { stream: 128 << 20, app: 128 << 20 }
    }
}
