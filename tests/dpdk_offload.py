#!/usr/bin/env python3
"""dpdk_offload.py - flows in hardware, by the test driver of tests/pmd.

    dpdk_offload.py --engine BIN --driver out/pmd/libtgtest.so [--rules-example BIN]

A bypassed flow stops reaching the engine and its record still counts every packet; a blocked flow stops in the
"hardware"; a full table leaves flows to software; all rules are gone at the end; a million rules are made and age out.
Networks of a block list stop in the "hardware", or in software when it has no room; a reload takes out what is not listed
any more, and a wrong list changes nothing. Standard library only.
"""
import argparse, json, os, re, struct, subprocess, sys, tempfile, time

from dpdk_common import ask, driver

EAL = "--no-huge --no-shconf --no-telemetry --no-pci --log-level=*:4"
PACKETS = 400


def udp(src, dst, sp, dp, payload):
    u = struct.pack(">HHHH", sp, dp, 8 + len(payload), 0) + payload
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(u), 1, 0, 64, 17, 0, bytes(src), bytes(dst))
    n = sum(struct.unpack(">10H", ip))
    n = (n & 0xFFFF) + (n >> 16)
    return b"\2\0\0\0\0\2\2\0\0\0\0\1\x08\0" + ip[:10] + struct.pack(">H", 0xFFFF ^ n) + ip[12:] + u


def capture(path, flows):
    """packets of the flows in turn, requests and answers"""
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for i in range(PACKETS):
            for n, word in enumerate(flows):
                a, b, p, q = (10, 0, 0, n + 1), (10, 0, 1, 1), 4000 + n, 5000
                frame = udp(a, b, p, q, word + b" %06d" % i) if i % 2 == 0 else udp(b, a, q, p, b"answer %06d" % i)
                f.write(struct.pack("<IIII", 1_700_000_000 + i, 0, len(frame), len(frame)) + frame)


failures = []


def check(what, ok, more=""):
    print(f"{'ok  ' if ok else 'FAIL'} {what}: {more}", flush=True)
    if not ok:
        failures.append(what)


# A rule on addresses alone decides the flow, not one packet.
RULES = ('alert udp any any -> any any (msg:"b"; content:"BYPASSME"; bypass; sid:1;)\n'
         'drop udp 10.0.0.2 any -> any any (msg:"d"; sid:2;)\n')


def run(o, tmp, name, room, inline, words=(b"BYPASSME", b"BLOCKME", b"ordinary"), rules_text=RULES, block=None, during=None,
        loops=1, enforce=True):
    """`block`: the text of a block list; `during(control, file of the list)` is called while frames come"""
    d = os.path.join(tmp, name)
    os.mkdir(d)
    pcap = os.path.join(d, "c.pcap")
    capture(pcap, words)
    rules = os.path.join(d, "rules")
    with open(rules, "w") as f:
        f.write(rules_text)
    control = os.path.join(d, "control")
    vdevs = f"--vdev=net_tgtest0,pcap={pcap},loops={loops},pps=1500,rules={room} --vdev=net_tgtest1,rules={room}"
    cmd = [o.engine, "run", "--dpdk", f"{EAL} -d {os.path.abspath(o.driver)} {vdevs}", "-S", rules, "-l", d, "--control", control,
           "--offload", "transfer", "--memory", "32mb", "-k", "none"]
    # The replay has both directions come in by one port, so mirrored traffic is what it is like; drops are simulated.
    # Inline, answers would come in by the other port, where nothing is replayed: half of the packets meet no rule.
    cmd += ["--inline", "0:1"] if inline else ["--simulate-ips"] if enforce else []
    listed = os.path.join(d, "listed")
    if block is not None:
        with open(listed, "w") as f:
            f.write(block)
        cmd += ["--block-list", listed]
    log = open(os.path.join(d, "log"), "w+")
    p = subprocess.Popen(cmd, stdout=log, stderr=log)
    stats = {}
    try:
        for _ in range(300):
            if os.path.exists(control) or p.poll() is not None:
                break
            time.sleep(0.1)
        if during:
            during(control, listed)
        else:
            time.sleep(PACKETS * 3 / 1500 + 2)
        stats = ask(control, command="stats")["counters"]
        p.terminate()
        code = p.wait(timeout=10)
    finally:
        if p.poll() is None:
            p.kill()
        log.seek(0)
        text = log.read()
    if not stats:
        raise RuntimeError(text[-2000:])
    flows, last = {}, {}
    with open(os.path.join(d, "eve.json")) as f:
        for line in f:
            e = json.loads(line)
            if e["event_type"] == "stats":
                last = e["stats"]
            if e["event_type"] == "flow":
                flows.setdefault(min(e["src_port"], e["dest_port"]), []).append(e)
    ends = re.findall(r"net_tgtest: (\d+) rules left, (\d+) at most; (\d+) packets met rules, (\d+) were received", text)
    # What the last record says of block lists and frames is what was there when all rules were out.
    stats["last"] = last
    return code, stats, flows, [tuple(map(int, e)) for e in ends], text


def blocked(o, tmp):
    """networks of a block list; the second flow's client is in one"""
    words, total = (b"one", b"two", b"three"), PACKETS * 3
    text = "# wide, narrow\n2001:db8::/32\n10.0.0.2 ; the second client\n10.0.0.2/31\n198.51.100.0/24\n"

    def sums(what, r, hardware):
        """both kinds of drops are all that the list names, and every frame is in one sum"""
        code, stats, flows, ends, _ = r
        b, d = stats["last"].get("blocklist", {}), stats["last"].get("dataplane", {})
        met, seen = (sum(e[2] for e in ends), sum(e[3] for e in ends))
        check(f"{what}: all of the listed client's packets are dropped, no other's",
              code == 0 and b["hardware_packets"] + b["software_packets"] == 2 * PACKETS and 4001 not in flows and 4002 not in flows
              and sum(flows[4000][0]["flow"][k] for k in ("pkts_toserver", "pkts_toclient")) == PACKETS, b)
        check(f"{what}: counters agree", b["hardware_packets"] == met and met + seen == total and d["received"] == seen
              and d["dropped"] == b["software_packets"] and b["in_hardware"] + b["in_software"] == b["networks"] == 3
              and d["received"] == d["forwarded"] + d["dropped"] + d["shed_tx"] + d["shed_ring"] + d["shed_closed"] + seen_only(d),
              {k: d[k] for k in ("received", "forwarded", "dropped")})
        check(f"{what}: {'in hardware' if hardware else 'in software'}", (b["hardware_packets"] > PACKETS) == hardware
              and stats["blocklist.in_hardware"] == (3 if hardware else 0) and (b["refused_full"] == (0 if hardware else 3)), "")
        check(f"{what}: no rule is left", all(e[0] == 0 for e in ends) and len(ends) == 2, ends)

    def seen_only(d):
        # Without a pair nothing is forwarded.
        return d["received"] - d["dropped"] if d["forwarded"] == 0 else 0

    sums("list, mirror", run(o, tmp, "list", 1000, False, words, "", text), True)
    sums("list, inline", run(o, tmp, "list-inline", 1000, True, words, "", text), True)
    sums("list, no room", run(o, tmp, "list-full", 1, True, words, "", text), False)
    code, stats, flows, _, _ = run(o, tmp, "list-watch", 1000, False, words, "", text, enforce=False)
    check("list, only watched: counted, nothing is held back", code == 0 and stats["blocklist.software_packets"] == 2 * PACKETS
          and stats["blocklist.in_hardware"] == stats["blocklist.enforced"] == stats["dataplane.dropped"] == 0 and len(flows) == 3, "")

    said = {}

    def reload(control, listed):
        def put(text):
            with open(listed, "w") as f:
                f.write(text)
            r = ask(control, command="reload-rules")
            time.sleep(1)
            return r, ask(control, command="offload")["blocklist"]
        time.sleep(1)
        said["first"] = ask(control, command="offload")["blocklist"]
        said["new"] = put("10.0.0.3\n198.51.100.0/24\n")
        said["bad"] = put("10.0.0.3\nwww.example.org\n")
        said["none"] = put("# nothing\n")
        said["quiet"] = ask(control, command="offload")["blocklist"]

    # Three addresses, each of which is two rules on two ports.
    code, stats, flows, ends, _ = run(o, tmp, "list-reload", 1000, True, words, "", "10.0.0.2\n203.0.113.0/25\n", reload, loops=0)
    b = stats["last"].get("blocklist", {})
    check("a reload exchanges networks in hardware", code == 0 and said["first"]["in_hardware"] == 2 and said["new"][0]["return"] == "OK"
          and said["new"][1]["in_hardware"] == said["new"][1]["networks"] == 2 and said["new"][0]["networks_blocked"] == 2, said["new"])
    check("a wrong list is told by place and changes nothing", said["bad"][0]["return"] == "NOK"
          and said["bad"][0]["message"].endswith("listed:2:1: `www.example.org` is neither an address nor a network")
          and said["bad"][1]["in_hardware"] == 2 and said["bad"][1]["hardware_packets"] > said["new"][1]["hardware_packets"], said["bad"])
    check("an emptied list leaves no rule", said["none"][1]["in_hardware"] == said["none"][1]["networks"] == 0
          and all(e[0] == 0 for e in ends) and max(e[1] for e in ends) == 4, ends)
    check("and stops nothing any more", said["quiet"]["hardware_packets"] == b["hardware_packets"] == sum(e[2] for e in ends)
          and all(n in flows for n in (4000, 4001, 4002)), b)


def rules_by_number(o):
    p = subprocess.run([o.rules_example, f"{EAL} -m 128 -d {os.path.abspath(o.driver)} --vdev=net_tgtest0,rules={o.rules}",
                        str(o.rules)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=180)
    check(f"{o.rules} rules made and aged out", p.returncode == 0 and "net_tgtest: 0 rules left" in p.stdout
          and f"{o.rules} rules made" in p.stdout, p.stdout.strip().replace("\n", "; ")[-300:])


def validate_on_tap(o):
    """what net_tap says of our rules: a driver by others, whose flows are the kernel's `tc flower`"""
    p = subprocess.run([o.rules_example, f"{EAL} -m 128 --vdev=net_tap0,iface=tgvalidate", "validate"], stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True, timeout=60)
    said = [l[len("validate: "):] for l in p.stdout.splitlines() if l.startswith("validate: ")]
    if p.returncode != 0 or not said:
        print(f"not run: rte_flow_validate on net_tap: no such port here ({p.stdout.strip()[-300:]})")
        return
    for l in said:
        print(f"     net_tap: {l}")
    if "qdisc" in p.stdout or "Kernel refused" in p.stdout:
        print("     net_tap: the kernel lacks what its flows need (sch_multiq, sch_ingress, cls_flower); validation asks the driver alone")
    # Patterns are understood; counters and ages are beyond it, which offload takes as a refusal and leaves to software.
    check("net_tap understands flows by address and port, and drops", any(l.endswith("taken") for l in said),
          f"{sum(l.endswith('taken') for l in said)} of {len(said)} kinds of rules taken")


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--engine", required=True)
    a.add_argument("--driver", required=True)
    a.add_argument("--rules-example")
    a.add_argument("--rules", type=int, default=1_000_000)
    o = a.parse_args()
    with tempfile.TemporaryDirectory(prefix="tidegate-offload-") as tmp, driver(o.driver) as o.driver:
        for inline in (False, True):
            name = "inline" if inline else "mirror"
            code, stats, flows, ends, text = run(o, tmp, name, 1000, inline)
            met, seen = (sum(e[2] for e in ends), sum(e[3] for e in ends))
            total = PACKETS * 3
            check(f"{name}: flows leave the engine for the hardware", code == 0 and met + seen == total
                  and seen < total * (0.7 if inline else 0.4),
                  f"{seen} packets reached the engine, {met} met rules")
            f = flows.get(4000, [{}])[0].get("flow", {})
            if not inline:
                counted = f.get("pkts_toserver", 0) + f.get("pkts_toclient", 0)
                check(f"{name}: a bypassed flow's record has all its packets", counted == PACKETS and f.get("bypass") == "capture",
                      f"{counted} of {PACKETS}, bypass {f.get('bypass')}")
            check(f"{name}: both flows are in hardware", stats["offload.made"] == 4 and stats["offload.refused_unsupported"] == 0,
                  {k: v for k, v in stats.items() if k.startswith("offload.")})
            check(f"{name}: no rule is left", all(e[0] == 0 for e in ends) and len(ends) == 2, ends)
            check(f"{name}: ordinary flows are seen whole", sum(flows[4002][0]["flow"][k] for k in ("pkts_toserver", "pkts_toclient"))
                  == PACKETS, "")
        code, stats, flows, ends, _ = run(o, tmp, "full", 1, False)
        check("a full table leaves flows to software", code == 0 and stats["offload.refused_full"] > 0 and stats["offload.rules"] == 0
              and sum(e[2] for e in ends) < 20, {k: v for k, v in stats.items() if k.startswith("offload.")})
        blocked(o, tmp)
        if o.rules_example:
            rules_by_number(o)
            validate_on_tap(o)
    print(f"FAILED: {', '.join(failures)}" if failures else "all passed")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
