//! Handles: what C holds of an object, and the checks that make misuse an error.
//!
//! A handle points to a [`Cell`]: which kind of object it is, who is inside, and where the object lies. Cells are
//! never given back to the allocator, and are used again only after many others were freed. So a handle that was
//! freed can be told from a living one without touching memory that is gone: a double free or a use after free is
//! TG_ERR_HANDLE until the cell has a new tenant.
//!
//! An object is either used by one thread at a time ([`enter`]) or by any number of them ([`share`]); freeing takes
//! it out for good, and is refused while somebody is inside.

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::args::null;
use crate::error::{
    Error, Res, TG_ERR_BUSY, TG_ERR_HANDLE, TG_ERR_POISONED, TG_ERR_REENTRANT, TG_ERR_STATE, err, hush_panics,
};

/// A kind of object: its number, and its word for messages.
pub(crate) trait Object: 'static {
    /// Not 0.
    const KIND: u32;
    const NAME: &'static str;
    /// What C calls it.
    type Opaque;
}

/// One tenant: nobody else may come in.
const ALONE: u32 = u32::MAX;

#[repr(C, align(64))]
struct Cell {
    /// [`Cell::mark`] of the living object's kind, 0 for none.
    kind: AtomicU32,
    /// How many are inside, or [`ALONE`].
    users: AtomicU32,
    /// The thread that is inside alone.
    owner: AtomicUsize,
    object: AtomicPtr<()>,
    spoilt: AtomicBool,
}

impl Cell {
    /// What says that an object of that kind lives here: not so easily found in memory that is no cell, nor in a copy
    /// of one.
    fn mark(&self, kind: u32) -> u32 {
        let place = (std::ptr::from_ref(self) as usize >> 6) as u32;
        (place.wrapping_mul(0x9e37_79b1) ^ 0x7467_0000 ^ kind).max(1)
    }
}

/// Cells made at a time.
const CHUNK: usize = 32;
/// Cells that wait before one is used again.
const REST: usize = 512;

/// Cells without an object, the longest free first.
static FREE: Mutex<VecDeque<&'static Cell>> = Mutex::new(VecDeque::new());

/// A number that no other living thread has.
fn this_thread() -> usize {
    thread_local!(static HERE: u8 = const { 0 });
    HERE.try_with(|h| std::ptr::from_ref(h) as usize).unwrap_or(1)
}

/// A handle for `object`.
pub(crate) fn make<T: Object>(object: T) -> *mut T::Opaque {
    hush_panics();
    let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
    if free.len() <= REST {
        let fresh: Vec<Cell> = (0..if free.is_empty() { REST } else { CHUNK })
            .map(|_| Cell {
                kind: AtomicU32::new(0),
                users: AtomicU32::new(0),
                owner: AtomicUsize::new(0),
                object: AtomicPtr::new(std::ptr::null_mut()),
                spoilt: AtomicBool::new(false),
            })
            .collect();
        // New ones go first, so that those that were used rest.
        for cell in fresh.leak() {
            free.push_front(cell);
        }
    }
    let cell = free.pop_front().expect("cells were just made");
    drop(free);
    cell.object.store(Box::into_raw(Box::new(object)).cast(), Ordering::Relaxed);
    cell.spoilt.store(false, Ordering::Relaxed);
    cell.kind.store(cell.mark(T::KIND), Ordering::Release);
    std::ptr::from_ref(cell).cast_mut().cast()
}

// What goes wrong is told by functions of their own: the way of calls that succeed is short so.

#[cold]
#[inline(never)]
fn dead<T: Object>() -> Error {
    Error { status: TG_ERR_HANDLE, text: format!("not a living {}: was it freed?", T::NAME).into() }
}

/// The cell of a handle whose object lives.
///
/// # Safety
/// `p` is NULL or came from [`make`].
#[inline(always)]
unsafe fn cell<T: Object>(p: *const T::Opaque) -> Res<&'static Cell> {
    if p.is_null() {
        return Err(null(T::NAME));
    }
    if !(p as usize).is_multiple_of(align_of::<Cell>()) {
        return Err(dead::<T>());
    }
    // SAFETY: cells live for ever.
    let cell = unsafe { &*p.cast::<Cell>() };
    if cell.kind.load(Ordering::Acquire) != cell.mark(T::KIND) {
        return Err(dead::<T>());
    }
    Ok(cell)
}

/// Somebody inside an object. Goes out when dropped; when that is because of a panic, the object is spoilt.
pub(crate) struct Inside<T: Object> {
    cell: &'static Cell,
    alone: bool,
    of: PhantomData<T>,
}

impl<T: Object> Deref for Inside<T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: the object was put there by `make` with this type, and stays while somebody is inside.
        unsafe { &*self.cell.object.load(Ordering::Relaxed).cast::<T>() }
    }
}

impl<T: Object> Drop for Inside<T> {
    fn drop(&mut self) {
        if self.alone {
            if std::thread::panicking() {
                self.cell.spoilt.store(true, Ordering::Relaxed);
            }
            self.cell.owner.store(0, Ordering::Relaxed);
            self.cell.users.store(0, Ordering::Release);
        } else {
            self.cell.users.fetch_sub(1, Ordering::Release);
        }
    }
}

/// Goes in alone.
///
/// # Safety
/// `p` is NULL or came from [`make`].
#[inline]
pub(crate) unsafe fn enter<T: Object>(p: *const T::Opaque) -> Res<Inside<T>> {
    #[cold]
    #[inline(never)]
    fn spoilt<T: Object>() -> Error {
        let text = format!("a call of the {} failed inside; free it", T::NAME);
        Error { status: TG_ERR_POISONED, text: text.into() }
    }
    // SAFETY: as above.
    let inside = unsafe { alone::<T>(p) }?;
    if inside.cell.spoilt.load(Ordering::Relaxed) {
        return Err(spoilt::<T>());
    }
    Ok(inside)
}

/// Somebody alone inside an object, which may be changed.
pub(crate) struct Alone<T: Object>(Inside<T>);

impl<T: Object> Deref for Alone<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Object> DerefMut for Alone<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the object was put there by `make` with this type and stays; nobody else has a reference to it, as
        // this thread is inside alone and nobody peeks at it.
        unsafe { &mut *self.0.cell.object.load(Ordering::Relaxed).cast::<T>() }
    }
}

/// Goes in alone, to change the object.
///
/// # Safety
/// `p` is NULL or came from [`make`]; objects of this kind are not for [`peek`].
pub(crate) unsafe fn enter_mut<T: Object>(p: *const T::Opaque) -> Res<Alone<T>> {
    // SAFETY: as above.
    unsafe { enter(p) }.map(Alone)
}

/// # Safety
/// `p` is NULL or came from [`make`].
#[inline(always)]
unsafe fn alone<T: Object>(p: *const T::Opaque) -> Res<Inside<T>> {
    #[cold]
    #[inline(never)]
    fn taken<T: Object>(cell: &Cell) -> Error {
        if cell.owner.load(Ordering::Relaxed) == this_thread() {
            let text = format!("the {} is in use further up the stack", T::NAME);
            return Error { status: TG_ERR_REENTRANT, text: text.into() };
        }
        Error { status: TG_ERR_BUSY, text: format!("another thread is inside the {}", T::NAME).into() }
    }
    // SAFETY: as above.
    let cell = unsafe { cell::<T>(p) }?;
    if cell.users.compare_exchange(0, ALONE, Ordering::Acquire, Ordering::Relaxed).is_err() {
        return Err(taken::<T>(cell));
    }
    cell.owner.store(this_thread(), Ordering::Relaxed);
    let inside = Inside { cell, alone: true, of: PhantomData };
    // It may have been freed in between.
    if cell.kind.load(Ordering::Relaxed) != cell.mark(T::KIND) { Err(dead::<T>()) } else { Ok(inside) }
}

/// Goes in beside others.
///
/// # Safety
/// `p` is NULL or came from [`make`].
pub(crate) unsafe fn share<T: Object + Sync>(p: *const T::Opaque) -> Res<Inside<T>> {
    // SAFETY: as above.
    let cell = unsafe { cell::<T>(p) }?;
    let more = |n: u32| if n >= ALONE - 1 { None } else { Some(n + 1) };
    if cell.users.fetch_update(Ordering::Acquire, Ordering::Relaxed, more).is_err() {
        return err(TG_ERR_BUSY, format!("the {} is being freed", T::NAME));
    }
    let inside = Inside { cell, alone: false, of: PhantomData };
    if cell.kind.load(Ordering::Relaxed) != cell.mark(T::KIND) { Err(dead::<T>()) } else { Ok(inside) }
}

/// Lends an object that is used by way of another one to this thread, for [`peek`], or takes it back.
///
/// # Safety
/// `p` came from [`make`]; the caller is alone in the object by way of which it is used.
#[inline]
pub(crate) unsafe fn claim<T: Object>(p: *const T::Opaque, mine: bool) {
    // SAFETY: cells live for ever.
    let cell = unsafe { &*p.cast::<Cell>() };
    cell.owner.store(if mine { this_thread() } else { 0 }, Ordering::Relaxed);
}

/// The object of a handle that lives, for as long as it does.
///
/// # Safety
/// `p` came from [`make`] with this type and was not freed.
pub(crate) unsafe fn object<T: Object>(p: *const T::Opaque) -> *const T {
    // SAFETY: cells live for ever.
    unsafe { &*p.cast::<Cell>() }.object.load(Ordering::Relaxed).cast()
}

/// Goes in only to look at what may be looked at while this thread is inside alone, or the object is lent to it.
///
/// # Safety
/// `p` is NULL or came from [`make`]; of the object only parts are used that bear it.
pub(crate) unsafe fn peek<T: Object>(p: *const T::Opaque) -> Res<&'static T> {
    // SAFETY: as above.
    let cell = unsafe { cell::<T>(p) }?;
    match cell.owner.load(Ordering::Relaxed) {
        0 => {
            return err(
                TG_ERR_STATE,
                format!("the {} is lent to nobody now: its callback has returned", T::NAME),
            );
        }
        owner if owner != this_thread() => {
            return err(TG_ERR_BUSY, format!("the {} is lent to another thread", T::NAME));
        }
        _ => {}
    }
    // SAFETY: the object was put there by `make` with this type, and stays while this thread is inside.
    Ok(unsafe { &*cell.object.load(Ordering::Relaxed).cast::<T>() })
}

/// Whether this thread is inside the object alone, further up the stack.
///
/// # Safety
/// `p` is NULL or came from [`make`].
pub(crate) unsafe fn is_inside<T: Object>(p: *const T::Opaque) -> bool {
    // SAFETY: as above.
    unsafe { cell::<T>(p) }.is_ok_and(|c| c.owner.load(Ordering::Relaxed) == this_thread())
}

/// Takes the object out and drops it. NULL is nothing to do.
///
/// # Safety
/// `p` is NULL or came from [`make`].
pub(crate) unsafe fn free<T: Object>(p: *mut T::Opaque) -> Res {
    if p.is_null() {
        return Ok(());
    }
    // SAFETY: as above.
    let inside = unsafe { alone::<T>(p) }?;
    let cell = inside.cell;
    cell.kind.store(0, Ordering::Release);
    let object = cell.object.swap(std::ptr::null_mut(), Ordering::Relaxed);
    drop(inside);
    FREE.lock().unwrap_or_else(PoisonError::into_inner).push_back(cell);
    // SAFETY: it came from `Box::into_raw` of this type in `make`, and the cell names it no more.
    drop(unsafe { Box::from_raw(object.cast::<T>()) });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{TG_ERR_NULL, TG_ERR_PANIC, fence};

    enum Opaque {}
    struct Thing(AtomicU32);
    impl Object for Thing {
        const KIND: u32 = 1000;
        const NAME: &'static str = "thing";
        type Opaque = Opaque;
    }
    struct Other;
    impl Object for Other {
        const KIND: u32 = 1001;
        const NAME: &'static str = "other";
        type Opaque = Opaque;
    }

    #[test]
    fn misuse_is_an_error() {
        let p = make(Thing(AtomicU32::new(7)));
        // SAFETY: the pointers are NULL or came from `make`.
        unsafe {
            let status = |r: Res<Inside<Thing>>| r.map(|_| ()).unwrap_err().status;
            assert_eq!(status(enter(std::ptr::null_mut())), TG_ERR_NULL);
            assert_eq!(enter::<Other>(p).map(|_| ()).unwrap_err().status, TG_ERR_HANDLE);
            let inside = enter::<Thing>(p).unwrap();
            assert_eq!(inside.0.load(Ordering::Relaxed), 7);
            assert_eq!(status(enter(p)), TG_ERR_REENTRANT);
            assert_eq!(free::<Thing>(p).unwrap_err().status, TG_ERR_REENTRANT);
            let at = p as usize;
            std::thread::spawn(move || assert_eq!(status(enter(at as *mut Opaque)), TG_ERR_BUSY))
                .join()
                .unwrap();
            drop(inside);
            let (a, b) = (share::<Thing>(p).unwrap(), share::<Thing>(p).unwrap());
            assert_eq!(free::<Thing>(p).unwrap_err().status, TG_ERR_BUSY);
            drop((a, b));
            free::<Thing>(p).unwrap();
            assert_eq!(free::<Thing>(p).unwrap_err().status, TG_ERR_HANDLE);
            assert_eq!(status(enter(p)), TG_ERR_HANDLE);
        }
    }

    #[test]
    fn a_panic_spoils_the_object() {
        let p = make(Thing(AtomicU32::new(0)));
        // SAFETY: the pointer came from `make`.
        unsafe {
            let s = fence(|| {
                let _inside = enter::<Thing>(p)?;
                panic!("inside");
            });
            assert_eq!(s, TG_ERR_PANIC);
            assert_eq!(enter::<Thing>(p).map(|_| ()).unwrap_err().status, TG_ERR_POISONED);
            free::<Thing>(p).unwrap();
        }
    }

    #[test]
    fn freed_cells_rest() {
        let first = make(Thing(AtomicU32::new(0)));
        // SAFETY: the pointers came from `make`.
        unsafe {
            free::<Thing>(first).unwrap();
            for _ in 0..REST / 2 {
                let p = make(Thing(AtomicU32::new(0)));
                assert_ne!(p, first);
                free::<Thing>(p).unwrap();
            }
            assert!(enter::<Thing>(first).is_err());
        }
    }
}
