#!/usr/bin/env python3
"""dpdk_soak.py - packets in = packets out + dropped by verdict + counted as shed, to the packet, under load.

    dpdk_soak.py --engine BIN [--link memif|vhost] [--packets 100000000] [--rules FILE] [--reload 10] [--fail open]

dpdk-testpmd makes packets of many flows on two memif ports, or on two vhost-user ports that the engine is the virtio-user
end of, as a virtual machine's would be; `tidegate run --dpdk ... --inline 0:1` joins them. Rules are
reloaded every `--reload` seconds, a worker's engine is made to fail in between. At the end testpmd stops sending and
receives what is left; then what testpmd sent must be what the engine received, what the engine forwarded must be what
testpmd received, and the engine's own counters must add up. Standard library and dpdk-testpmd only.
"""
import argparse, os, re, shutil, signal, subprocess, sys, tempfile, threading, time

from dpdk_common import ask

EAL = "--no-huge --no-shconf --no-telemetry --no-pci"


class Testpmd:
    def __init__(self, tmp, flows, size, link):
        vdevs = [f"--vdev=net_vhost{i},iface={tmp}/v{i}.sock" for i in (0, 1)] if link == "vhost" else [
            f"--vdev=net_memif{i},role=server,id={i},socket={tmp}/m{i}.sock,socket-abstract=no,rsize=11" for i in (0, 1)]
        # Without a terminal its output would lag behind its prompts.
        cmd = ["stdbuf", "-oL", "dpdk-testpmd", *EAL.split(), "-m", "256", "--file-prefix=tgsoak", "--lcores=0@(0-1),1@(0-1)", *vdevs, "--", "-i",
               "--forward-mode=flowgen", f"--flowgen-flows={flows}", "--total-num-mbufs=32768", f"--txpkts={size}", "--txd=2048",
               "--rxd=2048", "--no-lsc-interrupt"]
        self.p = subprocess.Popen(cmd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  bufsize=1)
        self.said, self.lock = "", threading.Lock()
        threading.Thread(target=self.listen, daemon=True).start()
        self.wait("testpmd>")

    def listen(self):
        while c := self.p.stdout.read(1):
            with self.lock:
                self.said += c

    def wait(self, what, seconds=60):
        until = time.time() + seconds
        while time.time() < until:
            with self.lock:
                if what in self.said:
                    return self.said
            if self.p.poll() is not None:
                raise RuntimeError("testpmd ended: " + self.said[-1500:])
            time.sleep(0.02)
        raise RuntimeError(f"testpmd did not say {what}: {self.said[-1500:]}")

    def do(self, command):
        with self.lock:
            self.said = ""
        self.p.stdin.write(command + "\n")
        self.p.stdin.flush()
        self.wait("testpmd>")
        while True:
            with self.lock:
                before = len(self.said)
            time.sleep(0.1)
            with self.lock:
                if len(self.said) == before:
                    return self.said

    def stats(self):
        """-> (received, sent)"""
        text = self.do("show port stats all")
        # What other commands say may still be on its way.
        ports = dict(re.findall(r"NIC statistics for port (\d+) [^\n]*\n(.*?)####", text, re.S))
        if len(ports) != 2:
            return self.stats()
        return tuple(sum(int(re.search(rf"{k}-packets:\s*(\d+)", t).group(1)) for t in ports.values()) for k in ("RX", "TX"))


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--engine", required=True)
    a.add_argument("--link", default="memif", choices=["memif", "vhost"])
    a.add_argument("--packets", type=int, default=100_000_000)
    a.add_argument("--rules")
    a.add_argument("--reload", type=float, default=10)
    a.add_argument("--flows", type=int, default=1024)
    a.add_argument("--size", type=int, default=64)
    a.add_argument("--fail", default="open")
    a.add_argument("--workers", type=int, default=1)
    o = a.parse_args()
    if not shutil.which("dpdk-testpmd"):
        print("not run: dpdk-testpmd is needed (apt-get install dpdk-dev)")
        sys.exit(77)
    failures = []

    def check(what, ok, more=""):
        print(f"{'ok  ' if ok else 'FAIL'} {what}: {more}", flush=True)
        if not ok:
            failures.append(what)

    with tempfile.TemporaryDirectory(prefix="tidegate-soak-") as tmp:
        control = os.path.join(tmp, "control")
        rules = o.rules or os.path.join(tmp, "rules")
        if not o.rules:
            with open(rules, "w") as f:
                f.write('drop udp any any -> 10.254.0.77 any (msg:"one in many"; sid:1;)\n')
        maker = Testpmd(tmp, o.flows, o.size, o.link)
        engine = None
        try:
            vdevs = " ".join(f"--vdev=net_memif{i},role=client,id={i},socket={tmp}/m{i}.sock,socket-abstract=no,rsize=11"
                             for i in (0, 1))
            if o.link == "vhost":
                vdevs = " ".join(f"--vdev=net_virtio_user{i},path={tmp}/v{i}.sock,queue_size=1024" for i in (0, 1))
            log = open(os.path.join(tmp, "log"), "wb")
            engine = subprocess.Popen([o.engine, "run", "--dpdk", f"{EAL} {vdevs}", "--inline", "0:1", "-S", rules, "-l", tmp,
                                       "--control", control, "--allow-faults", "--fail", o.fail, "--memory", "64mb", "-k",
                                       "none", "--workers", str(o.workers), "--descriptors", "2048"], stdout=log, stderr=log)
            until = time.time() + 60
            while not os.path.exists(control):
                if engine.poll() is not None or time.time() > until:
                    raise RuntimeError(open(os.path.join(tmp, "log")).read()[-2000:])
                time.sleep(0.1)
            time.sleep(1)
            maker.do("start")
            start, sent, next_reload, reloads, faults, next_fault = time.time(), 0, 0.0, 0, 0, o.reload / 2
            while sent < o.packets:
                time.sleep(0.2)
                _, sent = maker.stats()
                t = time.time() - start
                if t >= next_reload:
                    r = ask(control, command="reload-rules")
                    if r["return"] != "OK":
                        check("reload", False, r)
                    reloads += 1
                    next_reload = max(next_reload + o.reload, t)
                if t >= next_fault:
                    ask(control, command="inject-fault", worker=0)
                    faults += 1
                    next_fault = t + 3 * o.reload
                if t > 1200:
                    raise RuntimeError("too slow")
            took = time.time() - start
            maker.do("stop")
            maker.do("set fwd rxonly")
            maker.do("start")
            time.sleep(2)
            maker.do("stop")
            before, now = None, maker.stats()
            while now != before:
                before, now = now, maker.stats()
            received, sent = now
            c = {k[10:]: v for k, v in ask(control, command="stats")["counters"].items() if k.startswith("dataplane.")}
            shed = {k: v for k, v in c.items() if k.startswith("shed")}
            print(f"{sent} packets in {took:.0f} s ({sent / took / 1e6:.2f} million/s), {reloads} reloads, {faults} faults asked for")
            check("what was sent was received", sent == c["received"], f"{sent} and {c['received']}")
            check("received = forwarded + dropped + shed", c["received"] == c["forwarded"] + c["dropped"] + sum(shed.values()),
                  f"{c['received']} = {c['forwarded']} + {c['dropped']} + {shed}")
            check("what was forwarded arrived", received == c["forwarded"] + c["answers"], f"{received} and {c['forwarded']}")
            check("every reload was taken", c["reloads"] >= reloads * o.workers, c["reloads"])
            check("every fault was survived", c["faults"] == faults, f"{c['faults']}, {c['uninspected']} packets not inspected")
            engine.send_signal(signal.SIGTERM)
            check("it ends", engine.wait(timeout=10) == 0)
        finally:
            for p in (engine, maker.p):
                if p and p.poll() is None:
                    p.kill()
        if failures:
            print(open(os.path.join(tmp, "log")).read()[-2000:])
    print(f"FAILED: {', '.join(failures)}" if failures else "all passed")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
