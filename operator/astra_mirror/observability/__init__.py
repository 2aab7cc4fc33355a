"""What those who run the operator see of it: metrics, log lines, probes."""
