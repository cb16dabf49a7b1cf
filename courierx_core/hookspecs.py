"""Every hook of the core: a signature and one line. Implementations are found in `courierx.hooks`.

The entry point names a module, or a class that is made once per process without arguments. An
implementation is marked with `courierx_core.hookimpl` and may take fewer arguments than its hook.
Guards fail closed: what they raise defers the deliveries. Everything else fails open: a plugin that raises
where it is loaded, started or told something is left out by this process from then on, which its log,
`courierx plugins`, `courierx doctor` and `/health/ready` say. One that cannot start guards by refusing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from courierx_core.hooks import hookspec

if TYPE_CHECKING:
    from courierx_core.courier import Courier
    from courierx_core.messages.model import Message, Recipient
    from courierx_core.ports.ledger import Outcome
    from courierx_core.templates.model import Template
    from courierx_core.tracing import Tracer


@hookspec
def courierx_startup(courier: Courier) -> None:
    """Once per process, when everything is assembled; settings are in `courier.runtime.environ`."""


@hookspec
def courierx_tracer() -> Tracer | None:
    """Observer, once per process after startup: offer what traces; the first that does is it, for the
    process. It fails open: a tracer that raises is not asked again."""


@hookspec
def courierx_template_filters() -> Mapping[str, Callable[..., object]]:
    """Offer template filters by name; a name that another plugin offers too is an error at start.

    The same filters on the same variable may be worked out once for a whole part: let the answer hang on
    nothing but the arguments."""
    raise NotImplementedError


@hookspec
def courierx_transform_template(template: Template) -> Template | None:
    """Change a template when it is saved; each plugin gets what the one before it returned."""


@hookspec
def courierx_block(message: Message, recipients: Sequence[Recipient]) -> Mapping[int, str]:
    """Guard, once per window before its intent: return id -> reason for those who must get nothing."""
    raise NotImplementedError


@hookspec
def courierx_after_send(results: Sequence[Outcome]) -> None:
    """Observer, once per window: what became of each envelope, after that is recorded."""
