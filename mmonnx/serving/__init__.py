"""Files for servers: a model repository for NVIDIA's Triton, and for KServe on top of it.

In: an exported file. Out: a folder that a server loads. Touched: that folder.
"""

from .triton import DEVICES, TritonSettings, write_repository

__all__ = ["DEVICES", "TritonSettings", "write_repository"]
