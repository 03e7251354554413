"""Between API Gateway and the rest: settings, identity, HTTP shapes. The only package that reads the environment."""
