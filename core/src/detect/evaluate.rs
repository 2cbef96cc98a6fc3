//! All conditions of a rule on one transaction.
//!
//! In: a rule and a transaction as its parser tells it. Out: yes, no, or "depends on what is still to come". Owns
//! nothing.

use super::bench::Bench;
use super::context::PacketCx;
use super::inspect::Bytes;
use super::ruleset::{CInt, CState, Hook, List, NONE, RuleSet, Sig, Source};
use super::wait::Gate;
use crate::ai::artifact::Judgement;
use crate::app::{Buffer, BufferAt, BufferKind, IntAt, Parser, StateId, TxRef, file};
use crate::pool::{BytePool, Scratch};
use crate::rules::ir::{self, IntIndex};
use crate::{Dir, app};

/// What evaluating a rule on a transaction gave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Answer {
    Yes,
    No,
    /// Depends on what is still to come.
    Wait,
}

/// The transaction at hand.
pub(super) struct TxCx<'a> {
    pub(super) parser: &'a dyn Parser,
    pub(super) st: StateId,
    pub(super) tx: TxRef,
    /// Index of the protocol in the registry.
    pub(super) p: usize,
    pub(super) dir: Dir,
    /// Of the transaction in that direction.
    pub(super) progress: u8,
    pub(super) complete: bool,
    pub(super) files: &'a file::Files,
    /// It is a frame.
    pub(super) frame: bool,
}

impl Bench {
    /// All conditions of a rule on one transaction.
    pub(super) fn transaction(
        &mut self,
        rules: &RuleSet,
        sig: &Sig,
        cx: &PacketCx<'_>,
        t: &TxCx<'_>,
        pool: &BytePool,
    ) -> Answer {
        self.gate = Gate::OPEN;
        if let Some(Hook::Progress(dir, at)) = sig.hook {
            let at = if at == u8::MAX { t.parser.complete_progress(dir) } else { at };
            if t.parser.common(t.tx.idx).progress(dir) < at {
                return Answer::Wait;
            }
        }
        let mut wait = match self.conditions(sig, t, pool) {
            Answer::Yes => false,
            Answer::No => return Answer::No,
            Answer::Wait => true,
        };
        if !self.header_lists(rules, sig, cx) {
            return Answer::No;
        }
        let mut held = true;
        for (n, l) in sig.lists.iter().enumerate() {
            let a = match l.source {
                Source::App(key) => {
                    let (a, gate) = self.buffer(rules, key, (n, l), t, pool);
                    if a == Answer::Wait && self.gate.is_open() {
                        self.gate = gate;
                    }
                    a
                }
                Source::Base64(key) if wait && !self.base64_ready => {
                    let _ = key;
                    Answer::Wait
                }
                Source::Base64(key) => {
                    if self.base64_list(rules, key, l) {
                        Answer::Yes
                    } else {
                        Answer::No
                    }
                }
                Source::Magic(key) => self.magic(rules, key, l, t, pool),
                Source::Header(..) | Source::Payload => Answer::Yes,
            };
            match a {
                Answer::Yes => {}
                Answer::No => return Answer::No,
                Answer::Wait => (wait, held) = (true, false),
            }
        }
        if let Some(l) = &sig.payload_list {
            let bytes = match &cx.raw {
                Some(r) => Bytes::whole(r.chunk()),
                None => Bytes::whole(cx.pkt.payload()),
            };
            if !self.run(rules, l, bytes) {
                return Answer::No;
            }
        }
        if !sig.files.is_empty() && !wait {
            match files_match(&sig.files, t) {
                Answer::Yes => {}
                Answer::No => return Answer::No,
                Answer::Wait => {
                    self.gate = Gate::REST;
                    return Answer::Wait;
                }
            }
        }
        if wait && held {
            self.gate = Gate::REST;
        }
        if !wait {
            Answer::Yes
        } else if t.complete {
            Answer::No
        } else {
            Answer::Wait
        }
    }

    /// What a rule wants of the transaction's states and numbers.
    fn conditions(&mut self, sig: &Sig, t: &TxCx<'_>, pool: &BytePool) -> Answer {
        let common = t.parser.common(t.tx.idx);
        let mut wait = false;
        for s in &sig.state {
            match s {
                CState::AppEvent { proto, event }
                    if (proto.index() != Some(t.p) || common.events >> event & 1 == 0) =>
                {
                    return Answer::No;
                }
                CState::DceIface { uuid, version, any_frag } => {
                    let is = interface(t, pool, |b| {
                        let at = |n: usize| u64::from(b.get(n).copied().unwrap_or(0));
                        b.get(..16) == Some(&uuid[..])
                            && version.as_ref().is_none_or(|v| v.test(at(16) | at(17) << 8))
                            && (*any_frag || at(18) == 1)
                    });
                    if !is {
                        return Answer::No;
                    }
                }
                CState::AppState { test, dir } if !test.test(u64::from(common.progress(*dir))) => {
                    wait = true;
                }
                _ => {}
            }
        }
        for i in &sig.ints {
            match self.number(i, t, pool, sig) {
                Answer::Yes => {}
                Answer::No => return Answer::No,
                Answer::Wait => wait = true,
            }
        }
        if wait { Answer::Wait } else { Answer::Yes }
    }

    /// What of a rule whose lists all held is not decided: states, numbers, files.
    pub(super) fn rest(&mut self, sig: &Sig, t: &TxCx<'_>, pool: &BytePool) -> Answer {
        match self.conditions(sig, t, pool) {
            Answer::Yes if !sig.files.is_empty() => files_match(&sig.files, t),
            other => other,
        }
    }

    /// A list on what the files of the transaction are.
    fn magic(&mut self, rules: &RuleSet, key: u32, l: &List, t: &TxCx<'_>, pool: &BytePool) -> Answer {
        let head = t.parser.common(t.tx.idx).files[t.dir.ix()];
        let mut answer = if t.complete { Answer::No } else { Answer::Wait };
        // The builder's place is lent out so that the conditions may use the rest of the bench.
        let mut build = core::mem::replace(&mut self.build, Scratch::new(0));
        for id in t.files.chain(head) {
            build.clear();
            let f = t.files.view(id);
            if !f.magic(pool, &mut build) {
                answer = Answer::Wait;
            } else if self.run_transformed(rules, key, l, Bytes::whole(build.as_slice())) {
                answer = Answer::Yes;
                break;
            }
        }
        self.build = build;
        answer
    }

    fn number(&mut self, i: &CInt, t: &TxCx<'_>, pool: &BytePool, sig: &Sig) -> Answer {
        let local = i.local.get(t.p).copied().unwrap_or(NONE);
        let Some(def) = app::registry::PROTOCOLS[t.p].ints.get(local as usize) else { return Answer::No };
        let dir = if def.dirs & t.dir.bit() != 0 || sig.dirs != 3 { t.dir } else { t.dir.flip() };
        if def.dirs & dir.bit() == 0 {
            return Answer::No;
        }
        if t.parser.common(t.tx.idx).progress(dir) < def.progress {
            return Answer::Wait;
        }
        let get = |n: u32| t.parser.int(t.st, t.tx.idx, IntAt { local, dir, index: n, pool });
        let count = || (0..u32::from(u16::MAX)).take_while(|n| get(*n).is_some()).count() as u32;
        let yes = match i.index {
            IntIndex::Any if !def.multi => get(0).is_some_and(|v| i.test.test(v)),
            IntIndex::Any => (0..count()).filter_map(get).any(|v| i.test.test(v)),
            IntIndex::All => {
                let n = count();
                n > 0 && (0..n).filter_map(get).all(|v| i.test.test(v))
            }
            IntIndex::AllOrNone => (0..count()).filter_map(get).all(|v| i.test.test(v)),
            IntIndex::Nth(n) => {
                let at = if n < 0 { i64::from(count()) + i64::from(n) } else { i64::from(n) };
                u32::try_from(at).ok().and_then(get).is_some_and(|v| i.test.test(v))
            }
            IntIndex::Count => i.test.test(u64::from(count())),
        };
        if yes {
            Answer::Yes
        } else if t.complete {
            Answer::No
        } else {
            Answer::Wait
        }
    }

    /// List number `n` of a rule on its buffer; when it waits, what for.
    fn buffer(
        &mut self,
        rules: &RuleSet,
        key: u32,
        (n, l): (usize, &List),
        t: &TxCx<'_>,
        pool: &BytePool,
    ) -> (Answer, Gate) {
        let key_of = &rules.bufs[key as usize];
        let local = key_of.local.get(t.p).copied().unwrap_or(NONE);
        let Some(def) = app::registry::PROTOCOLS[t.p].buffers.get(local as usize) else {
            return (Answer::No, Gate::OPEN);
        };
        let dir = l.dir(def, t.dir);
        let progress = t.parser.common(t.tx.idx).progress(dir);
        let over = progress >= t.parser.complete_progress(dir);
        if progress < def.progress && !over {
            return (Answer::Wait, Gate::value(n, def.kind, 0));
        }
        // The builder's place is lent out so that the conditions may use the rest of the bench.
        let mut build = core::mem::replace(&mut self.build, Scratch::new(0));
        // Values that are new since the rule waits for this list; at the end all, as trailers join fields before them.
        let mut index = if over { 0 } else { self.past.first(n, l, def.kind) };
        let mut present = index > 0;
        let mut gate = Gate::OPEN;
        let answer = loop {
            build.clear();
            let at = BufferAt { local, dir, index, pool, scratch: &mut build };
            match t.parser.buffer(t.st, t.tx.idx, at) {
                Buffer::NotYet => {
                    gate = Gate::value(n, def.kind, index);
                    break if over { Answer::No } else { Answer::Wait };
                }
                Buffer::Absent => {
                    if matches!(def.kind, BufferKind::Multi | BufferKind::Chain) {
                        gate = Gate::value(n, def.kind, index);
                    }
                    break if present {
                        if l.absent == Some(ir::Absent::Only) || over { Answer::No } else { Answer::Wait }
                    } else if l.absent.is_some() {
                        // What may still come is not absent yet. A buffer of the transaction's last step may come
                        // as long as there is the transaction.
                        match (progress > def.progress, over) {
                            (true, _) => Answer::Yes,
                            (_, true) => Answer::No,
                            _ => Answer::Wait,
                        }
                    } else if matches!(def.kind, BufferKind::Multi | BufferKind::Chain) && !over {
                        Answer::Wait
                    } else {
                        Answer::No
                    };
                }
                Buffer::Data { bytes, offset, end } => {
                    let total = offset + bytes.len() as u64;
                    let frame = def.kind == BufferKind::Frame;
                    let growing =
                        !end && (frame || matches!(def.kind, BufferKind::Streaming | BufferKind::Chain));
                    if growing && !frame && total < u64::from(self.body_min[dir.ix()]) {
                        gate = Gate::value(n, def.kind, index);
                        break Answer::Wait;
                    }
                    present = true;
                    if l.absent == Some(ir::Absent::Only) {
                        break Answer::No;
                    }
                    if self.run_transformed(rules, key, l, Bytes { buf: bytes, offset, end }) {
                        break Answer::Yes;
                    }
                    if def.kind == BufferKind::Multi || end && def.kind == BufferKind::Chain {
                        index += 1;
                        continue;
                    }
                    if end || over {
                        break Answer::No;
                    }
                    if growing {
                        gate = Gate::grows((n, l), key_of.xforms.is_empty(), index, bytes, total);
                    }
                    break Answer::Wait;
                }
            }
        };
        self.build = build;
        (answer, gate)
    }
}

/// Whether the interface that a call of DCERPC is about satisfies `is`.
fn interface(t: &TxCx<'_>, pool: &BytePool, is: impl Fn(&[u8]) -> bool) -> bool {
    let buffers = app::registry::PROTOCOLS[t.p].buffers;
    let Some(local) = buffers.iter().position(|b| b.name == "dcerpc.iface") else { return false };
    let mut scratch = Scratch::new(0);
    let at = BufferAt { local: local as u8, dir: t.dir, index: 0, pool, scratch: &mut scratch };
    matches!(t.parser.buffer(t.st, t.tx.idx, at), Buffer::Data { bytes, .. } if is(bytes))
}

/// Whether one file of the transaction satisfies all file conditions.
fn files_match(conds: &[ir::FileMatch], t: &TxCx<'_>) -> Answer {
    let head = t.parser.common(t.tx.idx).files[t.dir.ix()];
    let mut answer = Answer::No;
    for id in t.files.chain(head) {
        let f = t.files.view(id);
        if !f.ended() {
            let so_far = f.artifact_so_far().map_or(Judgement::Clean, |v| v.judgement);
            if conds.iter().all(|c| matches!(c, ir::FileMatch::Artifact(m) if m.early(so_far))) {
                return Answer::Yes;
            }
            answer = Answer::Wait;
            continue;
        }
        let ok = conds.iter().all(|c| match c {
            ir::FileMatch::Any => true,
            // Of a file that was cut short it is known that there is so much of it, not how large it is.
            ir::FileMatch::Size(test) => {
                let least = matches!(test, ir::IntTest::Gt(_) | ir::IntTest::Ge(_));
                (least || f.state() == file::FileState::Closed) && test.test(f.size())
            }
            ir::FileMatch::Artifact(m) => f.artifact().is_some_and(|v| v.is_of_model() && m.test(&v)),
            ir::FileMatch::Hash { len, negated, digests } => {
                let d: Option<&[u8]> = match len {
                    16 => f.md5().map(|d| &d[..]),
                    20 => f.sha1().map(|d| &d[..]),
                    _ => f.sha256().map(|d| &d[..]),
                };
                d.is_some_and(|d| digests.chunks_exact(usize::from(*len)).any(|x| x == d) != *negated)
            }
        });
        if ok {
            return Answer::Yes;
        }
    }
    answer
}
