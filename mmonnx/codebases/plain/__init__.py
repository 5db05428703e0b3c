"""Plain PyTorch: models that a callable makes, and modules that are there already.

In: ``package.module:callable``, or a module and its inputs. Out: a ``Task``. Touched: nothing but the model, which is
as it was afterwards.
"""

from .codebase import PlainTorch
from .modules import AxesAsked, module_task

__all__ = ["CODEBASE", "AxesAsked", "module_task"]

CODEBASE = PlainTorch()
