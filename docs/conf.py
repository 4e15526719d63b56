"""How Sphinx builds the site: ``make docs``; ``make linkcheck`` tries links to other sites."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]  # the extensions beside this file, and bench

from bench import __version__  # noqa: E402

project = "sam-bench"
author = "the authors of sam-bench"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "generated", "repository_links"]
exclude_patterns = ["_build", "_generated", "templates"]

html_theme = "furo"
html_title = f"sam-bench {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_copyright = False
html_show_sphinx = False
html_copy_source = False

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 4

nitpicky = True
# Names of Python and of libraries have no page here, and those below the public modules neither:
# a page must not fail for a type that a signature names. Links between pages are all held.
nitpick_ignore_regex = [("py:.*", ".*")]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_default_options = {"members": True}

linkcheck_timeout = 20
linkcheck_retries = 2
linkcheck_workers = 4
