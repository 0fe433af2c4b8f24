"""What is hidden in an environment, and what is not."""

import time

import pytest

from ctrscope.discovery.secrets import looks_secret, mask_secrets

_KEY = "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIE"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DB_PASSWORD", "not-a-secret"),
        ("PGPASSWORD", "x"),
        ("db_pass", "x"),
        ("MYSQL_PWD", "x"),
        ("API_TOKEN", "x"),
        ("GITHUB_TOKEN", "x"),
        ("CLIENT_SECRET", "x"),
        ("AWS_ACCESS_KEY_ID", "x"),
        ("APIKEY", "x"),
        ("SECRET_KEY_BASE", "x"),
        ("SSH_KEYS", "x"),
        ("ERLANG_COOKIE", "x"),
        ("GOOGLE_CREDENTIALS", "{}"),
        ("DOCKER_AUTH_CONFIG", "{}"),
        ("PASSWORD_FILE_CONTENT", "/looks/like/a/path"),
        ("TLS", _KEY),
        ("X", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.x"),
        ("DATABASE_URL", "postgres://web:hunter2@db:5432/app"),
        ("REDIS_URL", "redis://:hunter2@cache"),
        ("ODBC", "Server=db;Uid=web;Pwd=hunter2;"),
        ("JSON", '{"password": "hunter2"}'),
        ("ID", "AKIAABCDEFGHIJKLMNOP"),
    ],
)
def test_secrets_are_hidden(name: str, value: str) -> None:
    assert looks_secret(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PATH", "/usr/bin:/bin"),
        ("PWD", "/srv"),
        ("OLDPWD", "/"),
        ("KEYBOARD", "de"),
        ("AUTHOR", "Ada"),
        ("TOKENIZERS_PARALLELISM", "false"),
        ("POSTGRES_PASSWORD_FILE", "/run/secrets/db"),
        ("SSH_AUTH_SOCK", "/tmp/agent.1"),
        ("DATABASE_URL", "postgres://db:5432/app"),
        ("PROXY", "http://web@proxy:3128/"),
        ("DB_PASSWORD", ""),
        ("APP", "web"),
    ],
)
def test_what_is_no_secret_is_shown(name: str, value: str) -> None:
    assert not looks_secret(name, value)


def test_names_and_order_stay() -> None:
    environment = {"B": "1", "DB_PASSWORD": "x", "A": "2"}
    assert list(mask_secrets(environment).items()) == [("B", "1"), ("DB_PASSWORD", "***"), ("A", "2")]


@pytest.mark.parametrize("value", ["eyJ-" * 200_000, "://a:" * 200_000, "pwd " * 200_000, "-----BEGIN " * 90_000])
def test_a_value_made_to_take_long_does_not(value: str) -> None:
    before = time.process_time()
    looks_secret("X", value)
    assert time.process_time() - before < 5
