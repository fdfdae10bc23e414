"""The Service of a model: its EndpointSlices are what routers balance over."""

from slipway_crds.model_deployment import ModelDeployment
from slipway_crds.names import CONTROL_PORT, CONTROL_PORT_NAME, DATA_PORT_NAME, SERVICE_PORT, selector_labels
from slipway_operator.domain.builders.common import manifest
from slipway_operator.domain.resources import SERVICE, Manifest


def service(model: ModelDeployment) -> Manifest:
    """Port 80 is the engine's HTTP API, port 8081 the runtime's control API."""
    ports = [
        {"name": DATA_PORT_NAME, "port": SERVICE_PORT, "targetPort": DATA_PORT_NAME, "protocol": "TCP"},
        {"name": CONTROL_PORT_NAME, "port": CONTROL_PORT, "targetPort": CONTROL_PORT_NAME, "protocol": "TCP"},
    ]
    spec = {"type": "ClusterIP", "selector": selector_labels(model.metadata.name), "ports": ports}
    return manifest(model, SERVICE, spec=spec)
