"""The processes that run jobs: which live, what they tell of themselves, and who cleans up."""
