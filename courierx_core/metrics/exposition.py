"""The text format of Prometheus (version 0.0.4).

Our own twenty lines: what is told comes from the store, so a client library's registry would be filled
only to be read out once, for 40 ms at import and collectors that it adds to every process. The tests read
the page with the library's own parser.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from courierx_core.metrics.model import Family, Samples

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
    for values, value in sorted(samples.items()):
        labels = ",".join(
            f'{label}="{text.translate(_ESCAPES)}"' for label, text in zip(family.labels, values, strict=True)
        )
        yield f"{family.name}{{{labels}}} {_number(value)}" if labels else f"{family.name} {_number(value)}"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))
