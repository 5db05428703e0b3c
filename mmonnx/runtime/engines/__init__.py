"""Files in other runtimes than ONNX Runtime: one file a runtime, and a process of its own where it may die.

In: a file, arrays by name. Out: arrays by name. Touched: child processes, and temporary files while they live.
"""

from .child import EngineDeathError, EngineError
from .registry import DEFAULT, ENGINES, Engine, find_engine
from .session import EngineSession

__all__ = ["DEFAULT", "ENGINES", "Engine", "EngineDeathError", "EngineError", "EngineSession", "find_engine"]
