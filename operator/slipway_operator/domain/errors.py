"""What can go wrong between the operator and the API server."""


class ClusterError(Exception):
    """The API server refused or failed; ``code`` is the HTTP status, 0 when there was no answer at all."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class NotFoundError(ClusterError):
    """The object, or its namespace, is not there (404)."""


class ConflictError(ClusterError):
    """Somebody else changed or owns it, or it exists already (409)."""


class RefusedError(ClusterError):
    """The API server will not have it: rights, admission or quota (403)."""


class InvalidError(ClusterError):
    """The object, as it would become, is not valid (422)."""


class NamespaceTerminatingError(ClusterError):
    """The object's namespace is being deleted: nothing can be made in it any more (403)."""


class NotOursError(Exception):
    """An object with the name of a child exists and belongs to somebody else."""
