from __future__ import annotations

import pytest

from pytest_runloop.cassettes.secrets.known import Known, Source, is_secret_name, is_strong, is_telling


@pytest.mark.parametrize("name", [
    "API_TOKEN", "TOKEN", "OPENAI_API_KEY", "DB_PASSWORD", "PGPASSWORD", "CLIENT_SECRET", "AWS_SECRET_ACCESS_KEY",
    "GOOGLE_CREDENTIALS", "GH_PAT", "DB_PWD", "apiKey", "x-api-key", "Authorization", "X-Amz-Signature", "TOKEN_2",
])  # fmt: skip
def test_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", [
    "PATH", "HOME", "PWD", "MAX_TOKENS", "KEYBOARD", "MONKEY", "PRIMARY_KEY", "SORT_KEY", "PUBLIC_KEY", "KEY",
    "SECRETS", "page_token", "TOKENIZER", "SSH_AUTH_SOCK", "AUTHOR", "PASSED", "LANG", "key_file",
])  # fmt: skip
def test_names_of_other_things(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize("value", ["hunter2", "s3cr3t", "correct-horse-battery", "sk-proj-abc123", "p@ss!word9"])
def test_values_that_are_hidden_wherever_they_appear(value: str) -> None:
    assert is_telling(value)


@pytest.mark.parametrize("value", [
    "", "a", "1", "true", "test", "postgres", "password", "/etc/ssl/key.pem", "~/.ssh/id_rsa", "./key", "C:\\key",
    "aaaaaaaaaaaaaaaa", "12345", "my_key", "development", "dummy",
])  # fmt: skip
def test_values_that_appear_by_chance(value: str) -> None:
    assert not is_telling(value)


def test_the_environment_has_to_be_plainer_still() -> None:
    assert not is_strong("python3")
    assert is_strong("ghp_0123456789abcdef")


def test_of_several_names_the_one_that_a_request_showed_first_is_used() -> None:
    known = Known()
    known.add("FROM_ENVIRONMENT", "value123", Source.ENVIRONMENT)
    known.add("FOUND", "value123", Source.FOUND)
    known.add("Z_SHOWN", "value123", Source.SHOWN)
    known.add("A_SHOWN", "value123", Source.SHOWN)

    assert min(known.names("value123"))[-1] == "Z_SHOWN"


def test_the_latest_value_of_a_name_is_todays() -> None:
    known = Known()
    known.add("TOKEN", "first111", Source.SHOWN)
    known.add("TOKEN", "second222", Source.SHOWN)

    assert known.today("TOKEN") == "second222"
    assert known.values() == ["first111", "second222"]


def test_a_placeholder_is_never_a_secret() -> None:
    known = Known()
    known.add("TOKEN", "<secret:OTHER>", Source.SHOWN)
    known.add("TOKEN", "secret-tunnel-key-dbx_1", Source.SHOWN)

    assert known.values() == []
    assert known.today("TOKEN") is None
