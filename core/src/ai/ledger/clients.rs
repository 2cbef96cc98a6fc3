//! The clients of a window that ask most, with what each adds to its figures: who carries a change.
//!
//! In: calls. Out: the client without which a figure would be as ever. Owns a few places; a client that finds none takes that of
//! the one with the fewest calls, and its count with it (Metwally and others, Space-Saving, 2005).

use super::facts::Facts;
use super::telemetry::{Figure, Mean, OF_CALLS};
use crate::packet::Addr;

const PLACES: usize = 8;

/// A client's part of the window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Client {
    addr: Addr,
    v6: bool,
    pub(super) calls: u32,
    /// Calls that are not its own, but those of whose place it took.
    inherited: u32,
    sums: [(u32, f32); OF_CALLS],
}

/// Who carries a change, and how much of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Carrier {
    pub client: Addr,
    pub v6: bool,
    /// Of the calls, or of what is counted: 0 to 1.
    pub share: f64,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Clients {
    places: [Client; PLACES],
}

impl Clients {
    pub(super) const EMPTY: Clients = Clients {
        places: [Client {
            addr: Addr([0; 16]),
            v6: false,
            calls: 0,
            inherited: 0,
            sums: [(0, 0.0); OF_CALLS],
        }; PLACES],
    };

    pub(super) fn add(&mut self, f: &Facts) {
        let known = self.places.iter().position(|c| c.calls > 0 && c.addr == f.client);
        let fewest = || (0..PLACES).min_by_key(|i| self.places[*i].calls).unwrap_or(0);
        let c = match known {
            Some(i) => &mut self.places[i],
            None => {
                let i = fewest();
                let before = self.places[i].calls;
                let c = &mut self.places[i];
                *c = Client {
                    addr: f.client,
                    v6: f.v6,
                    calls: before,
                    inherited: before,
                    sums: [(0, 0.0); OF_CALLS],
                };
                c
            }
        };
        c.calls += 1;
        for (figure, sum) in Figure::LIST.into_iter().zip(&mut c.sums) {
            if let Some(x) = figure.of(f) {
                *sum = (sum.0 + 1, sum.1 + x as f32);
            }
        }
    }

    /// The one that asked most, by what is certain.
    pub(super) fn top(&self) -> Option<Client> {
        let own = |c: &Client| c.calls - c.inherited;
        self.places
            .iter()
            .filter(|c| c.calls > 0)
            .max_by_key(|c| own(c))
            .map(|c| Client { calls: own(c), ..*c })
    }

    /// The client whose calls make the change: without them `is_usual` holds of what is left.
    pub(super) fn carrier(
        &self,
        figure: Figure,
        all: &[Mean; OF_CALLS],
        calls: u32,
        is_usual: impl Fn(f64) -> bool,
    ) -> Option<Carrier> {
        let of = |c: &Client, share: f64| Carrier { client: c.addr, v6: c.v6, share };
        if matches!(figure, Figure::Calls | Figure::TopClient) {
            let c = self.top()?;
            let share = f64::from(c.calls) / f64::from(calls.max(1));
            let rest = f64::from(calls - c.calls);
            let usual = figure == Figure::TopClient || is_usual(libm::log1p(rest));
            return (usual && share > 0.3).then(|| of(&c, share));
        }
        let m = &all[figure as usize];
        let without = |c: &Client| {
            let (n, sum) = c.sums[figure as usize];
            let left = m.n.saturating_sub(n);
            (n > 0 && left > 0).then(|| (m.sum - f64::from(sum)) / f64::from(left))
        };
        // Of those that explain it, the one without which it is least.
        let explains = self.places.iter().filter(|c| c.calls > 0 && without(c).is_some_and(&is_usual));
        let c = explains.max_by(|a, b| {
            let moved = |c: &Client| (m.mean() - without(c).unwrap_or(m.mean())).abs();
            moved(a).total_cmp(&moved(b))
        })?;
        let (n, sum) = c.sums[figure as usize];
        let rates = matches!(figure, Figure::Errors | Figure::Refusals | Figure::Risk);
        let share =
            if rates { f64::from(sum) / m.sum.max(1e-9) } else { f64::from(n) / f64::from(m.n.max(1)) };
        Some(of(c, share))
    }
}
