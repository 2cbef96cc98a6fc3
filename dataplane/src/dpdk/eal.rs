//! The environment abstraction layer: started once, never taken down while anything could still use it.

use std::ffi::{CStr, CString, c_void};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};

use tidegate_dpdk_sys as sys;

use super::DpdkError;

static STARTED: AtomicBool = AtomicBool::new(false);

/// Proof that the EAL runs. A copy of a handle is as good as the handle: the EAL ends with the process.
#[derive(Clone, Copy, Debug)]
pub struct Eal {
    _made_here: PhantomData<()>,
}

/// A worker lcore of the EAL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lcore(pub u32);

pub(super) fn strerror(code: i32) -> String {
    // SAFETY: rte_strerror returns a NUL-terminated string that stays valid on this thread until its next call; it is
    // copied at once.
    unsafe { CStr::from_ptr(sys::tg_dpdk_strerror(code)) }.to_string_lossy().into_owned()
}

pub(super) fn errno() -> i32 {
    // SAFETY: reads a thread-local number.
    unsafe { sys::tg_errno() }
}

/// The time stamp counter (`cntvct_el0` on aarch64).
#[inline]
pub fn tsc() -> u64 {
    // SAFETY: reads a counter register.
    unsafe { sys::tg_tsc() }
}

/// Ticks of [`tsc`] in a second, once the EAL runs.
pub fn tsc_hz() -> u64 {
    // SAFETY: reads a number that the EAL measured.
    unsafe { sys::tg_tsc_hz() }
}

type Job = Box<dyn FnOnce() + Send>;

/// Runs on the lcore; the job came from [`Eal::launch`].
extern "C" fn trampoline(arg: *mut c_void) -> i32 {
    // SAFETY: `arg` is the Box that launch() turned into a pointer for this one call.
    let job = unsafe { Box::from_raw(arg.cast::<Job>()) };
    // A panic must not pass through C.
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(job)) {
        Ok(()) => 0,
        Err(_) => -1,
    }
}

impl Eal {
    /// Starts the EAL with `args` (without a program name). Fails when it was started before in this process.
    pub fn start(args: &[String]) -> Result<Eal, DpdkError> {
        let mut owned = vec![CString::new("tidegate")?];
        for a in args {
            owned.push(CString::new(a.as_str())?);
        }
        if STARTED.swap(true, Ordering::SeqCst) {
            return Err(DpdkError::Twice);
        }
        let mut argv: Vec<*mut i8> = owned.iter().map(|a| a.as_ptr().cast_mut().cast()).collect();
        argv.push(std::ptr::null_mut());
        let argc = owned.len() as i32;
        // SAFETY: argv holds argc NUL-terminated strings and a NULL. The EAL may keep pointers to them and reorders
        // them, so the strings are never freed (below); STARTED makes this the only call.
        let r = unsafe { sys::tg_eal_init(argc, argv.as_mut_ptr().cast()) };
        std::mem::forget(owned);
        if r < 0 {
            return Err(DpdkError::last("starting the EAL"));
        }
        // SAFETY: the EAL runs; this only advises the kernel about memory that the EAL holds.
        unsafe { sys::tg_large_pages() };
        Ok(Eal { _made_here: PhantomData })
    }

    /// DPDK's own name and version.
    pub fn version() -> String {
        // SAFETY: a constant string.
        unsafe { CStr::from_ptr(sys::tg_dpdk_version()) }.to_string_lossy().into_owned()
    }

    /// The lcores that wait for work, the main one not among them.
    pub fn workers(self) -> Vec<Lcore> {
        let mut out = vec![0u32; sys::TG_MAX_LCORE as usize];
        // SAFETY: `out` has room for as many numbers as are named.
        let n = unsafe { sys::tg_worker_lcores(out.as_mut_ptr(), out.len() as u32) } as usize;
        out.truncate(n);
        out.into_iter().map(Lcore).collect()
    }

    /// Memory socket and CPU of an lcore.
    pub fn place(self, lcore: Lcore) -> (u32, i32) {
        // SAFETY: both look a number up in a table and check its range.
        unsafe { (sys::tg_lcore_socket(lcore.0), sys::tg_lcore_cpu(lcore.0)) }
    }

    /// Runs `job` on an idle lcore. A panic in it ends it and is told by [`Eal::wait`].
    pub fn launch(self, lcore: Lcore, job: impl FnOnce() + Send + 'static) -> Result<(), DpdkError> {
        let boxed: Box<Job> = Box::new(Box::new(job));
        let arg = Box::into_raw(boxed);
        // SAFETY: the trampoline takes the pointer back exactly once when the launch succeeds.
        let r = unsafe { sys::tg_launch(Some(trampoline), arg.cast(), lcore.0) };
        if r != 0 {
            // SAFETY: the launch failed, so nobody else has the pointer.
            drop(unsafe { Box::from_raw(arg) });
            return Err(DpdkError::new(format!("lcore {}", lcore.0), r));
        }
        Ok(())
    }

    /// Waits for the job of an lcore; `false` when it panicked.
    pub fn wait(self, lcore: Lcore) -> bool {
        // SAFETY: only waits; an lcore without a job returns at once.
        unsafe { sys::tg_wait(lcore.0) == 0 }
    }

    /// Gives hugepage files and sockets of the EAL back and ends the process: nothing can use the EAL afterwards.
    pub fn exit(self, code: i32) -> ! {
        // SAFETY: the process ends before anything else runs on this thread; workers have been waited for by whoever
        // calls this, and those that were not only lose memory that the process loses anyway.
        unsafe { sys::tg_eal_cleanup() };
        std::process::exit(code)
    }
}
