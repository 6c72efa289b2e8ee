#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drill's application: a page that is quicker with its cache and does without it, and orders that need a server that takes writes.

Environment: SHOP_CACHE (URL of the server), SHOP_PORT.
GET / is 200 with and without the cache. POST /orders is 201 when the order was written, 503 otherwise.
"""

import http.server
import os

import redis

CACHE = redis.Redis.from_url(os.environ["SHOP_CACHE"], client_name="shop", socket_timeout=1, socket_connect_timeout=1)


def front():
    """The page, and where it came from."""
    try:
        kept = CACHE.get("cache:front")
        if kept is not None:
            return kept, "cache"
        CACHE.set("cache:front", b"Welcome", ex=86400)
    except redis.RedisError:
        pass  # a cache is a help, never a need
    return b"Welcome", "made"


class Shop(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        page, source = front()
        self.answer(200, page, source)

    def do_POST(self):
        try:
            number = CACHE.incr("order:last")
        except redis.RedisError as exc:
            self.answer(503, f"{exc}\n".encode(), "none")
        else:
            self.answer(201, f"{number}\n".encode(), "none")

    def answer(self, status, body, source):
        self.send_response(status)
        self.send_header("X-Page-From", source)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


http.server.ThreadingHTTPServer(("", int(os.environ.get("SHOP_PORT", "8080"))), Shop).serve_forever()
