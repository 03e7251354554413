"""The one logger: structured lines on standard output."""

from typing import Final

from aws_lambda_powertools import Logger

logger: Final = Logger(service="tracestore")
