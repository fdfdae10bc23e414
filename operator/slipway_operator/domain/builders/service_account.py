"""The identity of a model's pods; it has no rights and no token."""

from slipway_crds.model_deployment import ModelDeployment
from slipway_operator.domain.builders.common import manifest
from slipway_operator.domain.resources import SERVICE_ACCOUNT, Manifest


def service_account(model: ModelDeployment) -> Manifest | None:
    """None when the template names an existing one."""
    template = model.spec.template
    if template is not None and template.service_account_name is not None:
        return None
    return manifest(model, SERVICE_ACCOUNT, automountServiceAccountToken=False)
