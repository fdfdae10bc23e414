"""From texts to token ids. All of it blocks; one thread at a time may use a tokenizer."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import tokenizers

from slipway_crds.conditions import Reason
from slipway_runtime.domain.failure import RuntimeFailure
from slipway_runtime.domain.openai import ApiError
from slipway_runtime.domain.sentence_transformers import TextModel
from slipway_runtime.domain.text_inputs import Direction, Input, Token, TokenizingOptions


@dataclass(frozen=True, slots=True)
class Row:
    """One sequence for the model."""

    ids: list[int]
    types: list[int] | None = None
    """The segment of each token; None is the first for all."""
    by_token: bool = False
    """Whether a vector for each token is wanted."""

    def __len__(self) -> int:
        return len(self.ids)


class TextTokenizer:
    """The tokenizer of one model."""

    def __init__(self, folder: Path, model: TextModel) -> None:
        self._model = model
        self._tokenizer = _load(folder)
        self._cut: Direction | None = None

    def encode(self, inputs: Sequence[Input], options: TokenizingOptions, first: int = 0) -> list[Row]:
        """The rows of ``inputs``, of which ``first`` is the number of the first; token ids are taken as they are.

        Raises ApiError for what the model cannot take.
        """
        prompt = self._model.prompt(options.prompt_name)
        self._truncate(options.direction if options.truncate else None)
        texts = [self._text(entry, prompt) for entry in inputs]
        strings = [text for text in texts if not isinstance(text, list)]
        encoded = iter(self._tokenizer.encode_batch_fast(strings)) if strings else iter(())
        rows = [
            Row(self._cut_ids(text, options), None, options.by_token)
            if isinstance(text, list)
            else _row(text, next(encoded), options)
            for text in texts
        ]
        for index, row in enumerate(rows, first):
            self._check(index, row)
        return rows

    def tokens(self, texts: Sequence[str], *, add_special_tokens: bool, prompt_name: str | None) -> list[list[Token]]:
        """The tokens of each of ``texts`` and where they lie in it. Raises ApiError."""
        prompt = self._model.prompt(prompt_name)
        self._truncate(None)
        whole = [prompt + text for text in texts]
        encodings = self._tokenizer.encode_batch(whole, add_special_tokens=add_special_tokens)
        return [_tokens(text, encoding) for text, encoding in zip(whole, encodings, strict=True)]

    def decode(self, sequences: Sequence[list[int]], *, skip_special_tokens: bool) -> list[str]:
        """The text of each of ``sequences``. Raises ApiError for ids that the tokenizer does not have."""
        for index, ids in enumerate(sequences):
            self._check_ids(f"ids[{index}]", ids, self._tokenizer.get_vocab_size())
        decoded: list[str] = self._tokenizer.decode_batch(list(sequences), skip_special_tokens=skip_special_tokens)
        return decoded

    def _text(self, entry: Input, prompt: str) -> Input:
        if not prompt:
            return entry
        if isinstance(entry, str):
            return prompt + entry
        if isinstance(entry, tuple):
            raise ApiError(400, "a prompt cannot be put before a pair of texts", param="prompt_name")
        return prompt + self._tokenizer.decode(entry, skip_special_tokens=True)

    def _truncate(self, direction: Direction | None) -> None:
        if direction is self._cut:
            return
        if direction is None:
            self._tokenizer.no_truncation()
        else:
            self._tokenizer.enable_truncation(self._model.max_tokens, direction=direction.value)
        self._cut = direction

    def _cut_ids(self, ids: list[int], options: TokenizingOptions) -> list[int]:
        limit = self._model.max_tokens
        if not options.truncate or len(ids) <= limit:
            return ids
        return ids[:limit] if options.direction is Direction.RIGHT else ids[-limit:]

    def _check(self, index: int, row: Row) -> None:
        limit = self._model.max_tokens
        if not row.ids:
            raise ApiError(400, f"input[{index}] has no tokens", param=f"input[{index}]")
        if len(row) > limit:
            message = f"input[{index}] has {len(row)} tokens; the model takes at most {limit}: shorten or split it"
            raise ApiError(400, message, code="context_length_exceeded", param=f"input[{index}]")
        self._check_ids(f"input[{index}]", row.ids, self._model.vocabulary)

    @staticmethod
    def _check_ids(where: str, ids: list[int], vocabulary: int) -> None:
        if max(ids) >= vocabulary:
            message = f"{where} has a token id beyond the model's vocabulary of {vocabulary}"
            raise ApiError(400, message, param=where)


def _row(text: Input, encoding: Any, options: TokenizingOptions) -> Row:
    return Row(encoding.ids, encoding.type_ids if isinstance(text, tuple) else None, options.by_token)


def _tokens(text: str, encoding: Any) -> list[Token]:
    # Clients count in bytes of UTF-8, as text-embeddings-inference does.
    starts = None if text.isascii() else [0, *accumulate(len(character.encode()) for character in text)]
    found = []
    for id_, word, special, (start, stop) in zip(
        encoding.ids, encoding.tokens, encoding.special_tokens_mask, encoding.offsets, strict=True
    ):
        if special:
            found.append(Token(id_, word))
        else:
            first, last = (start, stop) if starts is None else (starts[start], starts[stop])
            found.append(Token(id_, text[start:stop], special=False, start=first, stop=last))
    return found


def _load(folder: Path) -> tokenizers.Tokenizer:
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise RuntimeFailure(Reason.WEIGHTS_INVALID, "the model's folder has no tokenizer.json")
    try:
        tokenizer = tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises Exception itself
        raise RuntimeFailure(Reason.WEIGHTS_INVALID, f"tokenizer.json cannot be loaded: {error}") from error
    # The file may ask for the padding and truncation of its training.
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer
