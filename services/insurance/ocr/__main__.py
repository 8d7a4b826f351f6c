"""The process that reads pictures: `python -m services.insurance.ocr`, until its input ends."""

import io
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, Final

import cv2
import numpy as np
import pillow_heif
from PIL import Image, ImageOps
from rapidocr import RapidOCR

from services.insurance.domain.card.layout import Line, Point
from services.insurance.ocr import READ, Read
from shared.frames import serve

_FORMATS: Final = ("JPEG", "PNG", "WEBP", "HEIF")
_PIXELS_MAX: Final = 50_000_000
_SIDE_MAX: Final = 1280
"""Enough for the small print of a card that fills half of the picture; what is larger costs seconds and memory."""
_TALL: Final = 1.5
"""The engine turns a piece of text that is so many times as tall as it is wide."""
_TURNED: Final = 0.9
"""How sure it is before it turns one upside down."""
_LINES_MAX: Final = 200

_ENGINE: Final = {
    "Global.log_level": "critical",
    "Global.max_side_len": _SIDE_MAX,
    "Global.return_word_box": True,  # with it come the confidences of single signs
    "EngineConfig.onnxruntime.intra_op_num_threads": 1,
    "EngineConfig.onnxruntime.inter_op_num_threads": 1,
}


def _reading() -> Callable[[bytes], bytes]:
    """Return what reads a picture."""
    cv2.setNumThreads(1)
    Image.init()
    pillow_heif.register_heif_opener()
    engine = RapidOCR(params=_ENGINE)
    return lambda content: READ.dump_json(_read(engine, content))


def _read(engine: RapidOCR, content: bytes) -> Read:
    try:
        picture = _opened(content)
    except (OSError, ValueError, SyntaxError):
        return Read(unreadable="unreadable_picture")
    except Image.DecompressionBombError:
        return Read(unreadable="too_many_pixels")
    try:
        return Read(_lines(engine, picture))
    except Exception as error:  # noqa: BLE001  # its message may hold what was read; its class may be told
        return Read(failed=type(error).__name__)


def _opened(content: bytes) -> Image.Image:
    """Return a picture as it is meant to be seen, on white, no larger than can be read.

    Raises:
        OSError, ValueError, SyntaxError: it cannot be opened.
        Image.DecompressionBombError: it has far more pixels than a photograph.
    """
    with Image.open(io.BytesIO(content), formats=_FORMATS) as picture:
        if picture.width * picture.height > _PIXELS_MAX:
            raise Image.DecompressionBombError
        picture.draft("RGB", (_SIDE_MAX, _SIDE_MAX))
        picture.thumbnail((_SIDE_MAX, _SIDE_MAX))
        drawn = ImageOps.exif_transpose(picture).convert("RGBA")
    # The engine enlarges by the shorter side: a narrow strip would grow to many times the pixels of a card.
    least = max(drawn.size) // 2
    sheet = Image.new("RGB", (max(drawn.width, least), max(drawn.height, least)), "white")
    sheet.paste(drawn, mask=drawn.getchannel("A"))
    return sheet


def _lines(engine: RapidOCR, picture: Image.Image) -> tuple[Line, ...]:
    image, record = engine.preprocess_img(np.asarray(picture)[:, :, ::-1])
    boxes, turns, texts, _ = engine.run_ocr_steps(image, record)
    if boxes.boxes is None or turns.cls_res is None or texts.txts is None:
        return ()
    read = zip(boxes.boxes, turns.cls_res, texts.txts, texts.word_results, strict=True)
    lines = (Line(text, _sure(text, word.confs), _corners(box, turn)) for box, turn, text, word in read if text)
    return tuple(islice(lines, _LINES_MAX))


def _sure(text: str, confidences: Sequence[float]) -> tuple[float, ...]:
    """Return how sure each sign is; where the engine counts signs otherwise, as the least sure of them."""
    if len(confidences) != len(text):
        confidences = [min(confidences, default=0.0)] * len(text)
    return tuple(min(1.0, float(one)) for one in confidences)


def _corners(box: Any, turn: tuple[str, float]) -> tuple[Point, Point, Point, Point]:
    """Return the corners in the order in which the text is read; a box begins at the picture's upper left."""
    width = max(np.linalg.norm(box[0] - box[1]), np.linalg.norm(box[2] - box[3]))
    height = max(np.linalg.norm(box[0] - box[3]), np.linalg.norm(box[1] - box[2]))
    first = (1 if int(height) >= _TALL * int(width) else 0) + (2 if turn[0] == "180" and turn[1] > _TURNED else 0)
    a, b, c, d = (Point(float(x), float(y)) for x, y in np.roll(box, -first, axis=0))
    return a, b, c, d


if __name__ == "__main__":
    serve(_reading)
