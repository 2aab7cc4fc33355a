"""What administrators can see of the operator: metrics, log lines, probes."""
