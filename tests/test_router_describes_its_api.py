"""The router serves its OpenAPI document and Swagger UI by itself: nothing is asked of another host."""

import re

import pytest

from tests.routers import running_router

pytestmark = pytest.mark.local

URL = re.compile(r'(?:src|href)="([^"]+)"')


async def test_the_document_is_served_to_anyone() -> None:
    async with running_router() as router:
        answer = await router.request("GET", "/openapi.json", key=None)
    document = answer.json()
    assert answer.status_code == 200
    assert document["openapi"] == "3.1.0"
    chat = document["paths"]["/v1/chat/completions"]["post"]
    assert set(chat["responses"]["200"]["content"]) == {"application/json", "text/event-stream"}
    assert chat["security"] == [{"bearer": []}, {"apiKey": []}]
    message = document["paths"]["/v1/messages"]["post"]["responses"]["404"]["content"]["application/json"]["schema"]
    assert message == {"$ref": "#/components/schemas/AnthropicError"}
    assert "security" not in document["paths"]["/health"]["get"]


@pytest.mark.parametrize("path", ["/docs", "/swagger-ui"])
async def test_the_page_loads_from_the_router_alone(path: str) -> None:
    async with running_router() as router:
        page = await router.request("GET", path, key=None)
        assert "default-src 'none'" in page.headers["content-security-policy"]
        urls = URL.findall(page.text)
        assert len(urls) == 4
        for url in urls:
            assert url.startswith("/docs/assets/")
            asset = await router.request("GET", url, key=None)
            assert asset.status_code == 200
            assert len(asset.content) > 100
        start = await router.request("GET", "/docs/assets/start.js", key=None)
    assert '"/openapi.json"' in start.text
