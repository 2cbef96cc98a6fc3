//! DPDK's own hash table and packet-type parser, as peers that benchmarks measure ours against.

use std::ffi::{CString, c_void};
use std::ptr::NonNull;

use tidegate_dpdk_sys as sys;

use super::{Burst, DpdkError, Eal};

/// Most keys of one lookup (RTE_HASH_LOOKUP_BULK_MAX).
pub const BULK: usize = 64;

/// DPDK's cuckoo hash over keys of `K` bytes.
#[derive(Debug)]
pub struct RteHash<const K: usize> {
    raw: NonNull<sys::rte_hash>,
}

impl<const K: usize> RteHash<K> {
    pub fn new(_eal: Eal, name: &str, entries: u32) -> Result<Self, DpdkError> {
        let c_name = CString::new(name)?;
        // SAFETY: a NUL-terminated name, copied; `_eal` proves that the EAL runs.
        let raw = unsafe { sys::tg_hash_create(c_name.as_ptr(), entries, K as u32) };
        NonNull::new(raw).map(|raw| RteHash { raw }).ok_or_else(|| DpdkError::last("a hash table"))
    }

    /// Whether there was room.
    pub fn add(&mut self, key: &[u8; K]) -> bool {
        // SAFETY: the table reads K bytes.
        unsafe { sys::tg_hash_add(self.raw.as_ptr(), key.as_ptr().cast()) >= 0 }
    }

    /// Looks up to [`BULK`] keys up at once; how many were found.
    #[inline]
    pub fn lookup(&self, keys: &[&[u8; K]]) -> usize {
        let mut at = [0i32; BULK];
        let mut pointers = [std::ptr::null::<c_void>(); BULK];
        let n = keys.len().min(BULK);
        for (p, k) in pointers.iter_mut().zip(keys) {
            *p = k.as_ptr().cast();
        }
        // SAFETY: n ≤ BULK pointers to keys of K bytes, and as many places for answers.
        unsafe {
            sys::tg_hash_lookup_bulk(self.raw.as_ptr(), pointers.as_mut_ptr(), n as u32, at.as_mut_ptr())
        };
        at[..n].iter().filter(|&&p| p >= 0).count()
    }
}

impl<const K: usize> Drop for RteHash<K> {
    fn drop(&mut self) {
        // SAFETY: the table is ours and freed once.
        unsafe { sys::tg_hash_free(self.raw.as_ptr()) }
    }
}

/// `rte_net_get_ptype` of every packet; the sum of its answers.
pub fn packet_types(b: &mut Burst) -> u64 {
    let n = b.len() as u32;
    // SAFETY: the slots are n valid packets; an Mbuf is a pointer to one.
    unsafe { sys::tg_ptypes(b.packets_mut().as_mut_ptr().cast(), n) }
}
