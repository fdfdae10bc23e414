"""Write a model of single words to a folder: ``python examples/models/rerank/make.py NAME FOLDER``.

NAME is rerank, classify or sparse, as in ``demo://rerank``. The source URI does the same by itself on first use.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from slipway_runtime.demo.embed_onnx import MODEL_FILE, minilm_source
from slipway_runtime.demo.word_models import WORD_MODELS, write_word_model


def main() -> None:
    """Parse the command line and write the folder."""
    parser = argparse.ArgumentParser(description="Write one of the small demo models of the ONNX engine.")
    parser.add_argument("name", choices=tuple(WORD_MODELS))
    parser.add_argument("target", type=Path, help="folder to write; left as it is when it already holds the model")
    asked = parser.parse_args()
    target = write_word_model(asked.name, minilm_source(), asked.target)
    print(f"{target}: {(target / MODEL_FILE).stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
