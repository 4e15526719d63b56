"""Texts that break what they are written into, and readers of what was written, one per format."""

from __future__ import annotations

import csv
import io
import re
from html.parser import HTMLParser
from unicodedata import normalize

from markdown_it import MarkdownIt

HOSTILE = (
    "..", ".", "", " ", "../../out", "/etc/passwd", "a/b", "a\\b", "..\\out", "C:\\a", "a\0b",
    "a\nb", "a\rb", "a\r\nb", "\n", "a\tb", "\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\x9b31m",
    "a\u2028b", "a\u2029b", "a\x85b", "a\x0bb", "a\x0cb", "a\x1cb", "\u202egpj.exe",
    "\u2066a\u2069",
    "\ufeffa", "a\u200bb", "é" * 150, "x" * 300, "e\u0301", "é", "İ", "ﬁ", "%20", "%2e%2e%2fout",
    "=1+1", "=cmd|' /C calc'!A0", "+1", "-1+1", "@SUM(A1)", "\t=1", "＝1", '=HYPERLINK("http://a")',
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "</style><b>",
    "&lt;b&gt;", "&#x41;",
    '" onload="a', "javascript:alert(1)", "{{7*7}}", "{% raw %}", "${seed}", "${oc.env:HOME}",
    "\\input{/etc/passwd}", "\\end{tabular}", "a & b", "50 %", "a_b^c~d", "$x$", "#1", "{",
    "}", "[x]",
    "*", "\\\\", "a|b", "`a`", "**b**", "_i_", "[a](http://b)", "![a](b)", "~~s~~", "a\\|b", "# h",
    "- a", "1. a", "> q", "| --- |", "<!-- a -->", "[bold]a[/bold]", "[/]", "[link=http://a]b",
    '"', "''", 'a"b', "a,b", "a;b", "'=1", "NaN", "nan", "null", "None", "true", "1e5",
    "0123", "1.0",
    "日本語", "🦊", "a\U000e0041b", "-rf", "--help", "~", "~root", "$HOME", "*.png", "CON",
    "nul.txt",
    ".hidden", "a.", "a ", " a", "a" + "\u0300" * 40,
)  # fmt: skip

_RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def raw_characters(text: str) -> str:
    """The characters of a text that steer who reads it: escapes, ends of lines, directions."""
    return "".join(sorted(set(_RAW.findall(text))))


def plain(text: str) -> str:
    """A text as any output may show it: composed, and what steers, or is a space, is one space."""
    return " ".join(re.sub(f"{_RAW.pattern}|\\s", " ", normalize("NFC", text)).split())


def told(text: str) -> str:
    """A text as a CSV has it: one kind of line's end, and what steers as Python writes it."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return _RAW.sub(lambda found: found[0].encode("unicode_escape").decode(), lines)


def csv_cells(text: str) -> list[list[str]]:
    """The rows of a CSV."""
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


def runs_as_formula(cell: str) -> bool:
    """Whether a spreadsheet would compute a cell that is no number."""
    bare = cell.lstrip("\t\r\n ")
    if not bare.startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠")):
        return False
    return re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|[-+]?(inf|nan)", cell) is None


def markdown_cells(text: str) -> list[list[str]]:
    """The cells of the tables in a Markdown text as a parser shows them; markup is ``<tag>``."""
    rows: list[list[str]] = []
    for token in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text):
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline" and rows and token.level >= 4:
            shown = ""
            for child in token.children or []:
                plain_text = child.type in ("text", "text_special", "softbreak", "hardbreak")
                shown += (child.content or " ") if plain_text else f"<{child.tag or child.type}>"
            rows[-1].append(shown)
    return rows


_LATEX = {
    "--{}": "–",
    r"\textbackslash{}": "\\", r"\textasciitilde{}": "~", r"\textasciicircum{}": "^",
    r"\textasciigrave{}": "`",
    r"\textless{}": "<", r"\textgreater{}": ">", r"$\times$": "×", r"$\cdot$": "·", "--": "–",
    **{f"\\{mark}": mark for mark in "&%$#_{}"}, **{f"{mark}{{}}": mark for mark in "-'`,!?–"},
}  # fmt: skip
_LATEX_WORDS = re.compile(
    r"\\samchar\{(.)\}\{([0-9A-F]+)\}|" + "|".join(map(re.escape, _LATEX)) + r"|[\\&%$#_{}^~]"
)


def latex_cells(text: str) -> list[list[str]]:
    """The cells of a ``tabular`` as LaTeX sets them; what it would obey is ``<mark>``."""
    body = text[text.index(r"\midrule") : text.index(r"\bottomrule")]
    rows = []
    for line in body.splitlines():
        if line.endswith(r" \\"):
            cells = re.split(r"(?<!\\)&", line.removesuffix(r" \\").removeprefix("{}"))
            rows.append([_LATEX_WORDS.sub(_set, cell.strip()) for cell in cells])
    return rows


def _set(found: re.Match[str]) -> str:
    if found[1] is not None:
        return found[1] if found[1] == chr(int(found[2], 16)) else f"<{found[0]}>"
    return _LATEX.get(found[0], f"<{found[0]}>")


class Page(HTMLParser):
    """The tags, attributes and text of an HTML page."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, frozenset[str]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See ``html.parser``."""
        self.tags.append((tag, frozenset(name for name, _ in attrs)))

    def handle_data(self, data: str) -> None:
        """See ``html.parser``."""
        self.texts.append(data)
