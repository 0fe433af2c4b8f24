"""Lines of logs that are JSON, laid out: literal text, whatever is in it."""

import pytest

from ctrscope.render.json_line import lay_out


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (
            r'{"level":"warn","ms":1200,"msg":"slow query","time":"2026-09-21T12:00:01Z","db":"a b"}',
            r'2026-09-21T12:00:01Z warn slow query  ms=1200 db="a b"',
        ),
        (r'{"ts":1790000000.1230,"level":30,"msg":"hi","pid":7}', "1790000000.1230 30 hi  pid=7"),  # zap, pino
        (r'{"@timestamp":"T","log.level":"INFO","message":"up","ecs":{"v": [1, 2]}}', 'T INFO up  ecs={"v": [1, 2]}'),
        (r'{"severity":"ERROR","event":"lost","event_id":null,"ok":false}', "ERROR lost  event_id=null ok=false"),
        (r'{"msg":"only this"}', "only this"),
        (r'{"a":"","b":"x=y","c":"it\"s","d":"tab\there","":1,"k y":2}', r'a="" b="x=y" c="it\"s" d=tab	here ""=1 "k y"=2'),
        (r'  {"msg":"indented"}', "indented"),
        (r'{"n":12345678901234567890123,"f":1e999}', "n=12345678901234567890123 f=1e999"),
        (r'{"msg":"one","message":"two"}', "one  message=two"),
        (r'{"msg":{"text":"nested"},"level":null}', 'null {"text":"nested"}'),
        (r'{"msg":"\u65e5\u672c","w":"\u65e5"}', "日本  w=日"),
        (r'{"msg":"\u001b[2Jcleared"}', "\x1b[2Jcleared"),  # made inert where it is drawn
    ],
)
def test_when_how_grave_and_what_come_first_and_the_rest_as_it_was_written(line: str, text: str) -> None:
    assert lay_out(line) == text


@pytest.mark.parametrize(
    "line",
    [
        "",
        "GET / 200",
        "{}",
        "{",
        "{not json}",
        '{"msg":"torn',
        '["an", "array"]',
        '{"a":1} and more',
        '"text"',
        '{"bytes":"\udcff"}',
        '{"msg":"\\ud800"}',
        '{"a":' + "[" * 50_000,
        '{"a":"' + "x" * 70_000 + '"}',
    ],
)
def test_what_is_no_json_object_or_too_long_stays_as_it_is(line: str) -> None:
    assert lay_out(line) == line
