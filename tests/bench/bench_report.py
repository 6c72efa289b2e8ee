# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What reports, metrics and snapshots cost, and that their memory has a bound.

Metrics and the index over 100 and 1,000 incidents; the report of a run of 10,000 and of 1,000,000 events; the end of a log of 1 GiB
from a host over SSH, against `ssh cat`. Memory is the peak resident size of the largest process.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.bench import harness

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
LONGEST = 1800
LINE = b"2026-01-02T03:04:05.678Z api[4711]: GET /v1/orders/0815 200 in 42 ms, user 1234, trace 9f8e7d6c\n"

MAKE_STORE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from oncall_incident.cli import _bind
_bind()
from tests.support.incidents import make_store
make_store(Path(sys.argv[2]), int(sys.argv[3]), runs=False)
"""
MAKE_RUN = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from oncall_incident.cli import _bind
_bind()
from tests.support.incidents import unsynced, write_record
with unsynced():
    write_record(Path(sys.argv[2]), run="20260102T030405Z-bench-abcdef", events=int(sys.argv[3]))
"""


def main() -> None:
    """Run it and publish."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--incidents", type=int, default=1000)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--mebibytes", type=int, default=1024)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="oncall-bench-") as name:
        place = Path(name)
        publish([*reports(place, asked.incidents, asked.events), *snapshots(place, asked.mebibytes)])


def publish(rows: Sequence[str]) -> None:
    """Print the table and put it in RESULTS.md."""
    head = "| case | wall s | CPU s | peak MiB here | peak MiB on the host |\n|---|---|---|---|---|"
    harness.publish("Reports, metrics and snapshots", "\n".join([(__doc__ or "").split("\n\n")[1].strip(), "", head, *rows]))


def reports(place: Path, incidents: int, events: int) -> Iterator[str]:
    """Metrics, index and the report of one run, each small and large: memory must not follow."""
    for count in (max(incidents // 10, 1), incidents):
        home = place / f"store{count}"
        _do([sys.executable, "-c", MAKE_STORE, str(ROOT), str(home), str(count)])
        for label, argv in (("metrics --format json", ["metrics", "--format", "json"]), ("report --all", ["report", "--all"])):
            yield _row(f"`incident {label}`, {count:,} incidents", [str(BIN / "incident"), *argv], environ={"INCIDENT_HOME": str(home)})
    for count in (max(events // 100, 1), events):
        home = place / f"run{count}"
        _do([sys.executable, "-c", MAKE_RUN, str(ROOT), str(home), str(count)])
        run = str(home / "runs" / "20260102T030405Z-bench-abcdef")
        yield _row(
            f"`incident report` of a run of {count:,} events", [str(BIN / "incident"), "report", run], environ={"INCIDENT_HOME": str(home)}
        )
        shutil.rmtree(home)


def snapshots(place: Path, mebibytes: int) -> Iterator[str]:
    """A log over SSH by the role's module, and by ssh cat."""
    log = place / "api.log"
    for size in (max(mebibytes // 16, 1), mebibytes):
        with log.open("wb") as file:
            block = LINE * (1024 * 1024 // len(LINE))
            for _number in range(size):
                file.write(block)
        with _sshd(place / "ssh") as (options, pid):
            target = f"{size:,} MiB log"
            yield _row(
                f"`ssh cat` of a {target}", ["ssh", *options, "127.0.0.1", f"cat {log}"], output=place / "cat.log", host=pid,
            )
            yield _row(f"snapshot of a host with a {target}", _playbook(place, log, options, only=None), environ=_environ(place), host=pid)
        for left in ("cat.log", "home", "ssh"):
            path = place / left
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _playbook(place: Path, log: Path, options: Sequence[str], *, only: list[str] | None) -> list[str]:
    hosts = {"all": {"hosts": {"db1": {
        "ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_ssh_common_args": " ".join(options),
        "ansible_python_interpreter": sys.executable,
    }}}}
    args = {"part": "rest", "files": [str(log)], "max_file_mib": 4096, "budget": "10m", **({"only": only} if only is not None else {})}
    play = [{"hosts": "all", "gather_facts": False, "tasks": [{"oncall.incident.snapshot": args}]}]
    (place / "hosts.json").write_text(json.dumps(hosts))
    (place / "play.json").write_text(json.dumps(play))
    return [str(BIN / "ansible-playbook"), "-i", str(place / "hosts.json"), str(place / "play.json")]


def _environ(place: Path) -> dict[str, str]:
    return {
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"), "ANSIBLE_CALLBACKS_ENABLED": "oncall.incident.evidence",
        "INCIDENT_HOME": str(place / "home"), "ANSIBLE_HOME": str(place / "ansible"), "TMPDIR": str(place), "ANSIBLE_PIPELINING": "true",
    }


@contextlib.contextmanager
def _sshd(place: Path) -> Iterator[tuple[list[str], int]]:
    """An sshd of our own on loopback: the client's options, and its process id."""
    place.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for name in ("host", "client"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(place / name)], check=True, timeout=60)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd's own rule when root starts it
    (place / "config").write_text(
        f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {place / 'host'}\nAuthorizedKeysFile {place / 'client.pub'}\nPidFile none\n"
        "StrictModes no\nUsePAM yes\nPasswordAuthentication no\nPermitRootLogin yes\nSubsystem sftp internal-sftp\n",
    )
    sshd = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if sshd is None:
        raise SystemExit("sshd is needed (Debian: openssh-server)")
    with (place / "log").open("wb") as said:
        process = subprocess.Popen([sshd, "-D", "-e", "-f", str(place / "config")], stdin=subprocess.DEVNULL, stdout=said, stderr=said)
    options = [
        "-o", f"Port={port}", "-i", str(place / "client"), "-F", "none", "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes",
        "-o", f"UserKnownHostsFile={place / 'known'}", "-o", "StrictHostKeyChecking=accept-new",
    ]
    try:
        deadline = time.monotonic() + 30
        while subprocess.run(["ssh", *options, "127.0.0.1", "true"], capture_output=True, timeout=60, check=False).returncode:
            if time.monotonic() > deadline:
                raise SystemExit((place / "log").read_text())
            time.sleep(0.1)
        yield options, process.pid
    finally:
        process.terminate()
        process.wait(30)


def _row(
    name: str, argv: Sequence[str], *, environ: Mapping[str, str] | None = None, output: Path | None = None, host: int | None = None,
) -> str:
    """Run a command once; a line of the table."""
    with contextlib.ExitStack() as stack:
        sink = stack.enter_context(output.open("wb")) if output else stack.enter_context((Path(os.devnull)).open("wb"))
        remote = stack.enter_context(_Peak(host)) if host else None

        def work() -> dict[str, float]:
            process = subprocess.Popen(list(argv), env={**os.environ, **(environ or {})}, stdout=sink, stdin=subprocess.DEVNULL)
            with _Peak(process.pid) as here:
                if process.wait(LONGEST):
                    raise SystemExit(f"{' '.join(argv)} ended with {process.returncode}")
            return {"here": here.mebibytes}

        sample = harness.measured(work)
    there = f"{remote.mebibytes:,.0f}" if remote else ""
    row = f"| {name} | {sample.wall:.1f} | {sample.cpu:.1f} | {sample.counts['here']:,.0f} | {there} |"
    print(f"  {row}", file=sys.stderr, flush=True)
    return row


def _do(argv: Sequence[str]) -> None:
    subprocess.run(list(argv), check=True, timeout=LONGEST, stdout=subprocess.DEVNULL)


class _Peak:
    """The peak resident size of the largest process in a tree, looked at while it lives."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._most = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    @property
    def mebibytes(self) -> float:
        """What was seen."""
        return self._most / 1024

    def __enter__(self) -> _Peak:
        self._thread.start()
        return self

    def __exit__(self, *args: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.05):
            parents: dict[int, int] = {}
            peaks: dict[int, int] = {}
            for entry in Path("/proc").iterdir():
                if not entry.name.isdigit():
                    continue
                with contextlib.suppress(OSError, ValueError, KeyError):
                    found = dict(line.split(":", 1) for line in (entry / "status").read_text().splitlines() if ":" in line)
                    parents[int(entry.name)] = int(found["PPid"])
                    peaks[int(entry.name)] = int(found["VmHWM"].split()[0])
            for pid, peak in peaks.items():
                at = pid
                while at and at != self._root:
                    at = parents.get(at, 0)
                if at == self._root:
                    self._most = max(self._most, peak)


if __name__ == "__main__":
    main()
