"""Chromium on Odoo's pages, as a person uses them: deadlines, a picture of each step, and no error missed."""

import contextlib
import os
import re
import shutil
import time
from pathlib import Path

import requests
from PIL import Image
from playwright.sync_api import TimeoutError as TooLate, expect

from kit.processes import ROOT

ARTEFACTS = ROOT / "artefacts" / "browser"
IMAGES = ROOT / "docs" / "images"
# Set to renew the pictures of the README.
RENEW = bool(os.environ.get("UPDATE_README_IMAGES"))
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--no-first-run", "--hide-scrollbars", "--force-color-profile=srgb"]
SIZE = {"width": 1200, "height": 760}
# The first page of a fresh Odoo waits until its scripts are put together.
FIRST_PAGE_MS, STEP_MS = 60_000, 10_000
# Images outside the window may wait to be loaded for ever.
LOADED = "() => [...document.images].every(i => i.complete || i.getBoundingClientRect().top > innerHeight)"
BAR = ".o_sicantik_live_run .progress"


def executable():
    """Where Chromium is."""
    for name in ("chromium", "google-chrome", "chromium-browser"):
        if found := shutil.which(name):
            return found
    raise RuntimeError("there is no Chromium: `tests/bootstrap browser` installs it")


def launch(playwright):
    """A Chromium that talks to nobody else."""
    return playwright.chromium.launch(executable_path=executable(), args=FLAGS)


def person(browser, settings, login, password, language="en-US"):
    """A context in which somebody is logged in, in a time zone of their own."""
    http = requests.Session()
    answer = http.post(settings["ODOO_URL"] + "/web/session/authenticate", timeout=60, json={
        "jsonrpc": "2.0", "params": {"db": settings["ODOO_DB"], "login": login, "password": password}}).json()
    assert answer.get("result", {}).get("uid"), f"{login} cannot log in: {answer.get('error')}"
    context = browser.new_context(viewport=SIZE, locale=language, timezone_id="Asia/Jakarta")
    context.add_cookies([{"name": "session_id", "value": http.cookies["session_id"], "url": settings["ODOO_URL"]}])
    context.set_default_timeout(STEP_MS)
    return context


class Desk:
    """One page of a person, and what can be done on it."""

    def __init__(self, context, url, name):
        self.url = url
        self.name = name
        self.page = context.new_page()
        self.steps = 0
        self.troubles = []
        self.page.on("console", lambda said: said.type == "error" and self.troubles.append(f"console: {said.text}"))
        self.page.on("pageerror", lambda error: self.troubles.append(f"script: {error}"))

    # Going and pressing

    def open(self, path):
        """Goes to an address of Odoo's and waits until the page stands."""
        self.page.goto(f"{self.url}/odoo/{path}", timeout=FIRST_PAGE_MS)
        self.page.locator(".o_form_view, .o_list_view").first.wait_for(timeout=FIRST_PAGE_MS)

    def open_connector(self, connector):
        """Goes to a connector as the menu leads there."""
        self.open(f"action-sicantik_sidecar.sicantik_connector_action/{connector}")

    def press(self, label):
        """Presses the button that is called so."""
        # Not by the accessible name: the sign of an icon would be part of it.
        self.page.locator("button:visible").get_by_text(label, exact=True).first.click()

    def confirm(self):
        """Says yes to a question."""
        self.page.locator(".o_dialog footer .btn-primary").click()

    def sees(self, text, within=STEP_MS):
        """Waits for words on the page."""
        expect(self.page.locator(".o_action_manager, .o_dialog, .o_notification_manager")
               .get_by_text(text).first).to_be_visible(timeout=within)

    def field(self, name):
        """What a field of the form shows."""
        return self.page.locator(f"[name='{name}']").first.inner_text().strip()

    def run_opened(self, other_than=None):
        """Waits for the page of a run; gives the run's id."""
        not_that = rf"(?!{other_than}$)" if other_than else ""
        self.page.wait_for_url(re.compile(rf"/sicantik\.sync\.run/{not_that}\d+$"))
        expect(self.page.locator(BAR)).to_be_visible()
        return int(self.page.url.rpartition("/")[2])

    # The run

    def bar(self):
        """How far the bar is, percent."""
        return int(self.page.locator(BAR).get_attribute("aria-valuenow"))

    def watch(self, *ends, seconds, halfway=None):
        """Looks at a run's page, without a touch, until its state is one of `ends`; gives where the bar has been.

        `halfway` is called once when the bar is past a third.
        """
        self.page.evaluate("window.untouched = true")
        been, deadline = [], time.monotonic() + seconds
        while True:
            # First the state: between the two looks the page may go on.
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
        """The state in which the run's page shows it."""
        return self.page.locator("[name=state] .o_arrow_button_current").get_attribute("data-value")

    # Pictures and troubles

    def picture(self, step, readme=None):
        """Keeps what is to be seen, and gives it to the README under the name `readme`."""
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
        """Closes the page; what it complained of fails the test."""
        self.page.close()
        assert not self.troubles, self.troubles


@contextlib.contextmanager
def desk(context, url, name):
    """A page that is closed afterwards. If something fails, what was to be seen is kept and told."""
    made = Desk(context, url, name)
    try:
        yield made
    except BaseException as error:
        with contextlib.suppress(Exception):
            shown = made.page.locator(".o_action_manager, .o_dialog").all_inner_texts()
            error.add_note(f"at {made.page.url}, picture {made.picture('failed')}")
            error.add_note("the page says: " + " | ".join(" ".join(text.split()) for text in shown)[:1500])
            error.add_note(f"it complains of: {made.troubles}")
        made.page.close()
        raise
    made.leave()


def shrink(source, target, colours=96):
    """A picture of few colours, small enough for a repository."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(source) as image:
        image.convert("RGB").quantize(colours, dither=Image.Dither.NONE).save(target, optimize=True)
