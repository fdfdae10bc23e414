"""Asking runtimes for their device: once for each start of a container, and never while a pass waits."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from slipway_operator.app.ports import RuntimeStates
from slipway_operator.domain.devices import DeviceReport, Fleet, askable
from slipway_operator.domain.pods import Pod
from slipway_operator.domain.resources import Ref

_WORKERS: Final = 8
_ATTEMPTS: Final = 3
_AGAIN_SECONDS: Final = 5.0

_Start = tuple[str, int]
"""A pod's identity and how often its container was started again."""


@dataclass(frozen=True, slots=True)
class _Question:
    key: Ref
    start: _Start
    ip: str
    attempts_left: int


class Devices:
    """Remembers what runtimes answered, and asks those that nobody asked yet."""

    def __init__(self, runtimes: RuntimeStates, enqueue: Callable[[Ref, float], None]) -> None:
        self._runtimes = runtimes
        self._enqueue = enqueue
        self._questions: asyncio.Queue[_Question] = asyncio.Queue()
        self._known: dict[Ref, dict[_Start, DeviceReport | None]] = {}  # None: asked, no answer yet

    def of(self, key: Ref, pods: Sequence[Pod]) -> Fleet:
        """What is known by now; when more becomes known, the model gets another pass."""
        before = self._known.get(key, {})
        now: dict[_Start, DeviceReport | None] = {}
        for pod in askable(pods):
            start = (pod.uid, pod.restarts)
            now[start] = before.get(start)
            if start not in before:
                self._questions.put_nowait(_Question(key, start, pod.ip, _ATTEMPTS))
        self._known[key] = now
        if not now:
            self.forget(key)
        reports = tuple(report for report in now.values() if report is not None)
        return Fleet(reports, pending=len(reports) < len(now))

    def forget(self, key: Ref) -> None:
        """The ModelDeployment is gone."""
        self._known.pop(key, None)

    async def run(self) -> None:
        """Ask, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(_WORKERS):
                group.create_task(self._worker())

    async def _worker(self) -> None:
        while True:
            await self._ask(await self._questions.get())

    async def _ask(self, question: _Question) -> None:
        if question.start not in self._known.get(question.key, {}):
            return
        report = await self._runtimes.device(question.ip)
        left = question.attempts_left - 1
        if report is None and left > 0:
            again = _Question(question.key, question.start, question.ip, left)
            asyncio.get_running_loop().call_later(_AGAIN_SECONDS, self._questions.put_nowait, again)
            return
        known = self._known.get(question.key, {})
        if question.start in known:
            known[question.start] = report or DeviceReport()
            self._enqueue(question.key, 0.0)
