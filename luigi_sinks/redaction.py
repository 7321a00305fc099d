"""Removes the secrets that this process holds from every text that leaves it: errors, log records, the audit log.

A server or a library may quote what it was sent. So what is removed is any run of a secret's
characters, as they are, in hex or in base64, also of a longer text, and with whichever escapes of URLs,
JSON, Python or HTML the text writes them. Kept are hashes of short pieces, never the secret.
"""

from __future__ import annotations

import base64
import json
import logging
import re
import string
import sys
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from itertools import count
from typing import Any, Final
from urllib.parse import unquote

MARK: Final = "[redacted]"

_PIECE: Final = 12
_STEP: Final = 8
"""Characters of a piece, and from one piece to the next: 19 characters of a secret always contain one."""

_SHORTEST: Final = 6
"""Fewer characters than this are a word as much as a secret."""

_HELD: Final = {"token": 128, "signature": 256}
"""How many secrets of a kind are remembered: those that were made or used last.

A signature is made for each request, and must not displace tokens.
"""

_DEPTH: Final = 3
"""How often a text may be escaped or encoded, for example as JSON in JSON."""

_FOLDED = str.maketrans(f"{string.ascii_uppercase}-_", f"{string.ascii_lowercase}+/")
"""Makes one of both alphabets of base64, and of both cases of letters, which some servers change."""

_ESCAPE = re.compile(
    r"""%([0-9a-f]{2})|\\x([0-9a-f]{2})|\\u([0-9a-f]{4})|&\#x([0-9a-f]{1,5});|&\#(\d{1,6});|\\([\\/"'])""",
    re.IGNORECASE,
)
_ENCODED = re.compile(r"[A-Za-z0-9+/_-]{12,}")
_PLAIN = re.compile(r"[ -~]{6}")
"""What a text that was encoded contains, and what is decoded from an ordinary word does not."""

_HEX = re.compile(r"[0-9A-Fa-f]+")
_PRESIGNED = re.compile(r"X-Amz-(?:Signature|Security-Token)=([^&]+)")
"""What is secret of a signed URL; the rest says for which server and user it is."""

_NEIGHBOURS = re.compile(r"[\w%+/=~.-]*")

Pieces = Mapping[int, AbstractSet[tuple[int, int]]]
"""The length and hash of each piece, by the hash of its first six characters."""

_held: dict[str, dict[int, Pieces]] = {kind: {} for kind in _HELD}
_used: dict[int, int] = {}
_clock = count()

_index: dict[int, set[tuple[int, int]]] = {}
"""The pieces of all secrets together, which threads add to: no lock, as a fork could leave it held for ever.

Who holds a secret puts it into `_held` first, and who replaces the index looks there
afterwards, so none is missed. Pieces of forgotten secrets stay until it is replaced.
"""

_SLACK: Final = 64
_forgotten = count(1)
"""How many secrets were forgotten; after each 64 of them the index is made anew."""


def hold(*secrets: str | None, public: Iterable[str] = (), kind: str = "token") -> None:
    """Remove these secrets from now on. `public` are texts that contain parts of them, and stay as they are."""
    said, known = "\n".join(public).translate(_FOLDED), _held[kind]
    for secret in filter(None, secrets):
        _used[hash(secret)] = next(_clock)
        before, pieces = known.get(hash(secret)), _pieces(secret, said)
        known[hash(secret)] = pieces
        if before is None:
            _add(pieces)
        elif before != pieces:  # another part of it is public
            _make_index()
        while len(known) > _HELD[kind]:
            oldest = min(list(known), key=lambda each: _used.get(each, -1))
            known.pop(oldest, None)
            _used.pop(oldest, None)
            if next(_forgotten) % _SLACK == 0:
                _make_index()


def use(secret: str, *, kind: str = "token") -> bool:
    """Have others forgotten before this secret, as it is in use; return False if it is not held any more."""
    if hash(secret) not in _held[kind]:
        return False
    _used[hash(secret)] = next(_clock)
    return True


def redacted(text: str) -> str:
    """Return the text without any secret. Where an escape hides one, the escapes are resolved in the whole text."""
    if not _index:
        return text
    safe = _marked(text)
    for _ in range(_DEPTH):
        text, count = _ESCAPE.subn(_character, text)
        if not count:
            break
        if (marked := _marked(text)) != text:
            safe = marked
    return safe


@contextmanager
def shielded() -> Iterator[None]:
    """Remove secrets from an error that leaves the block; see `clean`."""
    outer = sys.exception()
    try:
        yield
    except BaseException as error:
        clean(error, outer)
        raise


def clean(error: BaseException, outer: BaseException | None = None) -> None:
    """Remove secrets from an error and from its causes: from texts and notes, and from the variables of frames.

    What error reports show of a frame that has ended are its variables; drivers keep what they send in them.
    `outer` is the error that was being handled before, which is not ours to change.
    """
    for each in _graph(error, outer):
        traceback.clear_frames(each.__traceback__)
        _clean_text(each)


def watch_logs() -> None:
    """Remove secrets from all log records of this process, whichever library makes them."""
    make = logging.getLogRecordFactory()
    if not isinstance(make, _SafeRecords):
        logging.setLogRecordFactory(_SafeRecords(make))


class _SafeRecords:
    """Makes log records without secrets."""

    def __init__(self, make: Callable[..., logging.LogRecord]) -> None:
        self._make = make

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        record = self._make(*args, **kwargs)
        try:
            said = record.getMessage()
        except Exception:  # noqa: BLE001 - logging prints message and arguments, whatever is wrong with them
            said = f"{record.msg} {record.args!r}"
        if (safe := redacted(said)) != said:
            record.msg, record.args = safe, ()
        for error in _graph(record.exc_info[1] if record.exc_info else None, None):
            _clean_text(error)
        return record


def _pieces(secret: str, public: str) -> Pieces:
    found: defaultdict[int, set[tuple[int, int]]] = defaultdict(set)
    texts = [text for part in _parts(secret) for text in (part, unquote(part))]
    for line in {line.strip() for text in texts for line in text.splitlines()}:
        for form in {line, _as_bytes(line)} if len(line) >= _SHORTEST else ():
            for piece in _cut(form.translate(_FOLDED)):
                if piece not in public:
                    found[hash(piece[:_SHORTEST])].add((len(piece), hash(piece)))
    return found


def _parts(secret: str) -> list[str]:
    """Return what is secret of a secret: the texts in a JSON object, such as AWS's keys, or what signs a URL."""
    try:
        found = json.loads(secret) if secret.startswith("{") else None
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict):
        return [value for value in found.values() if isinstance(value, str)]
    return _PRESIGNED.findall(secret) or [secret]


def _as_bytes(line: str) -> str:
    """Return the text as those see it who take its bytes for letters, as we do with what was encoded."""
    return line.encode("utf-8", "surrogatepass").decode("latin-1")


def _cut(form: str) -> Iterable[str]:
    """Return pieces of which any run of 19 characters contains one; a form with fewer is one piece."""
    last = len(form) - _PIECE
    return [form] if last < _STEP - 1 else [form[at : at + _PIECE] for at in (*range(0, last, _STEP), last)]


def _add(pieces: Pieces) -> None:
    """Add a secret's pieces to the index: to the next one too, if it was replaced meanwhile."""
    index = None
    while index is not _index:
        index = _index
        _merge(pieces, index)


def _make_index() -> None:
    global _index  # noqa: PLW0603 - of the secrets of a process
    merged = {id(pieces): pieces for pieces in _all_held()}
    index: dict[int, set[tuple[int, int]]] = {}
    for pieces in merged.values():
        _merge(pieces, index)
    _index = index
    for pieces in _all_held():
        if id(pieces) not in merged:
            _add(pieces)


def _merge(pieces: Pieces, index: dict[int, set[tuple[int, int]]]) -> None:
    for start, found in pieces.items():
        index.setdefault(start, set()).update(found)


def _all_held() -> list[Pieces]:
    return [pieces for kind in _held.values() for pieces in list(kind.values())]


def _marked(text: str) -> str:
    """Replace each run that contains pieces of secrets, with the letters and digits around it."""
    hidden = (run.span() for run in _ENCODED.finditer(text) if _hides(run[0], _DEPTH))
    kept, end = [], 0
    for start, stop in sorted([*_found(text.translate(_FOLDED)), *hidden]):
        if stop > end:
            kept += [text[end : start - len(_matched(text[end:start][::-1]))], MARK] if start > end or not end else []
            end = stop + len(_matched(text[stop:]))
    return "".join([*kept, text[end:]])


def _hides(run: str, depth: int) -> bool:
    """Tell whether a run of letters and digits is an encoding of a text with a secret in it."""
    for text in filter(_PLAIN.search, _decoded(run)):
        if any(_found(text.translate(_FOLDED))):
            return True
        if depth > 1 and any(_hides(inner, depth - 1) for inner in _ENCODED.findall(text)):
            return True
    return False


def _decoded(run: str) -> Iterator[str]:
    """Yield what a run may be the hex or base64 of; it may begin with a part of another character."""
    if _HEX.fullmatch(run):
        for at in range(2):
            yield bytes.fromhex(run[at : at + (len(run) - at) // 2 * 2]).decode("latin-1")
    plain = run.replace("-", "+").replace("_", "/")
    for at in range(4):
        yield base64.b64decode(plain[at : at + (len(run) - at) // 4 * 4]).decode("latin-1")


def _found(folded: str) -> Iterator[tuple[int, int]]:
    """Yield where pieces of secrets begin and end."""
    index = _index
    for at in [at for at in range(len(folded) - _SHORTEST + 1) if hash(folded[at : at + _SHORTEST]) in index]:
        for length, piece in list(index[hash(folded[at : at + _SHORTEST])]):
            if hash(folded[at : at + length]) == piece:
                yield at, at + length


def _matched(text: str) -> str:
    found = _NEIGHBOURS.match(text)
    return found[0] if found else ""


def _character(escape: re.Match[str]) -> str:
    percent, byte, unit, entity, number, itself = escape.groups()
    if itself:
        return itself
    return chr(int(number)) if number else chr(int(percent or byte or unit or entity, 16))


def _graph(error: BaseException | None, outer: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, and all that a report may show with it; forget what `from None` hides."""
    todo, seen = [error], {None, outer}
    while todo:
        each = todo.pop()
        if each in seen or each is None:
            continue
        seen.add(each)
        yield each
        if each.__suppress_context__:
            each.__context__ = None
        parts = (*each.args, *vars(each).values(), *getattr(each, "exceptions", ()))
        within = [part for held in parts for part in (held if isinstance(held, list | tuple) else (held,))]
        todo += [each.__cause__, each.__context__, *(part for part in within if isinstance(part, BaseException))]


def _clean_text(error: BaseException) -> None:
    error.args = _safe(error.args)
    vars(error).update({name: _safe(value) for name, value in vars(error).items()})
    if isinstance(error, UnicodeError):
        for name in ("object", "reason"):
            setattr(error, name, _safe(getattr(error, name, "")))


def _safe(value: Any) -> Any:
    """Return the value, or one like it without the secrets in it."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, bytes):
        return redacted(value.decode("latin-1")).encode("latin-1", "replace")
    if type(value) in {list, tuple, set}:
        return type(value)(map(_safe, value))
    if type(value) is dict:
        return {_safe(key): _safe(item) for key, item in value.items()}
    return value
