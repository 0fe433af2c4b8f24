"""RowDiff: applied to the old rows it gives the new ones; the cursor follows what it stood on."""

from hypothesis import given
from hypothesis import strategies as st

from ctrscope.views.row_diff import diff_rows, follow_cursor

KEYS = st.lists(st.sampled_from("abcdefgh"), unique=True)
ROWS = KEYS.flatmap(lambda keys: st.fixed_dictionaries(dict.fromkeys(keys, st.integers(0, 2))))


@given(ROWS, ROWS)
def test_the_difference_applied_to_the_old_rows_gives_the_new_ones(old: dict[str, int], new: dict[str, int]) -> None:
    diff = diff_rows(old, new)
    patched = {key: value for key, value in old.items() if key not in diff.removed}
    patched |= {key: new[key] for key in (*diff.changed, *diff.added)}
    assert patched == new


@given(ROWS, ROWS)
def test_rows_keep_their_places_exactly_when_keys_and_order_are_the_same(old: dict[str, int], new: dict[str, int]) -> None:
    assert diff_rows(old, new).keeps_places == (list(old) == list(new))


@given(ROWS)
def test_nothing_differs_from_itself(rows: dict[str, int]) -> None:
    assert diff_rows(rows, rows) == ((), (), (), False)


@given(KEYS, KEYS, st.sampled_from("abcdefgh"))
def test_the_cursor_stands_on_a_row_whenever_there_is_one(old: list[str], new: list[str], key: str) -> None:
    followed = follow_cursor(old, new, key)
    assert followed in new if new else followed is None


@given(KEYS, KEYS, st.sampled_from("abcdefgh"))
def test_the_cursor_stays_on_its_key_as_long_as_it_is_there(old: list[str], new: list[str], key: str) -> None:
    assert key not in new or follow_cursor(old, new, key) == key


def test_the_cursor_goes_to_the_next_row_when_its_own_is_removed() -> None:
    assert follow_cursor("abcd", "acd", "b") == "c"


def test_the_cursor_goes_up_when_the_last_row_is_removed() -> None:
    assert follow_cursor("abcd", "abc", "d") == "c"


def test_the_cursor_starts_on_the_first_row() -> None:
    assert follow_cursor((), "ab", None) == "a"
