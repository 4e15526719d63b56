"""All masks of a picture against all its targets: who takes whom, and what that is worth."""
