//! Datasets of a rule set, asked and changed while engines run: names and values go in, answers come out.
//!
//! All engines of a rule set share its datasets, so a change is seen by all of them at their next look-up.

use std::ffi::{c_char, c_int, c_void};

use tidegate_core::rules::dataset;
use tidegate_core::rules::ir::DatasetType;
use tidegate_dataplane::sets::{ChangeError, Dataset};

use crate::args;
use crate::error::{Res, TG_ERR_INVALID, TG_ERR_MEMORY, err, fence, tg_status};
use crate::handle;
use crate::rules::{Rules, tg_ruleset};

/// What to do with a value.
enum Act {
    Ask,
    Add,
    Remove,
}

/// # Safety
/// The pointers are what the functions below say.
unsafe fn act(
    rules: *const tg_ruleset,
    name: *const c_char,
    value: (*const c_void, usize),
    out: *mut c_int,
    what: Act,
) -> Res<()> {
    // SAFETY: the caller promises so, here and below.
    let rules = unsafe { handle::share::<Rules>(rules) }?;
    // SAFETY: as above.
    let (name, text) = unsafe { (args::text(name, "name")?, args::bytes(value.0.cast(), value.1, "value")?) };
    let Some(set) = rules.sets.get(name) else {
        return err(TG_ERR_INVALID, format!("no rule of the set names a dataset \"{name}\""));
    };
    let key = key(set, text)?;
    let done = match what {
        Act::Ask => Ok(set.contains(&key)),
        Act::Add => set.add(&key),
        Act::Remove => set.remove(&key),
    };
    let done = match done {
        Ok(done) => done,
        Err(e @ ChangeError::Full) => return err(TG_ERR_MEMORY, format!("dataset \"{name}\": {e}")),
        Err(e) => return err(TG_ERR_INVALID, format!("dataset \"{name}\": {e}")),
    };
    if !out.is_null() {
        // SAFETY: the caller promises that it can be written to.
        unsafe { out.write(c_int::from(done)) };
    }
    Ok(())
}

fn key(set: &Dataset, text: &[u8]) -> Res<Vec<u8>> {
    match dataset::key(set.kind(), text) {
        Some(key) => Ok(key),
        None => {
            let form = match set.kind() {
                DatasetType::Md5 => "32 hexadecimal digits",
                DatasetType::Sha256 => "64 hexadecimal digits",
                DatasetType::Ipv4 => "an IPv4 address",
                _ => "an IP address",
            };
            err(TG_ERR_INVALID, format!("dataset \"{}\": the value is not {form}", set.name()))
        }
    }
}

/// Whether a dataset has a value, into `found` (1 or 0). `value` is text as in rules and files: hexadecimal digits of
/// digests, addresses; of a dataset of strings the string itself, not in base64. Thread-safe.
///
/// TG_ERR_INVALID when no rule names such a dataset, or the value is not of its type.
///
/// # Safety
/// `rules` is NULL or a handle; `name` ends with a zero byte; `value` has `len` bytes; `found` is NULL or can be
/// written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_dataset_contains(
    rules: *const tg_ruleset,
    name: *const c_char,
    value: *const c_void,
    len: usize,
    found: *mut c_int,
) -> tg_status {
    // SAFETY: the caller promises so.
    fence(|| unsafe { act(rules, name, (value, len), found, Act::Ask) })
}

/// Adds a value to a dataset, for all engines that have the rule set. `added`: 1 if it was not there, NULL if nobody
/// asks. Values as for `tg_dataset_contains`. Thread-safe, also while engines run.
///
/// TG_ERR_MEMORY when the dataset has no room left (`hashsize` in the rule or the settings makes more).
///
/// # Safety
/// As for `tg_dataset_contains`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_dataset_add(
    rules: *const tg_ruleset,
    name: *const c_char,
    value: *const c_void,
    len: usize,
    added: *mut c_int,
) -> tg_status {
    // SAFETY: the caller promises so.
    fence(|| unsafe { act(rules, name, (value, len), added, Act::Add) })
}

/// Takes a value out of a dataset, for all engines that have the rule set. `removed`: 1 if it was there, NULL if
/// nobody asks. Values as for `tg_dataset_contains`. Thread-safe, also while engines run.
///
/// # Safety
/// As for `tg_dataset_contains`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_dataset_remove(
    rules: *const tg_ruleset,
    name: *const c_char,
    value: *const c_void,
    len: usize,
    removed: *mut c_int,
) -> tg_status {
    // SAFETY: the caller promises so.
    fence(|| unsafe { act(rules, name, (value, len), removed, Act::Remove) })
}
