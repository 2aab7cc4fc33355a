"""What decides about monitors: which backups of an app's list count, which objectives they meet, which refs to make."""
