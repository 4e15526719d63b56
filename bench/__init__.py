"""Zero-shot evaluation of promptable segmentation models, as the papers do it."""

__version__ = "0.1.0"
