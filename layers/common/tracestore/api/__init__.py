"""The routes' own code: parameters, JSON and reading for each resource. May import `http` and `storage`."""
