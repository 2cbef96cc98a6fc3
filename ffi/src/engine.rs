//! Engines: packets in; verdicts out, and events through a callback.

use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use tidegate_core::Secret;
use tidegate_core::engine::{BURST, Engine, Frame, MemoryPlan};
use tidegate_core::event::{Event, EventSink, Verdict};
use tidegate_core::fault::Station;
use tidegate_core::packet::Decoder;
use tidegate_core::packet::checksum::Sums;
use tidegate_dataplane::config::ChecksumMode;
use tidegate_dataplane::config::engine::Mode;
use tidegate_dataplane::eve::{Counts, DropsSeen};
use tidegate_dataplane::keys::all as key_logs;
use tidegate_dataplane::secret;

use crate::args::{self, sized};
use crate::error::{Res, TG_ERR_INVALID, TG_ERR_IO, TG_ERR_MEMORY, TG_ERR_STOPPED, err, fence, tg_status};
use crate::event::{self, Slot, tg_event, tg_event_fn};
use crate::handle::{self, Inside, Object};
use crate::log::{say, tg_log_level};
use crate::packet::{TG_LINK_ETHERNET, TG_VERDICT_FORWARD, link, tg_packet, tg_verdict, verdict};
use crate::rules::{Rules, tg_ruleset};
use crate::settings::{Said, tg_settings};

mod flow;
mod keys;
#[cfg(feature = "dpdk")]
mod mbufs;
mod memory;
mod stats;
mod stream;
pub use flow::*;
#[cfg(feature = "dpdk")]
pub use mbufs::rte_mbuf;
pub use memory::*;
pub use stats::*;
pub use stream::*;

use flow::{Deed, MOST_ASKED};

/// One worker's engine: flows, streams, protocols and rules, in memory taken when it is made. One thread at a time may
/// use it; a call while another thread is inside is TG_ERR_BUSY. Make one for each core.
pub struct tg_engine {
    _private: [u8; 0],
}

/// Verdicts are obeyed: rules that drop block, and drop events come. For tg_engine_config.
pub const TG_ENGINE_INLINE: u32 = 1;
/// TCP packets with wrong checksums are inspected like others. Without this and TG_ENGINE_KNOWN_CHECKSUMS checksums
/// are verified: what `flags` of a packet say counts, and the rest is computed, as a receiver of the packet would; who
/// has a wrong one is kept out of its stream and counted (`tcp.invalid_checksum`).
pub const TG_ENGINE_IGNORE_CHECKSUMS: u32 = 2;
/// Of checksums only what `flags` of a packet say counts; nothing is computed. For traffic of senders on this machine,
/// whose checksums a card was to fill in, where that is not known packet by packet.
pub const TG_ENGINE_KNOWN_CHECKSUMS: u32 = 4;
/// The packets are those of a capture: what is found is the same each time, flow numbers included, as hash tables are
/// keyed by a secret that everybody knows unless `secret` is set; and unless they are ignored or only the known ones
/// count, checksums are verified until more than a tenth of the first 1,000 packets (by `index`) have a wrong one: then
/// they were captured before the card filled them in, and none counts. The command does so, too. Never for live
/// traffic: senders could evict chosen flows.
pub const TG_ENGINE_CAPTURE: u32 = 8;

/// How an engine is made. Members that are zero have the customary meaning.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tg_engine_config {
    /// sizeof(tg_engine_config)
    pub size: usize,
    /// Bytes that the engine takes, rules apart; 0: 256 MiB. tg_engine_memory says for what. All are taken when the
    /// engine is made: TG_ERR_MEMORY when there are not so many, TG_ERR_INVALID when an engine needs more.
    pub memory: u64,
    /// Settings; NULL: those that the rules were compiled with.
    pub settings: *const tg_settings,
    /// Called for every event; NULL: nobody is.
    pub on_event: tg_event_fn,
    /// Goes to `on_event` as it is.
    pub user: *mut c_void,
    /// Types of events wanted, a sum of TG_EVENT_ values; 0: all.
    pub events: u32,
    /// A sum of TG_ENGINE_ values.
    pub flags: u32,
    /// Keys the hash tables; zeros: 16 random bytes. Engines with the same secret give the same output for the same
    /// packets, flow numbers included. Set it for captures only: senders who know it can evict chosen flows.
    pub secret: [u8; 16],
}

sized!(tg_engine_config);

/// Memory of an engine when nothing else is said.
const MEMORY: u64 = 256 << 20;

/// Bytes for packets in pieces of one burst.
#[cfg(feature = "dpdk")]
const JOINED: usize = 1 << 20;

/// What a handle stands for. What every burst touches beside the engine is one cache line.
#[repr(C, align(64))]
struct Worker {
    any_asked: AtomicBool,
    inline: bool,
    core: UnsafeCell<Core>,
    /// What callbacks asked for, to be done after the burst at hand.
    asked: Mutex<Vec<(u64, Deed)>>,
}

#[repr(C)]
struct Core {
    tap: Tap,
    engine: Engine,
    /// Packets that lie in several pieces are put together here.
    #[cfg(feature = "dpdk")]
    joined: Vec<u8>,
}

impl Object for Worker {
    const KIND: u32 = 4;
    const NAME: &'static str = "engine";
    type Opaque = tg_engine;
}

const _: () = {
    const fn moves_between_threads<T: Send>() {}
    moves_between_threads::<Engine>();
};

/// Takes the engine's events to the callback.
#[repr(C)]
struct Tap {
    call: tg_event_fn,
    user: *mut c_void,
    slot: *mut tg_event,
    /// What `slot` stands for.
    at: *const Slot,
    events: u32,
    stopped: bool,
    lost: u64,
    /// Packets of link types that nobody knows.
    unknown_link_told: bool,
    /// Events by the number of their type's bit.
    kinds: [u64; 8],
    ends: Counts,
    drops: DropsSeen,
}

impl Tap {
    /// What was counted, as EVE's counters have it.
    fn counts(&self) -> Counts {
        let [alerts, flows, records, files, anomalies, drops, ..] = self.kinds;
        Counts { alerts, flows, records, files, anomalies, drops, ..self.ends }
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        // SAFETY: the slot was made with the engine; nobody is inside, as the engine is being freed.
        let _ = unsafe { handle::free::<Slot>(self.slot) };
    }
}

/// A tap during a call, with the packets that events may come from.
struct Open<'a> {
    tap: &'a mut Tap,
    packets: &'a [tg_packet],
}

impl EventSink for Open<'_> {
    fn event(&mut self, event: Event<'_>) {
        let bit = event::bit(&event);
        // By number and not by cases: which type comes next cannot be foreseen.
        self.tap.kinds[bit.trailing_zeros() as usize & 7] += 1;
        if let Event::Flow(f) = &event {
            self.tap.ends.flow_end(f);
        }
        let first = !matches!(event, Event::Drop(_)) || self.tap.drops.first(&event);
        let Some(call) = self.tap.call.filter(|_| self.tap.events & bit != 0) else { return };
        if self.tap.stopped {
            self.tap.lost += 1;
            return;
        }
        let (p, user) = (self.tap.slot, self.tap.user);
        // SAFETY: the slot was made with the engine and lives as long. Nobody else uses it, as this thread is alone in
        // the engine.
        let slot = unsafe { &*self.tap.at };
        let mut go = 0;
        // SAFETY: the caller of `tg_engine_new` gave a function of this type; the handle is the slot's, and this thread
        // is alone in the engine.
        unsafe { slot.lend(p, &event, first, self.packets, || go = call(p, user)) };
        self.tap.stopped = go != 0;
    }
}

/// Somebody alone inside an engine.
struct Use {
    worker: Inside<Worker>,
}

impl Use {
    /// # Safety
    /// `p` is NULL or a handle of an engine.
    #[inline]
    unsafe fn of(p: *const tg_engine) -> Res<Use> {
        // SAFETY: as above.
        Ok(Use { worker: unsafe { handle::enter::<Worker>(p) }? })
    }

    /// Runs `f` with the engine and a sink.
    #[inline]
    fn run<R>(&mut self, f: impl FnOnce(&mut Engine, &mut Open<'_>) -> R) -> R {
        self.run_on(&[], f)
    }

    /// As [`Use::run`], with the packets that events may come from; then does what callbacks asked for.
    #[inline]
    fn run_on<R>(&mut self, packets: &[tg_packet], f: impl FnOnce(&mut Engine, &mut Open<'_>) -> R) -> R {
        // SAFETY: this thread is inside alone, and `&mut self` keeps this function from being entered again;
        // callbacks cannot come here, as `enter` refuses them.
        let core = unsafe { &mut *self.worker.core.get() };
        let out = f(&mut core.engine, &mut Open { tap: &mut core.tap, packets });
        if self.worker.any_asked.load(Ordering::Relaxed) {
            self.do_asked();
        }
        out
    }

    #[cold]
    fn do_asked(&mut self) {
        // SAFETY: as in `run_on`.
        let core = unsafe { &mut *self.worker.core.get() };
        self.worker.any_asked.store(false, Ordering::Relaxed);
        let mut asked = self.worker.asked.lock().unwrap_or_else(PoisonError::into_inner);
        for (id, deed) in asked.drain(..) {
            match deed {
                // The engine was found to be inline when it was asked for.
                Deed::Block => drop(core.engine.block_flow(id)),
                Deed::Bypass => drop(core.engine.bypass_flow(id)),
            }
        }
    }

    fn tap(&mut self) -> &mut Tap {
        // SAFETY: as in `run_on`.
        unsafe { &mut (*self.worker.core.get()).tap }
    }

    /// Tells the log of the first packet of a link type that nobody knows; the engine counts them.
    #[cold]
    #[inline(never)]
    fn unknown_link(&mut self, link_type: u16) {
        let tap = self.tap();
        if !std::mem::replace(&mut tap.unknown_link_told, true) {
            say(
                tg_log_level::TG_LOG_WARNING,
                &format!("packets of link type {link_type} are not decoded: it is not known here"),
            );
        }
    }

    /// Begins a call that may deliver events.
    #[inline]
    fn begin(&mut self) {
        self.tap().stopped = false;
    }

    /// Ends it.
    #[inline]
    fn end(&mut self) -> Res {
        if self.tap().stopped {
            return err(TG_ERR_STOPPED, "on_event asked to stop");
        }
        Ok(())
    }

    /// Takes packets through the engine in bursts; the verdict of packet `i` goes to `verdicts`, unless that is NULL.
    ///
    /// # Safety
    /// The bytes of the packets can be read; there is room for as many verdicts.
    unsafe fn bursts(&mut self, packets: &[tg_packet], verdicts: *mut tg_verdict) -> Res {
        // SAFETY: as above.
        unsafe { self.told::<false>(packets, &[], verdicts) }
    }

    /// The same; with `TOLD`, `sums` has what is known of the checksum of each packet.
    ///
    /// # Safety
    /// As [`Use::bursts`].
    #[inline(always)]
    unsafe fn told<const TOLD: bool>(
        &mut self,
        packets: &[tg_packet],
        sums: &[Sums],
        verdicts: *mut tg_verdict,
    ) -> Res {
        let mut at = 0;
        let mut frames = [const { MaybeUninit::<Frame<'_>>::uninit() }; BURST];
        let mut of_burst = [Verdict::Forward; BURST];
        for burst in packets.chunks(BURST) {
            for (to, p) in frames.iter_mut().zip(burst) {
                if !p.whole() {
                    return Err(p.wrong());
                }
                if p.link_type > TG_LINK_ETHERNET && !Decoder::knows_link(link(p.link_type)) {
                    self.unknown_link(p.link_type);
                }
                // SAFETY: as above.
                to.write(unsafe { p.frame() });
            }
            if TOLD {
                for (to, s) in frames.iter_mut().zip(sums.get(at..).unwrap_or(&[])).take(burst.len()) {
                    // SAFETY: it was just written.
                    unsafe { to.assume_init_mut() }.sums = *s;
                }
            }
            // SAFETY: as many were just written.
            let given =
                unsafe { std::slice::from_raw_parts(frames.as_ptr().cast::<Frame<'_>>(), burst.len()) };
            let of_burst = &mut of_burst[..burst.len()];
            self.run_on(burst, |engine, open| engine.process(given, of_burst, open));
            // Written when the burst is done: with an error in between none of them is.
            if !verdicts.is_null() {
                // SAFETY: as above.
                unsafe { tell(of_burst, verdicts.add(at)) };
            }
            at += burst.len();
        }
        Ok(())
    }
}

/// Writes verdicts. Nearly always all packets go on: little code is touched then.
///
/// # Safety
/// There is room for as many.
#[inline]
unsafe fn tell(from: &[Verdict], to: *mut tg_verdict) {
    #[cold]
    #[inline(never)]
    unsafe fn one_by_one(from: &[Verdict], to: *mut tg_verdict) {
        for (i, v) in from.iter().enumerate() {
            // SAFETY: as above.
            unsafe { to.add(i).write(verdict(*v)) };
        }
    }
    if from.iter().any(|v| *v != Verdict::Forward) {
        // SAFETY: as above.
        unsafe { one_by_one(from, to) }
    } else {
        // SAFETY: as above.
        unsafe { to.write_bytes(TG_VERDICT_FORWARD, from.len()) }
    }
}

/// Makes an engine that runs `rules`; NULL: no rules, events of flows and protocols only. `config` NULL: all zero.
/// Thread-safe. The engine keeps what it needs of rules and settings, which may be freed.
///
/// # Safety
/// `rules` is NULL or a handle; `config` is NULL or points to a struct whose `size` is set; `out` is NULL or can be
/// written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_engine_new(
    rules: *const tg_ruleset,
    config: *const tg_engine_config,
    out: *mut *mut tg_engine,
) -> tg_status {
    fence(|| {
        // SAFETY: the caller promises so.
        let out = unsafe { args::out(out, "out") }?;
        let config = if config.is_null() {
            None
        } else {
            // SAFETY: as above.
            Some(unsafe { args::read_sized(config) }?)
        };
        // SAFETY: as above.
        let rules = if rules.is_null() { None } else { Some(unsafe { handle::share::<Rules>(rules) }?) };
        out.write(handle::make(make(rules.as_deref(), config.as_ref())?));
        Ok(())
    })
}

/// The secret of an engine whose caller sets none.
pub(crate) fn random() -> Res<Secret> {
    tidegate_dataplane::secret::random().or_else(|e| err(TG_ERR_IO, e.to_string()))
}

/// Refuses flags that are not known or contradict each other.
fn checked(flags: u32) -> Res {
    let known = TG_ENGINE_INLINE | TG_ENGINE_IGNORE_CHECKSUMS | TG_ENGINE_KNOWN_CHECKSUMS | TG_ENGINE_CAPTURE;
    if flags & !known != 0 {
        return err(TG_ERR_INVALID, format!("flags is {flags:#x}, of which this library knows {known:#x}"));
    }
    let both = TG_ENGINE_IGNORE_CHECKSUMS | TG_ENGINE_KNOWN_CHECKSUMS;
    if flags & both == both {
        return err(
            TG_ERR_INVALID,
            "TG_ENGINE_IGNORE_CHECKSUMS and TG_ENGINE_KNOWN_CHECKSUMS exclude each other",
        );
    }
    Ok(())
}

/// The memory that `config` asks for.
fn memory_of(config: Option<&tg_engine_config>) -> Res<u64> {
    /// More is no number of bytes but rubbish.
    const MOST: u64 = 1 << 42;
    match config.map_or(0, |c| c.memory) {
        0 => Ok(MEMORY),
        m if m > MOST => err(TG_ERR_INVALID, format!("memory is {m} bytes; an engine takes at most {MOST}")),
        m => match MemoryPlan::new(m) {
            Ok(_) => Ok(m),
            Err(e) => err(TG_ERR_INVALID, e.to_string()),
        },
    }
}

/// How the checksums of an engine's packets are seen.
fn checksums(flags: u32, said: ChecksumMode) -> ChecksumMode {
    if flags & TG_ENGINE_IGNORE_CHECKSUMS != 0 {
        ChecksumMode::No
    } else if flags & TG_ENGINE_KNOWN_CHECKSUMS != 0 {
        ChecksumMode::Auto
    } else if flags & TG_ENGINE_CAPTURE != 0 {
        said
    } else {
        ChecksumMode::Yes
    }
}

fn make(rules: Option<&Rules>, config: Option<&tg_engine_config>) -> Res<Worker> {
    let flags = config.map_or(0, |c| c.flags);
    checked(flags)?;
    let memory = memory_of(config)?;
    // What cannot be had ends the process when it is needed; so it is asked for once, as a whole, before.
    let mut whole = Vec::<u8>::new();
    let room = usize::try_from(memory).unwrap_or(usize::MAX);
    if std::hint::black_box(&mut whole).try_reserve_exact(room).is_err() {
        return err(TG_ERR_MEMORY, format!("{memory} bytes are not to be had"));
    }
    drop(std::hint::black_box(whole));
    let events = event::types(config.map_or(0, |c| c.events))?;
    let said = match config.map_or(std::ptr::null(), |c| c.settings) {
        p if p.is_null() => rules.map(|r| r.said.clone()).unwrap_or_default(),
        // SAFETY: the caller of `tg_engine_new` promises a handle.
        p => unsafe { Said::of(p) }?,
    };
    let inline = flags & TG_ENGINE_INLINE != 0;
    let mut settings = said.read(inline)?;
    let secret = match config.map_or([0; 16], |c| c.secret) {
        none if none == [0; 16] && flags & TG_ENGINE_CAPTURE != 0 => secret::CAPTURES,
        none if none == [0; 16] => random()?,
        some => Secret::random(some),
    };
    settings.keys.live = flags & TG_ENGINE_CAPTURE == 0;
    settings.pcap_checksums = checksums(flags, settings.pcap_checksums);
    let ignore_checksums = settings.pcap_checksums == ChecksumMode::No;
    let mut c = settings
        .engine(Mode { ips: inline, ignore_checksums, memory, secret })
        .or_else(|e| err(TG_ERR_INVALID, e.to_string()))?;
    let call = config.and_then(|c| c.on_event);
    c.stream.checksum_auto &= flags & (TG_ENGINE_CAPTURE | TG_ENGINE_KNOWN_CHECKSUMS) == TG_ENGINE_CAPTURE;
    // The callback sees transactions, whatever the outputs of the settings show.
    c.app.shown |= call.is_some();
    let logs = key_logs(&settings.keys.files).or_else(|e| err(TG_ERR_IO, e))?;
    logs.complaints.iter().for_each(|c| say(tg_log_level::TG_LOG_WARNING, c));
    let mut engine = Engine::new(c, rules.map(|r| r.rules.clone()).unwrap_or_default());
    logs.secrets.iter().for_each(|s| _ = engine.tls_secret(s));
    let eve = settings.outputs.eve.first().cloned();
    let any_drop = eve.as_ref().is_some_and(|e| e.drop.is_some());
    let slot = handle::make(Slot::new(eve, inline));
    let tap = Tap {
        call,
        user: config.map_or(std::ptr::null_mut(), |c| c.user),
        events,
        slot,
        // SAFETY: it was just made.
        at: unsafe { handle::object::<Slot>(slot) },
        drops: DropsSeen::new(any_drop),
        kinds: [0; 8],
        ends: Counts::default(),
        stopped: false,
        lost: 0,
        unknown_link_told: false,
    };
    Ok(Worker {
        core: UnsafeCell::new(Core {
            engine,
            tap,
            #[cfg(feature = "dpdk")]
            joined: Vec::with_capacity(JOINED),
        }),
        inline,
        asked: Mutex::new(Vec::with_capacity(MOST_ASKED)),
        any_asked: AtomicBool::new(false),
    })
}

/// Lets the engine behind a handle panic when a packet gets to `at`, for tests in Rust; `false` when that is not built in.
///
/// # Safety
/// `engine` is NULL or a handle.
#[doc(hidden)]
pub unsafe fn fail_at(engine: *const tg_engine, at: Station) -> bool {
    // SAFETY: the caller promises so.
    unsafe { Use::of(engine) }.is_ok_and(|mut e| e.run(|engine, _| engine.fail_at(at)))
}

/// Inspects `count` packets in order and writes `count` verdicts, if `verdicts` is not NULL. Best given 32 or more at
/// a time. It takes no memory and does not block. One thread at a time for an engine.
///
/// With TG_ERR_STOPPED all verdicts are written; with every other error none of the burst of 32 that it happened in.
///
/// # Safety
/// `engine` is NULL or a handle; `packets` points to `count` packets, whose bytes can be read; `verdicts` is NULL or
/// has room for `count`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_engine_process(
    engine: *mut tg_engine,
    packets: *const tg_packet,
    count: usize,
    verdicts: *mut tg_verdict,
) -> tg_status {
    fence(|| {
        // SAFETY: the caller promises so.
        let (mut e, packets) = unsafe { (Use::of(engine)?, args::array(packets, count, "packets")?) };
        e.begin();
        // SAFETY: the caller promises so.
        unsafe { e.bursts(packets, verdicts) }?;
        e.end()
    })
}

/// As tg_engine_process, for packets of DPDK, which stay the caller's and are looked at where they lie; those in
/// several pieces are put together in a buffer of the engine. All count as seen at `now_ns`. In libraries built with
/// DPDK (define TIDEGATE_DPDK). One thread at a time for an engine.
///
/// # Safety
/// `engine` is NULL or a handle; `mbufs` points to `count` mbufs with their bytes; `verdicts` is NULL or has room for
/// `count`.
#[cfg(feature = "dpdk")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_engine_process_mbufs(
    engine: *mut tg_engine,
    mbufs: *const *mut rte_mbuf,
    count: usize,
    now_ns: u64,
    verdicts: *mut tg_verdict,
) -> tg_status {
    fence(|| {
        // SAFETY: the caller promises so.
        let (mut e, mbufs) = unsafe { (Use::of(engine)?, args::array(mbufs, count, "mbufs")?) };
        e.begin();
        // SAFETY: the caller promises so.
        unsafe { e.mbufs(mbufs, now_ns, verdicts) }?;
        e.end()
    })
}

/// Lets time pass without packets: flows and fragments that are idle too long end, which may bring events. Call it
/// about once a second when no packets come. A time more than 10 s ahead counts when three different ones in a row are
/// (docs/time.md). One thread at a time for an engine.
///
/// # Safety
/// `engine` is NULL or a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_engine_tick(engine: *mut tg_engine, now_ns: u64) -> tg_status {
    fence(|| {
        // SAFETY: the caller promises so.
        let mut e = unsafe { Use::of(engine) }?;
        e.begin();
        e.run(|engine, open| engine.tick(now_ns, open));
        e.end()
    })
}

/// Ends all flows, as at the end of a capture: what they still hold is inspected and reported. The engine can be used
/// again afterwards. One thread at a time for an engine.
///
/// # Safety
/// `engine` is NULL or a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_engine_finish(engine: *mut tg_engine) -> tg_status {
    fence(|| {
        // SAFETY: the caller promises so.
        let mut e = unsafe { Use::of(engine) }?;
        e.begin();
        e.run(|engine, open| engine.finish(open));
        e.end()
    })
}

/// Goes on with other rules. Flows stay; what rules noted on them (flowbits, flowints, flowvars) begins anew, as do
/// their looks at unfinished transactions; thresholds go on by gid, sid and rev, xbits by name, and datasets are
/// those of the rule set, shared by all engines that have it. Takes memory, frees none of the old rules: that is
/// done by the next `tg_ruleset_compile` or `tg_ruleset_free`. One thread at a time for an engine.
///
/// # Safety
/// `engine` is NULL or a handle; so is `rules`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_engine_swap_rules(engine: *mut tg_engine, rules: *const tg_ruleset) -> tg_status {
    fence(|| {
        // SAFETY: the caller promises so.
        let (mut e, rules) = unsafe { (Use::of(engine)?, handle::share::<Rules>(rules)?) };
        let new = rules.rules.clone();
        e.run(|engine, _| crate::rules::retire(engine.swap_rules(new)));
        Ok(())
    })
}

/// Frees an engine without ending its flows (see tg_engine_finish); NULL is nothing to do. TG_ERR_HANDLE when it was
/// freed before, TG_ERR_BUSY or TG_ERR_REENTRANT while somebody is inside: then it lives on. Thread-safe.
///
/// # Safety
/// `engine` is NULL or a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_engine_free(engine: *mut tg_engine) -> tg_status {
    // SAFETY: the caller promises so.
    fence(|| unsafe { handle::free::<Worker>(engine) })
}
