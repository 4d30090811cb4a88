"""The LoRA tab: each file with its family, whether it fits what is loaded, and its words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loradex.catalog.records import Page, Query, Status
from loradex.errors import LoradexError

if TYPE_CHECKING:
    from loradex.webui.plugin import Plugin
    from loradex.webui.session import Session

PAGE = 50
WAITING = '<p class="loradex-note">The list comes when this tab is opened.</p>'
ALL = "all"
FITS = {ALL: (), "fits": ("fits",), "fits in part": ("partly",), "no effect": ("no_effect",),
        "unknown": ("unknown",), "broken": ("broken",)}
FAULTY: tuple[Status, ...] = ("broken", "unfinished", "not_a_lora")


def make_tab(plugin: Plugin) -> list[tuple[Any, str, str]]:
    """The tab as the WebUI wants it: its components, its title, the id of its element."""
    import gradio as gr

    tab = LoraTab(plugin)
    with gr.Blocks(analytics_enabled=False) as blocks:
        tab.build()
    return [(blocks, "LoRA manager", "loradex")]


class LoraTab:
    """A list that is filtered and turned page by page; clicks insert tags (javascript/)."""

    def __init__(self, plugin: Plugin) -> None:
        self._plugin = plugin

    def build(self) -> None:
        import gradio as gr

        with gr.Row():
            text = gr.Textbox(label="Search", placeholder="name, trigger word, tag or folder",
                              elem_id="loradex_search")
            family = gr.Dropdown([ALL], value=ALL, label="Base model", elem_id="loradex_family")
            fits = gr.Dropdown(list(FITS), value=ALL, label="With the loaded checkpoint",
                               elem_id="loradex_fits")
            faulty = gr.Checkbox(label="With a fault only", elem_id="loradex_faulty")
        with gr.Row():
            page = gr.Number(value=1, precision=0, label="Page", elem_id="loradex_page")
            refresh = gr.Button("Refresh", elem_id="loradex_refresh", scale=0)
        # Filled when the tab is first opened (javascript/loradex.js): nothing is listed while the
        # page loads.
        listing = gr.HTML(WAITING, elem_id="loradex_list")
        filters = [text, family, fits, faulty]
        for one in filters:
            one.change(self.first_page, filters, [listing, page])
        page.change(self.show, [*filters, page], listing)
        refresh.click(self.refresh, [*filters, page], [listing, family])

    def refresh(
        self, text: str, family: str, fits: str, faulty: bool, page: float | None
    ) -> tuple[str, Any]:
        """The list, and the base models that there are networks for."""
        import gradio as gr

        session = self._plugin.session
        found: list[str] = []
        if session is not None and session.catalog.opened is not None:
            found = sorted(session.catalog.opened.store.facets(Query())["family"])
        choices = gr.update(choices=[ALL, *(one for one in found if one)])
        return self.show(text, family, fits, faulty, page), choices

    def first_page(self, text: str, family: str, fits: str, faulty: bool) -> tuple[str, int]:
        return self.show(text, family, fits, faulty, 1), 1

    def show(
        self, text: str, family: str, fits: str, faulty: bool, page: float | None
    ) -> str:
        """The list as HTML; whatever goes wrong is said in its place."""
        from loradex.webui import tab_html

        session = self._plugin.session
        if session is None:
            return tab_html.message("Loradex is not running in this WebUI; the console says why.")
        number = max(1, int(page or 1))
        try:
            return self._listed(session, text or "", family, fits, faulty, number)
        except LoradexError as error:
            return tab_html.message(str(error))

    def _listed(
        self, session: Session, text: str, family: str, fits: str, faulty: bool, page: int
    ) -> str:
        from loradex.webui import tab_html

        catalog = session.catalog.get()
        facts = session.checkpoint()
        checkpoint = catalog.judge(facts) if facts is not None else ""
        query = Query(
            text=text, families=() if family == ALL else (family,),
            verdicts=FITS.get(fits, ()) if checkpoint else (), checkpoint=checkpoint,
            statuses=FAULTY if faulty else (), offset=(page - 1) * PAGE, limit=PAGE,
        )
        found: Page = catalog.page(query)
        names = {entry.key: catalog.names.short_name(entry.file) for entry in found.entries}
        head = tab_html.heading(session.engine, facts, found.total, page, PAGE, catalog.notes)
        return head + tab_html.table(found.entries, names)
