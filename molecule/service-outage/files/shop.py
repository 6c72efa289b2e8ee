#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drill's application: a health page, which is 503 for as long as the file `sick` is in $RUNTIME_DIRECTORY.

systemd removes that directory when the service stops, so a restart ends it, as it does with a pool of dead connections.
"""

import http.server
import os
import pathlib

SICK = pathlib.Path(os.environ["RUNTIME_DIRECTORY"]) / "sick"


class Health(http.server.BaseHTTPRequestHandler):
    """GET /health."""

    def do_GET(self):
        body = b"sick\n" if SICK.exists() else b"well\n"
        self.send_response(503 if SICK.exists() else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Health).serve_forever()
