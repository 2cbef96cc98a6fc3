//! What an engine's memory is for, before it is taken.

use tidegate_core::engine::MemoryPlan;

use super::{memory_of, tg_engine_config};
use crate::args::{self, tg_bytes};
use crate::error::{TG_ERR_INVALID, TG_ERR_ROOM, err, fence, tg_status};
use crate::settings::Said;

/// One share of an engine's memory.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tg_memory_part {
    /// Its name, as in docs/memory.md.
    pub name: tg_bytes,
    /// What it holds.
    pub holds: tg_bytes,
    /// Bytes.
    pub bytes: u64,
}

/// Shares that an engine's memory has. Later versions may have more. Room for tg_engine_memory.
pub const TG_MEMORY_PARTS: usize = 15;

/// Writes the shares of the memory that an engine of `config` (NULL: all zero) takes, to `parts`, and how many there are to
/// `count`: their sum is what tg_engine_new allocates, rules and their datasets apart. With less `room` than there are
/// TG_ERR_ROOM, and only `count` is written. TG_ERR_INVALID says the least memory. Thread-safe; the texts are there for
/// ever. No memory is taken.
///
/// # Safety
/// `config` is NULL or points to a struct whose `size` is set; `parts` has room for `room`; `count` is NULL or can be
/// written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_engine_memory(
    config: *const tg_engine_config,
    parts: *mut tg_memory_part,
    room: usize,
    count: *mut usize,
) -> tg_status {
    fence(|| {
        // SAFETY: the caller promises so.
        let count = unsafe { args::out(count, "count") }?;
        let config = if config.is_null() {
            None
        } else {
            // SAFETY: as above.
            Some(unsafe { args::read_sized(config) }?)
        };
        let memory = memory_of(config.as_ref())?;
        let settings = config.as_ref().map_or(std::ptr::null(), |c| c.settings);
        // SAFETY: the caller promises a handle, or NULL.
        let keys = unsafe { Said::of(settings) }?.read(false)?.keys;
        let plan = MemoryPlan::with_keys(memory, keys.room(memory))
            .or_else(|e| err(TG_ERR_INVALID, e.to_string()))?;
        let all: [_; TG_MEMORY_PARTS] = plan.parts();
        count.write(all.len());
        if all.len() > room {
            return err(TG_ERR_ROOM, "there are more parts than room");
        }
        if parts.is_null() {
            return Err(args::null("parts"));
        }
        for (i, p) in all.iter().enumerate() {
            let part = tg_memory_part {
                name: tg_bytes::of(p.name.as_bytes()),
                holds: tg_bytes::of(p.holds.as_bytes()),
                bytes: p.bytes,
            };
            // SAFETY: there is room for `room`, which is not less than there are.
            unsafe { parts.add(i).write(part) };
        }
        Ok(())
    })
}
