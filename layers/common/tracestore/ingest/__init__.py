"""Read the requests of clients into span fields. Pure: no AWS, no environment, no clock."""
