"""Images that travel inside of a request: `data:` URIs (RFC 2397)."""

import binascii
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote_to_bytes

UriProblem = Literal["not_a_data_uri", "not_base64", "too_large"]
DEFAULT_MEDIA_TYPE = "text/plain"


@dataclass(frozen=True, slots=True)
class DataUri:
    """`media_type` in lower case and without parameters, as the sender claims it; `data` is what was inside."""

    media_type: str
    data: bytes


class UnreadableDataUri(ValueError):
    """A `data:` URI that cannot be taken: `problem` is a word to act on, the message a sentence for a person."""

    def __init__(self, problem: UriProblem, message: str) -> None:
        super().__init__(message)
        self.problem = problem


def is_data_uri(text: str) -> bool:
    return text[:5].lower() == "data:"


def parse_data_uri(text: str, *, most_bytes: int) -> DataUri:
    """Take a `data:` URI apart, refusing more than `most_bytes` of data before anything is decoded.

    Base64 must be of the standard alphabet and padded. Raises `UnreadableDataUri`.
    """
    head, comma, body = text.partition(",")
    if not is_data_uri(text) or not comma:
        raise UnreadableDataUri("not_a_data_uri", "the text is no data: URI of the form data:<type>;base64,<data>")
    media_type, *parameters = (part.strip().lower() for part in head[5:].split(";"))
    encoded = "base64" in parameters
    least = len(body) * 3 // 4 - 2 if encoded else -(-len(body) // 3)
    if least > most_bytes:
        raise UnreadableDataUri("too_large", f"the data: URI holds about {least} bytes; {most_bytes} is the most")
    try:
        if encoded:
            # Some clients escape the "+" and "=" of base64 as in any other URI.
            data = binascii.a2b_base64(unquote_to_bytes(body) if "%" in body else body, strict_mode=True)
        else:
            data = unquote_to_bytes(body)
    except ValueError as error:
        raise UnreadableDataUri("not_base64", f"the data: URI is not valid base64: {error}") from error
    if len(data) > most_bytes:
        raise UnreadableDataUri("too_large", f"the data: URI holds {len(data)} bytes; {most_bytes} is the most")
    return DataUri(media_type or DEFAULT_MEDIA_TYPE, data)
