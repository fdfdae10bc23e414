"""LangChain's OpenAI classes: invoke, stream, batch, usage, embeddings, and an error."""

import json
import os

import openai
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

place = {"base_url": f"{os.environ['BASE_URL']}/v1", "api_key": os.environ["API_KEY"], "max_retries": 0}
chat = ChatOpenAI(model="chat", temperature=0, max_completion_tokens=24, stream_usage=True, **place)
answer = chat.invoke("What is Slipway?")
chunks = list(chat.stream("What is Slipway?"))
batch = chat.batch(["What is Slipway?", "What is a ModelDeployment?"])
# Texts, not token ids: ids would be those of OpenAI's tokenizer.
embeddings = OpenAIEmbeddings(model="embed", check_embedding_ctx_length=False, **place)
vectors = embeddings.embed_documents(["a harbour", "a ship"])
try:
    ChatOpenAI(model="nothing", **place).invoke("Hello")
    error = ""
except openai.NotFoundError as refused:
    error = refused.code
print(
    json.dumps(
        {
            "text": answer.content,
            "streamed": "".join(chunk.content for chunk in chunks),
            "tokens": answer.usage_metadata["total_tokens"],
            "streamed_tokens": sum(chunk.usage_metadata["total_tokens"] for chunk in chunks if chunk.usage_metadata),
            "batch": [message.content for message in batch],
            "dimensions": [len(vector) for vector in vectors],
            "error": error,
        }
    )
)
