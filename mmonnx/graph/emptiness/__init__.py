"""Which tensors of a graph may have no elements, found out without running it."""
