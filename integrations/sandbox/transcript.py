"""What was said on the wire, kept for judges: each exchange as one line of JSON in a file.

Only a test orders this. Bodies are written as they were sent, headers are not, but for the caller's ``User-Agent``;
requests and answers of sign-ins, which hold secrets and tokens, are left out.
"""

import gzip
from io import BufferedWriter
from typing import Any

import orjson
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SIGN_IN = "oauth"


class Transcript:
    """A CRM's app, and a note of all that it hears and says.

    Args:
        file: Open for appending; a line is there before the client has the end of its answer.
    """

    def __init__(self, app: ASGIApp, crm: str, file: BufferedWriter) -> None:
        self._app, self._crm, self._file = app, crm, file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, as ASGI has it."""
        if scope["type"] != "http" or _SIGN_IN in scope["path"]:
            await self._app(scope, receive, send)
            return
        asked, answered = bytearray(), bytearray()
        start: dict[str, Any] = {}

        async def heard() -> Message:
            message = await receive()
            asked.extend(message.get("body", b""))
            return message

        async def said(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                answered.extend(message.get("body", b""))
                if not message.get("more_body"):
                    self._note(scope, bytes(asked), start, bytes(answered))
            await send(message)

        await self._app(scope, heard, said)

    def _note(self, scope: Scope, asked: bytes, start: dict[str, Any], answered: bytes) -> None:
        headers = Headers(raw=start["headers"])
        content = gzip.decompress(answered) if headers.get("content-encoding") == "gzip" else answered
        line = {
            "crm": self._crm,
            "agent": Headers(scope=scope).get("user-agent", ""),
            "method": scope["method"],
            "path": scope["path"],
            "query": scope["query_string"].decode("latin-1"),
            "request": asked.decode("utf-8", "replace"),
            "status": start["status"],
            "content_type": headers.get("content-type", ""),
            "answer": content.decode("utf-8", "replace"),
        }
        self._file.write(orjson.dumps(line) + b"\n")
        self._file.flush()
