"""Metrics of the diffusers engine."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SIZES = (1, 2, 3, 4, 8, 16, 32, 64)


class ImageMetrics:
    """What is made, how fast, and what waits."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "slipway_runtime_images_requests", "Valid requests taken.", ["operation"], registry=registry
        )
        self.pictures = Counter("slipway_runtime_images", "Pictures made.", registry=registry)
        self.steps = Counter(
            "slipway_runtime_images_steps", "Denoising steps done, counted for each picture.", registry=registry
        )
        self.step_seconds = Histogram(
            "slipway_runtime_images_step_seconds", "Duration of one step of a run.", registry=registry, buckets=_SECONDS
        )
        self.batch_pictures = Histogram(
            "slipway_runtime_images_batch_pictures", "Pictures in one run.", registry=registry, buckets=_SIZES
        )
        self.cancelled = Counter(
            "slipway_runtime_images_cancelled", "Pictures given up because their caller had gone.", registry=registry
        )
        self.queued = Gauge("slipway_runtime_images_queued", "Pictures that wait.", registry=registry)
        self.running = Gauge("slipway_runtime_images_running", "Pictures being made.", registry=registry)
