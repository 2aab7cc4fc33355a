"""What knows nothing of backups: texts, times, durations, time slices, concurrency slots."""
