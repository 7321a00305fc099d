"""What an index holds: its mapping and settings, and the contract that follows from them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from typing import Any, ClassVar

import msgspec

from luigi_sinks import unseen
from luigi_sinks.columns import Column, Columns
from luigi_sinks.contract import Contract, Field, WrongRow
from luigi_sinks.elasticsearch import types
from luigi_sinks.errors import BadSetting, did_you_mean
from luigi_sinks.kept import change
from luigi_sinks.plain import NotPlain, plain

_UNKNOWN = re.compile(r"unknown field `(.*)` - at `\$\[(\d+)\](.*)`$")
_MISSING = re.compile(r"required field `(.*)` - at `\$\[(\d+)\]`$")
_UNUSABLE = re.compile(r'["\\\0-\x1f]')
"""What msgspec has no field names with."""
_KEY_IN = re.compile(r" - at `key` in `\$\[(\d+)\](.*)`$")
_CHANGED = "documents would not come back as they were given"
_REFUSED = (
    ("mode", {"standard", "lookup"}, _CHANGED),
    (r"mapping\.source\.mode", {"stored"}, _CHANGED),
    (r"mapping\.exclude_source_vectors|(knn\.)?derived_source\..*", {"false"}, _CHANGED),
    ("(default|final)_pipeline", {"_none"}, "a pipeline changes documents; do that in the task"),
    (r"search\.default_pipeline", {"_none"}, "it changes what readers, and luigi_sinks, get of a document"),
    ("hidden", {"true"}, "indices are hidden, so that readers' wildcards find the alias only"),
    (r"blocks\..*", {"false"}, "luigi_sinks itself blocks writes, when a version is sealed"),
    (
        r"lifecycle\..*|(plugins|opendistro)\.index_state_management\..*",
        (),
        "a policy deletes or moves indices behind the registry; let `prune` delete them",
    ),
)
"""Settings that are refused unless they have one of these values, and why."""

_SENT = frozenset({str, int, float, bool, type(None), bytes, date, datetime})
"""The types of values that are sent as they are; in lists and dicts too."""

_METADATA = frozenset({"_id", "_index", "_source", "_routing", "_score", "_type", "_version"})
_METADATA_ADVICE = (
    "is the server's own name, not a field's; give the id in a field of the mapping, such as {0!r}, and name that "
    "field by id_field = {0!r}"
)


@dataclass(frozen=True)
class DocumentShape:
    """Documents of a strict mapping, given as dicts, or as tuples in the order of its properties."""

    properties: Mapping[str, Any]
    id_field: str = ""

    rows_type: Any = field(default=list[dict[str, Any]], init=False)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The fields in the order of the mapping."""
        return tuple(self.properties)

    @property
    def key(self) -> tuple[str, ...]:
        """The field that is the document's id."""
        return (self.id_field,) if self.id_field else ()

    @property
    def of_key(self) -> DocumentShape:
        """The form of an id alone."""
        return DocumentShape({self.id_field: self.properties[self.id_field]}, self.id_field)

    @property
    def unique(self) -> tuple[tuple[str, ...], ...]:
        """No other keys: an index has none."""
        return ()

    @cached_property
    def _documents(self) -> Any:
        return list[types.struct("Document", self.properties, self.id_field)]  # type: ignore[misc]  # made at run time

    is_flat: ClassVar[bool] = False
    """Any field may hold a list."""

    def take(self, row: Any) -> dict[str, Any]:
        """Return a copy of a document, with values of its own; or the document of a tuple."""
        document: dict[str, Any] = row.copy() if type(row) is dict else self._named(row)
        if _SENT.issuperset(map(type, document.values())):
            return document
        is_sent = True
        for name, value in document.items():
            if type(value) not in _SENT:
                document[name], is_as_json = _taken(name, value)
                is_sent = is_sent and is_as_json
        if not is_sent:
            self._refuse_change(document)
        return document

    def accept(self, documents: Sequence[Any]) -> Sequence[Any]:
        """Check the documents, whose values are those that are sent."""
        try:
            msgspec.convert(documents, self._documents, dec_hook=types.checked, builtin_types=(bytes,))
        except msgspec.ValidationError as error:
            wrong = self._misfit(str(error))
            if wrong is None:
                raise
            raise wrong from None
        return documents

    def _refuse_change(self, document: Mapping[str, Any]) -> None:
        """Raise WrongRow for a document that fits, if another one would be sent. One that does not is refused later."""
        try:
            self.accept([document])
        except (WrongRow, msgspec.ValidationError, ArithmeticError, AttributeError, TypeError, ValueError):
            return
        if found := change(document, msgspec.to_builtins(document, builtin_types=(bytes, date, datetime))):
            raise WrongRow(0, found[0].lstrip("."), found[1])

    @cached_property
    def _columns(self) -> Mapping[str, Field]:
        """The fields whose columns can be looked at as wholes."""
        found = (types.column_field(name, each, is_key=name == self.id_field) for name, each in self.properties.items())
        return {each.name: each for each in found if each}

    def fields_of(self, columns: Sequence[str]) -> Sequence[Field] | None:
        """Return the fields of these columns, of which only the document's id may not be missing."""
        if not self._columns.keys() >= set(columns) >= set(self.key):
            return None
        return [self._columns[name] for name in columns]

    def field_at(self, path: str) -> str:
        """Name the field at `.carrier.codes[2]`: `carrier.codes`."""
        return re.sub(r"\[[^]]*\]", "", path).lstrip(".")

    def key_of(self, row: Any) -> tuple[Any, ...]:
        """Return the document's id."""
        return (row[self.id_field],)

    def as_given(self, row: Any) -> Mapping[str, Any]:
        """Return the document as it reads back from JSON."""
        given: Mapping[str, Any] = msgspec.to_builtins(row)
        return given

    def _named(self, row: Sequence[Any]) -> dict[str, Any]:
        if len(row) != len(self.properties):
            known = ", ".join(self.properties)
            raise WrongRow(0, "", f"has {len(row)} values for {len(self.properties)} fields ({known})")
        return dict(zip(self.properties, row, strict=True))

    def _misfit(self, message: str) -> WrongRow | None:
        """Name the field that msgspec names in words only."""
        if unknown := _UNKNOWN.search(message):
            name, index, path = unknown.groups()
            place = self.field_at(path)
            if name in _METADATA and not place:
                return WrongRow(int(index), name, _METADATA_ADVICE.format(self.id_field or "flight_id"))
            known = self._known(place)
            return WrongRow(int(index), f"{place}.{name}".lstrip("."), f"is unknown; {did_you_mean(name, known)}")
        if missing := _MISSING.search(message):
            return WrongRow(int(missing[2]), missing[1], "is missing, and is the document's id")
        if key_in := _KEY_IN.search(message):
            return WrongRow(int(key_in[1]), self.field_at(key_in[2]), "holds a name that is no text")
        return None

    def _known(self, place: str) -> Mapping[str, Any]:
        properties = self.properties
        for name in filter(None, place.split(".")):
            properties = properties[name]["properties"]
        return properties


def _taken(field: str, value: Any) -> tuple[Any, bool]:
    """Return a copy that the user cannot change, and whether it holds only what JSON has a type for, and tuples."""
    with suppress(TypeError, ValueError, RecursionError):
        if (copy := msgspec.to_builtins(value)) == value:
            return copy, True
    try:
        copy = plain(value)
    except NotPlain as unfit:
        raise WrongRow(0, field, unfit.reason) from None
    return copy, type(copy) in _SENT


@dataclass(frozen=True)
class Schema:
    """What a user declared of an index, as `parse_schema` checked it.

    `mapping` is whole, with its `properties`, and strict; `settings` are those of the
    indices, without the prefix `index.`; `id_field` is the field whose value is the
    document's id, empty if ids follow from the place in the load.

    Example:
        >>> schema = parse_schema("flights", {"id": {"type": "integer"}}, {"index.number_of_replicas": 0}, "id")
        >>> schema.mapping["dynamic"], schema.settings
        ('strict', {'number_of_replicas': 0})

    """

    mapping: Mapping[str, Any]
    settings: Mapping[str, Any]
    id_field: str = ""

    @property
    def properties(self) -> Mapping[str, Any]:
        """The fields."""
        found: Mapping[str, Any] = self.mapping["properties"]
        return found

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON values, as each record keeps it."""
        whole = {"mapping": self.mapping, "settings": self.settings, "id_field": self.id_field}
        return msgspec.json.decode(msgspec.json.encode(whole), type=dict[str, Any])

    def contract(self, dataset: str) -> Contract:
        """Return what a document must look like."""
        shapes = {"": DocumentShape(self.properties, self.id_field)}
        return Contract(dataset, shapes, encode_frame=_lines)

    @property
    def declared_columns(self) -> Columns:
        """The types of the fields, by their dotted names."""
        return columns_of(self.properties)

    @property
    def loading(self) -> dict[str, Any]:
        """The settings of an index while it is written: no refresh and no replicas."""
        loading = {**self.settings, "refresh_interval": "-1"}
        if types.holds_vectors(self.properties):  # the server would leave vectors out of _source
            loading.setdefault("mapping.exclude_source_vectors", False)
        return loading if "auto_expand_replicas" in self.settings else {**loading, "number_of_replicas": 0}

    @property
    def serving(self) -> dict[str, Any]:
        """The settings to change before it is read, to the user's values or the server's defaults."""
        serving = {name: self.settings.get(name) for name in ("refresh_interval", "number_of_replicas")}
        return {"refresh_interval": serving["refresh_interval"]} if "auto_expand_replicas" in self.settings else serving


def _lines(frame: Any) -> bytes:
    from luigi_sinks import frames  # noqa: PLC0415 - Polars is optional, and slow to import

    return frames.lines(frame)


def parse_schema(name: str, mapping: Any, settings: Any, id_field: Any) -> Schema:
    """Return the schema that a user declared.

    `mapping` is {"properties": {...}} or the properties themselves. Raises BadSetting,
    which names the index and the field, for what cannot work.
    """
    if not isinstance(mapping, Mapping) or not mapping:
        raise BadSetting(f'index {name!r}: set mapping = {{"properties": {{...}}}}; each field must have a type')
    whole = mapping if _is_whole(mapping) else {"properties": mapping}
    _refuse_what_clashes(name, whole)
    _check_properties(name, whole["properties"])
    if id_field and (id_field not in whole["properties"] or not types.key_type(whole["properties"][id_field])):
        raise BadSetting(f"index {name!r}: id_field = {id_field!r} must be a keyword or an integer of the mapping")
    flat = dict(_flat(settings or {}))
    _refuse_settings(name, flat)
    return Schema({**whole, "dynamic": "strict"}, flat, id_field or "")


def field_types(properties: Mapping[str, Any], place: str = "") -> dict[str, str]:
    """Return the type of each field, by its dotted name."""
    found = {}
    for name, declaration in properties.items():
        found[f"{place}{name}"] = str(declaration.get("type", "object"))
        found |= field_types(declaration.get("properties", {}), f"{place}{name}.")
    return found


def columns_of(properties: Mapping[str, Any]) -> Columns:
    """Return the fields as the rules of changes take them."""
    return {name: Column(text) for name, text in field_types(properties).items()}


def _is_whole(mapping: Mapping[str, Any]) -> bool:
    """Tell a mapping from its properties: a field may be called `properties` too."""
    inner = mapping.get("properties")
    return isinstance(inner, Mapping) and all(isinstance(value, Mapping) for value in inner.values())


def _refuse_what_clashes(name: str, mapping: Mapping[str, Any]) -> None:
    if mapping.get("dynamic", "strict") != "strict":
        raise BadSetting(f"index {name!r}: the mapping is always strict; name every field instead of dynamic")
    if "_source" in mapping:
        raise BadSetting(f"index {name!r}: versions are read back from _source; leave it as it is")
    if "_routing" in mapping:
        raise BadSetting(f"index {name!r}: documents are written without routing; remove _routing from the mapping")


def _check_properties(name: str, properties: Mapping[str, Any], place: str = "") -> None:
    for field_name, declaration in properties.items():
        where = f"index {name!r}: field {place + str(field_name)!r}"
        if not isinstance(field_name, str) or not field_name or "." in field_name:
            raise BadSetting(f"{where}: use text without dots as its name; nest properties instead")
        if _UNUSABLE.search(field_name):
            raise BadSetting(f"{where}: use a name without quotation marks, backslashes and control characters")
        unseen.refuse(field_name, f"index {name!r}: field")
        if not isinstance(declaration, Mapping) or not (declaration.get("type") or "properties" in declaration):
            raise BadSetting(f'{where} has no type; write {{"type": "keyword"}}, for example')
        _check_properties(name, declaration.get("properties", {}), f"{place}{field_name}.")


def _refuse_settings(name: str, settings: Mapping[str, Any]) -> None:
    """Raise BadSetting for a setting that would change documents, or what is done with an index."""
    for setting, value in settings.items():
        for pattern, allowed, why in _REFUSED:
            if re.fullmatch(pattern, setting) and str(value).lower() not in allowed:
                raise BadSetting(f"index {name!r}: remove {setting} = {value!r} from settings: {why}")


def _flat(settings: Mapping[str, Any], place: str = "") -> Iterator[tuple[str, Any]]:
    """Yield {"index": {"x": {"y": 1}}}, {"index.x.y": 1} and {"x": {"y": 1}} as x.y and 1."""
    for name, value in settings.items():
        path = f"{place}{name}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{path}.")
        else:
            yield path.removeprefix("index."), value
