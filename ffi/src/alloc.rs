//! Where memory comes from: the system, or functions of the program.
//!
//! The choice is made once, before the library has taken any memory, so that every piece goes back to where it came
//! from.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::args;
use crate::error::{TG_ERR_NULL, TG_ERR_STATE, err, fence, tg_status};

/// Functions that give and take memory. They may be called from any thread that uses the library, from several at
/// once, and must not call back into it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tg_allocator {
    /// sizeof(tg_allocator)
    pub size: usize,
    /// Gives `bytes` bytes, aligned to `align` (a power of two), or NULL. `bytes` is never 0.
    pub alloc: Option<unsafe extern "C" fn(user: *mut c_void, bytes: usize, align: usize) -> *mut c_void>,
    /// Takes back what `alloc` or `alloc_zeroed` gave, with the same numbers.
    pub free: Option<unsafe extern "C" fn(user: *mut c_void, block: *mut c_void, bytes: usize, align: usize)>,
    /// Goes to all as it is.
    pub user: *mut c_void,
    /// As `alloc`, of bytes that are zero. An engine's tables begin so: whoever gets zeros from the system (calloc, mmap) spares
    /// touching them. NULL: `alloc` is called and the bytes are cleared.
    pub alloc_zeroed:
        Option<unsafe extern "C" fn(user: *mut c_void, bytes: usize, align: usize) -> *mut c_void>,
}

/// Nobody has asked for memory yet.
const FRESH: u32 = 0;
/// The system's memory is in use.
const SYSTEM: u32 = 1;
/// The program's functions are in use.
const CUSTOM: u32 = 2;
/// They are being set.
const SETTING: u32 = 3;

struct Chosen {
    state: AtomicU32,
    custom: UnsafeCell<Option<tg_allocator>>,
}

// SAFETY: `custom` is written by the one thread that moved `state` from FRESH to SETTING and read only by those that
// saw CUSTOM with acquire ordering, which that thread stores afterwards; it is not written again.
unsafe impl Sync for Chosen {}

static CHOSEN: Chosen = Chosen { state: AtomicU32::new(FRESH), custom: UnsafeCell::new(None) };

impl Chosen {
    /// The program's functions, if they are in use.
    #[inline]
    fn get(&self) -> Option<&tg_allocator> {
        loop {
            match self.state.load(Ordering::Acquire) {
                SYSTEM => return None,
                // SAFETY: see `Sync`: after CUSTOM nobody writes.
                CUSTOM => return unsafe { (*self.custom.get()).as_ref() },
                SETTING => std::hint::spin_loop(),
                _ => {
                    let _ = self.state.compare_exchange(FRESH, SYSTEM, Ordering::AcqRel, Ordering::Acquire);
                }
            }
        }
    }
}

mod own;

struct Switch;

// SAFETY: each layout is served and taken back by the same allocator, as the choice never changes once something was
// served; both keep the contract: the system's by itself, the program's as `tg_allocator_set` demands.
unsafe impl GlobalAlloc for Switch {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match CHOSEN.get() {
            // SAFETY: the caller keeps the contract of `alloc`.
            None => unsafe { own::alloc(layout) },
            Some(a) => match a.alloc {
                // SAFETY: the function is of this type and the layout is not empty, by the contract of `alloc`.
                Some(f) => unsafe { f(a.user, layout.size(), layout.align()).cast() },
                None => std::ptr::null_mut(),
            },
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let Some(a) = CHOSEN.get() else {
            // SAFETY: the caller keeps the contract of `alloc_zeroed`.
            return unsafe { own::alloc_zeroed(layout) };
        };
        if let Some(f) = a.alloc_zeroed {
            // SAFETY: the function is of this type and the layout is not empty, by the contract of `alloc_zeroed`.
            return unsafe { f(a.user, layout.size(), layout.align()).cast() };
        }
        // SAFETY: the caller keeps the contract, which is that of `alloc`.
        let p = unsafe { self.alloc(layout) };
        if !p.is_null() {
            // SAFETY: `alloc` gave `layout.size()` bytes.
            unsafe { p.write_bytes(0, layout.size()) };
        }
        p
    }

    unsafe fn dealloc(&self, p: *mut u8, layout: Layout) {
        match CHOSEN.get() {
            // SAFETY: the caller keeps the contract of `dealloc`, and the block came from here: see the impl.
            None => unsafe { own::dealloc(p, layout) },
            Some(a) => {
                if let Some(f) = a.free {
                    // SAFETY: the block came from the program's `alloc` with these numbers.
                    unsafe { f(a.user, p.cast(), layout.size(), layout.align()) }
                }
            }
        }
    }

    unsafe fn realloc(&self, p: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if CHOSEN.get().is_none() {
            // SAFETY: the caller keeps the contract of `realloc`, and the block came from the system.
            return unsafe { own::realloc(p, layout, size) };
        }
        // SAFETY: `size` is not 0 and fits with this alignment, by the contract of `realloc`.
        let fresh = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        // SAFETY: `fresh` is not empty.
        let to = unsafe { self.alloc(fresh) };
        if !to.is_null() {
            // SAFETY: both blocks have at least the lesser of the sizes, and they are different blocks.
            unsafe { std::ptr::copy_nonoverlapping(p, to, layout.size().min(size)) };
            // SAFETY: `p` came from here with `layout`.
            unsafe { self.dealloc(p, layout) };
        }
        to
    }
}

#[global_allocator]
static SWITCH: Switch = Switch;

/// Lets all memory of the library come from `allocator`. It must be the first thing asked of the library: once it has
/// taken memory, TG_ERR_STATE. Thread-safe. The struct is copied; the functions must stay for as long as the process
/// runs, and a little of what they gave is never given back.
///
/// # Safety
/// `allocator` points to a tg_allocator whose functions do as it says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_allocator_set(allocator: *const tg_allocator) -> tg_status {
    let mut late = false;
    let status = fence(|| {
        // SAFETY: the caller promises a tg_allocator or NULL.
        let a: tg_allocator = unsafe { args::read_sized(allocator) }?;
        if a.alloc.is_none() || a.free.is_none() {
            return err(TG_ERR_NULL, "alloc or free is NULL");
        }
        match CHOSEN.state.compare_exchange(FRESH, SETTING, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => {
                // SAFETY: see `Sync`: this thread alone moved the state to SETTING.
                unsafe { *CHOSEN.custom.get() = Some(a) };
                CHOSEN.state.store(CUSTOM, Ordering::Release);
            }
            Err(_) => late = true,
        }
        Ok(())
    });
    if late {
        return fence(|| err(TG_ERR_STATE, "the library has taken memory already"));
    }
    status
}
