"""Any text as an identifier of letters, digits, underscore and hyphen, so that no two texts share one.

Home Assistant allows nothing else in discovery topics, and stream names have dots. Pure.
"""

import re
from typing import Final

_OTHER: Final = re.compile(rb"[^A-Za-z0-9-]")


def identifier(*parts: str) -> str:
    """One identifier for a sequence of texts; different sequences have different ones.

    Bytes other than ASCII letters, digits and the hyphen become ``_`` and two hexadecimal digits; two
    underscores stand between parts.
    """
    return "__".join(
        _OTHER.sub(lambda found: b"_%02x" % ord(found[0]), part.encode()).decode("ascii")
        for part in parts
    )
