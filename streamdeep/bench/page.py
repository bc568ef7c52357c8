"""The report as one HTML file: light and dark, for a phone too, and nothing loaded from elsewhere."""

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from streamdeep.bench.charts import Line, chart, stage_bars
from streamdeep.bench.report import Report
from streamdeep.bench.trial import Trial
from streamdeep.errors import ConfigurationError

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --dim: #5a6675; --paper: #ffffff; --card: #f4f6f8;
  --grid: #dde2e8; --c0: #1f6feb; --c1: #c2410c; --warn: #8a5a00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --dim: #9aa6b4; --paper: #12161c; --card: #1b212a;
  --grid: #313a46; --c0: #6cb0ff; --c1: #ff9a5c; --warn: #f0c05a; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 46rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.4rem; margin: .5rem 0; } h2 { font-size: 1.1rem; margin: 2rem 0 .3rem; }
.sentence { font-size: 1.15rem; background: var(--card); padding: 1rem; border-radius: .5rem; }
.warn { color: var(--warn); } p, dd { margin: .3rem 0; } dt { color: var(--dim); } dd { overflow-wrap: anywhere; }
.note { color: var(--dim); font-size: .9rem; }
svg { width: 100%; max-width: 36rem; height: auto; margin: .5rem 0; display: block; font-size: 11px; }
svg text { fill: var(--dim); } .grid { stroke: var(--grid); } .limit { stroke: var(--c1); stroke-dasharray: 5 4; }
.full { fill: var(--c0); } .pale { fill: var(--c0); opacity: .35; }
.line { fill: none; stroke-width: 2; } .line.c0 { stroke: var(--c0); } .line.c1 { stroke: var(--c1); }
circle { stroke-width: 2; } circle.c0 { fill: var(--c0); stroke: var(--c0); } circle.hollow { fill: var(--paper); }
.key { display: inline-block; width: .8em; height: .8em; border-radius: 50%; margin: 0 .3em 0 .8em; }
.key.c0 { background: var(--c0); } .key.c1 { background: var(--c1); }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .25rem .5rem; border-bottom: 1px solid var(--grid); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } th { font-weight: 600; color: var(--dim); font-size: .85rem; }
td.why { white-space: normal; min-width: 15rem; text-align: left; }
@media (max-width: 32rem) { table { font-size: .8rem; } th, td { padding: .25rem .3rem; } }
"""


def write_page(path: Path, report: Report) -> None:
    """Write the report.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    try:
        path.write_text(page(report), encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}: {error.strerror}") from error


def page(report: Report) -> str:
    """The whole file."""
    name = escape(report.model["name"])
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>streamdeep bench: {name}</title><style>{_STYLE}</style></head><body>",
        f"<h1>What this machine can do with {name}</h1>",
        f'<p class="sentence">{escape(report.sentence)}</p>',
        *(f'<p class="warn">{escape(warning)}</p>' for warning in report.warnings),
        *_latency(report),
        *_cost(report),
        *_facts(report),
        "</body></html>",
    ]
    return "\n".join(parts)


def _latency(report: Report) -> Iterable[str]:
    found = report.latency.latency_ms
    if not found:
        return
    total = found["total"]
    yield "<h2>From a segment's last sample to the embedding</h2>"
    yield (
        f'<p class="note">One stream, {total.n} embeddings, decoded in another process over TCP. Bars: '
        "median, and pale up to the 99th percentile, or the most where there are too few; milliseconds.</p>"
    )
    yield stage_bars(
        [
            (
                stage,
                value.percentiles["p50"] or value.largest,
                value.percentiles["p99"] or value.largest,
            )
            for stage, value in found.items()
        ]
    )
    columns = ("p50", "p95", "p99", "p99.9")
    yield _table(
        ("ms", *columns, "most"),
        [
            (stage, *(_ms(value.percentiles[column]) for column in columns), _ms(value.largest))
            for stage, value in found.items()
        ],
    )
    yield (
        '<p class="note">A dash stands where there are too few values to tell. capture: until the engine '
        "takes the sound up, the wait for the rest of a 10 ms block included; wire: from the publisher to the "
        "decoded message.</p>"
    )
    lines, keys = [_distribution("one stream", report.latency)], ["one stream"]
    most = [trial for trial in report.trials if trial.n_streams == report.most_streams > 1]
    if most:
        keys.append(f"{report.most_streams:,} streams")
        lines.append(_distribution(keys[1], most[0]))
    yield "<h3>How it is distributed</h3>"
    yield (
        "<p>"
        + "".join(f'<span class="key c{n}"></span>{escape(key)}' for n, key in enumerate(keys))
        + "</p>"
    )
    yield chart(lines, x_label="ms until decoded", y_label="% of embeddings", y_most=100.0)


def _distribution(name: str, trial: Trial) -> Line:
    # The last hundredth would make all the others small.
    values = trial.latency_ms["total"].distribution[:-1]
    return Line(name, [(value, float(percent)) for percent, value in enumerate(values)])


def _cost(report: Report) -> Iterable[str]:
    trials = report.trials
    hollow = frozenset(index for index, trial in enumerate(trials) if not trial.carried)
    yield "<h2>Streams on one core</h2>"
    yield (
        f'<p class="note">Every point was measured, over {report.seconds:g} s of sound at the pace of live sound; '
        "hollow: not carried. A 99th percentile above twice the deadline is drawn at the edge.</p>"
    )
    if len(trials) > 1:
        cost = [(float(trial.n_streams), 100 * trial.engine_core) for trial in trials]
        yield chart(
            [Line("cost", cost, hollow, dots=True)],
            x_label="streams", y_label="% of a core", log_x=True,
        )  # fmt: skip
        tails = [
            (index, (float(trial.n_streams), trial.p99_ms))
            for index, trial in enumerate(trials)
            if trial.p99_ms is not None
        ]
        if tails:
            places = frozenset(place for place, (index, _) in enumerate(tails) if index in hollow)
            yield chart(
                [Line("p99", [point for _, point in tails], places, dots=True)],
                x_label="streams", y_label="99th percentile, ms", log_x=True,
                limit=(report.deadline_ms, f"deadline: {report.deadline_ms:g} ms"),
                y_most=2 * report.deadline_ms,
            )  # fmt: skip
    rows = [
        (
            f"{trial.n_streams:,}",
            f"{100 * trial.engine_core:.1f}",
            f"{100 * trial.engine_core / trial.n_streams:.3f}",
            _ms(trial.p99_ms),
            f"{sum(trial.dropped.values()):,}",
            "carried" if trial.carried else str(trial.why_not),
        )
        for trial in trials
    ]
    yield _table(("streams", "% of a core", "% a stream", "p99 ms", "dropped", ""), rows)


def _facts(report: Report) -> Iterable[str]:
    machine, model = report.machine, report.model
    where = "any core" if machine.engine_core is None else f"core {machine.engine_core}"
    facts = [
        *report.facts,
        (
            "model",
            f"{model['name']}, a segment of {model['segment_s']:g} s every {model['segment_hop_s']:g} s, "
            f"sound at {model['source_rate_hz']} Hz; {model['sha256']}",
        ),
        (
            "machine",
            f"{machine.processor}, {machine.n_cores} cores; {machine.system}; engine on {where}",
        ),
        (
            "load average before",
            "unknown" if machine.load_average is None else f"{machine.load_average:g}",
        ),
        ("versions", ", ".join(f"{name} {text}" for name, text in machine.versions.items())),
        (
            "accounts",
            "all samples accounted for"
            if not any(trial.unaccounted for trial in (report.latency, *report.trials))
            else "samples unaccounted for: a bug, please report it",
        ),
    ]
    yield "<h2>Besides</h2><dl>"
    for name, value in facts:
        yield f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>"
    yield "</dl>"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    heads = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join(
        "<tr>"
        + "".join(
            f"<td{' class=why' if column == len(row) - 1 and not head[column] else ''}>{escape(cell)}</td>"
            for column, cell in enumerate(row)
        )
        + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table><tr>{heads}</tr>{body}</table></div>'


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}" if value < 10 else f"{value:.1f}"
