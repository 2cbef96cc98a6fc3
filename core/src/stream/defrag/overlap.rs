//! Which bytes survive when fragments overlap: the choices of the receiving systems, decided for one new
//! fragment against one held fragment at a time (as Suricata decides them, so that both see the same datagram).

use crate::stream::policy::OsPolicy;

/// A family of systems that resolve overlapping fragments alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) enum Rule {
    #[default]
    Bsd,
    BsdRight,
    Linux,
    Windows,
    Solaris,
    First,
    Last,
}

impl Rule {
    pub fn of(policy: OsPolicy) -> Rule {
        match policy {
            OsPolicy::Bsd | OsPolicy::Hpux10 | OsPolicy::Irix => Rule::Bsd,
            OsPolicy::BsdRight => Rule::BsdRight,
            OsPolicy::OldLinux | OsPolicy::Linux => Rule::Linux,
            OsPolicy::OldSolaris | OsPolicy::Hpux11 | OsPolicy::Macos | OsPolicy::First => Rule::First,
            OsPolicy::Solaris => Rule::Solaris,
            OsPolicy::Windows | OsPolicy::Vista | OsPolicy::Windows2k3 => Rule::Windows,
            OsPolicy::Last => Rule::Last,
        }
    }
}

/// A range of the datagram, with how much of its front is not to be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Extent {
    pub off: u32,
    pub len: u32,
    /// Bytes at the front given to another fragment; may exceed `len`.
    pub trim: u32,
    /// Nothing of it is used.
    pub skip: bool,
}

impl Extent {
    pub const fn end(&self) -> u32 {
        self.off + self.len
    }
    /// Where its used bytes begin.
    const fn from(&self) -> u32 {
        self.off + self.trim
    }
    pub const fn overlaps(&self, other: &Extent) -> bool {
        self.off < other.end() && other.off < self.end()
    }
    /// Gives everything before `to` away.
    fn yield_to(&mut self, to: u32) {
        self.trim = to.saturating_sub(self.off);
    }
}

/// What follows from comparing with one held fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Compare with the held fragment after it.
    Next,
    /// The new fragment's place is decided.
    Settled,
    /// The new fragment adds nothing.
    Drop,
}

/// Decides between `new` and the held fragment `old`; `after` is the held fragment behind `old`.
pub(super) fn decide(rule: Rule, new: &mut Extent, old: &mut Extent, after: Option<&mut Extent>) -> Outcome {
    match rule {
        // Copying in order of offset prefers whatever lies further right.
        Rule::BsdRight => Outcome::Next,
        Rule::Bsd => bsd(new, old, after),
        Rule::Linux => linux(new, old),
        Rule::Windows => windows(new, old),
        Rule::Solaris => solaris(new, old),
        Rule::First => first(new, old),
        Rule::Last => last(new, old),
    }
}

/// A held fragment that begins no later keeps its bytes.
fn bsd(new: &mut Extent, old: &mut Extent, after: Option<&mut Extent>) -> Outcome {
    if new.off >= old.end() {
        return Outcome::Next;
    }
    if old.off <= new.off {
        if old.end() > new.end() {
            return Outcome::Drop;
        }
        new.yield_to(old.end());
    } else if new.end() > old.from() {
        old.trim = old.trim.max(new.end() - old.off);
    }
    // What the new one has itself; before that the fragment behind may have bytes that nobody else has any more.
    if let Some(after) = after.filter(|a| new.end() > a.off && new.from() <= a.off) {
        after.yield_to(new.end());
    }
    Outcome::Settled
}

/// A held fragment that begins earlier keeps its bytes; at the same place the new one wins.
fn linux(new: &mut Extent, old: &mut Extent) -> Outcome {
    if old.from() < new.from() && old.end() > new.from() {
        new.trim += old.end() - new.off;
    }
    if new.from() < old.from() && new.end() > old.from() {
        old.yield_to(new.end());
        return Outcome::Settled;
    }
    if new.from() <= old.from() && new.end() >= old.end() {
        old.skip = true;
        return Outcome::Settled;
    }
    Outcome::Next
}

/// Held bytes stay unless the new fragment begins before and ends after all of them.
fn windows(new: &mut Extent, old: &mut Extent) -> Outcome {
    if new.off >= old.off && new.end() <= old.end() {
        return Outcome::Drop;
    }
    if new.off < old.off && new.end() > old.end() {
        old.skip = true;
        return Outcome::Settled;
    }
    let inside = new.from() > old.from() && new.from() < old.end();
    let same_start = new.off == old.off && new.end() > old.end();
    if inside || same_start {
        new.trim += old.end() - new.off;
        return Outcome::Settled;
    }
    Outcome::Next
}

/// Held bytes stay unless the new fragment begins before and reaches their end.
fn solaris(new: &mut Extent, old: &mut Extent) -> Outcome {
    if new.off >= old.end() {
        return Outcome::Next;
    }
    if new.off >= old.off {
        new.yield_to(old.end());
    } else if new.end() >= old.end() {
        old.skip = true;
    }
    Outcome::Settled
}

fn first(new: &mut Extent, old: &mut Extent) -> Outcome {
    if new.off >= old.off && new.end() <= old.end() {
        return Outcome::Drop;
    }
    if new.off < old.off {
        return Outcome::Settled;
    }
    if new.off < old.end() {
        new.yield_to(old.end());
        return Outcome::Settled;
    }
    Outcome::Next
}

fn last(new: &mut Extent, old: &mut Extent) -> Outcome {
    if new.off > old.off {
        return Outcome::Next;
    }
    if new.end() > old.off {
        old.yield_to(new.end());
    }
    Outcome::Settled
}
