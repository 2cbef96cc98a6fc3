//! The Tidegate engine: frames in, events and verdicts out.
//!
//! One folder per station of the data path, in the order the data takes:
//! [`packet`] → [`flow`] → [`stream`] → [`app`] → [`detect`] → [`event`]s. Nothing here does I/O, reads a
//! clock, starts a thread or allocates once it is built; time and bytes come from the caller.
#![cfg_attr(not(feature = "std"), no_std)]
#![deny(unsafe_code)]
extern crate alloc;

pub mod ai;
pub mod app;
pub mod detect;
pub mod engine;
pub mod event;
pub mod fault;
pub mod flow;
pub mod intel;
mod keyed;
pub mod packet;
pub mod policy;
pub mod pool;
pub mod response;
pub mod rules;
pub mod sig;
pub mod stream;
pub mod unseal;

pub use keyed::Secret;

/// Which way bytes travel, seen from the flow: the client opened it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[repr(u8)]
pub enum Dir {
    #[default]
    ToServer = 0,
    ToClient = 1,
}

impl Dir {
    /// Both directions, client's first.
    pub const BOTH: [Dir; 2] = [Dir::ToServer, Dir::ToClient];

    /// The opposite direction.
    #[must_use]
    pub const fn flip(self) -> Dir {
        match self {
            Dir::ToServer => Dir::ToClient,
            Dir::ToClient => Dir::ToServer,
        }
    }

    /// 0 for to-server, 1 for to-client: the index of every `[_; 2]` kept per direction.
    pub const fn ix(self) -> usize {
        self as usize
    }

    /// The bit of this direction in a direction mask.
    pub const fn bit(self) -> u8 {
        1 << self as u8
    }
}
