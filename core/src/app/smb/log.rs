//! The `smb` record. In: a transaction. Out: its fields.

use super::record::Fid;
use super::{Exchange, Kind, names, tag};
use crate::event::Fields;
use crate::pool::BytePool;

pub(super) fn write(x: &Exchange, id: u64, pool: &BytePool, out: &mut dyn Fields) {
    out.u64("id", id + 1);
    match x.list.nth(pool, tag::DIALECT, 0) {
        Some(name) => out.bytes("dialect", name),
        None => out.str("dialect", names::dialect(x.dialect)),
    }
    command(x, out);
    status(x, out);
    out.u64("session_id", x.session);
    out.u64("tree_id", u64::from(x.tree));
    match x.kind {
        Kind::Negotiate => negotiate(x, pool, out),
        Kind::Setup => setup(x, pool, out),
        Kind::Tree => tree(x, pool, out),
        Kind::Create => create(x, pool, out),
        Kind::File => file(x, pool, out),
        Kind::Rename => rename(x, pool, out),
        Kind::Disposition => disposition(x, pool, out),
        Kind::Pipe => {
            out.begin_object("dcerpc");
            x.call.log(true, pool, out);
            out.u64("call_id", u64::from(x.call.id));
            out.end_object();
        }
        Kind::Ioctl => match names::of(names::FUNCTIONS, x.number) {
            Some(name) => out.str("function", name),
            None => out.fmt("function", format_args!("UNKNOWN (0x{:x})", x.number)),
        },
        Kind::Generic => {}
    }
}

fn command(x: &Exchange, out: &mut dyn Fields) {
    let (version, name) = match x.version {
        1 => (1, names::of(names::ONE, x.command)),
        _ => (2, names::TWO.get(usize::from(x.command)).copied()),
    };
    match name {
        Some(name) => out.fmt("command", format_args!("SMB{version}_COMMAND_{name}")),
        None => out.fmt("command", format_args!("SMB{version}_COMMAND_UNKNOWN_{:02x}", x.command)),
    }
}

fn status(x: &Exchange, out: &mut dyn Fields) {
    let Some((status, dos)) = x.status else { return };
    if !dos {
        match names::of(names::STATUSES, status) {
            Some(name) => out.fmt("status", format_args!("STATUS_{name}")),
            None => out.fmt("status", format_args!("{status}")),
        }
        out.fmt("status_code", format_args!("0x{status:x}"));
        return;
    }
    // A class, a byte that is not used, and the code.
    let code = (status >> 16) as u16;
    let name = match status & 0xff {
        1 => names::of(names::DOS, code),
        2 => names::of(names::SRV, code),
        _ => None,
    };
    out.str("status", name.unwrap_or("UNKNOWN"));
    out.fmt("status_code", format_args!("0x{code:04x}"));
}

/// A number of 16 bytes whose first parts are little-endian.
fn guid(key: &str, g: &[u8; 16], out: &mut dyn Fields) {
    let le = |from: usize, n: usize| g[from..from + n].iter().rev().fold(0u64, |v, b| v << 8 | u64::from(*b));
    out.fmt(
        key,
        format_args!(
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            le(0, 4),
            le(4, 2),
            le(6, 2),
            le(8, 2),
            le(10, 6)
        ),
    );
}

/// What names an open file.
fn fuid(f: &Fid, out: &mut dyn Fields) {
    let b = &f.bytes;
    let le = |from: usize, n: usize| b[from..from + n].iter().rev().fold(0u64, |v, b| v << 8 | u64::from(*b));
    match f.len {
        16 => out.fmt(
            "fuid",
            format_args!(
                "{:08x}-{:04x}-{:04x}-{:04x}-{:04x}{:08x}",
                le(0, 4),
                le(4, 2),
                le(6, 2),
                le(8, 2),
                le(10, 2),
                le(12, 4)
            ),
        ),
        6 => out.fmt("fuid", format_args!("{:04x}-{:08x}", le(0, 2), le(2, 4))),
        _ => out.str("fuid", ""),
    }
}

fn negotiate(x: &Exchange, pool: &BytePool, out: &mut dyn Fields) {
    out.begin_array("client_dialects");
    for d in x.list.all(pool, tag::OFFERED) {
        match (x.version, d) {
            (2, [a, b]) => out.str("", names::dialect(u16::from_le_bytes([*a, *b]))),
            _ => out.bytes("", d),
        }
    }
    out.end_array();
    if let Some(g) = &x.client {
        guid("client_guid", g, out);
    }
    guid("server_guid", &x.server, out);
    if x.max_read > 0 {
        out.u64("max_read_size", u64::from(x.max_read));
    }
    if x.max_write > 0 {
        out.u64("max_write_size", u64::from(x.max_write));
    }
}

fn text(x: &Exchange, tag: u8, key: &str, pool: &BytePool, out: &mut dyn Fields) {
    out.bytes(key, x.list.nth(pool, tag, 0).unwrap_or(&[]));
}

fn setup(x: &Exchange, pool: &BytePool, out: &mut dyn Fields) {
    if let Some(user) = x.list.nth(pool, tag::USER, 0) {
        out.begin_object("ntlmssp");
        text(x, tag::DOMAIN, "domain", pool, out);
        out.bytes("user", user);
        text(x, tag::HOST, "host", pool, out);
        if let Some([major, minor, b0, b1, _, _, _, revision]) = x.list.nth(pool, tag::VERSION, 0) {
            let build = u16::from_le_bytes([*b0, *b1]);
            out.fmt("version", format_args!("{major}.{minor} build {build} rev {revision}"));
        }
        if x.flag {
            out.bool("warning", true);
        }
        out.end_object();
    }
    if let Some(realm) = x.list.nth(pool, tag::REALM, 0) {
        out.begin_object("kerberos");
        out.bytes("realm", realm);
        x.list.log(pool, tag::SNAME, "snames", out);
        out.end_object();
    }
    for (key, os, lm) in [("request", tag::OS, tag::LM), ("response", tag::SERVER_OS, tag::SERVER_LM)] {
        if let Some(os) = x.list.nth(pool, os, 0) {
            out.begin_object(key);
            out.bytes("native_os", os);
            text(x, lm, "native_lm", pool, out);
            out.end_object();
        }
    }
}

fn tree(x: &Exchange, pool: &BytePool, out: &mut dyn Fields) {
    text(x, tag::SHARE, if x.pipe { "named_pipe" } else { "share" }, pool, out);
    if x.version != 1 {
        let kind = match x.number {
            1 => "FILE",
            2 => "PIPE",
            3 => "PRINT",
            _ => "UNKNOWN",
        };
        return out.str("share_type", kind);
    }
    out.begin_object("service");
    for (key, t) in [("request", tag::SERVICE), ("response", tag::FOUND)] {
        if let Some(v) = x.list.nth(pool, t, 0) {
            out.bytes(key, v);
        }
    }
    out.end_object();
}

fn name(x: &Exchange, key: &str, pool: &BytePool, out: &mut dyn Fields) {
    match x.list.nth(pool, tag::NAME, 0).filter(|n| !n.is_empty()) {
        Some(name) => out.bytes(key, name),
        // The share itself is opened.
        None => out.str("filename", "<share_root>"),
    }
}

fn access(x: &Exchange, out: &mut dyn Fields) {
    out.str("access", if x.delete { "delete on close" } else { "normal" });
}

/// Seconds since 1970 of a time in units of 100 ns since 1601.
fn unix(time: u64) -> u64 {
    (time / 10_000_000).saturating_sub(11_644_473_600)
}

fn create(x: &Exchange, pool: &BytePool, out: &mut dyn Fields) {
    name(x, if x.flag { "directory" } else { "filename" }, pool, out);
    out.str("disposition", names::disposition(x.number));
    access(x, out);
    for (key, time) in ["created", "accessed", "modified", "changed"].iter().zip(x.times) {
        out.u64(key, unix(time));
    }
    out.u64("size", x.size);
    fuid(&x.fid, out);
}

fn file(x: &Exchange, pool: &BytePool, out: &mut dyn Fields) {
    text(x, tag::NAME, "filename", pool, out);
    text(x, tag::SHARE, "share", pool, out);
    fuid(&x.fid, out);
}

fn rename(x: &Exchange, pool: &BytePool, out: &mut dyn Fields) {
    if x.version != 1 {
        out.begin_object("set_info");
        out.str("class", "FILE_INFO");
        out.str("info_level", "SMB2_FILE_RENAME_INFO");
        out.end_object();
    }
    out.begin_object("rename");
    text(x, tag::NAME, "from", pool, out);
    text(x, tag::TO, "to", pool, out);
    out.end_object();
    fuid(&x.fid, out);
}

fn disposition(x: &Exchange, pool: &BytePool, out: &mut dyn Fields) {
    name(x, "filename", pool, out);
    access(x, out);
    if x.version != 1 {
        out.begin_object("set_info");
        out.str("class", "FILE_INFO");
        let level =
            if x.number == 0x40 { "SMB2_FILE_DISPOSITION_INFO_EX" } else { "SMB2_FILE_DISPOSITION_INFO" };
        out.str("info_level", level);
        out.end_object();
    } else {
        out.str("subcmd", if x.number >> 16 == 6 { "SET_PATH_INFO" } else { "SET_FILE_INFO" });
        match x.number & 0xffff {
            1013 => out.str("level_of_interest", "Set Disposition Information"),
            n => out.fmt("level_of_interest", format_args!("UNKNOWN (0x{n:x})")),
        }
    }
    fuid(&x.fid, out);
}
