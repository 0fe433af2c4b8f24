"""What screens have in common that draw how things hang together, and on `t` all of them as one list."""

from typing import ClassVar

from ctrscope.views.ordering import Order
from ctrscope.views.screens.filtered import FilteredScreen


class ListedScreen(FilteredScreen):
    """Two forms of one table; each keeps its order."""

    LIST_ORDER: ClassVar[Order] = Order()  # of the list, to begin with

    def __init__(self) -> None:
        super().__init__()
        self.is_list = False
        self._other_order = self.LIST_ORDER

    def begin_with(self, order: Order) -> None:
        """What is set is the order of the list."""
        self._other_order = order

    def kept_order(self) -> Order:
        """Likewise."""
        order = self.order if self.is_list else self._other_order
        return order if order != self.LIST_ORDER else Order()

    def show_list(self, is_list: bool) -> None:
        """Turn to that form; it is drawn with the next drawing."""
        if is_list is not self.is_list:
            self.is_list = is_list
            self.order, self._other_order = self._other_order, self.order

    def action_list(self) -> None:
        """Turn to the other form."""
        self.show_list(not self.is_list)
        self.draw()
