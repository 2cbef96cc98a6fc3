//! Hyperscan's C interface, as much of it as is needed here. Values are those of `hs_common.h` and `hs_compile.h` 5.4.
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::ptr::null_mut;

type Ptr = *mut c_void;
type OnEvent = extern "C" fn(c_uint, u64, u64, c_uint, Ptr) -> c_int;

#[repr(C)]
struct CompileError {
    message: *mut c_char,
    expression: c_int,
}

unsafe extern "C" {
    fn hs_compile_lit_multi(
        expressions: *const *const c_char,
        flags: *const c_uint,
        ids: *const c_uint,
        lens: *const usize,
        n: c_uint,
        mode: c_uint,
        platform: Ptr,
        db: *mut Ptr,
        error: *mut *mut CompileError,
    ) -> c_int;
    fn hs_compile_multi(
        expressions: *const *const c_char,
        flags: *const c_uint,
        ids: *const c_uint,
        n: c_uint,
        mode: c_uint,
        platform: Ptr,
        db: *mut Ptr,
        error: *mut *mut CompileError,
    ) -> c_int;
    fn hs_free_compile_error(e: *mut CompileError) -> c_int;
    fn hs_free_database(db: Ptr) -> c_int;
    fn hs_database_size(db: Ptr, size: *mut usize) -> c_int;
    fn hs_stream_size(db: Ptr, size: *mut usize) -> c_int;
    fn hs_alloc_scratch(db: Ptr, scratch: *mut Ptr) -> c_int;
    fn hs_free_scratch(scratch: Ptr) -> c_int;
    fn hs_version() -> *const c_char;
    fn hs_scan(
        db: Ptr,
        data: *const u8,
        len: c_uint,
        flags: c_uint,
        scratch: Ptr,
        on: OnEvent,
        ctx: Ptr,
    ) -> c_int;
    fn hs_open_stream(db: Ptr, flags: c_uint, stream: *mut Ptr) -> c_int;
    fn hs_scan_stream(
        stream: Ptr,
        data: *const u8,
        len: c_uint,
        flags: c_uint,
        scratch: Ptr,
        on: OnEvent,
        ctx: Ptr,
    ) -> c_int;
    fn hs_reset_stream(stream: Ptr, flags: c_uint, scratch: Ptr, on: OnEvent, ctx: Ptr) -> c_int;
    fn hs_close_stream(stream: Ptr, scratch: Ptr, on: Option<OnEvent>, ctx: Ptr) -> c_int;
    fn dlsym(handle: Ptr, name: *const c_char) -> Ptr;
    fn clock_gettime(clock: c_int, t: *mut [i64; 2]) -> c_int;
}

type Scan = unsafe extern "C" fn(Ptr, *const u8, c_uint, c_uint, Ptr, OnEvent, Ptr) -> c_int;
type Open = unsafe extern "C" fn(Ptr, c_uint, *mut Ptr) -> c_int;
type Feed = unsafe extern "C" fn(Ptr, *const u8, c_uint, c_uint, Ptr, OnEvent, Ptr) -> c_int;
type Reset = unsafe extern "C" fn(Ptr, c_uint, Ptr, OnEvent, Ptr) -> c_int;
type Close = unsafe extern "C" fn(Ptr, Ptr, Option<OnEvent>, Ptr) -> c_int;

/// `hs_platform_info_t`.
#[repr(C)]
struct Platform {
    tune: c_uint,
    cpu_features: u64,
    reserved: [u64; 2],
}

/// `HS_CPU_FEATURES_AVX2`.
const FEATURES_AVX2: u64 = 1 << 2;

/// The library's functions that run: those it chooses for the machine, or those of AVX2, which it would choose on a machine
/// without AVX-512.
struct Runtime {
    scan: Scan,
    open: Open,
    feed: Feed,
    reset: Reset,
    close: Close,
    platform: Option<Platform>,
}

static RUNTIME: std::sync::OnceLock<Runtime> = std::sync::OnceLock::new();

fn runtime() -> &'static Runtime {
    RUNTIME.get_or_init(|| Runtime {
        scan: hs_scan,
        open: hs_open_stream,
        feed: hs_scan_stream,
        reset: hs_reset_stream,
        close: hs_close_stream,
        platform: None,
    })
}

/// Has the library compile for and run with AVX2 from now on; to be called before anything else of it.
///
/// # Errors
/// It is not built for several instruction sets.
pub fn limit_to_avx2() -> Result<(), String> {
    let find = |name: &CStr| {
        // SAFETY: the name is a C string; a null handle asks for the symbols of the program and its libraries.
        let f = unsafe { dlsym(null_mut(), name.as_ptr()) };
        if f.is_null() { Err(format!("Hyperscan has no {}", name.to_string_lossy())) } else { Ok(f) }
    };
    // SAFETY: these symbols are functions with the types of those without their prefix.
    let limited = unsafe {
        Runtime {
            scan: std::mem::transmute::<Ptr, Scan>(find(c"avx2_hs_scan")?),
            open: std::mem::transmute::<Ptr, Open>(find(c"avx2_hs_open_stream")?),
            feed: std::mem::transmute::<Ptr, Feed>(find(c"avx2_hs_scan_stream")?),
            reset: std::mem::transmute::<Ptr, Reset>(find(c"avx2_hs_reset_stream")?),
            close: std::mem::transmute::<Ptr, Close>(find(c"avx2_hs_close_stream")?),
            platform: Some(Platform { tune: 0, cpu_features: FEATURES_AVX2, reserved: [0; 2] }),
        }
    };
    RUNTIME.set(limited).map_err(|_| "Hyperscan was in use already".into())
}

/// The platform to compile for; null is this machine.
fn platform() -> Ptr {
    runtime().platform.as_ref().map_or(null_mut(), |p| std::ptr::from_ref(p).cast_mut().cast())
}

pub const CASELESS: u32 = 1;
pub const DOTALL: u32 = 2;
pub const MULTILINE: u32 = 4;
pub const SINGLEMATCH: u32 = 8;
pub const ALLOWEMPTY: u32 = 16;

const MODE_BLOCK: u32 = 1;
const MODE_STREAM: u32 = 2;

/// Linux' `CLOCK_THREAD_CPUTIME_ID`.
const THREAD_CPU: c_int = 3;

pub(crate) fn thread_cpu_seconds() -> f64 {
    let mut t = [0i64; 2];
    // SAFETY: `t` has the layout of a 64-bit `timespec`.
    unsafe { clock_gettime(THREAD_CPU, &mut t) };
    t[0] as f64 + t[1] as f64 / 1e9
}

pub fn version() -> String {
    // SAFETY: a static string.
    unsafe { CStr::from_ptr(hs_version()) }.to_string_lossy().into_owned()
}

/// What one pattern is searched for.
#[derive(Clone, Copy, Debug)]
pub struct Pattern<'a> {
    pub bytes: &'a [u8],
    pub flags: u32,
    pub id: u32,
}

/// A compiled database with its scratch.
#[derive(Debug)]
pub struct Hs {
    db: Ptr,
    scratch: Ptr,
}

impl Drop for Hs {
    fn drop(&mut self) {
        // SAFETY: both were made by the library and are freed once.
        unsafe {
            hs_free_scratch(self.scratch);
            hs_free_database(self.db);
        }
    }
}

extern "C" fn hit<F: FnMut(u32, u64)>(id: c_uint, _from: u64, to: u64, _flags: c_uint, ctx: Ptr) -> c_int {
    // SAFETY: every scan below passes a pointer to the `F` that the callback was made for, and keeps it alive.
    let f = unsafe { &mut *ctx.cast::<F>() };
    f(id, to);
    0
}

fn callback<F: FnMut(u32, u64)>(_: &F) -> OnEvent {
    hit::<F>
}

impl Hs {
    /// Literals, searched in blocks or in streams.
    pub fn literals(pats: &[Pattern<'_>], streaming: bool) -> Result<Hs, String> {
        let expr: Vec<*const c_char> = pats.iter().map(|p| p.bytes.as_ptr().cast()).collect();
        let lens: Vec<usize> = pats.iter().map(|p| p.bytes.len()).collect();
        let (flags, ids) = columns(pats);
        let mode = if streaming { MODE_STREAM } else { MODE_BLOCK };
        let (mut db, mut err) = (null_mut(), null_mut());
        // SAFETY: four arrays of `pats.len()` elements; the library reads `lens` bytes of each expression.
        let code = unsafe {
            let n = pats.len() as c_uint;
            hs_compile_lit_multi(
                expr.as_ptr(),
                flags.as_ptr(),
                ids.as_ptr(),
                lens.as_ptr(),
                n,
                mode,
                platform(),
                &mut db,
                &mut err,
            )
        };
        Hs::finish(code, db, err)
    }

    /// Regular expressions in blocks. A pattern may hold no zero byte.
    pub fn regexes(pats: &[Pattern<'_>]) -> Result<Hs, String> {
        let text: Result<Vec<_>, _> = pats.iter().map(|p| std::ffi::CString::new(p.bytes)).collect();
        let text = text.map_err(|e| e.to_string())?;
        let expr: Vec<*const c_char> = text.iter().map(|t| t.as_ptr()).collect();
        let (flags, ids) = columns(pats);
        let (mut db, mut err) = (null_mut(), null_mut());
        // SAFETY: three arrays of `pats.len()` elements, the expressions end with a zero byte.
        let code = unsafe {
            let n = pats.len() as c_uint;
            hs_compile_multi(
                expr.as_ptr(),
                flags.as_ptr(),
                ids.as_ptr(),
                n,
                MODE_BLOCK,
                platform(),
                &mut db,
                &mut err,
            )
        };
        Hs::finish(code, db, err)
    }

    fn finish(code: c_int, db: Ptr, err: *mut CompileError) -> Result<Hs, String> {
        if code != 0 {
            if err.is_null() {
                return Err(format!("Hyperscan error {code}"));
            }
            // SAFETY: the library filled in the error; it is freed once, here.
            let text = unsafe {
                let text = CStr::from_ptr((*err).message).to_string_lossy().into_owned();
                hs_free_compile_error(err);
                text
            };
            return Err(text);
        }
        let mut scratch = null_mut();
        // SAFETY: `db` is a database of the library's.
        let code = unsafe { hs_alloc_scratch(db, &mut scratch) };
        if code != 0 {
            // SAFETY: as above.
            unsafe { hs_free_database(db) };
            return Err(format!("Hyperscan error {code} while making scratch"));
        }
        Ok(Hs { db, scratch })
    }

    /// Bytes of the database.
    pub fn size(&self) -> usize {
        let mut n = 0;
        // SAFETY: `db` is a database.
        unsafe { hs_database_size(self.db, &mut n) };
        n
    }

    /// Bytes of one stream's state; only for streaming databases.
    pub fn stream_size(&self) -> usize {
        let mut n = 0;
        // SAFETY: `db` is a database.
        unsafe { hs_stream_size(self.db, &mut n) };
        n
    }

    /// Calls `on(id, end)` for every match in `data`.
    pub fn scan<F: FnMut(u32, u64)>(&mut self, data: &[u8], on: &mut F) {
        let cb = callback(on);
        // SAFETY: `data` is readable; `on` outlives the call and is of the type `cb` was made for.
        let code = unsafe {
            (runtime().scan)(
                self.db,
                data.as_ptr(),
                data.len() as c_uint,
                0,
                self.scratch,
                cb,
                std::ptr::from_mut(on).cast(),
            )
        };
        assert_eq!(code, 0, "hs_scan");
    }

    /// Opens a stream of a streaming database.
    pub fn stream(&self) -> Stream {
        let mut s = null_mut();
        // SAFETY: `db` is a streaming database.
        let code = unsafe { (runtime().open)(self.db, 0, &mut s) };
        assert_eq!(code, 0, "hs_open_stream");
        Stream(s)
    }

    /// The next bytes of `stream`, which is of this database.
    pub fn feed<F: FnMut(u32, u64)>(&mut self, stream: &mut Stream, data: &[u8], on: &mut F) {
        let cb = callback(on);
        // SAFETY: as in `scan`.
        let code = unsafe {
            (runtime().feed)(
                stream.0,
                data.as_ptr(),
                data.len() as c_uint,
                0,
                self.scratch,
                cb,
                std::ptr::from_mut(on).cast(),
            )
        };
        assert_eq!(code, 0, "hs_scan_stream");
    }

    /// Begins `stream` anew.
    pub fn reset<F: FnMut(u32, u64)>(&mut self, stream: &mut Stream, on: &mut F) {
        let cb = callback(on);
        // SAFETY: as in `scan`.
        let code = unsafe { (runtime().reset)(stream.0, 0, self.scratch, cb, std::ptr::from_mut(on).cast()) };
        assert_eq!(code, 0, "hs_reset_stream");
    }
}

/// An open stream.
#[derive(Debug)]
pub struct Stream(Ptr);

impl Drop for Stream {
    fn drop(&mut self) {
        // SAFETY: open, closed once; without a callback no scratch is needed.
        unsafe { (runtime().close)(self.0, null_mut(), None, null_mut()) };
    }
}

fn columns(pats: &[Pattern<'_>]) -> (Vec<c_uint>, Vec<c_uint>) {
    (pats.iter().map(|p| p.flags).collect(), pats.iter().map(|p| p.id).collect())
}
