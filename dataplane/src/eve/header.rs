//! What every event begins with: time, flow, packet number, type, addresses; and the options all events share.

use tidegate_core::Dir;
use tidegate_core::app::TxView;
use tidegate_core::event::FlowVar;
use tidegate_core::flow::FlowView;
use tidegate_core::packet::{Addr, L4, Packet, Source};

use super::community::{self, Tuple};
use super::json::Json;
use super::{Output, names};

/// Addresses of an event, already in the direction it speaks of.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    pub src: Addr,
    pub dst: Addr,
    pub sp: u16,
    pub dp: u16,
    pub proto: u8,
    pub v6: bool,
    /// There are addresses at all.
    pub known: bool,
    /// IPv6 addresses are written as RFC 5952 has them, not as Suricata does: in events about protocols that Suricata
    /// does not have.
    pub short: bool,
}

impl Ends {
    /// As the packet travels.
    pub fn of_packet(p: &Packet<'_>) -> Ends {
        Ends {
            src: p.src,
            dst: p.dst,
            sp: p.sp,
            dp: p.dp,
            proto: p.proto,
            v6: p.is_ipv6(),
            known: p.has_ip(),
            short: false,
        }
    }

    /// As the flow goes in direction `dir`.
    pub fn of_flow(f: &FlowView<'_>, dir: Dir) -> Ends {
        let k = f.key();
        let (proto, v6) = (k.proto, k.v6);
        let e = Ends { src: k.src, dst: k.dst, sp: k.sp, dp: k.dp, proto, v6, known: true, short: false };
        if dir == Dir::ToServer { e } else { e.flip() }
    }

    pub fn flip(self) -> Ends {
        Ends { src: self.dst, dst: self.src, sp: self.dp, dp: self.sp, ..self }
    }

    /// For an event about a transaction.
    pub fn about(self, tx: Option<&TxView<'_>>) -> Ends {
        Ends { short: tx.is_some_and(|t| t.proto.def().ours), ..self }
    }

    fn write(&self, j: &mut Json, key: &str, addr: &Addr) {
        if self.short && self.v6 {
            j.short_addr(key, addr);
        } else {
            j.addr(key, addr, self.v6);
        }
    }

    pub const fn has_ports(&self) -> bool {
        matches!(self.proto, 6 | 17 | 132)
    }
}

/// What an event is about.
#[derive(Clone, Copy)]
pub struct About<'a> {
    pub packet: Option<&'a Packet<'a>>,
    pub flow: Option<&'a FlowView<'a>>,
    /// Direction of the addresses relative to the flow, for MAC addresses.
    pub dir: Dir,
}

impl Output {
    /// Starts an event. `pkt_src` and the shared options follow once the caller has said all of the header.
    pub(super) fn header(&mut self, kind: &str, ts: u64, about: About<'_>, ends: &Ends) {
        self.header_from(kind, ts, about, ends, None);
    }

    /// As [`Output::header`]; `sender` replaces the source address (`Ok`) or destination address (`Err`) text.
    pub(super) fn header_from(
        &mut self,
        kind: &str,
        ts: u64,
        about: About<'_>,
        ends: &Ends,
        proxied: Option<(bool, &[u8])>,
    ) {
        let j = &mut self.json;
        j.open("");
        j.time("timestamp", ts);
        if let Some(f) = about.flow {
            j.uint("flow_id", f.id());
            if !f.extra.tag.is_empty() {
                j.string("tag", f.extra.tag);
            }
            if f.extra.decrypted {
                j.bool("decrypted", true);
            }
        }
        // The number is that of a frame: what came out of a tunnel or was put together from fragments has none.
        if let Some(p) = about.packet.filter(|p| p.index != 0 && p.source == Source::Wire) {
            j.uint("pcap_cnt", p.index);
        }
        j.word("event_type", kind);
        let (vlan, vlans) = match (about.packet, about.flow) {
            (Some(p), _) => (p.vlan, p.vlans),
            (None, Some(f)) => (f.key().vlan, f.key().vlans),
            (None, None) => ([0; 3], 0),
        };
        if vlans > 0 {
            j.open_list("vlan");
            vlan.iter().take(usize::from(vlans)).for_each(|&v| j.uint("", u64::from(v)));
            j.close_list();
        }
        if ends.known {
            match proxied {
                Some((true, ip)) => j.string("src_ip", ip),
                _ => ends.write(j, "src_ip", &ends.src),
            }
            if ends.has_ports() {
                j.uint("src_port", u64::from(ends.sp));
            }
            match proxied {
                Some((false, ip)) => j.string("dest_ip", ip),
                _ => ends.write(j, "dest_ip", &ends.dst),
            }
            if ends.has_ports() {
                j.uint("dest_port", u64::from(ends.dp));
            }
            proto(j, ends.proto);
            j.uint("ip_v", if ends.v6 { 6 } else { 4 });
        }
        if let Some(p) = about.packet {
            match p.l4 {
                L4::Icmpv4 | L4::Icmpv6 => {
                    j.uint("icmp_type", u64::from(p.icmp.kind));
                    j.uint("icmp_code", u64::from(p.icmp.code));
                }
                L4::Esp => {
                    if let Some(spi) = p.l4_hdr.of(p.data).first_chunk::<4>() {
                        j.uint("spi", u64::from(u32::from_be_bytes(*spi)));
                    }
                }
                _ => {}
            }
            j.word("pkt_src", p.source.name());
        }
    }

    /// `metadata`, `traffic`, `ether`, `community_id`, `context`.
    pub(super) fn options(&mut self, about: About<'_>) {
        let (s, j) = (&self.settings, &mut self.json);
        if s.metadata
            && let Some(vars) = about.flow.and_then(|f| f.extra.vars)
        {
            metadata(j, vars);
        }
        if s.ethernet {
            ether(j, about);
        }
        if s.community_id
            && let Some(f) = about.flow
        {
            let k = f.key();
            let t = Tuple { src: k.src, dst: k.dst, v6: k.v6, proto: k.proto, sp: k.sp, dp: k.dp };
            j.key("community_id");
            j.buf.push(b'"');
            community::append(&mut j.buf, &t, s.community_id_seed);
            j.buf.push(b'"');
        }
        if let Some(f) = about.flow {
            self.context(f);
        }
    }
}

/// `proto`: the name, or three digits.
pub(super) fn proto(j: &mut Json, number: u8) {
    match names::protocol(number) {
        Some(name) => j.word("proto", name),
        None => {
            let d = [b'0' + number / 100, b'0' + number / 10 % 10, b'0' + number % 10];
            j.string("proto", &d);
        }
    }
}

fn ether(j: &mut Json, about: About<'_>) {
    match (about.packet, about.flow) {
        (Some(p), flow) => {
            // Records speak in the flow's direction; the packet that completed them may go the other way.
            let swap = flow.is_some_and(|f| p.has_ip() && (p.src != Ends::of_flow(f, about.dir).src));
            if let Some((src, dst)) = p.mac {
                let (src, dst) = if swap { (dst, src) } else { (src, dst) };
                j.open("ether");
                j.mac("src_mac", src);
                j.mac("dest_mac", dst);
                j.close();
            }
        }
        (None, Some(f)) => {
            let (mut srcs, mut dsts) = ([None; 2], [None; 2]);
            for d in Dir::BOTH {
                if let Some((a, b)) = f.mac(d) {
                    let (s, t) = if d == about.dir { (a, b) } else { (b, a) };
                    srcs[d.ix()] = Some(s);
                    dsts[d.ix()] = Some(t);
                }
            }
            if srcs == [None; 2] {
                return;
            }
            j.open("ether");
            for (key, list) in [("dest_macs", &mut dsts), ("src_macs", &mut srcs)] {
                if list[0] == list[1] {
                    list[1] = None;
                }
                j.open_list(key);
                list.iter().flatten().for_each(|m| j.mac("", *m));
                j.close_list();
            }
            j.close();
        }
        (None, None) => {}
    }
}

const TRAFFIC_ID: &str = "traffic/id/";
const TRAFFIC_LABEL: &str = "traffic/label/";

/// `traffic` out of flowbits with its prefixes, then `metadata` with the rest.
fn metadata(j: &mut Json, vars: &dyn tidegate_core::event::FlowVars) {
    // Kinds present: other bits, ints, variables, packet variables, traffic ids, traffic labels.
    let mut have = [false; 6];
    vars.each(&mut |v| {
        have[match v {
            FlowVar::Bit(b) if b.starts_with(TRAFFIC_ID) => 4,
            FlowVar::Bit(b) if b.starts_with(TRAFFIC_LABEL) => 5,
            FlowVar::Bit(_) => 0,
            FlowVar::Int(..) => 1,
            FlowVar::Var(..) => 2,
            FlowVar::PktVar(..) => 3,
        }] = true;
    });
    if have[4] || have[5] {
        j.open("traffic");
        for (at, key, prefix) in [(4, "id", TRAFFIC_ID), (5, "label", TRAFFIC_LABEL)] {
            if have[at] {
                j.open_list(key);
                vars.each(&mut |v| {
                    if let FlowVar::Bit(b) = v
                        && let Some(name) = b.strip_prefix(prefix)
                    {
                        j.string("", name.as_bytes());
                    }
                });
                j.close_list();
            }
        }
        j.close();
    }
    if have == [false; 6] {
        return;
    }
    j.open("metadata");
    if have[0] {
        j.open_list("flowbits");
        vars.each(&mut |v| {
            if let FlowVar::Bit(b) = v
                && !b.starts_with(TRAFFIC_ID)
                && !b.starts_with(TRAFFIC_LABEL)
            {
                j.string("", b.as_bytes());
            }
        });
        j.close_list();
    }
    if have[1] {
        j.open("flowints");
        vars.each(&mut |v| {
            if let FlowVar::Int(name, n) = v {
                j.wire_key(name.as_bytes());
                j.digits(u64::from(n));
            }
        });
        j.close();
    }
    for (at, list) in [(2, "flowvars"), (3, "pktvars")] {
        if have[at] {
            j.open_list(list);
            vars.each(&mut |v| {
                let (k, val) = match v {
                    FlowVar::Var(k, val) if at == 2 => (k, val),
                    FlowVar::PktVar(k, val) if at == 3 => (k, val),
                    _ => return,
                };
                j.open("");
                j.wire_key(k);
                j.printable("", val);
                j.close();
            });
            j.close_list();
        }
    }
    j.close();
}
