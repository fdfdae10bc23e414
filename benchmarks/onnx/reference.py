"""What the engine is compared with: ONNX Runtime alone, one text after another or in batches of one size.

``python -m benchmarks.onnx.reference FOLDER MIX COUNT [BATCH ...] [--tuned]`` prints JSON: seconds and cpu by BATCH.
``python -m benchmarks.onnx.reference FOLDER --port PORT`` serves the one after another over HTTP.
"""

import argparse
import json
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import orjson
import tokenizers
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.onnx.texts import texts

Vectors = npt.NDArray[np.float32]
_MAX_TOKENS = 256
_TUNED_WITHOUT = ("SkipLayerNormFusion",)
"""What the engine leaves out on CPUs; it also runs a batch on each core, instead of one on all."""


class Reference:
    """MiniLM with ONNX Runtime's own settings, but for ``threads``; 0 is a thread for each core, its default.

    ``without`` are optimizers of ONNX Runtime to leave out.
    """

    def __init__(self, folder: Path, threads: int, without: Sequence[str] = ()) -> None:
        self._tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(_MAX_TOKENS)
        self._tokenizer.enable_padding()
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = threads
        graph = str(folder / "onnx" / "model.onnx")
        self._session = onnxruntime.InferenceSession(
            graph, settings, providers=["CPUExecutionProvider"], disabled_optimizers=list(without)
        )

    def embed(self, batch: Sequence[str]) -> Vectors:
        """Tokenise, run, pool by mean, normalise."""
        encodings = self._tokenizer.encode_batch_fast(list(batch))
        ids = np.array([encoding.ids for encoding in encodings], np.int64)
        mask = np.array([encoding.attention_mask for encoding in encodings], np.int64)
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        hidden = np.asarray(self._session.run(["last_hidden_state"], feed)[0])
        summed = (hidden * mask[:, :, None].astype(np.float32)).sum(axis=1)
        vectors: Vectors = summed / np.linalg.norm(summed, axis=1, keepdims=True)
        return vectors


def measure(reference: Reference, inputs: Sequence[str], size: int, at_once: int = 1) -> dict[str, float]:
    """Seconds and CPU seconds for ``inputs`` in batches of ``size``; longest first where that is more than one.

    ``at_once`` batches are run at the same time.

    Sorted by length, batches have the least padding: the best that is possible when all texts are known beforehand.
    """
    ordered = sorted(inputs, key=len, reverse=True) if size > 1 else list(inputs)
    reference.embed(ordered[:size])
    batches = [ordered[start : start + size] for start in range(0, len(ordered), size)]
    begun, cpu = time.perf_counter(), time.process_time()
    if at_once == 1:
        for batch in batches:
            reference.embed(batch)
    else:
        with ThreadPoolExecutor(at_once) as threads:
            list(threads.map(reference.embed, batches))
    return {"seconds": time.perf_counter() - begun, "cpu": time.process_time() - cpu}


def serve(reference: Reference, port: int) -> None:
    """One request after another, over the same HTTP libraries as the engine."""

    async def embed(request: Request) -> Response:
        body: dict[str, Any] = orjson.loads(await request.body())
        vectors = reference.embed([body["input"]] if isinstance(body["input"], str) else body["input"])
        data = [{"object": "embedding", "index": n, "embedding": vector} for n, vector in enumerate(vectors)]
        content = {"object": "list", "model": body["model"], "data": data}
        return Response(orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")

    app = Starlette(routes=[Route("/v1/embeddings", embed, methods=["POST"])])
    uvicorn.run(app, port=port, http="httptools", loop="uvloop", access_log=False, log_level="warning")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("mix", nargs="?", default="mixed")
    parser.add_argument("count", nargs="?", type=int, default=256)
    parser.add_argument("sizes", nargs="*", type=int, default=[1])
    parser.add_argument("--port", type=int)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--tuned", action="store_true", help="as the engine does: see _TUNED_WITHOUT")
    asked = parser.parse_args()
    reference = Reference(asked.folder, asked.threads, _TUNED_WITHOUT if asked.tuned else ())
    if asked.port is not None:
        serve(reference, asked.port)
        return
    inputs = texts(asked.mix, asked.count)
    at_once = len(os.sched_getaffinity(0)) if asked.tuned else 1
    print(json.dumps({size: measure(reference, inputs, size, at_once) for size in asked.sizes}))


if __name__ == "__main__":
    main()
