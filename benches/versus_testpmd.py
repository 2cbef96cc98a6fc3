#!/usr/bin/env python3
"""versus_testpmd.py - what receiving, inspecting and sending costs beside dpdk-testpmd on the same virtual devices.

    versus_testpmd.py --engine BIN [--seconds 5] [--capture FILE] [--rounds 3]

testpmd forwards without looking (io) and exchanges addresses and ports (5tswap); tidegate decodes, keeps flows, and
forwards, without rules and with them. Devices: net_null (64-byte frames of zeros: no flow), and with --capture net_pcap
with infinite_rx, which replays it from memory. One core each. Packets a second are those received in the time between two
looks at the counters; the best of the rounds is told, as other users of the machine only ever take away.
"""
import argparse, json, os, re, socket, subprocess, sys, tempfile, time

EAL = "--no-huge --no-shconf --no-telemetry --no-pci -m 256 --log-level=*:4"


def testpmd(vdevs, mode, seconds):
    cmd = ["dpdk-testpmd", *EAL.split(), "--file-prefix=tgbench", "--lcores=0@0,1@1", *vdevs, "--", "-i", f"--forward-mode={mode}",
           "--total-num-mbufs=32768", "--no-lsc-interrupt"]
    p = subprocess.Popen(cmd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    time.sleep(2)
    p.stdin.write("start\n")
    p.stdin.flush()
    time.sleep(1)
    p.stdin.write("show port stats all\n")
    p.stdin.flush()
    t0 = time.time()
    time.sleep(seconds)
    p.stdin.write("show port stats all\n")
    p.stdin.flush()
    took = time.time() - t0
    time.sleep(0.2)
    out, _ = p.communicate("stop\nquit\n", timeout=30)
    n = [int(x) for x in re.findall(r"RX-packets:\s*(\d+)", out)]
    if len(n) < 4:
        raise RuntimeError(out[-1500:])
    return (n[2] + n[3] - n[0] - n[1]) / took


def ask(path):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(10)
    s.connect(path)
    s.sendall(b'{"command":"stats"}\n')
    return json.loads(s.makefile().readline())["counters"]


def tidegate(engine, vdevs, seconds, extra=()):
    with tempfile.TemporaryDirectory() as tmp:
        control = os.path.join(tmp, "c")
        cmd = [engine, "run", "--dpdk", f"{EAL} --lcores=0@0,1@1 {' '.join(vdevs)}", "--inline", "0:1", "--control", control, "-l",
               tmp, "-q", "--set", "outputs.1.eve-log.enabled=no", *(extra or ("-S", "/dev/null"))]
        p = subprocess.Popen(cmd, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        for _ in range(300):
            if os.path.exists(control) or p.poll() is not None:
                break
            time.sleep(0.1)
        if p.poll() is not None:
            raise RuntimeError(p.stderr.read().decode()[-1500:])
        time.sleep(2)
        a, t0 = ask(control)["dataplane.received"], time.time()
        time.sleep(seconds)
        b, t1 = ask(control)["dataplane.received"], time.time()
        p.terminate()
        p.wait(timeout=10)
        return (b - a) / (t1 - t0)


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--engine", required=True)
    a.add_argument("--seconds", type=float, default=5)
    a.add_argument("--rounds", type=int, default=3)
    a.add_argument("--capture")
    a.add_argument("--rules")
    o = a.parse_args()
    sets = {"net_null": ["--vdev=net_null0,size=64,copy=0", "--vdev=net_null1,size=64,copy=0"]}
    if o.capture:
        f = os.path.realpath(o.capture)
        sets["net_pcap"] = [f"--vdev=net_pcap0,rx_pcap={f},infinite_rx=1,tx_pcap=/dev/null",
                            f"--vdev=net_pcap1,rx_pcap={f},infinite_rx=1,tx_pcap=/dev/null"]
    for name, vdevs in sets.items():
        rates = {}
        for _ in range(o.rounds):
            for who, f in [("testpmd io", lambda: testpmd(vdevs, "io", o.seconds)),
                           ("testpmd 5tswap", lambda: testpmd(vdevs, "5tswap", o.seconds)),
                           ("tidegate, no rules", lambda: tidegate(o.engine, vdevs, o.seconds))] + (
                               [("tidegate, rules", lambda: tidegate(o.engine, vdevs, o.seconds, ("-S", o.rules)))] if o.rules else []):
                rates.setdefault(who, []).append(f())
        base = max(rates["testpmd io"])
        for who, r in rates.items():
            best = max(r)
            print(f"{name:9} {who:20} {best / 1e6:7.2f} million/s {1e9 / best:7.1f} ns  {base / best:6.2f} times io"
                  f"   ({', '.join(f'{x / 1e6:.2f}' for x in r)})")


if __name__ == "__main__":
    main()
