"""Names to files: the exact one, or the only one, or an error that offers the right ones."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loradex.catalog.names import NetworkIndex
from loradex.catalog.network_file import NetworkFile
from loradex.errors import AmbiguousNameError, NetworkNotFoundError

ROOT = Path("/models/Lora")


def file(id_, root=ROOT):
    path = Path(root, *id_.split("/"))
    return NetworkFile(id_, path.stem, path, root, 1, 1)


def index(*ids):
    return NetworkIndex([file(id_) for id_ in ids])


class TestResolve:
    @pytest.mark.parametrize(
        "name",
        [
            "art/style/ink v1.5.safetensors", "art/style/ink v1.5", "style/ink v1.5",
            "style/ink v1.5.safetensors", "ink v1.5", "ink v1.5.safetensors", "INK V1.5",
            "Style/Ink v1.5", " ink v1.5 ", "/art/style/ink v1.5", "./art/style/ink v1.5",
            "art\\style\\ink v1.5", "Lora/art/style/ink v1.5", "/models/Lora/art/style/ink v1.5",
        ],
    )  # fmt: skip
    def test_all_spellings_of_one_file(self, name):
        files = index("art/style/ink v1.5.safetensors", "art/style/other.safetensors")
        assert files.resolve(name).id == "art/style/ink v1.5.safetensors"

    @pytest.mark.parametrize(
        "name", ["nk v1.5", "ink v1", "yle/ink v1.5", "art/ink v1.5", "", "/", "."]
    )
    def test_a_part_of_a_name_is_no_name(self, name):
        with pytest.raises(NetworkNotFoundError):
            index("art/style/ink v1.5.safetensors").resolve(name)

    def test_a_name_with_dots_is_not_cut_at_a_dot(self):
        files = index("ink v1.0.safetensors", "ink v1.5.safetensors")
        assert files.resolve("ink v1.5").id == "ink v1.5.safetensors"

    def test_the_exact_case_goes_before_another(self):
        files = index("Ink.safetensors", "ink.safetensors")
        assert files.resolve("ink").id == "ink.safetensors"
        assert files.resolve("Ink").id == "Ink.safetensors"
        with pytest.raises(AmbiguousNameError) as caught:
            files.resolve("INK")
        assert caught.value.choices == ("Ink", "ink")

    def test_a_file_in_the_root_folder_owns_its_bare_name(self):
        files = index("ink.safetensors", "art/ink.safetensors")
        assert files.resolve("ink").id == "ink.safetensors"
        assert files.resolve("art/ink").id == "art/ink.safetensors"

    def test_the_two_unicode_forms_of_a_name_are_one_name(self):
        decomposed = unicodedata.normalize("NFD", "café/Ägypten.safetensors")
        for query in ("Ägypten", "café/Ägypten", decomposed, "äGYPTEN"):
            assert index(decomposed).resolve(query).id == decomposed
            assert index("café/Ägypten.safetensors").resolve(query)
            assert index("café/Ägypten.safetensors").resolve(unicodedata.normalize("NFD", query))


class TestAmbiguous:
    def test_the_same_name_in_two_folders_offers_the_shortest_unique_names(self):
        files = index("a/x/ink.safetensors", "b/x/ink.safetensors", "c/ink.safetensors")
        with pytest.raises(AmbiguousNameError) as caught:
            files.resolve("ink")
        assert caught.value.choices == ("a/x/ink", "b/x/ink", "c/ink")
        assert {files.resolve(choice).id for choice in caught.value.choices} == {
            file.id for file in files.files
        }

    def test_the_same_name_with_two_suffixes_offers_the_suffixes(self):
        with pytest.raises(AmbiguousNameError) as caught:
            index("ink.safetensors", "ink.pt").resolve("ink")
        assert caught.value.choices == ("ink.pt", "ink.safetensors")

    def test_the_same_id_under_two_roots_offers_the_root(self):
        files = NetworkIndex([file("ink.pt", Path("/one/Lora")), file("ink.pt", Path("/two/Lora"))])
        with pytest.raises(AmbiguousNameError) as caught:
            files.resolve("ink")
        assert caught.value.choices == ("one/Lora/ink", "two/Lora/ink")
        assert files.resolve("two/Lora/ink").root == Path("/two/Lora")

    def test_the_order_of_the_files_never_decides(self):
        ids = ["a/ink.pt", "b/ink.pt"]
        for order in (ids, ids[::-1]):
            with pytest.raises(AmbiguousNameError) as caught:
                index(*order).resolve("ink")
            assert caught.value.choices == ("a/ink", "b/ink")


class TestNotFound:
    def test_the_nearest_names_are_offered(self):
        files = index("art/watercolour.safetensors", "art/pixel art v2.safetensors", "ink.pt")
        with pytest.raises(NetworkNotFoundError, match="Did you mean 'watercolour'") as caught:
            files.resolve("watercolor")
        assert caught.value.near == ("watercolour",)
        with pytest.raises(NetworkNotFoundError) as caught:
            files.resolve("pixel")
        assert caught.value.near == ("pixel art v2",)

    def test_a_wrong_folder_offers_the_right_one(self):
        with pytest.raises(NetworkNotFoundError) as caught:
            index("art/ink.pt", "old/ink.pt").resolve("new/ink")
        assert caught.value.near == ("art/ink", "old/ink")

    def test_an_empty_folder_offers_nothing(self):
        with pytest.raises(NetworkNotFoundError) as caught:
            NetworkIndex([], searched="models/Lora").resolve("ink")
        assert caught.value.near == ()
        assert "in models/Lora" in str(caught.value)


PARTS = st.text(st.sampled_from("aAäß.ı ink\\"), min_size=1, max_size=4).map(lambda s: f"i{s}i")
IDS = st.lists(
    st.builds(
        lambda folders, name, suffix: "/".join([*folders, name + suffix]),
        st.lists(PARTS, max_size=2),
        PARTS,
        st.sampled_from([".safetensors", ".pt", ".PT"]),
    ),
    unique_by=lambda id_: unicodedata.normalize("NFC", id_),
    max_size=8,
)


class TestEveryFile:
    @given(IDS)
    def test_every_file_answers_to_its_id_and_to_its_short_name(self, ids):
        files = index(*ids)
        assert len(files) == len(ids)
        for each in files.files:
            assert files.resolve(each.id) == each
            assert files.resolve(files.short_name(each)) == each

    @given(IDS, PARTS)
    def test_a_name_means_one_file_or_is_an_error_with_names_that_work(self, ids, name):
        files = index(*ids)
        try:
            found = [files.resolve(name)]
        except AmbiguousNameError as error:
            found = [files.resolve(choice) for choice in error.choices]
        except NetworkNotFoundError as error:
            found = [files.resolve(near) for near in error.near]
        assert len(set(found)) == len(found)

    @given(IDS, st.text())
    def test_any_text_is_answered_or_refused_as_a_network_error(self, ids, name):
        try:
            found = index(*ids).resolve(name)
        except (AmbiguousNameError, NetworkNotFoundError):
            return
        assert found in index(*ids).files
