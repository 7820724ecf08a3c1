"""Events of what hospitals share, of incidents and of anchored logs: see `events`."""

from __future__ import annotations
