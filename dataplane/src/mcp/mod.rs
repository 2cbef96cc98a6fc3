//! `tidegate mcp`: a server of the Model Context Protocol over what a sensor wrote. It reads and never writes.
//!
//! In: messages of JSON-RPC, one a line, and the files of an output folder. Out: answers, one a line. Owns a list of files
//! and a classifier of texts; events stay on disk and are read by blocks for each question, however large the files are.
//!
//! * `rpc.rs`: messages, versions of the protocol, errors. `http.rs`: the same on a port of loopback.
//! * `events.rs`: events on disk: found by scanning, named by file and offset, continued by a cursor.
//! * `filter.rs`: which events a question wants. `args.rs`: arguments of tools, all of which must be known.
//! * `quote.rs`: text of the traffic leaves as quoted data with a mark, and with the classifier's word.
//! * `packets.rs`: packets of a flow, out of alerts or captures. `tools/`: one file a tool.

mod args;
mod check;
mod events;
mod filter;
pub mod http;
mod packets;
mod quote;
mod rpc;
mod tools;

pub use check::is_events;
pub use events::{Order, Store};
pub use quote::visible;
pub use rpc::Server;
pub use tools::incidents_of;

/// What the server looks at.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Output folders, or files of events.
    pub events: Vec<std::path::PathBuf>,
    /// Captures in which packets of flows are looked up, beside those that lie in the output folders.
    pub captures: Vec<std::path::PathBuf>,
    /// Rule files whose text explains alerts, beside the rules that ship.
    pub rules: Vec<std::path::PathBuf>,
    /// Control socket of a running sensor.
    pub control: Option<std::path::PathBuf>,
    /// `HOME_NET`, for stories that are made here because the events have none.
    pub home: Option<std::sync::Arc<tidegate_core::rules::ir::AddrSet>>,
}
