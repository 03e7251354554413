"""tracestore: LLM traces in one DynamoDB table. What all functions share."""

import gc

gc.set_threshold(50_000)
"""Objects before the first collection of garbage, for the whole process. Importing a function makes some 50,000 objects
that all stay: with Python's own threshold of 2,000, searching them for garbage takes a tenth of the start."""
