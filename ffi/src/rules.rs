//! Rule sets: text and files in, an immutable compiled set out, with every refusal told through a callback.

use std::ffi::{c_char, c_int, c_void};
use std::sync::{Arc, Mutex, PoisonError};

use tidegate_dataplane::load::{Loaded, Refused, Source, load_sources};
use tidegate_dataplane::sets::Datasets;

use crate::args::{self, sized, tg_bytes};
use crate::error::{Res, TG_ERR_INVALID, TG_ERR_IO, TG_ERR_STOPPED, err, fence, tg_status};
use crate::handle::{self, Object};
use crate::log::{say, tg_log_level};
use crate::settings::{Said, tg_settings};

/// Compiled rules. Immutable: any number of threads and engines may use one object at the same time. Engines keep
/// what they need of it, so it may be freed while they run.
pub struct tg_ruleset {
    _private: [u8; 0],
}

/// Where rules come from: a file or a folder of `*.rules` files, rules that ship (`builtin:ai`), or text. Members that are
/// not used are zero.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tg_source {
    /// A file or folder, or "builtin:ai", ending in NUL; NULL: `text` is given.
    pub path: *const c_char,
    /// The rules themselves, one a line.
    pub text: *const c_char,
    /// Bytes of `text`, at least 1.
    pub text_len: usize,
    /// What errors call the text, ending in NUL; NULL: "text".
    pub name: *const c_char,
}

/// What is said about a rule.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum tg_rule_note {
    /// It is wrong and left out.
    TG_RULE_REFUSED = 1,
    /// It is loaded, though something about it is odd.
    TG_RULE_ODD = 2,
    /// Not about one rule: a list or a limit that was done without. `line` is 0.
    TG_RULE_GENERAL = 3,
}

/// Something about a rule.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tg_rule_error {
    /// sizeof(tg_rule_error)
    pub size: usize,
    /// What it means.
    pub note: tg_rule_note,
    /// Number of the signature; 0 when none could be read.
    pub sid: u32,
    /// Line from 1, in `file`.
    pub line: u32,
    /// Column in bytes from 1.
    pub column: u32,
    /// The file, or the name of the text.
    pub file: tg_bytes,
    /// What is wrong, in words.
    pub reason: tg_bytes,
    /// A short text that equal reasons share.
    pub kind: tg_bytes,
}

/// What a rule set is made of.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tg_ruleset_info {
    /// sizeof(tg_ruleset_info)
    pub size: usize,
    /// Rules loaded.
    pub loaded: u64,
    /// Rules refused.
    pub refused: u64,
    /// Rules that say themselves that they do not apply here (`requires`).
    pub skipped: u64,
    /// Literal patterns in all databases.
    pub patterns: u64,
    /// Bytes of the pattern databases.
    pub pattern_bytes: u64,
}

sized!(tg_rule_error, tg_ruleset_info);

/// Takes one note on a rule, valid during the call. Any other return value than 0 ends the compilation with
/// TG_ERR_STOPPED. It may use other objects of the library.
pub type tg_rule_error_fn =
    Option<unsafe extern "C" fn(error: *const tg_rule_error, user: *mut c_void) -> c_int>;

/// What a handle stands for.
pub(crate) struct Rules {
    pub rules: tidegate_core::detect::Rules,
    /// The datasets of `rules`, by name.
    pub sets: Arc<Datasets>,
    pub said: Said,
    info: tg_ruleset_info,
}

/// Rules that an engine had and has no more, until a thread that is no packet thread frees them: that takes long.
static RETIRED: Mutex<Vec<tidegate_core::detect::Rules>> = Mutex::new(Vec::new());

/// Puts rules away that may be the last of their set.
pub fn retire(rules: tidegate_core::detect::Rules) {
    RETIRED.lock().unwrap_or_else(PoisonError::into_inner).push(rules);
}

/// Frees what was put away. For calls that are long anyway, and not made by packet threads.
fn free_retired() {
    let all = core::mem::take(&mut *RETIRED.lock().unwrap_or_else(PoisonError::into_inner));
    drop(all);
}

// The settings are not shared by reference beyond this struct, which is not changed.
impl Object for Rules {
    const KIND: u32 = 2;
    const NAME: &'static str = "rule set";
    type Opaque = tg_ruleset;
}

/// # Safety
/// The pointers of `s` are NULL or what the struct says.
unsafe fn source(s: &tg_source) -> Res<Source> {
    // SAFETY: as above, here and below.
    unsafe {
        if !s.path.is_null() {
            if !s.text.is_null() {
                return err(TG_ERR_INVALID, "a source has a path and text");
            }
            return Ok(Source::Path(args::path(s.path, "path")?.to_path_buf()));
        }
        if s.text.is_null() && s.text_len == 0 {
            return err(TG_ERR_INVALID, "a source has neither a path nor text");
        }
        if s.text_len == 0 {
            return err(TG_ERR_INVALID, "text_len of a source is 0: its text has no length");
        }
        let text = args::bytes(s.text.cast(), s.text_len, "text")?.to_vec();
        let name = if s.name.is_null() { "text" } else { args::text(s.name, "name")? };
        Ok(Source::Text { name: name.to_string(), text })
    }
}

/// Tells what came up; `false` when the callback wants no more.
fn tell(l: &Loaded, on_error: tg_rule_error_fn, user: *mut c_void) -> bool {
    let Some(call) = on_error else {
        for r in &l.refused {
            say(tg_log_level::TG_LOG_WARNING, &format!("refused: {}", l.place(r)));
        }
        return true;
    };
    let send = |note, r: Option<&Refused>, reason: &str| {
        let file = r.and_then(|r| l.sources.get(r.file as usize)).map(|p| p.to_string_lossy());
        let file = file.unwrap_or_default();
        let kind = r.map(Refused::label).unwrap_or_default();
        let e = tg_rule_error {
            size: size_of::<tg_rule_error>(),
            note,
            sid: r.and_then(|r| r.sid).unwrap_or(0),
            line: r.map_or(0, |r| r.line),
            column: r.map_or(0, |r| r.column),
            file: tg_bytes::of(file.as_bytes()),
            reason: tg_bytes::of(reason.as_bytes()),
            kind: tg_bytes::of(kind.as_bytes()),
        };
        // SAFETY: the caller gave a function of this type; all that `e` points to outlives the call.
        unsafe { call(&raw const e, user) == 0 }
    };
    let one = |note, r: &Refused| send(note, Some(r), &r.text);
    let general = |text: &String| send(tg_rule_note::TG_RULE_GENERAL, None, text);
    l.refused.iter().all(|r| one(tg_rule_note::TG_RULE_REFUSED, r))
        && l.warnings.iter().all(|r| one(tg_rule_note::TG_RULE_ODD, r))
        && l.notes.iter().all(general)
}

/// Compiles rules of `count` sources. A wrong rule is no error: it is left out and told to `on_error` (NULL: to the
/// log), after all sources were read. `settings` gives variables and lists; NULL: the built-in ones. Thread-safe.
///
/// TG_ERR_IO when a file cannot be read.
///
/// # Safety
/// `sources` points to `count` sources; `settings` is NULL or a handle; `on_error` is NULL or a function that does as
/// its type says; `out` is NULL or can be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_ruleset_compile(
    sources: *const tg_source,
    count: usize,
    settings: *const tg_settings,
    on_error: tg_rule_error_fn,
    user: *mut c_void,
    out: *mut *mut tg_ruleset,
) -> tg_status {
    fence(|| {
        free_retired();
        // SAFETY: the caller promises so.
        let (sources, said, out) =
            unsafe { (args::array(sources, count, "sources")?, Said::of(settings)?, args::out(out, "out")?) };
        // SAFETY: as above.
        let from = sources.iter().map(|s| unsafe { source(s) }).collect::<Res<Vec<_>>>()?;
        let loaded = load_sources(&from, &said.read(false)?, said.data_dir.as_deref())
            .or_else(|text| err(TG_ERR_IO, text.to_string()))?;
        if !tell(&loaded, on_error, user) {
            return err(TG_ERR_STOPPED, "on_error asked to stop");
        }
        let s = loaded.rules.set.stats();
        let info = tg_ruleset_info {
            size: size_of::<tg_ruleset_info>(),
            loaded: loaded.loaded as u64,
            refused: loaded.refused.len() as u64,
            skipped: loaded.skipped as u64,
            patterns: s.patterns as u64,
            pattern_bytes: s.bytes as u64,
        };
        out.write(handle::make(Rules { rules: loaded.rules, sets: loaded.sets, said, info }));
        Ok(())
    })
}

/// Tells what a rule set is made of. Thread-safe.
///
/// # Safety
/// `rules` is NULL or a handle; `out` is NULL or points to a struct whose `size` is set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_ruleset_describe(
    rules: *const tg_ruleset,
    out: *mut tg_ruleset_info,
) -> tg_status {
    fence(|| {
        // SAFETY: the caller promises so.
        unsafe { args::write_sized(out, handle::share::<Rules>(rules)?.info) }
    })
}

/// The rules behind a handle, for measurements in Rust that are to run the same ones.
///
/// # Safety
/// `rules` is NULL or a handle.
#[doc(hidden)]
pub unsafe fn shared(rules: *const tg_ruleset) -> Option<tidegate_core::detect::Rules> {
    // SAFETY: the caller promises so.
    unsafe { handle::share::<Rules>(rules) }.ok().map(|r| r.rules.clone())
}

/// Frees a rule set; NULL is nothing to do. Engines that run with it go on. TG_ERR_HANDLE when it was freed before.
/// Thread-safe: TG_ERR_BUSY while another thread is inside.
///
/// # Safety
/// `rules` is NULL or a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_ruleset_free(rules: *mut tg_ruleset) -> tg_status {
    fence(|| {
        free_retired();
        // SAFETY: the caller promises so.
        unsafe { handle::free::<Rules>(rules) }
    })
}
