"""Pictures as arrays: decoding, pixels, labelled sets, their parts and their duplicates."""
