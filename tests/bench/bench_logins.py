# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A million lines of an authentication log judged, against the grep, sort and uniq that runbooks hold.

The pipeline counts the lines with "Failed password" by address, and nothing else. Ours puts the lines of each connection together, judges
by address, network and user, finds who got in after failures, and says what it did not understand.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

from tests.bench import harness
from tests.support.run_module import start_module

LINES, ADDRESSES = 1_000_000, 20_000
PIPELINE = (
    r"grep 'Failed password' {log} | grep -oE 'from [0-9a-f.:]+ port' | cut -d' ' -f2 | sort | uniq -c | sort -rn | head -50"
)
RUNBOOK = "grep, sort, uniq -c"
OURS = "oncall.incident.failed_logins"


def write_log(path: Path, lines: int) -> None:
    """An attack from many addresses on a busy host, during the last hour."""
    dice = random.Random(7)
    now = time.time()
    addresses = [f"{dice.randrange(1, 223)}.{'.'.join(str(dice.randrange(1, 255)) for _part in range(3))}" for _one in range(ADDRESSES)]
    with path.open("w", encoding="utf-8") as log:
        for number in range(lines):
            at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now - 3700 + 3690 * number / lines))
            pid, port, address = 1000 + number // 3, 1024 + number // 3 % 60000, addresses[number // 3 * 7919 % ADDRESSES]
            text = (
                f"Invalid user u{number % 997} from {address} port {port}",
                f"Failed password for invalid user u{(number - 1) % 997} from {address} port {port} ssh2",
                f"Connection closed by invalid user u{(number - 2) % 997} {address} port {port} [preauth]",
            )[number % 3]
            log.write(f"{at}.{number % 1000000:06d}+00:00 gate sshd[{pid}]: {text}\n")


def ours(log: Path) -> t.Mapping[str, float]:
    """One call of the module."""
    result = start_module("failed_logins", logs=[str(log)], journal=False, since="1h").result(timeout=900)
    if result.get("failed") or result["skipped_checks"] or result["lines_seen"] < 0.9 * LINES:
        raise RuntimeError(json.dumps({key: result.get(key) for key in ("msg", "skipped_checks", "lines_seen")}))
    return {"failed logins": result["total"], "MiB at most": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024}


def pipeline(log: Path) -> t.Mapping[str, float]:
    """What a runbook holds."""
    done = subprocess.run(["sh", "-c", PIPELINE.format(log=log)], capture_output=True, text=True, timeout=900, check=True)
    return {"failed logins": sum(int(line.split()[0]) for line in done.stdout.splitlines())}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="logins-") as directory:
        log = Path(directory) / "auth.log"
        write_log(log, LINES)
        size = log.stat().st_size / 2**20
        samples = harness.alternate({
            RUNBOOK: lambda: harness.measured(lambda: pipeline(log)),
            OURS: lambda: harness.measured(lambda: ours(log)),
        }, rounds=options.rounds)
    harness.publish("failed_logins", f"""{LINES:,} lines of sshd, {size:,.0f} MiB, {ADDRESSES:,} addresses, {LINES // 3:,} connections.

{harness.table(samples, against=RUNBOOK)}

The pipeline counts one kind of line by address and prints the worst 50, whatever the time; its count is of those. Ours reads the lines of
the last hour, puts those of each connection together, and judges by address, network, user and in total, and who got in. Both read the
file from memory. The MiB are the most that any child of the benchmark took.""")


if __name__ == "__main__":
    try:
        main()
    except subprocess.TimeoutExpired as exc:
        sys.exit(str(exc))
