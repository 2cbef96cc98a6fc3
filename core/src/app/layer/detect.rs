//! Which protocol a flow speaks: what to do with first bytes, with bytes after a change of protocol, and when to give up.

use super::flow::*;
use super::{AppLayer, Turn};
use crate::Dir;
use crate::app::recognise::{Found, Progress};
use crate::app::{AppProto, Input, OVER_TCP};

/// Bytes held in one direction beyond which an undecided flow is given up.
const HOLD_MAX: usize = 100_000;
/// Bytes that wait in a direction whose start is missing.
const LOST_MAX: usize = 16 << 10;
/// Bytes after a change of protocol within which the new one must be recognised.
const CHANGE_MAX: usize = 4096;

impl AppLayer {
    /// Bytes are missing. Returns whether what follows them may be looked at.
    pub(super) fn gap(&mut self, t: &mut Turn<'_>, input: Input<'_>) -> bool {
        if t.app.flags & CHANGING != 0 {
            t.app.flags &= !CHANGING;
            self.give_up(t);
            return false;
        }
        if t.app.side(input.dir) == AppProto::UNKNOWN {
            t.app.flags |= LOST << input.dir.ix();
            t.app.progress.patterns_done[input.dir.ix()] = true;
            t.app.progress.probes_done[input.dir.ix()] = true;
            if !t.app.proto.is_known() {
                return false;
            }
            // The parser must know: the gap goes to it although this side was never recognised.
            let only_gap = Input { data: &[], eof: false, ..input };
            let fed = t.fed;
            self.parse(t, only_gap);
            t.fed = Fed { parse_failed: t.fed.parse_failed, ..fed };
            return t.app.flags & (OFF | OPAQUE) == 0;
        }
        true
    }

    /// The start of a direction is missing, so nothing tells what it speaks: what follows waits until the other one is
    /// recognised, as far as it is worth waiting.
    pub(super) fn wait_for_other(&mut self, t: &mut Turn<'_>, input: Input<'_>) {
        let dir = input.dir;
        if input.data.is_empty() || input.data.len() > LOST_MAX || t.app.progress.done(dir.flip()) {
            return;
        }
        if t.app.first == 0 {
            t.app.first = dir.bit();
        }
        t.fed.consumed = 0;
    }

    /// First bytes of a direction whose protocol is unknown.
    pub(super) fn detect(&mut self, t: &mut Turn<'_>, input: Input<'_>) {
        let (dir, data) = (input.dir, input.data);
        if t.app.first == 0 && !data.is_empty() {
            t.app.first = dir.bit();
        }
        let other = t.app.side(dir.flip());
        match self.look(t.flow, data, dir, other, &mut t.app.progress, t.now) {
            Some(found) => {
                if found.reversed && t.flow.midstream && other == AppProto::UNKNOWN {
                    t.fed.consumed = 0;
                    t.fed.reverse = true;
                    t.app.progress = Progress::default();
                    return;
                }
                self.decide(t, input, found.proto);
            }
            None => {
                t.fed.consumed = 0;
                t.app.held[dir.ix()] = data.len() as u32;
                if t.flow.midstream && t.app.progress.done(Dir::ToServer) {
                    return self.give_up_all(t, data);
                }
                if other != AppProto::UNKNOWN {
                    self.follow_other(t, input, other);
                } else {
                    self.maybe_give_up(t, data);
                }
            }
        }
    }

    /// The protocol of this direction was found.
    fn decide(&mut self, t: &mut Turn<'_>, input: Input<'_>, proto: AppProto) {
        let dir = input.dir;
        let other = t.app.side(dir.flip());
        t.app.set_side(dir, proto);
        t.fed.decided = true;
        if other != AppProto::UNKNOWN && other != proto {
            t.fed.events |= MISMATCH;
            // Once a parser has been fed its answer stands; before that the server is believed.
            t.app.proto = if t.app.first & SENT == 0 && dir == Dir::ToClient { proto } else { other };
        } else {
            t.app.proto = proto;
        }
        if t.app.first & 3 != 0 && t.app.first & dir.bit() == 0 {
            t.app.flags |= HELD << dir.ix();
            t.fed.other_first = true;
            t.fed.consumed = 0;
            return;
        }
        if self.first_fits(t, dir) {
            self.parse(t, input);
        }
    }

    /// Checks that the first bytes of the flow travelled as the protocol demands.
    pub(super) fn first_fits(&mut self, t: &mut Turn<'_>, dir: Dir) -> bool {
        let must = t.app.proto.def().recognise.first;
        if t.app.first & SENT == 0 && must != 0 {
            if must & t.app.first == 0 {
                t.fed.events |= WRONG_DIRECTION;
                self.give_up(t);
                return false;
            }
            if must & dir.bit() == 0 {
                // The right direction's bytes exist but are not here yet: start again with them.
                t.app.set_side(dir, AppProto::UNKNOWN);
                t.app.proto = AppProto::UNKNOWN;
                t.app.progress = Progress::default();
                t.fed.consumed = 0;
                return false;
            }
        }
        t.app.first = t.app.first & FRESH | SENT;
        true
    }

    /// Nothing was found here, but the other direction is known.
    fn follow_other(&mut self, t: &mut Turn<'_>, input: Input<'_>, other: AppProto) {
        let dir = input.dir;
        let must = other.def().recognise.first;
        if t.app.first & SENT == 0 && must != 0 && must & dir.bit() == 0 {
            t.fed.consumed = input.data.len();
            self.give_up(t);
            return;
        }
        if !t.app.progress.done(dir) {
            return;
        }
        if !input.data.is_empty() {
            t.app.first = t.app.first & FRESH | SENT;
        }
        if (other.def().answer)(input.data) {
            t.app.set_side(dir, other);
            t.fed.consumed = input.data.len();
            return self.parse(t, input);
        }
        t.app.set_side(dir, AppProto::FAILED);
        t.fed.consumed = input.data.len();
        if other != AppProto::FAILED {
            t.fed.events |= ONE_DIRECTION;
            self.parse(t, input);
        }
    }

    /// Neither direction is known: decides whether to go on.
    fn maybe_give_up(&mut self, t: &mut Turn<'_>, data: &[u8]) {
        let [ts, tc] = t.app.held.map(|n| n as usize);
        let (d_ts, d_tc) = (t.app.progress.done(Dir::ToServer), t.app.progress.done(Dir::ToClient));
        let p = &t.app.progress;
        let unfinished = |d: Dir| p.probes_done[d.ix()] && !p.patterns_done[d.ix()];
        let too_much = ts > 2 * HOLD_MAX
            || tc > 2 * HOLD_MAX
            || (d_ts && ts > HOLD_MAX && tc == 0)
            || (d_tc && tc > HOLD_MAX && ts == 0)
            || (tc > HOLD_MAX && unfinished(Dir::ToServer) && d_tc)
            || (ts > HOLD_MAX && unfinished(Dir::ToClient) && d_ts);
        if d_ts && d_tc {
            self.give_up_all(t, data);
        } else if too_much {
            t.fed.events |= SKIPPED;
            self.give_up_all(t, data);
        }
    }

    /// After a change of protocol was announced: looks for the next one.
    pub(super) fn feed_changed(&mut self, t: &mut Turn<'_>, input: Input<'_>) {
        if input.data.is_empty() {
            if input.eof {
                t.fed.consumed = 0;
            }
            return;
        }
        let mut progress = Progress::default();
        // Nothing marks how some protocols begin: there both sides' agreement is believed.
        let agreed = Some(t.app.proto_expected).filter(|p| p.is_known() && p.def().recognise.is_none());
        let found = match agreed {
            Some(proto) => Some(Found { proto, reversed: false }),
            None => self.look(t.flow, input.data, input.dir, AppProto::UNKNOWN, &mut progress, t.now),
        };
        let Some(found) = found else {
            t.fed.consumed = 0;
            let alone = t.flow.midstream && progress.done(Dir::ToServer);
            if alone || input.data.len() >= CHANGE_MAX || input.eof {
                t.app.flags &= !CHANGING;
                self.give_up_all(t, input.data);
            }
            return;
        };
        if let Some(st) = t.app.state()
            && let Some(p) = self.parser_of_mut(t.app.owner)
        {
            t.carried = p.handed_on(st, found.proto);
        }
        self.close_state(t.app, t.flow, t.pool, t.now);
        t.app.flags &= !CHANGING;
        t.app.proto_ts = agreed.unwrap_or_default();
        t.app.proto_tc = agreed.unwrap_or_default();
        t.app.progress = progress;
        t.app.first = SENT | FRESH;
        t.app.held = [0; 2];
        if t.app.proto_expected != AppProto::UNKNOWN && t.app.proto_expected != found.proto {
            t.fed.events |= UNEXPECTED;
            if t.app.proto_expected.name() == "tls" {
                t.fed.events |= NO_TLS;
            }
        }
        self.decide(t, input, found.proto);
    }

    pub(super) fn feed_datagram(&mut self, t: &mut Turn<'_>, input: Input<'_>) {
        let dir = input.dir;
        if t.app.side(dir) == AppProto::UNKNOWN {
            let other = t.app.side(dir.flip());
            match self.look(t.flow, input.data, dir, other, &mut t.app.progress, t.now) {
                Some(found) => {
                    if found.reversed && !t.app.proto.is_known() {
                        // The same bytes come again from the other side. What they are is known: by then the port that told
                        // it is the client's, which is not asked.
                        t.app.proto = found.proto;
                        t.app.set_side(dir, found.proto);
                        t.app.first = SENT;
                        t.fed.consumed = 0;
                        t.fed.reverse = true;
                        t.app.progress = Progress::default();
                        return;
                    }
                    t.app.set_side(dir, found.proto);
                    if other.is_known() {
                        if other != found.proto {
                            t.fed.events |= MISMATCH;
                        }
                    } else {
                        t.app.proto = found.proto;
                        t.fed.decided = true;
                    }
                }
                None if other != AppProto::UNKNOWN => {
                    t.app.proto = other;
                    t.app.set_side(dir, other);
                }
                None => t.app.set_side(dir, AppProto::FAILED),
            }
            if other == AppProto::UNKNOWN && t.app.proto == AppProto::UNKNOWN {
                t.app.proto = AppProto::FAILED;
                t.fed.decided = true;
            }
            if t.app.proto_ts == AppProto::FAILED && t.app.proto_tc == AppProto::FAILED {
                t.app.flags |= OFF;
                return;
            }
        }
        if t.app.proto.is_known() {
            if core::mem::take(&mut t.app.first) == SENT {
                t.fed.decided = true;
            }
            self.parse(t, input);
            t.fed.consumed = input.data.len();
        }
    }

    /// Asks what `data` is. `progress`: what was asked already, `other`: what the other direction is.
    fn look(
        &mut self,
        flow: &FlowFacts,
        data: &[u8],
        dir: Dir,
        other: AppProto,
        progress: &mut Progress,
        now: u64,
    ) -> Option<Found> {
        let found = self.recogniser.look(flow.over, data, dir, flow.ports, other, progress);
        if found.is_some() || self.expected.is_empty() || flow.over != OVER_TCP {
            return found;
        }
        self.expected.find(flow, now).map(|proto| Found { proto, reversed: false })
    }

    /// Detection gave up: the flow's application layer is off.
    fn give_up(&mut self, t: &mut Turn<'_>) {
        self.close_state(t.app, t.flow, t.pool, t.now);
        t.app.flags |= OFF;
        t.app.first = t.app.first & FRESH | SENT;
        t.app.proto = AppProto::FAILED;
        for dir in Dir::BOTH {
            if t.app.side(dir) == AppProto::UNKNOWN {
                t.app.set_side(dir, AppProto::FAILED);
            }
        }
        t.fed.decided = true;
    }

    fn give_up_all(&mut self, t: &mut Turn<'_>, data: &[u8]) {
        self.give_up(t);
        t.fed.consumed = data.len();
    }
}
