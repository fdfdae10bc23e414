"""`slipway keys`."""

import argparse
import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from slipway_crds.duration import parse_duration
from slipway_local.adapters.key_store import LocalKeyStore
from slipway_local.adapters.router_client import RouterError, router_client
from slipway_local.app.commands.options import add_router, add_state_dir, key_for_router
from slipway_local.domain.key_orders import KeyOrder, KnownKey, UnusableKeyError

_USAGE_GROUPS: Final = ("key", "owner", "model", "name", "operation", "day")
_USAGE_COLUMNS: Final = (*_USAGE_GROUPS, "requests", "prompt_tokens", "completion_tokens")
T = TypeVar("T")


def run(arguments: Sequence[str]) -> int:
    """Do one thing with keys, of local mode or of a cluster; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        exit_code: int = options.command(options)
        return exit_code
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        sys.stderr.write(f"slipway keys {options.action}: {wrong}\n")
        return 2
    except ValueError as error:
        sys.stderr.write(f"slipway keys {options.action}: {error}\n")
        return 2
    except (UnusableKeyError, RouterError, OSError) as error:
        sys.stderr.write(f"slipway keys {options.action}: {error}\n")
        return 1


# The commands.


def _list(options: argparse.Namespace) -> int:
    keys: Sequence[KnownKey] = _on(options, lambda keys: keys.list())
    if options.output == "name":
        print("".join(f"{key.name}\n" for key in keys), end="")
        return 0
    rows = [(key.name, key.owner, key.models, key.state, key.expires) for key in keys]
    _print_table(("NAME", "OWNER", "MODELS", "STATE", "EXPIRES"), rows)
    return 0


def _show(options: argparse.Namespace) -> int:
    name = options.name
    if name is None:
        names = [key.name for key in _on(options, lambda keys: keys.list())]
        if len(names) != 1:
            known = f"there are: {', '.join(names)}" if names else "none yet; `slipway up FILE` makes one"
            raise ValueError(f"name one of the keys; {known}")
        (name,) = names
    print(_on(options, lambda keys: keys.show(name)))
    return 0


def _create(options: argparse.Namespace) -> int:
    order = KeyOrder(
        name=options.name,
        owner=options.owner,
        models=options.model,
        requests_per_minute=options.requests_per_minute,
        tokens_per_minute=options.tokens_per_minute,
        tokens_per_day=options.tokens_per_day,
        concurrent_requests=options.concurrent_requests,
        expires_in=options.expires_in,
        admin=options.admin,
    )
    print(_on(options, lambda keys: keys.create(order)))
    return 0


def _rotate(options: argparse.Namespace) -> int:
    print(_on(options, lambda keys: keys.rotate(options.name, options.overlap)))
    return 0


def _revoke(options: argparse.Namespace) -> int:
    sys.stderr.write(f"{_on(options, lambda keys: keys.revoke(options.name))}\n")
    return 0


def _usage(options: argparse.Namespace) -> int:
    asked = {"from": options.since, "to": options.until, "key": options.name, "group_by": options.by}
    filters = {name: value for name, value in asked.items() if value}
    with router_client(options.url, key_for_router(options.key)) as router:
        rows = router.usage(everyone=options.all or bool(options.name), **filters)
    columns = [name for name in _USAGE_COLUMNS if any(name in row for row in rows)]
    _print_table([name.upper() for name in columns], [[str(row.get(name, "")) for name in columns] for row in rows])
    return 0


def _print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column, no_wrap=True)
    for row in rows:
        table.add_row(*row)
    Console(highlight=False, emoji=False).print(table)


# Where keys are.


def _on(options: argparse.Namespace, work: Callable[[Any], Any]) -> Any:
    """What ``work`` gives, done to the keys of local mode, or to those of a cluster if one of its options is there."""
    if options.namespace is None and options.context is None and options.kubeconfig is None:
        return work(LocalKeyStore(options.state_dir.expanduser().absolute()))
    return asyncio.run(_on_cluster(options, work))


async def _on_cluster(options: argparse.Namespace, work: Callable[[Any], Awaitable[T]]) -> T:
    # Needed for clusters alone.
    from slipway_local.adapters.cluster_keys import ClusterKeys
    from slipway_operator.adapters.kube_api import CredentialsError, KubeApi

    kubeconfig = options.kubeconfig or os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    try:
        api = await KubeApi.connect(kubeconfig, "slipway-keys", options.context)
    except CredentialsError as error:
        raise UnusableKeyError(str(error)) from None
    try:
        return await work(ClusterKeys(api, options.namespace or "default"))
    finally:
        await api.close()


# Arguments.


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="slipway keys",
        description="API keys: those of local mode or, with --namespace, --context or --kubeconfig, of a cluster. "
        "A running `slipway up` and the routers of a cluster follow at once.",
        epilog='Example: export SLIPWAY_API_KEY="$(slipway keys show demo)"',
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    _add(actions, "list", _list, "the keys").add_argument("-o", "--output", choices=("table", "name"), default="table")
    show = _add(actions, "show", _show, "print a key")
    show.add_argument("name", metavar="NAME", nargs="?", help="name of the APIKey; may be left out if there is one key")
    _add_create(_add(actions, "create", _create, "make a key and print it"))
    rotate = _add(actions, "rotate", _rotate, "replace a key and print the new one")
    rotate.add_argument("name", metavar="NAME")
    rotate.add_argument(
        "--overlap",
        type=_duration,
        metavar="DURATION",
        help="how long the old key stays valid; in a cluster also after later rotations (default: 30s, "
        "or the APIKey's own)",
    )
    _add(actions, "revoke", _revoke, "make a key worthless").add_argument("name", metavar="NAME")
    _add_usage(actions.add_parser("usage", help="requests and tokens that a key used, as its router counted them"))
    return parser


def _add(actions: Any, name: str, command: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(name, help=text)
    parser.set_defaults(command=command)
    parser.add_argument("-n", "--namespace", metavar="NAMESPACE", help="of a cluster (default there: default)")
    parser.add_argument("--context", metavar="CONTEXT", help="of the kubeconfig")
    parser.add_argument("--kubeconfig", metavar="FILE", help="default: $KUBECONFIG or ~/.kube/config")
    add_state_dir(parser, os.environ, Path.home())
    return parser


def _add_create(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("--owner", default="", help="person, team or program (default: the name)")
    parser.add_argument("--model", action="append", default=[], metavar="GLOB", help="that it opens (default: all)")
    for limit in ("requests-per-minute", "tokens-per-minute", "tokens-per-day", "concurrent-requests"):
        parser.add_argument(f"--{limit}", type=int, metavar="N")
    parser.add_argument("--expires-in", type=_duration, metavar="DURATION", help="for example 720h (default: never)")
    parser.add_argument("--admin", action="store_true", help="let it use the admin API")


def _add_usage(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_usage)
    parser.add_argument("name", metavar="KEY", nargs="?", help="NAMESPACE/NAME of another key; needs an admin key")
    parser.add_argument("--all", action="store_true", help="of every key; needs an admin key")
    parser.add_argument("--from", dest="since", metavar="DAY", help="first day (UTC), for example 2026-01-31")
    parser.add_argument("--to", dest="until", metavar="DAY", help="last day (UTC)")
    groups = ", ".join(_USAGE_GROUPS)
    parser.add_argument("--by", metavar="FIELDS", default="key,model", help=f"out of {groups} (default: %(default)s)")
    add_router(parser, os.environ)


def _duration(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
