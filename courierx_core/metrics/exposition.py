"""The text format of Prometheus (version 0.0.4).

Our own twenty lines: what is told comes from the store, so a client library's registry would be filled
only to be read out once, for 40 ms at import and collectors that it adds to every process. The tests read
the page with the library's own parser.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate

from courierx_core.metrics.model import SECONDS, Distribution, Family, Samples

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


def exposed(found: Mapping[Family, Samples]) -> str:
    """Write families and their samples; a family without any is left out."""
    return "".join(
        f"{line}\n" for family, samples in found.items() if samples for line in _lines(family, samples)
    )


def _lines(family: Family, samples: Samples) -> Iterator[str]:
    yield f"# HELP {family.name} {family.help}"
    yield f"# TYPE {family.name} {family.kind}"
    for values, value in sorted(samples.items(), key=lambda each: each[0]):
        labels = list(zip(family.labels, values, strict=True))
        if isinstance(value, Distribution):
            below = (*accumulate(value.buckets), value.n)
            for bound, n in zip((*map(str, SECONDS), "+Inf"), below, strict=True):
                yield _line(f"{family.name}_bucket", [*labels, ("le", bound)], n)
            yield _line(f"{family.name}_sum", labels, value.total)
            yield _line(f"{family.name}_count", labels, value.n)
        else:
            yield _line(family.name, labels, value)


def _line(name: str, labels: Sequence[tuple[str, str]], value: float) -> str:
    told = ",".join(f'{label}="{text.translate(_ESCAPES)}"' for label, text in labels)
    return f"{name}{{{told}}} {_number(value)}" if told else f"{name} {_number(value)}"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))
