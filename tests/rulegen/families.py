"""Families of rules: each a function of a random source and a capture's material, which gives rules or None.

A rule is (protocol of its header, options) or (protocol, options, ends); several rules at once belong together (one sets what the other
reads). `FAMILIES` is the table; a new family is a function and its line.
"""
from . import shapes
from .material import PROTOCOLS
from .wrong import wrong

FLOWS = ("", "", "", "flow:established; ", "flow:to_server; ", "flow:to_client; ", "flow:established,to_server; ", "flow:established,to_client; ",
         "flow:from_server; ", "flow:stateless; ", "flow:from_client,established; ")
EVENTS = {
    "http": ("unable_to_match_response_to_request", "request_field_missing_colon", "request_header_invalid", "missing_host_header",
             "host_header_ambiguous", "request_header_repetition", "uri_host_invalid"),
    "tls": ("invalid_sslv2_header", "invalid_tls_header", "invalid_record_type", "invalid_handshake_message", "heartbeat_message",
            "invalid_record_length", "multiple_sni_extensions", "invalid_record_version"),
    "dns": ("malformed_data", "not_request", "not_response", "z_flag_set", "invalid_opcode"),
    "smtp": ("invalid_reply", "no_server_welcome_message", "mime_long_line", "unable_to_match_reply_with_request", "tls_rejected"),
    "smb": ("malformed_data", "request_to_client", "response_to_server", "negotiate_malformed_dialects"),
    "ssh": ("invalid_banner", "long_banner", "invalid_record", "long_kex_record"),
    "dhcp": ("truncated_options", "malformed_options"),
}
STREAM_EVENTS = ("3whs_ack_in_wrong_dir", "est_packet_out_of_window", "fin_out_of_window", "pkt_invalid_timestamp", "pkt_retransmission",
                 "shutdown_syn_resend", "est_synack_resend", "rst_invalid_ack", "pkt_invalid_ack", "reassembly_seq_gap", "fin_but_no_session",
                 "rst_but_no_session", "suspected_rst_inject", "timewait_ack_wrong_seq", "pkt_bad_window_update", "pkt_spurious_retransmission")
DECODE_EVENTS = ("ipv4.trunc_pkt", "ipv4.opt_pad_required", "ipv4.icmpv6", "ipv6.trunc_pkt", "ipv6.icmpv4", "tcp.hlen_too_small",
                 "tcp.opt_invalid_len", "udp.pkt_too_small", "udp.len_invalid", "icmpv4.unknown_type", "icmpv4.ipv4_trunc_pkt", "icmpv6.unknown_type",
                 "ethernet.pkt_too_small", "vlan.header_too_small", "gre.wrong_version", "ipv4.frag_overlap", "ppp.pkt_too_small", "ipv6.zero_len_padn")
CONTENT_KEYWORDS = {  # the older modifiers behind a content, and the buffers that they name
    "http.uri": "http_uri", "http.method": "http_method", "http.user_agent": "http_user_agent", "http.header": "http_header",
    "http.cookie": "http_cookie", "http.host": "http_host", "http.stat_code": "http_stat_code", "http.request_body": "http_client_body",
    "http.header.raw": "http_raw_header", "http.uri.raw": "http_raw_uri", "http.response_body": "http_server_body",
}


def packet(r, m, loaded=True):
    some = [p for p in m.packets if p.payload or not loaded]
    return r.choice(some) if some else None


def transport(r, p):
    t = {"tcp": ("tcp", "tcp", "tcp", "ip", "tcp-pkt", "tcp-stream"), "udp": ("udp", "udp", "ip")}.get(p.proto, ("ip",))
    return r.choice(t)


def ends(r, p):
    """Addresses and ports of a header, mostly those of the packet."""
    def addr(a):
        return r.choice(["any", "any", a, f"!{a}", f"[{a},1.2.3.4]", "$HOME_NET", "$EXTERNAL_NET", a.rsplit(".", 1)[0] + ".0/24" if "." in a else a, f"[0.0.0.0/0,!{a}]" if "." in a else "any"])

    def port(n):
        if n is None:
            return "any"
        return r.choice(["any", "any", str(n), str(n), f"!{n}", f"{max(0, n - 3)}:{min(65535, n + 3)}", f"[{n},1]", f"[1:65535,!{n}]", f"{n}:", f":{n}"])
    ported = p.proto in ("tcp", "udp")
    way = r.choice(["->", "->", "->", "<>"])
    return f"{addr(p.src)} {port(p.sp) if ported else 'any'} {way} {addr(p.dst)} {port(p.dp) if ported else 'any'}"


def payload(r, m):
    p = packet(r, m)
    if not p:
        return None
    v = p.payload if r.random() < 0.6 else p.payload[:r.choice([8, 16, 40])]
    ported = p.proto in ("tcp", "udp") and p.dp is not None
    e = f"any any -> any {p.dp}" if ported and r.random() < 0.2 else None
    return [(transport(r, p), r.choice(FLOWS) + shapes.shaped(r, v, False), e)]


def header(r, m):
    p = packet(r, m, False)
    if not p or not p.src:
        return None
    o = r.choice(["", "", "", r.choice(FLOWS), "dsize:>0; ", "flags:S; " if p.proto == "tcp" else "", f"ip_proto:{r.choice(['!132', '6', '17'])}; "])
    return [(r.choice(["ip", "ip", p.proto if p.proto in ("tcp", "udp", "icmp") else "ip"]), o, ends(r, p))]


def field(r, m):
    p = packet(r, m, False)
    if not p:
        return None
    n = len(p.payload)
    both = [f"ttl:{r.choice(['>0', '64', '<65', '128', '!64', '1-64', '>127'])}; ",
            f"dsize:{r.choice([str(n), f'>{max(0, n - 1)}', f'<{n + 1}', f'{max(0, n - 2)}<>{n + 2}', f'!{n}'])}; ",
            f"ip_proto:{r.choice(['6', '17', '1', '!17', 'tcp', '>5', '<7'])}; ", f"id:{r.randint(0, 3)}; ", "sameip; ",
            f"tos:{r.choice(['0', '!0', '16'])}; ", f"fragbits:{r.choice(['D', 'M', '!D', '*DM', '+D'])}; ", f"fragoffset:{r.choice(['0', '>0', '!0'])}; ",
            f"ipopts:{r.choice(['any', 'rr', 'lsrr'])}; ", f"l3_proto:{r.choice(['ipv4', 'ipv6'])}; ", f"flow.age:{r.choice(['>1', '<2', '>3'])}; ",
            "ipv4-csum:valid; ", f"ipv4.hdr; {shapes.placed(r, p.frame[14:34] or b'E')}"]
    tcp = [f"flags:{r.choice(['S', 'SA', 'A', 'PA', 'F+', 'A+', '*SF', '!S', 'S,12', 'R', '0', 'FPU'])}; ",
           f"window:{r.choice(['0', '!0', '65535', '8192'])}; ", f"seq:{r.choice(['0', '1'])}; ", f"ack:{r.choice(['0', '1'])}; ", "tcpv4-csum:valid; ",
           f"tcp.mss:{r.choice(['1460', '>1300', '<1461', '500-1460'])}; ",
           f"stream_size:{r.choice(['client', 'server', 'both', 'either'])},{r.choice(['>', '<', '=', '!=', '>='])},{r.choice([0, 1, 100, n])}; ",
           f"tcp.hdr; {shapes.placed(r, p.frame[34:54] or b'a')}"]
    udp = ["udpv4-csum:valid; ", f"udp.hdr; {shapes.placed(r, p.frame[34:42] or b'a')}"]
    icmp = [f"itype:{r.choice(['8', '0', '>2', '3<>12'])}; ", f"icode:{r.choice(['0', '<4', '>0'])}; ", f"icmp_id:{r.randint(0, 2)}; ", f"icmp_seq:{r.randint(0, 3)}; "]
    own = {"tcp": tcp, "udp": udp, "icmp": icmp}.get(p.proto, [])
    o = r.choice(both + own * 2)
    if r.random() < 0.25:
        o += r.choice([s for s in both[:6] + own if ".hdr" not in s])
    if r.random() < 0.15 and p.payload:
        o = shapes.plain(r, p.payload) + o
    return [(p.proto if o.split(":")[0] not in ("ip_proto",) and p.proto in ("tcp", "udp", "icmp") else "ip", o, None)]


def flow(r, m):
    p = packet(r, m, False)
    if not p:
        return None
    words = r.sample(["established", "to_server", "no_stream", "only_stream", "not_established", "no_frag", "stateless"], r.randint(1, 2))
    if r.random() < 0.4:
        words = r.sample(["to_client", "from_server", "from_client", "established"], 1)
    o = f"flow:{','.join(words)}; "
    if p.payload and r.random() < 0.5:
        o += shapes.plain(r, p.payload)
    return [(transport(r, p), o, None)]


def trigger(r, m):
    """Some condition that holds now and then."""
    p = packet(r, m)
    if not p:
        return None
    k = r.randrange(4)
    if k == 0:
        return transport(r, p), shapes.content(shapes.piece(r, p.payload, 4)[1])
    if k == 1:
        return ("tcp", "flags:S; ") if p.proto == "tcp" else ("udp", "dsize:>0; ")
    if k == 2:
        return p.proto if p.proto in ("tcp", "udp") else "ip", "dsize:>0; "
    return "ip", "ttl:>0; "


def bits(r, m):
    a, b = trigger(r, m), trigger(r, m)
    if not a:
        return None
    kind, n = r.choice(["flowbits", "flowbits", "xbits", "hostbits", "flowint"]), r.randint(0, 99999)
    if kind == "flowbits":
        one, two = f"flowbits:{r.choice(['set', 'set', 'toggle'])},b{n}; " + r.choice(["", "flowbits:noalert; ", "noalert; "]), f"flowbits:{r.choice(['isset', 'isset', 'isnotset', 'unset'])},b{n}; "
    elif kind == "xbits":
        track = r.choice(["ip_src", "ip_dst", "ip_pair"])
        one, two = f"xbits:set,x{n},track {track}{r.choice([', expire 60', ''])}; ", f"xbits:{r.choice(['isset', 'isnotset'])},x{n},track {track}; "
    elif kind == "hostbits":
        who = r.choice(["src", "dst"])
        one, two = f"hostbits:set,h{n},{who}; ", f"hostbits:{r.choice(['isset', 'isnotset'])},h{n},{who}; "
    else:
        one, two = f"flowint:i{n},notset; flowint:i{n},=,1; ", f"flowint:i{n},isset; flowint:i{n},{r.choice(['+,1', '>,1', '==,1'])}; "
        if r.random() < 0.5:
            two += f"flowint:i{n},{r.choice(['>', '<', '=='])},{r.randint(1, 4)}; "
    return [(a[0], a[1] + one, None), (b[0], b[1] + two, None)]


def threshold(r, m):
    t = trigger(r, m)
    if not t:
        return None
    track = r.choice(["by_src", "by_dst", "by_both", "by_rule", "by_flow"])
    c, s = r.randint(1, 4), r.choice([1, 10, 60, 3600])
    kind = r.choice(["limit", "threshold", "both", "detection_filter"])
    o = f"detection_filter:track {r.choice(['by_src', 'by_dst'])}, count {c}, seconds {s}; " if kind == "detection_filter" else f"threshold:type {kind}, track {track}, count {c}, seconds {s}; "
    return [(t[0], t[1] + o, None)]


def of_protocol(word, r):
    p = PROTOCOLS.get(word.split(".")[0])
    if p is None or r.random() < 0.15:
        return r.choice(["tcp", "ip"] if p is None or p not in ("snmp", "quic", "dns") else ["ip"])
    return p


def buffer(prefix):
    """The family of the sticky buffers that begin so."""
    def family(r, m):
        words = [w for w in m.values if w.split(".")[0] in prefix and m.values[w]]
        if not words:
            return None
        w = r.choice(words)
        v = r.choice(m.values[w])
        if not v:
            return None
        if w in ("file.data", "http.request_body", "http.response_body", "dcerpc.stub_data", "tls.certs") or w.startswith("tls.random"):
            at = v.find(b"\r\n\r\n")
            v = v[at + 4:] if at >= 0 and len(v) > at + 6 else v
            v = v[r.randint(0, len(v) - 1):][:40]
        if w in ("ssh.hassh", "ja3.hash"):
            v = v.lower()
        proto = of_protocol(w, r)
        if w == "file.data" or w == "file.name":
            proto = r.choice(sorted(m.apps & {"http", "smtp", "ftp-data", "nfs", "smb", "http2"}) or ["tcp"])
        o = f"{r.choice(FLOWS)}{w}; {shapes.shaped(r, v, True)}"
        if r.random() < 0.12:
            w2 = r.choice(words)
            o += f"{w2}; {shapes.plain(r, r.choice(m.values[w2]) or b'a')}"
        return [(proto, o, None)]
    return family


def http_old(r, m):
    words = [w for w in CONTENT_KEYWORDS if m.values.get(w)]
    if not words:
        return None
    w = r.choice(words)
    v = r.choice(m.values[w])[:60]
    if not v:
        return None
    p = shapes.piece(r, v)[1].replace(b"\r\n", b"") or b"a"
    mods = [CONTENT_KEYWORDS[w]] + r.choice([[], ["nocase"], ["fast_pattern"], ["depth:40"]])
    if r.random() < 0.25:
        letter = {"http_uri": "U", "http_header": "H", "http_method": "M", "http_user_agent": "V", "http_cookie": "C", "http_host": "W", "http_stat_code": "S"}.get(mods[0])
        if letter:
            return [("http", f'pcre:"/{shapes.regex(p)}/{letter}"; ', None)]
    return [(r.choice(["http", "tcp"]), r.choice(FLOWS) + shapes.content(p, *mods, negated=r.random() < 0.1), None)]


def file(r, m):
    if not m.files:
        return None
    n, md5, sha1, sha256 = r.choice(m.files)
    name = r.choice(m.values.get("file.name") or [b"a.txt"]).decode("latin1")
    ok = "".join(c for c in name if c.isalnum() or c in "._-") or "a"
    o = r.choice([f"filesize:{r.choice([str(n), f'>{max(0, n - 1)}', f'<{n + 1}', f'{max(0, n - 1)}<>{n + 1}', f'!{n}'])}; ",
                  f'filename:"{ok[:r.randint(1, 12)]}"; ', f'fileext:"{ok.rsplit(".", 1)[-1]}"; ', f'filename:!"{ok}q"; '])
    return [(r.choice(sorted(m.apps & {"http", "smtp", "ftp-data", "nfs", "smb"}) or ["tcp"]), r.choice(FLOWS) + o, None)]


NUMBERS = {
    "http": ["urilen:{c}; ", "urilen:{c},raw; "],
    "dns": ["dns.opcode:{s}; "],
    "tls": ["tls.version:1.2; ", "tls.version:1.0; ", "ssl_version:tls1.2; ", "ssl_version:!tls1.3; ", "ssl_version:tls1.0,tls1.2; ", "ssl_state:client_hello; ",
            "ssl_state:server_hello; ", "ssl_state:client_hello,server_hello; ", "ssl_state:!client_hello; ", "ssl_state:client_keyx; ", "tls.cert_chain_len:{s}; ",
            "tls_cert_expired; ", "tls_cert_valid; ", "tls_cert_notafter:>2016-01-01; ", "tls_cert_notbefore:<2020-01-01; "],
    "krb5": ["krb5_msg_type:{r}; ", "krb5_err_code:{r}; ", "krb5.ticket_encryption:weak; "],
    "snmp": ["snmp.version:{s}; ", "snmp.pdu_type:{s}; "],
    "mqtt": ["mqtt.type:CONNECT; ", "mqtt.type:PUBLISH; ", "mqtt.type:CONNACK; ", "mqtt.qos:{s}; ", "mqtt.flags:retain; ", "mqtt.connect.flags:clean_session; ", "mqtt.protocol_version:{s}; ", "mqtt.reason_code:0; "],
    "dhcp": ["dhcp.leasetime:>{c}; ", "dhcp.renewal_time:>0; ", "dhcp.rebinding_time:<99999; "],
    "nfs": ["nfs_procedure:{s}; ", "nfs.version:{s}; ", "nfs.version:3; "],
    "smb": ["app-layer-event:smb.malformed_data; "],
    "dcerpc": ["dcerpc.opnum:{s}; ", "dcerpc.opnum:0-20; ", "dcerpc.iface:12345778-1234-abcd-ef00-0123456789ac; "],
    "http2": ["http2.frametype:HEADERS; ", "http2.frametype:SETTINGS; ", "http2.window:>0; ", "http2.settings:SETTINGS_MAX_CONCURRENT_STREAMS; ", "http2.priority:>0; ", "http2.errorcode:NO_ERROR; ", "http2.size_update:>0; "],
    "ike": ["ike.exchtype:{s}; ", "ike.nonce_payload_length:>{s}; ", "ike.key_exchange_payload_length:>{s}; ", "ike.exchtype:34; "],
    "rfb": ["rfb.sectype:{s}; ", "rfb.secresult:ok; "],
}


def numbers(r, m):
    protos = sorted(m.apps & set(NUMBERS))
    if not protos:
        return None
    p = r.choice(protos)
    c = lambda: r.choice(["", "<", ">"]) + str(r.choice([1, 10, 30, 80]))
    o = r.choice(NUMBERS[p]).replace(">{c}", ">100").replace("{c}", c()).replace("{s}", str(r.randint(0, 5))).replace("{r}", str(r.choice([10, 11, 12, 13, 14, 24, 25, 30])))
    return [(p, r.choice(FLOWS) + o, None)]


def app(r, m):
    some = sorted(a for a in m.apps if a not in ("failed", "unknown"))
    if not some:
        return None
    a = r.choice(some)
    p = packet(r, m)
    proto = r.choice(["ip", p.proto if p and p.proto in ("tcp", "udp") else "ip"])
    k = r.randrange(4)
    if k == 0:
        return [(proto, f"app-layer-protocol:{r.choice(['', '!'])}{a}; " + (shapes.plain(r, p.payload) if p and r.random() < 0.3 else ""), None)]
    if k == 1 and a in EVENTS:
        return [(a, f"app-layer-event:{a}.{r.choice(EVENTS[a])}; ", None)]
    if k == 2:
        return [(a, r.choice(FLOWS) + (shapes.plain(r, p.payload) if p and r.random() < 0.5 else ""), None)]
    return [(proto, f"app-layer-protocol:{a}; flow:{r.choice(['to_server', 'to_client', 'established'])}; ", None)]


def events(r, m):
    if r.random() < 0.5 and "tcp" in m.protos:
        return [("tcp", f"stream-event:{r.choice(STREAM_EVENTS)}; ", None)]
    return [(r.choice(["pkthdr", "ip"]), f"decode-event:{r.choice(DECODE_EVENTS)}; ", None)]


def base64(r, m):
    p = packet(r, m)
    if not p or len(p.payload) < 8:
        return None
    at, lead = shapes.piece(r, p.payload, 6, 3)
    import base64 as b
    tail = bytes(c for c in p.payload[at + len(lead):][:24])
    try:
        d = b.b64decode(tail[:len(tail) // 4 * 4], validate=False) or b"abc"
    except ValueError:
        d = b"abc"
    rel = r.random() < 0.7
    how = f"base64_decode:{r.choice(['', f'bytes {r.choice([4, 8, 12])}, '])}offset {0 if rel else at}{', relative' if rel else ''}; "
    return [(transport(r, p), (shapes.content(lead) if rel else "") + how + f"base64_data; {shapes.plain(r, d)}", None)]


FAMILIES = {
    "payload": (payload, 14), "header": (header, 9), "field": (field, 10), "flow": (flow, 6), "bits": (bits, 5), "threshold": (threshold, 6),
    "http": (buffer(("http",)), 14), "file": (buffer(("file",)), 5), "files": (file, 3), "dns": (buffer(("dns",)), 6),
    "tls": (buffer(("tls",)), 7), "ja": (buffer(("ja3", "ja3s", "ja4")), 4), "ssh": (buffer(("ssh",)), 5), "smb": (buffer(("smb", "dcerpc")), 4),
    "sip": (buffer(("sip",)), 4), "quic": (buffer(("quic",)), 3), "other": (buffer(("krb5", "snmp", "mqtt", "rfb")), 4),
    "http_old": (http_old, 6), "numbers": (numbers, 7), "app": (app, 5), "events": (events, 4), "base64": (base64, 3), "bad": (wrong, 5),
}
