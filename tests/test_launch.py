"""How a run is launched: inline or from a file, under our names or the vendor's, and what is refused."""

from __future__ import annotations

import json

import pytest

from platform_interface.errors import UsageError
from platform_interface.launch import begins_json, is_launch_argument, program_folder, read_launch
from platform_interface.log import redact

KEY = "Zq7-key-of-test-launch"


def fault_of(argument):
    with pytest.raises(UsageError) as caught:
        read_launch(argument)
    return str(caught.value)


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(content, name="x.json", encoding="utf-8"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding=encoding)
        return path

    return write


def test_inline_json_and_the_same_json_in_a_file_give_the_same_launch_but_for_the_mark(file):
    content = {"assetId": "pack", "configurationValues": {"execution": {"compute_type": "full"}}}
    inline, from_file = read_launch(json.dumps(content)), read_launch(str(file(content)))
    assert inline.inline is True
    assert from_file.inline is False
    assert inline.model_dump() == from_file.model_dump()
    assert inline.assetId == "pack"
    assert inline.configurationValues == {"execution": {"compute_type": "full"}}


def test_no_argument_is_an_empty_local_launch():
    launch = read_launch(None)
    assert launch.asset_ids == []
    assert launch.inline is False
    assert launch.programTaskId == "dev"


def test_the_vendors_names_mean_the_same_as_ours():
    launch = read_launch(
        json.dumps(
            {
                "altergoProgramTaskId": "task-17",
                "altergoUserApiKey": KEY,
                "altergoFactoryApi": "https://factory.example",
                "altergoIotApi": "https://iot.example",
                "assetId": "pack",
                "configurationValues": {},
            }
        )
    )
    assert launch.programTaskId == "task-17"
    assert launch.userApiKey == KEY
    assert launch.factoryApi == "https://factory.example"
    assert launch.iotApi == "https://iot.example"


@pytest.mark.parametrize("order", [("userApiKey", "altergoUserApiKey"), ("altergoUserApiKey", "userApiKey")])
def test_a_key_under_both_of_its_names_is_refused(order):
    text = fault_of(json.dumps(dict.fromkeys(order, KEY)))
    assert "userApiKey: is given twice, also as 'altergoUserApiKey'" in text
    assert KEY not in text


def test_every_asset_named_is_taken_once_in_the_order_given():
    launch = read_launch('{"assetId": "b", "assetIds": ["a", "b", "c", "a"]}')
    assert launch.asset_ids == ["b", "a", "c"]


def test_a_key_is_read_from_the_environment_and_never_shown(monkeypatch):
    monkeypatch.setenv("TWIN_TEST_KEY", "secret-from-environment")
    launch = read_launch('{"userApiKey": "env:TWIN_TEST_KEY"}')
    assert launch.userApiKey == "secret-from-environment"
    assert "secret-from-environment" not in repr(launch)
    assert redact("token=secret-from-environment.") == "token=[secret]."


@pytest.mark.parametrize("value", [None, ""])
def test_an_unset_or_empty_environment_variable_is_named(monkeypatch, value):
    if value is None:
        monkeypatch.delenv("TWIN_NO_SUCH_KEY", raising=False)
    else:
        monkeypatch.setenv("TWIN_NO_SUCH_KEY", value)
    text = fault_of('{"userApiKey": "env:TWIN_NO_SUCH_KEY"}')
    assert "userApiKey: the environment variable TWIN_NO_SUCH_KEY is not set" in text


def test_an_unset_variable_and_an_unknown_key_are_told_together(monkeypatch):
    monkeypatch.delenv("TWIN_NO_SUCH_KEY", raising=False)
    text = fault_of('{"userApiKey": "env:TWIN_NO_SUCH_KEY", "asetId": "x", "asetTag": "y"}')
    assert text.startswith("the launch argument has 3 faults:")
    assert "TWIN_NO_SUCH_KEY" in text
    assert "asetId: not a known field; did you mean 'assetId'?" in text
    assert "asetTag: not a known field; did you mean 'assetTag'?" in text


def test_a_misspelled_key_is_named_with_the_nearest_name_and_without_its_value():
    text = fault_of(json.dumps({"userApikey": KEY}))
    assert text == "the launch argument has 1 fault:\n  userApikey: not a known field; did you mean 'userApiKey'?"


def test_the_mark_of_an_inline_launch_cannot_be_set_from_a_file(file):
    assert read_launch(str(file({"inline": True}))).inline is False


def test_a_value_of_the_wrong_type_is_refused_without_being_shown():
    text = fault_of(json.dumps({"userApiKey": [KEY], "assetIds": KEY}))
    assert "userApiKey: Input should be a valid string" in text
    assert "assetIds: Input should be a valid list" in text
    assert KEY not in text


@pytest.mark.parametrize("name", ["x.json", "dev-parameters.json", "folder/launch.json", "launch.txt", "launch"])
def test_any_path_works_relative_dotted_or_absolute(file, name):
    path = file({"assetId": "pack"}, name)
    for argument in (name, f"./{name}", str(path)):
        assert is_launch_argument(argument)
        assert read_launch(argument).assetId == "pack"
        assert read_launch(argument).inline is False


def test_a_file_with_a_byte_order_mark_is_read(file):
    assert read_launch(str(file({"assetId": "pack"}, encoding="utf-8-sig"))).assetId == "pack"


def test_a_file_in_another_encoding_is_named_not_dumped(file):
    text = fault_of(str(file({"userApiKey": KEY, "assetId": "Größe"}, encoding="utf-16")))
    assert "x.json cannot be read: UnicodeDecodeError" in text
    assert KEY not in text


def test_a_path_that_does_not_exist_says_where_it_was_looked_for(file, tmp_path):
    text = fault_of("./nowhere.json")
    assert text.startswith(f"./nowhere.json does not exist (looked in {tmp_path})")
    assert "dev-parameters.example.json" in text


def test_a_folder_with_the_name_of_a_launch_file_is_refused(tmp_path, monkeypatch):
    (tmp_path / "x.json").mkdir()
    assert "cannot be read: IsADirectoryError" in fault_of(str(tmp_path / "x.json"))


def test_broken_json_in_a_file_is_named_with_line_and_column(file):
    text = fault_of(str(file('{\n  "userApiKey": "' + KEY + '",\n}')))
    assert "x.json is not JSON:" in text
    assert "at line 3, column 1" in text or "at line 2" in text
    assert KEY not in text


@pytest.mark.parametrize(
    "argument",
    [
        "{'userApiKey': '" + KEY + "'}",
        "{userApiKey: " + KEY + "}",
        '{\\"userApiKey\\": \\"' + KEY + '\\"}',
        '\'{"userApiKey": "' + KEY + "\"}'",
        '{"userApiKey": "' + KEY + '"',
        '{"userApiKey": "' + KEY + '"} trailing',
    ],
)
def test_wrong_quotes_are_explained_without_the_key(argument):
    assert begins_json(argument)
    text = fault_of(argument)
    assert "is not JSON" in text
    assert "Put it in single quotes" in text
    assert KEY not in text


@pytest.mark.parametrize("text", ["[]", '["a"]', "[{}]"])
def test_a_list_is_not_a_launch(text, file):
    assert fault_of(text) == "the launch argument must be one JSON object, not a list"
    assert fault_of(str(file(text))).endswith("x.json must be one JSON object, not a list")


def test_null_is_not_a_launch():
    assert "must be one JSON object, not a NoneType" in fault_of("null")


@pytest.mark.parametrize("depth", [200_000, 900])
def test_json_that_is_nested_too_deeply_is_refused(depth, file):
    text = '{"configurationValues": ' + '{"a":' * depth + "1" + "}" * depth + "}"
    for argument in (text, str(file(text))):
        assert "nested too deeply" in fault_of(argument)


def test_begins_json_knows_what_was_meant_as_json_after_a_shell_had_its_way():
    for argument in ('{"a": 1}', "  {", "\ufeff{}", "'{", '"{', "[1]", "userApiKey: x}"):
        assert begins_json(argument)
    for argument in ("run", "x.json", "--quiet", "storage-module"):
        assert not begins_json(argument)


def test_the_programs_folder_is_that_of_its_entry_point():
    assert (program_folder() / "entrypoint.py").is_file()
    assert (program_folder() / "settings.json").is_file()
