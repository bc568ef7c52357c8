"""The table: where everything was, at every point; and what does not add up."""

from collections.abc import Iterable, Sequence
from typing import Any

GROWTH_MB = 32.0
"""By how much the engine's resident memory may differ between begin and end; streams that came again included."""


def faults_of(found: dict[str, Any]) -> list[str]:
    """Everything that does not add up; empty if all does."""
    wrong = [f"fault {one['part']}: {one['error']}" for one in found["faults"] if one["error"]]
    wrong += [f"{name} ended with {code}" for name, code in found["exit_codes"].items() if code]
    wrong += [f"a status does not add up: {one}" for one in found["ledgers_wrong"]]
    for name, one in found["streams"].items():
        if one["unaccounted"] or one["said"] or one["in_flight"]:
            wrong.append(f"{name}: {one['unaccounted']} samples unaccounted")
        if not one["embeddings"] == one["published"] == one["heard_by_witness"]:
            wrong.append(f"{name}: the engine's ledger, the wire and the witness disagree")
    if found["witness"]["lost"]:
        wrong.append(f"the witness lost {found['witness']['lost']}")
    wrong += [
        f"hub: {life['unaccounted']} unaccounted" for life in found["hub"] if life["unaccounted"]
    ]
    for one in found["listeners"]:
        wrong += [f"{one['name']}: {text}" for text in one["wrong"]]
        if one["unaccounted"] or one["altered"]:
            wrong.append(
                f"{one['name']}: {one['unaccounted']} unaccounted, {one['altered']} altered"
            )
    mqtt = found["mqtt"]
    for key in ("unaccounted", "publications_unaccounted", "waiting", "unconfirmed"):
        if mqtt[key]:
            wrong.append(f"MQTT: {key} {mqtt[key]}")
    if mqtt["not_heard"] > mqtt["given_up"]:
        wrong.append(f"MQTT: {mqtt['not_heard']} not heard, {mqtt['given_up']} given up")
    for one in found["replays"]:
        comparable = one["embeddings"] - one["after_overload"]
        if not one["identical"] == comparable == one["replayed"] or one["unaccounted"]:
            wrong.append(f"replay of {one['stream']}: {one['identical']} of {one['embeddings']}")
        if one["unrecorded"]:
            wrong.append(f"{one['stream']}: {one['unrecorded']} unrecorded")
    sent = found["sender"]
    settled = sent["taken"] + sent["given_up"] + sent["waiting"]
    if sent["captured"] != settled or sent["unaccounted"]:
        wrong.append("the sender's ledger does not add up")
    # PortAudio keeps what belongs to a capture that it opened and could not start in time, as on a starving machine.
    n_kept = sum("starting stream" in note for note in found["notes"])
    return wrong + _grown(found["resources"], {"descriptors": 8 * n_kept, "threads": n_kept})


def _grown(looks: dict[str, Any], allowed: dict[str, int]) -> list[str]:
    begin, end = looks["begin"], looks["end"]
    wrong = [
        f"the engine's {key} grew from {begin[key]} to {end[key]}"
        for key, more in allowed.items()
        if end[key] > begin[key] + more
    ]
    if end["rss_mb"] - begin["rss_mb"] > GROWTH_MB:
        wrong.append(f"the engine's memory grew from {begin['rss_mb']} to {end['rss_mb']} MB")
    return wrong


def _table(title: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    texts = [head, *([f"{v:,}" if isinstance(v, int) else str(v) for v in row] for row in rows)]
    widths = [max(len(row[i]) for row in texts) for i in range(len(head))]
    lines = [
        "  ".join(
            text.ljust(width) if i == 0 else text.rjust(width)
            for i, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in texts
    ]
    return "\n".join([title, *(f"  {line}" for line in lines), ""])


def report(found: dict[str, Any]) -> str:
    """The run, for people."""
    streams = found["streams"]
    sent, mqtt, looks = found["sender"], found["mqtt"], found["resources"]
    parts = [
        _table(
            f"Faults, in a run of {found['length_s']:g} s",
            ("part", "at s", "took s", "what"),
            [(one["part"], one["at_s"], one["took_s"], one["what"]) for one in found["faults"]],
        ),
        _table(
            f"Samples in the engine; captured = embedded + skipped + dropped + in flight, in each of "
            f"{found['ledgers_checked']:,} statuses",
            ("stream", "captured", "embedded", "skipped", "dropped", "in flight", "unaccounted", "before capture",
             "epochs", "embeddings"),
            [
                (name, one["captured"], one["embedded"], one["skipped"], sum(one["dropped"].values()),
                 one["in_flight"], one["unaccounted"], one["gap_samples"], one["epochs"], one["embeddings"])
                for name, one in streams.items()
            ],
        ),
        _table(
            "The sender; its second life: captured = taken + given up + waiting; the engine has what both lives sent",
            ("killed life: taken", "second: captured", "taken", "given up", "waiting", "unaccounted"),
            [(f"{sent['killed_taken']:,}", sent["captured"], sent["taken"], sent["given_up"], sent["waiting"],
              sent["unaccounted"])],
        ),
        _table(
            "Messages on the wire: published = received + lost + away (killed) + before it joined",
            ("subscriber", "published", "received", "lost", "away", "before", "unaccounted", "altered"),
            [
                ("witness", sum(found["published"].values()), found["witness"]["received"], found["witness"]["lost"],
                 0, found["witness"]["before_join"],
                 sum(found["published"].values()) - sum(found["witness"].values()), 0),
                *(
                    tuple(one[key] for key in ("name", "published", "received", "lost", "away", "before_join",
                                               "unaccounted", "altered"))
                    for one in found["listeners"]
                ),
            ],
        ),
        _table(
            "The hub's lives: received = forwarded + duplicates + refused",
            ("life", "received", "forwarded", "duplicates", "refused", "unaccounted", "lost before it", "repeated",
             "queue full"),
            [
                (str(number), life["received"], life["forwarded"], life["duplicates"], life["refused"],
                 life["unaccounted"], life["lost"], life["repeated"], life["overflows"])
                for number, life in enumerate(found["hub"], 1)
            ],
        ),
        _table(
            "Embeddings to MQTT: published = at the bridge + lost + before; at the bridge = heard + not heard",
            ("published", "at bridge", "lost", "before", "unaccounted", "heard", "not heard", "heard twice"),
            [(f"{mqtt['published']:,}", mqtt["received"], mqtt["lost"], mqtt["before_join"], mqtt["unaccounted"],
              mqtt["heard"], mqtt["not_heard"], mqtt["twice"])],
        ),
        _table(
            "The bridge's publications of all kinds: taken = confirmed + superseded + given up + left",
            ("taken", "confirmed", "superseded", "given up", "left", "unaccounted"),
            [(f"{mqtt['taken']:,}", mqtt["confirmed"], mqtt["superseded"], mqtt["given_up"],
              mqtt["waiting"] + mqtt["unconfirmed"], mqtt["publications_unaccounted"])],
        ),
        _table(
            "Recordings, and their replays at pace max against what was received live",
            ("stream", "first sample", "samples", "unrecorded", "embeddings", "after overload", "replayed",
             "identical", "unaccounted"),
            [
                tuple(one[key] for key in ("stream", "first_sample", "samples", "unrecorded", "embeddings", "after_overload",
                                           "replayed", "identical", "unaccounted"))
                for one in found["replays"]
            ],
        ),
        _table(
            f"The engine; at most {looks['most_rss_mb']} MB",
            ("", "at s", "MB resident", "descriptors", "threads"),
            [(name, looks[name]["at_s"], looks[name]["rss_mb"], looks[name]["descriptors"], looks[name]["threads"])
             for name in ("begin", "middle", "end")],
        ),
    ]  # fmt: skip
    wrong = faults_of(found)
    parts.append(
        "\n".join(["What the engine noted", *(f"  {note}" for note in found["notes"]), ""])
    )
    parts.append("Everything adds up." if not wrong else "\n".join(["WRONG:", *wrong]))
    return "\n".join(parts)
