"""What knows nothing of backups: texts, times, durations, the scheduler, time slices, concurrency slots."""
