"""What each route answers, over a catalog of real files."""

import re
from pathlib import Path

import pytest
from loradex.server.api import RAW_ROUTES, ROUTES

V1 = "/loradex/v1"
WRITE = {"X-Loradex": "1"}
DOCS = Path(__file__).parents[2] / "docs" / "api.md"


def get(client, path, status=200, **headers):
    answer = client.get(f"{V1}{path}", headers=headers)
    assert answer.status_code == status, answer.text
    return answer.json()


def ids(client, query=""):
    return [row["id"] for row in get(client, f"/networks?sort=path{query}")["networks"]]


def test_status_says_how_everything_stands(client, host, sd1, roots):
    found = get(client, "/status")
    assert found["host"] == "a test"
    assert found["engine"] == {"on": True, "reason": ""}
    assert found["checkpoint"] is None
    assert found["counts"] == {"networks": 5, "faults": 1}
    assert found["roots"] == [str(root) for root in roots]
    assert found["watch"]["mode"] == "off"
    host.loaded = sd1
    assert get(client, "/status")["checkpoint"]["family"] == "sd1"


def test_the_list_is_light_and_names_are_fit_for_prompts(client):
    found = get(client, "/networks?sort=path")
    assert found["total"] == 5
    rows = {(row["root"], row["id"]): row for row in found["networks"]}
    assert rows[0, "ink.safetensors"]["short_name"] == "ink"
    assert rows[0, "ink.safetensors"]["title"] == "Ink"
    assert rows[0, "art/wash.safetensors"]["short_name"] == "Lora/art/wash"
    assert rows[0, "art/wash.safetensors"]["rank"] == 8
    assert rows[1, "art/wash.safetensors"]["types"] == ["lora"]
    broken = rows[0, "broken.safetensors"]
    assert broken["status"] == "broken"
    assert broken["fault"]["code"]
    assert all(row["verdict"] is None for row in rows.values())


def test_the_list_is_filtered_sorted_and_paged(client):
    assert ids(client, "&q=ink") == ["ink.safetensors", "new ink #1.safetensors"]
    assert ids(client, "&family=sdxl") == ["art/wash.safetensors"]
    assert "broken.safetensors" in ids(client, "&family=unknown")
    assert ids(client, "&status=broken&status=unfinished") == ["broken.safetensors"]
    assert ids(client, "&folder=art&type=lora&family=sdxl") == ["art/wash.safetensors"]
    assert ids(client, "&favourite=yes") == []
    assert ids(client, "&descending=1&limit=1") == ["new ink #1.safetensors"]
    page = get(client, "/networks?sort=path&offset=2&limit=2")
    assert (page["total"], page["offset"], page["limit"]) == (5, 2, 2)
    assert len(page["networks"]) == 2


def test_verdicts_are_on_the_loaded_checkpoint(client, host, sd1):
    get(client, "/networks?fits=fits", status=400)
    host.loaded = sd1
    fitting = ids(client, "&fits=fits")
    assert "ink.safetensors" in fitting
    verdicts = [row["verdict"] for row in get(client, "/networks?family=sdxl")["networks"]]
    assert verdicts == ["no_effect"]
    assert get(client, "/networks/ink.safetensors")["check"]["verdict"] == "fits"
    assert get(client, "/checkpoint")["checkpoint"]["components"] == ["unet"]


@pytest.mark.parametrize("query", [
    "limit=501", "limit=-1", "limit=x", "limit=1&limit=2", "offset=99999999999999999999",
    "sort=colour", "family=sd9", "status=fine", "favourite=perhaps", "fits=perhaps", "colour=red",
])
def test_impossible_parameters_are_told(client, query):
    problem = get(client, f"/networks?{query}", status=400)
    assert problem["code"] == "input"
    assert problem["subject"] == query.partition("=")[0]


def test_details_hold_what_inspect_shows(client):
    found = get(client, "/networks/ink.safetensors")
    assert found["title"] == "Ink"
    assert "Ink" in [field["value"] for field in found["fields"].values()]
    assert found["metadata"] == {"modelspec.title": "Ink"}
    assert found["check"] is None
    component, name, rank = found["modules"][0]
    assert (component, rank) == ("denoiser", found["rank"])
    assert name.startswith("down_blocks_")
    assert len(found["modules"]) == found["components"]["unet"]["modules"]
    assert get(client, "/networks/broken.safetensors")["fault"]
    assert get(client, "/networks/broken.safetensors")["modules"] == []
    assert get(client, "/networks/new%20ink%20%231.safetensors")["root"] == 1


def test_an_id_in_two_folders_needs_its_root(client):
    problem = get(client, "/networks/art/wash.safetensors", status=409)
    assert problem["next_step"] == "Add ?root=0 or ?root=1."
    for root, rank in ((0, 8), (1, 2)):
        assert get(client, f"/networks/art/wash.safetensors?root={root}")["rank"] == rank
    get(client, "/networks/art/wash.safetensors?root=2", status=400)


@pytest.mark.parametrize("name", [
    "nothing.safetensors", "ink", "..%2F..%2Fetc%2Fpasswd", "%2Fetc%2Fpasswd", "%00",
])
def test_only_ids_of_the_list_are_answered(client, name):
    assert get(client, f"/networks/{name}", status=404)["code"] == "not-found"


def test_refresh_finds_what_is_new(client, roots):
    (roots[0] / "ink.safetensors").rename(roots[0] / "inks.safetensors")
    answer = client.post(f"{V1}/refresh", headers=WRITE)
    assert answer.status_code == 200
    assert answer.json() == {"changes": {"moved": 1}, "counts": {"networks": 5, "faults": 1}}
    assert client.get(f"{V1}/refresh").text == "the host's page"


def test_applied_is_the_hosts_own_report(client, host):
    assert get(client, "/applied") == {}
    host.report = {"summary": "ink 264/264"}
    assert get(client, "/applied") == host.report


def test_what_a_client_has_is_not_sent_again(client, host):
    first = client.get(f"{V1}/networks")
    tag = first.headers["etag"]
    again = client.get(f"{V1}/networks", headers={"If-None-Match": f'"x", {tag}'})
    assert (again.status_code, again.content) == (304, b"")
    host.catalog().store.set_user(first.json()["networks"][0]["key"], favourite=True)
    assert client.get(f"{V1}/networks", headers={"If-None-Match": tag}).status_code == 200
    assert client.get(f"{V1}/status").headers["cache-control"] == "no-store"


def test_attaching_again_leaves_one_set_before_the_hosts_routes(app_of, client_of, host):
    from loradex.server.api import make_router
    from loradex.server.routing import attach

    app = app_of()
    client = client_of(app)
    assert client.get("/other").text == "the host's page"
    count = len(app.router.routes)
    attach(app, make_router(host))
    assert len(app.router.routes) == count
    get(client, "/status")


def test_the_page_describes_every_route_and_no_other():
    text = DOCS.read_text(encoding="utf-8")
    routes = {f"{route.method} {re.sub(':path', '', route.path)}": route.params
              for route in (*ROUTES, *RAW_ROUTES)}
    sections = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    described = {}
    for section in sections:
        method, path = re.match(r"`(\w+) /loradex/v1(/\S+)`\n", section).groups()
        described[f"{method} {path}"] = tuple(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))
    assert described == routes


def test_what_changes_something_is_no_get_and_needs_the_token():
    for route in (*ROUTES, *RAW_ROUTES):
        if route.path != "/refresh":  # reads the disk again, and writes nothing of the user's
            assert route.changes is (route.method != "GET"), route.path

