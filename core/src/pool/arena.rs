//! One memory for records of many types: parser states, transactions and files of all protocols.
//!
//! In: bytes. Out: [`Records`] of any type that take pages of it while they have something to keep, and give them
//! back. Owns the pages. Without this each protocol would need room for as many flows as there can be, or a limit
//! far below that: no protocol may starve because others have room that they do not use.
#![allow(unsafe_code)]

use alloc::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use alloc::sync::Arc;
use core::marker::PhantomData;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Bytes of a page.
pub const PAGE: usize = 16 << 10;
const NIL: u32 = u32::MAX;
/// No kind of records has the page.
const NOBODY: u32 = 0;

/// The bytes of all pages; nothing is written before it is handed out, so unused pages cost nothing.
struct Bytes {
    ptr: NonNull<u8>,
    layout: Layout,
}

// SAFETY: it owns plain bytes.
unsafe impl Send for Bytes {}
// SAFETY: only `Records` touch the bytes, each those of its own pages.
unsafe impl Sync for Bytes {}

impl Bytes {
    fn new(pages: usize) -> Bytes {
        let layout = Layout::from_size_align(pages * PAGE, 64).expect("pages within memory");
        // SAFETY: there is at least one page.
        let Some(ptr) = NonNull::new(unsafe { alloc(layout) }) else { handle_alloc_error(layout) };
        Bytes { ptr, layout }
    }
}

impl Drop for Bytes {
    fn drop(&mut self) {
        // SAFETY: it was allocated with this layout.
        unsafe { dealloc(self.ptr.as_ptr(), self.layout) }
    }
}

/// What is known of a page. Numbers are atomic so that kinds of records need not borrow the arena; only the owner
/// of a page changes its numbers.
#[derive(Debug)]
struct Page {
    /// Number of the [`Records`] that have it.
    owner: AtomicU32,
    /// First free place + 1 of those given back; 0: none.
    free: AtomicU32,
    /// Places handed out at least once.
    high: AtomicU32,
    used: AtomicU32,
    /// Neighbours among its owner's pages with room; `next` also links free pages of the arena.
    next: AtomicU32,
    prev: AtomicU32,
}

/// The memory of all records of one engine.
pub struct Arena {
    pages: alloc::boxed::Box<[Page]>,
    /// Guards `free_list`, which is touched once a page.
    lock: AtomicBool,
    free_list: AtomicU32,
    /// Pages that were never handed out begin here.
    high: AtomicU32,
    free_pages: AtomicU32,
    owners: AtomicU32,
    refused: AtomicU32,
    mem: Bytes,
}

impl core::fmt::Debug for Arena {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Arena").field("pages", &self.pages.len()).field("free", &self.free_pages()).finish()
    }
}

impl Arena {
    /// Takes `bytes`, rounded down to pages of which there is at least one.
    pub fn new(bytes: usize) -> Arc<Arena> {
        let n = (bytes / PAGE).clamp(1, NIL as usize / PAGE);
        let page = |_| Page {
            owner: AtomicU32::new(NOBODY),
            free: AtomicU32::new(0),
            high: AtomicU32::new(0),
            used: AtomicU32::new(0),
            next: AtomicU32::new(NIL),
            prev: AtomicU32::new(NIL),
        };
        Arc::new(Arena {
            pages: (0..n).map(page).collect(),
            lock: AtomicBool::new(false),
            free_list: AtomicU32::new(NIL),
            high: AtomicU32::new(0),
            free_pages: AtomicU32::new(n as u32),
            owners: AtomicU32::new(NOBODY),
            refused: AtomicU32::new(0),
            mem: Bytes::new(n),
        })
    }

    /// Bytes that an arena for `bytes` takes.
    pub const fn bytes(bytes: usize) -> usize {
        let n = if bytes < PAGE { 1 } else { bytes / PAGE };
        n * (PAGE + size_of::<Page>()) + 64
    }

    pub fn pages(&self) -> usize {
        self.pages.len()
    }

    /// Pages that nobody has.
    pub fn free_pages(&self) -> usize {
        self.free_pages.load(Ordering::Relaxed) as usize
    }

    /// Records that found no room since construction.
    pub fn refused(&self) -> u64 {
        u64::from(self.refused.load(Ordering::Relaxed))
    }

    /// Touches all pages.
    pub(crate) fn warm(&self) {
        for n in 0..self.pages.len() {
            let at = self.page(n as u32);
            self.locked(|| {
                if self.pages[n].owner.load(Ordering::Relaxed) == NOBODY {
                    for line in (0..PAGE).step_by(4096) {
                        // SAFETY: inside the page, which nobody has, and nobody can take it while the lock is held.
                        unsafe { at.add(line).write_volatile(0) };
                    }
                }
            });
        }
    }

    fn page(&self, n: u32) -> *mut u8 {
        assert!((n as usize) < self.pages.len());
        // SAFETY: the pointer stays inside the allocation.
        unsafe { self.mem.ptr.as_ptr().add(n as usize * PAGE) }
    }

    fn locked<R>(&self, f: impl FnOnce() -> R) -> R {
        // One engine uses an arena, so nobody ever waits; the lock makes it sound whatever callers do.
        while self.lock.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_err() {
            core::hint::spin_loop();
        }
        let r = f();
        self.lock.store(false, Ordering::Release);
        r
    }

    fn take_page(&self, owner: u32) -> Option<u32> {
        self.locked(|| {
            let first = self.free_list.load(Ordering::Relaxed);
            let n = if first != NIL {
                self.free_list
                    .store(self.pages[first as usize].next.load(Ordering::Relaxed), Ordering::Relaxed);
                first
            } else {
                let high = self.high.load(Ordering::Relaxed);
                if high as usize >= self.pages.len() {
                    return None;
                }
                self.high.store(high + 1, Ordering::Relaxed);
                high
            };
            let p = &self.pages[n as usize];
            p.owner.store(owner, Ordering::Relaxed);
            p.free.store(0, Ordering::Relaxed);
            p.high.store(0, Ordering::Relaxed);
            p.used.store(0, Ordering::Relaxed);
            self.free_pages.fetch_sub(1, Ordering::Relaxed);
            Some(n)
        })
    }

    fn give_page(&self, n: u32) {
        self.locked(|| {
            let p = &self.pages[n as usize];
            p.owner.store(NOBODY, Ordering::Relaxed);
            p.next.store(self.free_list.load(Ordering::Relaxed), Ordering::Relaxed);
            self.free_list.store(n, Ordering::Relaxed);
            self.free_pages.fetch_add(1, Ordering::Relaxed);
        });
    }
}

/// Records of one type in an [`Arena`]. Numbers are `u32`; [`Records::NIL`] names none.
///
/// Values are never dropped: what they own (pool buffers) the caller gives back before [`Records::free`].
pub struct Records<T> {
    arena: Arc<Arena>,
    owner: u32,
    /// First page with room.
    partial: u32,
    used: u32,
    most: u32,
    _of: PhantomData<T>,
}

// SAFETY: it owns its records as a `Vec<T>` does.
unsafe impl<T: Send> Send for Records<T> {}

impl<T> core::fmt::Debug for Records<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Records").field("used", &self.used).finish_non_exhaustive()
    }
}

impl<T: Default> Records<T> {
    /// The number that names no record.
    pub const NIL: u32 = NIL;
    /// Records of a page.
    const PER: u32 = {
        assert!(Self::SIZE <= PAGE && align_of::<T>() <= 64);
        (PAGE / Self::SIZE) as u32
    };
    /// Where a place has the number of the next free one: behind the value, which stays valid when it is given back.
    const LINK: usize = size_of::<T>().next_multiple_of(4);
    const SIZE: usize =
        (Self::LINK + 4).next_multiple_of(if align_of::<T>() > 4 { align_of::<T>() } else { 4 });

    /// At most `most` records, in pages of `arena`.
    pub fn new(arena: &Arc<Arena>, most: usize) -> Self {
        let owner = arena.owners.fetch_add(1, Ordering::Relaxed) + 1;
        let most = u32::try_from(most).unwrap_or(NIL);
        Records { arena: arena.clone(), owner, partial: NIL, used: 0, most, _of: PhantomData }
    }

    /// Bytes that a record takes.
    pub const fn size() -> usize {
        Self::SIZE
    }

    fn info(&self, page: u32) -> &Page {
        &self.arena.pages[page as usize]
    }

    /// The place of a record that was handed out.
    #[inline]
    fn place(&self, id: u32) -> Option<*mut T> {
        let (page, at) = (id / Self::PER, id % Self::PER);
        let p = self.arena.pages.get(page as usize)?;
        let mine = p.owner.load(Ordering::Relaxed) == self.owner && at < p.high.load(Ordering::Relaxed);
        // SAFETY: there is such a page, so the pointer stays inside the allocation; `at` is below `PER`, so the place lies
        // inside the page. (`Arena::page` would ask a second time; this is every access to every record.)
        let at =
            |start: *mut u8| unsafe { start.add(page as usize * PAGE + at as usize * Self::SIZE).cast() };
        mine.then(|| at(self.arena.mem.ptr.as_ptr()))
    }

    /// A record holding `T::default()`, or `None` when `most` are taken or the arena is full (counted).
    pub fn alloc(&mut self) -> Option<u32> {
        if self.used >= self.most {
            self.arena.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        if self.partial == NIL {
            let Some(page) = self.arena.take_page(self.owner) else {
                self.arena.refused.fetch_add(1, Ordering::Relaxed);
                return None;
            };
            self.info(page).prev.store(NIL, Ordering::Relaxed);
            self.info(page).next.store(NIL, Ordering::Relaxed);
            self.partial = page;
        }
        let page = self.partial;
        let p = self.info(page);
        let (free, high) = (p.free.load(Ordering::Relaxed), p.high.load(Ordering::Relaxed));
        let at = if free != 0 { free - 1 } else { high };
        // SAFETY: `at` is below `PER`: freed places were, and a page with neither leaves `partial` below.
        let place = unsafe { self.arena.page(page).add(at as usize * Self::SIZE) };
        if free == 0 {
            p.high.store(high + 1, Ordering::Relaxed);
        } else {
            // SAFETY: a free place has the number of the next one at `LINK`, written by `free`.
            p.free.store(unsafe { place.add(Self::LINK).cast::<u32>().read() }, Ordering::Relaxed);
        }
        // SAFETY: the place is this page's, aligned, and no reference to it exists: it was free.
        unsafe { place.cast::<T>().write(T::default()) };
        let used = p.used.load(Ordering::Relaxed) + 1;
        p.used.store(used, Ordering::Relaxed);
        if used == Self::PER {
            self.unlink(page);
        }
        self.used += 1;
        Some(page * Self::PER + at)
    }

    /// Gives a record back. The caller has freed what its value owned.
    pub fn free(&mut self, id: u32) {
        let Some(place) = self.place(id) else { return };
        let (page, at) = (id / Self::PER, id % Self::PER);
        let p = self.info(page);
        // SAFETY: the place is this page's and has room for a number at `LINK`, aligned.
        unsafe { place.cast::<u8>().add(Self::LINK).cast::<u32>().write(p.free.load(Ordering::Relaxed)) };
        p.free.store(at + 1, Ordering::Relaxed);
        let used = p.used.load(Ordering::Relaxed).saturating_sub(1);
        p.used.store(used, Ordering::Relaxed);
        self.used = self.used.saturating_sub(1);
        if used + 1 == Self::PER {
            self.link(page);
        }
        if used == 0 && (self.partial != page || self.info(page).next.load(Ordering::Relaxed) != NIL) {
            // One page with room stays, so that a single record that comes and goes moves no pages.
            self.unlink(page);
            self.arena.give_page(page);
        }
    }

    fn link(&mut self, page: u32) {
        let first = self.partial;
        let p = self.info(page);
        p.prev.store(NIL, Ordering::Relaxed);
        p.next.store(first, Ordering::Relaxed);
        if first != NIL {
            self.info(first).prev.store(page, Ordering::Relaxed);
        }
        self.partial = page;
    }

    fn unlink(&mut self, page: u32) {
        let p = self.info(page);
        let (next, prev) = (p.next.load(Ordering::Relaxed), p.prev.load(Ordering::Relaxed));
        if next != NIL {
            self.info(next).prev.store(prev, Ordering::Relaxed);
        }
        if prev != NIL {
            self.info(prev).next.store(next, Ordering::Relaxed);
        } else {
            self.partial = next;
        }
    }

    /// The record number `id`.
    ///
    /// # Panics
    /// When no such record was handed out.
    #[inline]
    pub fn get(&self, id: u32) -> &T {
        self.peek(id).expect("a record that was handed out")
    }

    /// As [`Records::get`], for a number that may name no record.
    #[inline]
    pub fn peek(&self, id: u32) -> Option<&T> {
        // SAFETY: places below `high` of a page that is ours hold a `T`: `alloc` wrote it, and giving it back leaves it.
        self.place(id).map(|p| unsafe { &*p })
    }

    #[inline]
    pub fn get_mut(&mut self, id: u32) -> &mut T {
        // SAFETY: as in `peek`; `self` is borrowed mutably.
        self.place(id).map(|p| unsafe { &mut *p }).expect("a record that was handed out")
    }

    /// Records handed out now.
    pub fn used(&self) -> usize {
        self.used as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Big([u64; 40]);
    impl Default for Big {
        fn default() -> Self {
            Big([0; 40])
        }
    }

    #[test]
    fn pages_go_to_who_needs_them() {
        let arena = Arena::new(4 * PAGE);
        let (mut a, mut b): (Records<Big>, Records<u8>) =
            (Records::new(&arena, 9999), Records::new(&arena, 9999));
        let mut ids = alloc::vec::Vec::new();
        while let Some(id) = a.alloc() {
            assert_eq!(*a.get(id), Big::default());
            *a.get_mut(id) = Big([u64::from(id); 40]);
            ids.push(id);
        }
        assert_eq!((arena.free_pages(), b.alloc(), arena.refused()), (0, None, 2));
        for id in &ids {
            assert_eq!(*a.get(*id), Big([u64::from(*id); 40]));
        }
        for id in ids.drain(..) {
            a.free(id);
        }
        // One page is kept by who had them.
        assert_eq!((arena.free_pages(), a.used()), (3, 0));
        let first = b.alloc().unwrap();
        assert_eq!(*b.get(first), 0);
        assert_eq!((b.peek(u32::MAX), arena.free_pages()), (None, 2));
    }

    #[test]
    fn a_limit_holds() {
        let arena = Arena::new(PAGE);
        let mut a: Records<u32> = Records::new(&arena, 2);
        let (x, y) = (a.alloc().unwrap(), a.alloc().unwrap());
        assert_eq!((a.alloc(), a.used()), (None, 2));
        a.free(x);
        *a.get_mut(y) = 5;
        assert_eq!((a.alloc(), *a.get(y)), (Some(x), 5));
    }

    proptest::proptest! {
        /// Against a map: values stay what they were, whoever comes and goes beside them.
        #[test]
        fn equals_a_map(steps in proptest::collection::vec((proptest::bool::ANY, 0u8..4, 0u16..2000), 1..3000)) {
            let arena = Arena::new(6 * PAGE);
            let (mut a, mut b): (Records<Big>, Records<u64>) = (Records::new(&arena, 9999), Records::new(&arena, 9999));
            let mut have: [alloc::vec::Vec<(u32, u64)>; 2] = Default::default();
            for (n, (which, what, at)) in steps.into_iter().enumerate() {
                let list = &mut have[usize::from(which)];
                if what > 0 || list.is_empty() {
                    let Some(id) = (if which { a.alloc() } else { b.alloc() }) else { continue };
                    if which { a.get_mut(id).0.fill(n as u64) } else { *b.get_mut(id) = n as u64 }
                    proptest::prop_assert!(list.iter().all(|x| x.0 != id));
                    list.push((id, n as u64));
                } else {
                    let (id, _) = list.swap_remove(usize::from(at) % list.len());
                    if which { a.free(id) } else { b.free(id) }
                }
            }
            for (id, n) in &have[1] {
                proptest::prop_assert_eq!(a.get(*id).0, [*n; 40]);
            }
            for (id, n) in &have[0] {
                proptest::prop_assert_eq!(*b.get(*id), *n);
            }
            proptest::prop_assert_eq!((a.used(), b.used()), (have[1].len(), have[0].len()));
        }
    }
}
