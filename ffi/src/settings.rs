//! Settings: a configuration in Suricata's YAML, changed value by value.

use std::ffi::{c_char, c_int};
use std::path::PathBuf;

use tidegate_dataplane::config::{ConfigError, Overrides, Settings};

use crate::args;
use crate::error::{Error, Res, TG_ERR_INVALID, TG_ERR_IO, TG_ERR_SYNTAX, err, fence, tg_status};
use crate::handle::{self, Object};
use crate::log::{say, tg_log_level};

/// Settings of rules and engines. One thread at a time may use an object; what was made with it keeps a copy.
pub struct tg_settings {
    _private: [u8; 0],
}

#[derive(Clone, Default)]
enum From {
    #[default]
    BuiltIn,
    File(PathBuf),
    Text(String),
}

/// What was said so far; it is read as a whole each time it is used.
#[derive(Clone, Default)]
pub(crate) struct Said {
    from: From,
    set: Vec<String>,
    pub data_dir: Option<PathBuf>,
    /// What has no effect is an error.
    strict: bool,
}

pub(crate) struct Holder(Said);

impl Object for Holder {
    const KIND: u32 = 1;
    const NAME: &'static str = "settings";
    type Opaque = tg_settings;
}

fn wrong(e: &ConfigError) -> Error {
    let status = if matches!(e, ConfigError::Read { .. }) { TG_ERR_IO } else { TG_ERR_SYNTAX };
    Error { status, text: e.to_string().into() }
}

impl Said {
    /// The settings, for an engine whose verdicts are obeyed or not.
    pub fn read(&self, inline: bool) -> Res<Settings> {
        let over = Overrides { set: &self.set, ips: inline };
        match &self.from {
            From::BuiltIn => Settings::load(None, &over),
            From::File(path) => Settings::load(Some(path), &over),
            From::Text(text) => Settings::parse(text, &over),
        }
        .map(Settings::without_store)
        .map(Settings::without_command)
        .map_err(|e| wrong(&e))
    }

    /// A copy of what `p` says; the built-in configuration for NULL.
    ///
    /// # Safety
    /// `p` is NULL or a handle of settings.
    pub unsafe fn of(p: *const tg_settings) -> Res<Said> {
        if p.is_null() {
            return Ok(Said::default());
        }
        // SAFETY: as above.
        Ok(unsafe { handle::enter::<Holder>(p) }?.0.clone())
    }
}

/// Changes what is said, if what comes out can be read. Settings that mean nothing here are told to the log.
///
/// # Safety
/// `p` is NULL or a handle of settings.
unsafe fn change(p: *mut tg_settings, f: impl FnOnce(&mut Said)) -> Res {
    // SAFETY: as above.
    let mut s = unsafe { handle::enter_mut::<Holder>(p) }?;
    let mut next = s.0.clone();
    let known = next.read(false)?.without_effect();
    f(&mut next);
    let without = next.read(false)?.without_effect();
    if next.strict && !without.is_empty() {
        return err(TG_ERR_INVALID, format!("settings without effect: {}", without.join("; ")));
    }
    for told in without.iter().filter(|t| !known.contains(t)) {
        say(tg_log_level::TG_LOG_WARNING, &format!("ignored setting: {told}"));
    }
    s.0 = next;
    Ok(())
}

/// Makes settings that are the built-in ones. Thread-safe.
///
/// # Safety
/// `out` is NULL or can be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_settings_new(out: *mut *mut tg_settings) -> tg_status {
    fence(|| {
        // SAFETY: the caller promises so.
        let out = unsafe { args::out(out, "out") }?;
        out.write(handle::make(Holder(Default::default())));
        Ok(())
    })
}

/// Takes a configuration file in Suricata's YAML instead of the built-in one; values set before stay set. One thread
/// at a time for an object.
///
/// # Safety
/// `settings` is NULL or a handle; `path` is NULL or text that ends in NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_settings_load(settings: *mut tg_settings, path: *const c_char) -> tg_status {
    fence(|| {
        // SAFETY: the caller promises so.
        let path = unsafe { args::path(path, "path") }?;
        if !path.is_file() {
            return err(TG_ERR_IO, format!("{}: no such file", path.display()));
        }
        // SAFETY: as above.
        unsafe { change(settings, |s| s.from = From::File(path.into())) }
    })
}

/// Takes configuration text in Suricata's YAML instead of the built-in one; values set before stay set. One thread at
/// a time for an object.
///
/// # Safety
/// `settings` is NULL or a handle; `len` bytes can be read at `text`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_settings_parse(
    settings: *mut tg_settings,
    text: *const c_char,
    len: usize,
) -> tg_status {
    fence(|| {
        // SAFETY: the caller promises so.
        let text = unsafe { args::bytes(text.cast(), len, "text") }?;
        let text = String::from_utf8_lossy(text).into_owned();
        // SAFETY: as above.
        unsafe { change(settings, |s| s.from = From::Text(text)) }
    })
}

/// Sets one value by its path, over what the configuration says: ("stream.midstream", "true"), or a variable of rules:
/// ("vars.address-groups.HOME_NET", "[10.0.0.0/8]"). A value that is not valid is TG_ERR_SYNTAX, and tg_last_error names
/// the setting and what is valid; nothing is changed then. A setting that does not exist or has no effect is told to the
/// log, here and in tg_settings_load and tg_settings_parse; tg_settings_strict makes it an error. One thread at a time
/// for an object.
///
/// # Safety
/// `settings` is NULL or a handle; `name` and `value` are NULL or text that ends in NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_settings_set(
    settings: *mut tg_settings,
    name: *const c_char,
    value: *const c_char,
) -> tg_status {
    fence(|| {
        // SAFETY: the caller promises so.
        let (name, value) = unsafe { (args::text(name, "name")?, args::text(value, "value")?) };
        if name.is_empty() || name.contains('=') {
            return err(TG_ERR_INVALID, format!("\"{name}\" is no path of a setting"));
        }
        // SAFETY: as above.
        unsafe { change(settings, |s| s.set.push(format!("{name}={value}"))) }
    })
}

/// With `on` not 0, settings that do not exist or have no effect are TG_ERR_INVALID, of what is there already as of what
/// comes, and nothing is changed then. One thread at a time for an object.
///
/// # Safety
/// `settings` is NULL or a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_settings_strict(settings: *mut tg_settings, on: c_int) -> tg_status {
    // SAFETY: the caller promises so.
    fence(|| unsafe { change(settings, |s| s.strict = on != 0) })
}

/// Names the folder where files are looked for that rules name by relative paths (datasets). One thread at a time for
/// an object.
///
/// # Safety
/// `settings` is NULL or a handle; `path` is NULL or text that ends in NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_settings_data_dir(settings: *mut tg_settings, path: *const c_char) -> tg_status {
    fence(|| {
        // SAFETY: the caller promises so.
        let path = unsafe { args::path(path, "path") }?;
        // SAFETY: as above.
        unsafe { change(settings, |s| s.data_dir = Some(path.into())) }
    })
}

/// Frees settings; NULL is nothing to do. TG_ERR_HANDLE when they were freed before. Thread-safe: TG_ERR_BUSY while
/// another thread is inside.
///
/// # Safety
/// `settings` is NULL or a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_settings_free(settings: *mut tg_settings) -> tg_status {
    // SAFETY: the caller promises so.
    fence(|| unsafe { handle::free::<Holder>(settings) })
}
