"""The one table: keys, items, writer, reader. The only package that imports boto3."""
