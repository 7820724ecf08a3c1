"""Policies of datasets: the file that a steward answers, its rules in Cedar and in words, and how one is set."""
