//! Streams of records that begin by saying how long they are: SMB, DCERPC, NFS, Kerberos and DNP3 over TCP.
//!
//! In: bytes of a direction, with gaps. Out: for each record its beginning, as much of it as the protocol wants whole, and
//! then the rest as it comes. Owns nothing: the protocol keeps how much of a record is still to come ([`Reader::left`]).

use super::frames::Notes;
use super::hosted::Transactions;
use super::{AppCx, Input, Outcome};
use crate::Dir;

/// What the next bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Head {
    /// So many bytes are needed to tell.
    More(usize),
    /// A record of `whole` bytes, of which the protocol wants the first `first` at once.
    Record { whole: usize, first: usize },
    /// So many bytes are no record: passed over.
    Skip(usize),
    /// Nothing that follows can be read.
    Broken,
}

/// A part of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part<'b> {
    /// Its beginning; `whole`: bytes that the record has.
    First { bytes: &'b [u8], whole: usize },
    /// What follows; `end`: nothing more of it does.
    Rest { bytes: &'b [u8], end: bool },
    /// So many bytes of it never arrived.
    Gap { bytes: usize, end: bool },
}

/// A protocol of such records, whose transactions are `T`s.
pub(super) trait Reader<T> {
    /// Bytes of the record of that direction that are still to come.
    fn left(&mut self, dir: Dir) -> &mut usize;
    /// What `rest`, which is never empty, begins with.
    fn head(&mut self, rest: &[u8], dir: Dir) -> Head;
    /// A part of a record.
    fn part(&mut self, part: Part<'_>, flow: &mut Transactions<'_, T>, dir: Dir, cx: &mut AppCx<'_>);
    /// Notes the frames of a record of `whole` bytes; `rest` begins with it.
    fn frames(_rest: &[u8], _whole: usize, _notes: &mut Notes) {}
    /// Bytes are missing where a record begins. Whether the protocol finds the next one by itself.
    fn lost(&mut self, dir: Dir) -> bool;
}

/// Reads an input.
pub(super) fn read<T: Default, R: Reader<T>>(
    r: &mut R,
    flow: &mut Transactions<'_, T>,
    input: Input<'_>,
    cx: &mut AppCx<'_>,
) -> Outcome {
    let dir = input.dir;
    if input.gap > 0 && !gap(r, flow, input.gap as usize, dir, cx) {
        return Outcome::Failed;
    }
    let mut at = 0;
    while let Some(rest) = input.data.get(at..).filter(|r| !r.is_empty()) {
        let left = *r.left(dir);
        if left > 0 {
            let bytes = rest.get(..left).unwrap_or(rest);
            *r.left(dir) = left - bytes.len();
            r.part(Part::Rest { bytes, end: bytes.len() == left }, flow, dir, cx);
            at += bytes.len();
            continue;
        }
        if flow.is_full() {
            return Outcome::Full { bytes: at };
        }
        match r.head(rest, dir) {
            Head::More(need) => return Outcome::Consumed { bytes: at, need },
            Head::Skip(n) => at += n.clamp(1, rest.len()),
            Head::Broken => return Outcome::Failed,
            Head::Record { whole, first } => {
                let first = first.clamp(1, whole.max(1));
                let Some(bytes) = rest.get(..first) else {
                    return Outcome::Consumed { bytes: at, need: first };
                };
                if cx.frames.wanted() {
                    R::frames(rest, whole, cx.frames);
                }
                *r.left(dir) = whole.saturating_sub(first);
                r.part(Part::First { bytes, whole }, flow, dir, cx);
                at += first;
            }
        }
    }
    Outcome::Consumed { bytes: at, need: 0 }
}

/// Missing bytes: those of the record that is under way are told; whether reading can go on.
fn gap<T, R: Reader<T>>(
    r: &mut R,
    flow: &mut Transactions<'_, T>,
    gap: usize,
    dir: Dir,
    cx: &mut AppCx<'_>,
) -> bool {
    let left = *r.left(dir);
    let inside = gap.min(left);
    if inside > 0 {
        *r.left(dir) = left - inside;
        r.part(Part::Gap { bytes: inside, end: inside == left }, flow, dir, cx);
    }
    inside == gap || r.lost(dir)
}
