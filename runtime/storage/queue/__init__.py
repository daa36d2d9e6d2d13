"""The queue: jobs from creation to their end, batches, schedules, closures and usage."""
