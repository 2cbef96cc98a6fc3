//! Streams: IP fragments become datagrams, TCP segments become in-order bytes.
//!
//! In: decoded packets. Out: complete datagrams and ordered data with gaps marked. Owns the fragment and
//! segment pools.
mod buffer;
mod checks;
pub mod config;
pub mod defrag;
pub mod events;
mod handshake;
pub mod policy;
mod session;
mod state;

pub use config::{ExceptionPolicy, StreamConfig, UrgentPolicy};
pub use events::{Ev, StreamEvents};
pub use session::{AppChunk, RawChunk, Session, StreamCounters, StreamOut, Streams, TcpState, outflag};

#[cfg(test)]
mod tests;
