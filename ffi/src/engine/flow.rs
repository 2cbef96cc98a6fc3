//! Flows of an engine: an end-to-end key or a number in; what is known of a flow out, and blocking and bypassing it. A
//! callback of the engine only asks for these ([`Deed`]); they are done after the burst at hand.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use tidegate_core::flow::Key;
use tidegate_core::packet::Addr;

use super::{Use, Worker, tg_engine};
use crate::args::{self, sized};
use crate::error::{Res, TG_ERR_INVALID, TG_ERR_NOT_FOUND, TG_ERR_ROOM, TG_ERR_STATE, err, fence, tg_status};
use crate::event::{flow_of, tg_flow};
use crate::handle;

/// Ends of a flow, either way round.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tg_flow_key {
    /// sizeof(tg_flow_key)
    pub size: usize,
    /// Addresses in network order, of IPv4 the first four bytes.
    pub src: [u8; 16],
    /// See `src`.
    pub dst: [u8; 16],
    /// Ports in host order; for ICMP the type << 8 | code.
    pub src_port: u16,
    /// See `src_port`; for ICMP the answering type << 8.
    pub dst_port: u16,
    /// VLAN identifiers, outermost first.
    pub vlan: [u16; 3],
    /// How many.
    pub vlans: u8,
    /// 4 or 6.
    pub ip_version: u8,
    /// IP protocol number.
    pub proto: u8,
    /// Tunnels it is inside of.
    pub recursion: u8,
    /// Zero.
    pub reserved: [u8; 2],
}

sized!(tg_flow_key);

/// Most flows that callbacks can ask to be blocked or bypassed in one burst.
pub(super) const MOST_ASKED: usize = 1024;

/// What a callback asked for.
#[derive(Clone, Copy)]
pub(super) enum Deed {
    Block,
    Bypass,
}

fn no_flow<T>() -> Res<T> {
    err(TG_ERR_NOT_FOUND, "no flow alive has that number")
}

/// Tells of the living flow number `id`. One thread at a time for an engine; what `out` points to afterwards is valid
/// for ever.
///
/// # Safety
/// `engine` is NULL or a handle; `out` is NULL or points to a struct whose `size` is set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_engine_flow(engine: *mut tg_engine, id: u64, out: *mut tg_flow) -> tg_status {
    fence(|| {
        // SAFETY: the caller promises so.
        let mut e = unsafe { Use::of(engine) }?;
        match e.run(|engine, _| engine.with_flow_id(id, |v| flow_of(&v))) {
            // SAFETY: as above.
            Some(f) => unsafe { args::write_sized(out, f) },
            None => no_flow(),
        }
    })
}

/// Finds the living flow between two ends and tells its number. One thread at a time for an engine.
///
/// # Safety
/// `engine` is NULL or a handle; `key` is NULL or points to a struct whose `size` is set; `id` is NULL or can be
/// written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_engine_flow_find(
    engine: *mut tg_engine,
    key: *const tg_flow_key,
    id: *mut u64,
) -> tg_status {
    fence(|| {
        // SAFETY: the caller promises so.
        let (id, key) = unsafe { (args::out(id, "id")?, args::read_sized(key)?) };
        if !matches!(key.ip_version, 4 | 6) || key.vlans > 3 {
            return err(TG_ERR_INVALID, "ip_version is neither 4 nor 6, or vlans more than 3");
        }
        let v6 = key.ip_version == 6;
        let addr = |a: [u8; 16]| if v6 { Addr(a) } else { Addr::v4([a[0], a[1], a[2], a[3]]) };
        let key = Key {
            src: addr(key.src),
            dst: addr(key.dst),
            sp: key.src_port,
            dp: key.dst_port,
            vlan: key.vlan,
            vlans: key.vlans,
            proto: key.proto,
            recursion: key.recursion,
            v6,
        };
        // SAFETY: as above.
        let mut e = unsafe { Use::of(engine) }?;
        match e.run(|engine, _| engine.flow_id(&key)) {
            Some(found) => {
                id.write(found);
                Ok(())
            }
            None => err(TG_ERR_NOT_FOUND, "no flow alive is between these ends"),
        }
    })
}

/// Notes what a callback asks for, if this is one.
///
/// # Safety
/// `p` is NULL or a handle of an engine.
unsafe fn ask(p: *mut tg_engine, id: u64, deed: Deed) -> Option<Res> {
    // SAFETY: as above.
    if !unsafe { handle::is_inside::<Worker>(p) } {
        return None;
    }
    let note = || {
        // SAFETY: as above; only what may be used by a callback of the engine is: not the core.
        let worker = unsafe { handle::peek::<Worker>(p) }?;
        may_block(worker.inline, deed)?;
        let mut asked = worker.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.len() >= MOST_ASKED {
            return err(TG_ERR_ROOM, format!("{MOST_ASKED} flows were named in this burst already"));
        }
        asked.push((id, deed));
        worker.any_asked.store(true, Ordering::Relaxed);
        Ok(())
    };
    Some(note())
}

fn may_block(inline: bool, deed: Deed) -> Res {
    match deed {
        Deed::Block if !inline => err(TG_ERR_STATE, "the engine is not inline: its verdicts drop nothing"),
        _ => Ok(()),
    }
}

/// Drops every further packet of flow `id`. TG_ERR_NOT_FOUND when no such flow is alive, TG_ERR_STATE when the engine
/// is not inline. One thread at a time for an engine; from the engine's event callback it is done after the burst of
/// 32 packets at hand, and a flow that is not there then is no error.
///
/// # Safety
/// `engine` is NULL or a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_engine_flow_block(engine: *mut tg_engine, id: u64) -> tg_status {
    fence(|| {
        // SAFETY: the caller promises so.
        if let Some(r) = unsafe { ask(engine, id, Deed::Block) } {
            return r;
        }
        // SAFETY: as above.
        let mut e = unsafe { Use::of(engine) }?;
        may_block(e.worker.inline, Deed::Block)?;
        match e.run(|engine, _| engine.block_flow(id)) {
            Ok(true) => Ok(()),
            Ok(false) => no_flow(),
            Err(e) => err(TG_ERR_STATE, e.to_string()),
        }
    })
}

/// Inspects no further packet of flow `id`: their verdict is TG_VERDICT_BYPASS. TG_ERR_NOT_FOUND when no such flow is
/// alive. Threads and callbacks: see tg_engine_flow_block.
///
/// # Safety
/// `engine` is NULL or a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_engine_flow_bypass(engine: *mut tg_engine, id: u64) -> tg_status {
    fence(|| {
        // SAFETY: the caller promises so.
        if let Some(r) = unsafe { ask(engine, id, Deed::Bypass) } {
            return r;
        }
        // SAFETY: as above.
        let mut e = unsafe { Use::of(engine) }?;
        if e.run(|engine, _| engine.bypass_flow(id)) { Ok(()) } else { no_flow() }
    })
}
