"""Weights that need no network: paths and demo models."""

from pathlib import Path

from slipway_crds.conditions import Reason
from slipway_crds.engines import EngineType
from slipway_runtime.demo import resolve_demo
from slipway_runtime.domain.failure import RuntimeFailure
from slipway_runtime.domain.sources import DemoSource, PathSource


def find_path(source: PathSource) -> Path:
    """The path itself. Raises RuntimeFailure (WeightsNotFound, WeightsForbidden)."""
    path = Path(source.path)
    try:
        # Reading tells more than os.access: also for folders behind a missing mount or a foreign owner.
        if path.is_dir():
            next(path.iterdir(), None)
        else:
            path.open("rb").close()
    except PermissionError as error:
        raise RuntimeFailure(Reason.WEIGHTS_FORBIDDEN, f"{path} may not be read by this user") from error
    except OSError as error:
        raise RuntimeFailure(Reason.WEIGHTS_NOT_FOUND, f"{path}: {error.strerror}") from error
    return path


def find_demo(source: DemoSource, engine: EngineType, cache_dir: Path) -> Path:
    """Where the demo model lies that ``engine`` can load. Raises RuntimeFailure (WeightsNotFound, FetchFailed)."""
    try:
        return resolve_demo(source.name, cache_dir, engine)
    except ValueError as error:
        raise RuntimeFailure(Reason.WEIGHTS_NOT_FOUND, str(error)) from error
    except OSError as error:
        raise RuntimeFailure(Reason.FETCH_FAILED, f"cannot write below {cache_dir}: {error.strerror}") from error
