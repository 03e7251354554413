"""The one table: keys, items, readers and writers. The only package that imports boto3. `user_store` is its face."""
