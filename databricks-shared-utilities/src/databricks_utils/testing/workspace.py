"""A Databricks workspace on 127.0.0.1, as far as its REST interface is asked: for the real databricks-sdk, over HTTP.

It is strict: what it does not know is refused, as the real one refuses it, so that a test notices a wrong path, field
or filter. It keeps what it is told, pages its answers, and lets nobody see what is closed to them.

Source: the REST reference of Databricks, and SCIM (RFC 7644) for users, groups and service principals.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

#: Entries on a page, so few that every list has several.
PAGE = 2
#: What may be granted on a catalog.
PRIVILEGES = frozenset({"ALL_PRIVILEGES", "BROWSE", "CREATE_SCHEMA", "MANAGE", "USE_CATALOG", "USE_SCHEMA", "SELECT"})
EVERYBODY = "account users"
_FILTER = re.compile(r'(\w+) eq "([^"]*)"')
_ERRORS = {400: "INVALID_PARAMETER_VALUE", 403: "PERMISSION_DENIED", 409: "RESOURCE_ALREADY_EXISTS"}


class Refused(Exception):
    """An answer that is an error.

    Args:
        status: HTTP status.
        message: For people.
        code: `error_code` of the answer; that of the status by default.
    """

    def __init__(self, status: int, message: str, code: str = "") -> None:
        super().__init__(message)
        self.status, self.message, self.code = status, message, code or _ERRORS[status]


@dataclass
class Workspace:
    """What a workspace holds. A test fills it in, and looks at it afterwards.

    Args:
        tokens: User name or application id by the token it signs in with.
        admins: Names of those who may do everything.
        groups: Members by group.
        service_principals: Application ids.
        catalogs: Owner by catalog.
        grants: Privileges by catalog and principal.
        volumes: Owner by full name, `catalog.schema.volume`.
        files: Paths of files in volumes.
        warehouses: Id by name.
        scopes: Keys by secret scope.
        readers: Who may read a scope, beside administrators.
        throttled: How many of the next requests are answered with 429 and `Retry-After: 0`.
        requests: What was asked, as `GET /path`, in order.
    """

    tokens: dict[str, str] = field(default_factory=dict)
    admins: set[str] = field(default_factory=set)
    groups: dict[str, set[str]] = field(default_factory=dict)
    service_principals: set[str] = field(default_factory=set)
    catalogs: dict[str, str] = field(default_factory=dict)
    grants: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    volumes: dict[str, str] = field(default_factory=dict)
    files: set[str] = field(default_factory=set)
    warehouses: dict[str, str] = field(default_factory=dict)
    scopes: dict[str, set[str]] = field(default_factory=dict)
    readers: dict[str, set[str]] = field(default_factory=dict)
    throttled: int = 0
    requests: list[str] = field(default_factory=list)

    def names_of(self, user: str) -> set[str]:
        """Return the principals that a user is: itself, its groups, everybody."""
        return {user, EVERYBODY, *(group for group, members in self.groups.items() if user in members)}

    def may(self, user: str, catalog: str, *privileges: str) -> bool:
        """Say whether a user may do one of some things in a catalog; its owner and administrators may do all."""
        names = self.names_of(user)
        if user in self.admins or self.catalogs.get(catalog) in names:
            return True
        held = {privilege for name in names for privilege in self.grants.get((catalog, name), ())}
        return bool(held & {"ALL_PRIVILEGES", *privileges})


@dataclass(frozen=True)
class Asked:
    """One request: who asks, the parts of its path, its query and body, all of known names."""

    user: str
    parts: tuple[str, ...]
    query: Mapping[str, str]
    body: Mapping[str, Any]


Answer = Callable[[Workspace, Asked], Mapping[str, Any]]


@dataclass(frozen=True)
class Route:
    """A path that is answered: its method, what may stand in its query and its body, and the answer."""

    method: str
    path: re.Pattern[str]
    query: frozenset[str]
    body: frozenset[str]
    answer: Answer


ROUTES: list[Route] = []


def route(method: str, path: str, *, query: str = "", body: str = "") -> Callable[[Answer], Answer]:
    """Register the answer to a path; `{}` stands for one part of it and `{*}` for the rest."""
    pattern = re.escape(path).replace(r"\{\*\}", "(/.*)").replace(r"\{\}", "([^/]+)")

    def registered(answer: Answer) -> Answer:
        known = (frozenset(query.split()), frozenset(body.split()))
        ROUTES.append(Route(method, re.compile(pattern), *known, answer))
        return answer

    return registered


@contextmanager
def running_workspace(workspace: Workspace) -> Iterator[str]:
    """Serve a workspace on a free port of 127.0.0.1 for the length of a block, and return its address."""
    handler = type("Handler", (_Handler,), {"workspace": workspace, "lock": threading.Lock()})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    workspace: Workspace
    lock: threading.Lock
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._handle("GET")

    def do_POST(self) -> None:
        self._handle("POST")

    def do_PATCH(self) -> None:
        self._handle("PATCH")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing on the terminal; tests look at `requests`."""

    def _handle(self, method: str) -> None:
        text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.lock:  # one request after the other, as transactions of the real one
            try:
                self._send(200, self._answer(method, text))
            except Refused as error:
                self._send(error.status, {"error_code": error.code, "message": error.message})

    def _answer(self, method: str, text: bytes) -> Mapping[str, Any]:
        address = urlsplit(self.path)
        self.workspace.requests.append(f"{method} {address.path}")
        found = [
            (item, match)
            for item in ROUTES
            if item.method == method and (match := item.path.fullmatch(address.path)) is not None
        ]
        if not found:
            raise Refused(404, f"No API found for '{method} {address.path}'", "ENDPOINT_NOT_FOUND")
        user = self.workspace.tokens.get(self.headers.get("Authorization", "").removeprefix("Bearer "))
        if user is None:
            raise Refused(401, "Credential was not sent or was of an unsupported type", "UNAUTHENTICATED")
        if self.workspace.throttled:
            self.workspace.throttled -= 1
            raise Refused(429, "Current rate of requests is too high", "REQUEST_LIMIT_EXCEEDED")
        (item, match), *_ = found
        query = {key: values[-1] for key, values in parse_qs(address.query).items()}
        body = _body(text)
        for said, given, known in (("query parameter", query, item.query), ("field", body, item.body)):
            if unknown := sorted(set(given) - known):
                raise Refused(400, f"Unknown {said} {', '.join(unknown)} for {address.path}")
        return item.answer(self.workspace, Asked(user, tuple(map(unquote, match.groups())), query, body))

    def _send(self, status: int, answer: Mapping[str, Any]) -> None:
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        if status == 429:
            self.send_header("Retry-After", "0")
        self.end_headers()
        self.wfile.write(text)


def _body(text: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        raise Refused(400, "The body is no JSON", "MALFORMED_REQUEST") from None
    if not isinstance(found, dict):
        raise Refused(400, "The body is no object", "MALFORMED_REQUEST")
    return found


def _page(entries: Sequence[Any], asked: Asked, key: str) -> Mapping[str, Any]:
    token = asked.query.get("page_token", "0")
    if not token.isdigit() or int(token) > len(entries):
        raise Refused(400, f"page_token {token!r} is not one of this list")
    begin, end = int(token), int(token) + PAGE
    following = {"next_page_token": str(end)} if end < len(entries) else {}
    return {key: list(entries[begin:end]), **following}


def _scim(entries: Sequence[Mapping[str, Any]], attribute: str, asked: Asked) -> Mapping[str, Any]:
    wanted = asked.query.get("filter")
    if wanted is not None:
        match = _FILTER.fullmatch(wanted)
        if match is None or match[1] != attribute:
            raise Refused(400, f"The filter {wanted!r} is not understood", "INVALID_FILTER")
        entries = [item for item in entries if item[attribute] == match[2]]
    begin = int(asked.query.get("startIndex", "1")) - 1
    some = list(entries[begin : begin + PAGE])
    return {"totalResults": len(entries), "startIndex": begin + 1, "itemsPerPage": len(some), "Resources": some}


def _owned(workspace: Workspace, asked: Asked, catalog: str) -> None:
    if catalog not in workspace.catalogs:
        raise Refused(404, f"Catalog '{catalog}' does not exist.", "CATALOG_DOES_NOT_EXIST")
    if not workspace.may(asked.user, catalog, "MANAGE"):
        raise Refused(403, f"User does not have MANAGE on Catalog '{catalog}'.")


@route("GET", "/api/2.0/preview/scim/v2/Me")
def _me(workspace: Workspace, asked: Asked) -> Mapping[str, Any]:
    groups = [
        {"display": name, "value": name} for name in sorted(workspace.names_of(asked.user) - {asked.user, EVERYBODY})
    ]
    return {"id": asked.user, "userName": asked.user, "active": True, "groups": groups}


_SCIM = "filter startIndex count attributes"


@route("GET", "/api/2.0/preview/scim/v2/Groups", query=_SCIM)
def _groups(workspace: Workspace, asked: Asked) -> Mapping[str, Any]:
    return _scim([{"id": name, "displayName": name} for name in sorted(workspace.groups)], "displayName", asked)


@route("GET", "/api/2.0/preview/scim/v2/ServicePrincipals", query=_SCIM)
def _service_principals(workspace: Workspace, asked: Asked) -> Mapping[str, Any]:
    found = [{"id": name, "applicationId": name} for name in sorted(workspace.service_principals)]
    return _scim(found, "applicationId", asked)


@route("POST", "/api/2.1/unity-catalog/catalogs", body="name comment")
def _create_catalog(workspace: Workspace, asked: Asked) -> Mapping[str, Any]:
    name = asked.body.get("name")
    if not isinstance(name, str) or not name:
        raise Refused(400, "A catalog needs a name")
    if asked.user not in workspace.admins:
        raise Refused(403, "User does not have CREATE CATALOG on Metastore.")
    if name in workspace.catalogs:
        raise Refused(409, f"Catalog '{name}' already exists", "CATALOG_ALREADY_EXISTS")
    workspace.catalogs[name] = asked.user
    return {"name": name, "owner": asked.user}


@route("GET", "/api/2.1/unity-catalog/catalogs/{}", query="include_browse")
def _catalog(workspace: Workspace, asked: Asked) -> Mapping[str, Any]:
    (name,) = asked.parts
    if name not in workspace.catalogs:
        raise Refused(404, f"Catalog '{name}' does not exist.", "CATALOG_DOES_NOT_EXIST")
    if not workspace.may(asked.user, name, "USE_CATALOG", "BROWSE", "CREATE_SCHEMA"):
        raise Refused(403, f"User does not have USE CATALOG on Catalog '{name}'.")
    return {"name": name, "owner": workspace.catalogs[name]}


@route("GET", "/api/2.1/unity-catalog/effective-permissions/catalog/{}", query="principal max_results page_token")
def _effective(workspace: Workspace, asked: Asked) -> Mapping[str, Any]:
    (name,) = asked.parts
    principal = asked.query.get("principal")
    if principal not in workspace.names_of(asked.user):
        _owned(workspace, asked, name)
    found = [
        {"principal": holder, "privileges": [{"privilege": privilege} for privilege in sorted(held)]}
        for (catalog, holder), held in sorted(workspace.grants.items())
        if catalog == name and principal in (None, holder)
    ]
    return _page(found, asked, "privilege_assignments")


@route("PATCH", "/api/2.1/unity-catalog/permissions/catalog/{}", body="changes")
def _grant(workspace: Workspace, asked: Asked) -> Mapping[str, Any]:
    (name,) = asked.parts
    _owned(workspace, asked, name)
    for change in asked.body.get("changes") or []:
        principal, known = change.get("principal"), {"principal", "add", "remove"}
        if unknown := sorted({*change} - known):
            raise Refused(400, f"Unknown field {', '.join(unknown)} of a change")
        everyone = {*workspace.tokens.values(), *workspace.groups, *workspace.service_principals, EVERYBODY}
        if principal not in everyone:
            raise Refused(404, f"Could not find principal with name {principal}", "PRINCIPAL_DOES_NOT_EXIST")
        if wrong := sorted({*change.get("add", ()), *change.get("remove", ())} - PRIVILEGES):
            raise Refused(400, f"Privilege {', '.join(wrong)} is not applicable to this entity")
        held = workspace.grants.setdefault((name, principal), set())
        held |= set(change.get("add", ()))
        held -= set(change.get("remove", ()))
    own = [(holder, held) for (catalog, holder), held in sorted(workspace.grants.items()) if catalog == name]
    return {"privilege_assignments": [{"principal": holder, "privileges": sorted(held)} for holder, held in own]}


@route("GET", "/api/2.1/unity-catalog/volumes/{}", query="include_browse")
def _volume(workspace: Workspace, asked: Asked) -> Mapping[str, Any]:
    (name,) = asked.parts
    if name not in workspace.volumes:
        raise Refused(404, f"Volume '{name}' does not exist.", "RESOURCE_DOES_NOT_EXIST")
    _may_read(workspace, asked, name)
    catalog, schema, volume = name.split(".")
    return {"full_name": name, "catalog_name": catalog, "schema_name": schema, "name": volume}


def _may_read(workspace: Workspace, asked: Asked, volume: str) -> None:
    if asked.user not in workspace.admins and workspace.volumes[volume] not in workspace.names_of(asked.user):
        raise Refused(403, f"User does not have READ VOLUME on Volume '{volume}'.")


@route("GET", "/api/2.0/fs/directories{*}", query="page_size page_token")
def _directory(workspace: Workspace, asked: Asked) -> Mapping[str, Any]:
    path = asked.parts[0].rstrip("/")
    parts = path.split("/")
    volume = ".".join(parts[2:5])
    if parts[1] != "Volumes" or volume not in workspace.volumes:
        raise Refused(404, f"The directory being accessed is not found: {path}", "NOT_FOUND")
    _may_read(workspace, asked, volume)
    inside = [file.removeprefix(f"{path}/") for file in workspace.files if file.startswith(f"{path}/")]
    if not inside and len(parts) > 5:
        raise Refused(404, f"The directory being accessed is not found: {path}", "NOT_FOUND")
    names = sorted({(name.partition("/")[0], "/" in name) for name in inside})
    entries = [{"name": name, "path": f"{path}/{name}", "is_directory": folder} for name, folder in names]
    return _page(entries, asked, "contents")


@route("GET", "/api/2.0/sql/warehouses", query="page_size page_token")
def _warehouses(workspace: Workspace, asked: Asked) -> Mapping[str, Any]:
    return _page([{"id": key, "name": name} for name, key in sorted(workspace.warehouses.items())], asked, "warehouses")


@route("GET", "/api/2.0/secrets/scopes/list")
def _scopes(workspace: Workspace, asked: Asked) -> Mapping[str, Any]:
    return {"scopes": [{"name": name, "backend_type": "DATABRICKS"} for name in sorted(workspace.scopes)]}


@route("GET", "/api/2.0/secrets/list", query="scope")
def _secrets(workspace: Workspace, asked: Asked) -> Mapping[str, Any]:
    scope = asked.query.get("scope", "")
    if scope not in workspace.scopes:
        raise Refused(404, f"Scope {scope} does not exist!", "RESOURCE_DOES_NOT_EXIST")
    if asked.user not in workspace.admins and not workspace.readers.get(scope, set()) & workspace.names_of(asked.user):
        raise Refused(403, f"User {asked.user} does not have READ permission on scope {scope}")
    return {"secrets": [{"key": key} for key in sorted(workspace.scopes[scope])]}


@route("POST", "/api/2.0/secrets/scopes/create", body="scope initial_manage_principal")
def _create_scope(workspace: Workspace, asked: Asked) -> Mapping[str, Any]:
    scope = asked.body.get("scope")
    if not isinstance(scope, str) or not re.fullmatch(r"[\w.@-]{1,128}", scope):
        raise Refused(400, f"{scope!r} is no name of a scope")
    if scope in workspace.scopes:
        raise Refused(400, f"Scope {scope} already exists!", "RESOURCE_ALREADY_EXISTS")
    workspace.scopes[scope] = set()
    workspace.readers[scope] = {asked.user}
    return {}
