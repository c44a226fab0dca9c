"""Checks of a workspace before the first deployment: what a bundle needs and does not make itself.

Everything is asked through databricks-sdk, which only these checks need.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from databricks_utils.config import Configuration, load_configuration
from databricks_utils.config.model import SECRET_PATTERN
from databricks_utils.delta import quoted
from databricks_utils.doctor.check import Check
from databricks_utils.doctor.target import Target, read_target

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

#: The list of versions that deployed tasks install.
REQUIREMENTS = "requirements.txt"
#: Everybody in the account; a grant to them is a grant to each group.
EVERYBODY = "account users"
#: Seconds that one question may take, and that a workspace which says "later" is asked again.
ANSWER_SECONDS, PATIENCE_SECONDS = 30, 60


def examine_workspace(folder: Path, target: str, sources: Sequence[str], command: str) -> list[Check]:
    """Return the findings about the workspace that a target is deployed to; nothing is changed there.

    The landing volume is looked at where the files of a batch pipeline, or events as files, come from it.

    Args:
        folder: The project's folder.
        target: Name of the target in `bundle.yml`.
        sources: Folders of the landing volume that the first run reads.
        command: Name of the project's command, for advice.

    Raises:
        InvalidInput: There is no such target, or its configuration is wrong.
    """
    read = read_target(folder, target)
    configuration = load_configuration(folder / "config", target, {})
    try:
        from databricks.sdk import WorkspaceClient
        from databricks.sdk.config import Config
        from databricks.sdk.errors.base import DatabricksError
    except ImportError:
        advice = f"Take it along for this command: uv run --with databricks-sdk {command} doctor --target {target}"
        return [Check("databricks-sdk", False, "not installed", advice)]
    try:
        settings = Config(http_timeout_seconds=ANSWER_SECONDS, retry_timeout_seconds=PATIENCE_SECONDS)
        found = _Workspace(WorkspaceClient(config=settings), read, configuration)
    except (ValueError, OSError) as error:  # what the SDK raises without credentials, or without an answer
        advice = "Sign in: databricks auth login --host https://<workspace>; or set DATABRICKS_HOST"
        return [_pins(folder), Check("Sign-in", False, str(error).splitlines()[0], advice)]
    seen = [_pins(folder)]
    try:
        seen.extend(found.checks(sources))  # what was found before a refusal stays
    except DatabricksError as error:
        seen.append(Check("Workspace", False, str(error), "Ask somebody who may look at it to run this command"))
    return seen


def _pins(folder: Path) -> Check:
    """Check that tasks will install the versions of the lock file."""
    path, lock = folder / REQUIREMENTS, folder / "uv.lock"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    pins = [match for line in lines if (match := re.match(r"([\w.-]+)==([^\s;]+)", line))]
    advice = "Run make setup, and commit uv.lock and requirements.txt"
    if not pins or not lock.is_file():
        return Check("Tested versions", False, f"{REQUIREMENTS} names none", advice)
    locked = lock.read_text(encoding="utf-8")
    other = [pin[0] for pin in pins if f'name = "{pin[1]}"\nversion = "{pin[2]}"' not in locked]
    said = f"{', '.join(other)} of {REQUIREMENTS} not in uv.lock" if other else f"{len(pins)} as in uv.lock"
    return Check("Tested versions", not other, said, advice if other else "")


class _Workspace:
    """A workspace as whoever is signed in sees it."""

    def __init__(self, client: WorkspaceClient, target: Target, configuration: Configuration) -> None:
        self._client = client
        self._target = target
        self._configuration = configuration
        me = client.current_user.me()
        self._user = str(me.user_name)
        self._groups = [str(group.display) for group in me.groups or []]
        self._catalog = target.filled(target.variables.get("catalog", configuration.catalog), self._user)

    def checks(self, sources: Sequence[str]) -> Iterator[Check]:
        """Yield every finding, the ones that others rest on first."""
        yield Check("Sign-in", True, f"{self._user} at {self._client.config.host}")
        yield from self._identity()
        there = self._catalog_check()
        yield there
        roles = [name for name in ("owner_group", "reader_group") if name in self._target.variables]
        groups = [self._target.filled(self._target.variables[name], self._user) for name in roles]
        for group in dict.fromkeys(groups):
            yield self._group(group)
        if there.ok:
            yield self._deployer()
            for group in dict.fromkeys(groups):
                yield self._may_enter(group)
        yield from self._warehouses()
        yield from self._secrets()
        if there.ok and sources and self._configuration.streaming.source == "files":
            yield from self._landing(sources)

    def _identity(self) -> Iterator[Check]:
        if not self._target.run_as:
            return
        identity = self._target.filled(self._target.run_as, self._user)
        name = "Service principal"
        if "${" in identity:
            advice = (
                f"Set it, for this command and for the deployment: export {self._variable(identity)}=<application id>"
            )
            yield Check(name, False, f"{self._target.name} does not say which", advice)
            return
        found = list(self._client.service_principals.list(filter=f'applicationId eq "{identity}"'))
        advice = f"Add it to the workspace: databricks service-principals create --application-id {identity}"
        yield Check(name, bool(found), identity if found else f"{identity} is not in the workspace", advice)

    def _variable(self, reference: str) -> str:
        return f"BUNDLE_VAR_{reference.strip('${}').removeprefix('var.')}"

    def _catalog_check(self) -> Check:
        from databricks.sdk.errors import NotFound, PermissionDenied

        name = "Catalog"
        try:
            self._client.catalogs.get(self._catalog)
        except NotFound:
            return Check(name, False, f"{self._catalog} does not exist", f"CREATE CATALOG {quoted(self._catalog)}")
        except PermissionDenied:
            return Check(name, False, f"{self._catalog} is closed to {self._user}", self._grant(self._user, True))
        return Check(name, True, self._catalog)

    def _group(self, group: str) -> Check:
        found = list(self._client.groups.list(filter=f'displayName eq "{group}"'))
        advice = (
            f"databricks groups create --display-name {group}, or name another one in {self._target.name} (bundle.yml)"
        )
        return Check(f"Group {group}", bool(found), "there" if found else "does not exist", advice)

    def _deployer(self) -> Check:
        missing = {"USE_CATALOG", "CREATE_SCHEMA"} - self._privileges([self._user, *self._groups, EVERYBODY])
        owner = self._client.catalogs.get(self._catalog).owner
        if owner in (self._user, *self._groups):
            missing = set()
        said = f"{self._user} lacks {', '.join(sorted(missing))} on {self._catalog}" if missing else "may make schemas"
        return Check("Deployer", not missing, said, self._grant(self._user, True))

    def _may_enter(self, group: str) -> Check:
        from databricks.sdk.errors.base import DatabricksError

        name, grant = f"Entry of {group}", self._grant(group, False)
        try:
            found = "USE_CATALOG" in self._privileges([group, EVERYBODY])
        except DatabricksError as error:
            return Check(
                name, False, f"cannot be looked at by {self._user}: {error}", f"Where it is not granted: {grant}"
            )
        said = (
            "USE_CATALOG" if found else f"no USE_CATALOG on {self._catalog}, so that no grant below it opens anything"
        )
        return Check(name, found, said, grant)

    def _grant(self, principal: str, creates: bool) -> str:
        rights = "USE CATALOG, CREATE SCHEMA" if creates else "USE CATALOG"
        return f"GRANT {rights} ON CATALOG {quoted(self._catalog)} TO {quoted(principal)}"

    def _privileges(self, principals: Sequence[str]) -> set[str]:
        """Return what principals may do in the catalog, each of the two that are looked for where they may do all."""
        found: set[str] = set()
        for principal in principals:
            token: str | None = None
            while True:
                page = self._client.grants.get_effective(
                    "catalog", self._catalog, principal=principal, page_token=token, max_results=0
                )
                for assignment in page.privilege_assignments or []:
                    found |= {item.privilege.value for item in assignment.privileges or [] if item.privilege}
                token = page.next_page_token
                if not token:
                    break
            if "ALL_PRIVILEGES" in found:
                return found | {"USE_CATALOG", "CREATE_SCHEMA"}
        return found

    def _warehouses(self) -> Iterator[Check]:
        named, given = self._target.lookups.get("warehouse_id"), self._target.variables.get("warehouse_id")
        if not named and not given:
            return
        found = list(self._client.warehouses.list())
        ok = any(item.id == given if given else item.name == named for item in found)
        said = f"{given or named}" if ok else f"{given or named} does not exist"
        advice = "databricks warehouses create --name NAME, then export BUNDLE_VAR_warehouse_id=<its id>"
        if found and not ok:
            advice += f"; there are {', '.join(sorted(str(item.name) for item in found))}"
        yield Check("SQL warehouse", ok, said, advice)

    def _secrets(self) -> Iterator[Check]:
        from databricks.sdk.errors.base import DatabricksError

        wanted: dict[str, set[str]] = {}
        for reference in _references(self._configuration.model_dump()):
            scope, _, key = reference.removeprefix("secret://").partition("/")
            wanted.setdefault(scope, set()).add(key)
        scopes = {scope.name for scope in self._client.secrets.list_scopes()} if wanted else set()
        for scope, keys in wanted.items():
            name = f"Secrets of {scope}"
            if scope not in scopes:
                yield Check(name, False, "no such scope", f"databricks secrets create-scope {scope}")
                continue
            try:
                missing = keys - {item.key for item in self._client.secrets.list_secrets(scope)}
            except DatabricksError as error:
                advice = f"databricks secrets put-acl {scope} {self._user} READ"
                yield Check(name, False, f"closed to {self._user}: {error}", advice)
                continue
            advice = "; ".join(f"databricks secrets put-secret {scope} {key}" for key in sorted(missing))
            yield Check(name, not missing, f"lacks {', '.join(sorted(missing))}" if missing else "there", advice)

    def _landing(self, sources: Sequence[str]) -> Iterator[Check]:
        from databricks.sdk.errors import NotFound, PermissionDenied

        _, volumes, _, schema, volume, *_ = (*self._configuration.storage.landing.split("/"), "", "", "", "", "")
        name = "Landing files"
        if volumes != "Volumes":
            yield Check(name, True, f"not looked at: {self._configuration.storage.landing} is no volume")
            return
        schema = f"{self._prefix}{schema}"
        full_name, path = f"{self._catalog}.{schema}.{volume}", f"/Volumes/{self._catalog}/{schema}/{volume}"
        try:
            self._client.volumes.read(full_name)
        except NotFound:
            said = f"the volume {full_name} comes with the first deployment; files are delivered to it then"
            yield Check(name, True, said)
            return
        except PermissionDenied:
            advice = f"GRANT READ VOLUME ON VOLUME {quoted(self._catalog, schema, volume)} TO {quoted(self._user)}"
            yield Check(name, False, f"{full_name} is closed to {self._user}", advice)
            return
        empty = [source for source in sources if not self._has_files(f"{path}/{source}")]
        copies = [f"databricks fs cp --recursive data/landing/{source} dbfs:{path}/{source}" for source in empty]
        yield Check(name, not empty, f"none in {', '.join(empty)}" if empty else path, "; ".join(copies))

    @property
    def _prefix(self) -> str:
        """Return what the development mode puts before the names of schemas."""
        if not self._target.development:
            return ""
        return f"dev_{re.sub(r'[^a-z0-9]', '_', self._user.partition('@')[0].lower())}_"

    def _has_files(self, path: str) -> bool:
        from databricks.sdk.errors import NotFound

        try:
            entries = list(self._client.files.list_directory_contents(path))
        except NotFound:
            return False
        return any(not entry.is_directory or self._has_files(str(entry.path)) for entry in entries)


def _references(value: object) -> Iterator[str]:
    """Yield every reference to a secret, wherever the configuration has it."""
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _references(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _references(item)
    elif isinstance(value, str) and re.match(SECRET_PATTERN, value):
        yield value
