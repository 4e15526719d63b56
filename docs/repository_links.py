"""Links from a page to files of the repository that are no pages of the site.

Pages are also read where the repository is, so they link to ``../../bench/protocol.py`` and
``../CONTRIBUTING.md``. In the site a file that a page includes is that page, and any other is named
without a link: the site doesn't hold it. What isn't there at all is left to MyST, which warns.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

GATHERED = {Path("benchmarks/results"): "house/measurements"}
"""Folders whose files one page gathers, each under its name (``generated.measurements``)."""

_INCLUDE = re.compile(r"^```\{include\} (\S+)$", re.MULTILINE)


def included_by(folder: Path) -> dict[Path, str]:
    """Each file outside of ``folder`` that one of its pages includes, with that page's name."""
    return {
        found: page.relative_to(folder).with_suffix("").as_posix()
        for page in sorted(folder.rglob("*.md"))
        for name in _INCLUDE.findall(page.read_text(encoding="utf-8"))
        if not (found := (page.parent / name).resolve()).is_relative_to(folder)
    }


class RepositoryLinks(SphinxTransform):
    """Turns links to files beyond the site into links to the page that includes them, or words."""

    default_priority = 5

    def apply(self, **kwargs: Any) -> None:
        """Looks at every link that MyST has left open or would offer as a download."""
        pages = included_by(Path(self.env.srcdir))
        kinds = (addnodes.pending_xref, addnodes.download_reference)
        for node in list(self.document.findall(lambda found: isinstance(found, kinds))):
            if node.get("reftype") == "myst" and (path := self._beyond(node)) is not None:
                gathered = GATHERED.get(path.parent.relative_to(Path(self.env.srcdir).parent))
                if path in pages:
                    node.replace_self(self._link(node, pages[path], _anchor(node)))
                elif gathered and path.suffix == ".md":
                    slug = re.sub(r"[^\w-]", "", path.name)
                    node.replace_self(self._link(node, gathered, slug))
                else:
                    node.replace_self(nodes.inline("", "", *node.children[0].children))

    def _beyond(self, node: nodes.Element) -> Path | None:
        """The file or folder outside of the site that a link names, if it is there."""
        target = str(node["reftarget"]).partition("#")[0]
        top = Path(self.env.srcdir)
        if node.get("refdomain") == "doc":  # a page's name, from the top; beyond it by accident
            if target in self.env.found_docs:
                return None
            path = top / f"{target}.md"
        else:
            path = (top / self.env.docname).parent / target
        path = path.resolve()
        beyond = path.is_relative_to(top.parent) and not path.is_relative_to(top)
        return path if target and path.exists() and beyond else None

    def _link(self, node: nodes.Element, page: str, anchor: str | None) -> addnodes.pending_xref:
        link = addnodes.pending_xref(
            refdomain="doc",
            reftarget=page,
            reftargetid=anchor,
            refdoc=self.env.docname,
            reftype="myst",
            refexplicit=True,
        )
        link.source, link.line = node.source, node.line
        link += nodes.inline("", "", *node.children[0].children, classes=["xref", "myst"])
        return link


def _anchor(node: nodes.Element) -> str | None:
    return node.get("reftargetid") or str(node["reftarget"]).partition("#")[2] or None


def setup(app: Sphinx) -> dict[str, bool]:
    """Makes it known to Sphinx."""
    app.add_transform(RepositoryLinks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
