"""The queries on nodes, the processes that run jobs: liveness, presence, rescue, cleaning."""
