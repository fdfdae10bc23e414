"""Models that a provider serves: on a cluster their keys come from Secrets, here from the user's environment."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from slipway_crds.engines import ENGINES
from slipway_crds.model_deployment import ModelDeployment

SECRET_VARIABLE_PREFIX: Final = "SLIPWAY_SECRET_"
_NO_NAME: Final = re.compile(r"[^A-Z0-9]+")


def is_external(model: ModelDeployment) -> bool:
    """Whether somebody else runs the model."""
    return not ENGINES[model.spec.engine.type].in_pod


def key_variable(model: ModelDeployment) -> str | None:
    """The variable that stands for ``authSecret {name, key}``: ``SLIPWAY_SECRET_NAME_KEY``; None without one."""
    auth = model.spec.engine.auth_secret
    if auth is None:
        return None
    return SECRET_VARIABLE_PREFIX + _NO_NAME.sub("_", f"{auth.name}_{auth.key}".upper())


def key_lookup(models: Iterable[ModelDeployment], environ: Mapping[str, str]) -> Callable[[str], str | None]:
    """The keys of providers by ``NAMESPACE.MODEL``, as routers ask for them."""
    variables = {f"{model.metadata.namespace}.{model.metadata.name}": key_variable(model) for model in models}

    def look_up(name: str) -> str | None:
        variable = variables.get(name)
        return (environ.get(variable, "").strip() or None) if variable is not None else None

    return look_up
