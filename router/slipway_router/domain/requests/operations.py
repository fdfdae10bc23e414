"""Operations by what they do with tokens."""

from typing import Final

from slipway_crds.engines import Operation

GENERATING: Final = frozenset(
    {Operation.CHAT_COMPLETIONS, Operation.COMPLETIONS, Operation.RESPONSES, Operation.MESSAGES}
)
"""They read and write tokens."""
READING: Final = frozenset(
    {
        Operation.EMBEDDINGS,
        Operation.RERANK,
        Operation.CLASSIFY,
        Operation.POOLING,
        Operation.TEI_EMBED,
        Operation.TEI_EMBED_ALL,
        Operation.TEI_EMBED_SPARSE,
        Operation.TEI_RERANK,
        Operation.TEI_PREDICT,
        Operation.TEI_SIMILARITY,
    }
)
"""They read texts, each a prompt of its own, and write no tokens."""
