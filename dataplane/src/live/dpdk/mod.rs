//! Ports of DPDK under workers: run to completion, one lcore with one engine and one receive queue of each port.
//!
//! In: arguments of the EAL and how to use the ports. Out: [`Lane`]s, one for each worker lcore. A lane receives, gives
//! bursts to its worker where they lie, and sends or frees them by verdict. Ports that cannot spread packets by
//! themselves (or have too few queues) are read by one lane, which passes packets on over rings, by addresses, so that
//! both directions of a flow meet.

mod args;
mod lane;
mod out;
mod setup;
mod spread;

pub use args::start_eal;
pub use lane::Lane;
pub use setup::{Options, Setup, reports, start};
