"""How the router's process uses memory."""

import ctypes
import gc
from typing import Final

_M_MMAP_THRESHOLD: Final = -3
"""Of ``malloc.h`` (glibc)."""
_LARGE_BLOCK: Final = 1024 * 1024


def settle() -> None:
    """Call once, when everything is imported."""
    # What was imported stays for good, and requests leave few cycles behind: collect less often.
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    # A large body then grows by remapping, and goes back to the system when it is dropped. Left alone, glibc moves its
    # threshold up with the first body that is freed, and from then on copies bodies as they grow and keeps the memory.
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGE_BLOCK)
