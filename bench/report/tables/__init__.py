"""Tables as text: CSV, Markdown, LaTeX, a terminal."""
