"""What the API server refuses by CEL, ``slipway up`` refuses with the same words."""

import pytest

from slipway_crds.documents import DocumentError, load_documents
from tests.cel_cases import CelCase, cel_cases

# A rule that compares with the stored object has nothing to compare with in a file.
CASES = [case for case in cel_cases() if case.stored is None]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_document_is_accepted(case: CelCase) -> None:
    assert len(load_documents(case.accepted, "f.yaml")) == 1


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_document_is_refused_with_the_message(case: CelCase) -> None:
    with pytest.raises(DocumentError) as refusal:
        load_documents(case.refused, "f.yaml")
    assert str(refusal.value).endswith(f": {case.message}")
