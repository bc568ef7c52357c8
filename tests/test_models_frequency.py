"""f-rae and ft-rae: windows cover every band, decoders do not see their target, losses fall."""

import numpy as np
import pytest
import torch

from streamdeep_trainer.models.frequency import (
    FrequencyAutoencoder,
    FrequencyAutoencoderShape,
    decode_bands,
)
from streamdeep_trainer.models.frequency_time import FrequencyTimeAutoencoder, FrequencyTimeShape
from streamdeep_trainer.models.networks import build_network
from streamdeep_trainer.models.windows import Windows
from streamdeep_trainer.objectives.squares import rmse

LENGTHS = torch.tensor([5, 3, 1])
WINDOWS = Windows((14,), width=6, overlap=2)
CELLS = ["gru", "gru-reset-before", "lstm"]


def frames(n_rows=3, n_steps=5, n_bands=14, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand((n_rows, n_steps, n_bands), generator=generator) * 2 - 1


def f_rae(windows=WINDOWS, **changes):
    torch.manual_seed(0)
    shape = FrequencyAutoencoderShape(windows, (6, 4), code=7, decoder_units=(8,), **changes)
    return FrequencyAutoencoder(shape).eval()


def ft_rae(windows=WINDOWS, **changes):
    torch.manual_seed(0)
    sizes = {"decoder_units": (8, 6), "frequency_decoder_units": (7,), "dim": 9}
    return FrequencyTimeAutoencoder(
        FrequencyTimeShape(windows, (5,), (6, 4), **sizes, **changes)
    ).eval()


def test_audeeps_windows_are_thirteen_of_128_bands():
    windows = Windows((128,))
    assert len(windows.starts) == 13
    assert windows.indices()[0].tolist() == list(range(32))
    assert windows.indices()[-1].tolist() == list(range(96, 128))


@pytest.mark.parametrize(("n_bands", "nearest"), [(130, "128 or 136"), (127, "120 or 128")])
def test_bands_left_over_are_refused_with_the_two_nearest(n_bands, nearest):
    with pytest.raises(ValueError, match=nearest):
        Windows((n_bands,))


@pytest.mark.parametrize("bands", [(130,), (127,), (32,), (128, 33)])
def test_a_shifted_last_window_leaves_no_band_out(bands):
    windows = Windows(bands, remainder="shift")
    assert set(windows.indices().ravel()) == set(range(sum(bands)))
    assert all(np.diff(windows.starts) > 0)


def test_no_window_spans_two_views():
    windows = Windows((40, 48))
    assert windows.starts == (0, 8, 40, 48, 56)
    assert windows.n_bands == 88


@pytest.mark.parametrize(
    ("bands", "width", "overlap"), [((128,), 32, 32), ((128,), 32, -1), ((20,), 32, 24)]
)
def test_impossible_windows_are_refused(bands, width, overlap):
    with pytest.raises(ValueError, match="window"):
        Windows(bands, width, overlap)


def test_windows_of_other_frames_are_refused():
    from streamdeep_trainer.models.encoder import EncoderShape

    frequency = FrequencyAutoencoderShape(WINDOWS).encoder.frequency
    with pytest.raises(ValueError, match="14 bands; a frame has 20"):
        EncoderShape(n_features=20, units=(4,), frequency=frequency)
    with pytest.raises(ValueError, match="without layers over time"):
        EncoderShape(n_features=20, units=())


@pytest.mark.parametrize("windows", [WINDOWS, Windows((15,), 6, 2, "shift")])
@pytest.mark.parametrize("make", [f_rae, ft_rae])
def test_shapes(make, windows):
    net, rows = make(windows), frames(n_bands=windows.n_bands)
    reconstruction, target = net(rows, LENGTHS)
    assert reconstruction.shape == target.shape == rows.shape
    n_outputs = 7 if make is f_rae else 10
    assert net.encoder(rows, LENGTHS).shape == (3, 3 * n_outputs)
    assert net.shape.embedding_dim == 3 * n_outputs
    assert make(windows, readout="final").encoder(rows, LENGTHS).shape == (
        3,
        7 if make is f_rae else 9,
    )


def test_targets_are_turned_round():
    rows = frames()
    assert torch.equal(f_rae()(rows, LENGTHS)[1], rows.flip(2))
    target = ft_rae()(rows, LENGTHS)[1]
    assert torch.equal(target[0], rows[0].flip(0, 1))
    assert torch.equal(target[1, :3], rows[1, :3].flip(0, 1))


def seen(decode, targets):
    """``(time, band, time, band)`` bool: which output depends on which target."""
    n_steps, n_bands = targets.shape[1:]
    found = np.zeros((n_steps, n_bands, n_steps, n_bands), dtype=bool)
    with torch.no_grad():
        before = decode(targets)
        for step in range(n_steps):
            for band in range(n_bands):
                changed = targets.clone()
                changed[0, step, band] += 0.5
                found[:, :, step, band] = (decode(changed) != before)[0].numpy()
    return found


@pytest.mark.parametrize("windows", [WINDOWS, Windows((13,), 6, 2, "shift")])
@pytest.mark.parametrize("cell", CELLS)
def test_f_rae_makes_a_block_from_the_blocks_before_it_in_its_own_frame(cell, windows):
    net = f_rae(windows, cell=cell)
    codes = frames(1, 3, 7, seed=2)
    found = seen(
        lambda targets: decode_bands(net.decoder, codes, targets), frames(1, 3, windows.n_bands)
    )
    step, band, of_step, of_band = np.ogrid[:3, : windows.n_bands, :3, : windows.n_bands]
    np.testing.assert_array_equal(found, (of_step == step) & (of_band // 4 < band // 4))


@pytest.mark.parametrize("cell", CELLS)
def test_ft_rae_makes_a_block_from_what_lies_before_it_in_time_and_frequency(cell):
    net = ft_rae(cell=cell)
    embedding = frames(1, 1, net.shape.embedding_dim, seed=2)[:, 0]

    def decode(targets):
        steps = net.encoder.frequency(targets.flip(2))
        return net.decode(embedding, steps, targets)

    found = seen(decode, frames(1, 4))
    step, band, of_step, of_band = np.ogrid[:4, :14, :4, :14]
    earlier = (of_step < step) | ((of_step == step) & (of_band // 4 < band // 4))
    np.testing.assert_array_equal(found & ~earlier, False)
    # A change may vanish in float32 on its way through four cells; one frame on, nothing has vanished.
    near = (of_step == step - 1) | (of_step == step)
    assert found[earlier & near].mean() > 0.95


@pytest.mark.parametrize("readout", ["pooled", "final"])
@pytest.mark.parametrize("make", [f_rae, ft_rae])
def test_padding_changes_neither_embedding_nor_loss(make, readout):
    net, short = make(readout=readout), frames()
    longer = torch.full((3, 8, 14), 4.0)
    squares = 0.0
    with torch.no_grad():
        for row, length in enumerate(LENGTHS):
            longer[row, :length] = short[row, :length]
            alone = short[row : row + 1, :length]
            reconstruction, target = net(alone, length[None])
            squares += ((reconstruction - target) ** 2).sum().item()
            assert torch.allclose(
                net.encoder(longer, LENGTHS)[row], net.encoder(alone, length[None])[0], atol=1e-6
            )
        found = rmse(*net(longer, LENGTHS), LENGTHS).item()
    assert found == pytest.approx((squares / (9 * 14)) ** 0.5, abs=1e-6)


F_OPTIONS = [
    {},
    {"bidirectional_encoder": True, "encoder_noise": 0.1},
    {"bidirectional_decoder": True, "feed": "nothing"},
    {"own_probability": 0.5, "mask_silence": True},
]
FT_OPTIONS = [
    {},
    {"bidirectional_encoder": True, "bidirectional_frequency_encoder": True, "readout": "final"},
    {"own_probability": 0.5, "frequency_own_probability": 0.5, "mask_silence": True},
    {"encoder_noise": 0.1, "frequency_encoder_noise": 0.1, "frame_dropout": 0.1},
]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(
    ("make", "changes"),
    [*((f_rae, changes) for changes in F_OPTIONS), *((ft_rae, changes) for changes in FT_OPTIONS)],
)
def test_every_option_learns(make, changes, cell):
    net, rows = make(cell=cell, dropout=0.0, **changes).train(), frames(4)
    lengths = torch.tensor([5, 5, 3, 1])
    adam = torch.optim.Adam(net.parameters(), lr=0.02)
    losses = []
    for _ in range(20):
        loss = rmse(*net(rows, lengths), lengths)
        adam.zero_grad()
        loss.backward()
        adam.step()
        losses.append(loss.item())
    assert losses[-1] < 0.95 * losses[0]
    used = [name for name, p in net.named_parameters() if p.grad is not None]
    assert [name for name, p in net.named_parameters() if p.requires_grad] == used


def test_a_shape_builds_its_network():
    assert isinstance(build_network(FrequencyAutoencoderShape(WINDOWS)), FrequencyAutoencoder)
    assert isinstance(build_network(FrequencyTimeShape(WINDOWS)), FrequencyTimeAutoencoder)


def test_the_windows_are_no_weight():
    assert "encoder.frequency.indices" not in f_rae().state_dict()
