//! Packets of DPDK, looked at where they lie.

use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use tidegate_core::packet::checksum::Sums;
use tidegate_dataplane::dpdk::Mbuf;

use crate::error::TG_ERR_NULL;
use crate::packet::TG_PACKET_VLAN;

use super::{BURST, Res, TG_ERR_INVALID, Use, err, tg_packet, tg_verdict};

/// A packet of DPDK.
pub struct rte_mbuf {
    _private: [u8; 0],
}

const EMPTY: tg_packet = tg_packet {
    data: std::ptr::null(),
    len: 0,
    rss_hash: 0,
    ts_ns: 0,
    index: 0,
    port: 0,
    link_type: 0,
    wire_len: 0,
    vlan: 0,
    flags: 0,
    reserved: 0,
};

impl Use {
    /// The packet of an mbuf, and what is known of its checksums; one in several pieces is put together behind what `joined` has.
    ///
    /// # Safety
    /// `raw` is an mbuf of the caller, who keeps it for as long as the packet is used.
    unsafe fn packet(raw: *mut rte_mbuf, now: u64, joined: &mut Vec<u8>) -> Res<(tg_packet, Sums)> {
        let Some(raw) = NonNull::new(raw) else { return err(TG_ERR_NULL, "an mbuf is NULL") };
        // SAFETY: it stays the caller's: this handle frees nothing.
        let m = ManuallyDrop::new(unsafe { Mbuf::from_raw(raw.cast()) });
        let at = joined.len();
        let data = match m.data() {
            Some(data) => data,
            None if m.copy_to(joined) => joined.get(at..).unwrap_or(&[]),
            None => return err(TG_ERR_INVALID, format!("a packet of {} bytes in pieces", m.len())),
        };
        let vlan = m.stripped_vlan();
        let packet = tg_packet {
            data: data.as_ptr(),
            len: data.len() as u32,
            rss_hash: m.rss_hash().unwrap_or(0),
            ts_ns: now,
            index: 0,
            port: m.port(),
            link_type: 0,
            wire_len: 0,
            vlan: vlan.unwrap_or(0),
            flags: if vlan.is_some() { TG_PACKET_VLAN } else { 0 },
            reserved: 0,
        };
        Ok((packet, m.sums()))
    }

    /// Takes mbufs through the engine in bursts.
    ///
    /// # Safety
    /// As [`Use::packet`], for all of them; `verdicts` is NULL or has room for as many.
    pub(super) unsafe fn mbufs(
        &mut self,
        mbufs: &[*mut rte_mbuf],
        now: u64,
        verdicts: *mut tg_verdict,
    ) -> Res {
        if mbufs.iter().any(|m| m.is_null()) {
            return err(TG_ERR_NULL, "an mbuf is NULL");
        }
        // SAFETY: this thread is inside alone.
        let mut joined = std::mem::take(unsafe { &mut (*self.worker.core.get()).joined });
        let mut out = Ok(());
        for (b, burst) in mbufs.chunks(BURST).enumerate() {
            joined.clear();
            let mut packets = [EMPTY; BURST];
            let mut sums = [Sums::UNKNOWN; BURST];
            for ((to, sum), &m) in packets.iter_mut().zip(&mut sums).zip(burst) {
                // SAFETY: as above.
                match unsafe { Self::packet(m, now, &mut joined) } {
                    Ok((p, s)) => (*to, *sum) = (p, s),
                    Err(e) => out = Err(e),
                }
            }
            if out.is_err() {
                break;
            }
            let list = &packets[..burst.len()];
            let to = if verdicts.is_null() { verdicts } else { verdicts.wrapping_add(b * BURST) };
            // SAFETY: the bytes are those of mbufs, or of `joined`, which is not touched meanwhile; for verdicts as above.
            out = unsafe { self.told::<true>(list, &sums, to) };
            if out.is_err() {
                break;
            }
        }
        // SAFETY: as above.
        unsafe { (*self.worker.core.get()).joined = joined };
        out
    }
}
