#!/usr/bin/env python3
"""dpdk_rate.py - the search for the highest rate without loss, through ports of software.

    dpdk_rate.py --engine BIN

An engine between two net_ring ports passes some rate and, with a rule that drops everything, none; a running `tidegate run
--inline` between two net_memif ports is measured from outside by another process, and its own counters say how many frames
it saw. Rates of this machine are no matter here. Standard library only.
"""
import argparse, json, os, subprocess, sys, tempfile, time

from dpdk_common import ask

EAL = "--no-huge --no-shconf --no-telemetry --no-pci -m 256 --log-level=*:4"
failures = []


def check(what, ok, more=""):
    print(f"{'ok  ' if ok else 'FAIL'} {what}: {more}", flush=True)
    if not ok:
        failures.append(what)


def search(o, eal, *more):
    # Cores are shared with others: zero loss is not asked for here.
    p = subprocess.run([o.engine, "bench", "--dpdk", f"{EAL} {eal}", "--rate-search", "--json", "--trial", "0.1", "--resolution", "20",
                        "--tolerance", "60", "--rate-max", "20000", *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                       timeout=60)
    if p.returncode != 0:
        raise RuntimeError(f"exit {p.returncode}: {p.stderr[-1500:]}")
    return json.loads(p.stdout)


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--engine", required=True)
    o = a.parse_args()
    rings = "--vdev=net_ring0 --vdev=net_ring1"
    with tempfile.TemporaryDirectory(prefix="tidegate-rate-") as tmp:
        j = search(o, rings, "--under-test", "looped", "--sizes", "64,1518")
        rows = j["sizes"]
        check("an engine between rings passes frames of both sizes", [r["frame_bytes"] for r in rows] == [64, 1518]
              and all(r["packets_per_second"] > 0 and r["sent"] > 0 and r["latency_ns_p50"] <= r["latency_ns_max"] for r in rows)
              and j["software_ports"], [(r["packets_per_second"], r["trials"], r.get("latency_ns_p50")) for r in rows])
        rules = os.path.join(tmp, "rules")
        with open(rules, "w") as f:
            f.write('drop ip any any -> any any (msg:"all"; sid:1;)\n')
        r = search(o, rings, "--under-test", "looped", "--sizes", "64", "-S", rules)["sizes"][0]
        check("what the engine drops is lost: no rate passes", r["packets_per_second"] == 0 and r["lowest_with_loss"] > 0, r)

        control, d = os.path.join(tmp, "control"), os.path.join(tmp, "log")
        sock = [os.path.join(tmp, f"s{i}") for i in (0, 1)]
        vdevs = " ".join(f"--vdev=net_memif{i},role=server,id={i},socket={s},socket-abstract=no" for i, s in enumerate(sock))
        with open(os.path.join(tmp, "said"), "w+") as log:
            p = subprocess.Popen([o.engine, "run", "--dpdk", f"{EAL} --file-prefix=tgdut {vdevs}", "--inline", "0:1", "-S", "/dev/null", "-l",
                                  d, "--control", control, "--memory", "32mb", "-q"], stdout=log, stderr=log)
            try:
                for _ in range(100):
                    if p.poll() is not None or os.path.exists(control):
                        break
                    time.sleep(0.1)
                if p.poll() is not None:
                    log.seek(0)
                    raise RuntimeError(log.read()[-1500:])
                vdevs = " ".join(f"--vdev=net_memif{i},role=client,id={i},socket={s},socket-abstract=no" for i, s in enumerate(sock))
                j = search(o, f"--file-prefix=tgtest {vdevs}", "--sizes", "64,512")
                c = ask(control, command="stats")["counters"]
                p.terminate()
                code = p.wait(timeout=10)
            finally:
                if p.poll() is None:
                    p.kill()
        rows = j["sizes"]
        check("a running sensor is measured from outside", code == 0 and all(r["packets_per_second"] > 0 for r in rows),
              [(r["packets_per_second"], r["trials"], r.get("latency_ns_p50")) for r in rows])
        sent = sum(r["sent"] for r in rows)
        check("it saw what was sent", c["dataplane.received"] >= sum(r["sent"] - r["lost"] for r in rows) > 0
              and c["dataplane.received"] == c["dataplane.forwarded"] + c["dataplane.shed_tx"],
              f"{c['dataplane.received']} frames, {sent} in the last trials")
    print(f"{len(failures)} failures")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
