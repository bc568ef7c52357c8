"""How many live streams one core carries: paced like live sound, every sample accounted for.

    python bench/streams.py [--counts 1,10,100,1000] [--rate 44100] [--hop-s 5] [--in-phase | --apart]

One JSON line per count, from what `streamdeep bench` measures with: the engine on one core, with all its
publishing; noise written on another, 10 ms when they are due; subscribers in processes of their own. Starts are
spread over a hop between frames; --in-phase has all at once, and --apart spreads them over a segment, so that
embeddings do not come all within one hop. Latency is that from a segment's last sample to the embedding decoded,
`total`, and its parts; it is judged against one hop, a resampler's own delay included.
"""

import argparse
import json
from dataclasses import asdict, replace
from pathlib import Path

from streamdeep.bench.plan import Plan
from streamdeep.bench.trial import run_trial
from streamdeep.config import hop_frames_from_seconds
from streamdeep.encoder.model import load_model


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--counts", default="1,10,100,300")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--rate", type=int)
    parser.add_argument("--hop-s", type=float, default=5.0)
    parser.add_argument("--duration-s", type=float, default=10.0)
    parser.add_argument("--in-phase", action="store_true")
    parser.add_argument("--apart", action="store_true")
    arguments = parser.parse_args()
    model = load_model(arguments.model)
    frontend = model.contract.frontend
    plan = Plan(
        model=model,
        path=arguments.model,
        sample_rate_hz=arguments.rate or frontend.sample_rate_hz,
        n_channels=1,
        hop_frames=hop_frames_from_seconds(arguments.hop_s, frontend),
        seconds=arguments.duration_s,
        streams=tuple(int(count) for count in arguments.counts.split(",")),
    )
    plan.check()
    for n_streams in plan.streams:
        load = plan.load(n_streams)
        if arguments.in_phase:
            load = replace(load, spread_s=0.0)
        if arguments.apart:
            apart_s = plan.segment_s
            load = replace(load, apart_s=apart_s, lead_s=load.lead_s + apart_s)
        found = asdict(run_trial(load, deadline_s=plan.hop_s))
        for latency in found["latency_ms"].values():
            del latency["distribution"]
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
