"""Scores of a live signal as Markdown, JSON and a picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from streamdeep_trainer.live.events import Event
from streamdeep_trainer.live.folds import LiveScores
from streamdeep_trainer.live.scoring import COLLARS_S, OFFSET_SHARE, FoldScores
from streamdeep_trainer.live.signal import Signal

_COLOURS = "#0072b2 #e69f00 #009e73 #d55e00 #cc79a7 #56b4e9 #f0e442 #999999".split()
_SHOWN_S = 90.0
_COLUMNS = (
    "", f"event F1, {COLLARS_S[0]:g} s", f"event F1, {COLLARS_S[1]:g} s", f"onset F1, {COLLARS_S[0]:g} s",
    "segment F1", "accuracy", "heard", "delay, s: median", "90 %", "false a minute",
)  # fmt: skip


def ways_of(found: LiveScores) -> dict[str, list[FoldScores]]:
    """The folds of each way to decide, in the order of the table."""
    ways: dict[str, list[FoldScores]] = {}
    for one in found.scores:
        ways.setdefault(one.way, []).append(one)
    return ways


def as_json(found: LiveScores) -> dict[str, Any]:
    """Everything but the example, for programs."""
    return {
        "model": found.model.hex(),
        "labels": found.labels,
        "clips": found.n_clips,
        "segment_s": found.segment_s,
        "hop_s": found.hop_s,
        "seed": found.seed,
        "offset_share": OFFSET_SHARE,
        "scores": [
            {
                "fold": one.fold,
                "way": one.way,
                "settings": one.settings.model_dump(exclude={"classes", "hold_s"}),
                "event_f1": {f"{collar_s:g}": value for collar_s, value in one.event_f1.items()},
                "onset_f1": {f"{collar_s:g}": value for collar_s, value in one.onset_f1.items()},
                "segment_f1": one.segment_f1,
                "accuracy": one.accuracy,
                "delay_median_s": _quantile(one.delays_s, 0.5),
                "delay_p90_s": _quantile(one.delays_s, 0.9),
                "references": one.n_references,
                "heard": len(one.delays_s),
                "told": one.n_told,
                "false": one.n_false,
                "minutes": one.minutes,
            }
            for one in found.scores
        ],
    }


def _quantile(values: Sequence[float], share: float) -> float | None:
    return float(np.quantile(values, share)) if values else None


def rows_of(found: LiveScores) -> list[tuple[str, ...]]:
    """A row for each way, mean and standard deviation over the folds; the first row is the head."""
    rows: list[tuple[str, ...]] = [_COLUMNS]
    for way, folds in ways_of(found).items():
        rows.append(
            (
                way,
                _percent([one.event_f1[COLLARS_S[0]] for one in folds]),
                _percent([one.event_f1[COLLARS_S[1]] for one in folds]),
                _percent([one.onset_f1[COLLARS_S[0]] for one in folds]),
                _percent([one.segment_f1 for one in folds]),
                _percent([one.accuracy for one in folds]),
                _percent([len(one.delays_s) / one.n_references for one in folds]),
                _spread([_quantile(one.delays_s, 0.5) for one in folds], ".1f"),
                _spread([_quantile(one.delays_s, 0.9) for one in folds], ".1f"),
                _spread([one.n_false / one.minutes for one in folds], ".1f"),
            )
        )
    return rows


def _percent(values: Sequence[float]) -> str:
    return _spread([100.0 * value for value in values], ".1f")


def _spread(values: Sequence[float | None], form: str) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    return f"{np.mean(known):{form}} ± {np.std(known, ddof=min(1, len(known) - 1)):{form}}"


def as_markdown(found: LiveScores) -> str:
    """The table, what it means, and the event-based F1 of each fold."""
    minutes = sum(one.minutes for one in next(iter(ways_of(found).values())))
    folds = sorted({one.fold for one in found.scores})
    lines = [
        f"{found.n_clips} clips of {len(found.labels)} classes, {minutes:.1f} minutes, in {len(folds)} held-out folds; each fold is one "
        f"signal (order: seed {found.seed}). Embeddings of {found.segment_s:g} s every {found.hop_s:g} s by the encoder "
        f"{found.model.hex()[:16]}. In percent where nothing else is said, mean ± standard deviation over the folds.",
        "",
        *_markdown_table(rows_of(found)),
        "",
        f"Event F1: class, onset within the collar, offset within the collar or {100 * OFFSET_SHARE:g} % of the length.",
        "",
        *_markdown_table(
            [
                (f"event F1, {COLLARS_S[0]:g} s", *(f"fold {fold}" for fold in folds)),
                *(
                    (way, *(f"{100 * one.event_f1[COLLARS_S[0]]:.1f}" for one in of_way))
                    for way, of_way in ways_of(found).items()
                ),
            ]
        ),
    ]
    chosen = [one for one in found.scores if one.way == list(ways_of(found))[-1]]
    lines += ["", f"Settings of the last row ({chosen[0].way}), by fold:", ""]
    lines += [f"- fold {one.fold}: {_settings(one)}" for one in chosen]
    return "\n".join(lines) + "\n"


def _settings(one: FoldScores) -> str:
    found = one.settings
    off = 0.7 * found.on if found.off is None else found.off
    return (
        f"smoothing_s {found.smoothing_s:g}, on {found.on:g}, off {off:.2g}, "
        f"min_on_s {found.min_on_s:g}, min_off_s {found.min_off_s:g}"
    )


def _markdown_table(rows: Sequence[Sequence[str]]) -> list[str]:
    head, *rest = rows
    return ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rest)]


def draw(path: Path, found: LiveScores) -> None:
    """A PNG: event-based F1 of each fold, how late sounds are told, and the first fold's first minute and a half."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    ways = ways_of(found)
    # Not pyplot: it would look for a screen.
    figure = Figure(figsize=(11.0, 8.5), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplot_mosaic([["f1", "late"], ["heard", "heard"]], height_ratios=(1.0, 1.1))
    left, right = axes["f1"], axes["late"]
    for place, (way, folds) in enumerate(ways.items()):
        values = [100.0 * one.event_f1[COLLARS_S[0]] for one in folds]
        colour = _COLOURS[place % len(_COLOURS)]
        left.barh(place, np.mean(values), color=colour, alpha=0.6)
        left.plot(values, [place] * len(values), "o", color=colour, markersize=4)
        late = np.sort([delay for one in folds for delay in one.delays_s])
        n_references = sum(one.n_references for one in folds)
        right.step(
            [0.0, *late],
            100.0 * np.arange(len(late) + 1) / n_references,
            where="post",
            color=colour,
            label=way,
        )
    left.set_yticks(range(len(ways)), list(ways))
    left.invert_yaxis()
    left.set_xlabel(f"event-based F1 in %, onset within {COLLARS_S[0]:g} s; a dot is a fold")
    right.set_xlabel("seconds since the sound began")
    right.set_ylabel("% of all sounds told")
    right.set_xlim(0.0, 8.0)
    right.legend(fontsize=8, loc="lower right")
    _draw_example(axes["heard"], found)
    figure.savefig(path, format="png")


def _draw_example(axes: Any, found: LiveScores) -> None:
    signal: Signal = found.first
    rate_hz = signal.sample_rate_hz
    colours = {label: _COLOURS[place % len(_COLOURS)] for place, label in enumerate(found.labels)}
    hatches = {
        label: "" if place < len(_COLOURS) else "//" for place, label in enumerate(found.labels)
    }
    rows: dict[str, Sequence[Event]] = {"what is to be heard": signal.references}
    rows |= {way: heard.told for way, heard in found.heard.items()}
    seen = set()
    for place, events in enumerate(rows.values()):
        for event in events:
            start_s, stop_s = event.start_sample / rate_hz, event.stop_sample / rate_hz
            if start_s < _SHOWN_S:
                axes.barh(
                    place,
                    min(stop_s, _SHOWN_S) - start_s,
                    left=start_s,
                    height=0.8,
                    color=colours[event.label],
                    hatch=hatches[event.label],
                    edgecolor="white",
                    linewidth=0.5,
                    label=None if event.label in seen else event.label,
                )
                seen.add(event.label)
    axes.set_yticks(range(len(rows)), list(rows))
    axes.invert_yaxis()
    axes.set_xlim(0.0, _SHOWN_S)
    axes.set_xlabel("seconds; sounds that overlap are drawn over one another")
    axes.legend(ncols=5, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0))
