//! The system's memory. Large blocks, which are the tables of engines, come straight from the kernel and go straight back:
//! an engine that is freed leaves nothing behind, and the next one finds zeros that nobody has to write. (`malloc` takes to
//! keeping large blocks once some were freed.)
//!
//! Whether a block is large its layout says alone, so that it goes back to where it came from.

use std::alloc::{GlobalAlloc, Layout, System};

/// Blocks of as many bytes are the kernel's.
const LARGE: usize = 1 << 20;
/// Alignment that the kernel's blocks have in any case.
const PAGE: usize = 4096;

const fn is_large(layout: &Layout) -> bool {
    layout.size() >= LARGE && layout.align() <= PAGE
}

fn map(bytes: usize) -> *mut u8 {
    let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a new mapping at a place of the kernel's choice touches no memory that is in use.
    let p = unsafe { libc::mmap(std::ptr::null_mut(), bytes, protection, flags, -1, 0) };
    if p == libc::MAP_FAILED { std::ptr::null_mut() } else { p.cast() }
}

/// # Safety
/// As `GlobalAlloc::alloc`.
pub(super) unsafe fn alloc(layout: Layout) -> *mut u8 {
    // SAFETY: as above.
    if is_large(&layout) { map(layout.size()) } else { unsafe { System.alloc(layout) } }
}

/// # Safety
/// As `GlobalAlloc::alloc_zeroed`.
pub(super) unsafe fn alloc_zeroed(layout: Layout) -> *mut u8 {
    // SAFETY: as above.
    if is_large(&layout) { map(layout.size()) } else { unsafe { System.alloc_zeroed(layout) } }
}

/// # Safety
/// As `GlobalAlloc::dealloc`.
pub(super) unsafe fn dealloc(p: *mut u8, layout: Layout) {
    if is_large(&layout) {
        // SAFETY: a block of that layout is a whole mapping of `map`, which nobody uses any more.
        unsafe { libc::munmap(p.cast(), layout.size()) };
    } else {
        // SAFETY: as above, and it came from the system's allocator.
        unsafe { System.dealloc(p, layout) }
    }
}

/// # Safety
/// As `GlobalAlloc::realloc`.
pub(super) unsafe fn realloc(p: *mut u8, layout: Layout, size: usize) -> *mut u8 {
    // SAFETY: `size` is not 0 and fits with this alignment, by the contract of `realloc`.
    let fresh = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
    match (is_large(&layout), is_large(&fresh)) {
        // SAFETY: as above, and it came from the system's allocator.
        (false, false) => unsafe { System.realloc(p, layout, size) },
        (true, true) => {
            // SAFETY: the block is a whole mapping of `map`; where it goes is the kernel's choice.
            let to = unsafe { libc::mremap(p.cast(), layout.size(), size, libc::MREMAP_MAYMOVE) };
            if to == libc::MAP_FAILED { std::ptr::null_mut() } else { to.cast() }
        }
        _ => {
            // SAFETY: the layout is not empty.
            let to = unsafe { alloc(fresh) };
            if !to.is_null() {
                // SAFETY: both blocks have at least the lesser of the sizes, and they are different blocks; the old one
                // came from here with `layout`.
                unsafe {
                    std::ptr::copy_nonoverlapping(p, to, layout.size().min(size));
                    dealloc(p, layout);
                }
            }
            to
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_keep_their_bytes_over_the_border() {
        let layout = |n| Layout::from_size_align(n, 64).unwrap();
        // SAFETY: layouts are not empty, blocks are used within their sizes and given back with their layouts.
        unsafe {
            let mut n = 1000;
            let mut p = alloc_zeroed(layout(n));
            p.write(7);
            p.add(999).write(9);
            for to in [LARGE - 1, LARGE, 3 * LARGE + 5, 40 * LARGE, LARGE, 2000] {
                p = realloc(p, layout(n), to);
                n = to;
                assert!(!p.is_null() && (p as usize).is_multiple_of(64));
                assert_eq!((p.read(), p.add(999).read()), (7, 9));
                p.add(n - 1).write(1);
            }
            dealloc(p, layout(n));
            let p = alloc_zeroed(layout(2 * LARGE));
            assert!((0..2 * LARGE).step_by(4096).all(|i| p.add(i).read() == 0));
            dealloc(p, layout(2 * LARGE));
            let odd = Layout::from_size_align(LARGE, 1 << 16).unwrap();
            let p = alloc(odd);
            assert!((p as usize).is_multiple_of(1 << 16));
            dealloc(p, odd);
        }
    }
}
