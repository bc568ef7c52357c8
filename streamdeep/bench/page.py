"""The report as one HTML page."""

from collections.abc import Iterable
from html import escape

from streamdeep.bench.report import Report
from streamdeep.bench.trial import Trial
from streamdeep.pages.charts import Line, chart, stage_bars
from streamdeep.pages.document import definitions, document, table


def page(report: Report) -> str:
    """The whole file."""
    name = report.model["name"]
    parts = [
        f"<h1>What this machine can do with {escape(name)}</h1>",
        f'<p class="sentence">{escape(report.sentence)}</p>',
        *(f'<p class="warn">{escape(warning)}</p>' for warning in report.warnings),
        *_latency(report),
        *_cost(report),
        *_facts(report),
    ]
    return document(f"streamdeep bench: {name}", parts)


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
    yield table(
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
    yield table(("streams", "% of a core", "% a stream", "p99 ms", "dropped", ""), rows)


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
    yield "<h2>Besides</h2>"
    yield definitions(facts)


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}" if value < 10 else f"{value:.1f}"
