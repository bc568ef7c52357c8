"""An array of palette indices as PNG (W3C, "Portable Network Graphics", third edition), for pictures within pages.

Twenty lines over zlib; why no library is in ``docs/decisions/0011``. Not here: reading PNG, other kinds of it.
"""

import base64
import struct
import zlib

import numpy as np
from numpy.typing import NDArray


def png(indices: NDArray[np.uint8], palette: NDArray[np.uint8]) -> bytes:
    """Encode a picture.

    Args:
        indices: ``(height, width)``, the uppermost row first; both at least 1.
        palette: ``(256, 4)`` red, green, blue, alpha.
    """
    height, width = indices.shape
    # Each row begins with its filter: 0 is none, which suits palettes best.
    rows = np.zeros((height, width + 1), dtype=np.uint8)
    rows[:, 1:] = indices
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            # Eight bits, palette, deflate, adaptive filters, not interlaced.
            _chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, 3, 0, 0, 0)),
            _chunk(b"PLTE", palette[:, :3].tobytes()),
            _chunk(b"tRNS", palette[:, 3].tobytes()),
            _chunk(b"IDAT", zlib.compress(rows.tobytes(), 9)),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def data_address(picture: bytes) -> str:
    """The address under which a page holds a PNG itself."""
    return f"data:image/png;base64,{base64.b64encode(picture).decode()}"
