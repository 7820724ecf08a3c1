"""Pages on policies: what may be asked of a dataset, in plain words; written, tried, set and confirmed by another."""

from __future__ import annotations

from hmchain.interfaces.portal.pages.policies import editor, policy

ROOM = (policy.pages, editor.pages)
