//! Rings that carry packets from lcore to lcore: any number of senders, one receiver.

use std::ffi::CString;
use std::ptr::NonNull;
use std::sync::Arc;

use tidegate_dpdk_sys as sys;

use super::{Burst, DpdkError, Eal};

#[derive(Debug)]
struct Ring {
    raw: NonNull<sys::rte_ring>,
}

// SAFETY: the ring is made for several producers; its one consumer is the one Receiver.
unsafe impl Send for Ring {}
// SAFETY: as above.
unsafe impl Sync for Ring {}

impl Drop for Ring {
    fn drop(&mut self) {
        let mut left: *mut sys::rte_mbuf = std::ptr::null_mut();
        // SAFETY: the last handle is gone, so this is the ring's only user; what it holds are owned packets.
        unsafe {
            while sys::tg_ring_pop(self.raw.as_ptr(), &mut left, 1) == 1 {
                sys::tg_mbuf_free(left);
            }
            sys::tg_ring_free(self.raw.as_ptr());
        }
    }
}

/// The sending end; every sender has its own.
#[derive(Clone, Debug)]
pub struct Sender {
    ring: Arc<Ring>,
}

/// The receiving end; there is one.
#[derive(Debug)]
pub struct Receiver {
    ring: Arc<Ring>,
}

/// Makes a ring of `count` places (a power of two; one stays empty).
pub fn ring(_eal: Eal, name: &str, count: u32) -> Result<(Sender, Receiver), DpdkError> {
    let c_name = CString::new(name)?;
    // SAFETY: a NUL-terminated name, copied; `_eal` proves that the EAL runs.
    let raw = unsafe { sys::tg_ring_create(c_name.as_ptr(), count, -1) };
    let raw = NonNull::new(raw).ok_or_else(|| DpdkError::last(format!("ring {name}")))?;
    let ring = Arc::new(Ring { raw });
    Ok((Sender { ring: ring.clone() }, Receiver { ring }))
}

impl Sender {
    /// Passes on from the front of `from`; what did not fit stays in it.
    #[inline]
    pub fn send(&self, from: &mut Burst) -> usize {
        let ring = self.ring.raw.as_ptr();
        // SAFETY: the ring owns the packets that it says it took until the receiver takes them out.
        unsafe { from.empty(|slots, n| sys::tg_ring_push(ring, slots, u32::from(n)) as u16) }
    }
}

impl Receiver {
    /// Takes packets out behind what `into` holds; how many there were.
    #[inline]
    pub fn receive(&mut self, into: &mut Burst) -> usize {
        let ring = self.ring.raw.as_ptr();
        // SAFETY: `&mut self` makes this the only consumer; what comes out was owned by the ring.
        unsafe { into.fill(|slots, room| sys::tg_ring_pop(ring, slots, u32::from(room)) as u16) }
    }
}
