"""What a verification compares beside the answers: cases that reach every part of a model, and what is inside of it.

A Task and a ModelProto go in, results go out; nothing here writes a file, and models are left as they were.
"""
