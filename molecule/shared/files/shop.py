#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drills' application: a small pool of connections, a health page that asks the database, and a leak on request.

Environment: SHOP_DB (conninfo), SHOP_LEAK_DB (conninfo of the role that may use the reserved slots), SHOP_PORT.
The leak begins when the file `leak` appears in $RUNTIME_DIRECTORY and takes every connection there is; systemd removes the directory
when the service stops, so a restart ends it, as it does with real ones.
"""

import http.server
import os
import pathlib
import threading

import psycopg

LEAK = pathlib.Path(os.environ["RUNTIME_DIRECTORY"]) / "leak"
POOL = [psycopg.connect(os.environ["SHOP_DB"], application_name="shop", autocommit=True) for _number in range(3)]
LOCK = threading.Lock()


def leak():
    taken = []
    while True:
        threading.Event().wait(0.1)
        if not LEAK.exists():
            continue
        for conninfo in (os.environ["SHOP_DB"], os.environ["SHOP_LEAK_DB"]):
            try:
                while True:
                    taken.append(psycopg.connect(conninfo, application_name="shop", autocommit=True, connect_timeout=5))
            except psycopg.OperationalError:
                pass  # no slot is left
        if taken:
            (LEAK.parent / "leaked").write_text(str(len(taken)))


class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            with LOCK:
                POOL[0].execute("SELECT count(*) FROM orders").fetchone()
            self.send_response(200)
        except psycopg.Error:
            self.send_response(503)
        self.end_headers()

    def log_message(self, *arguments):
        pass


threading.Thread(target=leak, daemon=True).start()
http.server.ThreadingHTTPServer(("", int(os.environ.get("SHOP_PORT", "8080"))), Health).serve_forever()
