"""Write the demo embedding model, all-MiniLM-L6-v2, as ONNX: ``python examples/models/embed/make.py FOLDER``.

``demo://embed`` does the same by itself on first use; this script is for looking at the result, or for
serving it from a volume (``pvc://``) or a web server (``https://``).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from slipway_runtime.demo.embed_onnx import MODEL_FILE, minilm_source, write_embedding_model


def main() -> None:
    """Parse the command line and write the folder."""
    parser = argparse.ArgumentParser(description="Write all-MiniLM-L6-v2 as ONNX in the sentence-transformers layout.")
    parser.add_argument("target", type=Path, help="folder to write; left as it is when it already holds the model")
    target = write_embedding_model(minilm_source(), parser.parse_args().target)
    print(f"{target}: {(target / MODEL_FILE).stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
