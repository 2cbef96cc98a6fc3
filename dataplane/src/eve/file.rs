//! `fileinfo` records: a transferred file was seen to its end.

use tidegate_core::app::FileView;
use tidegate_core::event::FileRecord;
use tidegate_core::pool::{BytePool, Scratch};

use super::header::{About, Ends};
use super::json::Json;
use super::{Output, alert, flow, tx};

impl Output {
    pub(super) fn file(&mut self, r: &FileRecord<'_>) {
        let Some(s) = self.settings.files.clone() else { return };
        let about = About { packet: Some(r.packet), flow: Some(&r.flow), dir: r.dir };
        let ends = Ends::of_flow(&r.flow, r.dir);
        let xff = s.xff.as_ref().or(self.settings.xff.as_ref()).cloned();
        let client = xff.as_ref().and_then(|x| r.tx.as_ref().and_then(|t| alert::forwarded_for(t, x)));
        let overwrite = xff.as_ref().is_some_and(|x| x.overwrite);
        let proxied =
            client.as_deref().filter(|_| overwrite).map(|ip| (r.dir == tidegate_core::Dir::ToServer, ip));
        self.header_from("fileinfo", r.packet.ts, about, &ends, proxied);
        self.options(about);
        if let Some(t) = &r.tx {
            tx::object(&mut self.json, t, r.dir, self.settings.record(t.record()));
        }
        let j = &mut self.json;
        flow::app_proto(j, &r.flow);
        j.open("fileinfo");
        fields(j, &r.file, r.pool, self.unstored);
        j.close();
        if let Some(ip) = client.filter(|_| !overwrite) {
            j.string("xff", &ip);
        }
        self.end();
    }
}

/// What a `fileinfo` object and an alert's `files` say of a file. `unstored`: it was to be stored and could not be.
pub(super) fn fields(j: &mut Json, f: &FileView<'_>, pool: &BytePool, unstored: bool) {
    j.string("filename", f.name(pool));
    let mut magic = Scratch::new(256);
    if f.magic(pool, &mut magic) {
        j.string("magic", magic.as_slice());
    }
    j.bool("gaps", f.gaps());
    j.word("state", f.state().name());
    // Hashes exist for files seen to their end, with or without holes.
    if let Some(h) = f.md5() {
        j.hex("md5", h);
    }
    if let Some(h) = f.sha1() {
        j.hex("sha1", h);
    }
    if let Some(h) = f.sha256() {
        j.hex("sha256", h);
    }
    let stored = f.file().stored && !unstored;
    j.bool("stored", stored);
    if stored {
        j.uint("file_id", u64::from(f.file().store_id));
    } else if f.file().store && !unstored {
        j.bool("storing", true);
    }
    j.uint("size", f.size());
    if let Some((start, end)) = f.range() {
        j.uint("start", start);
        j.uint("end", end);
    }
    j.uint("tx_id", f.tx_id());
}
