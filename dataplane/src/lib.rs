//! Everything of Tidegate that touches the world: captures, configuration, outputs, the command.
#![forbid(unsafe_code)]

pub mod capture;
pub mod config;
pub mod counters;
pub mod eve;
pub mod filter;
pub mod lists;
pub mod load;
pub mod sets;
