"""Embeddings by ONNX Runtime, in this process, with dynamic batching."""
