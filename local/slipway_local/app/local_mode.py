"""What one `slipway up` holds together: the files' world, and what router, processes and terminal make of it."""

import asyncio
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

from slipway_crds.documents import DocumentError
from slipway_local.adapters.key_files import KeyStamp
from slipway_local.adapters.terminal import Terminal
from slipway_local.adapters.yaml_files import Stamp, moments_to_look, read_resources, stamp
from slipway_local.app.activity import RouterActivity
from slipway_local.app.keys import LocalKeys
from slipway_local.app.local_models import LocalModels
from slipway_local.app.runner import Starter
from slipway_local.domain.catalogue import catalogue_of
from slipway_local.domain.changes import Changes
from slipway_local.domain.external import key_lookup
from slipway_local.domain.places import API_KEYS_FOLDER, KEYS_FOLDER
from slipway_local.domain.reporting import describe, describe_changes, line_about
from slipway_local.domain.view import ModelView, Status
from slipway_local.domain.welcome import key_line, models_list, welcome
from slipway_local.domain.world import Machine, world_of
from slipway_router.app.router_options import Sources
from slipway_router.domain.callers.keys import KeyStore
from slipway_router.domain.models.catalogue import CatalogueStore

_TICK_SECONDS: Final = 0.25
_STYLES: Final = {Status.READY: "green", Status.FAILED: "red"}
"""Of the statuses that get a line also where a table shows them: their times and causes should stay."""


class LocalMode:
    """Follows the files. Belongs to one event loop."""

    def __init__(
        self,
        paths: Sequence[Path],
        machine: Machine,
        starter: Starter,
        keys: LocalKeys,
        terminal: Terminal,
        environ: Mapping[str, str],
        state_dir: Path,
    ) -> None:
        self._paths = paths
        self._machine = machine
        self._keys = keys
        self._terminal = terminal
        self._environ = environ
        self._key_folders = [state_dir / KEYS_FOLDER, state_dir / API_KEYS_FOLDER]
        self._key_documents = state_dir / API_KEYS_FOLDER
        for folder in self._key_folders:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._seen: tuple[Stamp, KeyStamp] = (frozenset(), frozenset())
        self._clear_text: dict[str, str] = {}
        self._catalogue = CatalogueStore()
        self._accepted = KeyStore()
        activity = RouterActivity()
        self.models = LocalModels(starter, activity, self._changed)
        self.sources = Sources(
            catalogue=self._catalogue,
            keys=self._accepted,
            synced=lambda: True,
            waker=self.models,
            provider_keys=self._provider_key,
            observer=activity,
            manager=self.models,
        )

    def load(self) -> None:
        """Make what the files say so. When it raises, everything is as it was.

        Raises:
            DocumentError: a file cannot be used.
            ValueError: a key cannot be used.
            OSError: a key cannot be kept.
        """
        # At once, so that what is wrong with them is told once.
        self._seen = self._stamp()
        made_here = [self._key_documents] if any(self._key_documents.glob("*.yaml")) else []
        world = world_of(read_resources([*self._paths, *made_here]), self._machine)
        clear_text = self._keys.clear_text(world.keys)
        ring = self._keys.ring(world.keys, clear_text)
        # Keys that were made just now are known.
        self._seen = (self._seen[0], self._keys.stamp())
        known, self._clear_text = self._clear_text, clear_text
        self._accepted.replace(ring)
        first = not self.models.world.models and not known
        changed = self.models.follow(world)
        self._publish()
        for warning in world.warnings:
            self._terminal.say(warning, "yellow")
        if not first:
            self._tell_of(changed, [key_line(name, key) for name, key in clear_text.items() if name not in known])

    def _stamp(self) -> tuple[Stamp, KeyStamp]:
        return stamp([*self._paths, self._key_documents]), self._keys.stamp()

    async def watch(self) -> None:
        """Load again whenever a file changes; what cannot be used is told and changes nothing."""
        async for _ in moments_to_look([*self._paths, *self._key_folders]):
            if self._stamp() == self._seen:
                continue
            try:
                self.load()
            except (DocumentError, ValueError, OSError) as error:
                self._terminal.say(f"{error}\nnothing was changed; the models go on as they are", "red")

    async def tick(self) -> None:
        """Keep the times in the table going while a model starts."""
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            views = self.models.views()
            if any(view.status is Status.STARTING for view in views):
                self._terminal.show(views)

    def greet(self, host: str, port: int, *, verbose: bool) -> None:
        """Tell what is served and how to use it."""
        world = self.models.world
        files = ", ".join(str(path) for path in self._paths)
        self._terminal.say(f"Slipway {version('slipway')} serves {files}", "bold")
        for note in world.notes if verbose else ():
            self._terminal.say(note, "dim")
        words = welcome(world, self._clear_text, host, port)
        self._terminal.progress(f"\n{models_list(self.models.views())}")
        self._terminal.say(f"\n{words}\n")

    def start_all(self) -> None:
        """Start every model without waiting for a request."""
        self.models.start(self.models.world.models)

    def _provider_key(self, name: str) -> str | None:
        models = self.models.world.models.values()
        return key_lookup((model.resource for model in models), self._environ)(name)

    def _tell_of(self, changed: Changes, news: list[str]) -> None:
        views = [view for view in self.models.views() if view.name in (*changed.added, *changed.restarted)]
        news += [f"{view.name}  {describe(view)}" for view in views if view.problem is not None]
        summary = describe_changes(changed) or "nothing of the models changed"
        self._terminal.say("\n".join([f"read again: {summary}", *news]))

    def _changed(self, before: ModelView | None, after: ModelView) -> None:
        line = line_about(before, after)
        if line is not None and after.status in _STYLES:
            self._terminal.say(line, _STYLES[after.status])
        elif line is not None:
            self._terminal.progress(line)
        self._publish()

    def _publish(self) -> None:
        views = self.models.views()
        catalogue = catalogue_of(self.models.world.models, views)
        if catalogue != self._catalogue.current:
            self._catalogue.replace(catalogue)
        self._terminal.show(views)
