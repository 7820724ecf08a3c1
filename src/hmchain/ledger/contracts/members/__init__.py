"""Contracts about members: parameters, membership, attendance, maintenance, standings, rotation, upgrades."""
