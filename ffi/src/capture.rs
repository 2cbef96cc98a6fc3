//! Captures: files in, packets out. For programs that have no reader of their own.

use std::ffi::c_char;

use tidegate_dataplane::capture::{Capture, CaptureError};

use crate::args;
use crate::error::{
    Error, TG_ERR_INVALID, TG_ERR_IO, TG_ERR_NOT_FOUND, TG_ERR_SYNTAX, TG_ERR_TRUNCATED, err, fence,
    tg_status,
};
use crate::handle::{self, Object};
use crate::packet::{link_back, tg_packet};

/// An open pcap or pcapng file. One thread at a time may use it.
pub struct tg_capture {
    _private: [u8; 0],
}

struct Reader(Capture);

impl Object for Reader {
    const KIND: u32 = 5;
    const NAME: &'static str = "capture";
    type Opaque = tg_capture;
}

fn wrong(e: &CaptureError) -> Error {
    let status = match e {
        CaptureError::Open { .. } | CaptureError::Io { .. } => TG_ERR_IO,
        CaptureError::Truncated { .. } => TG_ERR_TRUNCATED,
        CaptureError::NotACapture(_) | CaptureError::Empty | CaptureError::Damaged { .. } => TG_ERR_SYNTAX,
    };
    Error { status, text: e.to_string().into() }
}

/// Opens a capture; "-" is the standard input. Thread-safe.
///
/// # Safety
/// `path` is NULL or text that ends in NUL; `out` is NULL or can be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_capture_open(path: *const c_char, out: *mut *mut tg_capture) -> tg_status {
    fence(|| {
        // SAFETY: the caller promises so.
        let (path, out) = unsafe { (args::path(path, "path")?, args::out(out, "out")?) };
        let capture = Capture::open(path).map_err(|e| wrong(&e))?;
        out.write(handle::make(Reader(capture)));
        Ok(())
    })
}

/// Gives the next packets, at most `room` of them, and how many. Their bytes stay until the next call. At the end:
/// TG_ERR_NOT_FOUND. A damaged file gives what comes before the damage first. One thread at a time for a capture.
///
/// # Safety
/// `capture` is NULL or a handle; `packets` has room for `room`; `count` is NULL or can be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_capture_next(
    capture: *mut tg_capture,
    packets: *mut tg_packet,
    room: usize,
    count: *mut usize,
) -> tg_status {
    fence(|| {
        // SAFETY: the caller promises so.
        let (mut c, count) = unsafe { (handle::enter_mut::<Reader>(capture)?, args::out(count, "count")?) };
        if packets.is_null() {
            return Err(args::null("packets"));
        }
        if room == 0 {
            return err(TG_ERR_INVALID, "there is room for no packet");
        }
        let Some(batch) = c.0.next_batch(room.min(1 << 16)).map_err(|e| wrong(&e))? else {
            return err(TG_ERR_NOT_FOUND, "the capture is at its end");
        };
        for (i, f) in batch.iter().enumerate() {
            let p = tg_packet {
                data: f.data.as_ptr(),
                len: f.data.len() as u32,
                rss_hash: 0,
                ts_ns: f.ts_ns,
                index: f.index,
                port: 0,
                link_type: link_back(f.link),
                wire_len: 0,
                vlan: 0,
                flags: 0,
                reserved: 0,
            };
            // SAFETY: there is room for `room`, which the batch does not exceed.
            unsafe { packets.add(i).write(p) };
        }
        count.write(batch.len());
        Ok(())
    })
}

/// Closes a capture; NULL is nothing to do. TG_ERR_HANDLE when it was closed before. Thread-safe: TG_ERR_BUSY while
/// another thread is inside.
///
/// # Safety
/// `capture` is NULL or a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_capture_close(capture: *mut tg_capture) -> tg_status {
    // SAFETY: the caller promises so.
    fence(|| unsafe { handle::free::<Reader>(capture) })
}
