"""Searches texts for a secret: pieces of it, as they are and encoded."""

import base64
import re
from urllib.parse import quote

PIECE = 24

LARGE = 10_000_000
"""A text of more bytes than this is a memory dump, where a secret is not encoded."""


def forms(secret):
    """Yield the name and bytes of each encoding of parts of the secret; of a JWT, of parts of its signature."""
    whole = secret.rpartition(".")[2].encode()
    middle = whole[PIECE : 2 * PIECE]  # a short one would be found in any random text; the last piece has it, too
    for piece in (whole[:PIECE], *([middle] if len(middle) == PIECE else []), whole[-PIECE:]):
        yield "raw", piece
        yield "hex", piece.hex().encode()
        yield "hex", piece.hex().upper().encode()
        if (quoted := quote(piece, safe="").encode()) != piece:
            yield "URL-encoded", quoted
            yield "URL-encoded", re.sub(b"%..", lambda found: found[0].lower(), quoted)
        for shift in range(3):  # the characters that do not depend on neighbouring bytes, for each alignment
            encoded = base64.b64encode(b"\0" * shift + piece)[4 * bool(shift) : (PIECE + shift) // 3 * 4]
            yield "base64", encoded
            yield "base64", encoded.translate(bytes.maketrans(b"+/", b"-_"))


def found(secret, text):
    """Return the encodings in which the text, also with its lines joined, contains any part of the secret."""
    if len(text) > LARGE:
        return {form for form, piece in forms(secret) if form == "raw" and piece in text}
    joined = b"".join(text.split())
    return {form for form, piece in forms(secret) if piece and (piece in text or piece in joined)}


BEGINNING = 12


def mentioned(text, secrets):
    """Return the secrets that the text may contain, by the first characters of their forms: quick for many secrets."""
    texts = (text, b"".join(text.split()))
    known = {each[at : at + BEGINNING] for each in texts for at in range(len(each) - BEGINNING + 1)}
    return {secret for secret in secrets if any(piece[:BEGINNING] in known for _, piece in forms(secret) if piece)}


def shown(error):
    """Yield all that a report of an error may show: texts, notes, attributes, and the variables of frames."""
    todo, seen = [error], set()
    while todo:
        each = todo.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield f"{each} {each!r} {vars(each)}"
        frames = each.__traceback__
        while frames:
            for name, value in frames.tb_frame.f_locals.items():
                yield f"{frames.tb_frame.f_code.co_qualname} {name} = {value!r} {attributes(value)!r}"
            frames = frames.tb_next
        todo += [each.__cause__, each.__context__, *getattr(each, "exceptions", ())]


def attributes(value):
    """Return the attributes of an object that is not one of this package, which guard theirs."""
    return {} if type(value).__module__.startswith("luigi_sinks.") else getattr(value, "__dict__", {})
