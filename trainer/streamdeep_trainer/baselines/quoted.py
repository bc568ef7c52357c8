"""Figures of other systems, measured elsewhere and only quoted here."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Quoted:
    """One figure.

    Attributes:
        name: the system and its configuration.
        accuracy: mean over the five official folds.
        note: where the figure comes from and what it means.
    """

    name: str
    accuracy: float
    note: str


ESC10 = (
    Quoted(
        "auDeep, README recipe, linear SVM",
        0.743,
        "measured by running auDeep 0.9.6a1 itself, mean of 3 trainings (73.3 to 75.8 %); "
        "autoencoder trained on all folds without labels, C not chosen by inner folds",
    ),
    Quoted(
        "auDeep, four thresholds fused, best linear SVM",
        0.795,
        "measured by running auDeep 0.9.6a1 itself (4,096 features); the best of several C on the test "
        "folds, hence optimistic",
    ),
)
