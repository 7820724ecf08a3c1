"""The forms in which the records of a version are written out: one file each, or as other programs read them."""
