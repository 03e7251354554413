"""The OpenAPI document of the HTTP API, generated from the template, the handlers, the models and `docs/api.md`.

`document.build` returns the document. Each part has one source: routes come from the template, summaries and scopes
from the handlers, bodies from the models, texts and examples from `docs/api.md`. Only what none of them states is
declared here: the parameters of each route, and the schemas of responses. The tests compare these with the handlers.
"""
