"""Which recipe does an unknown sender sign with? A bounded search, for the command line.

``search.py`` has the order. ``carried.py`` finds what may be a signature, a timestamp or an id, ``texts.py`` lists the texts
that senders sign, ``trials.py`` compares hashes, and ``recipe.py`` writes the declaration. The scheme's own ``verify`` has the
last word.
"""

from hookguard.autopsy.unknown.recipe import Recipe, TokenRecipe
from hookguard.autopsy.unknown.search import Identified, identify

__all__ = ["Identified", "Recipe", "TokenRecipe", "identify"]
