"""The mask page of a report or a comparison: every mask, what was answered, and its address."""
