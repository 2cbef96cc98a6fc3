#!/usr/bin/env python3
"""Whether events are what Suricata's schema of EVE says: each line of each capture, with every event type on.

tests/eve_schema.py --engine BIN --shared DIR [--captures N] [--lines N]

DIR has `rules/suricata-8/eve-schema.json`, `rules/suricata-8/*.rules` and the captures. Of each capture at most so many lines
of a kind are checked; fields of our own (records that Suricata has not) are left out of the comparison. Exit status 1 when a
line does not fit.
"""
import argparse
import collections
import glob
import json
import os
import subprocess
import sys
import tempfile

import jsonschema

# What Suricata has not: records of AI, stores and interconnects, and a mark of records that are too long.
OURS = {"ai", "imap", "mcp", "redis", "nvme", "roce", "nccl", "rpc", "grpc", "artifact", "policy", "intel", "response", "ai_service", "ai_telemetry", "incident", "context"}
OWN_FIELDS = {"tag", "truncated_record"}

CONFIG = """%YAML 1.1
---
outputs:
  - eve-log:
      enabled: yes
      community-id: yes
      types: [{alert: {payload: yes, packet: yes, http-body: yes, tagged-packets: yes, verdict: yes, metadata: yes}},
        {anomaly: {types: {decode: yes, stream: yes, applayer: yes}}}, {http: {extended: yes}}, http2, dns, mdns,
        {tls: {extended: yes}}, {files: {force-hash: [md5, sha1, sha256]}}, {smtp: {extended: yes}}, ftp, rdp, nfs, smb, tftp,
        ike, dcerpc, krb5, bittorrent-dht, snmp, rfb, sip, quic, ldap, pop3, arp, {dhcp: {extended: yes}}, ssh, mqtt, pgsql,
        ntp, websocket, dnp3, modbus, enip, flow, netflow, {drop: {alerts: yes}}, stats]
app-layer:
  protocols:
    modbus: {enabled: yes}
    dnp3: {enabled: yes}
    enip: {enabled: yes}
    pgsql: {enabled: yes}
    telnet: {enabled: yes}
"""


def without(value, names):
    """The same value without the fields of these names, wherever they are."""
    if isinstance(value, dict):
        return {k: without(v, names) for k, v in value.items() if k not in names}
    return [without(v, names) for v in value] if isinstance(value, list) else value


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--engine", required=True)
    p.add_argument("--shared", required=True)
    p.add_argument("--captures", type=int, default=400, help="how many of the captures, spread over all")
    p.add_argument("--lines", type=int, default=6, help="lines of a kind and capture")
    p.add_argument("--only", help="captures whose path has this")
    a = p.parse_args()
    with open(os.path.join(a.shared, "rules/suricata-8/eve-schema.json")) as f:
        schema = json.load(f)
    check = jsonschema.Draft202012Validator(schema)
    captures = sorted(glob.glob(os.path.join(a.shared, "conformance/tests/**/*.pcap"), recursive=True)
                      + glob.glob(os.path.join(a.shared, "captures/**/*.pcap*"), recursive=True))
    captures = [c for c in captures if os.path.isfile(c) and (not a.only or a.only in c)]
    step = max(1, len(captures) // a.captures)
    faults, checked, kinds = collections.Counter(), 0, collections.Counter()
    first = {}
    with tempfile.TemporaryDirectory() as tmp:
        config, rules = os.path.join(tmp, "c.yaml"), os.path.join(tmp, "r.rules")
        with open(config, "w") as f:
            f.write(CONFIG)
        with open(rules, "w") as f:
            for name in sorted(glob.glob(os.path.join(a.shared, "rules/suricata-8/*.rules"))):
                f.write(open(name).read() + "\n")
            f.write('alert ip any any -> any any (msg:"every"; threshold:type limit,track by_rule,count 5,seconds 9999; sid:1;)\n')
        for c in captures[::step]:
            subprocess.run([a.engine, "run", "-k", "none", "-q", "-c", config, "-S", rules, "-l", tmp, "-r", c],
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120)
            seen = collections.Counter()
            try:
                lines = open(os.path.join(tmp, "eve.json"), errors="replace")
            except FileNotFoundError:
                continue
            for line in lines:
                e = json.loads(line)
                kind = e["event_type"]
                if kind in OURS or seen[kind] >= a.lines:
                    continue
                seen[kind] += 1
                kinds[kind] += 1
                e = without({k: v for k, v in e.items() if k not in OURS}, OWN_FIELDS)
                checked += 1
                for err in check.iter_errors(e):
                    # Counters of our own stand among Suricata's.
                    if kind == "stats" and err.validator == "additionalProperties":
                        continue
                    where = ".".join("[]" if isinstance(x, int) else str(x) for x in err.absolute_path)
                    what = f"{kind}: {where}: {err.message[:110]}"
                    faults[what] += 1
                    first.setdefault(what, c)
    for what, n in faults.most_common():
        print(f"{n:6} {what}   (first in {os.path.relpath(first[what], a.shared)})")
    print(f"{checked} events of {len(kinds)} kinds checked, {sum(faults.values())} do not fit: "
          + ", ".join(f"{k} {n}" for k, n in sorted(kinds.items())))
    return 1 if faults or not checked else 0


if __name__ == "__main__":
    sys.exit(main())
