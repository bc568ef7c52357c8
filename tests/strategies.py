"""Shared hypothesis strategies."""

from hypothesis import strategies as st


@st.composite
def cuttings(draw, total):
    """Lengths that add up to ``total``: tiny, ragged or large, zero included."""
    longest = draw(st.sampled_from([1, 3, 50, 700, total]))
    lengths, left = [], total
    while left:
        if len(lengths) > 60:  # enough cuts: the rest in one
            lengths.append(left)
            break
        length = draw(st.integers(0, min(longest, left)))
        lengths.append(length)
        left -= length
    return lengths
