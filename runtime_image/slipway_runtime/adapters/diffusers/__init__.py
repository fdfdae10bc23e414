"""Diffusion pipelines of Hugging Face's diffusers, in this process."""
