"""CSV as Bulk API 2.0 writes and reads it: every value quoted on the way out, values over several lines both ways."""

import codecs
import csv
import zlib
from collections.abc import Iterable, Iterator, Sequence

DELIMITERS = {"BACKQUOTE": "`", "CARET": "^", "COMMA": ",", "PIPE": "|", "SEMICOLON": ";", "TAB": "\t"}
LINE_ENDINGS = {"LF": "\n", "CRLF": "\r\n"}
NULL_WORD = "#N/A"
"""What a client writes to empty a field; an empty value leaves the field as it is."""


class WrongCsvError(Exception):
    """The uploaded data cannot be read; the text is what the job's ``errorMessage`` says."""


def quoted_line(values: Iterable[str], delimiter: str, line_ending: str) -> str:
    """One line with every value in quotes."""
    return delimiter.join('"' + value.replace('"', '""') + '"' for value in values) + line_ending


def records_of(chunks: Iterable[bytes], delimiter: str, line_ending: str) -> Iterator[list[str]]:
    """The lines of CSV data, the header first, from chunks of bytes cut anywhere.

    Raises:
        WrongCsvError: The data is not UTF-8, has an open quote, or ends its lines in another way.
    """
    header: Sequence[str] | None = None
    try:
        for record in csv.reader(_lines(chunks, line_ending), delimiter=delimiter, strict=True):
            if header is None:
                header = record
            elif len(record) != len(header):
                if not any(record):
                    continue
                raise WrongCsvError("InvalidBatch : Failed to parse CSV. A row has another number of values")
            yield record
    except UnicodeDecodeError:
        raise WrongCsvError("ClientInputError : Failed to read the data: it is not UTF-8") from None
    except csv.Error:
        raise WrongCsvError("ClientInputError : Failed to parse CSV. Found unescaped quote") from None


def zipped(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The parts as one gzip stream."""
    packer = zlib.compressobj(1, wbits=31)
    for part in parts:
        if packed := packer.compress(part):
            yield packed
    yield packer.flush()


def _lines(chunks: Iterable[bytes], line_ending: str) -> Iterator[str]:
    """Text up to and with each ``\\n``; the first line decides whether the line ending is the one that was promised."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    held, is_first = "", True
    for chunk in _decoded(chunks, decoder):
        *whole, held = (held + chunk).split("\n")
        for line in whole:
            if is_first and line.endswith("\r") != (line_ending == "\r\n"):
                name = next(name for name, ending in LINE_ENDINGS.items() if ending == line_ending)
                message = f"LineEnding is invalid on user data. Current LineEnding setting is {name}"
                raise WrongCsvError(f"ClientInputError : {message}")
            is_first = False
            yield line + "\n"
    if held:
        yield held


def _decoded(chunks: Iterable[bytes], decoder: codecs.IncrementalDecoder) -> Iterator[str]:
    for chunk in chunks:
        yield decoder.decode(chunk)
    yield decoder.decode(b"", final=True)
