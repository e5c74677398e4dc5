"""The judge of all pages complains of what it is there for."""

import pytest

from tests.browser.desk import Desk

FAULTS = {
    "image-alt": "main.insertAdjacentHTML('beforeend', '<img>')",
    "color-contrast": "main.append('pale'); main.style.cssText = 'color: #ccc; background: #fff'",
    # 4.5 to 1 would do for AA, and 7 is wanted.
    "color-contrast-enhanced": "main.append('grey'); main.style.cssText = 'color: #767676; background: #fff'",
    "pixels wider": "main.style.width = '5000px'",
    "error: ": "console.error('gone wrong')",
    "Content Security Policy": "main.insertAdjacentHTML('beforeend', '<p style=\"color: #000\">styled</p>')",
}


@pytest.mark.parametrize("named", FAULTS)
async def test_a_page_with_a_fault_is_complained_of(desk: Desk, named: str) -> None:
    page = await desk.open("/console/queues")
    await desk.judge(page)
    await page.evaluate(
        "fault => { const main = document.querySelector('main'); eval(fault) }", FAULTS[named]
    )
    with pytest.raises(AssertionError, match=named):
        await desk.judge(page)
    desk.troubles.clear()
