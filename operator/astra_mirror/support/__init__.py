"""General tools that do not depend on backups: texts, times, durations, time slices, concurrency slots."""
