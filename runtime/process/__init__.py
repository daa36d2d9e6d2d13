"""The surroundings of one process: settings, data directory, log, time, lease, crash marker."""
