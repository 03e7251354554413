"""HTTP machinery: app, requests, responses, errors, identity, settings.

Names no route. No other package reads the environment.
"""
