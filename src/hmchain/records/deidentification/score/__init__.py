"""The score: de-identification against an answer key, by the ten actions of the MIDI-B challenge.

An answer key says of every element of a collection what must become of it: leaks and what was removed without need both
count. `composed` makes a collection with its key; `answers` reads the challenge's own.
"""
