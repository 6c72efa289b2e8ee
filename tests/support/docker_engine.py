# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Docker engine of the test's own: in a network namespace, its images from busybox."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import shutil
import signal
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.need import need
from tests.support.netns import Namespace, end_with_us, namespace
from tests.support.processes import alive
from tests.support.until import until

IMAGE = "incident-test/busybox:1"
#: Version 2 of Compose, and version 1, which Debian 12 has.
PLUGIN, COMMAND = "plugin", "command"
_PLACES = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


@dataclass
class Engine:
    """One that runs.

    Attributes:
        place: its directory.
        compose: the command of Compose: the plugin where it is there, else Debian's docker-compose.
    """

    place: Path
    compose: list[str]

    @property
    def environ(self) -> Mapping[str, str]:
        """What makes a client talk to it."""
        return {"DOCKER_HOST": f"unix://{self.place}/docker.sock"}

    def docker(self, *words: str, timeout: float = 60) -> str:
        """Run a command of its client."""
        return self._run(["docker", *words], timeout)

    def project(self, directory: Path, *words: str, timeout: float = 120) -> str:
        """Run a command of Compose in a project."""
        return self._run([*self.compose, "--project-directory", str(directory), f"--file={directory}/compose.yml", *words], timeout)

    def _run(self, argv: list[str], timeout: float) -> str:
        done = subprocess.run(
            argv, env={**os.environ, **self.environ}, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
        return done.stdout


@contextlib.contextmanager
def engine(net: Namespace | None = None, *, compose: str = "") -> Iterator[Engine]:
    """Start one, with one image, and end it with all its containers.

    Args:
        compose: plugin or command; empty for the first of them that is there.
        net: a namespace that exists already, in which it has its bridge and writes its own rules. Without, it has neither.
    """
    dockerd, busybox = shutil.which("dockerd", path=_PLACES), shutil.which("busybox", path=_PLACES)
    need(os.geteuid() == 0, "root, to start a Docker engine")
    need(dockerd and shutil.which("docker"), "Debian's docker.io")
    need(busybox, "Debian's busybox-static")
    found = _compose(compose)
    need(found, "Docker Compose: its plugin (.ci/compose installs it) or Debian's docker-compose")
    assert dockerd and busybox
    place = Path(tempfile.mkdtemp(prefix="incident-docker-"))
    with namespace() if net is None else contextlib.nullcontext(net) as inside:
        (place / "daemon.json").write_text("{}")
        with (place / "log").open("wb") as log:
            # Not `ip netns exec`: that mounts a /sys of its own, without the control groups.
            process = subprocess.Popen(
                ["nsenter", f"--net=/run/netns/{inside.name}", dockerd, *_options(place, with_rules=net is not None)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=end_with_us,
            )
        made = Engine(place=place, compose=found)
        try:
            until(lambda: process.poll() is not None or _answers(made), what="dockerd to answer", seconds=60)
            need(process.poll() is None, f"a kernel on which dockerd starts: {(place / 'log').read_text()[-600:]}")
            _import(made, Path(busybox))
            yield made
        finally:
            _end(made, process)


def _compose(wanted: str) -> list[str]:
    """The plugin, else the command, or the one that is wanted; empty where it is not there."""
    command = ["docker-compose"] if shutil.which("docker-compose") else []
    if wanted == COMMAND:
        return command
    plugin = subprocess.run(["docker", "compose", "version"], stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
    if plugin.returncode == 0:
        return ["docker", "compose"]
    return [] if wanted == PLUGIN else command


def _options(place: Path, *, with_rules: bool) -> list[str]:
    # A daemon that may not raise limits can hand out no higher ones than its own.
    limits = {"nofile": resource.RLIMIT_NOFILE, "nproc": resource.RLIMIT_NPROC}
    hard = {name: resource.getrlimit(number)[1] for name, number in limits.items()}
    return [
        "--data-root", f"{place}/data", "--exec-root", f"{place}/exec", "--pidfile", f"{place}/pid", "-H", f"unix://{place}/docker.sock",
        "--config-file", f"{place}/daemon.json", "--storage-driver", "vfs",
        *(() if with_rules else ("--bridge", "none", "--iptables=false", "--ip6tables=false")),
        "--exec-opt", "native.cgroupdriver=cgroupfs",
        *(f"--default-ulimit={name}={most}:{most}" for name, most in hard.items() if most != resource.RLIM_INFINITY),
    ]


def _answers(made: Engine) -> bool:
    with contextlib.suppress(AssertionError, subprocess.TimeoutExpired):
        return bool(made.docker("version", "--format", "{{.Server.Version}}", timeout=20))
    return False


def _import(made: Engine, busybox: Path) -> None:
    archive = made.place / "image.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(busybox, "bin/busybox")
        for name in ("sh", "sleep", "true", "false", "httpd"):
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
    made.docker("import", str(archive), IMAGE)


def _end(made: Engine, process: subprocess.Popen[bytes]) -> None:
    children = _children(made.place)
    try:
        with contextlib.suppress(AssertionError, subprocess.TimeoutExpired):
            containers = made.docker("ps", "--all", "--quiet").split()
            if containers:
                made.docker("rm", "--force", *containers)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(30)
    finally:
        # What a daemon that was killed has left: its own containerd, shims, and mounts.
        for pid in sorted({*children, *_children(made.place)}):
            if alive(pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        mounted = re.findall(rf"^\S+ ({re.escape(str(made.place))}\S*) ", Path("/proc/mounts").read_text(), re.MULTILINE)
        for target in sorted(mounted, reverse=True):
            subprocess.run(["umount", "--lazy", target], capture_output=True, timeout=30, check=False)
        shutil.rmtree(made.place, ignore_errors=True)


def _children(place: Path) -> list[int]:
    """The processes that were started with this directory in their command, all but the daemon itself."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = entry.read_bytes()
            if str(place).encode() in words and b"containerd" in words:
                found.append(int(entry.parent.name))
    return found
