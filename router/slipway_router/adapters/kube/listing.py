"""One question to the API server: is there anything at all?"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import aiohttp
from kubernetes.aio import client

from slipway_router.adapters.kube.connection import api_configuration

Resource = tuple[str, str, str]
"""Group, version, plural."""


async def any_object(
    resources: Iterable[Resource], namespaces: Sequence[str], selectors: Mapping[Resource, str]
) -> bool:
    """Whether any object of these kinds exists, in ``namespaces`` or, if there are none, in the whole cluster.

    Raises:
        OSError: the API server cannot be reached or refuses.
    """
    async with client.ApiClient(await api_configuration()) as connection:
        api = client.CustomObjectsApi(connection)
        try:
            for resource in resources:
                selector = selectors.get(resource, "")
                if await _exists(api, resource, namespaces, selector):
                    return True
        except (client.ApiException, aiohttp.ClientError) as error:
            raise OSError(str(error)) from error
    return False


async def _exists(api: client.CustomObjectsApi, resource: Resource, namespaces: Sequence[str], selector: str) -> bool:
    group, version, plural = resource
    options: dict[str, Any] = {"limit": 1, "label_selector": selector}
    found: Any
    if not namespaces:
        found = await api.list_cluster_custom_object(group, version, plural, **options)
        return bool(found["items"])
    for namespace in namespaces:
        found = await api.list_namespaced_custom_object(group, version, namespace, plural, **options)
        if found["items"]:
            return True
    return False
