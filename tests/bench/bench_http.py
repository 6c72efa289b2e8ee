# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""50 health URLs, all well, and with five that take the connection and do not answer: against curl in a loop, and under xargs -P.

What a user would run prints a status for each URL. Ours also reads the JSON body, holds it against a condition, and judges the dependencies
that it names. Each case is a process as it is started by hand or by Ansible; the start of Python and of Ansible's module is in ours.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator

from tests.bench import harness
from tests.support.run_module import start_module
from tests.support.site import ROOT
from tests.support.web_app import answer, app, hangs

URLS, HANGING, MOST_SECONDS, AT_ONCE = 50, 5, 2, 16
CURL = f"curl -s -o /dev/null -m {MOST_SECONDS} -w '%{{http_code}}\\n'"


def serve() -> None:
    """The application: prints its port, and ends with its standard input."""
    with app({"/health": answer(200, {"database": "ok"}), "/silent": hangs()}) as served:
        print(served.port, flush=True)
        sys.stdin.read()


@contextlib.contextmanager
def serving() -> Iterator[str]:
    """An application of its own process, whose work is not ours."""
    argv = [sys.executable, "-c", "from tests.bench.bench_http import serve; serve()"]
    with subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.stdin.close()


def urls(base: str, hanging: int) -> list[str]:
    """The URLs, those that hang among the others."""
    return [f"{base}/{'silent' if number < hanging else 'health'}?{number}" for number in range(URLS)]


def ours(base: str, hanging: int) -> None:
    """One call of the module."""
    probes = [{"name": f"n{number}", "url": url, "max_time": f"{MOST_SECONDS}s", "json": {"database": "ok"}, "dependencies": ["database"]}
              for number, url in enumerate(urls(base, hanging))]
    result = start_module("http_health", probes=probes).result(timeout=120)
    well = sum(one["status"] == "ok" for one in result["findings"] if one["check"] == "application")
    if well != URLS - hanging:
        raise RuntimeError(json.dumps(result)[:2000])


def curl(base: str, hanging: int, *, at_once: int) -> None:
    """What a user would run."""
    listed = "".join(f"{url}\n" for url in urls(base, hanging))
    loop = f"while read -r url; do {CURL} \"$url\"; done" if at_once == 1 else f"xargs -P {at_once} -n 1 {CURL}"
    done = subprocess.run(["sh", "-c", loop], input=listed, capture_output=True, text=True, timeout=600, check=False)
    if done.stdout.split().count("200") != URLS - hanging:
        raise RuntimeError(f"{done.stdout}{done.stderr}"[:2000])


def main() -> None:
    """Measure both states."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    parts = []
    with serving() as base:
        for title, hanging in (("All answer", 0), (f"{HANGING} of them hang, given {MOST_SECONDS} s", HANGING)):
            samples = harness.alternate({
                "http_health": lambda hanging=hanging: harness.measured(lambda: ours(base, hanging)),
                "curl in a loop": lambda hanging=hanging: harness.measured(lambda: curl(base, hanging, at_once=1)),
                f"xargs -P {AT_ONCE} curl": lambda hanging=hanging: harness.measured(lambda: curl(base, hanging, at_once=AT_ONCE)),
            }, rounds=rounds)
            parts.append(f"{title}:\n\n{harness.table(samples, against='curl in a loop')}")
    harness.publish(f"http: {URLS} health URLs", "\n\n".join(parts))


if __name__ == "__main__":
    main()
