"""Analytics: query parameters, JSON, and the reading of counters and anomalies."""
