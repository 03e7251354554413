"""What the store costs and how fast it is, measured on the developer's machine beside a reference in the same run."""
