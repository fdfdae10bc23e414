"""What an account of used tokens adds up."""

from dataclasses import dataclass


@dataclass(slots=True)
class Counts:
    """What was used."""

    requests: int = 0
    errors: int = 0
    """Of the requests, those that got a status of 400 or above."""
    aborted: int = 0
    """Of the requests, those whose answer had begun and did not end well, or whose caller left."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    """Of the prompt's tokens, those that the engine had computed before, if it says so."""

    def add(self, other: "Counts") -> None:
        """Count ``other``, too."""
        self.requests += other.requests
        self.errors += other.errors
        self.aborted += other.aborted
        self.prompt_tokens += other.prompt_tokens
        self.completion_tokens += other.completion_tokens
        self.cached_tokens += other.cached_tokens

    @property
    def values(self) -> tuple[int, ...]:
        """The numbers, in the order of `COUNTS`."""
        return (
            self.requests,
            self.errors,
            self.aborted,
            self.prompt_tokens,
            self.completion_tokens,
            self.cached_tokens,
        )
