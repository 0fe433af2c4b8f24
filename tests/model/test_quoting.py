import shlex

from hypothesis import example, given
from hypothesis import strategies as st

from ctrscope.model.quoting import quote


@given(st.text())
@example("")
@example("web-1.example/a:b")
@example("it's")
@example("größe")
def test_a_word_is_quoted_as_python_quotes_it_and_the_shell_reads_it_back(word: str) -> None:
    assert quote(word) == shlex.quote(word)
    assert shlex.split(quote(word)) == [word]
