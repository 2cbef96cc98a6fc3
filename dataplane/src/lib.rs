//! Everything of Tidegate that touches the world: captures, configuration, outputs, the command.
#![deny(unsafe_code)]

pub mod analysis;
pub mod capture;
pub mod cmd;
pub mod config;
pub mod context;
pub mod counters;
#[cfg(feature = "dpdk")]
pub mod dpdk;
pub mod eve;
pub mod filter;
pub mod glob;
pub mod incident;
pub mod intel;
pub mod keys;
pub mod labels;
pub mod lines;
pub mod lists;
#[cfg(unix)]
pub mod live;
pub mod load;
pub mod log;
pub mod mcp;
pub mod pcaplog;
pub mod policy;
#[cfg(unix)]
pub mod response;
pub mod save;
pub mod secret;
pub mod sets;
