# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is configured: options, then the environment, then `<home>/evidence.yml`."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.oncall.incident.plugins.module_utils._core.durations import parse_duration
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.plugin_utils._record import layout

from ..errors import Stop
from . import signing, timestamp

FILE = "evidence.yml"
_KEYS = {
    "policy": "INCIDENT_POLICY", "sign_key": signing.KEY_VARIABLE, "signer": signing.IDENTITY_VARIABLE,
    "allowed_signers": signing.ALLOWED_VARIABLE, "tsa_url": timestamp.URL_VARIABLE, "tsa_ca": timestamp.CA_VARIABLE,
    "push_url": "INCIDENT_PUSH_URL", "retain": "INCIDENT_PUSH_RETAIN", "lock_mode": "INCIDENT_PUSH_LOCK_MODE",
}
_LOCK_MODES = ("GOVERNANCE", "COMPLIANCE")


@dataclasses.dataclass(frozen=True)
class Settings:
    """The store and what is configured for it.

    Attributes:
        retain: seconds that a pushed object is locked, None for no lock; lock_mode: of S3's Object Lock.
    """

    home: Path
    values: Mapping[str, str]
    retain: float | None
    lock_mode: str

    @property
    def environ(self) -> dict[str, str]:
        """The environment with what the file says, for those who read variables."""
        return {**{_KEYS[key]: value for key, value in self.values.items() if value}, **os.environ}

    @property
    def policy(self) -> str:
        """The policy's name or file."""
        own = self.home / "policy.yml"
        return self.values.get("policy") or (str(own) if own.is_file() else "default")

    @property
    def authority(self) -> str | None:
        """URL of the time-stamping authority."""
        return self.values.get("tsa_url") or None

    @property
    def push_url(self) -> str | None:
        """Where bundles are copied when an incident is closed."""
        return self.values.get("push_url") or None

    def authority_certificates(self, given: str | None) -> Path | None:
        """The certificates of the authority that the verifier trusts.

        Raises:
            Stop: the file is not there.
        """
        name = given or self.values.get("tsa_ca")
        if not name:
            return None
        path = Path(name).expanduser()
        if not path.is_file():
            raise Stop(f"--tsa-ca {name}: there is no such file.", hint="Give the authority's certificates in PEM.")
        return path

    def signers(self, given: Sequence[str], *, make: bool) -> list[signing.Signer]:
        """Who signs."""
        return signing.choose(given, home=self.home, environ=self.environ, make=make)


def load(home: Path | None = None) -> Settings:
    """The settings.

    Raises:
        Stop: the file is not what it should be.
    """
    home = (home or layout.default_home(os.environ)).absolute()
    path = home / FILE
    data = _read(path)
    if not isinstance(data, dict) or (unknown := sorted(str(key) for key in data if key not in _KEYS)):
        what = f"{unknown[0]!r} is not known" if isinstance(data, dict) else "it is not a mapping"
        raise Stop(f"{path}: {what}.", hint=f"Known are {', '.join(sorted(_KEYS))}.")
    values = {key: os.environ.get(variable) or _text(data.get(key)) for key, variable in _KEYS.items()}
    mode = (values.get("lock_mode") or _LOCK_MODES[0]).upper()
    if mode not in _LOCK_MODES:
        raise Stop(f"lock_mode {mode!r} is not known.", hint=f"S3 knows {' and '.join(_LOCK_MODES)}.")
    return Settings(home, values, duration(values.get("retain"), "retain"), mode)


def duration(value: str | None, name: str) -> float | None:
    """Seconds of a duration that may be missing.

    Raises:
        Stop: it is none.
    """
    if not value:
        return None
    try:
        return parse_duration(value, name=name)
    except BadInput as exc:
        raise Stop(exc.message, hint=exc.hint or "") from exc


def _text(value: Any) -> str:
    if isinstance(value, list):
        return os.pathsep.join(str(item) for item in value)
    return "" if value is None else str(value)


def _read(path: Path) -> Any:
    """What the file says; {} when there is none, and then nobody needs YAML."""
    try:
        text = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as exc:
        raise _unreadable(path, exc) from exc
    import yaml

    try:
        return yaml.safe_load(text.decode("utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        raise _unreadable(path, exc) from exc


def _unreadable(path: Path, exc: Exception) -> Stop:
    return Stop(f"{path} cannot be read: {str(exc).splitlines()[0]}.", hint="It is YAML: key: value.")
