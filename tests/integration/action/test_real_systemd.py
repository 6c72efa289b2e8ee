# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What takes changes back, on a host of the drills with a systemd of its own: it fires, fails, tries again, and outlives a reboot."""

from __future__ import annotations

import os
import shlex
import time
import uuid
from collections.abc import Iterator, Sequence

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._bans import hold
from ansible_collections.oncall.incident.plugins.module_utils._module.programs import Ran
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.helping import pool_back
from ansible_collections.oncall.incident.plugins.plugin_utils._frame import arming

from tests.support.need import need
from tests.support.until import until
from tools import drill_rig

pytestmark = [pytest.mark.timeout(drill_rig.BUILD_TIMEOUT + 300)]

FILE = "/etc/app.env"


class Host:
    """A host without a network; a reboot is a stop and a start of all that runs on it."""

    def __init__(self, engine: drill_rig.Engine, name: str) -> None:
        self._engine, self._name = engine, name

    def run(self, command: str, *, fails: bool = False) -> str:
        """What a command prints; one that ends badly fails the test unless it may."""
        return self._engine.call("exec", self._name, "sh", "-c", command, check=not fails, timeout=60)

    def call(self, argv: Sequence[str]) -> Ran:
        """A program, as modules run it."""
        try:
            return Ran(self.run(shlex.join(argv)))
        except drill_rig.RigFailed as exc:
            return Ran(problem=str(exc))

    def as_nobody(self, argv: Sequence[str]) -> Ran:
        """The same as a user who may do nothing."""
        return self.call(["runuser", "-u", "nobody", "--", *argv])

    def off(self) -> None:
        """Stop it as a power failure does not: by a shutdown."""
        self._engine.call("stop", "--time", "20", self._name)

    def on(self) -> None:
        """Boot."""
        self._engine.call("start", self._name)
        self.booted()

    def booted(self) -> None:
        """Wait until it has started all that it starts."""
        until(lambda: self.run("systemctl is-system-running", fails=True) in ("running", "degraded"), what="the host to boot", seconds=60)

    def size(self) -> str:
        """The setting, as its file has it."""
        return self.run(f"cat {FILE}", fails=True)

    def units(self) -> list[str]:
        """The files of our units that are there."""
        return self.run(f"ls {arming.DIRECTORY} | grep oncall-incident", fails=True).split()

    def failed(self) -> list[str]:
        """Our units that `systemctl --failed` lists."""
        return [word for word in self.run("systemctl --failed --plain --no-legend").split() if word.startswith("oncall-incident")]


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    try:
        drill_rig.check()
        engine = drill_rig.Engine()
    except drill_rig.RigFailed as exc:
        need(False, str(exc))
    built = engine.has_image(drill_rig.image_name())
    need(built or os.environ.get("INCIDENT_TEST_REQUIRE_ALL") == "1", "the image of the drills' hosts: python tools/drill_rig.py image")
    with drill_rig.locked():
        image = drill_rig.build_image(engine)
    name = f"oncall-systemd-{uuid.uuid4().hex[:8]}"
    try:
        engine.start(name, "--network", "none", image=image)
        made = Host(engine, name)
        made.booted()
        yield made
    finally:
        engine.call("rm", "--force", *(("--time", "2") if engine.podman else ()), name, check=False)


@pytest.fixture
def unit(host: Host) -> Iterator[str]:
    name = arming.unit_name(uuid.uuid4().hex)
    host.run(f"echo POOL=20 >{FILE}")
    yield name
    host.run(arming.disarm_command(name))
    assert host.units() == []


def arm(host: Host, unit: str, *, seconds: int) -> float:
    back = pool_back(5, size=20, reads=[], write=[], key="POOL", file=FILE)
    return float(host.run(arming.arm_command(unit, back["argv"], seconds=seconds, says="takes the pool back")))


def reboot(host: Host, unit: str, *, due: bool) -> None:
    """Stop and start the host; `due`: the time was over while it was off, so nothing waits for that here."""
    if due:
        file = f"{arming.DIRECTORY}/{unit}"
        now = host.run("\n".join([
            f"seconds=$(($(stat --format=%Y /var/lib/systemd/timers/stamp-{unit}.timer) + 1))",
            "when=$(date -u -d @$seconds '+%Y-%m-%d %H:%M:%S UTC')",
            f'sed -i "s/-ge [0-9]*/-ge $seconds/" {file}.sh',
            f'sed -i "0,/OnCalendar=/s/OnCalendar=.*/OnCalendar=$when/" {file}.timer',
            "echo $seconds",
        ]))
        until(lambda: time.time() > float(now), what="the second to be over")
    host.off()
    host.on()


def test_it_fires_and_removes_itself(host: Host, unit: str) -> None:
    arm(host, unit, seconds=12)
    host.run(arming.active_command(unit))
    until(lambda: host.size() == "POOL=5" and host.units() == [], what="the way back", seconds=60)
    until(lambda: "Result=success" in host.run(f"systemctl show {unit}.service"), what="the service to end")
    assert host.failed() == [] and not host.run(f"find /etc/systemd -name '{unit}*'")


def test_it_outlives_reboots_and_one_that_failed_is_seen_and_tried_again(host: Host, unit: str) -> None:
    arm(host, unit, seconds=3600)
    reboot(host, unit, due=False)
    host.run(arming.active_command(unit))
    assert (host.size(), len(host.units()), host.failed()) == ("POOL=20", 3, [])
    assert "Result=success" in host.run(f"systemctl show {unit}.service")

    host.run(f"mv {FILE} {FILE}.away")
    reboot(host, unit, due=True)
    until(lambda: host.failed() == [f"{unit}.service"], what="the way back to fail", seconds=60)
    host.run(arming.active_command(unit))
    host.off()
    host.on()
    until(lambda: host.failed() == [f"{unit}.service"], what="the way back to be seen to have failed after a reboot", seconds=60)
    assert len(host.units()) == 3

    host.run(f"mv {FILE}.away {FILE}")
    host.off()
    host.on()
    until(lambda: host.size() == "POOL=5" and host.units() == [], what="the way back", seconds=60)
    assert host.failed() == []


def test_a_hold_that_its_timer_does_not_lift_fails_and_stays(host: Host) -> None:
    """With a server that cannot be reached for the moment."""
    pair, name, path = ("sshd", "203.0.113.9"), f"{hold.UNIT}{uuid.uuid4().hex[:8]}", "/run/fail2ban/fail2ban.sock"
    host.run("printf '[sshd]\\nenabled = true\\nbackend = systemd\\n' >/etc/fail2ban/jail.d/own.conf; systemctl restart fail2ban")
    until(lambda: "sshd" in host.run("fail2ban-client status", fails=True), what="fail2ban to answer", seconds=30)
    host.run(f"fail2ban-client set {shlex.join([pair[0], 'addignoreip', pair[1]])}")
    ignored = "fail2ban-client get sshd ignoreip"
    host.run(f"mv {path} {path}.away")
    command = hold.lifting_command([pair], client_command=["fail2ban-client"], path=path, pauses=(1,))
    hold.make_timer(name, 1, command, run=host.call, description=hold.description(path, [pair]))
    assert hold.earlier(path, host.call) == {name: {pair}}
    until(lambda: host.failed() == [f"{name}.service"], what="the timer to fail", seconds=60)
    assert hold.earlier(path, host.call) == {name: {pair}}, "the service that failed says whose the entry is"
    host.run(f"mv {path}.away {path}")
    assert pair[1] in host.run(ignored)
    assert hold.stop(name, host.as_nobody) and host.failed() == [f"{name}.service"], "who may not stop it does not say that it is gone"
    assert (hold.stop(name, host.call), host.failed(), hold.earlier(path, host.call)) == ("", [], {})

    command = hold.lifting_command([pair], client_command=["fail2ban-client"], path=path)
    hold.make_timer(name, 1, command, run=host.call, description=hold.description(path, [pair]))
    until(lambda: pair[1] not in host.run(ignored), what="the timer to lift it", seconds=30)
    until(lambda: hold.earlier(path, host.call) == {}, what="the service to end", seconds=30)
    assert host.failed() == [] and hold.stop(name, host.call) == ""


def test_who_may_not_make_a_timer_is_told_what_it_takes(host: Host) -> None:
    with pytest.raises(hold.HoldRefused, match="the timer could not be made") as refused:
        hold.make_timer(f"{hold.UNIT}{uuid.uuid4().hex[:8]}", 60, ["true"], run=host.as_nobody, description="x")
    assert "root" in str(refused.value.hint)
    assert host.run("systemctl list-units --all --plain --no-legend 'oncall-incident-*'") == ""
