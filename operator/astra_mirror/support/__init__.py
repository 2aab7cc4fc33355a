"""General tools that do not depend on backups: texts, times, durations, timers, time slices, concurrency slots."""
