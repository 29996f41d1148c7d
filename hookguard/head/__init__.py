"""The head of a delivery: its target and its Content-Type."""
