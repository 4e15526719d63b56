"""The embedded default: rendered scenes, photos, and a small model that was trained on scenes."""

# Cards of earlier releases say `python -m bench.demo.train`, which lies in training/ now.
__path__ += [f"{folder}/training" for folder in __path__]
