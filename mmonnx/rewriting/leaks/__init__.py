"""What Python takes out of a trace: numbers, truths and lengths of tensors, which the file then holds as constants.

A tracer follows tensors. What a model's own code makes a Python value of, it cannot follow: the side of a branch, the
number that ``.item()`` gives and the length of a loop are those of the sample, for every input. Torch warns of some of
it, of sizes that never change as well, and not with the line of the user's code. Here each such place is seen itself
(``watch``), is asked what it depends on in the graph traced so far (``dependence``), and is told of with the line that
did it (``places``) if that is the input's values, or a size that is dynamic in this export.
"""

from .settle import faults
from .watch import Taken, Watch, watching

__all__ = ["Taken", "Watch", "faults", "watching"]
