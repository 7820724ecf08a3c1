"""Decisions of a hospital's people at its node: members, keys, policies, requests, studies, transfers, incidents."""
