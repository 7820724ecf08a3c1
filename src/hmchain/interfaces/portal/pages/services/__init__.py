"""What services say in English sentences, for the catalogues: nothing here runs.

A place in braces is what stands in a sentence as it is, such as a name; one that ends in `words` is a sentence of a
service again. Of two that fit a text, the one with more letters of its own is taken. A sentence that is missing here is
shown in English, and marked as English.
"""
