"""Pictures of entries: small, kept, never more than a picture, and put back byte for byte."""

import asyncio
import io
import os
from pathlib import Path

import pytest
from loradex.catalog.organising import pictures
from loradex.catalog.organising.carrier import Carrier
from loradex.catalog.organising.trash import SystemTrash
from loradex.server import picture_source, thumbnail_folder, thumbnails

from tests.catalog.netkit import write_lora
from tests.server.kit import tree

pytest.importorskip("fastapi")
Image = pytest.importorskip("PIL.Image")

V1 = "/loradex/v1"
FILES = Path("/proc/self/fd")


def picture(width=800, height=1200, kind="PNG", **more):
    body = io.BytesIO()
    Image.new("RGB", (width, height), (200, 40, 90)).save(body, kind, **more)
    return body.getvalue()


def size_of(answer):
    with Image.open(io.BytesIO(answer.content)) as image:
        return image.size


@pytest.fixture
def ink(roots, host, client, key_of):
    """ink(content, name) puts a picture beside a model -> its key and its stamp."""

    def put(content, name="ink.preview.png"):
        (roots[0] / name).write_bytes(content)
        host.catalog().refresh()
        key = key_of("ink.safetensors")
        return key, stamp_of(client, key)

    return put


def stamp_of(client, key):
    columns = client.get(f"{V1}/index").json()["columns"]
    return columns["preview"][columns["key"].index(key)]


def media_of(client, key):
    columns = client.get(f"{V1}/index").json()["columns"]
    media = columns["media"]
    return media["values"][media["codes"][columns["key"].index(key)]]


class TestThumbnail:
    def test_a_picture_comes_small_as_webp_and_is_kept_for_ever_by_its_stamp(self, ink, client):
        key, stamp = ink(picture())
        answer = client.get(f"{V1}/previews/{key}", params={"v": stamp, "size": 160})
        assert answer.headers["content-type"] == "image/webp"
        assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
        assert size_of(answer) == (160, 240)
        other = client.get(f"{V1}/previews/{key}", params={"v": stamp + 1, "size": 160})
        assert other.headers["cache-control"] == "private, no-cache"
        known = {"If-None-Match": answer.headers["etag"]}
        again = client.get(f"{V1}/previews/{key}", params={"size": 160}, headers=known)
        assert again.status_code == 304

    @pytest.mark.parametrize("size", ["0", "161", "-1", "1e9", "x", "320.0"])
    def test_only_three_sizes_are_made(self, ink, client, size):
        key, _ = ink(picture(40, 40))
        answer = client.get(f"{V1}/previews/{key}", params={"size": size})
        assert answer.status_code == 422
        assert "160, 320, 640" in answer.json()["message"]

    def test_a_small_picture_is_never_made_larger(self, ink, client):
        key, _ = ink(picture(50, 70))
        assert size_of(client.get(f"{V1}/previews/{key}", params={"size": 640})) == (50, 70)

    def test_a_picture_that_was_taken_sideways_is_upright(self, ink, client):
        exif = Image.Exif()
        exif[0x0112] = 6
        key, _ = ink(picture(1200, 800, "JPEG", exif=exif), "ink.jpg")
        assert size_of(client.get(f"{V1}/previews/{key}", params={"size": 320})) == (320, 480)

    @pytest.mark.parametrize("mode", ["P", "L", "LA", "RGBA", "I;16", "1"])
    def test_every_kind_of_png_becomes_one(self, ink, client, mode):
        body = io.BytesIO()
        Image.new(mode, (400, 400)).save(body, "PNG")
        key, _ = ink(body.getvalue())
        assert size_of(client.get(f"{V1}/previews/{key}", params={"size": 160})) == (160, 160)

    def test_a_moving_picture_gives_its_first_frame(self, ink, client):
        frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue")]
        body = io.BytesIO()
        frames[0].save(body, "GIF", save_all=True, append_images=frames[1:])
        key, _ = ink(body.getvalue(), "ink.gif")
        with Image.open(io.BytesIO(client.get(f"{V1}/previews/{key}").content)) as image:
            assert getattr(image, "n_frames", 1) == 1
            assert image.convert("RGB").getpixel((9, 9))[0] > 200

    @pytest.mark.parametrize("name", ["ink.webp", "ink.gif", "ink.jpg"])
    def test_a_name_that_lies_about_the_kind_does_not_matter(self, ink, client, name):
        key, _ = ink(picture(), name)
        assert size_of(client.get(f"{V1}/previews/{key}")) == (320, 480)

    @pytest.mark.parametrize("content", [
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>", b"<html>", b"",
        b"PK\x03\x04", b"\x1aE\xdf\xa3 matroska",
    ])  # fmt: skip
    def test_what_is_no_picture_by_its_bytes_is_not_sent(self, ink, client, content):
        key, _ = ink(content)
        answer = client.get(f"{V1}/previews/{key}")
        assert answer.status_code == 422
        assert answer.json()["code"] == "no-picture"

    @pytest.mark.parametrize("cut", [20, 60, 300])
    def test_a_truncated_picture_is_told_and_nothing_breaks(self, ink, client, cut):
        key, _ = ink(picture()[:cut])
        answer = client.get(f"{V1}/previews/{key}")
        assert answer.status_code == 422
        assert answer.json()["code"] == "damaged-picture"

    def test_a_bomb_is_refused_before_it_is_decoded(self, ink, client, monkeypatch):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)  # as some hosts have it
        monkeypatch.setattr(thumbnails, "MOST_PIXELS", 799 * 1200)
        key, _ = ink(picture())
        assert client.get(f"{V1}/previews/{key}").json()["code"] == "too-many-pixels"
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
        assert client.get(f"{V1}/previews/{key}").json()["code"] == "too-many-pixels"

    def test_a_film_has_no_thumbnail(self, ink, client):
        key, _ = ink(b"\0\0\0\x18ftypisom" + bytes(40), "ink.mp4")
        answer = client.get(f"{V1}/previews/{key}")
        assert answer.status_code == 404
        assert "film" in answer.json()["message"]
        assert media_of(client, key) == "video"

    def test_a_cover_inside_the_file_is_shown(self, roots, host, client, key_of):
        import base64

        cover = "data:image/png;base64," + base64.b64encode(picture(300, 300)).decode()
        write_lora(roots[0] / "own.safetensors", metadata={"modelspec.thumbnail": cover})
        host.catalog().refresh()
        key = key_of("own.safetensors")
        assert size_of(client.get(f"{V1}/previews/{key}", params={"size": 160})) == (160, 160)
        assert media_of(client, key) == "image"

    @pytest.mark.parametrize("key", ["0", "999999", "-1", "x", "1" * 40])
    def test_what_is_not_in_the_index_is_not_found(self, client, key):
        assert client.get(f"{V1}/previews/{key}").status_code == 404

    def test_a_link_out_of_the_library_is_not_followed(self, ink, roots, tmp_path, client):
        (tmp_path / "secret.png").write_bytes(picture())
        (roots[0] / "ink.webp").symlink_to(tmp_path / "secret.png")
        key, _ = ink(picture())
        assert client.get(f"{V1}/previews/{key}").status_code == 403

    def test_a_model_in_a_linked_folder_shows_the_picture_beside_it(
        self, roots, tmp_path, host, client, key_of
    ):
        write_lora(tmp_path / "drive" / "far.safetensors")
        (tmp_path / "drive" / "far.png").write_bytes(picture(30, 30))
        (roots[0] / "linked").symlink_to(tmp_path / "drive", target_is_directory=True)
        host.catalog().refresh()
        key = key_of("linked/far.safetensors")
        assert size_of(client.get(f"{V1}/previews/{key}")) == (30, 30)

    @pytest.mark.parametrize("path", ["", "/file"])
    def test_a_host_that_compresses_leaves_it_as_it_is(self, ink, app_of, client_of, path):
        from starlette.middleware.gzip import GZipMiddleware

        app = app_of()
        app.add_middleware(GZipMiddleware, minimum_size=1, compresslevel=9)
        key, _ = ink(picture())
        answer = client_of(app).get(f"{V1}/previews/{key}{path}")
        assert answer.headers["content-encoding"] == "identity"
        assert int(answer.headers["content-length"]) == len(answer.content)

    def test_a_picture_that_is_gone_or_a_pipe_is_not_found(self, ink, roots, client):
        key, _ = ink(picture())
        (roots[0] / "ink.preview.png").unlink()
        assert client.get(f"{V1}/previews/{key}").status_code == 404
        os.mkfifo(roots[0] / "ink.preview.png")
        assert client.get(f"{V1}/previews/{key}").status_code == 404

    def test_without_pillow_the_picture_itself_is_sent(self, ink, client, monkeypatch):
        from loradex.server import previews

        monkeypatch.setattr(previews, "can_make", lambda _: False)
        content = picture()
        key, _ = ink(content, "ink.webp")
        answer = client.get(f"{V1}/previews/{key}")
        assert (answer.content, answer.headers["content-type"]) == (content, "image/png")


class TestWorkIsDoneOnce:
    @pytest.fixture
    def made(self, monkeypatch):
        """What was really made, one item for each."""
        made, make = [], thumbnails.make_thumbnail

        def counted(picture, width):
            made.append(width)
            return make(picture, width)

        monkeypatch.setattr(thumbnails, "make_thumbnail", counted)
        return made

    def test_who_asks_again_makes_nothing(self, ink, client, made):
        key, stamp = ink(picture())
        for _ in range(3):
            client.get(f"{V1}/previews/{key}", params={"v": stamp})
        assert made == [320]

    def test_twenty_at_once_make_one_and_all_get_it(self, made, tmp_path):
        async def ask():
            ours = thumbnails.Thumbnails()
            return await asyncio.gather(*(
                ours.find("a", tmp_path, lambda: picture(), 160) for _ in range(20)))

        bodies = asyncio.run(ask())
        assert made == [160]
        assert len(set(bodies)) == 1

    def test_who_leaves_takes_nothing_from_the_others(self, made):
        async def ask():
            ours = thumbnails.Thumbnails()
            first, second = (
                asyncio.ensure_future(ours.find("a", None, lambda: picture(), 160))
                for _ in range(2))
            await asyncio.sleep(0)
            first.cancel()
            return await second

        assert asyncio.run(ask())
        assert made == [160]

    def test_a_damaged_picture_is_tried_again_and_nothing_is_kept(self, made, tmp_path):
        async def ask(content):
            return await thumbnails.Thumbnails().find("a", tmp_path, lambda: content, 160)

        with pytest.raises(thumbnails.FileError):
            asyncio.run(ask(b"\x89PNG\r\n\x1a\n"))
        assert asyncio.run(ask(picture()))

    def test_the_folder_outlives_the_program_and_its_oldest_go_first(self, tmp_path, monkeypatch):
        monkeypatch.setattr(thumbnail_folder, "MOST_BYTES", 100)
        for number in range(9):
            thumbnail_folder.ThumbnailFolder(tmp_path).keep(str(number), bytes(30))
            os.utime(tmp_path / f"{number}.webp", ns=(number, number))
        kept = sorted(path.stem for path in tmp_path.iterdir())
        assert kept[-1] == "8"
        assert len(kept) <= 3
        assert thumbnail_folder.ThumbnailFolder(tmp_path).find("8") == bytes(30)
        assert thumbnail_folder.ThumbnailFolder(tmp_path).find("0") is None

    def test_a_kept_one_that_was_damaged_is_made_anew(self, made, tmp_path):
        (tmp_path / "a.webp").write_bytes(b"x")
        found = asyncio.run(thumbnails.Thumbnails().find("a", tmp_path, lambda: picture(), 160))
        assert found[:4] == b"RIFF"
        assert (tmp_path / "a.webp").read_bytes() == found

    def test_another_picture_of_the_same_name_is_another_thumbnail(self, ink, client, made):
        key, before = ink(picture())
        old = client.get(f"{V1}/previews/{key}", params={"v": before})
        _, after = ink(picture(900, 900))
        new = client.get(f"{V1}/previews/{key}", params={"v": after})
        assert before != after
        assert size_of(new) == (320, 320)
        assert old.headers["etag"] != new.headers["etag"]


class TestOriginal:
    FILM = b"\0\0\0\x18ftypisom" + bytes(range(256)) * 10

    @pytest.fixture
    def film(self, ink, client):
        """film(range) -> the answer for that part."""
        key, stamp = ink(self.FILM, "ink.mp4")

        def ask(wanted="", **headers):
            sent = {"Range": wanted, **headers} if wanted else headers
            return client.get(f"{V1}/previews/{key}/file", params={"v": stamp}, headers=sent)

        return ask

    def test_all_of_it_comes_with_its_kind_and_can_run_nothing(self, film):
        answer = film()
        assert (answer.status_code, answer.content) == (200, self.FILM)
        assert answer.headers["content-type"] == "video/mp4"
        assert answer.headers["accept-ranges"] == "bytes"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"] == "sandbox"
        assert "immutable" in answer.headers["cache-control"]

    @pytest.mark.parametrize(("wanted", "start", "end"), [
        ("bytes=0-0", 0, 1), ("bytes=5-9", 5, 10), ("bytes=2000-", 2000, None),
        ("bytes=-7", -7, None), ("bytes=-999999", 0, None), ("bytes=10-999999", 10, None),
        ("BYTES = 1-1", 1, 2),
    ])  # fmt: skip
    def test_a_part_comes_exactly(self, film, wanted, start, end):
        answer = film(wanted)
        assert answer.status_code == 206
        assert answer.content == self.FILM[start:end]
        first = start % len(self.FILM)
        assert answer.headers["content-range"] == (
            f"bytes {first}-{first + len(answer.content) - 1}/{len(self.FILM)}")

    @pytest.mark.parametrize("wanted", ["bytes=999999-", "bytes=2572-2580", "bytes=-0"])
    def test_a_part_beyond_the_end_is_refused_with_the_length(self, film, wanted):
        answer = film(wanted)
        assert answer.status_code == 416
        assert answer.headers["content-range"] == f"bytes */{len(self.FILM)}"

    @pytest.mark.parametrize("wanted", [
        "bytes=0-1,5-6", "bytes=9-5", "bytes=-", "lines=0-1", "bytes=a-b", "bytes=0-1x",
        "bytes=" + "9" * 40 + "-",
    ])  # fmt: skip
    def test_several_parts_and_what_is_none_get_all_of_it(self, film, wanted):
        answer = film(wanted)
        assert (answer.status_code, answer.content) == (200, self.FILM)

    def test_a_part_of_another_version_gets_all_of_this_one(self, film):
        tag = film().headers["etag"]
        assert film("bytes=0-0", **{"If-Range": tag}).status_code == 206
        assert film("bytes=0-0", **{"If-Range": '"old"'}).status_code == 200
        assert film(**{"If-None-Match": tag}).status_code == 304

    def test_a_file_that_is_replaced_while_it_is_sent_is_never_mixed(self, ink, host, roots):
        content = self.FILM + bytes(3 << 20)
        key, _ = ink(content, "ink.mp4")
        source = picture_source.find_source(host.catalog(), key)
        pieces = source.pieces(0, source.size)
        first = next(pieces)
        fresh = roots[0] / "fresh"
        fresh.write_bytes(b"x" * len(content))
        fresh.replace(roots[0] / "ink.mp4")
        assert content.startswith(first)
        assert list(pieces) == []

    @pytest.mark.skipif(not FILES.is_dir(), reason="needs a list of open files")
    def test_no_file_stays_open_not_even_between_two_pieces(self, ink, host, client, roots):
        key, _ = ink(self.FILM + bytes(3 << 20), "ink.mp4")
        source = picture_source.find_source(host.catalog(), key)
        pieces = source.pieces(0, source.size)
        next(pieces)
        opened = [os.path.realpath(one) for one in FILES.iterdir()]
        assert str(roots[0] / "ink.mp4") not in opened


class TestChanges:
    @pytest.fixture(autouse=True)
    def bin_of_ours(self, own_bin):
        """No test touches the user's."""

    @pytest.fixture
    def send(self, page):
        """send(key, content) -> status and JSON."""
        return lambda key, content: page("PUT", f"previews/{key}", content=content)

    def test_a_picture_that_is_sent_is_shown_at_once(self, send, client, key_of, roots, host):
        heard = []
        host.catalog().subscribe(heard.append)
        key, content = key_of("ink.safetensors"), picture()
        status, told = send(key, content)
        assert status == 200
        assert (roots[0] / "ink.preview.png").read_bytes() == content
        assert told["preview"] == stamp_of(client, key) != 0
        assert key in [change.key for change in heard]
        assert host.catalog().refresh() == (), "the watcher finds nothing to do"
        answer = client.get(f"{V1}/previews/{key}", params={"v": told["preview"]})
        assert size_of(answer) == (320, 480)

    def test_what_it_replaces_comes_back_byte_for_byte(self, ink, send, page, client, roots):
        (roots[0] / "ink.png").write_bytes(picture(9, 9))
        (roots[0] / "ink.example.0.png").write_bytes(picture(7, 7))
        key, _ = ink(picture(50, 50, "WEBP"), "ink.webp")
        before = tree(roots[0])
        new = picture(60, 60, "JPEG")
        _, told = send(key, new)
        changed = {name: content for name, content in before.items()
                   if name not in ("ink.webp", "ink.png")}
        assert tree(roots[0]) == {**changed, "ink.preview.jpg": new}
        undone = page("POST", "undo", {"operation": told["operation"]})[1]
        assert undone["done"]
        assert tree(roots[0]) == before
        assert size_of(client.get(f"{V1}/previews/{key}")) == (50, 50)
        assert page("POST", "undo", {"operation": undone["id"]})[1]["done"]
        assert tree(roots[0]) == {**changed, "ink.preview.jpg": new}

    def test_a_removed_picture_comes_back_byte_for_byte(self, ink, page, client, roots):
        key, _ = ink(picture())
        before = tree(roots[0])
        status, told = page("DELETE", f"previews/{key}")
        assert (status, told["preview"]) == (200, 0)
        assert stamp_of(client, key) == 0
        assert "ink.preview.png" not in tree(roots[0])
        title = client.get(f"{V1}/operations").json()["operations"][0]["title"]
        assert title == "Removed the picture of ink"
        assert page("POST", "undo", {"operation": told["operation"]})[1]["done"]
        assert tree(roots[0]) == before
        assert page("DELETE", f"previews/{key}")[0] == 200
        assert page("DELETE", f"previews/{key}")[0] == 404

    def test_a_film_is_taken_as_what_it_is(self, send, key_of, client, roots):
        key = key_of("ink.safetensors")
        assert send(key, TestOriginal.FILM)[0] == 200
        assert (roots[0] / "ink.preview.mp4").read_bytes() == TestOriginal.FILM
        assert media_of(client, key) == "video"

    @pytest.mark.parametrize(("content", "code"), [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no-picture"), (b"<html>", "no-picture"),
        (b"GIF", "no-picture"), (b"\x89PNG\r\n\x1a\n" + bytes(99), "damaged-picture"),
        (picture()[:900], "damaged-picture"), (b"", "too-large"),
    ])  # fmt: skip
    def test_what_is_no_whole_picture_changes_nothing(self, ink, send, roots, content, code):
        key, _ = ink(picture())
        before = tree(roots[0])
        status, problem = send(key, content)
        assert (status in (413, 422), problem["code"]) == (True, code)
        assert tree(roots[0]) == before

    def test_a_picture_has_a_lower_bound_than_a_film(self, send, key_of, roots, monkeypatch):
        monkeypatch.setattr(pictures, "MOST_BYTES", {"image": 100, "video": 5000})
        key, before = key_of("ink.safetensors"), tree(roots[0])
        assert send(key, picture())[1]["code"] == "too-large"
        assert send(key, bytes(5001))[0] == 413
        assert tree(roots[0]) == before
        assert send(key, TestOriginal.FILM)[0] == 200

    def test_where_the_bin_fails_the_old_picture_stays(self, ink, send, roots, monkeypatch):
        def full(*_):
            raise OSError(28, "No space left on device")

        key, _ = ink(picture())
        before = tree(roots[0])
        monkeypatch.setattr(SystemTrash, "send", full)
        assert send(key, picture(5, 5))[0] == 400
        assert tree(roots[0]) == before

    def test_a_crash_on_the_way_gives_the_old_picture_back(
        self, ink, send, roots, host, monkeypatch
    ):
        def crash(*_):
            raise KeyboardInterrupt

        key, _ = ink(picture())
        before = tree(roots[0])
        came = pictures.IncomingPicture(roots[0] / "ink.safetensors", len(picture(5, 5)))
        came.write(picture(5, 5))
        came.finish()
        with monkeypatch.context() as broken:
            broken.setattr(Carrier, "_move", crash)
            broken.setattr(Carrier, "_put_back", lambda _: ())
            with pytest.raises(KeyboardInterrupt):
                host.catalog().organiser.picture(key, came)
        host.catalog().organiser.recover()
        assert tree(roots[0]) == before

    def test_no_token_no_change(self, ink, page, roots):
        key, _ = ink(picture())
        before = tree(roots[0])
        wrong = {"X-Loradex-Token": "x"}
        for method, content in (("PUT", picture()), ("DELETE", None)):
            status, problem = page(method, f"previews/{key}", content=content, headers=wrong)
            assert (status, problem["code"]) == (403, "token")
        assert tree(roots[0]) == before
