//! Streams: IP fragments become datagrams, TCP segments become in-order bytes.
//!
//! In: decoded packets. Out: complete datagrams and ordered data with gaps marked. Owns the fragment and
//! segment pools.
//!
//! # Memory of a TCP session
//!
//! | flow | bytes beside its 256 in the flow table |
//! |---|---|
//! | no session (a packet of the middle, a scan's RST) | 0 |
//! | handshake, or established and idle with everything read | one [`Session`] slot |
//! | the same with raw inspection | and a block of at most 4 KiB per direction for the retained tail |
//! | data in flight | and a block per direction of the next power of two, 64 for the segments' borders |
//! | data beyond a hole | and 64 to 512 for the list of blocks |
//! | bypassed, encrypted or beyond its depth | one [`Session`] slot |
//!
//! Packets in order and acknowledged cost one copy into the direction's buffer; nothing is searched or linked.
mod buffer;
mod checks;
mod closing;
pub mod config;
pub mod defrag;
pub mod events;
mod handshake;
pub mod policy;
mod segment;
mod session;
mod state;
mod streams;

pub(crate) use buffer::missing;
pub use config::{ExceptionPolicy, StreamConfig, UrgentPolicy};
pub use events::{Ev, StreamEvents};
pub use session::{AppChunk, RawChunk, Session, StreamOut, TcpState, outflag};
pub use streams::{StreamCounters, Streams};

#[cfg(test)]
mod tests;
