//! FTP data connections, announced by the control connection: the whole of one is a file. One transaction.

use super::file::NewFile;
use super::hosted::{Protocol, Transactions, make};
use super::txs::Tx;
use super::{
    AppConfig, AppCx, Buffer, BufferAt, BufferDef, BufferKind, Input, IntAt, IntDef, OVER_TCP, Outcome,
    ProtoDef, Recognise, TxView,
};
use crate::Dir;
use crate::app::buffer_at;
use crate::event::Fields;
use crate::pool::{BytePool, PBuf};

/// Bytes of the file that `file.data` sees.
const BODY_MAX: usize = 256 << 10;

const B_FILE: u8 = buffer_at(BUFFERS, "file.data");
const B_NAME: u8 = buffer_at(BUFFERS, "file.name");

static BUFFERS: &[BufferDef] = &[
    BufferDef {
        name: "file.data",
        aliases: &["file_data"],
        modifiers: &[],
        dirs: 3,
        progress: 0,
        kind: BufferKind::Streaming,
    },
    BufferDef {
        name: "file.name",
        aliases: &[],
        modifiers: &[],
        dirs: 3,
        progress: 0,
        kind: BufferKind::Single,
    },
];

static INTS: &[IntDef] = &[IntDef {
    name: "ftpdata_command",
    aliases: &["ftpdata.command"],
    dirs: 3,
    progress: 0,
    multi: false,
    values: &[("retr", 1), ("stor", 2), ("list", 3), ("nlst", 4)],
}];

/// `ftp-data`.
pub static FTP_DATA: ProtoDef = ProtoDef {
    name: "ftp-data",
    aliases: &["ftpdata"],
    over: OVER_TCP,
    buffers: BUFFERS,
    ints: INTS,
    recognise: Recognise::NONE,
    parser: Some(make::<FtpData>),
    record: "ftp_data",
    ..ProtoDef::NONE
};

/// The first of the commands whose data is a listing.
const LIST: u8 = 3;

/// The file.
#[derive(Debug, Default)]
pub struct Transfer {
    name: PBuf,
    /// 1 RETR, 2 STOR, 3 LIST, 4 NLST.
    command: u8,
    body: PBuf,
    /// File number + 1.
    file: u32,
    dir: Dir,
}

/// What the flow keeps.
#[derive(Debug, Default)]
pub struct State {
    what: PBuf,
    tx: Option<u64>,
}

/// The parser.
pub struct FtpData;

impl Protocol for FtpData {
    type State = State;
    type Own = Transfer;

    fn new(_: &AppConfig) -> Self {
        FtpData
    }

    fn expected(&mut self, s: &mut State, what: PBuf, cx: &mut AppCx<'_>) {
        cx.scratch.clear();
        cx.scratch.extend(what.get(cx.pool));
        let _ = s.what.extend(cx.pool, cx.scratch.as_slice());
    }

    fn parse(
        &mut self,
        s: &mut State,
        flow: &mut Transactions<'_, Transfer>,
        input: Input<'_>,
        cx: &mut AppCx<'_>,
    ) -> Outcome {
        cx.due = 0;
        let all = Outcome::Consumed { bytes: input.data.len(), need: 0 };
        if s.tx.is_none() && input.data.is_empty() && input.gap == 0 {
            return all;
        }
        let first = s.tx.is_none();
        let Some(tx) = flow.only(&mut s.tx, cx.now) else { return all };
        let t = flow.get(tx);
        if first {
            t.own.dir = input.dir;
            cx.scratch.clear();
            cx.scratch.extend(s.what.get(cx.pool));
            let (command, name) = cx.scratch.as_slice().split_first().unwrap_or((&0, &[]));
            t.own.command = *command;
            // What is named in a command for a listing is a folder, and the listing is no file.
            if t.own.command < LIST {
                let _ = t.own.name.extend(cx.pool, name);
                let new = NewFile {
                    name,
                    dir: input.dir,
                    tx_id: t.common.id,
                    window: false,
                    range: None,
                    of: None,
                };
                t.own.file =
                    cx.files.open(cx.pool, &mut t.common.files[input.dir.ix()], new).map_or(0, |f| f + 1);
            }
        }
        if t.own.dir != input.dir {
            return all;
        }
        if let Some(f) = t.own.file.checked_sub(1) {
            if input.gap > 0 {
                cx.files.gap(cx.pool, f, u64::from(input.gap));
            }
            cx.files.append(cx.pool, f, input.data);
            if cx.wanted.has(B_FILE) {
                let room = BODY_MAX.saturating_sub(t.own.body.len());
                let _ = t.own.body.extend(cx.pool, input.data.get(..room).unwrap_or(input.data));
            }
            if input.eof {
                cx.files.close(cx.pool, f, false);
            }
        }
        t.common.touch_both();
        if input.eof {
            t.common.advance_both(1);
        }
        all
    }

    fn free(own: &mut Transfer, pool: &mut BytePool) {
        own.name.free(pool);
        own.body.free(pool);
    }

    fn close(s: &mut State, cx: &mut AppCx<'_>) {
        s.what.free(cx.pool);
    }

    fn buffer<'a>(&'a self, tx: &'a Tx<Transfer>, at: BufferAt<'a>) -> Buffer<'a> {
        let BufferAt { local, dir, index, pool, .. } = at;
        let own = &tx.own;
        match local {
            _ if index > 0 => Buffer::Absent,
            B_NAME if own.dir == dir && !own.name.is_empty() => Buffer::whole(own.name.get(pool)),
            B_FILE if own.dir == dir && !own.body.is_empty() => Buffer::Data {
                bytes: own.body.get(pool),
                offset: 0,
                end: tx.common.progress(Dir::ToServer) > 0,
            },
            B_FILE if own.dir == dir && tx.common.progress(Dir::ToServer) == 0 => Buffer::NotYet,
            _ => Buffer::Absent,
        }
    }

    fn int(&self, tx: &Tx<Transfer>, at: IntAt<'_>) -> Option<u64> {
        let IntAt { index, .. } = at;
        (tx.own.command != 0 && index == 0).then_some(u64::from(tx.own.command))
    }

    fn log(&self, tx: &Tx<Transfer>, view: &TxView<'_>, _: Dir, out: &mut dyn Fields) {
        if !tx.own.name.is_empty() {
            out.bytes("filename", tx.own.name.get(view.pool));
        }
        match tx.own.command {
            1 => out.str("command", "RETR"),
            2 => out.str("command", "STOR"),
            LIST => out.str("command", "LIST"),
            4 => out.str("command", "NLST"),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::bench::Bench;

    #[test]
    fn the_connection_is_the_file() {
        let mut b = Bench::new(&FTP_DATA);
        let what = PBuf::from_slice(&mut b.pool, b"\x01a.txt").unwrap();
        let st = b.st;
        b.with(|p, cx| p.expected(st, what, 7, cx));
        let mut what = what;
        what.free(&mut b.pool);
        b.feed_cut(Dir::ToClient, b"root:x:0:0", &[3]);
        b.with(|p, cx| {
            p.parse(st, Input { dir: Dir::ToClient, data: &[], gap: 0, eof: true, datagram: false }, cx)
        });
        assert_eq!(b.values(B_FILE, Dir::ToClient), [(0, b"root:x:0:0".to_vec())]);
        assert_eq!(b.values(B_NAME, Dir::ToClient), [(0, b"a.txt".to_vec())]);
        assert_eq!(
            b.parser.int(st, b.tx(0), IntAt { local: 0, dir: Dir::ToClient, index: 0, pool: &b.pool }),
            Some(1)
        );
        let f = b.files.view(b.parser.common(b.tx(0)).files[1]);
        assert_eq!((f.size(), f.state()), (10, crate::app::file::FileState::Closed));
        b.close();
    }
}
