"""`python -m dev.dashboard` writes manifests/monitoring/dashboard.json: make dashboard."""

from dev.dashboard import FILE, dashboard_json

FILE.write_text(dashboard_json())
print(f"written: {FILE}")
