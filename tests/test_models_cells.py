"""Every cell is its equations, whatever the padding; two directions do not know each other."""

import numpy as np
import pytest
import torch
from torch import nn

from streamdeep_trainer.models.cells import ResetBeforeGru, make_layer, run_layer, state_width
from streamdeep_trainer.models.stack import StackShape, make_layers, run_stack

CELLS = ["gru", "gru-reset-before", "lstm", "minimal"]
LENGTHS = torch.tensor([9, 4, 1])


def rows(n_rows=3, n_steps=9, width=5, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand((n_rows, n_steps, width), generator=generator) * 2 - 1


def layer(cell, n_inputs=5, units=4):
    torch.manual_seed(0)
    return make_layer(cell, n_inputs, units).eval()


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def by_hand(cell, weights, steps, state):
    """One row through the equations, in float64."""
    found = []
    w, b = weights["weight_ih_l0"], weights["bias_ih_l0"]
    r = weights.get("weight_hh_l0", np.zeros((0, len(b) // 2)))
    second = weights.get("bias_hh_l0", np.zeros_like(b))
    units = r.shape[1]
    for x in steps:
        if cell == "lstm":
            memory, hidden = np.split(state, 2)
            i, f, g, o = np.split(w @ x + r @ hidden + b + second, 4)
            memory = sigmoid(f) * memory + sigmoid(i) * np.tanh(g)
            state = np.concatenate((memory, sigmoid(o) * np.tanh(memory)))
        elif cell == "minimal":
            update, new = np.split(w @ x + b, 2)
            state = sigmoid(update) * state + (1 - sigmoid(update)) * np.tanh(new)
        else:
            gates = sigmoid((w @ x + b + r @ state + second)[: 2 * units])
            reset, update = np.split(gates, 2)
            if cell == "gru":
                from_state = reset * (r[2 * units :] @ state + second[2 * units :])
            else:
                from_state = r[2 * units :] @ (reset * state)
            new = np.tanh(w[2 * units :] @ x + b[2 * units :] + from_state)
            state = update * state + (1 - update) * new
        found.append(state[-units:])
    return np.array(found), state


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])
@pytest.mark.parametrize("cell", CELLS)
def test_a_cell_is_its_equations(cell, lengths):
    net, steps = layer(cell), rows()
    opening = rows(3, 1, state_width(cell, 4), seed=2)[:, 0]
    weights = {name: p.detach().double().numpy() for name, p in net.named_parameters()}
    with torch.no_grad():
        outputs, final = run_layer(net, steps, opening, lengths)
    for row in range(3):
        own = steps[row, : 9 if lengths is None else lengths[row]].double().numpy()
        wanted, state = by_hand(cell, weights, own, opening[row].double().numpy())
        np.testing.assert_allclose(outputs[row, : len(own)], wanted, atol=1e-6)
        np.testing.assert_allclose(final[row], state, atol=1e-6)


def test_the_two_reset_conventions_are_two_cells():
    after, before = nn.GRU(5, 4, batch_first=True), ResetBeforeGru(5, 4)
    with torch.no_grad():
        before.weight_ih_l0.copy_(after.weight_ih_l0)
        before.weight_hh_l0.copy_(after.weight_hh_l0)
        before.bias_ih_l0.copy_(after.bias_ih_l0)
        after.bias_hh_l0.zero_()
        apart = run_layer(after, rows(), None, None)[0] - run_layer(before, rows(), None, None)[0]
    assert apart[:, 0].abs().max() < 1e-6  # from zeros, the first step is the same
    assert apart[:, 3].abs().max() > 1e-3


def test_the_forget_bias_is_one_and_stays():
    lstm = layer("lstm")
    frozen = lstm.get_parameter("bias_hh_l0")
    assert frozen.tolist() == [0.0] * 4 + [1.0] * 4 + [0.0] * 8
    assert not frozen.requires_grad
    run_layer(lstm, rows(), None, None)[0].sum().backward()
    assert frozen.grad is None
    assert lstm.get_parameter("bias_ih_l0").grad is not None


def stack(cell, *, bidirectional, units=(6, 4), **changes):
    torch.manual_seed(0)
    shape = StackShape(5, units, cell, bidirectional, **changes)
    return shape, make_layers(shape), make_layers(shape) if bidirectional else None


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_padding_changes_nothing_in_any_direction(cell, bidirectional):
    parts = stack(cell, bidirectional=bidirectional)
    short, longer = rows(), torch.full((3, 15, 5), -7.0)
    for row, length in enumerate(LENGTHS):
        longer[row, :length] = short[row, :length]
    with torch.no_grad():
        outputs, states = run_stack(*parts, longer, None, LENGTHS, training=False)
        for row, length in enumerate(LENGTHS):
            alone, state = run_stack(
                *parts, short[row : row + 1, :length], None, None, training=False
            )
            assert torch.allclose(states[row], state[0], atol=1e-6)
            for padded, own in zip(outputs, alone, strict=True):
                assert torch.allclose(padded[row, :length], own[0], atol=1e-6)


@pytest.mark.parametrize("cell", CELLS)
def test_two_directions_are_two_stacks_that_do_not_know_each_other(cell):
    shape, forwards, backwards = stack(cell, bidirectional=True)
    one = StackShape(5, (6, 4), cell)
    with torch.no_grad():
        outputs, states = run_stack(shape, forwards, backwards, rows(), None, None, training=False)
        there, ahead = run_stack(one, forwards, None, rows(), None, None, training=False)
        back, behind = run_stack(one, backwards, None, rows().flip(1), None, None, training=False)
    for index in range(2):
        assert torch.equal(outputs[2 * index], there[index])
        assert torch.equal(outputs[2 * index + 1], back[index].flip(1))
    parts = torch.split(states, list(shape.state_widths), dim=1)
    widths = list(one.state_widths)
    assert torch.equal(torch.cat(parts[::2], dim=1), ahead)
    assert torch.equal(torch.cat(parts[1::2], dim=1), behind)
    assert [part.shape[1] for part in parts] == [width for width in widths for _ in range(2)]


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_a_stack_goes_on_from_the_state_it_is_given(cell, bidirectional):
    parts = stack(cell, bidirectional=bidirectional)
    opening = torch.full((3, parts[0].state_width), 0.3)
    with torch.no_grad():
        _, fresh = run_stack(*parts, rows(), None, None, training=False)
        _, other = run_stack(*parts, rows(), opening, None, training=False)
        if not bidirectional:
            _, half = run_stack(*parts, rows()[:, :4], None, None, training=False)
            _, rest = run_stack(*parts, rows()[:, 4:], half, None, training=False)
            assert torch.allclose(rest, fresh, atol=1e-6)
    assert not torch.allclose(fresh, other)


@pytest.mark.parametrize(("placement", "n_kept"), [("between", 1), ("around", 4)])
def test_dropout_lies_between_the_layers_or_around_each(placement, n_kept, monkeypatch):
    calls = []
    monkeypatch.setattr(nn.functional, "dropout", lambda x, p, on: calls.append((p, on)) or x)
    parts = stack("gru", bidirectional=False, dropout=0.25, dropout_placement=placement)
    run_stack(*parts, rows(), None, None, training=True)
    assert calls == [(0.25, True)] * n_kept
