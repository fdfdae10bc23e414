"""`slipway chat`."""

import argparse
import os
import sys
from collections.abc import Sequence

from slipway_local.adapters.router_client import RouterClient, RouterError, router_client
from slipway_local.app.commands.options import add_router, key_for_router


def run(arguments: Sequence[str]) -> int:
    """Talk with a model until the end of input; 1 when the router cannot be asked."""
    parser = argparse.ArgumentParser(
        prog="slipway chat",
        description="Talk with a model. Ctrl-D ends; Ctrl-C breaks an answer off.",
        epilog="Exit codes: 0 ended, 1 the router does not answer or refuses.",
    )
    parser.add_argument("model", metavar="MODEL", help="name of the model; `slipway models` lists them")
    parser.add_argument("-m", "--message", help="say this, print the answer, and end")
    parser.add_argument("--system", help="system message")
    add_router(parser, os.environ)
    options = parser.parse_args(arguments)
    history = [{"role": "system", "content": options.system}] if options.system else []
    try:
        with router_client(options.url, key_for_router(options.key)) as router:
            if options.message is not None:
                _turn(router, options.model, history, options.message)
            else:
                _converse(router, options.model, history)
    except (RouterError, ValueError) as error:
        sys.stderr.write(f"slipway chat: {error}\n")
        return 1
    return 0


def _converse(router: RouterClient, model: str, history: list[dict[str, str]]) -> None:
    while True:
        try:
            said = input("> " if sys.stdin.isatty() else "").strip()
        except (EOFError, KeyboardInterrupt):
            print()
            return
        if said:
            try:
                _turn(router, model, history, said)
            except KeyboardInterrupt:
                print(" …")


def _turn(router: RouterClient, model: str, history: list[dict[str, str]], said: str) -> None:
    history.append({"role": "user", "content": said})
    answer = ""
    try:
        for piece in router.chat(model, history):
            answer += piece
            print(piece, end="", flush=True)
        print()
    finally:
        # Also what was broken off was said.
        history.append({"role": "assistant", "content": answer})
