"""Debian's `redis-server` and the `redis` client: both protocols, passwords right and wrong, pipelines, transactions,
subscriptions, scripts, errors, large and binary values."""
import os
import shutil

import kit


def serve(host, port, folder):
    if not shutil.which("redis-server"):
        raise SystemExit("redis-server is needed: apt-get install redis-server")
    os.execvp("redis-server", ["redis-server", "--bind", host, "--port", str(port), "--save", "", "--dir", folder,
                               "--requirepass", "right", "--enable-debug-command", "no"])


def noted(connection):
    """has every command of a connection noted as it is written, and whether its reply was an error"""
    import redis

    waiting = []
    packer, read = connection._command_packer, connection.read_response
    pack = packer.pack

    def note(*args):
        # "CONFIG GET" and the like are two words on the wire.
        waiting.append([w for i, a in enumerate(args) for w in (a.split() if i == 0 and isinstance(a, str) else [a])])
        return pack(*args)

    def read_response(*args, **kwargs):
        words = waiting.pop(0) if waiting else None
        try:
            r = read(*args, **kwargs)
        except (redis.ResponseError, redis.AuthenticationError) as e:
            tell(words, error=True)
            raise e
        tell(words)
        return r

    def tell(words, error=False):
        if words:
            fields = {"command": str(words[0]).upper(), "args_count": len(words) - 1}
            if error:
                fields["reply"] = "error"
            kit.expect("redis", **fields)

    packer.pack, connection.read_response = note, read_response
    return connection


def drive(host, port, _):
    import redis

    class Noted(redis.Connection):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            noted(self)

    def client(protocol, password="right"):
        pool = redis.ConnectionPool(connection_class=Noted, host=host, port=port, protocol=protocol, password=password)
        return redis.Redis(connection_pool=pool)

    for protocol in (2, 3):
        r = client(protocol)
        r.set("key:1", "value \r\n 潮")
        r.get("key:1")
        r.get("nothing")
        r.set("binary", bytes(range(256)) * 4000)
        r.get("binary")
        r.mset({"a": 1, "b": 2})
        r.hset("h", mapping={"f": "v", "g": "w"})
        r.hgetall("h")
        r.lpush("jobs", "one", "two")
        r.lrange("jobs", 0, -1)
        r.incrby("n", 41)
        r.zadd("z", {"m": 1.5})
        r.zscore("z", "m")
        r.eval("return redis.call('get', KEYS[1])", 1, "key:1")
        r.config_get("maxmemory")
        r.info("server")
        with r.pipeline(transaction=False) as p:
            for i in range(50):
                p.set(f"p:{i}", i)
                p.get(f"p:{i}")
            p.execute()
        with r.pipeline(transaction=True) as p:
            p.incr("n")
            p.get("n")
            p.execute()
        for wrong in (lambda: r.incr("h"), lambda: r.execute_command("NOSUCH", "x")):
            try:
                wrong()
            except redis.ResponseError:
                pass
        r.connection_pool.disconnect()
    for password in ("wrong", None):
        try:
            client(2, password).get("key:1")
        except redis.RedisError:
            pass


if __name__ == "__main__":
    kit.main(serve, drive)
