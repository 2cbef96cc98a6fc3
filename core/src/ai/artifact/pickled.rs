//! Pickles of a level, and arrays of NumPy, which may be pickles inside: bytes go to the machine, what it found goes into the report,
//! and a file that a pickle holds goes to the level below.

use super::*;

impl Level {
    pub(super) fn pickled(&mut self, b: u8, below: &mut [Level], rep: &mut Report) {
        if !self.machine.began() && matches!(b, b'\n' | b'\r' | b' ' | b'\t' | 0) {
            return;
        }
        match self.machine_byte(b, below, rep) {
            Status::Running => {}
            Status::Stopped => {
                rep.format("pickle");
                rep.understood = true;
                self.stopped += 1;
                self.machine.reset();
            }
            Status::Broken => {
                // Behind a pickle there may be numbers, but nothing that only begins as another pickle.
                if self.broken_pickle() {
                    rep.find(Judgement::Unreadable, "pickle that cannot be read on", &[]);
                }
                self.kind = Kind::Plain;
            }
        }
    }

    /// Reads what is taken for something else as a pickle, too: whoever loads it as one runs it.
    pub(super) fn twin(&mut self, b: u8, rep: &mut Report) {
        if !self.twin {
            return;
        }
        let status = self.machine.byte(b, rep);
        // The level below is the archive's: a file in this pickle is not judged.
        if self.machine.nested() || (status == Status::Stopped && self.machine.convincing()) {
            rep.find(Judgement::Suspicious, "is a pickle as well", &[]);
        }
        if status == Status::Broken && self.machine.convincing() {
            rep.find(Judgement::Unreadable, "is a pickle as well, that cannot be read on", &[]);
        }
        self.twin = status == Status::Running;
    }

    pub(super) fn broken_pickle(&self) -> bool {
        if self.stopped == 0 { self.machine.sure() } else { self.machine.convincing() }
    }

    /// One byte of a pickle, which goes below, too, when it is of a file that the pickle loads.
    pub(super) fn machine_byte(&mut self, b: u8, below: &mut [Level], rep: &mut Report) -> Status {
        if self.machine.nested() && !self.nested && !self.zip.scanning() {
            // The level below has a member of an archive that began before.
            rep.find(Judgement::Suspicious, "loads bytes as a file that were not judged", &[]);
        } else if self.machine.nested() {
            if !self.nested {
                self.nested = true;
                self.around = rep.member;
                Below(below).begin(b"", rep);
            }
            push(below, rep, &[b]);
        }
        let status = self.machine.byte(b, rep);
        if self.nested && !self.machine.nested() {
            self.end_nested(below, rep);
        }
        status
    }

    pub(super) fn end_nested(&mut self, below: &mut [Level], rep: &mut Report) {
        self.nested = false;
        Below(below).end(rep);
        rep.member = self.around;
    }

    pub(super) fn array(&mut self, b: u8, rep: &mut Report) {
        let n = &mut self.npy;
        let at = n.at;
        n.at += 1;
        let long = n.major >= 2;
        match at {
            6 => n.major = b,
            8..=9 => n.size |= u64::from(b) << ((at - 8) * 8),
            10..=11 if long => n.size |= u64::from(b) << ((at - 8) * 8),
            _ => {
                let from = if long { 12 } else { 10 };
                if at < from {
                    return;
                }
                if at < from + n.size {
                    n.last = [n.last[1], n.last[2], b];
                    // `'|O'`, `'O'`, `'<O8'`: a quote or a byte order before the letter.
                    if n.last[2] == b'O' && matches!(n.last[1], b'\'' | b'"' | b'|' | b'<' | b'>' | b'=') {
                        n.object = true;
                    }
                    if at + 1 == from + n.size {
                        if n.object {
                            self.kind = Kind::Pickle;
                            self.machine.reset();
                        } else {
                            rep.understood = true;
                        }
                    }
                }
            }
        }
    }

    /// JSON in attributes of HDF5.
    pub(super) fn attribute(&mut self, b: u8, rep: &mut Report) {
        rep.understood = true;
        if self.in_json {
            self.in_json = self.json.byte(b, rep) == State::Running;
        } else if self.last == b'{' && b == b'"' {
            self.json = Json::NEW;
            self.json.byte(b'{', rep);
            self.in_json = self.json.byte(b'"', rep) == State::Running;
        }
        self.last = b;
    }
}
