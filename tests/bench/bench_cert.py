# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many certificates at once: 1,000 TLS servers on the loopback in one task.

Against a loop of community.crypto.get_certificate (measured on 50, so its rate is what counts), against `openssl s_client` under
`xargs -P`, and against the ceiling of any such check on this machine in this language: a bare loop of handshakes in as many threads,
which verifies the chain as ours does and looks at nothing. Ours also reads the chains, judges them, checks the names and makes the report.

The servers are one process on the same machine, whose half of each handshake costs all cases alike. An empty play is taken off the
wall time of the plays; the share of the bare loop compares look with look, both in a Python that has everything imported.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import queue
import resource
import selectors
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench import harness
from tests.bench.neighbours import community_crypto
from tests.support.site import ROOT, shell

ENDPOINTS, LOOPED, WORKERS = 1000, 50, 64


def serve(directory: str, count: int) -> None:
    """The servers: prints their ports, and ends with its standard input."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),) * 2)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{directory}/server.pem", f"{directory}/server.key")
    waiting = selectors.DefaultSelector()
    ports = []
    for _ in range(count):
        listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        listener.setblocking(False)
        waiting.register(listener, selectors.EVENT_READ)
        ports.append(listener.getsockname()[1])
    print(json.dumps(ports), flush=True)
    ready: queue.SimpleQueue[socket.socket] = queue.SimpleQueue()

    def shake() -> None:
        while True:
            sock = ready.get()
            sock.settimeout(10)
            with contextlib.suppress(OSError), sock, context.wrap_socket(sock, server_side=True) as secured:
                secured.recv(1)

    for _ in range(WORKERS):
        threading.Thread(target=shake, daemon=True).start()
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    while True:
        for key, _events in waiting.select():
            with contextlib.suppress(OSError):
                ready.put(key.fileobj.accept()[0])  # type: ignore[union-attr]


@contextlib.contextmanager
def servers(directory: Path, count: int) -> Iterator[list[int]]:
    """Their ports."""
    argv = [sys.executable, "-m", "tests.bench.bench_cert", "--serve", str(directory), "--count", str(count)]
    process = subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None and process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.stdin.close()
        process.wait(timeout=20)


def bare(ports: list[int], ca_path: str) -> float:
    """Endpoints per second of handshakes alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(cafile=ca_path)
    left = list(ports)
    seen: list[bytes | None] = []

    def work() -> None:
        while True:
            try:
                port = left.pop()
            except IndexError:
                return
            with socket.create_connection(("127.0.0.1", port), timeout=10) as sock, context.wrap_socket(sock) as secured:
                seen.append(secured.getpeercert(binary_form=True))

    threads = [threading.Thread(target=work) for _ in range(WORKERS)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(seen) != len(ports):
        raise RuntimeError(f"{len(seen)} of {len(ports)} seen")
    return len(ports) / (time.monotonic() - began)


def ours(ports: list[int], ca_path: str) -> float:
    """Endpoints per second of the module's look, report included."""
    from ansible_collections.oncall.incident.plugins.module_utils._certificate.expiry_args import expiry_spec, request_from
    from ansible_collections.oncall.incident.plugins.module_utils._certificate.look import look

    params = {name: option.get("default") for name, option in expiry_spec().items()}
    params.update(endpoints=[f"127.0.0.1:{port}" for port in ports], ca_path=ca_path, workers=WORKERS)
    began = time.monotonic()
    seen = look(request_from(params))
    result = {**seen.as_result(), **seen.verdict.as_dict()}
    took = time.monotonic() - began
    if result["status"] != "ok" or len(result["certificates"]) != len(ports):
        raise RuntimeError(f"{result['status']}: {result['table'][:2000]}")
    return len(ports) / took


def in_child(case: str, ports: list[int], ca_path: str) -> float:
    """A rate, measured in a fresh Python."""
    argv = [sys.executable, "-m", "tests.bench.bench_cert", "--case", case, "--ca", ca_path]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / ".collections")])}
    done = subprocess.run(
        argv, cwd=ROOT, env=environment, input=json.dumps(ports), capture_output=True, text=True, timeout=300, check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return float(done.stdout)


def play(tasks: list[dict[str, Any]], directory: Path, collections: str) -> harness.Sample:
    """A playbook of these tasks on the machine itself."""
    book = directory / "play.yml"
    book.write_text(json.dumps([{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}]))
    argv = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "localhost,", str(book)]
    environment = {
        **shell(), "ANSIBLE_COLLECTIONS_PATH": collections,
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable, "ANSIBLE_LOCAL_TEMP": str(directory / "tmp"), "ANSIBLE_STDOUT_CALLBACK": "minimal",
        "ANSIBLE_DISPLAY_OK_HOSTS": "false",
    }

    def work() -> None:
        done = subprocess.run(argv, env=environment, cwd=directory, capture_output=True, text=True, timeout=600, check=False)
        if done.returncode:
            raise RuntimeError((done.stdout + done.stderr)[-2000:])

    return harness.measured(work)


def s_client(ports: list[int], ca_path: str) -> harness.Sample:
    """One openssl for each endpoint, several at the same time."""
    script = f"openssl s_client -connect 127.0.0.1:$1 -CAfile {ca_path} </dev/null 2>/dev/null | openssl x509 -noout -enddate -serial"

    def work() -> None:
        done = subprocess.run(
            ["xargs", "-P", str(2 * (os.cpu_count() or 1)), "-n", "1", "sh", "-c", script, "sh"], input="\n".join(map(str, ports)),
            capture_output=True, text=True, timeout=600, check=False,
        )
        if done.stdout.count("notAfter=") != len(ports):
            raise RuntimeError(done.stderr[-2000:])

    return harness.measured(work)


def measure(rounds: int) -> str:
    """All cases, in turn; the text for RESULTS.md."""
    from tests.support import pki

    neighbours = community_crypto()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        directory = Path(name)
        root = pki.root()
        ca_path = str(root.write(directory / "ca.pem"))
        root.intermediate().issue("127.0.0.1").write(directory)
        with servers(directory, ENDPOINTS) as ports:
            debug = [{"ansible.builtin.debug": {"msg": "nothing"}}]
            mine = {"endpoints": [f"127.0.0.1:{port}" for port in ports], "ca_path": ca_path, "workers": WORKERS}
            theirs = {"host": "127.0.0.1", "port": "{{ item }}", "ca_cert": ca_path}
            collections = f"{ROOT / '.collections'}{os.pathsep}{neighbours}"
            samples = harness.alternate({
                "empty play": lambda: play(debug, directory, collections),
                "cert_expiry, 1,000 in one task": lambda: play([{"oncall.incident.cert_expiry": mine}], directory, collections),
                "community.crypto loop, 50": lambda: play(
                    [{"community.crypto.get_certificate": theirs, "loop": ports[:LOOPED]}], directory, collections,
                ),
                "openssl s_client, xargs -P, 1,000": lambda: s_client(ports, ca_path),
            }, rounds=rounds)
            looks: dict[str, list[float]] = {"bare": [], "ours": []}
            for _ in range(2 * rounds):
                for case, found in looks.items():
                    found.append(in_child(case, ports, ca_path))
                    print(f"  {case}: {found[-1]:.0f} a second", file=sys.stderr, flush=True)
    return _text(samples, looks)


def _text(samples: dict[str, list[harness.Sample]], looks: dict[str, list[float]]) -> str:
    wall = {case: statistics.median(sample.wall for sample in found) for case, found in samples.items()}
    empty = wall.pop("empty play")
    counts = dict(zip(wall, (ENDPOINTS, LOOPED, ENDPOINTS), strict=True))
    taken = {case: seconds - (0 if "openssl" in case else empty) for case, seconds in wall.items()}
    rates = {case: counts[case] / taken[case] for case in wall}
    slowest = rates["community.crypto loop, 50"]
    rows = [["case", "endpoints", "wall s", "without an empty play", "endpoints/s", "times the loop"], ["---"] * 6]
    rows += [
        [case, str(counts[case]), f"{wall[case]:.2f}", f"{taken[case]:.2f}", f"{rate:,.0f}" if rate > 20 else f"{rate:.1f}",
         f"{rate / slowest:.0f}"]
        for case, rate in rates.items()
    ]
    table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    bare_rate, our_rate = (statistics.median(looks[case]) for case in ("bare", "ours"))
    return (
        f"{__doc__}\n{table}\n\nAn empty play takes {empty:.2f} s. The look alone: {our_rate:,.0f} endpoints/s, "
        f"the bare loop of handshakes {bare_rate:,.0f}; share {our_rate / bare_rate:.0%} (medians of {len(looks['bare'])} each).\n"
    )


def main() -> None:
    """Measure and publish; or be one of the processes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--serve")
    parser.add_argument("--count", type=int, default=ENDPOINTS)
    parser.add_argument("--case", choices=["bare", "ours"])
    parser.add_argument("--ca", default="")
    found = parser.parse_args()
    if found.serve:
        serve(found.serve, found.count)
    elif found.case:
        print({"bare": bare, "ours": ours}[found.case](json.load(sys.stdin), found.ca))
    else:
        harness.publish("Many certificates at once", measure(found.rounds))


if __name__ == "__main__":
    main()
