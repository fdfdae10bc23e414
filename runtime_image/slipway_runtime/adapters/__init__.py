"""What the runtime does to the world: fetching weights, running engines, answering HTTP."""
