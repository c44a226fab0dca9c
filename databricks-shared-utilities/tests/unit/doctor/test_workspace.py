"""The workspace of a target is looked at with the real SDK: what is missing is named, and what is advised mends it."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import BadRequest, NotFound, PermissionDenied, Unauthenticated
from databricks.sdk.service.catalog import PermissionsChange, Privilege

from databricks_utils.cli import Project, command_line
from databricks_utils.doctor import examine_workspace, render_checks
from databricks_utils.doctor.target import read_target
from databricks_utils.errors import InvalidInput
from databricks_utils.medallion import Bronze, Files, Pipeline
from databricks_utils.testing.workspace import Workspace, running_workspace

BUNDLE = """\
bundle: {name: shop}
variables:
  catalog: {description: where}
  owner_group: {default: shop-team}
  reader_group: {default: "${var.owner_group}-readers"}
  service_principal: {description: who}
  warehouse_id: {lookup: {warehouse: Starter}}
targets:
  dev:
    mode: development
    variables: {catalog: shop_dev}
  prod:
    mode: production
    run_as: {service_principal_name: "${var.service_principal}"}
    variables: {catalog: "shop_${bundle.target}"}
"""
CONFIGURATION = """\
storage:
  landing: /Volumes/shop_ENV/bronze/landing
  checkpoints: /Volumes/shop_ENV/operations/checkpoints
  reports: /Volumes/shop_ENV/operations/reports
secrets: {till: secret://shop/till-key}
catalog: shop_ENV
environment: ENV
"""
LOCK = '[[package]]\nname = "click"\nversion = "8.1.7"\n'
ROBOT = "0000-1111"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bundle.yml").write_text(BUNDLE)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "base.yaml").write_text("{}\n")
    for name in ("dev", "prod"):
        (tmp_path / "config" / f"{name}.yaml").write_text(CONFIGURATION.replace("ENV", name))
    (tmp_path / "requirements.txt").write_text("# pins\nclick==8.1.7 ; python_version >= '3.10'\n")
    (tmp_path / "uv.lock").write_text(LOCK)
    return tmp_path


@pytest.fixture
def workspace() -> Workspace:
    """A workspace in which nothing is missing for ann, who deploys dev; bob may do everything."""
    return Workspace(
        tokens={"t-ann": "ann@example.com", "t-bob": "bob", "t-eve": "eve"},
        admins={"bob"},
        groups={"a-first": set(), "b-second": set(), "shop-team": {"ann@example.com"}, "shop-team-readers": set()},
        service_principals={"9999", ROBOT, "8888"},
        catalogs={"shop_dev": "bob", "shop_prod": "bob"},
        grants={
            ("shop_dev", "shop-team"): {"USE_CATALOG", "CREATE_SCHEMA", "MANAGE"},
            ("shop_dev", "shop-team-readers"): {"USE_CATALOG"},
        },
        volumes={"shop_dev.dev_ann_bronze.landing": "shop-team"},
        files={f"/Volumes/shop_dev/dev_ann_bronze/landing/orders/{name}" for name in ("2025/1.csv", "a", "b", "c")},
        warehouses={"One": "1", "Two": "2", "Starter": "3"},
        scopes={"shop": {"till-key", "other"}},
        readers={"shop": {"shop-team"}},
    )


@pytest.fixture
def address(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with running_workspace(workspace) as found:
        for name in (
            "DATABRICKS_HOST",
            "DATABRICKS_TOKEN",
            "DATABRICKS_CONFIG_PROFILE",
            "BUNDLE_VAR_service_principal",
        ):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("DATABRICKS_CONFIG_FILE", "/dev/null")
        monkeypatch.setenv("DATABRICKS_HOST", found)
        monkeypatch.setenv("DATABRICKS_TOKEN", "t-ann")
        yield found


def examined(
    folder: Path, target: str = "dev", sources: tuple[str, ...] = ("orders",)
) -> dict[str, tuple[bool, str, str]]:
    checks = examine_workspace(folder, target, sources, "shop")
    return {check.name: (check.ok, check.found, check.advice) for check in checks}


def failed(folder: Path, target: str = "dev") -> dict[str, tuple[str, str]]:
    return {name: (found, advice) for name, (ok, found, advice) in examined(folder, target).items() if not ok}


def test_a_workspace_that_has_all_passes_every_check(folder: Path, address: str) -> None:
    found = examined(folder)

    assert [name for name, (ok, _, _) in found.items() if not ok] == []
    assert list(found) == [
        "Tested versions",
        "Sign-in",
        "Catalog",
        "Group shop-team",
        "Group shop-team-readers",
        "Deployer",
        "Entry of shop-team",
        "Entry of shop-team-readers",
        "SQL warehouse",
        "Secrets of shop",
        "Landing files",
    ]


def test_each_thing_that_is_missing_is_named_with_what_mends_it(
    folder: Path, address: str, workspace: Workspace
) -> None:
    workspace.grants = {("shop_dev", "shop-team"): {"BROWSE"}}
    workspace.catalogs["shop_dev"] = "ann@example.com"
    del workspace.groups["shop-team-readers"], workspace.warehouses["Starter"]
    workspace.scopes["shop"] = {"other"}
    workspace.files.clear()
    (folder / "requirements.txt").write_text("click==8.1.8\n")

    assert failed(folder) == {
        "Tested versions": (
            "click==8.1.8 of requirements.txt not in uv.lock",
            "Run make setup, and commit uv.lock and requirements.txt",
        ),
        "Group shop-team-readers": (
            "does not exist",
            "databricks groups create --display-name shop-team-readers, or name another one in dev (bundle.yml)",
        ),
        "Entry of shop-team": (
            "no USE_CATALOG on shop_dev, so that no grant below it opens anything",
            "GRANT USE CATALOG ON CATALOG `shop_dev` TO `shop-team`",
        ),
        "Entry of shop-team-readers": (
            "no USE_CATALOG on shop_dev, so that no grant below it opens anything",
            "GRANT USE CATALOG ON CATALOG `shop_dev` TO `shop-team-readers`",
        ),
        "SQL warehouse": (
            "Starter does not exist",
            "databricks warehouses create --name NAME, then export BUNDLE_VAR_warehouse_id=<its id>; "
            "there are One, Two",
        ),
        "Secrets of shop": ("lacks till-key", "databricks secrets put-secret shop till-key"),
        "Landing files": (
            "none in orders",
            "databricks fs cp --recursive data/landing/orders dbfs:/Volumes/shop_dev/dev_ann_bronze/landing/orders",
        ),
    }


def test_a_grant_as_it_is_advised_mends_what_was_missing(folder: Path, address: str, workspace: Workspace) -> None:
    del workspace.grants["shop_dev", "shop-team-readers"]
    ((name, (_, advice)),) = failed(folder).items()
    statement = re.fullmatch(r"GRANT (.+) ON CATALOG `(.+)` TO `(.+)`", advice)
    assert statement is not None

    change = PermissionsChange(principal=statement[3], add=[Privilege(statement[1].replace(" ", "_"))])
    WorkspaceClient(host=address, token="t-bob").grants.update("catalog", statement[2], changes=[change])

    assert (name, failed(folder)) == ("Entry of shop-team-readers", {})


def test_who_may_not_make_schemas_is_told_and_an_absent_catalog_is_made(
    folder: Path, address: str, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.grants["shop_dev", "shop-team"] = {"USE_CATALOG"}
    grant = "GRANT USE CATALOG, CREATE SCHEMA ON CATALOG `shop_dev` TO `ann@example.com`"
    found = failed(folder)
    assert found["Deployer"] == ("ann@example.com lacks CREATE_SCHEMA on shop_dev", grant)
    # Whose grants they may not see, she is not told: only what to do if it is so.
    assert found["Entry of shop-team-readers"][0].startswith("cannot be looked at by ann@example.com")

    workspace.grants.clear()
    assert failed(folder)["Catalog"] == ("shop_dev is closed to ann@example.com", grant)

    del workspace.catalogs["shop_dev"]
    assert failed(folder)["Catalog"] == ("shop_dev does not exist", "CREATE CATALOG `shop_dev`")
    WorkspaceClient(host=address, token="t-bob").catalogs.create("shop_dev")
    assert "shop_dev does not exist" not in failed(folder)["Catalog"][0]


def test_prod_wants_to_know_whose_copy_it_is_and_that_it_is_there(
    folder: Path, address: str, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABRICKS_TOKEN", "t-bob")
    unnamed = failed(folder, "prod")["Service principal"]
    assert unnamed == (
        "prod does not say which",
        "Set it, for this command and for the deployment: export BUNDLE_VAR_service_principal=<application id>",
    )

    monkeypatch.setenv("BUNDLE_VAR_service_principal", ROBOT)
    assert examined(folder, "prod")["Service principal"] == (
        True,
        ROBOT,
        examined(folder, "prod")["Service principal"][2],
    )
    assert examined(folder, "prod")["Landing files"][1].startswith("the volume shop_prod.bronze.landing comes with")

    workspace.service_principals.remove(ROBOT)
    assert failed(folder, "prod")["Service principal"][0] == f"{ROBOT} is not in the workspace"


def test_a_scope_or_volume_that_is_closed_is_no_crash(folder: Path, address: str, workspace: Workspace) -> None:
    workspace.readers["shop"] = set()
    workspace.volumes["shop_dev.dev_ann_bronze.landing"] = "bob"

    found = failed(folder)

    assert found["Secrets of shop"][1] == "databricks secrets put-acl shop ann@example.com READ"
    assert found["Landing files"][1].startswith("GRANT READ VOLUME ON VOLUME `shop_dev`.`dev_ann_bronze`.`landing`")
    del workspace.scopes["shop"]
    assert failed(folder)["Secrets of shop"] == ("no such scope", "databricks secrets create-scope shop")


def test_a_workspace_that_asks_to_wait_is_asked_again(folder: Path, address: str, workspace: Workspace) -> None:
    workspace.throttled = 2

    assert failed(folder) == {}
    assert workspace.requests.count("GET /api/2.0/preview/scim/v2/Me") == 3


@pytest.mark.parametrize("token", ["t-nobody", ""])
def test_without_an_identity_it_says_how_to_sign_in(
    token: str, folder: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABRICKS_TOKEN", token)

    assert failed(folder)["Sign-in"][1].startswith("Sign in: databricks auth login --host ")


def test_the_command_ends_with_1_and_a_target_that_is_not_there_with_2(
    folder: Path, address: str, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    project = Project(Pipeline("shop", Bronze("orders", source=Files("orders"))), "shop", folder)
    arguments = ["doctor", f"--project={folder}", "--target"]

    assert command_line(project, [*arguments, "dev"]) == 0
    assert "All 11 checks passed" in capsys.readouterr().out
    workspace.files.clear()
    assert command_line(project, [*arguments, "dev"]) == 1
    assert "none in orders" in capsys.readouterr().out
    assert command_line(project, [*arguments, "test"]) == 2
    assert "bundle.yml has no target 'test'" in capsys.readouterr().err


def test_variables_are_filled_in_as_the_bundle_does(folder: Path) -> None:
    target = read_target(folder, "prod", {"BUNDLE_VAR_owner_group": "others", "BUNDLE_VAR_warehouse_id": "7"})

    assert target.filled("${var.reader_group} in ${var.catalog} by ${workspace.current_user.userName}", "ann") == (
        "others-readers in shop_prod by ann"
    )
    assert (target.variables["warehouse_id"], dict(target.lookups), target.development) == ("7", {}, False)
    with pytest.raises(InvalidInput, match="no target 'stage'"):
        read_target(folder, "stage", {})


def test_the_stand_in_refuses_what_the_real_one_refuses(address: str, workspace: Workspace) -> None:
    ann, bob = (WorkspaceClient(host=address, token=token) for token in ("t-ann", "t-bob"))

    for path, status, code in (
        ("/api/2.1/unity-catalog/catalogues/x", 404, "ENDPOINT_NOT_FOUND"),
        ("/api/2.1/unity-catalog/catalogs/shop_dev?browse=1", 400, "INVALID_PARAMETER_VALUE"),
        ("/api/2.0/sql/warehouses?page_token=x", 400, "INVALID_PARAMETER_VALUE"),
        ("/api/2.0/preview/scim/v2/Groups?filter=name+eq+%22x%22", 400, "INVALID_FILTER"),
    ):
        request = urllib.request.Request(address + path, headers={"Authorization": "Bearer t-bob"})
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request)
        assert (caught.value.code, json.loads(caught.value.read())["error_code"]) == (status, code)
    with pytest.raises(PermissionDenied):
        ann.catalogs.create("new")
    with pytest.raises(BadRequest):
        bob.catalogs.create("new", storage_root="s3://there")
    with pytest.raises(NotFound):
        bob.grants.update("catalog", "shop_dev", changes=[PermissionsChange(principal="x", add=[Privilege.BROWSE])])
    with pytest.raises(BadRequest):
        bob.grants.update("catalog", "shop_dev", changes=[PermissionsChange(principal="eve", add=[Privilege.MODIFY])])
    with pytest.raises(Unauthenticated):
        WorkspaceClient(host=address, token="t-x").current_user.me()
    ann.secrets.create_scope("own")
    assert [scope.name for scope in ann.secrets.list_scopes()] == ["own", "shop"]
    assert [item.name for item in ann.warehouses.list()] == ["One", "Starter", "Two"]
    assert {group.display_name for group in ann.groups.list()} == set(workspace.groups)


def test_the_list_is_read_by_people(folder: Path, address: str, workspace: Workspace) -> None:
    workspace.warehouses.clear()

    text = render_checks(examine_workspace(folder, "dev", ("orders",), "shop"))

    assert "FAIL  SQL warehouse" in text
    assert "1 of 11 checks failed" in text
