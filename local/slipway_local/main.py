"""The `slipway` command. Each of its commands is a module of its own, imported only when it is asked for.

Exit codes: 0 done; 1 it did not work; 2 wrong arguments or YAML; 130 ended by Ctrl-C before its time.
"""

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from types import MappingProxyType
from typing import Final

COMMANDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "up": "serve the models of YAML files on this machine",
        "models": "list the models of a router",
        "chat": "talk with a model",
        "keys": "make, show, rotate and revoke API keys, and what they used",
        "validate": "check YAML files",
        "crds": "print or write the custom resource definitions",
        "version": "print the version",
    }
)


def main() -> None:
    """Entry point."""
    try:
        sys.exit(run(sys.argv[1:]))
    except KeyboardInterrupt:
        # Ctrl-C where a command has nothing to put in order, such as while modules are loaded.
        sys.exit(130)


def run(arguments: Sequence[str]) -> int:
    """Run one command; returns its exit code."""
    name, rest = (arguments[0], arguments[1:]) if arguments else ("--help", ())
    if name in ("-h", "--help", "help"):
        print(_help())
        return 0
    name = {"--version": "version", "-V": "version"}.get(name, name)
    if name not in COMMANDS:
        sys.stderr.write(f"slipway: there is no command {name!r}; there are {', '.join(COMMANDS)}\n")
        return 2
    exit_code: int = import_module(f"slipway_local.app.commands.{name}").run(rest)
    return exit_code


def _help() -> str:
    width = max(map(len, COMMANDS))
    return "\n".join(
        (
            "usage: slipway COMMAND …",
            "",
            "Serve models behind an OpenAI-compatible API, on this machine or on Kubernetes.",
            "",
            "commands:",
            *(f"  {name:{width}}  {summary}" for name, summary in COMMANDS.items()),
            "",
            "`slipway COMMAND --help` tells more. A start: slipway up examples/quickstart.yaml",
        )
    )


if __name__ == "__main__":
    main()
