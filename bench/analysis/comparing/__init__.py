"""Two sides on the same masks: differences, intervals, and conditions on them."""
