"""Questions to the control ports of runtimes in pods. What a pod answers is its user's, so it is bounded."""

from typing import Final

import aiohttp

_TIMEOUT: Final = aiohttp.ClientTimeout(total=3.0)


async def ask_runtime(session: aiohttp.ClientSession, ip: str, port: int, path: str, longest: int) -> bytes | None:
    """What the runtime at ``ip`` answers; None when there is no good answer of at most ``longest`` bytes."""
    host = f"[{ip}]" if ":" in ip else ip
    try:
        async with session.get(f"http://{host}:{port}{path}", timeout=_TIMEOUT, allow_redirects=False) as answer:
            return await _bounded(answer.content, longest) if answer.status == 200 else None
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        return None


async def _bounded(content: aiohttp.StreamReader, longest: int) -> bytes:
    body = bytearray()
    async for chunk in content.iter_any():
        body += chunk
        if len(body) > longest:
            raise ValueError("the answer is too long")
    return bytes(body)
