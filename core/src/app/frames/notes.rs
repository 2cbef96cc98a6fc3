//! What a parser says of frames while it reads one input.
//!
//! In: slices of that input. Out: places in it. Owns a list of fixed size.

use alloc::vec::Vec;

/// What is said of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A frame begins, of so many bytes if that is known.
    Begin(Option<u64>),
    /// The frame of that kind that was begun last ends here.
    End,
}

/// One place in an input.
#[derive(Clone, Copy, Debug)]
pub struct Note {
    /// Place of the kind among the protocol's buffers.
    pub local: u8,
    /// Bytes of the input before it.
    pub at: u32,
    pub what: What,
    /// Number of the transaction.
    pub tx: Option<u64>,
}

/// Notes of one input that are kept: of more frames nothing is known.
const MOST: usize = 512;

/// The notes. Parsers give slices of their input; where those lie in it follows from their addresses.
#[derive(Debug)]
pub struct Notes {
    list: Vec<Note>,
    on: bool,
    from: usize,
    len: usize,
}

impl Notes {
    pub fn new() -> Self {
        Notes { list: Vec::with_capacity(MOST), on: false, from: 0, len: 0 }
    }

    /// A parser is about to read `input`; `on`: somebody asks for its frames.
    pub fn begin_input(&mut self, input: &[u8], on: bool) {
        self.list.clear();
        (self.on, self.from, self.len) = (on, input.as_ptr() as usize, input.len());
    }

    /// Whether notes are taken: for parsers that would have to look for frames.
    pub fn wanted(&self) -> bool {
        self.on
    }

    /// A frame begins with the first byte of `at`, a part of the input.
    pub fn begin(&mut self, local: u8, at: &[u8], len: Option<u64>) {
        self.note(local, at, What::Begin(len));
    }

    /// A frame of these bytes, which lie in the input.
    pub fn whole(&mut self, local: u8, bytes: &[u8]) {
        self.note(local, bytes, What::Begin(Some(bytes.len() as u64)));
    }

    /// A unit of `whole` bytes with a header of `head`: frames of three kinds that follow each other, all of it, its header,
    /// what follows that. `at` begins with it.
    pub fn parts(&mut self, first: u8, at: &[u8], (whole, head): (usize, usize)) {
        self.begin(first, at, Some(whole as u64));
        self.begin(first + 1, at, Some(head.min(whole) as u64));
        if let Some(data) = at.get(head..).filter(|_| head < whole) {
            self.begin(first + 2, data, Some((whole - head) as u64));
        }
    }

    /// The frame of that kind that was begun last ends before `at`.
    pub fn end(&mut self, local: u8, at: &[u8]) {
        self.note(local, at, What::End);
    }

    /// The frames noted since the last call of this belong to transaction `id`, as far as they have none.
    pub fn of_tx(&mut self, id: u64) {
        for n in self.list.iter_mut().rev().take_while(|n| n.tx.is_none()) {
            n.tx = Some(id);
        }
    }

    fn note(&mut self, local: u8, at: &[u8], what: What) {
        if !self.on || self.list.len() >= MOST {
            return;
        }
        // What does not lie in the input has no place in it.
        let Some(place) = (at.as_ptr() as usize).checked_sub(self.from).filter(|n| *n <= self.len) else {
            return;
        };
        let Ok(at) = u32::try_from(place) else { return };
        self.list.push(Note { local, at, what, tx: None });
    }

    /// What was noted.
    #[cfg(test)]
    pub(crate) fn all(&self) -> &[Note] {
        &self.list
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn get(&self, n: usize) -> Option<Note> {
        self.list.get(n).copied()
    }

    pub(super) fn clear(&mut self) {
        self.list.clear();
        self.on = false;
    }

    /// Whether nothing was noted.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

impl Default for Notes {
    fn default() -> Self {
        Notes::new()
    }
}
