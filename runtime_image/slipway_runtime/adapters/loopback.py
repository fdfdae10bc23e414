"""HTTP to our own data port."""

import httpx2


def loopback_client(host: str, port: int, timeout: float | None) -> httpx2.AsyncClient:
    """A client for plain HTTP to ``host:port``; ``timeout`` is in seconds for each step of a request, None for ever."""
    authority = f"[{host}]" if ":" in host else host
    # Proxies of the environment are for fetching weights. TLS is never spoken here, and setting it up costs 100 ms.
    return httpx2.AsyncClient(base_url=f"http://{authority}:{port}", timeout=timeout, trust_env=False, verify=False)
