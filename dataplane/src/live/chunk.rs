//! What goes round between a worker and the writer: buffers of whole lines.
//!
//! A [`Room`] is filled by one worker, frozen into a [`Chunk`], whose bytes any number of outputs share without a copy, and
//! becomes a room again when the last of them let go. Rooms are made at the start; none is made or freed on the way.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use crossbeam_queue::ArrayQueue;

pub use crate::eve::logs::Class;

/// Bytes of one buffer. A line that is longer gets a larger one, made for it.
pub const CHUNK: usize = 256 << 10;
/// Buffers of one worker.
pub const CHUNKS: usize = 32;
/// Lines of one buffer.
const LINES: usize = 4096;

/// Free buffers that must remain for what is worth more. Statistics have a channel of their own.
const fn reserve(class: Class) -> usize {
    match class {
        Class::Flow => CHUNKS / 2,
        Class::Record => CHUNKS / 4,
        Class::Anomaly => CHUNKS / 8,
        Class::Stats | Class::Alert => 0,
    }
}

/// Where a record ends, and what it is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    pub at: u32,
    pub class: Class,
}

/// A buffer being filled.
#[derive(Debug)]
struct Room {
    bytes: BytesMut,
    ends: Vec<End>,
}

impl Room {
    fn new() -> Room {
        let mut bytes = BytesMut::with_capacity(CHUNK + 1);
        // Split once, the buffer is of the shared kind from the start, so that freezing it takes no memory.
        drop(bytes.split_off(CHUNK));
        Room { bytes, ends: Vec::with_capacity(LINES) }
    }
}

/// Whole lines for one output.
#[derive(Debug)]
pub struct Chunk {
    pub output: usize,
    /// The class of the record that is worth most.
    pub class: Class,
    pub bytes: Bytes,
    pub ends: Vec<End>,
}

impl Chunk {
    /// The last border at or before `n`.
    pub fn border(&self, n: usize) -> usize {
        let records = self.ends.partition_point(|e| e.at as usize <= n);
        records.checked_sub(1).map_or(0, |i| self.ends[i].at as usize)
    }

    /// Records by class that do not end at or before `whole`.
    pub fn after(&self, whole: usize) -> [u64; Class::COUNT] {
        let mut n = [0; Class::COUNT];
        let from = self.ends.partition_point(|e| e.at as usize <= whole);
        self.ends.iter().skip(from).for_each(|e| n[e.class as usize] += 1);
        n
    }
}

/// A chunk that somebody still holds, until it can be filled again.
#[derive(Debug)]
pub struct Lent {
    bytes: Bytes,
    ends: Vec<End>,
}

/// What goes round between a worker and the writer.
#[derive(Debug)]
pub struct Channel {
    full: ArrayQueue<Chunk>,
    free: ArrayQueue<Room>,
    /// Events dropped because the writer did not keep up, by [`Class`].
    pub dropped: [AtomicU64; Class::COUNT],
}

impl Default for Channel {
    fn default() -> Self {
        Channel::new()
    }
}

impl Channel {
    pub fn new() -> Channel {
        let free = ArrayQueue::new(CHUNKS);
        for _ in 0..CHUNKS {
            // The queue has room for all of them.
            let _ = free.push(Room::new());
        }
        Channel { full: ArrayQueue::new(CHUNKS), free, dropped: Default::default() }
    }

    /// The next chunk to be written.
    pub fn next(&self) -> Option<Chunk> {
        self.full.pop()
    }

    /// Gives the buffer of a written chunk back, or the chunk itself while somebody holds its bytes.
    pub fn give_back(&self, c: Chunk) -> Option<Lent> {
        self.take_back(Lent { bytes: c.bytes, ends: c.ends })
    }

    /// As [`Channel::give_back`], later.
    pub fn take_back(&self, mut lent: Lent) -> Option<Lent> {
        match lent.bytes.try_into_mut() {
            Ok(mut bytes) => {
                bytes.clear();
                lent.ends.clear();
                // One that was made for a long line is not kept, nor one that came back smaller.
                let fits = (CHUNK..=2 * CHUNK).contains(&bytes.capacity());
                let room = if fits { Room { bytes, ends: lent.ends } } else { Room::new() };
                let _ = self.free.push(room);
                None
            }
            Err(bytes) => {
                lent.bytes = bytes;
                Some(lent)
            }
        }
    }
}

/// The buffer of one output that one worker fills.
#[derive(Debug, Default)]
pub struct Filling {
    output: usize,
    room: Option<Room>,
    /// Wait for the writer rather than drop.
    patient: bool,
}

impl Filling {
    pub fn new(output: usize, patient: bool) -> Filling {
        Filling { output, room: None, patient }
    }

    /// Adds a line; without a free buffer it is dropped and counted.
    pub fn keep(&mut self, line: &[u8], class: Class, channel: &Channel) {
        if !self.offer([line, &[]], class, channel) {
            channel.dropped[class as usize].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Adds a record of two parts, and a line feed. False: there is no free buffer.
    #[must_use]
    pub fn offer(&mut self, parts: [&[u8]; 2], class: Class, channel: &Channel) -> bool {
        let need = parts[0].len() + parts[1].len() + 1;
        if self
            .room
            .as_ref()
            .is_some_and(|r| r.ends.len() >= LINES || (!r.ends.is_empty() && r.bytes.len() + need > CHUNK))
        {
            self.flush(channel);
        }
        if self.room.is_none() {
            while self.patient && channel.free.is_empty() {
                std::thread::yield_now();
            }
            if self.patient || channel.free.len() > reserve(class) {
                self.room = channel.free.pop();
            }
        }
        let Some(r) = &mut self.room else { return false };
        // Takes memory for lines longer than a buffer only.
        r.bytes.reserve(need);
        parts.iter().for_each(|p| r.bytes.extend_from_slice(p));
        r.bytes.extend_from_slice(b"\n");
        let at = u32::try_from(r.bytes.len()).unwrap_or(u32::MAX);
        r.ends.push(End { at, class });
        true
    }

    /// Hands over what was collected.
    pub fn flush(&mut self, channel: &Channel) {
        if let Some(r) = self.room.take_if(|r| !r.ends.is_empty()) {
            let class = r.ends.iter().map(|e| e.class).max().unwrap_or(Class::Flow);
            let chunk = Chunk { output: self.output, class, bytes: r.bytes.freeze(), ends: r.ends };
            // There are no more buffers than the queue has places.
            let _ = channel.full.push(chunk);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_shared_without_a_copy_and_come_back() {
        let channel = Channel::new();
        let mut f = Filling::new(3, false);
        let mut places = Vec::new();
        for round in 0..4 * CHUNKS {
            f.keep(b"one", Class::Flow, &channel);
            f.keep(b"three", Class::Alert, &channel);
            f.flush(&channel);
            let c = channel.next().unwrap();
            assert_eq!((c.output, c.class, &c.bytes[..]), (3, Class::Alert, &b"one\nthree\n"[..]));
            assert_eq!((c.border(3), c.border(4), c.border(9), c.border(10)), (0, 4, 4, 10));
            assert_eq!(c.after(4), [0, 0, 0, 0, 1]);
            let here = c.bytes.as_ptr();
            if round < CHUNKS {
                places.push(here);
            } else {
                assert!(places.contains(&here), "no buffer was made on the way");
            }
            // A second output still sends it: the same bytes, and the buffer waits for it.
            let second = c.bytes.slice(4..);
            let lent = channel.give_back(c).expect("somebody holds it");
            assert_eq!((&second[..], second.as_ptr()), (&b"three\n"[..], here.wrapping_add(4)));
            let lent = channel.take_back(lent).expect("still");
            drop(second);
            assert!(channel.take_back(lent).is_none());
            assert_eq!(channel.free.len(), CHUNKS);
        }
    }

    #[test]
    fn a_line_longer_than_a_buffer_is_kept() {
        let channel = Channel::new();
        let mut f = Filling::new(0, false);
        let long = vec![b'x'; 3 * CHUNK];
        f.keep(b"before", Class::Record, &channel);
        f.keep(&long, Class::Alert, &channel);
        f.keep(b"after", Class::Alert, &channel);
        f.flush(&channel);
        let mut all = Vec::new();
        while let Some(c) = channel.next() {
            all.extend_from_slice(&c.bytes);
            assert!(channel.give_back(c).is_none());
        }
        assert_eq!(all, [b"before\n", &long[..], b"\nafter\n"].concat());
        assert_eq!(channel.free.len(), CHUNKS);
        assert!((0..CHUNKS).all(|_| channel.free.pop().unwrap().bytes.capacity() <= 2 * CHUNK));
        assert!(channel.dropped.iter().all(|d| d.load(Ordering::Relaxed) == 0));
    }

    #[test]
    fn what_is_worth_least_is_dropped_first() {
        let channel = Channel::new();
        let mut f = Filling::new(0, false);
        for _ in 0..CHUNKS {
            for class in [Class::Flow, Class::Record, Class::Anomaly, Class::Alert] {
                f.keep(b"x", class, &channel);
                f.flush(&channel);
            }
        }
        let dropped: Vec<u64> = channel.dropped.iter().map(|d| d.load(Ordering::Relaxed)).collect();
        assert!(dropped.is_sorted_by(|a, b| a >= b || *a == 0), "{dropped:?}");
        assert!(dropped[Class::Flow as usize] > dropped[Class::Alert as usize], "{dropped:?}");
    }
}
