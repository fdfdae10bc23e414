"""The first words of `slipway up`."""

from collections.abc import Mapping, Sequence

from slipway_local.domain.local_keys import keys_or_default
from slipway_local.domain.reporting import describe
from slipway_local.domain.snippets import snippets
from slipway_local.domain.view import ModelView
from slipway_local.domain.world import World
from slipway_router.domain.callers.keys import Caller

_OWN_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}
_LOOPBACK = ("127.", "::1", "localhost")


def base_url(host: str, port: int) -> str:
    """Where this machine reaches a router that listens on ``host``."""
    address = _OWN_ADDRESS.get(host, host)
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"


def models_list(views: Sequence[ModelView]) -> str:
    """Each model on a line of its own."""
    names = max((len(view.name) for view in views), default=0)
    engines = max((len(view.engine) for view in views), default=0)
    lines = [f"  {view.name:{names}}  {view.engine:{engines}}  {describe(view)}" for view in views]
    return "\n".join(lines) or "  no models yet: add a ModelDeployment to the files"


def welcome(world: World, keys: Mapping[str, str], host: str, port: int) -> str:
    """Address, keys, and what to copy. ``keys`` has the clear text of each APIKey."""
    url = base_url(host, port)
    lines = [f"OpenAI API on {url}/v1"]
    if not host.startswith(_LOOPBACK):
        lines.append(f"Listening on {host}: other machines can reach it, and only the keys keep them out.")
    lines += [key_line(name, key) for name, key in keys.items()]
    first = keys_or_default(world.keys)[0]
    opens = Caller(first.metadata.name, models=first.spec.models).may_call
    usable = [model for model in world.models.values() if opens(model.launch.served_names[0])]
    example = snippets(f"{url}/v1", keys[first.metadata.name], usable)
    return "\n".join([*lines, *(["", example] if example else []), "", "Ctrl-C ends it."])


def key_line(name: str, key: str) -> str:
    """One key, for people."""
    return f"API key {name}: {key}"
