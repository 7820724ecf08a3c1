"""Contracts about members: parameters, membership, people, keys, standings, upgrades, anchored logs, incidents."""
