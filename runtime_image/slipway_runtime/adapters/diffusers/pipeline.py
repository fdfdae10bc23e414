"""A loaded diffusers pipeline: runs of several pictures with equal settings."""

import inspect
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import diffusers
import torch
from PIL import Image

from slipway_crds.conditions import Reason
from slipway_runtime.adapters.diffusers.loading import choose_device, is_out_of_memory, load_pipeline
from slipway_runtime.domain.failure import RuntimeFailure
from slipway_runtime.domain.images import ImageModel, Operation, Settings
from slipway_runtime.domain.images_options import DiffusersOptions
from slipway_runtime.domain.openai import ApiError

log = logging.getLogger(__name__)

_PROBE_STEPS = 2
_DEFAULT_STEPS = 50
_TRAINED_STEPS = 1000
_DEFAULT_SIDE = 512
_DEFAULT_UNIT = 8

Preview = Callable[[int], Image.Image | None]
"""A picture of a run as it is now, by its place in the run; None where the pipeline has no way to show it."""
OnStep = Callable[[int, int, Preview], None]
"""Called after each step with its number from 1, their count and a Preview; an exception of it ends the run."""


@dataclass(frozen=True)
class Sample:
    """One picture to make."""

    settings: Settings
    prompt: str
    negative_prompt: str | None
    seed: int
    picture: Image.Image | None = None
    """The picture to edit, of the settings' size."""
    mask: Image.Image | None = None
    """White where the picture may change."""


class ImagePipeline:
    """Loads in its constructor; only one thread may run it."""

    def __init__(self, folder: Path, options: DiffusersOptions, *, gpu_count: int, threads: int) -> None:
        torch.set_num_threads(threads)
        self.device, self.device_fallback = choose_device(gpu_count)
        generate = load_pipeline(folder, options, self.device, gpu_count)
        self._batching = options.batching
        self._pipelines: dict[Operation, Any] = {Operation.GENERATE: generate}
        self._exact: dict[tuple[Settings, int], bool] = {}
        self.model = _describe(generate, options)

    def run(self, samples: Sequence[Sample], on_step: OnStep) -> list[Image.Image]:
        """The pictures of ``samples``, whose settings are equal.

        Raises ApiError for what this pipeline cannot do, and whatever ``on_step`` raises.
        """
        pipeline = self._pipeline(samples[0].settings.operation)
        output = self._call(pipeline, samples, on_step, output_type="pil")
        for flagged in getattr(output, "nsfw_content_detected", None) or []:
            if flagged:
                message = "the model's safety checker refuses what it drew; change the prompt"
                raise ApiError(400, message, code="content_policy_violation", param="prompt")
        pictures: list[Image.Image] = output.images
        return pictures

    def exact_batch(self, settings: Settings, count: int) -> bool:
        """Whether a run of ``count`` gives each picture the bytes that it has in a run of its own.

        The order in which numbers are added depends on the sizes that are computed with, not on their values: so it is
        tried once for each combination, with the first steps of one picture in every place of the run.
        """
        if self._batching != "exact":
            return self._batching == "always"
        key = (replace(settings, steps=_PROBE_STEPS, strength=settings.strength and 1.0), count)
        if key not in self._exact:
            try:
                self._exact[key] = self._try(*key)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                self._exact[key] = False
            log.info("%dx%d: runs of %d are exact: %s", settings.width, settings.height, count, self._exact[key])
        return self._exact[key]

    def _try(self, settings: Settings, count: int) -> bool:
        picture = mask = None
        if settings.operation is not Operation.GENERATE:
            picture = Image.new("RGB", (settings.width, settings.height), "gray")
            mask = Image.new("L", picture.size, 255)
        sample = Sample(settings, "probe", "probe" if settings.negative else None, 0, picture, mask)
        pipeline = self._pipeline(settings.operation)
        alone, together = (
            self._call(pipeline, [sample] * size, lambda *_: None, output_type="np").images for size in (1, count)
        )
        return all((picture == alone[0]).all() for picture in together)

    def _pipeline(self, operation: Operation) -> Any:
        if operation not in self._pipelines:
            # Imported when needed: it brings in every pipeline that diffusers knows.
            inpaint = operation is Operation.INPAINT
            kind = diffusers.AutoPipelineForInpainting if inpaint else diffusers.AutoPipelineForImage2Image
            try:
                made = kind.from_pipe(self._pipelines[Operation.GENERATE])
            except ValueError as error:
                what = "edit pictures with a mask" if inpaint else "edit pictures"
                raise ApiError(404, f"this model cannot {what}", code="unsupported_task") from error
            made.set_progress_bar_config(disable=True)
            self._pipelines[operation] = made
        return self._pipelines[operation]

    def _call(self, pipeline: Any, samples: Sequence[Sample], on_step: OnStep, output_type: str) -> Any:
        settings = samples[0].settings
        known = inspect.signature(pipeline.__call__).parameters
        wanted: dict[str, Any] = {
            "prompt": [sample.prompt for sample in samples],
            "width": settings.width,
            "height": settings.height,
            "num_inference_steps": settings.steps,
            # On the CPU always: there, a seed means the same for every device.
            "generator": [torch.Generator("cpu").manual_seed(sample.seed) for sample in samples],
            "output_type": output_type,
            "callback_on_step_end": _step_callback(on_step),
        }
        optional: dict[str, Any] = {
            "guidance_scale": settings.guidance,
            "negative_prompt": [sample.negative_prompt for sample in samples] if settings.negative else None,
            "image": [sample.picture for sample in samples] if samples[0].picture else None,
            "mask_image": [sample.mask for sample in samples] if samples[0].mask else None,
            "strength": settings.strength,
        }
        wanted |= {name: value for name, value in optional.items() if value is not None}
        with torch.inference_mode():
            return pipeline(**{name: value for name, value in wanted.items() if name in known})


def _step_callback(on_step: OnStep) -> Callable[..., dict[str, Any]]:
    def callback(pipeline: Any, step: int, _: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        def preview(index: int) -> Image.Image | None:
            return _decode(pipeline, tensors["latents"][index : index + 1])

        on_step(step + 1, pipeline.num_timesteps, preview)
        return {}

    return callback


def _decode(pipeline: Any, latents: torch.Tensor) -> Image.Image | None:
    scale = getattr(getattr(getattr(pipeline, "vae", None), "config", None), "scaling_factor", None)
    if scale is None or latents.ndim != 4:
        return None  # latents of another layout, which only the pipeline itself can unpack
    shift = getattr(pipeline.vae.config, "shift_factor", None) or 0.0
    decoded = pipeline.vae.decode((latents / scale + shift).to(pipeline.vae.dtype), return_dict=False)[0]
    picture: Image.Image = pipeline.image_processor.postprocess(decoded, output_type="pil")[0]
    return picture


def _describe(pipeline: Any, options: DiffusersOptions) -> ImageModel:
    parameters = inspect.signature(pipeline.__call__).parameters
    if not {"prompt", "width", "height", "generator", "num_inference_steps"} <= set(parameters):
        message = f"{type(pipeline).__name__} does not make pictures from prompts"
        raise RuntimeFailure(Reason.UNSUPPORTED_TASK, message)
    unit = int(getattr(pipeline, "vae_scale_factor", _DEFAULT_UNIT))
    width, height = _default_size(pipeline, options, unit)
    steps = parameters["num_inference_steps"].default
    guidance = parameters["guidance_scale"].default if "guidance_scale" in parameters else None
    return ImageModel(
        width=width,
        height=height,
        unit=unit,
        steps=options.steps or min(steps if isinstance(steps, int) else _DEFAULT_STEPS, options.max_steps),
        guidance=guidance if options.guidance_scale is None else options.guidance_scale,
        negative_prompt="negative_prompt" in parameters,
        max_images=options.max_images,
        max_size=options.max_size or 2 * max(width, height),
        max_steps=min(options.max_steps, _most_steps(pipeline)),
    )


def _most_steps(pipeline: Any) -> int:
    trained = getattr(getattr(getattr(pipeline, "scheduler", None), "config", None), "num_train_timesteps", None)
    # One fewer than the model was trained with: some schedulers count from 1.
    return int(trained or _TRAINED_STEPS) - 1


def _default_size(pipeline: Any, options: DiffusersOptions, unit: int) -> tuple[int, int]:
    if options.size:
        width, height = map(int, options.size.split("x"))
        if width % unit or height % unit:
            message = f"diffusers argument --size: both sides must be multiples of {unit} (given: {options.size!r})"
            raise RuntimeFailure(Reason.INVALID_CONFIGURATION, message)
        return width, height
    denoiser = getattr(pipeline, "unet", None) or getattr(pipeline, "transformer", None)
    latent = getattr(pipeline, "default_sample_size", None) or getattr(
        getattr(denoiser, "config", None), "sample_size", None
    )
    sides = latent if isinstance(latent, list | tuple) else (latent, latent)
    height, width = (int(side) * unit if side else _DEFAULT_SIDE for side in sides[-2:])
    return width, height
