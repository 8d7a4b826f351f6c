"""The service's side of reading pictures."""

from typing import Final

from services.insurance.ocr import READ, Read
from shared.apart import Apart

TIMEOUT_S: Final = 60.0
WAITING_MAX: Final = 4
COMMAND: Final = ("-m", "services.insurance.ocr")
_ENVIRONMENT: Final = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "ORT_DISABLE_TELEMETRY": "1",  # or onnxruntime tells its makers how it is used
}

Reader = Apart[Read]


def reader(
    command: tuple[str, ...] = COMMAND, timeout_s: float = TIMEOUT_S, waiting_max: int = WAITING_MAX
) -> Reader:
    """Return what reads text in pictures, one at a time."""
    return Apart(
        command, READ.validate_json, timeout_s=timeout_s, waiting_max=waiting_max, environment=_ENVIRONMENT
    )
