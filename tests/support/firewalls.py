# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ufw and firewalld as they come, each with a configuration of its own, in a network namespace: the machine's own are left alone."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from .need import need
from .netns import Namespace
from .until import until

_UFW, _UFW_STOCK = Path("/etc/ufw"), Path("/usr/share/ufw")
_FIREWALLD_ZONES = Path("/usr/lib/firewalld/zones")
#: What only the program that is started sees.
_MOUNTED = 'mount --bind "$0" /etc/ufw && exec "$@"'
#: A bus on which everybody may do everything: nothing but firewalld and its clients know of it.
_BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
  </policy>
</busconfig>
"""


@contextlib.contextmanager
def ufw(net: Namespace, place: Path) -> Iterator[Namespace]:
    """A ufw that was just installed, not enabled yet. Programs in the namespace that this gives use it.

    Args:
        place: a directory for its configuration.
    """
    need(shutil.which("ufw") and _UFW.is_dir(), "Debian's ufw")
    own = place / "ufw"
    (own / "applications.d").mkdir(parents=True)
    for file in sorted([*_UFW_STOCK.iterdir(), *(_UFW_STOCK / "iptables").iterdir()]):
        if file.suffix in (".rules", ".conf", ".init"):
            shutil.copyfile(file, own / file.name)
    shutil.copyfile(_UFW / "sysctl.conf", own / "sysctl.conf")
    inside = dataclasses.replace(net, more=("unshare", "--mount", "sh", "-c", _MOUNTED, str(own)))
    yield inside
    inside.run("ufw", "--force", "disable", check=False)


@contextlib.contextmanager
def firewalld(net: Namespace, place: Path) -> Iterator[Namespace]:
    """A firewalld with its configuration as it comes, on a bus of its own. Programs in the namespace that this gives find it, and
    so do those that this process starts meanwhile.

    Args:
        place: a directory for its configuration, short, since a socket's path must be.
    """
    need(shutil.which("firewalld") and shutil.which("firewall-cmd") and _FIREWALLD_ZONES.is_dir(), "Debian's firewalld")
    need(shutil.which("dbus-daemon"), "Debian's dbus-daemon")
    configuration = place / "firewalld"
    shutil.copytree("/etc/firewalld", configuration)
    for zone in (configuration / "zones").glob("*"):
        zone.unlink()
    (place / "bus.conf").write_text(_BUS.format(socket=place / "bus"))
    name, value = "DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={place}/bus"
    inside = dataclasses.replace(net, more=("env", f"{name}={value}"))
    with (place / "said").open("wb") as said, contextlib.ExitStack() as ending, pytest.MonkeyPatch.context() as patch:
        patch.setenv(name, value)
        bus = net.start("dbus-daemon", f"--config-file={place}/bus.conf", "--nofork", "--nopidfile", stdout=said, stderr=said)
        ending.callback(bus.wait, 30)
        ending.callback(bus.terminate)
        until((place / "bus").exists, what="the bus")
        daemon = inside.start("firewalld", "--nofork", "--nopid", "--system-config", str(configuration), "--log-file",
                              str(place / "log"), "--log-target", "file", stdout=said, stderr=said)
        ending.callback(daemon.wait, 60)
        ending.callback(daemon.terminate)
        until(lambda: daemon.poll() is not None or "running" in inside.run("firewall-cmd", "--state", check=False).split(),
              what="firewalld to run")
        assert daemon.poll() is None, (place / "said").read_text()
        yield inside
