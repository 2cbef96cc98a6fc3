//! How much may be made of what came.
//!
//! In: whose bytes are at work and how many came, and what decompression (codings of bodies, compressed messages, archives)
//! made of them. Out: whether it may go on. Owns, for each group of clients, what they may have made beyond measure.
//!
//! Every byte that a flow sends pays for [`RATIO`] decoded ones, wherever in nested layers they come out: no coding is
//! that dense on average for ordinary traffic, while a kilobyte of gzip in gzip could be a gigabyte. What is denser draws
//! on a stock that a client shares with those of its group, [`STOCK`] bytes at first and at most, refilled with time. So
//! the work of decoding is bounded by the bytes on the wire, the seconds and the clients, not by what senders write into
//! headers, and a client that spends all it has takes nothing from others.

use crate::keyed::Sip13;
use crate::packet::Addr;
use alloc::boxed::Box;
use alloc::vec;

/// Decoded bytes that each byte of the wire pays for.
pub const RATIO: u32 = 64;
/// Decoded bytes that clients of one group may have beyond that.
pub const STOCK: u32 = 8 << 20;
/// Stock that comes back, bytes a millisecond of packet time: 1 MiB/s.
const REFILL: u64 = 1 << 10;
/// Most that a flow saves up.
const SAVED: u32 = 32 << 20;
/// Groups of clients, by keyed hash.
const GROUPS: usize = 256;

/// Credit of a flow, decoded bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Credit(u32);

impl Credit {
    /// So many bytes came.
    #[must_use]
    pub fn earn(self, bytes: usize) -> Credit {
        let more = u32::try_from(bytes).unwrap_or(u32::MAX).saturating_mul(RATIO);
        Credit(self.0.saturating_add(more).min(SAVED))
    }

    /// So many of them were not taken: they will come again.
    #[must_use]
    pub fn unearn(self, bytes: usize) -> Credit {
        let less = u32::try_from(bytes).unwrap_or(u32::MAX).saturating_mul(RATIO);
        Credit(self.0.saturating_sub(less))
    }
}

#[derive(Clone, Copy, Debug)]
struct Stock {
    left: u32,
    /// Milliseconds of packet time of the last refill.
    at: u64,
}

/// What may still be made, by flow and by client.
#[derive(Debug)]
pub struct Growth {
    credit: Credit,
    client: Addr,
    now: u64,
    stocks: Box<[Stock]>,
    hash: Sip13,
    refused: u64,
}

impl Growth {
    pub(super) fn new() -> Self {
        Growth {
            credit: Credit::default(),
            client: Addr::default(),
            now: 0,
            stocks: vec![Stock { left: STOCK, at: 0 }; GROUPS].into_boxed_slice(),
            hash: Sip13::new([0; 2]),
            refused: 0,
        }
    }

    /// Groups are told apart by this; senders must not know it.
    pub fn seed(&mut self, seed: u64) {
        self.hash = Sip13::new([seed, !seed]);
    }

    /// Bytes of a flow of `client` are at work from now on, at `now` (packet time, ns); it has no credit.
    pub fn begin(&mut self, client: Addr, now: u64) {
        (self.credit, self.client, self.now) = (Credit::default(), client, now);
    }

    /// The flow at work has that credit.
    pub fn lend(&mut self, credit: Credit) {
        self.credit = credit;
    }

    /// So many decoded bytes were [spent](Growth::spend) before, by another flow, on what is only done now.
    pub fn was_paid(&mut self, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.credit.0 = self.credit.0.saturating_add(bytes);
    }

    /// What is left of it.
    pub fn back(&mut self) -> Credit {
        core::mem::take(&mut self.credit)
    }

    /// Times that decoding ended because nothing was left.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    fn stock(&mut self) -> &mut Stock {
        // An IPv4 address, or the network of an IPv6 address: who has one host address there has them all.
        let network = self.client.0.first_chunk().map_or(0, |b| u64::from_le_bytes(*b));
        let s = &mut self.stocks[usize::from(self.hash.words([network]) as u8)];
        let now = self.now / 1_000_000;
        let more = now.saturating_sub(s.at).saturating_mul(REFILL);
        // A time that goes back is the new now: else one wrong record would end the refill for as long as it was ahead.
        s.at = now;
        s.left = u32::try_from(more).unwrap_or(u32::MAX).saturating_add(s.left).min(STOCK);
        s
    }

    /// Decoded bytes that the flow at work may still have.
    pub fn left(&mut self) -> u64 {
        let stock = self.stock().left;
        u64::from(self.credit.0) + u64::from(stock)
    }

    /// So many decoded bytes came out. `false`, counted: no more of this may.
    pub fn spend(&mut self, bytes: usize) -> bool {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        if let Some(left) = self.credit.0.checked_sub(bytes) {
            self.credit.0 = left;
            return true;
        }
        let beyond = bytes - core::mem::take(&mut self.credit.0);
        let s = self.stock();
        let enough = s.left >= beyond;
        s.left = s.left.saturating_sub(beyond);
        self.refused += u64::from(!enough);
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(n: u8) -> Addr {
        Addr::v4([10, 0, 0, n])
    }

    #[test]
    fn a_byte_pays_for_some_and_the_stock_for_the_rest() {
        let mut g = Growth::new();
        g.begin(client(1), 0);
        g.lend(Credit::default().earn(10));
        assert!(g.spend(600));
        assert_eq!(g.left(), 40 + u64::from(STOCK));
        assert!(g.spend(40 + STOCK as usize));
        assert_eq!((g.left(), g.back(), g.refused()), (0, Credit(0), 0));
        assert!(!g.spend(1));
        assert_eq!(g.refused(), 1);
        // Another client is not concerned, and a second brings a MiB back.
        g.begin(client(2), 0);
        assert_eq!(g.left(), u64::from(STOCK));
        g.begin(client(1), 1_000_000_000);
        assert_eq!(g.left(), 1000 << 10);
        // Time that goes back brings nothing, and goes on from there.
        g.begin(client(1), 500_000_000);
        assert_eq!(g.left(), 1000 << 10);
        g.begin(client(1), u64::MAX);
        assert!(g.spend(STOCK as usize));
        g.begin(client(1), 500_000_000);
        assert_eq!(g.left(), 0);
        g.begin(client(1), 600_000_000);
        assert_eq!(g.left(), 100 << 10);
    }

    #[test]
    fn what_is_not_taken_is_not_earned_twice() {
        let c = Credit::default().earn(1000).unearn(1000);
        assert_eq!(c, Credit::default());
        assert_eq!(Credit::default().earn(usize::MAX), Credit(SAVED));
        assert_eq!(Credit::default().unearn(usize::MAX), Credit::default());
    }
}
