"""What kopf keeps of the resources that it watches for us."""

from __future__ import annotations

import asyncio

from opssight_operator.controllers.registry import NoMemories


def test_kopf_remembers_nothing_of_a_resource_between_its_events() -> None:
    async def script() -> None:
        memories, body = NoMemories(), {"metadata": {"uid": "a"}}
        first = await memories.recall(body, noticed_by_listing=True)
        second = await memories.recall(body)
        assert first.noticed_by_listing
        assert second is not first
        assert list(memories.iter_all_memories()) == []
        await memories.forget(body)

    asyncio.run(script())
