"""Task bodies are HTML in HubSpot and plain text here: the way there and back."""

import html
import re

import polars as pl

_BREAK = r"(?i)<br\s*/?>"
_BLOCK_END = r"(?i)</(?:p|div|li|ul|ol|h[1-6]|tr|blockquote)\s*>\n?"
_TAG = r"(?is)<!--.*?-->|</?[a-z][^>]*>"
_SPACE_ENTITY = "&nbsp;"
_ENTITY = re.compile(r"&(?:#\d+|#[xX][0-9a-fA-F]+|[A-Za-z][A-Za-z0-9]*);")


def html_of(text: str) -> str:
    """``text`` as a HubSpot task body: everything in it is shown as it is, none of it is markup."""
    return html.escape(text.replace("\r\n", "\n").replace("\r", "\n"), quote=False).replace("\n", "<br>")


def text_of(body: pl.Expr) -> pl.Expr:
    """A task body as plain text: breaks and ends of blocks become line ends, other markup goes, entities are read.

    What ``html_of`` wrote comes back as it was, but for blank space around the whole, which HubSpot's editor trims too.
    """
    lines = body.str.replace_all(_BREAK, "\n").str.replace_all(_BLOCK_END, "\n").str.replace_all(_TAG, "")
    spaced = lines.str.replace_all(_SPACE_ENTITY, " ", literal=True)
    read = pl.when(spaced.str.contains("&", literal=True)).then(spaced).map_elements(_unescaped, return_dtype=pl.String)
    return pl.coalesce(read, spaced).str.strip_chars(" \t\r\n")


def _unescaped(text: str) -> str:
    """Entities read; only complete ones, so that a bare ampersand of a careless author stays."""
    return _ENTITY.sub(lambda found: html.unescape(found.group()), text)
