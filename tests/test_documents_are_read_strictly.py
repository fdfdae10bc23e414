import pytest

from slipway_crds.api_key import APIKey
from slipway_crds.documents import DocumentError, load_documents
from slipway_crds.model_deployment import ModelDeployment

MODEL = """
apiVersion: slipway.dev/v1alpha1
kind: ModelDeployment
metadata: {name: m}
spec:
  model: {source: demo://chat}
  engine: {type: llamacpp}
"""
KEY = """
apiVersion: slipway.dev/v1alpha1
kind: APIKey
metadata: {name: k}
spec: {owner: someone}
"""


def test_a_stream_gives_its_resources_in_order() -> None:
    model, key = load_documents(f"{MODEL}\n---\n{KEY}\n---\n", "f.yaml")
    assert isinstance(model, ModelDeployment)
    assert (model.served_names, model.tasks) == (("m",), ("chat", "completions"))
    assert isinstance(key, APIKey)
    assert (key.secret_name, key.spec.models) == ("k-apikey", ("*",))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MODEL.replace("engine:", "engin:"), r"f.yaml, document 1, ModelDeployment m: .*spec.engin: unknown field"),
        (MODEL.replace("llamacpp", "gpt"), r"spec.engine.type: Input should be 'vllm'"),
        (MODEL.replace("demo://chat", "my-model"), r"spec.model: source must be a URI; write one of hf://"),
        (MODEL.replace("name: m", "name: 9m"), r"the name becomes a Service's"),
        (MODEL.replace("name: m", 'name: "m\\n"'), r"metadata.name: 'm\\n' is not a name; write lower-case"),
        (KEY.replace("name: k", "name: ../k"), r"metadata.name: '../k' is not a name; write lower-case"),
        (KEY.replace("name: k", "name: k, namespace: a/b"), r"metadata.namespace: 'a/b' is not a name; write"),
        (MODEL.replace("demo://chat", '"demo://chat\\n"'), r"spec.model: source must be a URI"),
        (
            MODEL + "  cache: {size: lots}",
            r"spec.cache.size: 'lots' is not a quantity; write for example 2, 500m or 16Gi",
        ),
        (KEY.replace("someone", "someone, expiresAt: 2027-12-31"), r"spec.expiresAt: Input should have timezone info"),
        (
            KEY.replace("someone", "someone, expiresAt: 2027-13-31"),
            r"f.yaml: a date or number cannot be read: month must be in 1..12",
        ),
        ("[" * 20_000, r"f.yaml: not YAML: nested too deeply"),
        (MODEL + "---" + MODEL, r"document 2: ModelDeployment m comes twice"),
        ("kind: Pod\napiVersion: v1", r"v1/Pod is not known here; write apiVersion: slipway.dev/v1alpha1"),
        ("- a", r"expected an object with apiVersion and kind, found list"),
        ("a: [", r"f.yaml: not YAML"),
        (MODEL + "  replicas: 1\n  replicas: 2\n", r"the key 'replicas' comes twice in one object; keep one of them"),
        ("x" * (4 * 1024 * 1024 + 1), r"larger than 4 MiB"),
        ("---\n" * 1001 + MODEL, r"more than 1000 documents"),
    ],
)
def test_a_mistake_is_named_with_its_place(text: str, message: str) -> None:
    with pytest.raises(DocumentError, match=message):
        load_documents(text, "f.yaml")


def test_an_object_as_kubernetes_prints_it_is_read_back() -> None:
    printed = (
        MODEL.replace("{name: m}", "{name: m, uid: u, managedFields: [{manager: kubectl}]}") + "status: {ready: 1/1}"
    )
    (model,) = load_documents(printed, "f.yaml")
    assert model.metadata.name == "m"
