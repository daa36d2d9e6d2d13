"""Chromium without a window, with a profile of its own."""

from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from tests.browser.needs import chromium, missing
from tests.support.deadline import wait_until

PATIENCE_SECONDS = 30
ARGUMENTS = (
    "--headless=new",
    # Root may not use the sandbox, and containers have little shared memory.
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--no-first-run",
    # Tabs of a headless browser all count as hidden.
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
)


class Tab:
    """One tab of it."""

    def __init__(self, browser: "Chromium", handle: str) -> None:
        self._browser = browser
        self._handle = handle

    def run(self, script: str, *arguments: Any) -> Any:
        """Return the value of a script there."""
        return self._driver.execute_script(script, *arguments)

    def reload(self) -> None:
        """Load its page again."""
        self._driver.refresh()

    def go(self, url: str) -> None:
        """Load a page in it."""
        self._driver.get(url)

    def screenshot(self, path: Path) -> None:
        """How it looks."""
        self._driver.save_screenshot(str(path))

    def close(self) -> None:
        """Close it; another one must be open."""
        self._driver.close()

    def shows(self, state: str) -> None:
        """Wait until the status light of the page says so."""
        try:
            wait_until(lambda: self.state() == state, PATIENCE_SECONDS)
        except AssertionError:
            raise AssertionError(
                f"{state} was expected, not {self.state()}: {self.log()}"
            ) from None

    def state(self) -> str:
        """Return the words of the page's status light."""
        return str(self.run("return document.body.dataset.state"))

    def log(self) -> str:
        """Return the page's notes of its relay."""
        return str(self.run("return document.querySelector('#log').textContent"))

    @property
    def _driver(self) -> Any:
        self._browser.driver.switch_to.window(self._handle)
        return self._browser.driver


class Chromium:
    """The browser, as long as the ``with`` block goes on."""

    def __init__(self, profile: Path) -> None:
        self._profile = profile
        self._injected: list[str] = []

    def __enter__(self) -> Self:
        browser, chromedriver = chromium()
        try:
            from selenium import webdriver
        except ImportError:
            missing("selenium is not installed")
        options = webdriver.ChromeOptions()
        options.binary_location = str(browser)
        for argument in (*ARGUMENTS, f"--user-data-dir={self._profile}"):
            options.add_argument(argument)
        service = webdriver.ChromeService(executable_path=str(chromedriver))
        self.driver = webdriver.Chrome(options=options, service=service)
        self._used = False
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.driver.quit()

    def kill(self) -> None:
        """End it without a word, as a crash does."""
        processes = psutil.Process(self.driver.service.process.pid).children(recursive=True)
        for process in processes:
            process.kill()
        wait_until(lambda: all(map(_is_gone, processes)))

    def inject(self, script: str) -> None:
        """Run a script in every page before its own, as an extension does."""
        self._injected.append(script)

    def tab(self, url: str) -> Tab:
        """A new tab with that page."""
        if self._used:
            self.driver.switch_to.new_window("tab")
        self._used = True
        for source in self._injected:
            self.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": source})
        self.driver.get(url)
        return Tab(self, self.driver.current_window_handle)


def _is_gone(process: psutil.Process) -> bool:
    """Ended, though its parent may not have asked how."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
