"""What was said at every point of a run, side by side, and whether it adds up."""

import itertools
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from bench.endurance.listeners import Listener, by_topic, claimed_lost
from bench.endurance.sounds import STREAMS
from bench.endurance.witness import unaccounted

if TYPE_CHECKING:
    from bench.endurance.show import Show

KINDS = ("embedding", "event", "status", "model")


def account(show: "Show") -> dict[str, Any]:
    """The books of a run that has ended; JSON."""
    published = show.witness.published
    return {
        "length_s": show.length_s,
        "faults": [
            {"part": fault.part, "what": fault.what, "at_s": fault.began_s, "took_s": fault.took_s,
             "error": fault.error}
            for fault in show.faults
        ],
        "streams": {stream: _stream(show, stream) for stream in STREAMS},
        "sender": _sender(show),
        "audio_in": show.engine.said("audio_in")[-1],
        "published": {
            kind: sum(published.get(f"{kind}/{stream}/", 0) for stream in STREAMS) for kind in KINDS
        },
        "witness": show.witness_books,
        "ledgers_checked": show.witness.n_statuses,
        "ledgers_wrong": show.witness.wrong,
        "hub": [_hub(life.lines) for life in show.hubs],
        "listeners": [_exact(show)] + [_counted(show, one) for one in (show.node, show.c)],
        "mqtt": _mqtt(show),
        "resources": _resources(show),
        "exit_codes": show.ended,
        "notes": [
            line["message"]
            for event in ("microphone", "network", "reload", "recording")
            for line in show.engine.said(event)
        ],
    }  # fmt: skip


def _stream(show: "Show", stream: str) -> dict[str, Any]:
    (ledger,) = [line for line in show.engine.said("ledger") if line["stream"] == stream]
    keys = (
        "captured", "embedded", "skipped", "dropped", "in_flight", "gap_samples", "embeddings", "epochs"
    )  # fmt: skip
    kept = {key: ledger[key] for key in keys}
    heard = len(show.witness.embeddings[stream])
    return {
        **kept,
        "unaccounted": unaccounted(ledger),
        "said": ledger["unaccounted"],
        "published": show.witness.published[f"embedding/{stream}/"],
        "heard_by_witness": heard,
        "events": [event[1:] for event in show.witness.events if event[0] == stream],
    }


def _sender(show: "Show") -> dict[str, Any]:
    """The ledger of the life that ended well, and what the engine has of the one that was killed."""
    gaps = [event for event in show.witness.events if event[:2] == ("sender", "gap")]
    before = gaps[0][4] - gaps[0][2] if gaps else 0
    (ledger,) = [line for line in show.engine.said("ledger") if line["stream"] == "sender"]
    taken = show.sender_ledger["taken"]
    unaccounted = ledger["captured"] - before - taken
    return {**show.sender_ledger, "killed_taken": before, "unaccounted": unaccounted}


def _hub(lines: list[dict[str, Any]]) -> dict[str, Any]:
    counts = [line for line in lines if line.get("event") in ("counters", "end")][-1]
    refused = sum(counts["refused"].values())
    settled = counts["forwarded"] + counts["duplicates"] + refused
    keys = ("event", "received", "forwarded", "duplicates", "lost", "repeated", "overflows")
    return {
        **{key: counts[key] for key in keys},
        "refused": refused,
        "unaccounted": counts["received"] - settled,
    }


def _exact(show: "Show") -> dict[str, Any]:
    """The Python subscriber, which has books of each topic."""
    topics = show.python.program.said("books")[-1]["topics"]
    total = dict.fromkeys(("received", "lost", "before_join"), 0)
    wrong = []
    for topic, published in show.witness.published.items():
        books = topics.get(topic, {"received": 0, "lost": 0, "before_join": 0})
        for key in total:
            total[key] += books[key]
        if sum(books[key] for key in total) != published:
            wrong.append(f"{topic}: {published} published, {books}")
    crcs = {
        (stream, one.sequence): one.crc32
        for stream, found in show.witness.embeddings.items()
        for one in found
    }
    lines = [line for line in show.python.program.lines if line.get("kind") == "embedding"]
    altered = sum(crcs[line["stream"], line["sequence"]] != line["crc32"] for line in lines)
    published = sum(show.witness.published.values())
    return {
        "name": "python",
        "published": published,
        **total,
        "away": 0,
        "unaccounted": published - sum(total.values()),
        "wrong": wrong,
        "altered": altered,
    }


def _counted(show: "Show", listener: Listener) -> dict[str, Any]:
    """A client that says what it received and how much it lost; it was away between its lives."""
    lives = [by_topic(life) for life in listener.lives]
    before = away = 0
    for topic, published in show.witness.published.items():
        spans = [(found[topic][0], found[topic][-1] + 1) for found in lives if found.get(topic)]
        if not spans:
            before += published
            continue
        before += spans[0][0]
        for former, later in itertools.pairwise(spans):
            away += later[0] - former[1]
    received = sum(len(numbers) for found in lives for numbers in found.values())
    lost = sum(claimed_lost(life) for life in listener.lives)
    published = sum(show.witness.published.values())
    newest = [line for line in listener.program.lines if "refused" in line][-1]
    return {
        "name": listener.name,
        "published": published,
        "received": received,
        "lost": lost,
        "before_join": before,
        "away": away,
        "unaccounted": published - received - lost - before - away,
        "wrong": [f"{newest['refused']} messages refused"] if newest["refused"] else [],
        "altered": 0,
    }


def _mqtt(show: "Show") -> dict[str, Any]:
    """Embeddings: published, at the bridge, over MQTT; and the bridge's publications of all kinds."""
    said = show.bridge.said("ledger")[-1]
    total = dict.fromkeys(("received", "lost", "before_join"), 0)
    for stream in STREAMS:
        for key in total:
            total[key] += said["topics"][f"embedding/{stream}/"][key]
    heard = sum(len(numbers) for numbers in show.broker.heard.values())
    published = sum(show.witness.published[f"embedding/{stream}/"] for stream in STREAMS)
    parts = ("confirmed", "superseded", "given_up", "waiting", "unconfirmed")
    return {
        "published": published,
        **total,
        "unaccounted": published - sum(total.values()),
        "heard": heard,
        "twice": show.broker.twice,
        "not_heard": total["received"] - heard,
        "taken": said["taken"],
        **{part: said[part] for part in parts},
        "publications_unaccounted": said["taken"] - sum(said[part] for part in parts),
    }


def _resources(show: "Show") -> dict[str, Any]:
    looks = show.looks
    return {
        "begin": asdict(looks[0]),
        "middle": asdict(looks[len(looks) // 2]),
        "end": asdict(looks[-1]),
        "most_rss_mb": max(look.rss_mb for look in looks),
    }
