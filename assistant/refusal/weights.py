"""What each signal counts: found on the development sets, or learnt from a collection's own questions (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from assistant.refusal.signals import Signals


@dataclass(frozen=True, slots=True)
class Weights:
    """What each signal counts; answer if the sum reaches `threshold`. The other names are those of `Signals`."""

    coverage: float
    fit: float
    similarity: float
    lead: float
    everyday: float
    unknown: float
    missing_name: float
    missing_subject: float
    missing_noun: float
    threshold: float

    def total(self, signals: Signals) -> float:
        """Return the weighted sum."""
        return float(sum(getattr(self, name.name) * getattr(signals, name.name) for name in fields(Signals)))


# Directions found on the development sets, all together, so that at most one in twenty answerable questions of any set
# is refused. A missing name has its weight by hand: only two sets teach it. Cosines mean something else with every
# embedder, so only `e5` has them.
KEYWORD_WEIGHTS = Weights(
    coverage=2.47,
    fit=1.7,
    similarity=0.0,
    lead=1.17,
    everyday=5.14,
    unknown=-0.17,
    missing_name=-2.5,
    missing_subject=-0.68,
    missing_noun=-0.72,
    threshold=3.79,
)
E5_WEIGHTS = Weights(
    coverage=2.75,
    fit=1.35,
    similarity=37.2,
    lead=2.99,
    everyday=5.03,
    unknown=0.0,
    missing_name=-3.0,
    missing_subject=-0.73,
    missing_noun=-0.53,
    threshold=37.15,
)


def default_weights(embedder: str) -> Weights:
    """Return the weights for an embedder's collections."""
    return E5_WEIGHTS if embedder == "e5" else KEYWORD_WEIGHTS


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was learnt from a collection's own questions.

    Args:
        weights: The collection's.
        made_at: Seconds since the epoch.
        n_answerable: Questions with an answer that it was learnt from.
        n_unanswerable: Questions without one.
    """

    weights: Weights
    made_at: float
    n_answerable: int
    n_unanswerable: int

    def as_json(self) -> dict[str, Any]:
        """Return what the catalog keeps."""
        return {"kind": _KIND, **asdict(self)}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Calibration | None:
        """Read what the catalog keeps; None where it is of other signals than today's, and so no longer holds."""
        if kept.get("kind") != _KIND or set(kept.get("weights", {})) != {name.name for name in fields(Weights)}:
            return None
        weights = Weights(**{name: float(value) for name, value in kept["weights"].items()})
        return cls(weights, float(kept["made_at"]), int(kept["n_answerable"]), int(kept["n_unanswerable"]))


_KIND = "refusal-1"
"""Grows when a signal comes to mean something else."""


def calibrated_weights(embedder: str, calibration: Mapping[str, Any] | None) -> Weights:
    """Return a collection's own weights, or those of its embedder where it has none that hold."""
    own = Calibration.from_json(calibration) if calibration is not None else None
    return own.weights if own is not None else default_weights(embedder)
