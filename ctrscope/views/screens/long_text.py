"""What screens have in common that may have long text in front: its keys, and that letters go into its field."""

from ctrscope.views.actions import LOGS, LONG_TEXT, Action
from ctrscope.views.panes.logs import LogsPane
from ctrscope.views.screens.sample_screen import SampleScreen
from ctrscope.views.widgets.text_pane import TextPane


class LongTextScreen(SampleScreen):
    """Hands the keys for long text to the pane that has it."""

    BACK = ""  # id of the action that leaves the screen

    @property
    def text(self) -> TextPane | None:
        """What is in front, if it is long text."""
        raise NotImplementedError

    @property
    def logs(self) -> LogsPane | None:
        """The same, if it is a log."""
        text = self.text
        return text if isinstance(text, LogsPane) else None

    def offers(self, action: Action) -> bool:
        """Keys for long text take some; while something is typed, every key is a letter of it."""
        if self.text is not None and self.text.is_typing:
            return action.id == self.BACK
        if action.id == "app.back":
            return False  # the screen's own
        if action in LOGS:
            return self.logs is not None
        return self.text is not None if action in LONG_TEXT else super().offers(action)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that do nothing now are not taken from anybody."""
        found = next((one for one in (*LONG_TEXT, *LOGS) if one.run.partition("(")[0] == action), None)
        return (self.text is not None and self.offers(found)) if found is not None else True

    # Keys

    def action_back(self) -> None:
        """Close what is open in the text, else go back to where the screen was opened."""
        if self.text is None or not self.text.step_back():
            self.app.pop_screen()
        else:
            self.show_actions()

    def action_search(self) -> None:
        """Open the field for a search."""
        self._ask("search")

    def action_filter_lines(self) -> None:
        """Open the field for a filter."""
        self._ask("filter")

    def _ask(self, what: str) -> None:
        if self.text is not None:
            self.text.ask(what)
            self.show_actions()

    def action_match(self, step: int) -> None:
        """Go to another match."""
        if self.text is not None:
            self.text.search(step)

    def action_wrap(self) -> None:
        """Wrap long lines, or cut them."""
        if self.text is not None:
            self.text.view.toggle_wrap()

    def action_times(self) -> None:
        """Show when each line of the log was written, or leave it out."""
        if self.logs is not None:
            self.logs.toggle_times()

    def action_time(self) -> None:
        """Open the field for a moment."""
        if self.logs is not None:
            self.logs.ask_time()
            self.show_actions()

    def action_earlier(self) -> None:
        """Show what was written before the start."""
        if self.logs is not None:
            self.logs.show_earlier()

    def action_go_back(self) -> None:
        """Go to some time ago."""
        if self.logs is not None:
            self.logs.go_back()

    def action_layout(self) -> None:
        """Lay out lines that are JSON, or show them as they are."""
        if self.logs is not None:
            self.logs.toggle_layout()

    def action_follow(self) -> None:
        """Go to the end of the log, and stay there."""
        if self.logs is not None:
            self.logs.follow()

    def on_descendant_focus(self) -> None:
        """Other keys do something now."""
        self.show_actions()
