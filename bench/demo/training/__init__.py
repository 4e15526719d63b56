"""How the demo model was trained; not in the wheel."""
