"""The one logger: structured lines on standard output."""

from typing import Final

from aws_lambda_powertools import Logger

logger: Final = Logger(service="tracestore", utc=True, datefmt="%Y-%m-%dT%H:%M:%S.%FZ")
"""*source*: Lambda developer guide, "Log-level filtering": of a line whose timestamp is not valid RFC 3339, such as
with the default of Powertools, Lambda ignores the level and counts it as INFO.
"""
