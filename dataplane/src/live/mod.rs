//! Live traffic: workers with an engine each, the queues between them and one writer, control from outside.
//!
//! In: frames from whatever receives them (DPDK ports, AF_PACKET rings, or the caller's own). Out: verdicts to the
//! receiver, EVE lines to files, counters and answers to whoever asks. On a worker's path nothing is shared, allocated
//! or waited for.
//!
//! [`worker::Worker`] is what a product with its own ports uses; [`manager::Manager`] is the other side of its mailbox.

#[cfg(target_os = "linux")]
pub mod afpacket;
pub mod blocklist;
pub mod chunk;
pub mod control;
#[cfg(feature = "dpdk")]
pub mod dpdk;
pub mod files;
pub mod manager;
pub mod offload;
pub mod prometheus;
pub mod reject;
pub mod replace;
pub(crate) mod serve;
pub mod sink;
pub mod source;
pub mod stories;
pub mod worker;
pub mod writer;

use std::time::{SystemTime, UNIX_EPOCH};

/// The wall clock, nanoseconds since the epoch.
pub fn now_ns() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX))
}
