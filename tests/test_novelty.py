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
    training = random.standard_normal(dim), axes.T, random.standard_normal((32, 32)), 7.0
    return Novelty(*training), random.standard_normal((n_rows, dim)).astype(np.float32), training


def test_a_score_has_the_same_bits_whatever_is_scored_beside_it():
    novelty, embeddings, _ = drawn(65)
    alone = np.array([novelty.scores(row[None])[0] for row in embeddings])
    assert novelty.scores(embeddings).tobytes() == alone.tobytes()
    assert novelty.scores(embeddings[::-1])[::-1].tobytes() == alone.tobytes()
    assert novelty.scores(np.asfortranarray(embeddings)).tobytes() == alone.tobytes()
    assert novelty.scores(embeddings[:0]).shape == (0,)


def test_a_score_is_the_distance_that_the_formula_says():
    _, embeddings, (mean, axes, centres, mean_square) = drawn(5)
    places = mean + centres @ axes
    squares = ((embeddings[:, None] - places) ** 2).sum(axis=2).min(axis=1)
    found = novelty_scores(embeddings, mean, axes, centres, mean_square)
    np.testing.assert_allclose(found, np.sqrt(squares / mean_square), rtol=1e-9)


def test_what_lies_between_two_kinds_of_sound_is_new_though_it_is_their_mean():
    axes, centres = np.eye(64)[:2], np.array([[3.0, 0.0], [-3.0, 0.0]])
    at_a_kind, between = np.zeros(64), np.zeros(64)
    at_a_kind[0] = 3.5
    kind, middle = novelty_scores(np.stack((at_a_kind, between)), np.zeros(64), axes, centres, 0.25)
    assert (kind, middle) == (1.0, 6.0)


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
