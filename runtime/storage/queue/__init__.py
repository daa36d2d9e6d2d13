"""The queries of the queue: jobs from creation to end, batches, schedules, closures, usage."""
