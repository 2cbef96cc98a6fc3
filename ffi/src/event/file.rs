//! Transferred files.

use tidegate_core::Dir;
use tidegate_core::app::TxView;
use tidegate_core::event::{Event, FileRecord};
use tidegate_core::flow::FlowView;
use tidegate_core::packet::Packet;

use crate::args::{self, sized, tg_bytes};
use crate::error::{fence, tg_status};

use super::slot::{Slot, with};
use super::{View, tg_event, wrong_type};

/// A transferred file.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tg_file {
    /// sizeof(tg_file)
    pub size: usize,
    /// Its name, if it has one.
    pub name: tg_bytes,
    /// "CLOSED", "TRUNCATED" or "ERROR", as EVE's `fileinfo.state`.
    pub state: tg_bytes,
    /// Bytes of it that were seen.
    pub file_size: u64,
    /// The last bytes of it, as many as the settings keep.
    pub tail: tg_bytes,
    /// 16 bytes, or none.
    pub md5: tg_bytes,
    /// 20 bytes, or none.
    pub sha1: tg_bytes,
    /// 32 bytes, or none.
    pub sha256: tg_bytes,
    /// 1: bytes of it are missing.
    pub gaps: u8,
    /// Zero.
    pub reserved: [u8; 7],
}

sized!(tg_file);

impl<'a> View<'a> for FileRecord<'a> {
    fn name(&self) -> &'static str {
        "fileinfo"
    }
    fn dir(&self) -> Dir {
        self.dir
    }
    fn packet(&self) -> Option<&'a Packet<'a>> {
        Some(self.packet)
    }
    fn flow(&self) -> Option<FlowView<'a>> {
        Some(self.flow)
    }
    fn tx(&self) -> Option<(TxView<'a>, Dir)> {
        self.tx.map(|t| (t, self.dir))
    }
    fn ends_of_flow(&self) -> bool {
        true
    }
}

/// Tells of a file. TG_ERR_TYPE when the event is of another type. By the thread that is in the event's callback.
///
/// # Safety
/// See tg_event_describe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_event_file(event: *const tg_event, out: *mut tg_file) -> tg_status {
    fence(|| {
        let read = |_: &Slot, e: &Event<'_>| {
            let Event::File(r) = e else { return wrong_type("the event is not of type file") };
            let f = &r.file;
            let value = tg_file {
                size: size_of::<tg_file>(),
                name: tg_bytes::of(f.name(r.pool)),
                state: tg_bytes::of(f.state().name().as_bytes()),
                file_size: f.size(),
                tail: tg_bytes::of(f.data(r.pool).0),
                md5: f.md5().map_or(tg_bytes::NONE, |h| tg_bytes::of(h)),
                sha1: f.sha1().map_or(tg_bytes::NONE, |h| tg_bytes::of(h)),
                sha256: f.sha256().map_or(tg_bytes::NONE, |h| tg_bytes::of(h)),
                gaps: u8::from(f.gaps()),
                reserved: [0; 7],
            };
            // SAFETY: the caller promises so.
            unsafe { args::write_sized(out, value) }
        };
        // SAFETY: as above.
        unsafe { with(event, read) }
    })
}
