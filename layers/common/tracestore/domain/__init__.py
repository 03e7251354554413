"""What a trace is: spans, their merge, heads and trees. Pure: no AWS, no environment, no clock."""
