"""The API key: kept safely, able to sign, and shown to nobody."""

import copy
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import PrivateFormat

from core.errors import StartRefused
from runner.adapters.coinbase.credentials import FILE_BYTES_MAX, Credentials, load_credentials
from tests.runner.adapters.coinbase.made_keys import (
    KEY_NAME,
    ec_pem,
    ed25519_base64,
    ed25519_pem,
    make_credentials,
    rsa_pem,
)

PEM = ec_pem()


def write(path: Path, content: object, mode: int = 0o600) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    path.chmod(mode)
    return path


def key(**other: object) -> dict[str, object]:
    return {"name": KEY_NAME, "privateKey": PEM, **other}


def load(path: Path) -> Credentials:
    found = load_credentials(str(path), {})
    assert found is not None
    return found


class TestAKeyFile:
    def test_as_coinbase_gives_it_is_taken(self, tmp_path: Path) -> None:
        found = load(write(tmp_path / "key.json", key(nickname="x")))

        assert found.key_name == KEY_NAME
        assert found.secret.reveal() == PEM.strip()

    def test_may_name_the_key_by_its_id(self, tmp_path: Path) -> None:
        found = load(write(tmp_path / "key.json", {"id": "9a8b7c6d-0000", "privateKey": PEM}))

        assert found.key_name == "9a8b7c6d-0000"

    def test_counts_more_than_the_environment(self, tmp_path: Path) -> None:
        path = write(tmp_path / "key.json", key())

        found = load_credentials(str(path), {"COINBASE_API_KEY": "other", "COINBASE_API_SECRET": ec_pem()})

        assert found is not None
        assert found.key_name == KEY_NAME

    @pytest.mark.parametrize("mode", [0o400, 0o600, 0o700])
    def test_that_is_ours_alone_is_taken(self, tmp_path: Path, mode: int) -> None:
        assert load(write(tmp_path / "key.json", key(), mode))

    @pytest.mark.parametrize("mode", [0o640, 0o620, 0o610, 0o604, 0o602, 0o601, 0o644, 0o666])
    def test_that_others_can_use_is_refused(self, tmp_path: Path, mode: int) -> None:
        path = write(tmp_path / "key.json", key(), mode)

        with pytest.raises(StartRefused, match=f"mode 0{mode:o}.*chmod 600 {path}"):
            load(path)

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
    def test_of_another_user_is_refused(self, tmp_path: Path) -> None:
        path = write(tmp_path / "key.json", key())
        os.chown(path, 12345, 12345)

        with pytest.raises(StartRefused, match="another user"):
            load(path)

    def test_that_is_a_link_is_refused(self, tmp_path: Path) -> None:
        link = tmp_path / "link.json"
        link.symlink_to(write(tmp_path / "key.json", key()))

        with pytest.raises(StartRefused, match="not a link"):
            load(link)

    @pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
    def test_that_is_no_file_is_refused(self, tmp_path: Path, make: Callable[[Path], None]) -> None:
        make(tmp_path / "key.json")

        with pytest.raises(StartRefused, match="not a regular file"):
            load(tmp_path / "key.json")

    def test_that_is_not_there_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(StartRefused, match="No such file"):
            load(tmp_path / "key.json")

    @pytest.mark.parametrize(("size", "is_taken"), [(FILE_BYTES_MAX, True), (FILE_BYTES_MAX + 1, False)])
    def test_may_have_so_many_bytes(self, tmp_path: Path, size: int, is_taken: bool) -> None:
        path = write(tmp_path / "key.json", json.dumps(key()).ljust(size))

        if is_taken:
            assert load(path)
        else:
            with pytest.raises(StartRefused, match="larger"):
                load(path)

    @pytest.mark.parametrize(
        "content",
        [
            pytest.param("", id="nothing"),
            pytest.param(PEM, id="the key alone"),
            pytest.param([PEM], id="a list"),
            pytest.param({"name": KEY_NAME}, id="no key"),
            pytest.param({"privateKey": PEM}, id="no name"),
            pytest.param({"name": "", "privateKey": PEM}, id="a blank name"),
            pytest.param({"name": KEY_NAME, "privateKey": " "}, id="a blank key"),
            pytest.param({"name": KEY_NAME, "privateKey": [PEM]}, id="a list of keys"),
            pytest.param({"name": 1, "privateKey": PEM}, id="a number for a name"),
            pytest.param(json.dumps(key())[:-5], id="cut off"),
        ],
    )
    def test_of_another_shape_is_refused_and_not_quoted(self, tmp_path: Path, content: object) -> None:
        with pytest.raises(StartRefused) as caught:
            load(write(tmp_path / "key.json", content))

        assert PEM.splitlines()[1] not in str(caught.value)
        assert caught.value.__cause__ is None


class TestTheEnvironment:
    def test_without_a_key_has_none(self) -> None:
        assert load_credentials("", {"PATH": "/bin"}) is None

    @pytest.mark.parametrize("secret", [PEM, PEM.replace("\n", "\\n"), f"  {PEM}\n\n", PEM.replace("\n", "\\r\\n")])
    def test_with_a_key_has_one(self, secret: str) -> None:
        found = load_credentials("", {"COINBASE_API_KEY": f" {KEY_NAME} ", "COINBASE_API_SECRET": secret})

        assert found is not None
        assert (found.key_name, found.secret.reveal()) == (KEY_NAME, PEM.strip())

    @pytest.mark.parametrize(
        "environ",
        [
            {"COINBASE_API_KEY": KEY_NAME},
            {"COINBASE_API_SECRET": PEM},
            {"COINBASE_API_KEY": "", "COINBASE_API_SECRET": ""},
            {"COINBASE_API_KEY": KEY_NAME, "COINBASE_API_SECRET": " "},
            {"COINBASE_API_KEY": " ", "COINBASE_API_SECRET": PEM},
        ],
    )
    def test_with_half_a_key_is_refused(self, environ: dict[str, str]) -> None:
        with pytest.raises(StartRefused, match="set both, or unset both"):
            load_credentials("", environ)


class TestASecret:
    @pytest.mark.parametrize(
        "secret",
        [
            pytest.param(ec_pem(), id="EC, SEC1"),
            pytest.param(ec_pem(form=PrivateFormat.PKCS8), id="EC, PKCS8"),
            pytest.param(PEM.replace("\n", " "), id="EC, its lines joined by a shell"),
            pytest.param(ed25519_pem(), id="Ed25519, PKCS8"),
            pytest.param(ed25519_base64(with_public_half=False), id="Ed25519, 32 bytes"),
            pytest.param(ed25519_base64(with_public_half=True), id="Ed25519, 64 bytes"),
        ],
    )
    def test_that_signs_is_taken(self, secret: str) -> None:
        assert load_credentials("", {"COINBASE_API_KEY": KEY_NAME, "COINBASE_API_SECRET": secret}) is not None

    @pytest.mark.parametrize(
        "secret",
        [
            pytest.param(ec_pem(ec.SECP384R1()), id="is on another curve"),
            pytest.param(rsa_pem(), id="is RSA"),
            pytest.param(PEM[:-60], id="is cut off"),
            pytest.param(PEM[:100] + ("A" if PEM[100] != "A" else "B") + PEM[101:], id="is damaged"),
            pytest.param("Zm9v", id="is too short"),
            pytest.param("canary-canary-canary", id="is no key at all"),
            pytest.param("canäry", id="is not ASCII"),
        ],
    )
    def test_is_refused_and_not_quoted_when_it(self, secret: str) -> None:
        with pytest.raises(StartRefused) as caught:
            load_credentials("", {"COINBASE_API_KEY": KEY_NAME, "COINBASE_API_SECRET": secret})

        assert secret[30:60] not in str(caught.value) or len(secret) < 31
        assert "canary" not in str(caught.value)
        assert caught.value.__cause__ is None

    def test_shows_itself_to_nobody(self) -> None:
        credentials = make_credentials(PEM)

        for text in (repr(credentials), str(credentials), f"{credentials}", repr(credentials.secret)):
            assert KEY_NAME not in text
            assert PEM[40:60] not in text
        assert f"{credentials.secret}" == f"{credentials.secret!s}" == "Secret()"

    @pytest.mark.parametrize("write_down", [pickle.dumps, copy.copy, copy.deepcopy])
    def test_is_not_written_down(self, write_down: Callable[[object], object]) -> None:
        credentials = make_credentials(PEM)

        for thing in (credentials, credentials.secret):
            with pytest.raises(TypeError, match="not written down"):
                write_down(thing)


def test_a_key_in_the_place_of_its_path_is_not_repeated() -> None:
    secret = ed25519_base64(with_public_half=True)

    with pytest.raises(StartRefused, match="holds a key itself") as caught:
        load_credentials(secret, {})

    assert secret not in str(caught.value)
