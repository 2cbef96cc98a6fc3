//! Ways out of a lane: a burst for each port, and the queue that takes it.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::lane::Unit;
use crate::dpdk::{Burst, TxQueue};
use crate::live::worker::{Worker, add};

/// Tries to send what a port does not take.
const TX_TRIES: u32 = 64;

#[derive(Clone, Debug)]
pub(super) enum Tx {
    Shared(Arc<Mutex<TxQueue>>),
}

#[derive(Debug)]
pub(super) enum Output {
    Own(TxQueue),
    Shared(Tx),
}

impl Output {
    fn send(&mut self, b: &mut Burst) -> usize {
        match self {
            Output::Own(q) => q.send(b),
            // Only where a port has fewer queues than there are lanes. A poisoned lock guards nothing that could be
            // half done.
            Output::Shared(Tx::Shared(q)) => q.lock().unwrap_or_else(|e| e.into_inner()).send(b),
        }
    }
}

/// What a lane knows of a port.
#[derive(Debug)]
pub(super) struct Way {
    /// Where packets from this port go, by place in `ways`.
    pub(super) peer: Option<usize>,
    pub(super) out: Option<Output>,
    pub(super) burst: Burst,
    pub(super) unit: Unit,
    pub(super) replay: bool,
}

/// Sends a port's burst. What it does not take in time is freed and counted: those packets are shed, not forwarded.
pub(super) fn flush(way: &mut Way, w: &mut Worker) {
    let mut tries = 0;
    if let Some(out) = &mut way.out {
        let mut until = None;
        while !way.burst.is_empty() {
            if out.send(&mut way.burst) > 0 {
                tries = 0;
                continue;
            }
            tries += 1;
            std::hint::spin_loop();
            if tries > TX_TRIES {
                // A receiver that shares our core needs it to take anything.
                std::thread::yield_now();
                let until = *until.get_or_insert_with(|| Instant::now() + Duration::from_micros(500));
                if Instant::now() > until {
                    break;
                }
            }
        }
    }
    let left = way.burst.len() as u64;
    if left > 0 {
        let bytes: u64 = way.burst.packets().iter().map(|m| m.len() as u64).sum();
        add(&w.counters.shed_tx, left);
        let f = &w.counters.forwarded;
        f.store(f.load(Ordering::Relaxed).saturating_sub(left), Ordering::Relaxed);
        let f = &w.counters.forwarded_bytes;
        f.store(f.load(Ordering::Relaxed).saturating_sub(bytes), Ordering::Relaxed);
        way.burst.free();
    }
}
