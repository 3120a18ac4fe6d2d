"""Mutated uploads (变异上传), the short version of ``python -m tests.mutations``: taken or refused in words, never worse."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests import mutations
from tests.test_wire_guard import upload_url
from tests.wire_kit import Served, headers_of, page_of, serve
from tests.wire_kit import http as http

COUNT, OVER_THE_WIRE = 150, 25
MOST_MEMORY = 150  # MB of a child


@pytest.mark.slow
def test_bent_files_are_taken_or_refused_with_a_sentence(tmp_path: Path) -> None:
    with mutations.at_desk(tmp_path) as desk:
        answers = [desk.send(mutations.case(mutations.SEED, number)) for number in range(COUNT)]
    assert [one for one in answers if one.outcome == "crashed"] == []
    refused = [one for one in answers if one.outcome == "refused"]
    assert [one for one in refused if not one.words.endswith("。")] == []
    assert 0 < len(refused) < COUNT
    assert {one.door for one in answers} == set(mutations.DOORS)
    assert max(one.peak for one in answers) <= MOST_MEMORY


def test_the_same_number_is_the_same_file() -> None:
    first, again = (mutations.case(mutations.SEED, 12) for _ in range(2))
    assert first == again
    assert first != mutations.case(mutations.SEED + 1, 12)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    yield from serve(tmp_path)


def multipart(bent: mutations.Case) -> bytes:
    """By hand: no honest client would send such names."""
    name = bent.name.replace('"', "").encode("utf-8", "surrogatepass")
    head = b'--cut-here\r\nContent-Disposition: form-data; name="file"; filename="' + name + b'"\r\n'
    return head + b"Content-Type: application/pdf\r\n\r\n" + bent.content + b"\r\n--cut-here--\r\n"


@pytest.mark.slow
async def test_bent_files_over_the_wire_get_no_answer_of_5xx_and_no_fault(
    served: Served, http: aiohttp.ClientSession
) -> None:
    faults = []
    async with await page_of(http, served, 0).open("/profile") as page:
        url = upload_url(page)
        for number in range(OVER_THE_WIRE):
            bent = mutations.case(mutations.SEED + 1, number)
            said = page.wait_for(lambda message: message[0] in ("update", "run_javascript"))
            headers = headers_of(served, 0, **{"Content-Type": "multipart/form-data; boundary=cut-here"})
            async with http.post(url, data=multipart(bent), headers=headers) as answer:
                if answer.status >= 500:
                    faults.append((bent.how, answer.status))
            if answer.status == 200:
                await asyncio.wait_for(said, 30)  # its handler has answered the page
        faults += [message for message in page.received if "没有预料到" in str(message)]
    assert faults == []
    async with http.get(f"{served.base}/healthz") as answer:
        assert answer.status == 200
