"""What a request to deploy holds: options and a zip in one multipart body, and a package in the zip."""

import io
import zipfile
from collections.abc import Mapping
from typing import Any

import orjson

from integrations.sandbox.salesforce_calls import Call
from integrations.sandbox.salesforce_components import KINDS, MetadataError, parsed
from integrations.sandbox.salesforce_errors import SalesforceError

Json = dict[str, Any]

MANIFEST = "package.xml"
MOST_BYTES = 39 * 1024 * 1024
_OPTIONS_PARTS = ("json", "entity_content")
"""What the part with the options is called: by the documentation, and by the Salesforce CLI."""


def multipart(call: Call) -> dict[str, bytes]:
    """The parts of a multipart body by name.

    Raises:
        SalesforceError: It is none.
    """
    kind, _, rest = call.headers.get("content-type", "").partition(";")
    _, found, boundary = rest.partition("boundary=")
    if kind.strip().lower() != "multipart/form-data" or not found:
        raise SalesforceError("INVALID_MULTIPART_REQUEST", "Content-Type must be multipart/form-data with a boundary")
    mark = b"\r\n--" + boundary.partition(";")[0].strip().strip('"').encode()
    parts: dict[str, bytes] = {}
    for piece in (b"\r\n" + call.body).split(mark)[1:-1]:
        head, _, content = piece.partition(b"\r\n\r\n")
        _, is_named, name = head.partition(b'name="')
        if is_named:
            parts[name.partition(b'"')[0].decode(errors="replace")] = content
    return parts


def deploy_options(parts: Mapping[str, bytes]) -> Json:
    """The options as they were sent.

    Raises:
        SalesforceError: There are none.
    """
    try:
        options = orjson.loads(next((parts[name] for name in _OPTIONS_PARTS if name in parts), b""))["deployOptions"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        message = "a part named json with deployOptions is needed"
        raise SalesforceError("INVALID_MULTIPART_REQUEST", message) from None
    if not isinstance(options, dict):
        raise SalesforceError("INVALID_MULTIPART_REQUEST", "deployOptions is not an object")
    return options


def unzipped(content: bytes) -> dict[str, bytes]:
    """The files of a package; a folder around all of them is taken off."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            if sum(each.file_size for each in packed.infolist()) > MOST_BYTES:
                raise MetadataError("The zip is too large")
            files = {each.filename: packed.read(each) for each in packed.infolist() if not each.is_dir()}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError):
        raise MetadataError("The file is not a zip") from None
    if MANIFEST in files:
        return files
    root = next((name.removesuffix(MANIFEST) for name in files if name.endswith(f"/{MANIFEST}")), None)
    if root is None:
        raise MetadataError("No package.xml found")
    return {name.removeprefix(root): each for name, each in files.items()}


def members_of(files: Mapping[str, bytes]) -> dict[str, list[str]]:
    """The names in package.xml, by type."""
    found: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for types in parsed(files[MANIFEST], "Package").findall("types"):
        kind = types.findtext("name") or ""
        if kind not in found:
            raise MetadataError(f"Unknown type name '{kind}' specified in package.xml")
        found[kind] += [each.text or "" for each in types.findall("members")]
    return found


def fields_of(members: Mapping[str, list[str]], files: Mapping[str, bytes]) -> list[str]:
    """The fields that come with whole objects."""
    found: list[str] = []
    for name in members["CustomObject"]:
        try:
            root = parsed(files.get(f"objects/{name}.object", b""), "CustomObject")
        except MetadataError:
            continue  # said of the object itself
        found += [f"{name}.{each.findtext('fullName') or ''}" for each in root.findall("fields")]
    return found
