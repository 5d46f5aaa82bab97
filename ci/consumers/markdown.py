"""Renders a Markdown report with GitHub's own cmark-gfm, raw HTML allowed, and looks for elements that it did not put there."""

import json
import sys
from html.parser import HTMLParser

import cmarkgfm
from cmarkgfm.cmark import Options

ALLOWED = {"h2", "h3", "p", "ul", "li", "strong", "pre", "code", "table", "thead", "tbody", "tr", "th", "td"}


class Elements(HTMLParser):
    """Counts the elements of a page."""

    def __init__(self):
        super().__init__()
        self.rows = 0

    def handle_starttag(self, tag, attributes):
        assert tag in ALLOWED, (tag, attributes)
        self.rows += tag == "tr"


folder = sys.argv[1]
results = json.load(open(f"{folder}/results.json"))
text = open(f"{folder}/report.md").read()
elements = Elements()
elements.feed(cmarkgfm.github_flavored_markdown_to_html(text, options=Options.CMARK_OPT_UNSAFE))
assert elements.rows == len(results["experiments"]) + 1, "one row an experiment, and the head of the table"
