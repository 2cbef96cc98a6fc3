//! The window: bytes that were decoded last, as far as the frame's window and the memory reach.

use alloc::vec::Vec;

/// A ring of bytes in memory reserved at construction.
#[derive(Debug)]
pub struct Ring {
    mem: Vec<u8>,
    /// Bytes of it used for this frame.
    size: usize,
    at: usize,
    /// Bytes written since the frame began.
    total: u64,
    /// Of those written last, how many were not handed on yet.
    pub pending: usize,
}

impl Ring {
    pub fn new(memory: usize) -> Self {
        Ring { mem: Vec::with_capacity(memory), size: 0, at: 0, total: 0, pending: 0 }
    }

    pub fn warm(&mut self) {
        crate::pool::touch_reserved(&mut self.mem, usize::MAX, 0);
    }

    pub fn capacity(&self) -> usize {
        self.mem.capacity()
    }

    /// Another frame, with a window of that size.
    pub fn begin(&mut self, size: usize) {
        self.mem.clear();
        (self.size, self.at, self.total) = (size.min(self.mem.capacity()), 0, 0);
    }

    /// Makes room for `n` bytes at the present place, which do not reach over the end.
    fn room(&mut self, n: usize) {
        if self.mem.len() < self.at + n {
            // Within what is reserved: only pages that are needed are touched.
            self.mem.resize(self.at + n, 0);
        }
    }

    fn wrote(&mut self, n: usize) {
        self.at = (self.at + n) % self.size.max(1);
        self.total += n as u64;
        self.pending += n;
    }

    pub fn put(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.size > 0 {
            let n = bytes.len().min(self.size - self.at);
            self.room(n);
            self.mem[self.at..self.at + n].copy_from_slice(&bytes[..n]);
            self.wrote(n);
            bytes = &bytes[n..];
        }
    }

    /// Repeats `len` bytes that lie `back` bytes behind; `None` if that is further than what is there.
    pub fn copy(&mut self, back: u32, mut len: usize) -> Option<()> {
        let back = back as usize;
        if back == 0 || back as u64 > self.total || back > self.size {
            return None;
        }
        while len > 0 {
            let from = (self.at + self.size - back) % self.size;
            let n = len.min(self.size - self.at).min(self.size - from);
            self.room(n);
            if back >= n {
                self.mem.copy_within(from..from + n, self.at);
            } else {
                for i in 0..n {
                    self.mem[self.at + i] = self.mem[from + i];
                }
            }
            self.wrote(n);
            len -= n;
        }
        Some(())
    }

    /// Hands on what is pending, as far as `out` has room: bytes.
    pub fn give(&mut self, out: &mut [u8]) -> usize {
        let mut done = 0;
        while self.pending > 0 && done < out.len() {
            let from = (self.at + self.size - self.pending) % self.size;
            let n = self.pending.min(out.len() - done).min(self.size - from);
            out[done..done + n].copy_from_slice(&self.mem[from..from + n]);
            self.pending -= n;
            done += n;
        }
        done
    }
}
