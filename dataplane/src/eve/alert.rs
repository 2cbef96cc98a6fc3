//! `alert` records: a rule matched. Also `packet` records, for packets that a tag covers.

use tidegate_core::Dir;
use tidegate_core::app::{Buffer, BufferAt, TxView};
use tidegate_core::detect::asked::ContextsOf;
use tidegate_core::event::{Action, Alert, Verdict};
use tidegate_core::packet::Packet;
use tidegate_core::pool::Scratch;
use tidegate_core::rules::RuleMeta;
use tidegate_core::rules::ir::Target;

use super::header::{About, Ends};
use super::json::Json;
use super::{Output, artifact, file, flow, frame, names, tx};
use crate::config::eve::{AlertSettings, RecordSettings, Xff};

/// Header fields of a request that are looked through for the client's address.
const MAX_HEADERS: u32 = 256;
/// Bytes of a body in an alert.
const MAX_BODY: usize = 64 << 10;
/// Files of a transaction in an alert.
const MAX_FILES: usize = 64;

impl Output {
    pub(super) fn alert(&mut self, a: &Alert<'_>, ips: bool) {
        let Some(s) = self.settings.alert.clone() else { return };
        let about = About { packet: Some(a.packet), flow: a.flow.as_ref(), dir: a.dir };
        let ends = Ends::of_packet(a.packet).about(a.tx.as_ref());
        if a.tagged {
            if s.tagged_packets {
                self.header("packet", a.packet.ts, about, &ends);
                self.options(about);
                packet(&mut self.json, a.packet, usize::MAX);
                self.end();
            }
            return;
        }
        let xff = s.xff.as_ref().or(self.settings.xff.as_ref()).cloned();
        let client = xff.as_ref().and_then(|x| a.tx.as_ref().and_then(|t| forwarded_for(t, x)));
        let overwrite = xff.as_ref().is_some_and(|x| x.overwrite);
        let proxied = client.as_deref().filter(|_| overwrite).map(|ip| (a.dir == Dir::ToServer, ip));
        self.header_from("alert", a.packet.ts, about, &ends, proxied);
        self.options(about);
        let j = &mut self.json;
        if let Some(t) = &a.tx {
            j.uint("tx_id", t.common().shown_id);
        }
        let extra = client.as_deref().filter(|_| !overwrite);
        object(j, a.rule, a.allowed, &ends, &s, More { xff: extra, contexts: a.contexts });
        if let Some(root) = a.root {
            tunnel(j, a.packet, root);
        }
        if let Some(seen) = &a.intel {
            super::intel::object(j, seen);
        }
        if let Some(t) = &a.tx {
            if s.app_layer {
                // Alerts have the present form of a record, whatever records have.
                let settings =
                    self.settings.record(t.record()).map(|r| RecordSettings { version: None, ..r.clone() });
                tx::object(j, t, a.dir, settings.as_ref());
                if s.http_body || s.http_body_printable {
                    bodies(j, t, &s);
                }
            }
            if s.rule_metadata {
                files(j, t, a.dir);
                artifact_object(j, t, a.dir);
            }
        }
        match &a.frame {
            Some(f) => frame::object(j, f, frame::Payload::of_alert(&s)),
            None => found_frame(j, a, &s),
        }
        if let Some(f) = &a.flow {
            flow::app_proto(j, f);
            j.word("direction", if a.dir == Dir::ToServer { "to_server" } else { "to_client" });
            if s.flow {
                j.open("flow");
                flow::counters(j, f);
                let e = Ends::of_flow(f, Dir::ToServer);
                j.addr("src_ip", &e.src, e.v6);
                j.addr("dest_ip", &e.dst, e.v6);
                if e.has_ports() {
                    j.uint("src_port", u64::from(e.sp));
                    j.uint("dest_port", u64::from(e.dp));
                }
                j.close();
            }
        }
        payload(j, a, &s);
        if s.packet {
            packet(j, a.packet, usize::MAX);
        }
        if s.verdict {
            let action = if a.passed { Action::Pass } else { a.action };
            verdict(j, a.verdict, action, a.packet, ips);
        }
        self.end();
    }
}

/// Of a protocol that keeps frames as buffers of transactions, the one in which the rule's literal was found.
fn found_frame(j: &mut Json, a: &Alert<'_>, s: &AlertSettings) {
    let Some((_, kind)) = a.fast.and_then(|f| f.buffer.strip_prefix("frame:")?.split_once('.')) else {
        return;
    };
    let mut scratch = Scratch::new(MAX_BODY);
    let Some(found) = a.found(&mut scratch) else { return };
    j.open("frame");
    j.word("type", kind);
    j.word("direction", if a.dir == Dir::ToServer { "toserver" } else { "toclient" });
    j.uint("length", found.bytes.len() as u64);
    j.bool("complete", true);
    frame::Payload::of_alert(s).write(j, found.bytes);
    if let Some(t) = &a.tx {
        j.uint("tx_id", t.common().shown_id);
    }
    j.close();
}

/// What only some alerts have.
#[derive(Clone, Copy, Default)]
pub(super) struct More<'a> {
    /// Address of a proxy's client.
    xff: Option<&'a [u8]>,
    /// What datasets say of values.
    contexts: Option<ContextsOf<'a>>,
}

/// The `alert` object.
pub(super) fn object(
    j: &mut Json,
    r: &RuleMeta,
    allowed: bool,
    ends: &Ends,
    s: &AlertSettings,
    more: More<'_>,
) {
    j.open("alert");
    j.word("action", if allowed { "allowed" } else { "blocked" });
    j.uint("gid", u64::from(r.gid));
    j.uint("signature_id", u64::from(r.sid));
    j.uint("rev", u64::from(r.rev));
    j.string("signature", r.msg.as_bytes());
    j.string("category", r.category.as_bytes());
    j.uint("severity", u64::from(r.priority));
    if let Some(t) = r.target {
        let (source, target) = match t {
            Target::Dest => (*ends, ends.flip()),
            Target::Src => (ends.flip(), *ends),
        };
        for (key, e) in [("source", source), ("target", target)] {
            j.open(key);
            j.addr("ip", &e.src, e.v6);
            if e.has_ports() {
                j.uint("port", u64::from(e.sp));
            }
            j.close();
        }
    }
    if s.reference && !r.references.is_empty() {
        j.open_list("references");
        for (prefix, rest) in &r.references {
            j.key("");
            let url = [prefix.as_bytes(), rest.as_bytes()].concat();
            j.quoted(&url);
        }
        j.close_list();
    }
    if s.rule_metadata && !r.metadata.is_empty() {
        metadata(j, r);
    }
    if s.rule_text {
        j.string("rule", r.text.as_bytes());
    }
    if let Some(c) = more.contexts {
        j.open("context");
        c.each(|name, text| {
            j.wire_key(name.as_bytes());
            j.buf.extend_from_slice(text.as_bytes());
        });
        c.captures(|name, value| {
            j.wire_key(name.as_bytes());
            j.printable("", value);
        });
        j.close();
    }
    if let Some(ip) = more.xff {
        j.string("xff", ip);
    }
    j.close();
}

/// Keys of a rule's metadata that are compared with each other; more are sorted, which takes memory.
const FEW_KEYS: usize = 32;

/// `metadata`: each key once, with the list of its values, in the order of the keys' first values.
fn metadata(j: &mut Json, r: &RuleMeta) {
    let list = |j: &mut Json, key: &str, values: &mut dyn Iterator<Item = &str>| {
        j.wire_key(key.as_bytes());
        j.buf.push(b'[');
        values.for_each(|v| j.string("", v.as_bytes()));
        j.close_list();
    };
    let of = |i: usize| r.metadata.get(i).map(|m| m.0.as_str());
    j.open("metadata");
    if r.metadata.len() <= FEW_KEYS {
        for (i, (key, _)) in r.metadata.iter().enumerate() {
            if !r.metadata.iter().take(i).any(|(k, _)| k == key) {
                let mut values = r.metadata.iter().filter(|(k, _)| k == key).map(|m| m.1.as_str());
                list(j, key, &mut values);
            }
        }
    } else {
        let mut by_key: Vec<usize> = (0..r.metadata.len()).collect();
        by_key.sort_by_key(|&i| (of(i), i));
        let mut groups: Vec<&[usize]> = by_key.chunk_by(|&a, &b| of(a) == of(b)).collect();
        groups.sort_by_key(|g| g.first().copied());
        for g in groups {
            let key = g.first().and_then(|&i| of(i)).unwrap_or_default();
            list(j, key, &mut g.iter().filter_map(|&i| r.metadata.get(i)).map(|m| m.1.as_str()));
        }
    }
    j.close();
}

/// The outermost packet of the frame that carried an inner packet.
fn tunnel(j: &mut Json, p: &Packet<'_>, root: &Packet<'_>) {
    let e = Ends::of_packet(root);
    j.open("tunnel");
    j.addr("src_ip", &e.src, e.v6);
    j.uint("src_port", u64::from(e.sp));
    j.addr("dest_ip", &e.dst, e.v6);
    j.uint("dest_port", u64::from(e.dp));
    super::header::proto(j, e.proto);
    j.uint("depth", u64::from(p.recursion));
    if root.index != 0 {
        j.uint("pcap_cnt", root.index);
    }
    j.word("pkt_src", root.source.name());
    j.close();
}

/// Files of the transaction in the packet's direction.
fn files(j: &mut Json, t: &TxView<'_>, dir: Dir) {
    let mut any = false;
    for id in t.files.chain(t.common().files[dir.ix()]).take(MAX_FILES) {
        if !any {
            j.open_list("files");
            any = true;
        }
        j.open("");
        file::fields(j, &t.files.view(id), t.pool, false);
        j.close();
    }
    if any {
        j.close_list();
    }
}

/// The worst verdict on a model file among them.
fn artifact_object(j: &mut Json, t: &TxView<'_>, dir: Dir) {
    let ids = t.files.chain(t.common().files[dir.ix()]).take(MAX_FILES);
    let verdicts = ids.filter_map(|id| {
        let f = t.files.view(id);
        Some((id, f.artifact().or_else(|| f.artifact_so_far())?))
    });
    if let Some((id, v)) = verdicts.filter(|(_, v)| v.is_of_model()).max_by_key(|(_, v)| v.judgement) {
        j.open("artifact");
        j.string("file", t.files.view(id).name(t.pool));
        artifact::fields(j, &v);
        j.close();
    }
}

/// `payload`, `payload_printable`, `payload_length`, `stream`.
fn payload(j: &mut Json, a: &Alert<'_>, s: &AlertSettings) {
    if !(s.payload || s.payload_printable || s.payload_length) {
        return;
    }
    let stream = a.in_stream && a.packet.proto == 6;
    let mut data = a.packet.payload();
    if stream && !a.stream_data.is_empty() {
        data = &a.stream_data[..a.stream_data.len().min(s.payload_buffer)];
    }
    if !data.is_empty() {
        if s.payload_length {
            j.uint("payload_length", data.len() as u64);
        }
        if s.payload {
            j.base64("payload", data);
        }
        if s.payload_printable {
            j.printable("payload_printable", data);
        }
    } else {
        if s.payload {
            j.word("payload", "");
        }
        if s.payload_printable {
            j.word("payload_printable", "");
        }
    }
    j.uint("stream", u64::from(stream));
}

/// `packet` and `packet_info`.
pub(super) fn packet(j: &mut Json, p: &Packet<'_>, most: usize) {
    j.base64("packet", &p.data[..p.data.len().min(most)]);
    let (number, name) = names::link(p.link);
    j.open("packet_info");
    j.uint("linktype", u64::from(number));
    if !name.is_empty() {
        j.word("linktype_name", name);
    }
    j.close();
}

/// `verdict`: what becomes of the packet.
pub(super) fn verdict(j: &mut Json, v: Verdict, action: Action, p: &Packet<'_>, ips: bool) {
    j.open("verdict");
    match v {
        Verdict::Reject { to_src, to_dst } => {
            j.word("action", if ips { "drop" } else { "alert" });
            let target = match (to_src, to_dst) {
                (true, true) => "both",
                (true, false) => "to_client",
                (false, _) => "to_server",
            };
            j.word("reject-target", target);
            j.open_list("reject");
            match p.proto {
                6 => j.word("", "tcp-reset"),
                1 | 17 | 58 => j.word("", "icmp-prohib"),
                _ => {}
            }
            j.close_list();
        }
        Verdict::Drop if ips => j.word("action", "drop"),
        _ if action == Action::Pass => j.word("action", "pass"),
        _ => j.word("action", "alert"),
    }
    j.close();
}

/// Bytes of value number `index` of a named buffer of a transaction.
fn buffer<'a>(
    t: &TxView<'a>,
    name: &str,
    dir: Dir,
    index: u32,
    scratch: &'a mut Scratch,
) -> Option<&'a [u8]> {
    let local = t.proto.def().buffers.iter().position(|b| b.name == name)?;
    let at = BufferAt { local: u8::try_from(local).ok()?, dir, index, pool: t.pool, scratch };
    match t.parser.buffer(t.state, t.tx, at) {
        Buffer::Data { bytes, .. } => Some(bytes),
        _ => None,
    }
}

/// HTTP bodies inside the record's object, which was the last thing written.
fn bodies(j: &mut Json, t: &TxView<'_>, s: &AlertSettings) {
    if t.record() != "http" || j.buf.pop() != Some(b'}') {
        return;
    }
    for (name, dir) in [("request", Dir::ToServer), ("response", Dir::ToClient)] {
        let mut scratch = Scratch::new(64 << 10);
        let Some(body) =
            buffer(t, &format!("http.{name}_body"), dir, 0, &mut scratch).filter(|b| !b.is_empty())
        else {
            continue;
        };
        let body = &body[..body.len().min(MAX_BODY)];
        if s.http_body {
            j.base64(&format!("http_{name}_body"), body);
        }
        if s.http_body_printable {
            j.printable(&format!("http_{name}_body_printable"), body);
        }
    }
    j.buf.push(b'}');
}

/// The client's address out of a proxy's header, when it is one.
pub(super) fn forwarded_for(t: &TxView<'_>, x: &Xff) -> Option<Vec<u8>> {
    let mut scratch = Scratch::new(8 << 10);
    for index in 0..MAX_HEADERS {
        // Each is `Name: value`.
        scratch.clear();
        let field = buffer(t, "http.request_header", Dir::ToServer, index, &mut scratch)?;
        if let Some((name, value)) = field.split_at_checked(x.header.len())
            && name.eq_ignore_ascii_case(x.header.as_bytes())
            && let Some(value) = value.strip_prefix(b":")
        {
            return address(value, x.forward);
        }
    }
    None
}

/// The first (or last) address of a list, without a port.
fn address(list: &[u8], first: bool) -> Option<Vec<u8>> {
    let mut list = list.split(|&b| b == b',');
    let one = if first { list.next() } else { list.next_back() }?;
    let text = std::str::from_utf8(one).ok()?.trim();
    let ip = |t: &str| t.parse::<std::net::IpAddr>().is_ok();
    let bare = match text.strip_prefix('[').and_then(|t| t.split_once(']')) {
        Some((v6, _)) => v6,
        None if ip(text) => text,
        None => text.rsplit_once(':').map_or(text, |(host, _)| host),
    };
    ip(bare).then(|| bare.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_in_the_order_of_keys_however_many() {
        for n in [3, 20, 50, 30_000] {
            let metadata = (0..n).map(|i| (format!("k{}", i * 7 % (n / 2 + 1)), format!("v{i}"))).collect();
            let rule = RuleMeta { metadata, ..RuleMeta::default() };
            let mut j = Json::default();
            j.open("");
            // 30,000 keys took seconds when each was compared with each.
            let start = std::time::Instant::now();
            super::metadata(&mut j, &rule);
            assert!(start.elapsed().as_millis() < 1000);
            j.close();
            let text = String::from_utf8(j.buf).unwrap();
            assert!(text.starts_with(r#"{"metadata":{"k0":["v0""#), "{}", &text[..40]);
            assert_eq!(text.matches('v').count(), n);
        }
    }

    #[test]
    fn the_client_of_a_chain_of_proxies() {
        let a = |t: &str, first| address(t.as_bytes(), first).map(|b| String::from_utf8(b).unwrap());
        assert_eq!(a(" 10.1.1.1, 10.2.2.2, 10.3.3.3", true).as_deref(), Some("10.1.1.1"));
        assert_eq!(a(" 10.1.1.1, 10.2.2.2 , 10.3.3.3\r", false).as_deref(), Some("10.3.3.3"));
        assert_eq!(a("[2001:db8::1]:443", false).as_deref(), Some("2001:db8::1"));
        assert_eq!(a("192.0.2.1:8080", true).as_deref(), Some("192.0.2.1"));
        assert_eq!(a("unknown", true), None);
    }
}
