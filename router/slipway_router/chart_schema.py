"""Keeps the chart's schema of ``router.config`` equal to the settings that the router checks.

``python -m slipway_router.chart_schema FILE [--check]``: FILE is the chart's ``values.schema.json``, in which the line
of the definition ``routerConfig`` is written anew. With ``--check`` nothing is written, and the exit status is 1 when
it differs.
"""

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from slipway_crds.generated_files import generator, keep
from slipway_router.app.settings import Settings

_LINE: Final = re.compile(r'^    "routerConfig": .*,$', re.MULTILINE)
_CHARTS_OWN: Final = frozenset(
    {
        *("host", "data_port", "admin_port", "watch_namespaces", "shutdown_delay", "drain_timeout", "log_level"),
        *("provider_keys_dir", "tls", "admin", "ledger"),
    }
)
"""Settings that other values of the chart decide."""
_KEPT: Final = frozenset(
    {
        *("type", "enum", "const", "items", "properties", "additionalProperties", "description", "anyOf"),
        *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength", "pattern"),
    }
)


def router_config() -> dict[str, Any]:
    """The schema of ``router.config``, without references."""
    schema = Settings.model_json_schema()
    settings = {name: node for name, node in schema["properties"].items() if name not in _CHARTS_OWN}
    properties = {name: _plain(node, schema["$defs"]) for name, node in settings.items()}
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _plain(node: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_plain(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _plain(definitions[node["$ref"].rpartition("/")[2]], definitions)
    if node.get("format") == "duration":
        text = {"description": node["description"]} if "description" in node else {}
        return {"type": ["number", "string"], **text}
    return {
        name: (
            {key: _plain(value, definitions) for key, value in inner.items()}
            if name == "properties"
            else _plain(inner, definitions)
        )
        for name, inner in node.items()
        if name in _KEPT
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Write or compare; returns the exit status."""
    parser = generator("slipway_router.chart_schema")
    parser.add_argument("file", type=Path)
    arguments = parser.parse_args(argv)
    line = f'    "routerConfig": {json.dumps(router_config())},'
    text, found = _LINE.subn(lambda _: line, arguments.file.read_text())
    if found != 1:
        sys.stderr.write(f"{arguments.file} has no line for the definition routerConfig\n")
        return 1
    return keep({arguments.file: text}, "the settings", check=arguments.check)


if __name__ == "__main__":
    sys.exit(main())
