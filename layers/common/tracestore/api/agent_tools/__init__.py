"""Tools for agents: the Model Context Protocol over HTTP, and answers that keep to a budget of tokens."""
