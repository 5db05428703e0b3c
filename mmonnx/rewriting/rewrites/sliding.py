"""Windows that slide over a picture, of which the size alone tells how many there are: all at once, as one batch."""

from typing import Any, Callable, List, Tuple

import torch

from .sizes import at_least_zero, ceil_divide, floor_divide, smaller


class Axis:
    """The windows of one axis: they begin a stride apart, but for the last one, which ends where the axis does.

    Args:
        length: of the axis; an int, or a tensor while tracing.
        window: length of a window; one as long as the axis is taken where that is shorter.
        stride: from one window to the next.
        device: of the indices.

    Attributes:
        count: the number of windows.
        size: the length of each.
    """

    def __init__(self, length: Any, window: int, stride: int, device: torch.device) -> None:
        self._length, self._window, self._stride, self._device = length, window, stride, device
        self.size = smaller(length, window)
        self.count = ceil_divide(at_least_zero(length - window), stride) + 1

    def split(self, maps: torch.Tensor, axis: int) -> torch.Tensor:
        """Lay the windows of an axis of maps one behind the other: it has ``count * size`` places then."""
        number = torch.arange(self.count, device=self._device) * self._stride
        first = torch.where(number < self._last, number, torch.as_tensor(self._last, device=self._device))
        place = first[:, None] + torch.arange(self.size, device=self._device)
        return maps.index_select(axis, place.reshape(-1))

    def joined(self, parts: torch.Tensor, axis: int) -> torch.Tensor:
        """Add up what the windows say of each place: ``count * size`` places of an axis to its ``length``."""
        shape = [1] * axis + [-1] + [1] * (parts.dim() - axis - 1)
        total: Any = 0
        for index, covers in self._slots():
            total = total + parts.index_select(axis, index) * covers.to(parts).reshape(shape)
        return total

    def counts(self) -> torch.Tensor:
        """(length,) float32, how many windows each place is in."""
        covering = [covers.float() for _, covers in self._slots()]
        return sum(covering[1:], covering[0])

    @property
    def _last(self) -> Any:
        """Where the last window begins."""
        return self._length - self.size

    def _slots(self) -> List[Tuple[torch.Tensor, torch.Tensor]]:
        """Of each place of the axis, its index in windows that may cover it, and whether they do.

        As many pairs of (length,) tensors as windows can cover one place: the last window, and those a stride apart.
        """
        place = torch.arange(self._length, device=self._device)
        first = floor_divide(at_least_zero(place - self.size + self._stride), self._stride)
        slots = []
        for number in range(-(-self._window // self._stride)):
            window = first + number
            offset = place - window * self._stride
            covers = (window < self.count - 1) & (offset >= 0) & (offset < self.size)
            slots.append((window * self.size + offset, covers))
        slots.append(((self.count - 1) * self.size + place - self._last, place >= self._last))
        return [(torch.where(covers, index, torch.zeros_like(index)), covers) for index, covers in slots]


def slide(
    image: torch.Tensor, window: Tuple[int, int], stride: Tuple[int, int], run: Callable[[torch.Tensor], torch.Tensor]
) -> torch.Tensor:
    """The mean of what a function says of each pixel in all windows that cover it.

    Args:
        image: (N, C, H, W).
        window: height and width of a window, in pixels.
        stride: from one window to the next, down and to the right.
        run: (windows, C, h, w) to (windows, K, h, w), each window for itself.

    Returns:
        (N, K, H, W).
    """
    rows, columns = (Axis(image.shape[axis], window[axis - 2], stride[axis - 2], image.device) for axis in (2, 3))
    channels = int(image.shape[1])
    parts = columns.split(rows.split(image, 2), 3)
    parts = parts.reshape(-1, channels, rows.count, rows.size, columns.count, columns.size).permute(0, 2, 4, 1, 3, 5)
    found = run(parts.reshape(-1, channels, rows.size, columns.size))
    classes = int(found.shape[1])
    found = found.reshape(-1, rows.count, columns.count, classes, rows.size, columns.size).permute(0, 3, 1, 4, 2, 5)
    found = found.reshape(-1, classes, rows.count * rows.size, columns.count * columns.size)
    total = columns.joined(rows.joined(found, 2), 3)
    return total / (rows.counts()[:, None] * columns.counts()).to(total)
