# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proof that a test starts no Ansible and builds nothing: Python's own audit events say what this process starts.

Starting Ansible is most of what the suite costs, so the tests of the tier `make unit` do not. The conftest.py of a folder imports
its hooks. Runs on Python 3.9 too, without ansible-core.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Iterable
from typing import Any

import pytest

__all__ = ["pytest_runtest_call", "pytest_runtest_setup", "pytest_runtest_teardown"]

#: Modules that are as dear when they are run with `python -m`.
MODULES = ("ansible", "build")


class AnsibleStarted(Exception):
    """A test started what it must not start."""


class _Watch:
    """What was started while a test ran; None between tests."""

    started: list[str] | None = None
    installed = False


def offence(event: str, args: Iterable[Any]) -> str | None:
    """What an audit event starts and must not, or None.

    Args:
        event: the name of Python's audit event.
        args: its arguments.
    """
    if event not in ("subprocess.Popen", "os.exec", "os.posix_spawn"):
        return None
    executable, argv, *_rest = args
    words = [_text(word) for word in ([argv] if isinstance(argv, (str, bytes, os.PathLike)) else argv)]
    programs = [_text(executable or ""), *words[:1]]
    if any(os.path.basename(program).startswith("python") for program in programs):
        if len(words) > 2 and words[1] == "-m":
            return f"python -m {words[2]}" if words[2].split(".")[0] in MODULES else None
        programs = words[1:2]
    return next((program for program in programs if os.path.basename(program).startswith("ansible")), None)


def _text(word: Any) -> str:
    return os.fsdecode(word) if isinstance(word, (str, bytes, os.PathLike)) else str(word)


def _audit(event: str, args: Iterable[Any]) -> None:
    if _Watch.started is None:
        return
    found = offence(event, args)
    if found:
        # Kept as well: what is tested may swallow the exception.
        _Watch.started.append(found)
        raise AnsibleStarted(f"{found}: tests of tests/unit and tests/contract start no Ansible and build nothing; tests/integration does")


def taken() -> list[str]:
    """What was refused since the last call, for the tests of this guard."""
    found = list(_Watch.started or [])
    if _Watch.started is not None:
        _Watch.started.clear()
    return found


def _watched() -> Generator[None, Any, Any]:
    if not _Watch.installed:
        sys.addaudithook(_audit)
        _Watch.installed = True
    _Watch.started = []
    try:
        result = yield
        refused = taken()
        if refused:
            pytest.fail(f"started: {', '.join(refused)}; tests that start Ansible or build belong below tests/integration", pytrace=False)
        return result
    finally:
        _Watch.started = None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, Any, Any]:
    """Fixtures start none."""
    return (yield from _watched())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """The test starts none."""
    return (yield from _watched())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, Any, Any]:
    """Nor does what comes after it."""
    return (yield from _watched())
