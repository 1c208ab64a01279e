"""Sphinx configuration of the documentation site: `make docs`."""

from __future__ import annotations

from typing import Any

from docutils.nodes import Element, SkipNode
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

project = "survkit"
extensions = ["myst_parser", "numpydoc", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
nitpicky = True
smartquotes = False

html_theme = "furo"
html_title = "survkit"
html_static_path = ["_static"]
html_css_files = ["style.css"]
html_math_renderer = "mathml"
html_show_copyright = False

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings give types with shapes and units
default_role = "literal"
numpydoc_show_class_members = False


def setup(app: Sphinx) -> None:
    """Tell Sphinx how formulas and docstrings are read."""
    app.add_html_math_renderer("mathml", (write_inline, None), (write_block, None))
    app.connect("autodoc-process-docstring", escape_bars)
    app.connect("autodoc-skip-member", skip_undescribed_fields)


def write_inline(translator: HTML5Translator, formula: Element) -> None:
    """Write a formula as MathML, which browsers render offline and without JavaScript."""
    translator.body.append(mathml(formula, as_block=False))
    raise SkipNode


def write_block(translator: HTML5Translator, formula: Element) -> None:
    """Write a formula on a line of its own as MathML."""
    translator.body.append(f'<div class="math">{mathml(formula, as_block=True)}</div>')
    raise SkipNode


def mathml(formula: Element, *, as_block: bool) -> str:
    """Return a formula as MathML; one that docutils cannot read is a warning."""
    try:
        text = str(tex2mathml(formula.astext(), as_block=as_block))
        # Browsers leave no space after the name of a function.
        return text.replace("<mo>&ApplyFunction;</mo>", '<mspace width="0.17em"/>')
    except MathError as error:
        logging.getLogger(__name__).warning("%s", error, location=formula)
        return ""


def escape_bars(*event: Any) -> None:
    """Keep bars, which in docstrings stand for absolute values and never for substitutions."""
    lines: list[str] = event[-1]
    lines[:] = [line.replace("|", r"\|") for line in lines]


def skip_undescribed_fields(*event: Any) -> bool | None:
    """Leave out fields of a named tuple without a text of their own, and scikit-learn's setters."""
    name, member = event[2], event[3]
    if name in ("set_fit_request", "set_score_request"):
        return True
    return True if (member.__doc__ or "").startswith("Alias for field number") else None
