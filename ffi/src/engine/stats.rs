//! What an engine has counted: the usual figures in a struct, and every counter under its name in EVE.

use std::ffi::{c_int, c_void};

use tidegate_dataplane::counters;

use super::{Use, tg_engine};
use crate::args::{self, Answers, sized, tg_bytes};
use crate::error::{fence, tg_status};

/// What an engine has counted since it was made.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tg_stats {
    /// sizeof(tg_stats)
    pub size: usize,
    /// Packets given in.
    pub frames: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Packets, inner ones of tunnels counted too.
    pub packets: u64,
    /// Damaged beyond use.
    pub invalid: u64,
    /// TCP packets.
    pub tcp: u64,
    /// UDP packets.
    pub udp: u64,
    /// Flows so far.
    pub flows: u64,
    /// Flows alive.
    pub flows_active: u64,
    /// Flows given up to make room.
    pub flows_evicted: u64,
    /// Alerts.
    pub alerts: u64,
    /// Alerts that thresholds kept back.
    pub alerts_suppressed: u64,
    /// Packets that went on.
    pub forwarded: u64,
    /// Packets that were dropped or rejected.
    pub dropped: u64,
    /// Packets that need no inspection any more.
    pub bypassed: u64,
    /// Holes in streams.
    pub gaps: u64,
    /// Bytes in use and reserved in the pool of streams.
    pub stream_pool: [u64; 2],
    /// Bytes in use and reserved in the pool of protocols.
    pub app_pool: [u64; 2],
    /// Requests that full pools refused.
    pub pool_refused: u64,
    /// Events that nobody was told because a callback had stopped.
    pub events_lost: u64,
    /// Packets whose link type is not known here: nothing in them is looked at. The log is told of the first.
    pub unknown_link: u64,
}

sized!(tg_stats);

/// Takes a counter: its name as in EVE's `stats`, parts joined by dots. Any other return value than 0 ends the walk
/// with TG_ERR_STOPPED.
pub type tg_counter_fn = Option<unsafe extern "C" fn(name: tg_bytes, value: u64, user: *mut c_void) -> c_int>;

/// Tells what the engine has counted. One thread at a time for an engine.
///
/// # Safety
/// `engine` is NULL or a handle; `out` is NULL or points to a struct whose `size` is set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_engine_stats(engine: *mut tg_engine, out: *mut tg_stats) -> tg_status {
    fence(|| {
        // SAFETY: the caller promises so.
        let mut e = unsafe { Use::of(engine) }?;
        let (s, lost) = e.run(|engine, open| (engine.stats(), open.tap.lost));
        let pool = |i: usize| s.pools.get(i).map_or([0; 2], |p| [p.0, p.1]);
        let value = tg_stats {
            size: size_of::<tg_stats>(),
            frames: s.frames,
            bytes: s.bytes,
            packets: s.packets,
            invalid: s.invalid,
            tcp: s.tcp,
            udp: s.udp,
            flows: s.flow.total,
            flows_active: s.flows_active,
            flows_evicted: s.flow.evicted,
            alerts: s.alerts,
            alerts_suppressed: s.suppressed,
            forwarded: s.accepted,
            dropped: s.blocked,
            bypassed: s.bypassed,
            gaps: s.stream.gaps,
            stream_pool: pool(0),
            app_pool: pool(1),
            pool_refused: s.pool_refused.iter().sum(),
            events_lost: lost,
            unknown_link: s.unknown_link,
        };
        // SAFETY: the caller promises so.
        unsafe { args::write_sized(out, value) }
    })
}

/// Gives every counter there is, under its name in EVE's `stats`, to `callback`. Takes memory. One thread at a time
/// for an engine.
///
/// # Safety
/// `engine` is NULL or a handle; `callback` is NULL or a function that does as its type says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_engine_counters(
    engine: *mut tg_engine,
    callback: tg_counter_fn,
    user: *mut c_void,
) -> tg_status {
    fence(|| {
        let call = args::callback(callback)?;
        let all = {
            // SAFETY: the caller promises so.
            let mut e = unsafe { Use::of(engine) }?;
            let inline = e.worker.inline;
            e.run(|engine, open| counters::named(&engine.stats(), &open.tap.counts(), inline, true))
        };
        let mut answers = Answers::new();
        for (name, n) in &all {
            // SAFETY: the caller gave a function of this type; the name outlives the call.
            if !answers.take(unsafe { call(tg_bytes::of(name.as_bytes()), *n, user) }) {
                break;
            }
        }
        answers.end()
    })
}
