"""The words and types of every route of the API, for the description that hosts show at `/docs`.

Lines of fields are `name:type`; `?` behind it says that it may be null. docs/api.md has the same
words of the parameters, and what the fields mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

_PREVIEW = "the `preview` of the index"
_OF_THAT_ID = "which of the `roots`, where several have a file of that id"


class Param(NamedTuple):
    """One parameter of a query or of a path: its type and what it does."""

    type: str
    text: str


PATH_PARAMS: Mapping[str, Param] = {
    "id": Param("text", "the path from the root on, with the suffix; slashes stay as they are"),
    "key": Param("int", "the `key` of the index"),
}

PARAMS: Mapping[str, Param] = {
    "since": Param("text", "the revision of an index, or an event's id; the header "
                           "`Last-Event-ID` goes before it"),
    "q": Param("text", "words that must occur in name, title, folder, trigger words, tags or "
                       "notes"),
    "family": Param("texts", "`sdxl`, `flux1` ... or `unknown`; repeatable"),
    "type": Param("texts", "`lora`, `loha` ...; repeatable"),
    "status": Param("texts", "`ok`, `broken`, `unfinished` or `not_a_lora`; repeatable"),
    "fits": Param("texts", "with a loaded checkpoint: `fits`, `partly`, `no_effect`, `unknown` "
                           "or `broken`; repeatable"),
    "folder": Param("text", "only what lies below it, from the root on"),
    "tag": Param("texts", "repeatable"),
    "favourite": Param("flag", "`1` or `0`"),
    "sort": Param("text", "`name` (usual), `path`, `added`, `modified`, `size`, `rating`, "
                          "`family`, `relevance`"),
    "descending": Param("flag", "`1` for the other way round"),
    "offset": Param("int", "how many to leave out first"),
    "limit": Param("int", "0 to 500; 100 if it is not given"),
    "v": Param("text", _PREVIEW),
    "size": Param("int", "the width: 160, 320 (usual) or 640"),
    "GET /networks/{id} root": Param("int", _OF_THAT_ID),
    "PATCH /networks/{id} root": Param("int", _OF_THAT_ID),
    "GET /operations limit": Param("int", "1 to 500; 50 if it is not given"),
    "PUT /uploads root": Param("int", "which of the `roots`; 0 if it is not given"),
    "PUT /uploads folder": Param("text", "below the root; it is made where it is missing"),
    "PUT /uploads name": Param("text", "the file's name; it ends in `.safetensors`"),
}
"""By name, or by route and name where a route means something else by it."""

_OPERATION = ("id:text kind:text when:text done:bool problems:texts notes:texts undone_by:text? "
              "can_undo:bool count:int title:text")
_PICTURE = "operation:text preview:int"

ANSWERS: Mapping[str, str] = {
    "GET /status": "version:text host:text engine:object checkpoint:object? watch:object "
                   "roots:texts counts:object notes:texts hashing:object token:text locked:text "
                   "families:object",
    "GET /index": "rows:int roots:texts columns:object",
    "GET /networks": "total:int offset:int limit:int networks:objects",
    "GET /networks/{id}": "key:int id:text root:int name:text short_name:text modules:list "
                          "check:object?",
    "PATCH /networks/{id}": "network:object operation:text? operations:texts",
    "POST /operations": _OPERATION,
    "GET /operations": "operations:objects",
    "POST /undo": _OPERATION,
    "GET /folders": "folders:objects",
    "POST /folders": "root:int folder:text",
    "PUT /uploads": "network:object duplicate_of:texts",
    "PUT /previews/{key}": _PICTURE,
    "DELETE /previews/{key}": _PICTURE,
    "GET /doctor": "findings:objects complete:bool",
    "GET /duplicates": "groups:objects complete:bool",
    "POST /hashing": "done:int total:int done_bytes:int total_bytes:int failed:int paused:bool",
    "GET /applied": "applied:objects notes:texts seconds:number",
    "POST /refresh": "changes:object counts:object",
    "GET /checkpoint": "checkpoint:object?",
    "GET /engine": "memory:object",
    "POST /engine/release": "freed_bytes:int memory:object",
}
"""The members of each JSON answer; of one file's, those that are always there."""

MEDIA: Mapping[str, str] = {
    "GET /events": "text/event-stream",
    "GET /previews/{key}": "image/webp",
    "GET /previews/{key}/file": "image/*",
}
"""What the other routes answer."""

FIELDS = ("favourite:bool rating:int? notes:text tags:texts family:text? trigger_words:texts "
          "description:text preferred_strength:number? action:text keys:ints root:int folder:text "
          "name:text add_tags:texts remove_tags:texts operation:text paused:bool")
"""Members of JSON bodies, in all routes the same."""

CREATED = frozenset({"PUT /uploads"})
"""Routes whose success is 201."""
