"""What one process needs: settings, its directory, log, time, and its sign of life."""
