"""A hospital's portal from Python: `Client` and `AsyncClient` ask the same questions, with typed answers.

What one asks is a flow: a generator of steps (ask the portal, sign, wait) that knows no network. `operations` has the
flows of what people do every day; `flows` makes one of any route that `/v1/openapi.json` describes.
"""
