//! Brotli (RFC 7932) in memory reserved at construction.
//!
//! In: coded bytes as they come. Out: decoded bytes. Owns everything the decoder asks for: its allocator hands out
//! cells made beforehand, the smallest that is large enough, and nothing when all are taken, which ends the stream.

use super::Status;
use alloc::vec::Vec;
use brotli_decompressor::{
    Allocator, BrotliDecompressStream, BrotliResult, BrotliState, HuffmanCode, SliceWrapper, SliceWrapperMut,
};

/// Largest window, bytes (2^22, the most that encoders choose by themselves).
const WINDOW: usize = 4 << 20;
/// Bytes that the decoder wants behind its window.
const SLACK: usize = 1 << 10;
/// Codes of one group of trees: 256 trees of at most 1080.
const GROUP: usize = 256 * 1080;

/// Bytes of the cells whose size is fixed.
const CELLS: usize = 256 + 3 * (16 << 10) + 3 * 256 * 4 + (1080 + 2 * 2048) * size_of::<HuffmanCode>();

/// Memory made beforehand.
#[derive(Debug, Default)]
pub struct Cells<T> {
    free: Vec<Vec<T>>,
}

/// Memory handed out; empty when there was none.
#[derive(Debug, Default)]
pub struct Cell<T> {
    mem: Vec<T>,
    len: usize,
}

impl<T> SliceWrapper<T> for Cell<T> {
    fn slice(&self) -> &[T] {
        &self.mem[..self.len]
    }
}

impl<T> SliceWrapperMut<T> for Cell<T> {
    fn slice_mut(&mut self) -> &mut [T] {
        &mut self.mem[..self.len]
    }
}

impl<T: Clone + Default> Allocator<T> for Cells<T> {
    type AllocatedMemory = Cell<T>;

    fn alloc_cell(&mut self, len: usize) -> Cell<T> {
        let fit = (0..self.free.len())
            .filter(|i| self.free[*i].capacity() >= len)
            .min_by_key(|i| self.free[*i].capacity());
        match fit {
            Some(i) if len > 0 => {
                let mut mem = self.free.swap_remove(i);
                if mem.len() < len {
                    // Within what is reserved: only pages that were ever asked for are touched.
                    mem.resize(len, T::default());
                }
                Cell { mem, len }
            }
            _ => Cell::default(),
        }
    }

    /// What a stream left behind must not show in the next one: damaged streams read what they never wrote.
    fn free_cell(&mut self, mut cell: Cell<T>) {
        if cell.mem.capacity() > 0 {
            cell.slice_mut().fill(T::default());
            self.free.push(cell.mem);
        }
    }
}

impl<T: Copy + Default> Cells<T> {
    fn warm(&mut self) {
        for cell in &mut self.free {
            crate::pool::touch(cell);
            crate::pool::touch_reserved(cell, usize::MAX, T::default());
        }
    }
}

fn cells<T>(sizes: &[usize]) -> Cells<T> {
    Cells { free: sizes.iter().map(|n| Vec::with_capacity(*n)).collect() }
}

/// One decoder.
pub struct Brotli {
    state: BrotliState<Cells<u8>, Cells<u32>, Cells<HuffmanCode>>,
}

impl core::fmt::Debug for Brotli {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Brotli")
    }
}

impl Brotli {
    /// Bytes of a decoder that every stream of the usual encoders fits into.
    pub const MOST: usize = 2 * (WINDOW + SLACK) + 3 * GROUP * size_of::<HuffmanCode>() + CELLS;

    /// Reserves what one stream can ask for in `memory` bytes: a window and its larger successor, maps of contexts,
    /// trees. Streams that ask for more than that end.
    pub fn new(memory: usize) -> Self {
        let whole = memory >= Self::MOST;
        let rest = memory.saturating_sub(CELLS);
        let window = if whole { WINDOW } else { (rest / 3).clamp(1 << 10, WINDOW) };
        let group = if whole { GROUP } else { rest / 9 / size_of::<HuffmanCode>() };
        let bytes = cells(&[256, 16 << 10, 16 << 10, 16 << 10, window + SLACK, window + SLACK]);
        let codes = cells(&[1080, 2048, 2048, group, group, group]);
        Brotli { state: BrotliState::new_strict(bytes, cells(&[256; 3]), codes) }
    }

    /// Touches its memory.
    pub fn warm(&mut self) {
        self.state.alloc_u8.warm();
        self.state.alloc_u32.warm();
        self.state.alloc_hc.warm();
    }

    /// Ready for another stream.
    pub fn reset(&mut self) {
        let s = &mut self.state;
        s.BrotliStateCleanupAfterMetablock();
        let (mut bytes, words) = (core::mem::take(&mut s.alloc_u8), core::mem::take(&mut s.alloc_u32));
        let mut codes = core::mem::take(&mut s.alloc_hc);
        let mut window = core::mem::take(&mut s.ringbuffer);
        if s.rb_roundtrips == 0 {
            // Only what was written needs to be cleared.
            window.len = window.len.min(usize::try_from(s.pos).unwrap_or(0) + SLACK);
        }
        bytes.free_cell(window);
        let blocks = &mut s.block_type_length_state;
        codes.free_cell(core::mem::take(&mut blocks.block_type_trees));
        codes.free_cell(core::mem::take(&mut blocks.block_len_trees));
        codes.free_cell(core::mem::take(&mut s.context_map_table));
        self.state = BrotliState::new_strict(bytes, words, codes);
    }

    /// Decodes from `data`, which moves on, into `out`.
    pub fn decode(&mut self, data: &mut &[u8], out: &mut [u8]) -> (Status, usize) {
        let (mut left, mut at, mut room, mut wrote, mut total) = (data.len(), 0, out.len(), 0, 0);
        let result = BrotliDecompressStream(
            &mut left,
            &mut at,
            data,
            &mut room,
            &mut wrote,
            out,
            &mut total,
            &mut self.state,
        );
        *data = data.get(at..).unwrap_or(&[]);
        let status = match result {
            BrotliResult::ResultSuccess => Status::Done,
            // With the output full there may be more of it, though all input is read.
            BrotliResult::NeedsMoreInput if wrote < out.len() => Status::NeedsInput,
            BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => Status::MoreOutput,
            BrotliResult::ResultFailure => {
                let n = self.rest(&mut out[wrote..]);
                wrote += n;
                if n > 0 { Status::MoreOutput } else { Status::Failed }
            }
        };
        (status, wrote)
    }

    /// What was decoded before the damage and not handed over: it counts, however the input was cut.
    fn rest(&mut self, out: &mut [u8]) -> usize {
        let s = &mut self.state;
        let lap = s.rb_roundtrips.saturating_mul(u64::try_from(s.ringbuffer_size).unwrap_or(0));
        let from = usize::try_from(s.partial_pos_out.saturating_sub(lap)).unwrap_or(usize::MAX);
        let rest = s.ringbuffer.slice().get(from..usize::try_from(s.pos).unwrap_or(0)).unwrap_or(&[]);
        let n = rest.len().min(out.len());
        out[..n].copy_from_slice(&rest[..n]);
        s.partial_pos_out += n as u64;
        n
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_come_back_and_the_smallest_is_taken() {
        let mut c: Cells<u8> = cells(&[100, 10, 1000]);
        let a = c.alloc_cell(11);
        assert_eq!((a.slice().len(), a.mem.capacity() < 1000), (11, true));
        let b = c.alloc_cell(12);
        assert!(b.mem.capacity() >= 1000);
        assert_eq!(c.alloc_cell(11).slice().len(), 0);
        c.free_cell(a);
        let mut b = b;
        b.slice_mut()[3] = 7;
        c.free_cell(b);
        assert!(c.free.iter().all(|v| v.iter().all(|b| *b == 0)));
        c.free_cell(Cell::default());
        assert_eq!(c.free.len(), 3);
    }
}
