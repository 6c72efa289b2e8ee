# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts of the drills: containers that boot systemd, a network for each scenario, reached over SSH.

Usage: python tools/drill_rig.py check | image | up [SCENARIO...] | down [SCENARIO...] | clean

check   say what is missing on this machine, and the one command that gets it
image   build the host image unless it is there
up      start the hosts of these scenarios (of all) and wait until they answer
down    stop and remove hosts and networks of these scenarios (of all); the image stays
clean   remove the image too

Podman, else Docker; DRILL_ENGINE chooses. The image is made from docker.io/library/debian:bookworm where that can be pulled, else with
debootstrap from this machine's own Debian source. Everything else stays in .cache/drill.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import dataclasses
import hashlib
import ipaddress
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "drill"
KEY = CACHE / "id_ed25519"
PACKAGES = ROOT / "molecule" / "image" / "packages"
#: Before the name of a scenario: its network; its label.
NETWORK = "oncall-drill-"
LABEL = "oncall.incident.drill"
BASE = "docker.io/library/debian:bookworm"
#: Seconds until a container has booted and its sshd answers.
BOOT_TIMEOUT = 120.0
BUILD_TIMEOUT = 1800
#: systemd in a container cannot make these sandboxes of Debian's unit.
REDIS_DROP_IN = """[Service]
PrivateUsers=no
PrivateDevices=no
PrivateTmp=no
ProtectHome=no
ProtectSystem=no
NoNewPrivileges=no
LimitNOFILE=8192
"""
SSHD = "PermitRootLogin prohibit-password\nUseDNS no\nMaxStartups 100:30:200\n"


class RigFailed(Exception):
    """The rig can't go on; the message says what to do."""


def say(text: str) -> None:
    """One line of progress."""
    print(f"==> {text}", flush=True)


# The engine


class Engine:
    """Podman or Docker, with what this machine's kernel and privileges need."""

    def __init__(self) -> None:
        wanted = os.environ.get("DRILL_ENGINE")
        found = [name for name in ([wanted] if wanted else ["podman", "docker"]) if shutil.which(name)]
        if not found:
            raise RigFailed(f"no container engine ({wanted or 'podman or docker'}) is installed. {advice()}")
        self.name = found[0]
        self.podman = self.name == "podman"
        #: cgroup v1 beside v2: crun refuses it, and systemd needs its own hierarchy.
        self.hybrid = Path("/sys/fs/cgroup/systemd").is_dir()
        self._environment = dict(os.environ)
        if self.podman:
            self._environment["CONTAINERS_CONF"] = str(self._configuration())

    def _configuration(self) -> Path:
        """Settings for this machine: not every one has systemd as its cgroup manager, or may raise limits."""
        lines = []
        if not self._may_raise_limits():
            lines += ["[containers]", 'default_ulimits=["nofile=10000:10000","nproc=10000:10000"]']
        lines.append("[engine]")
        if self.hybrid and shutil.which("runc"):
            lines.append('runtime="runc"')
        if not Path("/run/systemd/system").is_dir():
            lines += ['cgroup_manager="cgroupfs"', 'events_logger="file"']
        CACHE.mkdir(parents=True, exist_ok=True)
        path = CACHE / "containers.conf"
        path.write_text("\n".join(lines) + "\n")
        return path

    @staticmethod
    def _may_raise_limits() -> bool:
        effective = re.search(r"^CapEff:\s*([0-9a-f]+)", Path("/proc/self/status").read_text(), re.MULTILINE)
        return bool(effective and int(effective.group(1), 16) >> 24 & 1)  # CAP_SYS_RESOURCE

    def call(self, *arguments: str, check: bool = True, timeout: float = 300, given: Any = None) -> str:
        """Run the engine; what it printed."""
        done = subprocess.run(
            [self.name, *arguments], env=self._environment, stdin=given or subprocess.DEVNULL, capture_output=True, text=True,
            timeout=timeout, check=False,
        )
        if check and done.returncode:
            raise RigFailed(f"{self.name} {' '.join(arguments[:3])} ... ended with {done.returncode}: {done.stderr.strip()[-800:]}")
        return done.stdout.strip()

    def has_image(self, name: str) -> bool:
        """Whether an image is there already."""
        return bool(self.call("images", "--quiet", name, check=False))

    def containers(self, scenario: str) -> list[str]:
        """The names of a scenario's containers."""
        return self.call("ps", "--all", "--filter", f"label={LABEL}={scenario}", "--format", "{{.Names}}").split()

    def run_host(self, host: Host, *, image: str) -> None:
        """Start one host."""
        options = [
            "--hostname", host.name, "--label", f"{LABEL}={host.scenario}",
            "--network", NETWORK + host.scenario, "--network-alias", host.name, "--ip", host.address, "--ip6", host.address6,
        ]
        for directory, limit in host.file_systems.items():
            options += ["--tmpfs", f"{directory}:rw,size={limit},mode=0755"]
        self.start(host.container, *options, image=image)

    def start(self, name: str, *options: str, image: str) -> None:
        """Start a container that boots systemd."""
        needed = ["--cap-add", "NET_ADMIN,NET_RAW,SYS_ADMIN,SYS_PTRACE,AUDIT_WRITE" if self.podman else "NET_ADMIN"]
        if self.podman:
            needed += ["--systemd=always"]
        else:
            needed += ["--cap-add", "NET_RAW", "--cap-add", "SYS_ADMIN", "--cap-add", "SYS_PTRACE"]
            needed += ["--security-opt", "seccomp=unconfined", "--cgroupns", "host"]
            needed += ["--env", "container=docker", "--stop-signal", "SIGRTMIN+3", "--tmpfs", "/run", "--tmpfs", "/run/lock"]
        if self.hybrid:
            needed += ["--volume", "/sys/fs/cgroup/systemd:/sys/fs/cgroup/systemd:rw"]
        self.call("run", "--detach", "--name", name, *needed, *options, image, "/lib/systemd/systemd")


# What must be there


def missing() -> list[str]:
    """The programs that this machine lacks, by Debian package."""
    needs = {"ssh": "openssh-client", "ssh-keygen": "openssh-client"}
    if not (shutil.which("podman") or shutil.which("docker")):
        needs["podman"] = "podman"
    if not shutil.which("docker"):
        needs |= {"conmon": "conmon", "aardvark-dns": "aardvark-dns", "netavark": "netavark", "iptables": "iptables"}
        if Path("/sys/fs/cgroup/systemd").is_dir():
            needs["runc"] = "runc"
    found = [package for program, package in needs.items() if not _there(program)]
    if not shutil.which("debootstrap") and Path("/etc/debian_version").exists():
        found.append("debootstrap")
    return sorted(set(found))


def _there(program: str) -> bool:
    helpers = [Path(directory) / program for directory in ("/usr/lib/podman", "/usr/libexec/podman", "/usr/sbin", "/sbin")]
    return bool(shutil.which(program)) or any(path.exists() for path in helpers)


def advice() -> str:
    """The one command that gets what is missing."""
    packages = missing()
    return f"Install it with: sudo apt-get install --no-install-recommends {' '.join(packages)}" if packages else "Nothing is missing."


def check() -> None:
    """Refuse a machine on which hosts cannot start.

    Raises:
        RigFailed: says what is missing.
    """
    if os.geteuid() != 0:
        raise RigFailed("the hosts need their own firewall and systemd, so the rig runs as root: sudo make drills")
    packages = missing()
    if packages:
        raise RigFailed(f"missing: {', '.join(packages)}. {advice()}")


# The image


def image_name() -> str:
    """The tag is the hash of what the image is made of: a change makes another image, and nothing else does."""
    digest = hashlib.sha256(_setup().encode())
    return f"localhost/oncall-drill:{digest.hexdigest()[:12]}"


def packages() -> list[str]:
    """The Debian packages of the hosts."""
    return [line.split("#")[0].strip() for line in PACKAGES.read_text().splitlines() if line.split("#")[0].strip()]


def build_image(engine: Engine) -> str:
    """Build the host image unless it is there; its name."""
    name = image_name()
    if engine.has_image(name):
        return name
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="oncall-drill-") as scratch:
        if _can_pull(engine):
            say(f"building {name} from {BASE}")
            _build_from_base(engine, name, Path(scratch))
        else:
            say(f"building {name} with debootstrap: no registry gives {BASE}")
            _build_from_source(engine, name, Path(scratch))
    say(f"built in {time.monotonic() - began:.0f} s")
    return name


def _can_pull(engine: Engine) -> bool:
    with contextlib.suppress(subprocess.TimeoutExpired):
        engine.call("pull", "--quiet", BASE, check=False, timeout=120)
    return engine.has_image(BASE)


def _setup() -> str:
    """The commands that make a bare Debian a drill host; run as root inside."""
    listed = " ".join(name for name in packages() if name != "systemd-resolved")
    return f"""set -eu
export DEBIAN_FRONTEND=noninteractive
printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d
apt-get update -q
apt-get install -y -q --no-install-recommends systemd systemd-sysv dbus python3 python3-apt iproute2 procps {listed}
apt-get install -y -q --no-install-recommends systemd-resolved
mkdir -p /etc/systemd/system/redis-server.service.d /root/.ssh /etc/ssh/sshd_config.d
printf '{REDIS_DROP_IN.replace(chr(10), chr(92) + 'n')}' > /etc/systemd/system/redis-server.service.d/container.conf
printf '{SSHD.replace(chr(10), chr(92) + 'n')}' > /etc/ssh/sshd_config.d/drill.conf
# What a host does not need for its drill is started by the drill's preparation.
systemctl disable postgresql redis-server nginx fail2ban systemd-resolved apt-daily.timer apt-daily-upgrade.timer certbot.timer
systemctl enable ssh
rm -rf /var/lib/apt/lists/* /usr/sbin/policy-rc.d /etc/ssh/ssh_host_*
printf '[Unit]\\nBefore=ssh.service\\n[Service]\\nType=oneshot\\nExecStart=/usr/bin/ssh-keygen -A\\n[Install]\\nWantedBy=ssh.service\\n' \\
    > /etc/systemd/system/host-keys.service
systemctl enable host-keys
"""


def _build_from_base(engine: Engine, name: str, scratch: Path) -> None:
    (scratch / "setup.sh").write_text(_setup())
    steps = (f"FROM {BASE}", "COPY setup.sh /setup.sh", "RUN sh /setup.sh && rm /setup.sh", "CMD /lib/systemd/systemd", "")
    (scratch / "Containerfile").write_text("\n".join(steps))
    engine.call("build", "--tag", name, "--file", str(scratch / "Containerfile"), str(scratch), timeout=BUILD_TIMEOUT)


def _build_from_source(engine: Engine, name: str, scratch: Path) -> None:
    sources = Path("/etc/apt/sources.list.d/debian.sources")
    found = re.search(r"^URIs:\s*(\S+)", sources.read_text(), re.MULTILINE) if sources.is_file() else None
    if found is None:
        raise RigFailed(f"{BASE} cannot be pulled, and {sources} names no Debian source to build from")
    root, log = scratch / "root", CACHE / "image.log"
    with log.open("w") as out:
        quiet: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": out, "stderr": out, "timeout": BUILD_TIMEOUT}
        try:
            subprocess.run(["debootstrap", "--variant=minbase", "bookworm", str(root), found.group(1)], check=True, **quiet)
            shutil.copy2(sources, root / "etc" / "apt" / "sources.list.d" / "debian.sources")
            (root / "etc" / "apt" / "sources.list").unlink(missing_ok=True)
            subprocess.run(["chroot", str(root), "sh", "-c", _setup()], check=True, **quiet)
        except subprocess.CalledProcessError as exc:
            raise RigFailed(f"{exc.cmd[0]} ended with {exc.returncode}; all of it is in {log}") from exc
        finally:
            # Never remove a tree while something of the machine's own is mounted in it.
            for mount in _mounts_below(root):
                subprocess.run(["umount", mount], check=False, capture_output=True)
        if _mounts_below(root):
            raise RigFailed(f"still mounted below {root}: {', '.join(_mounts_below(root))}")
        apart = ["--exclude=./proc/*", "--exclude=./sys/*", "--exclude=./dev/*", "--one-file-system"]
        with subprocess.Popen(["tar", "-C", str(root), *apart, "-c", "."], stdout=subprocess.PIPE) as tar:
            engine.call("import", "--change", "CMD /lib/systemd/systemd", "-", name, given=tar.stdout, timeout=BUILD_TIMEOUT)


def _mounts_below(root: Path) -> list[str]:
    found = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    return sorted((path for path in found if path.startswith(f"{root}/")), reverse=True)


# The hosts


@dataclasses.dataclass(frozen=True)
class Host:
    """A host of a scenario's inventory.

    Attributes:
        address: IPv4; fixed, so that the inventory is a plain file.
        address6: IPv6 likewise.
        file_systems: size by directory, for those that are to be small.
    """

    scenario: str
    name: str
    address: str
    address6: str
    file_systems: dict[str, str]

    @property
    def container(self) -> str:
        """The engine's name of it: two scenarios may each have a db1."""
        return f"{self.scenario}.{self.name}"


def scenarios() -> list[str]:
    """The scenarios that have hosts."""
    return sorted(path.parent.parent.name for path in (ROOT / "molecule").glob("*/inventory/hosts.yml"))


def sharing(scenario: str) -> list[str]:
    """The other scenarios whose inventory is the same directory, by a link."""
    here = (ROOT / "molecule" / scenario / "inventory").resolve()
    return [other for other in scenarios() if other != scenario and (ROOT / "molecule" / other / "inventory").resolve() == here]


def hosts(scenario: str) -> list[Host]:
    """The hosts of a scenario's inventory."""
    inventory = ROOT / "molecule" / scenario / "inventory" / "hosts.yml"
    found = yaml.safe_load(inventory.read_text())["all"]["children"]["drillable"]["hosts"]
    return [
        Host(
            scenario=scenario, name=name, address=variables["ansible_host"], address6=variables["drill_address6"],
            file_systems=variables.get("drill_file_systems", {}),
        )
        for name, variables in found.items()
    ]


def up(engine: Engine, names: Sequence[str]) -> None:
    """Start the scenarios' hosts that do not run yet, and wait until all answer."""
    image = build_image(engine)
    for name in names:
        for other in sharing(name):
            if other in names or engine.containers(other):
                raise RigFailed(f"{name} has the same hosts as {other}, so one is up at a time: python tools/drill_rig.py down {other}")
    _make_key()
    wanted = [host for name in names for host in hosts(name)]
    for name in names:
        _make_network(engine, name)
        running = engine.containers(name)
        for host in hosts(name):
            if host.container not in running:
                engine.run_host(host, image=image)
    with concurrent.futures.ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(lambda host: _await(engine, host), wanted))
    say(f"{len(wanted)} hosts answer: {', '.join(host.container for host in wanted)}")


def _make_network(engine: Engine, scenario: str) -> None:
    network = NETWORK + scenario
    if network not in engine.call("network", "ls", "--format", "{{.Name}}").split():
        first = hosts(scenario)[0]
        subnets = (ipaddress.ip_interface(f"{first.address}/24").network, ipaddress.ip_interface(f"{first.address6}/64").network)
        options = [part for subnet in subnets for part in ("--subnet", str(subnet))]
        # No way out: what a drill does stays among its hosts.
        engine.call("network", "create", "--ipv6", "--internal", *options, "--label", f"{LABEL}={scenario}", network)


def _make_key() -> None:
    CACHE.mkdir(parents=True, exist_ok=True)
    if not KEY.is_file():
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "oncall-drill", "-f", str(KEY)]
        subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    # Hosts are made anew with keys of their own: nothing is to be remembered of them.
    (CACHE / "known_hosts").unlink(missing_ok=True)


def _await(engine: Engine, host: Host) -> None:
    """Let our key in, and wait until systemd has booted and sshd answers."""
    deadline = time.monotonic() + BOOT_TIMEOUT
    last = ""
    allow = "install -d -m 0700 /root/.ssh && cat > /root/.ssh/authorized_keys && chmod 600 /root/.ssh/authorized_keys"
    with KEY.with_suffix(".pub").open() as key:
        engine.call("exec", "--interactive", host.container, "sh", "-c", allow, given=key)
    argv = ["ssh", "-i", str(KEY), "-o", "BatchMode=yes", "-o", "ConnectTimeout=3", "-o", "StrictHostKeyChecking=no",
            "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", f"root@{host.address}", "systemctl is-system-running"]
    while time.monotonic() < deadline:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
        last = (done.stdout + done.stderr).strip()
        if done.stdout.strip() in ("running", "degraded"):
            return
        time.sleep(0.3)
    raise RigFailed(f"{host.container} ({host.address}) did not boot within {BOOT_TIMEOUT:.0f} s: {last}")


def down(engine: Engine, names: Sequence[str]) -> None:
    """Remove the scenarios' hosts and networks."""
    for name in names:
        # A container that ends by itself while it is being ended makes podman fail: it is gone at the next try.
        for attempt in range(3):
            found = engine.containers(name)
            if not found:
                break
            engine.call("rm", "--force", *(("--time", "2") if engine.podman else ()), *found, check=attempt == 2)
        engine.call("network", "rm", NETWORK + name, check=False)


@contextlib.contextmanager
def locked() -> Iterator[None]:
    """One at a time: scenarios that run side by side share image and key."""
    import fcntl

    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["check", "image", "up", "down", "clean"])
    parser.add_argument("scenarios", nargs="*", help="directories of molecule/; all that have hosts when none is named")
    arguments = parser.parse_args()
    known = scenarios()
    unknown = sorted(set(arguments.scenarios) - set(known))
    if unknown:
        parser.error(f"{', '.join(unknown)}: no such scenario; there are {', '.join(known)}")
    # Of those that share their hosts, all but the first in the alphabet stay away when all are to be started.
    names = arguments.scenarios or [name for name in known if arguments.what != "up" or min([name, *sharing(name)]) == name]
    try:
        check()
        if arguments.what == "check":
            say("everything that the drills need is there")
            return 0
        with locked():
            engine = Engine()
            if arguments.what == "image":
                say(build_image(engine))
            elif arguments.what == "up":
                up(engine, names)
            else:
                down(engine, names)
                if arguments.what == "clean":
                    engine.call("rmi", "--force", image_name(), check=False)
    except (RigFailed, subprocess.TimeoutExpired) as error:
        print(f"drill rig: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
