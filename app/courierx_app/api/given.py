"""What a handler is given beside its input."""

from __future__ import annotations

from typing import TypeAlias

from litestar.di import NamedDependency
from litestar.params import SkipValidation

from courierx_app.api.caller import Caller
from courierx_core.courier import Courier

# Both are ours: Litestar need not take their Structs apart to check them.
TheCourier: TypeAlias = NamedDependency[SkipValidation[Courier]]
TheCaller: TypeAlias = NamedDependency[SkipValidation[Caller]]
