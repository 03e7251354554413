"""The protocols of other SDKs: storing what they send, and the responses that they read."""
