"""Seeded data sets made from what ships inside ordinary wheels: nothing is downloaded.

In: a folder, a seed. Out: pictures with their annotations, and the scores of a model on them. Touched: that folder.
"""
