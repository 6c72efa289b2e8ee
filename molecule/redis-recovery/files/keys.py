#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys that every drill must leave alone: `seed` writes them where they are not, `list` prints each with when it
ends and a hash of its value.

The hash is of the value, not of how the server keeps it, so that it is the same after a restart.
"""

import hashlib
import os
import sys

import redis

SERVER = redis.Redis.from_url(os.environ["KEYS_SERVER"])
READERS = {
    b"string": SERVER.get,
    b"hash": lambda key: sorted(SERVER.hgetall(key).items()),
    b"list": lambda key: SERVER.lrange(key, 0, -1),
    b"set": lambda key: sorted(SERVER.smembers(key)),
    b"zset": lambda key: SERVER.zrange(key, 0, -1, withscores=True),
    b"stream": SERVER.xrange,
}
#: Made by the application while the drill goes on.
OTHERS = (b"cache:front", b"order:last")


def seed():
    for number in range(400):
        SERVER.set(f"session:{number:04}", f"user {number}", ex=7 * 86400)
    for number in range(100):
        SERVER.hset(f"user:{number:04}", mapping={"name": f"user {number}", "visits": number})
    # These look like what is cleared.
    for name in ("cache:productline:1", "cache:products", "cache:category:1", "mycache:product:1", "Cache:product:1", "cache:product"):
        SERVER.set(name, "stays")
    SERVER.delete("jobs", "tags", "ranking", "events")
    SERVER.rpush("jobs", *range(50))
    SERVER.sadd("tags", *range(50))
    SERVER.zadd("ranking", {f"user {number}": number for number in range(50)})
    for number in range(50):
        SERVER.xadd("events", {"number": number}, id=f"{number + 1}-0")


def show():
    for key in sorted(SERVER.scan_iter(count=1000)):
        if key not in OTHERS:
            value = repr(READERS[SERVER.type(key)](key)).encode()
            # In milliseconds of the epoch; -1 for ever.
            sys.stdout.write(f"{key.decode()} {SERVER.pexpiretime(key)} {hashlib.sha256(value).hexdigest()}\n")


if __name__ == "__main__":
    {"seed": seed, "list": show}[sys.argv[1]]()
