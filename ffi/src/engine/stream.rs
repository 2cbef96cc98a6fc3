//! Streams without packets: the ends of a connection and a tag in, then bytes; verdicts out, and events as packets bring.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tidegate_core::Dir;
use tidegate_core::engine::{FeedError, StreamId, Tuple};

use super::{Use, tg_engine};
use crate::args::{self, sized, tg_bytes};
use crate::error::{
    Error, Res, TG_ERR_INVALID, TG_ERR_MEMORY, TG_ERR_NOT_FOUND, TG_ERR_STATE, err, fence, tg_status,
};
use crate::packet::{tg_verdict, verdict};

/// A connection whose bytes the caller has in the clear: from a hook in a TLS library, a proxy, a tap of the kernel.
/// Members that are not known are zero.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tg_stream_config {
    /// sizeof(tg_stream_config)
    pub size: usize,
    /// Addresses in network order, of IPv4 the first four bytes.
    pub client: [u8; 16],
    /// See `client`.
    pub server: [u8; 16],
    /// Ports in host order.
    pub client_port: u16,
    /// See `client_port`.
    pub server_port: u16,
    /// 4 or 6.
    pub ip_version: u8,
    /// Zero.
    pub reserved: [u8; 3],
    /// When it was opened, nanoseconds since the Unix epoch.
    pub ts_ns: u64,
    /// What the caller calls it: a process, a container, a user, a tenant; at most 256 bytes, which are copied. It comes
    /// back in every event of its flow: `tag` of tg_event_info, EVE's `tag`.
    pub tag: tg_bytes,
}

sized!(tg_stream_config);

/// From client to server, as `direction` of tg_stream_feed.
pub const TG_TO_SERVER: u8 = 0;
/// From server to client.
pub const TG_TO_CLIENT: u8 = 1;

#[cold]
fn failed(e: FeedError) -> Error {
    let status = match e {
        FeedError::Families | FeedError::Tag { .. } => TG_ERR_INVALID,
        FeedError::Taken => TG_ERR_STATE,
        FeedError::Full { .. } => TG_ERR_MEMORY,
        FeedError::Closed => TG_ERR_NOT_FOUND,
    };
    Error { status, text: e.to_string().into() }
}

fn ends(c: &tg_stream_config) -> Res<Tuple> {
    let address = |a: [u8; 16]| match c.ip_version {
        4 => Ok(IpAddr::V4(Ipv4Addr::new(a[0], a[1], a[2], a[3]))),
        6 => Ok(IpAddr::V6(Ipv6Addr::from(a))),
        _ => err(TG_ERR_INVALID, "ip_version is neither 4 nor 6"),
    };
    Ok(Tuple {
        client: SocketAddr::new(address(c.client)?, c.client_port),
        server: SocketAddr::new(address(c.server)?, c.server_port),
    })
}

/// Opens a stream and tells its number. It is a flow of its own, beside any that packets between its ends have. Its
/// bytes are inspected as reassembled ones of packets are, and lead to the same events; rules on packets (flags, sizes,
/// header fields) are not asked. TG_ERR_STATE when a stream between these ends is open, TG_ERR_MEMORY when as many are
/// as the engine's memory is for, an eighth of its flows. One thread at a time for an engine.
///
/// # Safety
/// `engine` is NULL or a handle; `config` is NULL or points to a struct whose `size` is set; `stream` is NULL or can be
/// written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_stream_open(
    engine: *mut tg_engine,
    config: *const tg_stream_config,
    stream: *mut u64,
) -> tg_status {
    fence(|| {
        // SAFETY: the caller promises so.
        let (out, c) = unsafe { (args::out(stream, "stream")?, args::read_sized(config)?) };
        // SAFETY: as above.
        let tag = unsafe { args::bytes(c.tag.data, c.tag.len, "tag") }?;
        if c.reserved != [0; 3] {
            return err(TG_ERR_INVALID, "reserved of tg_stream_config is not 0");
        }
        let ends = ends(&c)?;
        // SAFETY: as above.
        let mut e = unsafe { Use::of(engine) }?;
        e.begin();
        let id = e.run(|engine, open| engine.open_stream(&ends, tag, c.ts_ns, open)).map_err(failed)?;
        out.write(id.to_bits());
        e.end()
    })
}

/// Gives the next bytes of a direction, TG_TO_SERVER or TG_TO_CLIENT, as many as there are. `verdict` says what is to
/// become of them, and so of the connection; it may be NULL. One thread at a time for an engine.
///
/// # Safety
/// `engine` is NULL or a handle; `data` points to `len` bytes; `verdict` is NULL or can be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_stream_feed(
    engine: *mut tg_engine,
    stream: u64,
    direction: u8,
    data: *const u8,
    len: usize,
    ts_ns: u64,
    verdict: *mut tg_verdict,
) -> tg_status {
    fence(|| {
        // SAFETY: the caller promises so.
        let (mut e, bytes) = unsafe { (Use::of(engine)?, args::bytes(data, len, "data")?) };
        let dir = match direction {
            TG_TO_SERVER => Dir::ToServer,
            TG_TO_CLIENT => Dir::ToClient,
            _ => return err(TG_ERR_INVALID, "direction is neither TG_TO_SERVER nor TG_TO_CLIENT"),
        };
        e.begin();
        let id = StreamId::from_bits(stream);
        let v = e.run(|engine, open| engine.feed(id, dir, bytes, ts_ns, open)).map_err(failed)?;
        if !verdict.is_null() {
            // SAFETY: as above.
            unsafe { verdict.write(self::verdict(v)) };
        }
        e.end()
    })
}

/// Ends a stream: what is left of it is inspected, and its flow is reported. One thread at a time for an engine.
///
/// # Safety
/// `engine` is NULL or a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_stream_close(engine: *mut tg_engine, stream: u64, ts_ns: u64) -> tg_status {
    fence(|| {
        // SAFETY: the caller promises so.
        let mut e = unsafe { Use::of(engine) }?;
        e.begin();
        let id = StreamId::from_bits(stream);
        e.run(|engine, open| engine.close_stream(id, ts_ns, open)).map_err(failed)?;
        e.end()
    })
}
