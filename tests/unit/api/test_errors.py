from __future__ import annotations

import importlib

import pytest

from api.errors import TABLE, RouteError, error_body, internal_error, invalid_field, reply_for
from assistant.errors import ModelServerRefusedError
from retrieval.errors import CollectionNotFoundError, HuoziError, Message

FAMILIES = ("retrieval.errors", "assistant.errors", "assistant.serving.errors", "ingest.errors", "api.errors")


def family(cls: type[HuoziError]) -> set[type[HuoziError]]:
    return {cls}.union(*(family(sub) for sub in cls.__subclasses__()))


def ours() -> list[type[HuoziError]]:
    for name in FAMILIES:
        importlib.import_module(name)
    # Tests of other packages may declare errors of their own.
    found = (cls for cls in family(HuoziError) if not cls.__module__.startswith("tests."))
    # One of ours with a third party's base added is still the same error, with its code and its row.
    return sorted((cls for cls in found if len(cls.__bases__) == 1 or "code" in vars(cls)), key=str)


@pytest.mark.parametrize("cls", ours(), ids=lambda cls: cls.__name__)
def test_every_error_has_its_row_when_the_family_is_walked(cls: type[HuoziError]):
    assert cls in TABLE
    assert TABLE[cls].status in {400, 401, 403, 404, 409, 413, 429, 500, 503}


def test_codes_are_unique_when_the_family_is_walked():
    codes = [cls.code for cls in ours()]
    assert len(codes) == len(set(codes))


def test_nearest_row_answers_when_a_class_is_unknown():
    class Stranger(CollectionNotFoundError):
        pass

    assert reply_for(Stranger(Message("a", "甲"))) == TABLE[CollectionNotFoundError]


def test_status_is_429_when_the_model_server_is_overloaded():
    error = ModelServerRefusedError(Message("busy", "忙"), status=429)
    assert (reply_for(error).status, reply_for(error).type) == (429, "rate_limit_error")


def test_body_is_openais_object_in_the_language_asked_for():
    error = CollectionNotFoundError(Message("No 'x'.", "没有 'x'。"), hint=Message("Create it.", "请先创建。"))
    assert error_body(error, "zh") == {
        "error": {
            "message": "没有 'x'。请先创建。",
            "type": "invalid_request_error",
            "code": "collection_not_found",
            "param": None,
        }
    }
    assert error_body(error, "en")["error"]["message"] == "No 'x'. Create it."


def test_route_error_keeps_its_status_when_the_method_is_wrong():
    assert reply_for(RouteError(Message("a", "甲"), status=405)).status == 405


def test_internal_error_says_nothing_of_its_cause():
    assert error_body(internal_error(), "en")["error"] == {
        "message": "The service failed while answering. See the service's log.",
        "type": "server_error",
        "code": "internal_error",
        "param": None,
    }


def test_field_is_named_as_a_path_when_it_is_nested():
    assert invalid_field({"loc": ("messages", 0, "role"), "msg": "bad"}).param == "messages[0].role"
    assert invalid_field({"loc": ("query",), "msg": "bad"}).param == "query"
