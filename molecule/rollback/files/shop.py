#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drill's application: a health page that says what the file `health` of its release does, as it was at the start."""

import http.server
import pathlib

SAID = (pathlib.Path(__file__).resolve().parent / "health").read_bytes()


class Health(http.server.BaseHTTPRequestHandler):
    """GET /health."""

    def do_GET(self):
        self.send_response(200 if SAID == b"well\n" else 500)
        self.send_header("Content-Length", str(len(SAID)))
        self.end_headers()
        self.wfile.write(SAID)


http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Health).serve_forever()
