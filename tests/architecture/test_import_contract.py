"""Who may import whom: the contract of pyproject.toml holds, and leaves no package out."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SOURCE_ROOTS = (ROOT, ROOT / "app", ROOT / "plugins", ROOT / "migrations")
CONTRACT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
CONTRACTS: dict[str, dict[str, Any]] = {contract["id"]: contract for contract in CONTRACT["contracts"]}


def packages(folder: Path) -> set[str]:
    return {init.parent.name for init in folder.glob("courierx_*/__init__.py")}


PLUGINS = packages(ROOT / "plugins")


def lint(config: Path, *roots: Path) -> subprocess.CompletedProcess[str]:
    program = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    assert program, "import-linter is not installed: run this with `nox -s tests`"
    return subprocess.run(
        [program, "--no-cache", "--config", str(config)],
        cwd=config.parent,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, roots))},
        capture_output=True,
        text=True,
    )


def test_the_contract_holds() -> None:
    ran = lint(ROOT / "pyproject.toml", *SOURCE_ROOTS)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_contract_knows_every_package() -> None:
    ours = packages(ROOT) | packages(ROOT / "app") | packages(ROOT / "migrations") | PLUGINS
    assert set(CONTRACT["root_packages"]) == ours


@pytest.mark.parametrize(
    ("contract", "key"),
    [
        ("core", "forbidden_modules"),
        ("plugin-loaders", "source_modules"),
        ("plugins", "modules"),
        ("plugins-app", "source_modules"),
        ("app", "forbidden_modules"),
    ],
)
def test_each_rule_about_plugins_names_every_plugin(contract: str, key: str) -> None:
    assert set(CONTRACTS[contract][key]) >= PLUGINS


def test_the_rules_about_migrations_name_every_plugin_but_the_store() -> None:
    others = PLUGINS - {"courierx_sql"}
    assert set(CONTRACTS["migrations"]["forbidden_modules"]) >= others
    assert set(CONTRACTS["migrations-by-the-store"]["source_modules"]) >= others


def test_the_migrations_import_only_the_stores_tables() -> None:
    for file in (ROOT / "migrations").rglob("*.py"):
        ours = re.findall(r"^\s*(?:from|import) (courierx_[\w.]+)", file.read_text("utf-8"), re.MULTILINE)
        assert set(ours) <= {"courierx_migrations", "courierx_sql.tables"}, file


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("courierx_core/tenants.py", "import sqlalchemy"),
        ("courierx_core/errors.py", "import courierx_sql"),
        ("courierx_core/work.py", "import pluggy"),
        ("courierx_core/mail/address.py", "import courierx_core.ports.transport"),
        ("plugins/courierx_html/__init__.py", "import courierx_sql"),
        ("plugins/courierx_html/__init__.py", "import courierx_app"),
        ("app/courierx_app/__init__.py", "import courierx_sql"),
        ("app/courierx_app/__init__.py", "import courierx_migrations"),
        ("migrations/courierx_migrations/env.py", "import courierx_core"),
    ],
)
def test_the_contract_catches(file: str, line: str, tmp_path: Path) -> None:
    for folder in ("courierx_core", "app", "plugins", "migrations"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / file).open("a") as broken:
        broken.write(f"\n{line}\n")
    ran = lint(tmp_path / "pyproject.toml", *(tmp_path / root.relative_to(ROOT) for root in SOURCE_ROOTS))
    assert ran.returncode == 1, ran.stdout
    assert "BROKEN" in ran.stdout
