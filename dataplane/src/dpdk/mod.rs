//! DPDK, safe by type: an EAL that begins once per process, ports whose queues have one owner each, mbufs that are freed
//! once.
//!
//! In: arguments of the EAL, numbers of ports. Out: [`Burst`]s of [`Mbuf`]s. Owns what DPDK gave until it is given
//! back: dropping an [`Mbuf`] frees it, dropping the last handle of a port stops it. Memory of the EAL itself stays
//! until the process ends, so nothing can outlive it.
//!
//! This module and `tidegate-dpdk-sys` are where DPDK's `unsafe` is; everything above is safe code.
#![allow(unsafe_code)]

mod eal;
mod flow;
mod mbuf;
pub mod peers;
mod port;
mod ring;

pub use eal::{Eal, Lcore, tsc, tsc_hz};
pub use flow::{FlowAction, FlowCount, FlowMatch, FlowRule, FlowRules};
pub use mbuf::{Burst, IndexField, MAX_BURST, Mbuf, Pool, Timestamps};
pub use port::{Port, PortConfig, PortInfo, PortStats, Queues, RxQueue, TxQueue, ports};
pub use ring::{Receiver, Sender, ring};

/// DPDK refused something.
#[derive(Debug, thiserror::Error)]
pub enum DpdkError {
    #[error("DPDK: {what}: {why}")]
    Refused { what: String, code: i32, why: String },
    #[error("DPDK can be started once in a process")]
    Twice,
    #[error("an argument has a NUL byte in it")]
    Nul(#[from] std::ffi::NulError),
}

impl DpdkError {
    /// An error from DPDK's number for it, negative or not.
    fn new(what: impl Into<String>, code: i32) -> Self {
        DpdkError::Refused { what: what.into(), code: code.abs(), why: eal::strerror(code) }
    }

    /// From the thread's `rte_errno`.
    fn last(what: impl Into<String>) -> Self {
        DpdkError::new(what, eal::errno())
    }

    /// DPDK's number, without sign (an errno); 0 when it did not come from DPDK.
    pub fn code(&self) -> i32 {
        match self {
            DpdkError::Refused { code, .. } => *code,
            _ => 0,
        }
    }
}
