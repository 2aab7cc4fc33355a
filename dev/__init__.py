"""What newcomers, tests and benchmarks run: a control plane, a simulated Astra Control, the demo."""
