"""What tools/runtimes.py is made of."""
