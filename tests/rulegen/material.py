"""What is in a capture, for rules to be made of: packets with their bytes, and values of keywords out of records.

In: the engine and a capture. Out: `Material`. Nothing is kept but what it holds.
"""
import base64
import collections
import json
import os
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))

# Path in a record -> the keywords whose value stands there. Both engines know the keywords.
PATHS = {
    "http.hostname": ["http.host", "http.host.raw"],
    "http.url": ["http.uri", "http.uri.raw", "http.request_line"],
    "http.http_method": ["http.method", "http.request_line", "http.start"],
    "http.http_user_agent": ["http.user_agent", "http.header"],
    "http.http_refer": ["http.referer"],
    "http.http_content_type": ["http.content_type", "http.header"],
    "http.protocol": ["http.protocol", "http.start"],
    "http.status": ["http.stat_code", "http.response_line"],
    "http.request_headers.name": ["http.header_names", "http.request_header", "http.header.raw"],
    "http.request_headers.value": ["http.header", "http.request_header", "http.accept", "http.accept_lang", "http.accept_enc",
                                   "http.connection", "http.cookie", "http.content_len"],
    "http.response_headers.name": ["http.header_names", "http.response_header", "http.header.raw"],
    "http.response_headers.value": ["http.header", "http.response_header", "http.server", "http.location", "http.content_type",
                                    "http.content_len"],
    "dns.rrname": ["dns.query"],
    "dns.queries.rrname": ["dns.query"],
    "tls.subject": ["tls.cert_subject"],
    "tls.issuerdn": ["tls.cert_issuer"],
    "tls.serial": ["tls.cert_serial"],
    "tls.fingerprint": ["tls.cert_fingerprint"],
    "tls.sni": ["tls.sni"],
    "tls.ja3.hash": ["ja3.hash"],
    "tls.ja3.string": ["ja3.string"],
    "tls.ja3s.hash": ["ja3s.hash"],
    "tls.ja3s.string": ["ja3s.string"],
    "tls.ja4": ["ja4.hash"],
    "ssh.client.proto_version": ["ssh.proto"],
    "ssh.client.software_version": ["ssh.software"],
    "ssh.server.proto_version": ["ssh.proto"],
    "ssh.server.software_version": ["ssh.software"],
    "ssh.client.hassh.hash": ["ssh.hassh"],
    "ssh.client.hassh.string": ["ssh.hassh.string"],
    "ssh.server.hassh.hash": ["ssh.hassh.server"],
    "ssh.server.hassh.string": ["ssh.hassh.server.string"],
    "fileinfo.filename": ["file.name"],
    "smb.share": ["smb.share"],
    "smb.named_pipe": ["smb.named_pipe"],
    "smb.ntlmssp.user": ["smb.ntlmssp_user"],
    "smb.ntlmssp.domain": ["smb.ntlmssp_domain"],
    "krb5.cname": ["krb5.cname"],
    "krb5.sname": ["krb5.sname"],
    "snmp.community": ["snmp.community"],
    "snmp.usm": ["snmp.usm"],
    "sip.method": ["sip.method"],
    "sip.uri": ["sip.uri"],
    "sip.version": ["sip.protocol"],
    "sip.code": ["sip.stat_code"],
    "sip.reason": ["sip.stat_msg"],
    "sip.request_line": ["sip.request_line"],
    "sip.response_line": ["sip.response_line"],
    "quic.sni": ["quic.sni", "tls.sni"],
    "quic.ua": ["quic.ua"],
    "quic.cyu.hash": ["quic.cyu.hash"],
    "quic.cyu.string": ["quic.cyu.string"],
    "mqtt.connect.client_id": ["mqtt.connect.clientid"],
    "mqtt.connect.username": ["mqtt.connect.username"],
    "mqtt.publish.topic": ["mqtt.publish.topic"],
    "mqtt.publish.message": ["mqtt.publish.message"],
    "mqtt.subscribe.topics.topic": ["mqtt.subscribe.topic"],
    "rfb.name": ["rfb.name"],
}

# Keywords whose value is what a protocol carries, and is looked for in payloads: protocol -> keywords.
CARRIED = {
    "http": ["file.data", "http.request_body", "http.response_body", "http.header", "http.header.raw"],
    "smtp": ["file.data"],
    "ftp-data": ["file.data"],
    "nfs": ["file.data"],
    "smb": ["file.data"],
    "tls": ["tls.random", "tls.random_bytes", "tls.random_time", "tls.certs"],
    "dcerpc": ["dcerpc.stub_data"],
}

# Whose keyword it is, by what it begins with. Where a keyword is of several protocols, rules on `ip` and `tcp` are made too.
PROTOCOLS = {
    "http": "http", "dns": "dns", "tls": "tls", "ja3": "tls", "ja3s": "tls", "ja4": "tls", "ssh": "ssh", "smb": "smb", "krb5": "krb5",
    "snmp": "snmp", "sip": "sip", "quic": "quic", "mqtt": "mqtt", "rfb": "rfb", "dcerpc": "dcerpc",
}

Packet = collections.namedtuple("Packet", "number src sp dst dp proto app payload frame")


class Material:
    """Of one capture: `packets`, `values` {keyword: [bytes]}, `apps` {protocols}, `files` [(size, md5, sha1, sha256)]."""

    def __init__(self, engine, capture, timeout=60):
        self.capture, self.packets, self.apps, self.files = capture, [], set(), []
        self.values = collections.defaultdict(list)
        self.protos = set()
        with tempfile.TemporaryDirectory(prefix="tidegate-gen-") as tmp:
            rules = os.path.join(tmp, "probe.rules")
            with open(rules, "w") as f:
                f.write('alert ip any any -> any any (msg:"probe"; ttl:>0; sid:1;)\n')
            subprocess.run([engine, "run", "-r", capture, "-S", rules, "-c", os.path.join(HERE, "probe.yaml"), "-l", tmp, "-k", "none", "-q"],
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=timeout)
            path = os.path.join(tmp, "eve.json")
            if os.path.exists(path):
                with open(path, encoding="utf-8", errors="replace") as f:
                    for line in f:
                        self.take(json.loads(line))
        by_app = collections.defaultdict(list)
        for p in self.packets:
            if p.payload and p.app:
                by_app[p.app].append(p.payload)
        for app, words in CARRIED.items():
            for payload in by_app.get(app, [])[:40]:
                for word in words:
                    self.values[word].append(payload)

    def take(self, e):
        kind = e["event_type"]
        if kind == "alert":
            raw = lambda key: base64.b64decode(e.get(key) or "")
            if len(self.packets) < 400 and e.get("pcap_cnt"):
                self.packets.append(Packet(e["pcap_cnt"], e.get("src_ip"), e.get("src_port"), e.get("dest_ip"), e.get("dest_port"),
                                           e.get("proto", "").lower(), e.get("app_proto"), raw("payload"), raw("packet")))
            self.protos.add(e.get("proto", "").lower())
        elif kind == "flow":
            self.apps.add(e.get("app_proto", "unknown"))
        else:
            if kind == "fileinfo":
                f = e["fileinfo"]
                self.files.append((f.get("size", 0), f.get("md5"), f.get("sha1"), f.get("sha256")))
            for part in (kind, "fileinfo"):
                if isinstance(e.get(part), (dict, list)):
                    self.walk(part, e[part])

    def walk(self, path, v):
        if isinstance(v, dict):
            for k, w in v.items():
                self.walk(f"{path}.{k}", w)
        elif isinstance(v, list):
            for w in v[:20]:
                self.walk(path, w)
        elif isinstance(v, (str, int)) and not isinstance(v, bool):
            for word in PATHS.get(path, ()):
                if len(self.values[word]) < 60:
                    self.values[word].append(str(v).encode("utf-8", "replace"))
