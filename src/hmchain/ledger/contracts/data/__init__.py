"""Contracts about data: datasets, policies, requests, permits, counts, and records given under permits."""
