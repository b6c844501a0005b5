"""Drives Odoo's pages in Chromium: with deadlines, a screenshot of each step, and errors of the page noted."""

import contextlib
import os
import re
import shutil
import time

import requests
from PIL import Image
from playwright.sync_api import TimeoutError as TooLate, expect

from kit.processes import ROOT

ARTEFACTS = ROOT / "artefacts" / "browser"
IMAGES = ROOT / "docs" / "images"
# Set to renew the README's images.
RENEW = bool(os.environ.get("UPDATE_README_IMAGES"))
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--no-first-run", "--hide-scrollbars", "--force-color-profile=srgb"]
SIZE = {"width": 1200, "height": 760}
# The first page of a fresh Odoo waits until the assets are built.
FIRST_PAGE_MS, STEP_MS = 60_000, 10_000
# Images outside the viewport may never be loaded.
LOADED = "() => [...document.images].every(i => i.complete || i.getBoundingClientRect().top > innerHeight)"
BAR = ".o_sicantik_live_run .progress"


def executable():
    """Where Chromium is."""
    for name in ("chromium", "google-chrome", "chromium-browser"):
        if found := shutil.which(name):
            return found
    raise RuntimeError("there is no Chromium: `tests/bootstrap browser` installs it")


def launch(playwright):
    """A Chromium without background traffic."""
    return playwright.chromium.launch(executable_path=executable(), args=FLAGS)


def person(browser, settings, login, password, language="en-US"):
    """A browser context in which somebody is logged in."""
    http = requests.Session()
    answer = http.post(settings["ODOO_URL"] + "/web/session/authenticate", timeout=60, json={
        "jsonrpc": "2.0", "params": {"db": settings["ODOO_DB"], "login": login, "password": password}}).json()
    assert answer.get("result", {}).get("uid"), f"{login} cannot log in: {answer.get('error')}"
    context = browser.new_context(viewport=SIZE, locale=language, timezone_id="Asia/Jakarta")
    context.add_cookies([{"name": "session_id", "value": http.cookies["session_id"], "url": settings["ODOO_URL"]}])
    context.set_default_timeout(STEP_MS)
    return context


class PersonPage:
    """A page of a person who is logged in, and what can be done on it."""

    def __init__(self, context, url, name):
        self.url = url
        self.name = name
        self.page = context.new_page()
        self.steps = 0
        self.errors = []
        self.page.on("console", lambda said: said.type == "error" and self.errors.append(f"console: {said.text}"))
        self.page.on("pageerror", lambda error: self.errors.append(f"script: {error}"))

    # Navigation and input

    def open(self, path):
        """Opens a path of Odoo's and waits until the view is there."""
        self.page.goto(f"{self.url}/odoo/{path}", timeout=FIRST_PAGE_MS)
        self.page.locator(".o_form_view, .o_list_view").first.wait_for(timeout=FIRST_PAGE_MS)

    def open_connector(self, connector):
        """Opens a connector, as from the menu."""
        self.open(f"action-sicantik_sidecar.sicantik_connector_action/{connector}")

    def press(self, label):
        """Presses the button with this label."""
        # Not by the accessible name, which includes the icon.
        self.page.locator("button:visible").get_by_text(label, exact=True).first.click()

    def confirm(self):
        """Confirms a dialog."""
        self.page.locator(".o_dialog footer .btn-primary").click()

    def sees(self, text, within=STEP_MS):
        """Waits until the page shows a text."""
        expect(self.page.locator(".o_action_manager, .o_dialog, .o_notification_manager")
               .get_by_text(text).first).to_be_visible(timeout=within)

    def field(self, name):
        """The text of a field of the form."""
        return self.page.locator(f"[name='{name}']").first.inner_text().strip()

    def run_opened(self, other_than=None):
        """Waits for the page of a run and returns the run's id."""
        not_that = rf"(?!{other_than}$)" if other_than else ""
        self.page.wait_for_url(re.compile(rf"/sicantik\.sync\.run/{not_that}\d+$"))
        expect(self.page.locator(BAR)).to_be_visible()
        return int(self.page.url.rpartition("/")[2])

    # The run

    def bar(self):
        """The progress bar's value, percent."""
        return int(self.page.locator(BAR).get_attribute("aria-valuenow"))

    def watch(self, *ends, seconds, halfway=None):
        """Watches a run's page, without touching it, until its state is one of `ends`; returns the bar's values.

        `halfway` is called once when the bar is past a third.
        """
        self.page.evaluate("window.untouched = true")
        been, deadline = [], time.monotonic() + seconds
        while True:
            # The state first: the page may go on between the two reads.
            state = self.state()
            if (at := self.bar()) not in been:
                been.append(at)
            if halfway and 35 <= at < 100:
                halfway()
                halfway = None
            if state in ends:
                break
            assert time.monotonic() < deadline, f"after {seconds} s the run is {state}; the bar was at {been} %"
            self.page.wait_for_timeout(100)
        assert self.page.evaluate("window.untouched"), "the page was loaded anew"
        return been

    def state(self):
        """The run's state as the page shows it."""
        return self.page.locator("[name=state] .o_arrow_button_current").get_attribute("data-value")

    # Screenshots and errors

    def picture(self, step, readme=None):
        """Saves a screenshot, and on request as the README's image `readme`."""
        self.steps += 1
        self.page.mouse.move(SIZE["width"] - 1, SIZE["height"] - 1)
        with contextlib.suppress(TooLate):
            self.page.wait_for_function(LOADED, timeout=2000)
        ARTEFACTS.mkdir(parents=True, exist_ok=True)
        path = ARTEFACTS / f"{self.name}-{self.steps:02}-{step}.png"
        self.page.screenshot(path=path, animations="disabled")
        if readme and RENEW:
            shrink(path, IMAGES / f"{readme}.png")
        return path

    def leave(self):
        """Closes the page; fails if it logged an error."""
        self.page.close()
        assert not self.errors, self.errors


@contextlib.contextmanager
def open_page(context, url, name):
    """A page that is closed afterwards. A failure keeps a screenshot and notes what the page showed."""
    made = PersonPage(context, url, name)
    try:
        yield made
    except BaseException as error:
        with contextlib.suppress(Exception):
            shown = made.page.locator(".o_action_manager, .o_dialog").all_inner_texts()
            error.add_note(f"at {made.page.url}, picture {made.picture('failed')}")
            error.add_note("the page says: " + " | ".join(" ".join(text.split()) for text in shown)[:1500])
            error.add_note(f"it complains of: {made.errors}")
        made.page.close()
        raise
    made.leave()


def shrink(source, target, colours=96):
    """Reduces an image to few colours, to keep the repository small."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(source) as image:
        image.convert("RGB").quantize(colours, dither=Image.Dither.NONE).save(target, optimize=True)
