#!/usr/bin/env python3
"""Live traffic whose keys come while it flows: a key log that grows, and the control socket (needs root).

A server and clients of Python's ssl talk over the loopback interface; the log is not there when the sensor starts. What they say
must be found, by both ways, and without keys nothing.
"""

import argparse
import json
import pathlib
import socket
import ssl
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import traffic  # noqa: E402


def ask(path, command):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(20)
    s.connect(str(path))
    s.sendall(json.dumps(command).encode() + b"\n")
    reply = b""
    while not reply.endswith(b"\n"):
        reply += s.recv(65536)
    return json.loads(reply)


def wait_for(what, found, seconds=20):
    end = time.time() + seconds
    while time.time() < end:
        if found():
            return
        time.sleep(0.1)
    raise SystemExit(f"{what}: not within {seconds} s")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--engine", required=True)
    a = ap.parse_args()
    with tempfile.TemporaryDirectory() as t:
        folder = pathlib.Path(t)
        traffic.certificate(folder)
        tls = traffic.Tls(ssl.TLSVersion.TLSv1_3)
        port, stop = traffic.python_server(tls, folder)
        keys, control, out = folder / "live.log", folder / "control", folder / "out"
        command = [a.engine, "run", "-i", "lo", "-q", "-l", str(out), "-k", "none", "--tls-keys", str(keys), "--workers", "2"]
        command += ["--control", str(control), "-S", "builtin:ai", "--memory", "128mb"]
        sensor = subprocess.Popen(command, stderr=open(folder / "stderr", "w"))
        try:
            wait_for("the sensor", control.exists)
            events = lambda: [json.loads(x) for x in open(out / "eve.json")] if (out / "eve.json").exists() else []  # noqa: E731
            asked = lambda path: [e for e in events() if e["event_type"] == "http" and e["http"]["url"] == path]  # noqa: E731

            def talk(path, log):
                def say(p):
                    p.send(traffic.request(path))
                    traffic.read_answer(p)

                traffic.python_client(port, tls, log, folder, say)

            talk("/by-the-log", str(keys))
            wait_for("a record by the key log", lambda: asked("/by-the-log"))
            # The other way: the client's own log goes line by line to the socket, in time.
            other = str(folder / "other.log")

            def tell_then_ask(p):
                for line in open(other):
                    if not line.startswith("#"):
                        reply = ask(control, {"command": "tls-secret", "line": line.strip()})
                        assert reply["return"] == "OK" or "no secret" in reply["message"], reply
                p.send(traffic.request("/by-the-socket"))
                traffic.read_answer(p)

            traffic.python_client(port, tls, other, folder, tell_then_ask)
            wait_for("a record by the control socket", lambda: asked("/by-the-socket"))
            talk("/by-nobody", None)
            bad = ask(control, {"command": "tls-secret", "line": "CLIENT_RANDOM 00 11"})
            assert bad["return"] == "NOK" and "64 hexadecimal digits" in bad["message"], bad
            time.sleep(3)
            assert not asked("/by-nobody")
            # Others may use the interface, too.
            assert all(e["decrypted"] for e in events() if e["event_type"] == "http" and e["dest_port"] == port)
            counters = ask(control, {"command": "stats"})
            told = json.dumps(counters)
            assert '"tls_keys"' in told or "tls_keys.opened" in told, told[:400]
        finally:
            sensor.terminate()
            code = sensor.wait(30)
            stop()
        said = open(folder / "stderr").read()
        secrets = [line.split()[2] for line in open(keys) if not line.startswith("#")]
        everything = said + "".join(p.read_text(errors="replace") for p in out.iterdir() if p.is_file())
        assert not any(s in everything for s in secrets), "a secret was written"
        if code != 0:
            raise SystemExit(f"the sensor ended with {code}: {said}")
        print("live: records by a key log and by the control socket; none without keys; no secret in any output")


if __name__ == "__main__":
    main()
