"""Step: parameters within the limits of the model, and its defaults where the caller said nothing.

Wrong values have been refused when the body was read. What is too much is lowered here, and prompts that are too long
are refused: there is nothing sensible to cut off.
"""

from msgspec import UNSET

from slipway_router.domain.exchange import Exchange
from slipway_router.domain.requests.calls import ANSWER_FIELDS, Generation
from slipway_router.domain.requests.policy import EngineNames, RequestPolicy
from slipway_router.domain.requests.prompts import check_size
from slipway_router.domain.requests.system_prompts import system_edit


def set_parameters(exchange: Exchange) -> None:
    """Put what the engine shall get in place of the caller's values into ``exchange.edits``.

    Raises:
        RequestError: 400 or 413, the prompt or the whole body is larger than the model takes.
    """
    if exchange.model is None:
        return
    policy = exchange.model.requests
    if len(exchange.body) > policy.harmless_bytes:
        check_size(exchange, policy)
    call = exchange.call
    if not isinstance(call, Generation):
        return
    edits = exchange.edits
    sent = _bound_answer(exchange, call, policy, edits)
    if policy.sampling:
        sent |= _sampling(call, policy, edits)
    if policy.names is not None:
        sent |= _repetition(call, policy.names, edits)
    if policy.system_prompt:
        edit = system_edit(exchange.body, call, policy.system_prompt)
        if edit is not None:
            edits[edit[0]] = edit[1]
            sent |= edit[2]
    exchange.edits_absent = not sent


def _bound_answer(exchange: Exchange, call: Generation, policy: RequestPolicy, edits: dict[str, bytes]) -> bool:
    """Bound the length of the answer; whether a field for that is replaced."""
    longest, limit, sent = 0, policy.max_tokens, False
    fields = ANSWER_FIELDS[type(call)]
    for name in fields:
        tokens = getattr(call, name)
        if tokens is UNSET:
            continue
        if tokens is None:
            sent = True
            continue
        if tokens > limit:
            edits[name] = b"%d" % limit
            tokens, sent = limit, True
        longest = max(longest, tokens)
    if not longest and policy.default_max_tokens is not None:
        edits[fields[0]] = policy.default_answer
        longest = policy.default_max_tokens
    predict = call.n_predict
    if predict is not UNSET and predict is not None and not 0 <= predict <= limit:
        # llama.cpp takes it before max_tokens, and generates without end for negative ones.
        edits["n_predict"] = b"%d" % limit
        sent = True
    exchange.max_tokens = longest
    return sent


def _sampling(call: Generation, policy: RequestPolicy, edits: dict[str, bytes]) -> bool:
    sent = False
    for name, value in policy.sampling:
        there = getattr(call, name)
        if there is UNSET or there is None:
            edits[name] = value
            sent |= there is None
    return sent


def _repetition(call: Generation, names: EngineNames, edits: dict[str, bytes]) -> bool:
    """Say the penalty for repetitions in the engine's words; whether its field is replaced."""
    other = getattr(call, names.other_repetition)
    if other is UNSET or other is None:
        return False
    own = getattr(call, names.repetition)
    if own is UNSET or own is None:
        edits[names.repetition] = b"%r" % other
        return own is None
    return False
