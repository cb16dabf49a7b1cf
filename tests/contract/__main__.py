"""Every operation of the OpenAPI document against the real application: `nox -s contract`.

schemathesis makes the requests, good and bad, from the document alone, and runs all its checks on the
answers: no 500, nothing undescribed, nothing bad taken, nothing without its key. It sends a tenant's key,
the last of many: those it guesses and revokes are others.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import uvicorn
from openapi_spec_validator import validate

from courierx_app.api import bad_keys, send_test
from courierx_app.api.docs import described
from courierx_app.asgi import create_app
from courierx_app.container import opened
from courierx_app.listening import bind
from courierx_app.settings import read
from courierx_core.access import service as access
from courierx_core.ports.limiter import Rate
from courierx_core.tenants import service as tenants

SEED = "20261124"
EXAMPLES = "8"
"""Of each operation in each mode, beside those that each of its constraints asks for."""
KEYS = 100
CONFIG = Path(__file__).parent / "schemathesis.toml"


def main() -> int:
    # it tries hundreds of bad keys from one address, which S16 is there to stop
    bad_keys.RATE = Rate(1_000_000, 1, burst=1_000_000)
    # nothing sends here
    send_test.WAIT_SECONDS = 0.1
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as (address, key):
        command = [
            sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), "run",
            f"{address}/openapi.json", "--header", f"Authorization: Bearer {key}", "--checks", "all",
            "--phases", "examples,coverage,fuzzing", "--max-examples", EXAMPLES, "--seed", SEED,
            "--generation-database", "none", *sys.argv[1:],
        ]  # fmt: skip
        return subprocess.run(command, check=False, cwd=folder).returncode


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, str]]:
    """Run the application on a database of its own; give its address and a tenant's key."""
    configuration = read(folder, {"DATABASE_URL": f"sqlite:///{folder}/courierx.db"})
    listener = bind("127.0.0.1", 0)
    with opened(configuration, migrate=True) as courier:
        tenant = tenants.create(courier.store, name="Acme", contact_email="post@acme.example")
        key = [access.create_key(courier.store, tenant_id=tenant.id)[1] for _ in range(KEYS)][-1]
        app = create_app(courier, configuration.settings)
        validate(msgspec.json.decode(msgspec.json.encode(described(app))))
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            host, port = listener.getsockname()
            yield f"http://{host}:{port}", key
        finally:
            server.should_exit = True
            thread.join()


if __name__ == "__main__":
    sys.exit(main())
