# /// script
# dependencies = ["nox==2026.10.20", "uv==0.13.9"]
# ///
"""Everything that CI runs: `nox` with no arguments. `nox -l` lists the sessions.

`pip install nox` is enough: the header above makes nox put uv into `.nox` and start itself again from
there, because uv makes the environments three times as fast as pip. Where uv cannot reach your package
index, `NOX_SCRIPT_MODE=none nox` works with virtualenv and pip. Versions are pinned by `constraints.txt`,
nothing is compiled, the tests run against the built wheel, and what tools cache is in `.nox`.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nox

nox.needs_version = ">=2025.5"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.error_on_external_run = True

ROOT = Path(__file__).parent
PIGEON = ROOT / "docs" / "examples" / "courierx-pigeon"
CONSTRAINTS = str(ROOT / "constraints.txt")
PYPROJECT = nox.project.load_toml("pyproject.toml")
SOURCE_ROOTS = (ROOT, ROOT / "app", ROOT / "plugins", ROOT / "migrations")

CORE = ("msgspec", "jinja2", "cryptography", "pluggy", "stevedore")
ADAPTERS: dict[str, list[str]] = {
    "mock": [],
    "smtp": [],
    "ses": ["ses"],
    "providers": [],
    "dns": ["dns"],
    "embedded": [],
    "rq": ["redis"],
    "sqs": ["sqs"],
    "redis": ["redis"],
    "sqlite": [],
    "postgresql": ["postgres"],
    "html": [],
    "allowlist": [],
    "otel": ["otel"],
}
"""Adapter -> the extras it needs. Its tests are `tests/plugins/test_<adapter>*.py`."""

KINDS = ("transport", "feedback", "queue", "limiter", "resolver", "store", "hooks")
"""Those of `courierx plugin new --kind`."""

HELP_CPU_SECONDS = 0.3

# What a machine happens to have set decides neither what is tested nor, above all, which database with.
for _name in [*os.environ]:
    if _name in ("DATABASE_URL", "REDIS_URL", "SMTP_URL", "PYTHONPATH") or (
        _name.startswith(("COURIERX_", "SES_", "SNS_", "MAILGUN_", "POSTMARK_", "RESEND_", "SENDGRID_"))
        and not _name.startswith("COURIERX_TEST_")
    ):
        del os.environ[_name]

_wheels: dict[Path, Path] = {}


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, format and who imports whom."""
    install(session, *group("lint"))
    cache = f"--cache-dir={cache_of(session)}/ruff"
    session.run("ruff", "check", cache)
    session.run("ruff", "format", "--check", cache)
    session.run("lint-imports", "--no-cache", env={"PYTHONPATH": ":".join(map(str, SOURCE_ROOTS))})


@nox.session
def types(session: nox.Session) -> None:
    """Check the types of everything that ships, strictly, and of the repository's own scripts."""
    install(session, *requirements(*PYPROJECT["project"]["optional-dependencies"]), *group("types"))
    session.run("mypy", f"--cache-dir={cache_of(session)}/mypy", *session.posargs)
    session.run("mypy", f"--cache-dir={cache_of(session)}/mypy-scripts", "noxfile.py", *scripts())


@nox.session
def docs(session: nox.Session) -> None:
    """Fail on a stale reference page, a dead link, or a code block that is not true."""
    install_courierx(session, *group("docs"), extras=["all"])
    session.run("python", "docs/generate.py", "--check")
    session.run("python", "docs/check.py")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the core's, the application's, the end-to-end and the architecture tests."""
    install_courierx(session, *group("test"), extras=["all"])
    folders = [f"tests/{name}" for name in ("core", "app", "e2e", "architecture")]
    pytest(session, "-n", "2", "--dist", "loadscope", *(session.posargs or folders))


@nox.session
@nox.parametrize("name", [nox.param(name, id=name) for name in ADAPTERS])
def adapters(session: nox.Session, name: str) -> None:
    """Run one adapter's tests with only its own extra installed; a missing server fails them."""
    install_courierx(session, *group("test"), extras=ADAPTERS[name])
    files = sorted(str(file.relative_to(ROOT)) for file in ROOT.glob(f"tests/plugins/test_{name}*.py"))
    if not files:
        session.error(f"the adapter {name} has no tests: write tests/plugins/test_{name}.py")
    pytest(session, *files, *session.posargs)


@nox.session(reuse_venv=False)
def core(session: nox.Session) -> None:
    """Prove that courierx_core needs its own five dependencies and nothing else."""
    install(session, *CORE, "pytest", "hypothesis")
    session.install("--no-deps", str(wheel_of(session, ROOT)))
    extras = PYPROJECT["project"]["optional-dependencies"]
    others = [name for name in map(import_name, requirements(*extras)) if name not in CORE]
    session.run("python", "-I", "-c", ABSENT, *others)
    pytest(session, "tests/core", "tests/architecture/test_core_imports.py", *session.posargs)


@nox.session(reuse_venv=False)
def third_party(session: nox.Session) -> None:
    """Install the wheel, the example plugin and one generated of each kind as their authors would; run
    their tests."""
    install_courierx(session)
    install(session, f"courierx-pigeon[test] @ {wheel_of(session, PIGEON).as_uri()}")
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(PIGEON / "tests", Path(folder) / "tests")
        with session.chdir(folder):
            session.run("courierx", "plugins")
            pytest(session, "-W", "error", "tests", *session.posargs)
            for kind in KINDS:
                session.run("courierx", "plugin", "new", f"{kind}-owl", "--kind", kind)
                built = wheel_of(session, Path(folder) / f"courierx-{kind}-owl")
                install(session, f"courierx-{kind}-owl[test] @ {built.as_uri()}")
                pytest(session, "-W", "error", f"courierx-{kind}-owl/tests")


@nox.session(reuse_venv=False)
def wheel(session: nox.Session) -> None:
    """Install the wheel alone in a clean environment, and use it in an empty folder."""
    install(session, f"courierx @ {wheel_of(session, ROOT).as_uri()}")
    with tempfile.TemporaryDirectory() as folder, session.chdir(folder):
        session.run("courierx", "doctor")
        answer = session.run("courierx", "demo", "--recipients", "500", "--json", silent=True)
        check_demo(session, json.loads(str(answer).strip().splitlines()[-1]), audience=500)
    seconds = min(cpu_seconds(f"{session.bin}/courierx", "--help") for _ in range(5))
    session.log(f"courierx --help took {seconds:.3f} s of CPU; {HELP_CPU_SECONDS} s are allowed")
    if seconds >= HELP_CPU_SECONDS:
        session.error("courierx --help imports something heavy before it is needed")


@nox.session(venv_backend="none")
def readme(session: nox.Session) -> None:
    """Run the README's first command, letter for letter, in a copy of the checkout."""
    command = next(
        line.removeprefix("$ ")
        for line in (ROOT / "README.md").read_text("utf-8").splitlines()
        if line.startswith("$ python3 -m venv")
    )
    with tempfile.TemporaryDirectory() as folder:
        copy_checkout(Path(folder))
        with session.chdir(folder):
            session.run("bash", "-euc", command, external=True)


@nox.session
def contract(session: nox.Session) -> None:
    """Ask every operation everything its description allows and forbids: schemathesis, all checks."""
    install_courierx(session, *group("contract"))
    session.run("python", "-m", "tests.contract", *session.posargs)


@nox.session
def faults(session: nox.Session) -> None:
    """Kill, cut and fill things while mail goes out; `-- tests/faults --seeds 20 --setups all` tries more."""
    install_courierx(session, *group("test"), extras=["all"])
    # Twice as many at once as elsewhere: most of the time they wait for a lease to expire. A test takes from
    # one second to a minute, so whoever has none left takes another's.
    pytest(session, "-n", "4", "--dist", "worksteal", *(session.posargs or ["tests/faults"]))


@nox.session
def deploy(session: nox.Session) -> None:
    """Hold the image, compose, ECS, IAM, Helm, systemd and the workflows to their schemas."""
    install_courierx(session, *group("deploy"), extras=["all"])
    pytest(session, *(session.posargs or ["tests/deploy"]))


@nox.session(default=False)
def fuzz(session: nox.Session) -> None:
    """Run the property tests with far more examples than CI has time for."""
    install_courierx(session, *group("test"), extras=["all"])
    pytest(session, "-n", "2", "--hypothesis-profile=fuzz", *(session.posargs or ["tests/core"]))


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Measure rendering, SMTP, the store and whole campaigns: 10 minutes; `-- --full` takes an hour.

    `-- --part growth` measures one part, `-- --help` names them all. Prints one JSON object; `-- --write`
    keeps it in docs/reference beside the other parts. It fails when a message is lost or sent twice, and
    never for being slow: a shared machine has no steady clock.
    """
    install_courierx(session, *group("bench"), extras=["all"])
    session.run("python", "-m", "tests.benchmarks", *session.posargs, env={"PYTHONDONTWRITEBYTECODE": "1"})


@nox.session(default=False)
def interop(session: nox.Session) -> None:
    """Send through Postfix, OpenSMTPD and Exim, ask SpamAssassin and OpenDKIM, look at /docs in Chromium;
    needs root on Debian, and Chromium installed.

    What else it runs comes out of Debian's packages into a folder of its own (50 MB to download), and
    nothing is installed; a machine that cannot do that fails, and says what is missing.
    """
    install_courierx(session, *group("test"), extras=["all"])
    pytest(session, *(session.posargs or ["tests/interop"]))


@nox.session(default=False)
def audit(session: nox.Session) -> None:
    """Ask PyPI's database of known holes about every version that constraints.txt pins: needs the network.

    Not by default: what it says changes with the day, not with the code. A version the database does not
    know fails it too, so that silence is no all-clear. `-- --ignore-vuln ID` lets one pass.
    """
    install(session, *group("audit"))
    session.run("pip-audit", "--requirement", CONSTRAINTS, "--disable-pip", "--no-deps", "--strict",
                "--progress-spinner=off", *session.posargs)  # fmt: skip


@nox.session(default=False)
def constraints(session: nox.Session) -> None:
    """Write constraints.txt, for every supported Python at once; `-- --upgrade` takes newer versions."""
    extras = PYPROJECT["project"]["optional-dependencies"]
    tools = [tool for name in PYPROJECT["dependency-groups"] for tool in group(name)]
    wanted = Path(session.create_tmp()) / "wanted.in"
    wanted.write_text("\n".join([*requirements(*extras), *tools, *PYPROJECT["build-system"]["requires"]]))
    session.run(
        "uv", "pip", "compile", str(wanted), "--universal", "--python-version=3.11", "--no-annotate",
        "--custom-compile-command=nox -s constraints", f"--output-file={CONSTRAINTS}", "--quiet",
        *session.posargs,
    )  # fmt: skip


ABSENT = """
import importlib.util, sys
found = [name for name in sys.argv[1:] if importlib.util.find_spec(name)]
sys.exit(f"this environment should not have {', '.join(found)}" if found else 0)
"""


def install(session: nox.Session, *wanted: str) -> None:
    """Install wheels at the pinned versions, byte-compiled: litestar takes 4 s to import otherwise.

    dkimpy is pure Python, and published as a source archive only.
    """
    session.install(
        "--constraint", CONSTRAINTS, "--only-binary=:all:", "--no-binary=dkimpy", *wanted,
        env={"UV_COMPILE_BYTECODE": "1"},
    )  # fmt: skip


def install_courierx(session: nox.Session, *tools: str, extras: Sequence[str] = ()) -> None:
    """Install the built wheel with its extras, and tools beside it."""
    built = wheel_of(session, ROOT)
    install(session, *requirements(*extras), *tools)
    # Forced, because the version does not change with every edit.
    session.install("--no-deps", "--force-reinstall", str(built), env={"UV_COMPILE_BYTECODE": "1"})


def wheel_of(session: nox.Session, source: Path) -> Path:
    """Build a source tree's wheel, once in a run of nox."""
    if source not in _wheels:
        out = cache_of(session) / "wheels" / source.name
        shutil.rmtree(out, ignore_errors=True)
        if session.venv_backend == "uv":
            session.run_install("uv", "build", "--quiet", "--wheel", f"--build-constraints={CONSTRAINTS}",
                                f"--out-dir={out}", str(source))  # fmt: skip
        else:
            session.run_install("python", "-m", "pip", "wheel", "--quiet", "--no-deps", f"--wheel-dir={out}",
                                str(source), env={"PIP_CONSTRAINT": CONSTRAINTS})  # fmt: skip
        (_wheels[source],) = out.glob("*.whl")
    return _wheels[source]


def pytest(session: nox.Session, *arguments: str) -> None:
    """Run pytest on what is installed, leaving nothing in the checkout."""
    session.run(
        "pytest", "-o", f"cache_dir={cache_of(session)}/pytest", *arguments,
        env={
            "PYTHONDONTWRITEBYTECODE": "1",
            "HYPOTHESIS_STORAGE_DIRECTORY": f"{cache_of(session)}/hypothesis",
        },
    )  # fmt: skip


def cache_of(session: nox.Session) -> Path:
    """Return the folder where tools may keep things; absolute, because some sessions change folder."""
    return Path(session.cache_dir).absolute()


def requirements(*extras: str) -> list[str]:
    """Name what the distribution and some of its extras require."""
    project = PYPROJECT["project"]
    names = project["optional-dependencies"] if "all" in extras else extras
    also = [need for extra in names if extra != "all" for need in project["optional-dependencies"][extra]]
    return [*project["dependencies"], *also]


def group(name: str) -> list[str]:
    """Name the tools of a dependency group."""
    return list(nox.project.dependency_groups(PYPROJECT, name))


def import_name(requirement: str) -> str:
    """Return what `import` calls a requirement; true for all of ours."""
    name = requirement.split("[")[0].split(">")[0].split("=")[0].strip()
    return {"dnspython": "dns"}.get(name, "opentelemetry" if name.startswith("opentelemetry-") else name)


def scripts() -> list[str]:
    return sorted(str(script.relative_to(ROOT)) for script in ROOT.glob("docs/*.py"))


def copy_checkout(folder: Path) -> None:
    """Copy what is committed, or would be; without a git checkout, all but what tools have made."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True
    )
    if listed.returncode:
        made = shutil.ignore_patterns(".*_cache", ".nox", ".venv", "__pycache__", "*.db*")
        shutil.copytree(ROOT, folder, ignore=made, dirs_exist_ok=True)
        return
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


def cpu_seconds(*command: str) -> float:
    """Run a command and return the processor time it took, user and system together."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def check_demo(session: nox.Session, told: dict[str, Any], *, audience: int) -> None:
    """Hold the demo to its word: everyone is in one state, and the server got each mail once."""
    counted = sum(told["states"].values())
    if not told["audience"] == counted == audience or told["sink"]["lost"] or told["sink"]["duplicates"]:
        session.error(f"the demo does not add up: {json.dumps(told)}")


if __name__ == "__main__":
    nox.main()
