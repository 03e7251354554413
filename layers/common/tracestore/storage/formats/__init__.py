"""The stored documents: every one-letter key and every packed array of the table is written and read in this package.

A document is JSON, compressed by `codec`. Its shape is frozen: `tests/data/stored` has stored bytes of every kind,
which are decoded for ever. A change of shape takes a new format with a golden file of its own, and the older format
stays readable. A list without names is extended only at its end. Code that reads a new format is released before code
that writes it.
"""
