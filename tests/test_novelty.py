"""How unusual an embedding is: the same number live and offline, and what it means."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import noise, statistics, tiny_model

from streamdeep.heads.novelty import Novelty, novelty_scores
from streamdeep.pipeline import Pipeline, Scoring
from streamdeep.records import Block

DIM = 1536


def drawn(n_rows, dim=DIM):
    random = np.random.default_rng(7)
    axes, _ = np.linalg.qr(random.standard_normal((dim, 32)))
    training = random.standard_normal(dim), axes.T, np.linspace(9, 0.1, 32), 0.01
    return Novelty(*training), random.standard_normal((n_rows, dim)).astype(np.float32), training


def test_a_score_has_the_same_bits_whatever_is_scored_beside_it():
    novelty, embeddings, _ = drawn(65)
    alone = np.array([novelty.scores(row[None])[0] for row in embeddings])
    assert novelty.scores(embeddings).tobytes() == alone.tobytes()
    assert novelty.scores(embeddings[::-1])[::-1].tobytes() == alone.tobytes()
    assert novelty.scores(np.asfortranarray(embeddings)).tobytes() == alone.tobytes()
    assert novelty.scores(embeddings[:0]).shape == (0,)


def test_a_score_is_the_distance_that_the_formula_says():
    _, embeddings, (mean, axes, variances, residual) = drawn(5)
    deviations = embeddings - mean
    covariance = (axes.T * (variances - residual)) @ axes + residual * np.eye(DIM)
    squares = np.einsum("nd,nd->n", deviations, np.linalg.solve(covariance, deviations.T).T)
    found = novelty_scores(embeddings, mean, axes, variances, residual)
    np.testing.assert_allclose(found, np.sqrt(squares / DIM), rtol=1e-9)


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(1, 5000), min_size=1, max_size=8))
def test_novelty_does_not_depend_on_how_sound_is_cut(cuts):
    samples = noise(20_000)

    def embed(lengths):
        pipeline, found, at = Pipeline(tiny_model(), 8000, 1), [], 0
        while at < len(samples):
            length = lengths[len(found) % len(lengths)]
            found += pipeline.push(Block(samples[at : at + length], at))
            at += length
        return [one.novelty for one in found + pipeline.flush()]

    assert embed(cuts) == embed([len(samples)])


def test_a_model_without_statistics_tells_no_novelty():
    model = tiny_model()
    (one, *_) = Pipeline(model, 8000, 1).push(Block(noise(8000), 0))
    assert one.novelty > 0
    assert Scoring(None).scores([one, one]) == [None, None]
    told = Scoring(statistics(model.contract.encoder.dim)).scores([one])
    assert told == [pytest.approx(one.novelty)]
