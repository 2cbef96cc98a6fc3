//! The bare matcher: literals and regular expressions in a database, searched without rules or packets.

use std::ffi::{c_int, c_void};
use std::sync::Arc;

use tidegate_core::sig::regex::Flags;
use tidegate_core::sig::{Scratch, Set, SetBuilder, SetScratch, Stream};

use crate::args::{self, Answers, sized};
use crate::error::{Res, TG_ERR_INVALID, TG_ERR_STATE, TG_ERR_SYNTAX, err, fence, tg_status};
use crate::handle::{self, Object};

/// Compiled patterns. Immutable: any number of threads may search it at the same time, each with its own scratch.
pub struct tg_db {
    _private: [u8; 0],
}

/// What a search writes to, made for one database. One thread at a time may use it.
pub struct tg_scratch {
    _private: [u8; 0],
}

/// The state of one stream of a database, whose bytes come in pieces. One thread at a time may use it.
pub struct tg_db_stream {
    _private: [u8; 0],
}

/// Case of ASCII letters does not matter (regex: `i`). For tg_pattern.
pub const TG_PATTERN_CASELESS: u32 = 1;
/// The pattern is a regular expression in PCRE's language, without slashes and letters around it. Those that need
/// backtracking are refused.
pub const TG_PATTERN_REGEX: u32 = 2;
/// Regex: the dot matches line feeds (`s`).
pub const TG_PATTERN_DOTALL: u32 = 4;
/// Regex: `^` and `$` match at every line (`m`).
pub const TG_PATTERN_MULTILINE: u32 = 8;
/// Regex: white space and comments in the pattern do not count (`x`).
pub const TG_PATTERN_EXTENDED: u32 = 16;
/// Regex: matches at the start only (`A`).
pub const TG_PATTERN_ANCHORED: u32 = 32;

const KNOWN: u32 = 63;

/// A pattern.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tg_pattern {
    /// Its bytes: 1 to 4096 of a literal.
    pub data: *const u8,
    /// How many.
    pub len: usize,
    /// The caller's number for it, which matches carry. Several patterns may have the same.
    pub id: u32,
    /// A sum of TG_PATTERN_ values; 0: a literal, byte by byte.
    pub flags: u32,
}

/// What a database is made of.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tg_db_info {
    /// sizeof(tg_db_info)
    pub size: usize,
    /// Literals.
    pub literals: u64,
    /// Regular expressions.
    pub regexes: u64,
    /// Bytes of memory.
    pub bytes: u64,
    /// Bytes of the state of a stream.
    pub stream_bytes: u64,
}

sized!(tg_db_info);

/// Takes a match: the pattern's number and where it ends, bytes from the start. Any other return value than 0 ends the
/// search with TG_ERR_STOPPED. It may use other objects of the library, but not this scratch and stream.
pub type tg_db_match_fn = Option<unsafe extern "C" fn(id: u32, end: u64, user: *mut c_void) -> c_int>;

struct Db {
    set: Arc<Set>,
    regexes: u64,
}

impl Object for Db {
    const KIND: u32 = 8;
    const NAME: &'static str = "database";
    type Opaque = tg_db;
}

struct Room {
    set: Arc<Set>,
    scratch: SetScratch,
}

impl Object for Room {
    const KIND: u32 = 9;
    const NAME: &'static str = "scratch";
    type Opaque = tg_scratch;
}

struct Piecewise {
    set: Arc<Set>,
    state: Stream,
    scratch: Scratch,
}

impl Object for Piecewise {
    const KIND: u32 = 10;
    const NAME: &'static str = "stream";
    type Opaque = tg_db_stream;
}

/// # Safety
/// The pointer of `p` is what the struct says.
unsafe fn add(b: &mut SetBuilder, i: usize, p: &tg_pattern) -> Res<bool> {
    // SAFETY: as above.
    let bytes = unsafe { args::bytes(p.data, p.len, "data of a pattern") }?;
    if p.flags & !KNOWN != 0 {
        return err(
            TG_ERR_INVALID,
            format!("pattern {i}: flags is {:#x}; there is only {KNOWN:#x}", p.flags),
        );
    }
    let on = |bit: u32| p.flags & bit != 0;
    let regex = on(TG_PATTERN_REGEX);
    let added = if regex {
        let flags = Flags {
            caseless: on(TG_PATTERN_CASELESS),
            dotall: on(TG_PATTERN_DOTALL),
            multiline: on(TG_PATTERN_MULTILINE),
            extended: on(TG_PATTERN_EXTENDED),
            anchored: on(TG_PATTERN_ANCHORED),
            ..Flags::default()
        };
        b.add_regex(bytes, flags, p.id)
    } else {
        b.add(bytes, on(TG_PATTERN_CASELESS), p.id)
    };
    added.map(|()| regex).or_else(|e| err(TG_ERR_SYNTAX, e.to_string()))
}

/// Compiles `count` patterns. The first wrong one is TG_ERR_SYNTAX, with its number and place in the detail.
/// Thread-safe.
///
/// # Safety
/// `patterns` points to `count` patterns, whose bytes can be read; `out` is NULL or can be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_db_compile(
    patterns: *const tg_pattern,
    count: usize,
    out: *mut *mut tg_db,
) -> tg_status {
    fence(|| {
        // SAFETY: the caller promises so.
        let (out, patterns) = unsafe { (args::out(out, "out")?, args::array(patterns, count, "patterns")?) };
        let mut b = SetBuilder::new();
        let mut regexes = 0;
        for (i, p) in patterns.iter().enumerate() {
            // SAFETY: as above.
            regexes += u64::from(unsafe { add(&mut b, i, p) }?);
        }
        out.write(handle::make(Db { set: Arc::new(b.build()), regexes }));
        Ok(())
    })
}

/// Tells what a database is made of. Thread-safe.
///
/// # Safety
/// `db` is NULL or a handle; `out` is NULL or points to a struct whose `size` is set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_db_describe(db: *const tg_db, out: *mut tg_db_info) -> tg_status {
    fence(|| {
        // SAFETY: the caller promises so.
        let db = unsafe { handle::share::<Db>(db) }?;
        let value = tg_db_info {
            size: size_of::<tg_db_info>(),
            literals: db.set.literals().len() as u64,
            regexes: db.regexes,
            bytes: db.set.memory_bytes() as u64,
            stream_bytes: db.set.literals().stream_bytes() as u64,
        };
        // SAFETY: as above.
        unsafe { args::write_sized(out, value) }
    })
}

/// Makes a scratch for searches of a database. Thread-safe. The database may be freed.
///
/// # Safety
/// `db` is NULL or a handle; `out` is NULL or can be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_scratch_new(db: *const tg_db, out: *mut *mut tg_scratch) -> tg_status {
    fence(|| {
        // SAFETY: the caller promises so.
        let (out, db) = unsafe { (args::out(out, "out")?, handle::share::<Db>(db)?) };
        out.write(handle::make(Room { set: db.set.clone(), scratch: SetScratch::for_set(&db.set) }));
        Ok(())
    })
}

/// Searches `len` bytes for the patterns of the scratch's database and gives every match to `callback`, in order of
/// their ends: every occurrence of a literal, and every end of a regular expression. It takes no memory. One thread at
/// a time for a scratch.
///
/// # Safety
/// `scratch` is NULL or a handle; `len` bytes can be read at `data`; `callback` is NULL or a function that does as its
/// type says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_db_scan(
    scratch: *mut tg_scratch,
    data: *const u8,
    len: usize,
    callback: tg_db_match_fn,
    user: *mut c_void,
) -> tg_status {
    fence(|| {
        // SAFETY: the caller promises so.
        let (mut room, data) =
            unsafe { (handle::enter_mut::<Room>(scratch)?, args::bytes(data, len, "data")?) };
        let (call, mut answers) = (args::callback(callback)?, Answers::new());
        let Room { set, scratch } = &mut *room;
        // SAFETY: the caller gave a function of this type.
        set.scan(data, scratch, |id, end| answers.take(unsafe { call(id, end as u64, user) }));
        answers.end()
    })
}

/// Frees a scratch; NULL is nothing to do. TG_ERR_HANDLE when it was freed before. Thread-safe: TG_ERR_BUSY while
/// another thread is inside.
///
/// # Safety
/// `scratch` is NULL or a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_scratch_free(scratch: *mut tg_scratch) -> tg_status {
    // SAFETY: the caller promises so.
    fence(|| unsafe { handle::free::<Room>(scratch) })
}

/// Makes a stream of a database of literals; TG_ERR_STATE when it has regular expressions. Thread-safe. The database
/// may be freed.
///
/// # Safety
/// `db` is NULL or a handle; `out` is NULL or can be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_db_stream_new(db: *const tg_db, out: *mut *mut tg_db_stream) -> tg_status {
    fence(|| {
        // SAFETY: the caller promises so.
        let (out, db) = unsafe { (args::out(out, "out")?, handle::share::<Db>(db)?) };
        if db.regexes > 0 {
            return err(TG_ERR_STATE, "streams are searched for literals only");
        }
        let mut scratch = Scratch::new();
        db.set.literals().prepare(&mut scratch);
        let state = Stream::new(db.set.literals());
        out.write(handle::make(Piecewise { set: db.set.clone(), state, scratch }));
        Ok(())
    })
}

/// Searches the next bytes of a stream; ends are counted from its start, and matches are the same for every cut. The
/// stream moves on by all of `piece`, also when the callback stops. One thread at a time for a stream.
///
/// # Safety
/// `stream` is NULL or a handle; `len` bytes can be read at `piece`; `callback` is NULL or a function that does as its
/// type says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_db_stream_scan(
    stream: *mut tg_db_stream,
    piece: *const u8,
    len: usize,
    callback: tg_db_match_fn,
    user: *mut c_void,
) -> tg_status {
    fence(|| {
        // SAFETY: the caller promises so.
        let (mut s, piece) =
            unsafe { (handle::enter_mut::<Piecewise>(stream)?, args::bytes(piece, len, "piece")?) };
        let (call, mut answers) = (args::callback(callback)?, Answers::new());
        let Piecewise { set, state, scratch } = &mut *s;
        let tell = |id, end| {
            // SAFETY: the caller gave a function of this type.
            answers.take(unsafe { call(id, end, user) })
        };
        set.literals().scan_stream(state, piece, scratch, tell);
        answers.end()
    })
}

/// Begins a stream anew. One thread at a time for a stream.
///
/// # Safety
/// `stream` is NULL or a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_db_stream_reset(stream: *mut tg_db_stream) -> tg_status {
    fence(|| {
        // SAFETY: the caller promises so.
        unsafe { handle::enter_mut::<Piecewise>(stream) }?.state.reset();
        Ok(())
    })
}

/// Frees a stream; NULL is nothing to do. TG_ERR_HANDLE when it was freed before. Thread-safe: TG_ERR_BUSY while
/// another thread is inside.
///
/// # Safety
/// `stream` is NULL or a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_db_stream_free(stream: *mut tg_db_stream) -> tg_status {
    // SAFETY: the caller promises so.
    fence(|| unsafe { handle::free::<Piecewise>(stream) })
}

/// Frees a database; NULL is nothing to do. Its scratches and streams live on. TG_ERR_HANDLE when it was freed before.
/// Thread-safe: TG_ERR_BUSY while another thread is inside.
///
/// # Safety
/// `db` is NULL or a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_db_free(db: *mut tg_db) -> tg_status {
    // SAFETY: the caller promises so.
    fence(|| unsafe { handle::free::<Db>(db) })
}
