"""The compiled loops of the front-end, and all that the project knows of numba.

sums       dot products, means and peaks in a fixed order
spectra    windowed samples -> transforms -> bands, for views of one window
levels     loudness of hops; power to dB to [-1, 1]
rings      the same straight from the rings of many streams

Why loops and not array expressions: results must not depend on how many frames one call handles, to the
last bit. A matrix product through BLAS changes in the sixth digit with the number of rows; a loop whose
order is fixed per frame does not, and is no slower. For the same reason there is no ``fastmath`` (it
lets the compiler reorder sums) and no ``prange`` (it aborts the process when two threads enter). Long
sums are split by hand into four partial sums, so that the order is ours and the adds still overlap.

Everything here releases the GIL. Compiled code is cached under the user's cache folder; the first start on
a machine compiles for some seconds.
"""

import os
from pathlib import Path


def _cache_folder() -> str:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return str(Path(base) / "streamdeep" / "numba")


# Read by numba at import: an installed package's own folder may be read-only.
os.environ.setdefault("NUMBA_CACHE_DIR", _cache_folder())


def are_compiled() -> bool:
    """Whether an earlier start on this machine left compiled kernels; otherwise the next calls take seconds."""
    return any(Path(os.environ["NUMBA_CACHE_DIR"]).glob("*/*.ring_power-*.nbi"))
