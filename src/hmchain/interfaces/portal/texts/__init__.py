"""What the portal's pages say: English in the sources, other languages in catalogues beside this file.

`say` gives a text in the language of whoever reads; `scripts/texts.py` collects the texts into `LANGUAGE/ROOM.po`, one
for each room of the portal. They are compiled when the portal starts. What services say in English (reasons, hints)
is shown by `theirs`, which marks it as English where no catalogue has it.
"""

from hmchain.interfaces.portal.texts.catalogue import Later, compose, later, of_later, say, say_n, theirs
from hmchain.interfaces.portal.texts.figures import ago, amount, day, moment, share
from hmchain.interfaces.portal.texts.languages import ENGLISH, LANGUAGES, language, speaking, wanted

__all__ = [
    "ENGLISH",
    "LANGUAGES",
    "Later",
    "ago",
    "amount",
    "compose",
    "day",
    "language",
    "later",
    "moment",
    "of_later",
    "say",
    "say_n",
    "share",
    "speaking",
    "theirs",
    "wanted",
]
