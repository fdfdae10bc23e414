"""Asking runtimes: those that start every half second, the others once, and never while a pass waits."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from slipway_operator.app.ports import RuntimeStates
from slipway_operator.domain.pods import Pod, Start
from slipway_operator.domain.resources import Ref
from slipway_operator.domain.runtime_state import Answer, Answers, RuntimeState, askable

_WORKERS: Final = 16
_POLL_SECONDS: Final = 0.5
_ATTEMPTS: Final = 3
"""Questions without an answer, after which a ready pod is asked no more."""
_AGAIN_SECONDS: Final = 5.0


@dataclass(slots=True)
class _Asked:
    """One start of a runtime, while its pod is there."""

    ip: str
    ready: bool = False
    """Of the pod, in the last pass."""
    attempts_left: int = _ATTEMPTS
    answer: Answer = field(default_factory=Answer)


class Runtimes:
    """Remembers what runtimes answered; a model gets another pass when there is news of one."""

    def __init__(self, runtimes: RuntimeStates, enqueue: Callable[[Ref, float], None]) -> None:
        self._runtimes = runtimes
        self._enqueue = enqueue
        self._questions: asyncio.Queue[tuple[Ref, Start, _Asked]] = asyncio.Queue()
        self._known: dict[Ref, dict[Start, _Asked]] = {}

    def of(self, key: Ref, pods: Sequence[Pod]) -> Answers:
        """What is known by now of the pods whose runtime can be asked."""
        before = self._known.get(key, {})
        now: dict[Start, _Asked] = {}
        for pod in askable(pods):
            asked = before.get(pod.start)
            if asked is None:
                asked = _Asked(pod.ip)
                self._questions.put_nowait((key, pod.start, asked))
            asked.ready = pod.ready
            now[pod.start] = asked
        self._known[key] = now
        if not now:
            self.forget(key)
        return {start: asked.answer for start, asked in now.items()}

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
            key, start, asked = await self._questions.get()
            if self._known.get(key, {}).get(start) is not asked:
                continue  # Its pod is gone.
            state = await self._runtimes.state(asked.ip)
            if self._learn(asked, state):
                self._enqueue(key, 0.0)
            if not asked.answer.is_last:
                pause = _AGAIN_SECONDS if state is None and asked.ready else _POLL_SECONDS
                asyncio.get_running_loop().call_later(pause, self._questions.put_nowait, (key, start, asked))

    def _learn(self, asked: _Asked, state: RuntimeState | None) -> bool:
        """Whether that is news for the status."""
        before = asked.answer
        if state is not None:
            asked.answer = Answer(state, is_last=not state.starts)
        elif asked.ready:
            # While the pod starts, its runtime may well not listen yet.
            asked.attempts_left -= 1
            asked.answer = Answer(before.state, is_last=asked.attempts_left == 0)
        return (asked.answer.is_last, asked.answer.state.phase) != (before.is_last, before.state.phase)
