"""The parsers of the commands that run and read files."""
