"""What the tests of the dataplane share: questions to a running engine, and the driver of tests/pmd. Standard library only."""
import contextlib, json, os, shutil, socket, sys, tempfile


def ask(control, timeout=120, **command):
    """sends a command to the control socket -> its answer"""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(timeout)
        s.connect(control)
        s.sendall(json.dumps(command).encode() + b"\n")
        return json.loads(s.makefile().readline())


@contextlib.contextmanager
def driver(path):
    """a copy of the test driver that DPDK loads; ends the test when there is none"""
    if not os.path.exists(path):
        print(f"not run: {path} is not there (tests/pmd/build.sh makes it)")
        sys.exit(77)
    # DPDK loads no driver from below a folder that everybody may write to, such as /tmp.
    safe = next((d for d in ("/run", os.path.expanduser("~")) if os.access(d, os.W_OK)), None)
    with tempfile.TemporaryDirectory(dir=safe) as place:
        yield shutil.copy(path, place)
