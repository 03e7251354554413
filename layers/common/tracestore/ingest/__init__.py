"""From what clients send to span records. Pure: no AWS, no environment, no clock."""
