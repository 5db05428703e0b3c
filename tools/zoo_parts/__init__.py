"""What tools/zoo.py is made of."""
