"""Seeded data sets made from what ships inside ordinary wheels: nothing is downloaded."""
