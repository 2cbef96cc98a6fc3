//! Streams: IP fragments become datagrams, TCP segments become in-order bytes.
//!
//! In: decoded packets. Out: complete datagrams and ordered data with gaps marked. Owns the fragment and
//! segment pools.
pub mod config;
pub mod defrag;
pub mod events;
pub mod policy;
mod session;

pub use config::{ExceptionPolicy, StreamConfig, UrgentPolicy};
pub use events::{Ev, StreamEvents};
pub use session::{AppChunk, RawChunk, Session, StreamCounters, StreamOut, Streams, TcpState, outflag};
