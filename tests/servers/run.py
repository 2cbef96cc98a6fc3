#!/usr/bin/env python3
"""Real clients of real servers, live through a sensor: its records against what the clients say they asked and were told.

    tests/servers/run.py --engine target/release/tidegate [--quick | NAME…] [--out out/servers]

Each server is a file here: `serve` starts it, `drive` makes its clients talk and prints the records that have to come (see
kit.py). All servers start in a network namespace of their own, one sensor (`tidegate run -i`) watches the line, and all
clients talk one after the other. A record that is missing, one that nobody asked for and one that says something else fail.
Needs root. Packages are installed into OUT, each set of them pinned in requirements/.
"""
import argparse
import collections
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

import compare
import net

HERE = os.path.dirname(os.path.abspath(__file__))
# Events that have to be those that clients noted, all of them.
WHOLE = ("ai", "redis", "grpc")
# A file, the packages it needs, events besides WHOLE that clients noted all of, whether it is among the quick ones.
class Server(collections.namedtuple("Server", "file packages events quick")):
    @property
    def name(self):
        return self.file if self.packages in ("light", "litellm", "mlserver", "chroma", "jupyter") else f"{self.file}-{self.packages}"


SERVERS = [
    Server("openai_sdk", "light", ("http",), True),
    Server("anthropic_sdk", "light", ("http",), True),
    Server("ollama_client", "light", ("http",), True),
    Server("redis_server", "light", (), True),
    Server("mcp_sdk", "light", ("http",), True),
    Server("mcp_sdk", "mcp1", ("http",), False),
    Server("litellm_proxy", "litellm", ("http",), False),
    Server("mlserver_triton", "mlserver", (), False),
    Server("chroma_store", "chroma", ("http",), False),
    Server("jupyter_open", "jupyter", (), False),
    Server("websocket_echo", "light", ("websocket",), True),
    Server("grpc_calls", "light", (), True),
]


def install(name, out):
    """an environment with that set of packages -> its Python"""
    folder = os.path.join(out, name)
    wanted = os.path.join(HERE, "requirements", f"{name}.txt")
    with open(wanted, "rb") as f:
        mark = hashlib.sha256(f.read()).hexdigest()
    ready = os.path.join(folder, "ready")
    python = os.path.join(folder, "bin", "python")
    if not os.path.exists(ready) or open(ready).read() != mark:
        print(f"servers: packages of {name}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "-q", "install", "--disable-pip-version-check", "--no-compile", "-r", wanted],
                       check=True)
        with open(ready, "w") as f:
            f.write(mark)
    return python


def drive(s, python, port, folder):
    """lets the clients talk -> records that have to come, and what went wrong with the clients"""
    r = subprocess.run([python, os.path.join(HERE, f"{s.file}.py"), "drive", net.SERVER, str(port), folder],
                       capture_output=True, text=True, timeout=300, env=environment())
    wanted = [json.loads(line) for line in r.stdout.splitlines() if line.startswith('{"event"')]
    wrong = [] if r.returncode == 0 else [f"the client ended with {r.returncode}: {r.stderr[-1500:]}"]
    return wanted, wrong if wanted else wrong + ["the client noted nothing"]


def environment():
    # Nothing looks for proxies, updates or telemetry: there is nobody.
    return {**{k: v for k, v in os.environ.items() if "proxy" not in k.lower()}, "NO_PROXY": "*", "PYTHONDONTWRITEBYTECODE": "1",
            "ANONYMIZED_TELEMETRY": "False", "LITELLM_LOCAL_MODEL_COST_MAP": "True", "PYTHONWARNINGS": "ignore"}


def judge(s, port, wanted, sensor):
    """what is wrong with the records about that server"""
    ports = {port, port + 1000}

    def about(name):
        return [e for e in sensor.records(name) if ports & {e.get("src_port"), e.get("dest_port")}]

    ours = about("eve.json")
    events = WHOLE + s.events
    missing, left = compare.pair([w for w in wanted if w["event"] in events], [e for e in ours if e["event_type"] in events])
    return compare.tell(missing, left) + compare.hashes(wanted, about("hash.json")) + compare.joins(ours)


def inside(o, chosen):
    failed = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as d, net.Hosts() as hosts:
        ports = {s: 8100 + i for i, s in enumerate(SERVERS)}
        pythons = {name: os.path.join(o.out, name, "bin", "python") for name in {s.packages for s in chosen}}
        for s in chosen:
            folder = os.path.join(d, s.name)
            os.mkdir(folder)
            hosts.start([pythons[s.packages], os.path.join(HERE, f"{s.file}.py"), "serve", net.SERVER, str(ports[s]), folder],
                        os.path.join(d, f"{s.name}.log"), env=environment(), cwd=folder)
        for s in chosen:
            log = os.path.join(d, f"{s.name}.log")
            try:
                net.until(f"{s.name} to listen", lambda: hosts.listens(ports[s]), 120)
            except SystemExit as e:
                sys.exit(f"{e}: {open(log).read()[-1500:]}")
        sensor = net.Sensor(o.engine, d)
        said = {}
        for s in chosen:
            began = time.time()
            said[s] = drive(s, pythons[s.packages], ports[s], os.path.join(d, s.name))
            print(f"  {s.name}: {len(said[s][0])} noted in {time.time() - began:.1f} s", flush=True)
        counters = sensor.end()
        lost = {k: v for k, v in counters.items() if v and ("dropped" in k or "lost" in k)}
        if lost:
            failed.append(f"packets or events were lost: {lost}")
        for s in chosen:
            wanted, wrong = said[s]
            lines = wrong + judge(s, ports[s], wanted, sensor)
            n = collections.Counter(w["event"] for w in wanted if w["event"] in WHOLE + s.events)
            print(f"{s.name:20} {', '.join(f'{v} {k}' for k, v in sorted(n.items())):40} {'WRONG' if lines else 'as the clients say'}")
            for line in lines:
                print(f"    {line}")
            failed += lines
        if o.keep:
            shutil.copytree(d, o.keep, dirs_exist_ok=True, ignore=lambda _, names: [n for n in names if n.endswith(".sock")])
    return failed


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("names", nargs="*")
    ap.add_argument("--engine")
    ap.add_argument("--install", action="store_true", help="install the packages and end")
    ap.add_argument("--out", default="out/servers")
    ap.add_argument("--quick", action="store_true", help="those whose packages are small")
    ap.add_argument("--keep", help="a folder for logs and records")
    o = ap.parse_args()
    if not o.install and (os.geteuid() != 0 or not o.engine):
        sys.exit("servers: root is needed, for network namespaces, and --engine")
    chosen = [s for s in SERVERS if (s.file in o.names if o.names else s.quick or not o.quick)]
    if not chosen:
        sys.exit(f"servers: no such server; there are {', '.join(s.file for s in SERVERS)}")
    o.engine, o.out = os.path.abspath(o.engine or ""), os.path.abspath(o.out)
    if os.environ.get("TIDEGATE_SERVERS") != "inside":
        os.makedirs(o.out, exist_ok=True)
        for name in sorted({s.packages for s in chosen}):
            install(name, o.out)
        if o.install:
            return
        os.environ["TIDEGATE_SERVERS"] = "inside"
        os.execvp("unshare", ["unshare", "-n", "-m", sys.executable, os.path.abspath(__file__), *sys.argv[1:]])
    failed = inside(o, chosen)
    print(f"servers: {len(chosen)} servers, {len(failed)} differences" if failed else f"servers: {len(chosen)} servers, no difference")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
