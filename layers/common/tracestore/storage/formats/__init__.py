"""The stored documents: every document inside a packed attribute, with its one-letter keys and its lists without names.

This package alone writes and reads them. The names of attributes, such as `v` and `g`, and the attributes that are not
packed belong to the modules of `storage` that make the items. A document is JSON, compressed by `codec`. Its shape is
frozen: `tests/data/stored` has stored bytes of every kind, which are decoded for ever. A change of shape takes a new
format with a golden file of its own, and the older format stays readable. A list without names is extended only at its
end; from then on `positional.extended` reads it. Code that reads a new format is released before code that writes it.
"""
