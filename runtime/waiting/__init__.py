"""The order of waiting jobs, and the obstacles in their way. Pure."""
