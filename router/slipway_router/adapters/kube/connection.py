"""How the API server is reached."""

import os

from kubernetes.aio import client, config


async def api_configuration() -> client.Configuration:
    """As the file in ``KUBECONFIG`` says, else as a pod does.

    Raises:
        ConfigException: neither is there.
    """
    configuration = client.Configuration()
    if os.environ.get("KUBECONFIG"):
        await config.load_kube_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    else:
        config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    return configuration
