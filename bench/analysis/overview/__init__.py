"""Many runs at a glance: a run's headline, its card, and the board of models and datasets."""
