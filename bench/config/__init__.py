"""From words to what is run: YAMLs composed, checked and named; only this room knows Hydra."""
