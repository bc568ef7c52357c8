"""The command ``spectrograms``: sound files to one netCDF file, as auDeep prepares them.

This module reads arguments, calls ``preprocess`` and shows what it returns.
"""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from pydantic import ValidationError

from streamdeep.config import Channel, describe
from streamdeep.errors import ConfigurationError, SourceError
from streamdeep_trainer.datasets.clip import Clip
from streamdeep_trainer.datasets.layouts import LAYOUTS, find_clips
from streamdeep_trainer.preprocess.options import PreprocessOptions
from streamdeep_trainer.skipped import Skipped

_DEFAULTS = PreprocessOptions()
_FLAGS = {
    "window_s": "--window",
    "overlap_s": "--overlap",
    "n_bands": "--mels",
    "pre_emphasis": "--pre-emphasis",
    "fixed_length_s": "--fixed-length",
    "chunk_length_s": "--chunk-length",
    "chunk_count": "--chunk-count",
    "sample_rate_hz": "--rate",
}


def register(app: typer.Typer) -> None:
    """Add the command to a program."""
    app.command()(spectrograms)


def spectrograms(
    data: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of sound files.")],
    out: Annotated[Path, typer.Option(help="Where the netCDF file goes.")],
    window: Annotated[
        float, typer.Option("--window", help="Length of the window in s.")
    ] = _DEFAULTS.window_s,
    overlap: Annotated[
        float, typer.Option("--overlap", help="Overlap of windows in s.")
    ] = _DEFAULTS.overlap_s,
    mels: Annotated[int | None, typer.Option("--mels", help="Mel bands; default 128.")] = None,
    linear: Annotated[
        bool, typer.Option("--linear", help="The linear power spectrum, not Mel bands.")
    ] = False,
    scale: Annotated[
        Literal["htk", "slaney"] | None, typer.Option(help="Mel bank; default htk, as auDeep's.")
    ] = None,
    clip_below: Annotated[
        float | None,
        typer.Option(help="Set what is so many dB below the maximum to it, as in -60."),
    ] = None,
    clip_above: Annotated[
        float | None, typer.Option(help="Set what is louder than this, in dB below the maximum.")
    ] = None,
    chunk_length: Annotated[
        float | None, typer.Option(help="Cut spectrograms into rows of so many s.")
    ] = None,
    chunk_count: Annotated[
        int | None, typer.Option(help="Keep so many rows of each file; default: all whole ones.")
    ] = None,
    fixed_length: Annotated[
        float | None, typer.Option(help="First cut or pad all files to so many s, at the end.")
    ] = None,
    centre: Annotated[
        bool, typer.Option("--centre", help="Cut or pad at both ends instead.")
    ] = False,
    channels: Annotated[
        Channel, typer.Option(help="What is made of two channels.")
    ] = _DEFAULTS.channel,
    pre_emphasis: Annotated[
        float, typer.Option(help="Weight of the sample before; auDeep has 0.95.")
    ] = _DEFAULTS.pre_emphasis,
    remove_mean: Annotated[
        bool, typer.Option("--remove-mean", help="Subtract each frame's mean, as auDeep does.")
    ] = False,
    normaliser: Annotated[
        Literal["segment", "fixed"],
        typer.Option(
            help="segment: relative to the maximum, as auDeep; fixed: absolute, for live use."
        ),
    ] = _DEFAULTS.normaliser,
    floor: Annotated[
        float | None, typer.Option(help="dBFS that become -1, for fixed; default -100.")
    ] = None,
    ceiling: Annotated[
        float | None, typer.Option(help="dBFS that become +1, for fixed; default 0.")
    ] = None,
    scope: Annotated[
        Literal["file", "segment"] | None,
        typer.Option(help="Maximum of the file, as auDeep, or of each chunk; for segment."),
    ] = None,
    rate: Annotated[
        int | None, typer.Option(help="Resample all to so many Hz; default: their common rate.")
    ] = None,
    layout: Annotated[
        str | None,
        typer.Option(
            help=f"How the folder lies: {', '.join(LAYOUTS)}, or file.py:function. Default: find out."
        ),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    resume: Annotated[
        bool, typer.Option("--resume", help="Use what an earlier run left in OUT.parts.")
    ] = False,
    plot: Annotated[
        int | None,
        typer.Option(min=0, help="Also draw the file of this number, from 0, beside OUT: X.0.png."),
    ] = None,
    plot_only: Annotated[
        bool, typer.Option("--plot-only", help="Draw it, and do nothing else.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Write the result as JSON.")] = False,
) -> None:
    """Compute the spectrograms of a data set; ends with 66 if some files could not be used.

    Rows shorter than the longest are padded with -1; the variable `lengths` says how many frames are real.

    Example: streamdeep-train spectrograms ESC-10 --out esc10.nc --fixed-length 5
    """
    clips_db = {"--clip-below": clip_below, "--clip-above": clip_above}
    _refuse_idle(normaliser, {**clips_db, "--scope": scope}, of="segment")
    _refuse_idle(normaliser, {"--floor": floor, "--ceiling": ceiling}, of="fixed")
    if linear and (mels is not None or scale is not None):
        raise ConfigurationError("--linear has no Mel bands; leave out --mels and --scale")
    if plot_only and plot is None:
        raise ConfigurationError("--plot-only needs --plot and the number of a file")
    given = {
        "window_s": window,
        "overlap_s": overlap,
        "n_bands": None if linear else 128 if mels is None else mels,
        "scale": scale,
        "channel": channels,
        "pre_emphasis": pre_emphasis,
        "remove_frame_mean": remove_mean,
        "normaliser": normaliser,
        "clip_below_db": clip_below,
        "clip_above_db": clip_above,
        "scope": scope,
        "floor_db": floor,
        "ceiling_db": ceiling,
        "fixed_length_s": fixed_length,
        "centred": centre,
        "chunk_length_s": chunk_length,
        "chunk_count": chunk_count,
        "sample_rate_hz": rate,
    }
    options = _options(given)
    from streamdeep_trainer.preprocess.run import preprocess

    clips = find_clips(data, layout)
    told: dict[str, Any] = {}
    if plot is not None:
        if plot >= len(clips):
            raise ConfigurationError(
                f"--plot {plot} is no file of the {len(clips)}; they count from 0 to {len(clips) - 1}"
            )
        told["picture"] = _draw(clips[plot], options, out.with_suffix(f".{plot}.png"))
        if plot_only:
            _tell(told, as_json=as_json)
            return
    made = preprocess(clips, options, out=out, jobs=jobs, resume=resume)
    for line in made.notes:
        typer.echo(line, err=True)
    skipped = Skipped()
    skipped(made.skipped)
    told |= {
        "n_clips": len(made.clips),
        "n_skipped": len(made.skipped),
        "n_rows": len(made.lengths),
        "n_silent_rows": made.n_silent_rows,
        "n_resumed": made.n_resumed,
        "n_frames": int(made.lengths.max()),
        "n_frames_shortest": int(made.lengths.min()),
        "n_bands": made.frontend.n_features,
        "sample_rate_hz": made.frontend.sample_rate_hz,
        "window_samples": made.frontend.longest_window_samples,
        "hop_samples": made.frontend.hop_samples,
        "file": str(out),
    }
    if as_json:
        told |= {"skipped": made.skipped, "notes": made.notes}
    _tell(told, as_json=as_json)
    skipped.end()


def _options(given: dict[str, Any]) -> PreprocessOptions:
    """The options, where None leaves the default; ``n_bands`` is the one for which it means something."""
    said = {name: value for name, value in given.items() if value is not None or name == "n_bands"}
    try:
        return PreprocessOptions.model_validate(said)
    except ValidationError as error:
        text = describe(error)
        for name, flag in _FLAGS.items():
            text = text.replace(f"{name}: ", f"{flag}: ")
        raise ConfigurationError(text.removeprefix("value: ")) from error


def _refuse_idle(normaliser: str, values: dict[str, object], *, of: str) -> None:
    """Options that would do nothing are a misunderstanding."""
    for flag, value in values.items():
        if normaliser != of and value is not None:
            raise ConfigurationError(
                f"{flag} belongs to --normaliser {of}; add that, or leave {flag} out"
            )


def _draw(clip: Clip, options: PreprocessOptions, picture: Path) -> str:
    from streamdeep_trainer.preprocess.picture import draw_clip
    from streamdeep_trainer.preprocess.survey import survey

    (header,) = survey([clip])
    if isinstance(header, str):
        raise SourceError(f"--plot cannot draw it: {header}")
    frontend = options.frontend(options.sample_rate_hz or header.sample_rate_hz)
    draw_clip(picture, clip.path, options, frontend=frontend, title=clip.filename)
    return str(picture)


def _tell(result: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(result))
        return
    for key, value in result.items():
        typer.echo(f"{key}: {value}")
