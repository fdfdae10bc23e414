"""How the router behaves in local mode: as its own settings say, with files below the state folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from slipway_local.domain.places import SESSIONS_FILE
from slipway_router.app.options import AdminOptions
from slipway_router.app.router_options import RouterOptions
from slipway_router.app.settings import Settings

_USAGE_FOLDER: Final = "usage"


def router_options(environ: Mapping[str, str], config: Path | None, state_dir: Path, run_dir: Path) -> RouterOptions:
    """Settings from ``SLIPWAY_…`` variables and a TOML file.

    Unless a setting says where, sessions are kept in ``state_dir`` and used tokens in ``run_dir``, which is this
    router's alone: only one at a time can keep an account. Admin keys may load and unload models: whoever could make
    one may end the processes, too.

    Raises:
        ValueError: a setting is wrong, or a file that one names cannot be used.
    """
    settings = Settings.load(environ, config)
    changed: dict[str, object] = {"admin": AdminOptions(manage_models=True)}
    if not settings.ledger.folder:
        changed["ledger"] = settings.ledger.model_copy(update={"folder": str(run_dir / _USAGE_FOLDER)})
    if not settings.sessions.file:
        changed["sessions"] = settings.sessions.model_copy(update={"file": str(state_dir / SESSIONS_FILE)})
    return settings.model_copy(update=changed).router_options()
