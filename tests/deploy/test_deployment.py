"""What can't run here is held to its own schema: the image, compose, ECS, IAM, Helm, systemd, workflows."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import botocore.session
import kubernetes_validate
import pytest
from botocore.validate import ParamValidator
from helm_python.chart import lint

from tests.deploy.conftest import (
    CHART,
    IMAGE_USER,
    ROOT,
    commands,
    compose,
    containers,
    rendered,
    task_definitions,
    units,
)

EVERYTHING: dict[str, Any] = {
    "ingress": {"enabled": True, "className": "nginx", "tlsSecret": "tls"},
    "inbound": {"enabled": True, "service": {"annotations": {"example.com/proxy": "off"}}},
    "config": "[transports.eu]\ndriver = 'smtp'\n",
    "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/x"}},
    "tolerations": [{"operator": "Exists"}],
    "nodeSelector": {"kubernetes.io/os": "linux"},
}
KUBERNETES = "1.31"


def tool(name: str, *arguments: str) -> None:
    """Run a tool of this environment; its words are the failure."""
    program = Path(sys.executable).with_name(name)
    ran = subprocess.run([program, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_dockerfile_is_well_formed() -> None:
    tool("hadolint", "Dockerfile")


def test_compose_and_workflows_fit_their_schemas() -> None:
    workflows = [str(file.relative_to(ROOT)) for file in (ROOT / ".github/workflows").glob("*.yml")]
    assert len(workflows) >= 2
    tool("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml")
    tool("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *workflows)


def test_the_workflows_are_safe() -> None:
    tool("zizmor", "--offline", "--no-progress", ".")


@pytest.mark.parametrize("where", commands())
def test_each_command_exists_with_its_options(where: str, docs_check: ModuleType) -> None:
    assert list(docs_check._courierx_problems([*commands()[where]])) == []


def test_each_environment_name_is_a_setting() -> None:
    known = set(re.findall(r"`([A-Z][A-Z0-9_]+)`", (ROOT / "docs/reference/settings.md").read_text("utf-8")))
    named = {
        entry["name"]
        for task in task_definitions().values()
        for kind in ("environment", "secrets")
        for entry in task["containerDefinitions"][0][kind]
    }
    for service in compose()["services"].values():
        if service["image"].startswith("courierx"):
            named |= set(service["environment"])
    for each in rendered():
        if each["kind"] == "ConfigMap":
            named |= set(each["data"])
    assert named
    assert named <= known


def test_no_file_names_a_setting_that_there_is_not() -> None:
    """In comments, templates and units too."""
    known = (ROOT / "docs/reference/settings.md").read_text("utf-8")
    files = [ROOT / "Dockerfile", ROOT / "compose.yaml", *(ROOT / ".github").rglob("*.yml")]
    files += [file for file in (ROOT / "deploy").rglob("*") if file.is_file()]
    for file in files:
        for name in re.findall(r"\bCOURIERX_[A-Z_]+[A-Z]\b", file.read_text("utf-8")):
            assert f"`{name}`" in known, f"{file.relative_to(ROOT)}: {name}"


@pytest.mark.parametrize("name", task_definitions())
def test_ecs_takes_the_task_definition(name: str) -> None:
    model = botocore.session.get_session().get_service_model("ecs")
    shape = model.operation_model("RegisterTaskDefinition").input_shape
    report = ParamValidator().validate(task_definitions()[name], shape)
    assert not report.has_errors(), report.generate_report()


def test_each_ecs_role_is_its_own_and_secrets_come_from_ssm() -> None:
    tasks = task_definitions().values()
    assert len({task["taskRoleArn"] for task in tasks}) == len(tasks)
    for task in tasks:
        (container,) = task["containerDefinitions"]
        assert all(":ssm:" in secret["valueFrom"] for secret in container["secrets"])
        assert {"DATABASE_URL", "COURIERX_SECRET_KEY"} <= {secret["name"] for secret in container["secrets"]}
        assert container["user"] == f"{IMAGE_USER}:{IMAGE_USER}"
        assert container["readonlyRootFilesystem"]


@pytest.mark.parametrize("file", sorted((ROOT / "deploy/ecs/iam").glob("*role*.json")), ids=lambda f: f.name)
def test_a_policy_grants_operations_that_exist_and_nothing_wholesale(file: Path) -> None:
    session = botocore.session.get_session()
    for statement in json.loads(file.read_text())["Statement"]:
        actions = statement["Action"]
        for action in [actions] if isinstance(actions, str) else actions:
            service, _, operation = action.partition(":")
            models = ("ses", "sesv2") if service == "ses" else (service,)
            known = {name for model in models for name in session.get_service_model(model).operation_names}
            assert operation in known, action
        if statement["Resource"] == "*":
            assert statement["Sid"] in ("LogIn", "SeeTheAccount"), "these alone have no resource to name"


def test_the_policies_of_sqs_grant_what_the_queue_asks_for_and_no_more() -> None:
    asked = re.findall(
        r"client\.([a-z]+_[a-z_]+)\(", (ROOT / "plugins/courierx_sqs/queue.py").read_text("utf-8")
    )
    operations = {"".join(map(str.capitalize, each.split("_"))).removesuffix("Batch") for each in asked}
    work, notify = (
        set(
            json.loads((ROOT / f"deploy/ecs/iam/task-role-sqs-{of}.json").read_text())["Statement"][0][
                "Action"
            ]
        )
        for of in ("work", "notify")
    )
    assert work == {f"sqs:{each}" for each in operations - {"CreateQueue"}}
    assert work - notify == {"sqs:ReceiveMessage", "sqs:DeleteMessage"}


def test_the_chart_has_no_complaint_from_helm() -> None:
    for values in ({}, EVERYTHING):
        told = lint(CHART, values, strict=True)
        assert told["errors"] == []
        assert [m for m in told["messages"] if m["severity"] > 1] == []


def test_kubernetes_takes_what_the_chart_renders() -> None:
    for values in ({}, EVERYTHING):
        objects = rendered(**values)
        for each in objects:
            kubernetes_validate.validate(each, KUBERNETES, strict=True)
        kinds = {each["kind"] for each in objects}
        assert {"Deployment", "Job", "Service", "ConfigMap", "ServiceAccount"} <= kinds
        assert ("Ingress" in kinds) == (values is EVERYTHING)


def test_a_wrong_value_is_refused() -> None:
    told = lint(CHART, {"worker": {"replicas": "many"}}, strict=True)
    assert told["errors"] or [m for m in told["messages"] if m["severity"] > 2]


def test_every_pod_runs_as_nobody_on_a_read_only_root() -> None:
    pods = list(containers(rendered(**EVERYTHING)))
    assert len(pods) == 4
    for pod, container in pods:
        assert pod["securityContext"]["runAsUser"] == IMAGE_USER
        assert pod["securityContext"]["runAsNonRoot"]
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert f"USER {IMAGE_USER}:{IMAGE_USER}\n" in (ROOT / "Dockerfile").read_text()


@pytest.mark.parametrize("name", units())
def test_a_unit_gives_the_worker_time_and_takes_its_rights(name: str) -> None:
    service = units()[name]["Service"]
    assert int(service["TimeoutStopSec"]) >= 45
    assert service["User"] != "root"
    assert service["ProtectSystem"] == "strict"
    assert service["NoNewPrivileges"] == "yes"


def test_the_image_holds_what_the_wheel_is_built_from() -> None:
    taken = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert {name for line in copied for name in line.split()} == taken
    assert all((ROOT / name).exists() for name in taken)
