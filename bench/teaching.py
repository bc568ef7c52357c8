"""``python -m bench.teaching``: accuracy against the number of examples, taught the way a live stream is taught.

Clips of a data set (a sub-folder per class, like ESC-10) are played one after another, a pause between, by a real engine in a
process of its own; its embeddings come over the wire, and what is taught is named by samples, as a button held while a
sound goes on would name it. Three classes are drawn, and clips of each; the more clips are taught the ones before
stay. Judged are clips that no number of examples uses, by the mean of the saved head's probabilities over the segments
whose centre lies in the clip. Beside the method taken: each method alone, and what the head says of itself.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from bench.pictures import draw
from streamdeep.heads.head import Head
from streamdeep.teaching.example import Meaning
from streamdeep.teaching.headfile import save_head
from streamdeep.teaching.learner import learn
from streamdeep.teaching.memory import place_of
from streamdeep.teaching.stretch import segments_in
from streamdeep.teaching.teacher import Teacher
from streamdeep.wire.kinds import EmbeddingMessage, Message
from streamdeep.wire.subscriber import Subscriber

COUNTS = (1, 2, 3, 5, 8, 12)
N_CLASSES = 3
PAUSE_S = 5.0
SEED = 0
METHODS = {"taken": "auto", "prototypes": "prototypes", "logistic regression": "logistic"}
ITSELF = "what it says of itself"


@dataclass(frozen=True)
class Clip:
    """A clip's place in the stream."""

    label: str
    start_sample: int
    stop_sample: int


def write_stream(data: Path, path: Path, n_most: int) -> list[Clip]:
    """All clips in a drawn order, each followed by a pause."""
    random, clips, position = np.random.default_rng(SEED), [], 0
    files = [
        (file, folder.name)
        for folder in sorted(data.iterdir())
        if folder.is_dir()
        for file in sorted(folder.glob("*.[ow][ga][gv]"))[:n_most]
    ]
    rate_hz = soundfile.info(files[0][0]).samplerate
    pause = np.zeros(round(PAUSE_S * rate_hz), np.float32)
    with soundfile.SoundFile(path, "w", rate_hz, 1, subtype="FLOAT") as stream:
        for index in random.permutation(len(files)):
            file, name = files[index]
            sound, rate = soundfile.read(file, dtype="float32", always_2d=True)
            if rate != rate_hz:
                sys.exit(f"{file} has {rate} Hz, others {rate_hz}")
            stream.write(sound[:, 0])
            stream.write(pause)
            clips.append(Clip(name.partition(" - ")[2] or name, position, position + len(sound)))
            position += len(sound) + len(pause)
    return clips


def received(path: Path) -> list[Message]:
    """What an engine publishes of it; nothing may be lost on the way."""
    engine = subprocess.Popen(
        [
            sys.executable, "-m", "streamdeep", "run", str(path), "--stream", "bench",
            "--bind", "tcp://127.0.0.1:*", "--pace", "max", "--wait", "--json",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )  # fmt: skip
    try:
        endpoint = json.loads(engine.stdout.readline())["endpoint"]
        messages = []
        with Subscriber(
            endpoint, kinds=("embedding", "model", "event"), high_water_mark=8192, timeout_s=120
        ) as subscriber:
            for message in subscriber:
                messages.append(message)
                if message.kind == "event" and message.event == "stop":
                    break
            lost = subscriber.statistics().lost_of("embedding")
        assert lost == 0, f"{lost} embeddings were lost"
        return messages
    finally:
        engine.kill()
        engine.communicate()


class Show:
    """The messages of one stream, taught again and again."""

    def __init__(self, messages: Sequence[Message], clips: Sequence[Clip], folder: Path) -> None:
        self._messages, self._clips, self._path = messages, clips, folder / "head.onnx"
        self._embeddings = [one for one in messages if isinstance(one, EmbeddingMessage)]
        places = [place_of(one) for one in self._embeddings]
        self._segments = [segments_in(one.start_sample, one.stop_sample, places) for one in clips]

    def taught(self, chosen: Sequence[int]) -> Teacher:
        """Named when its stream begins, heard to its end."""
        teacher, named = Teacher(), False
        for message in self._messages:
            teacher.push(message, now_ns=0)
            if isinstance(message, EmbeddingMessage) and not named:
                named = True
                for index in chosen:
                    clip = self._clips[index]
                    meaning = Meaning(clip.label)
                    teacher.name("bench", meaning, clip.start_sample, clip.stop_sample)
        return teacher

    def accuracy(self, head: Head, judged: Sequence[int]) -> float:
        """Of clips."""
        right = 0
        for index in judged:
            vectors = np.stack([self._embeddings[i].vector for i in self._segments[index]])
            column = head.probabilities(vectors).mean(axis=0).argmax()
            right += head.contract.labels[column] == self._clips[index].label
        return right / len(judged)

    def repetition(self, random: np.random.Generator) -> dict[str, list[float | None]]:
        """Three classes, some of their clips: accuracies by method, a value per number of examples."""
        labels = sorted({clip.label for clip in self._clips})
        drawn = [
            random.permutation([i for i, c in enumerate(self._clips) if c.label == label]).tolist()
            for label in random.choice(labels, N_CLASSES, replace=False)
        ]
        judged = [index for indices in drawn for index in indices[max(COUNTS) :]]
        found: dict[str, list[float | None]] = {name: [] for name in (*METHODS, ITSELF)}
        for count in COUNTS:
            examples = self.taught([i for indices in drawn for i in indices[:count]]).examples
            for name, method in METHODS.items():
                learnt = learn(examples, method=method)
                head = save_head(self._path, learnt, examples, keep=False)
                found[name].append(self.accuracy(head, judged))
                if name == "taken":
                    found[ITSELF].append(learnt.accuracy)
        return found


def table(results: dict[str, np.ndarray]) -> str:
    """Markdown: mean and standard deviation over the repetitions."""
    lines = [f"| clips per class | {' | '.join(results)} |", "|---" * (1 + len(results)) + "|"]
    for place, count in enumerate(COUNTS):
        cells = []
        for values in results.values():
            own = values[:, place][~np.isnan(values[:, place])]
            cells.append(f"{own.mean():.1%} ± {own.std():.1%}" if len(own) else "-")
        lines.append(f"| {count} | {' | '.join(cells)} |")
    return "\n".join(lines)


def picture(results: dict[str, np.ndarray], path: Path, n_repetitions: int) -> None:
    """Means as lines; of the method taken, the middle half as a band."""
    series = []
    for name, values in results.items():
        places = [p for p in range(len(COUNTS)) if not np.isnan(values[:, p]).all()]
        low, high = (np.nanquantile(values[:, places], q, axis=0) for q in (0.25, 0.75))
        band = name == "taken"
        series.append(
            {
                "label": name,
                "x": [COUNTS[p] for p in places],
                "y": (100 * np.nanmean(values[:, places], axis=0)).tolist(),
                "low": (100 * low).tolist() if band else [],
                "high": (100 * high).tolist() if band else [],
            }
        )
    drawn = {
        "kind": "line", "name": path.stem, "series": series, "limits": {"chance": 100 / N_CLASSES},
        "logarithmic": [], "title": f"Three classes of ESC-10, taught live; {n_repetitions} repetitions, middle half as a band",
        "x_label": "clips taught per class", "y_label": "clips not taught that are decided rightly (%)",
    }  # fmt: skip
    draw(drawn, path.parent)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.teaching", description=__doc__)
    data = os.environ.get("STREAMDEEP_TEST_DATA")
    parser.add_argument("--data", type=Path, default=Path(data) / "esc10" if data else None)
    parser.add_argument("--repetitions", type=int, default=30)
    parser.add_argument(
        "--clips", type=int, default=40, help="of each class, at most [default: 40]"
    )
    parser.add_argument("--picture", type=Path, help="a PNG file")
    arguments = parser.parse_args()
    if arguments.data is None or not arguments.data.is_dir():
        parser.error("--data must be a folder with a sub-folder of clips per class")
    random, found = np.random.default_rng(SEED), []
    with tempfile.TemporaryDirectory(prefix="streamdeep-teaching-") as folder:
        path = Path(folder) / "stream.wav"
        clips = write_stream(arguments.data, path, arguments.clips)
        messages = received(path)
        n_segments = sum(isinstance(one, EmbeddingMessage) for one in messages)
        print(f"{len(clips)} clips, {n_segments} segments received", file=sys.stderr)
        show = Show(messages, clips, Path(folder))
        for number in range(arguments.repetitions):
            found.append(show.repetition(random))
            print(f"repetition {number + 1} of {arguments.repetitions}", file=sys.stderr)
    results = {name: np.array([one[name] for one in found], dtype=np.float64) for name in found[0]}
    print(table(results))
    if arguments.picture is not None:
        picture(results, arguments.picture, arguments.repetitions)


if __name__ == "__main__":
    main()
