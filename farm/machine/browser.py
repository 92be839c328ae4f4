"""Floor 4: a web page as a person sees it: Chromium, driven by Playwright.

Chromium is the distribution's; Playwright brings no browser of its own. It runs without a window,
in a folder that is gone afterwards, and reaches nothing but the page: what it would look up by
itself at home is turned off.
"""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from farm.base.errors import FarmFault
from farm.base.files import write_atomically

_CHROMIUM = Path("/usr/bin/chromium")
_SIZE = {"width": 1280, "height": 800}
_QUIET = (
    "--disable-background-networking", "--disable-component-update", "--disable-gpu",
    "--disable-quic", "--disable-sync", "--no-first-run",
)  # fmt: skip


@dataclass(frozen=True)
class Sight:
    """What was seen.

    :param text: all that can be read on the page.
    :param problems: errors in its console, and requests that have failed.
    """

    status: int
    title: str
    text: str
    problems: tuple[str, ...]


def look_at(url: str, *, picture: Path, timeout: timedelta) -> Sight:
    """Open a page, take a picture of it, and say what there is to see.

    :raises FarmFault: when Playwright or Chromium are not installed, or do not work.
    """
    api = _load()
    problems: list[str] = []
    milliseconds = timeout.total_seconds() * 1000
    try:
        with api.sync_playwright() as playwright:
            # Root has no sandbox: Chromium refuses to start one.
            browser = playwright.chromium.launch(
                executable_path=str(_CHROMIUM), args=list(_QUIET),
                chromium_sandbox=os.geteuid() != 0, timeout=milliseconds,
            )  # fmt: skip
            try:
                page = browser.new_page(viewport=_SIZE)
                _listen(page, problems)
                answer = page.goto(url, wait_until="load", timeout=milliseconds)
                text = page.inner_text("body", timeout=milliseconds)
                write_atomically(picture, page.screenshot(full_page=True, timeout=milliseconds))
                status = answer.status if answer else 0
                return Sight(status, page.title(), text, tuple(problems))
            finally:
                browser.close()
    except api.Error as error:
        raise FarmFault(
            f"Chromium does not display {url}.", details=str(error),
            hint="Is the package chromium installed, and does the page answer?",
        ) from error  # fmt: skip


def _listen(page: Any, problems: list[str]) -> None:
    def console(message: Any) -> None:
        # Chromium itself asks for this one, whatever the page says.
        if message.type == "error" and not message.location["url"].endswith("/favicon.ico"):
            problems.append(f"console: {message.text}")

    def failed(request: Any) -> None:
        problems.append(f"{request.url} was not fetched: {request.failure}")

    page.on("console", console)
    page.on("pageerror", lambda error: problems.append(f"script: {error}"))
    page.on("requestfailed", failed)


def _load() -> Any:
    try:
        return importlib.import_module("playwright.sync_api")
    except ImportError as error:
        raise FarmFault(
            "Pages are displayed with Playwright, which is not installed here.",
            details=str(error),
            hint="Install the farm with its extra: pip install '.[machine]' in its clone.",
        ) from error
