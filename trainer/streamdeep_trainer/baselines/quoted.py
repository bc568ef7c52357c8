"""Figures of other systems, measured elsewhere and only quoted here."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Quoted:
    """One figure.

    Attributes:
        name: the system and its configuration.
        accuracy: mean over the official folds, unless the note says else.
        note: where the figure comes from and what it means.
    """

    name: str
    accuracy: float
    note: str


_RUN = "measured by running auDeep 0.9.6a1 itself"
_BEST_C = f"{_RUN} (4,096 features); the best of several C on the test folds, hence optimistic"

ESC10 = (
    Quoted(
        "auDeep, README recipe, linear SVM",
        0.743,
        f"{_RUN}, mean of 3 trainings (73.3 to 75.8 %); "
        "autoencoder trained on all folds without labels, C not chosen by inner folds",
    ),
    Quoted("auDeep, four thresholds fused, best linear SVM", 0.795, _BEST_C),
    Quoted(
        "Piczak's CNN, short segments, probability voting",
        0.785,
        "from the confusion matrices published with its code (github.com/karolpiczak/paper-2015-esc-convnet), five "
        "folds together; full size, 300 epochs, ten augmented copies of every clip",
    ),
)

_ONE_RUN = f"{_RUN}, one training; autoencoder trained on all folds without labels"

ESC10_FUSED = (
    Quoted("auDeep, -30 dB, MLP", 0.716, _ONE_RUN),
    Quoted("auDeep, -45 dB, MLP", 0.784, _ONE_RUN),
    Quoted("auDeep, -60 dB, MLP", 0.754, _ONE_RUN),
    Quoted("auDeep, -75 dB, MLP", 0.690, _ONE_RUN),
    Quoted("auDeep, four thresholds fused, MLP", 0.784, f"{_ONE_RUN} (4,096 features)"),
    Quoted("auDeep, four thresholds fused, best linear SVM", 0.795, _BEST_C),
)

_ESC50_TABLE = "table in the README of ESC-50 (github.com/karolpiczak/ESC-50)"

ESC50 = (
    Quoted("auDeep, four thresholds fused", 0.643, f"{_ESC50_TABLE}, which cites arXiv 1712.04382"),
    Quoted("Piczak's CNN", 0.645, _ESC50_TABLE),
)

GTZAN = (
    Quoted(
        "auDeep, five thresholds fused",
        0.854,
        "as later tables for GTZAN quote it; not found in a primary source. Random stratified folds, so "
        "that excerpts of one artist may be on both sides",
    ),
)

_DCASE = "development set, 4 folds; results of DCASE 2017, task 1 (cs.tut.fi)"

TUT2017 = (
    Quoted(
        "auDeep, four channel views fused",
        0.880,
        f"{_DCASE}, submission S2S-AE; 67.5 % on the evaluation set",
    ),
    Quoted("DCASE baseline, MLP", 0.748, f"{_DCASE}; 61.0 % on the evaluation set"),
)

QUOTED: dict[str | None, tuple[Quoted, ...]] = {
    None: (),
    "esc10": ESC10,
    "esc10-fused": ESC10_FUSED,
    "esc50": ESC50,
    "gtzan": GTZAN,
    "tut2017": TUT2017,
}
"""By a recipe's ``evaluate.quoted``."""
