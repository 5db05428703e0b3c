"""What the export hook asks of a running training; nothing here changes it."""
