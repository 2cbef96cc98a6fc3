//! Streams: IP fragments become datagrams, TCP segments become in-order bytes.
//!
//! In: decoded packets. Out: complete datagrams and ordered data with gaps marked. Owns the fragment and
//! segment pools.
pub mod policy;
