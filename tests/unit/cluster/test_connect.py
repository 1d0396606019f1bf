"""What connecting says when there is no cluster to be had; tests/integration has the refusals of real nodes."""

import logging
import socket
from pathlib import Path
from types import SimpleNamespace

import pytest
from cassandra.cluster import Cluster
from cassandra.policies import RetryPolicy, RoundRobinPolicy

from loadtests.cluster.connect import Endpoint, IdempotentRetryPolicy, _driver, connect, read_password_file
from loadtests.cluster.tls import tls_context
from loadtests.errors import HarnessError
from scenarios.spec import ScenarioError

REPEATABLE = SimpleNamespace(is_idempotent=True)
UNIQUE = SimpleNamespace(is_idempotent=False)


def test_the_password_stays_out_of_sight() -> None:
    assert "secret" not in repr(Endpoint(contact_points=("a",), local_dc="d", username="u", password="secret"))


def test_a_contact_point_that_refuses_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(
        HarnessError, match=rf"no contact point answers \(127.0.0.1:{port}: Connection refused\); check"
    ):
        connect(Endpoint(contact_points=("127.0.0.1",), port=port, local_dc="north"))


def test_a_name_that_does_not_exist_is_named() -> None:
    with pytest.raises(HarnessError, match=r"no contact point answers \(no-such-host.invalid:9042: "):
        connect(Endpoint(contact_points=("no-such-host.invalid",), local_dc="north"))


@pytest.mark.parametrize(("content", "says"), [(None, "can't be read"), ("", "is empty"), ("\n", "is empty")])
def test_a_password_file_that_holds_none_is_refused(tmp_path: Path, content: str | None, says: str) -> None:
    path = tmp_path / "password"
    if content is not None:
        path.write_text(content)

    with pytest.raises(ScenarioError, match=f"password file .*{says}"):
        read_password_file(path)


def test_a_password_is_the_first_line_and_others_must_not_read_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "password"
    path.write_text(" se cret \nsecond line\n")
    path.chmod(0o644)

    with caplog.at_level(logging.WARNING):
        assert read_password_file(path) == " se cret "
    assert "chmod 600" in caplog.text

    caplog.clear()
    path.chmod(0o600)
    read_password_file(path)
    assert caplog.text == ""


def test_a_ca_file_that_is_missing_or_no_certificate_is_named(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="does not exist"):
        tls_context(tmp_path / "ca.pem")
    (tmp_path / "ca.pem").write_text("hello")
    with pytest.raises(HarnessError, match="holds no"):
        tls_context(tmp_path / "ca.pem")


def test_what_may_be_repeated_is_tried_again_at_its_own_consistency() -> None:
    policy = IdempotentRetryPolicy()

    assert policy.on_write_timeout(REPEATABLE, 6, "SIMPLE", 2, 1, retry_num=0) == (RetryPolicy.RETRY, None)
    assert policy.on_read_timeout(REPEATABLE, 6, 2, 1, False, retry_num=1) == (RetryPolicy.RETRY, None)
    assert policy.on_request_error(REPEATABLE, 6, OSError(), retry_num=0) == (RetryPolicy.RETRY_NEXT_HOST, None)
    assert policy.on_write_timeout(REPEATABLE, 6, "SIMPLE", 2, 1, retry_num=2) == (RetryPolicy.RETHROW, None)
    assert policy.on_request_error(None, 6, OSError(), retry_num=0) == (RetryPolicy.RETRY_NEXT_HOST, None)  # prepare


def test_what_may_not_be_repeated_is_sent_once() -> None:
    policy = IdempotentRetryPolicy()

    assert policy.on_write_timeout(UNIQUE, 6, "SIMPLE", 2, 1, retry_num=0) == (RetryPolicy.RETHROW, None)
    assert policy.on_read_timeout(UNIQUE, 6, 2, 1, False, retry_num=0) == (RetryPolicy.RETHROW, None)
    assert policy.on_request_error(UNIQUE, 6, OSError(), retry_num=0) == (RetryPolicy.RETHROW, None)


def test_a_refusal_before_anything_was_done_may_go_to_the_next_coordinator_once() -> None:
    policy = IdempotentRetryPolicy()

    assert policy.on_unavailable(UNIQUE, 6, 2, 1, retry_num=0) == (RetryPolicy.RETRY_NEXT_HOST, None)
    assert policy.on_unavailable(REPEATABLE, 6, 2, 1, retry_num=1) == (RetryPolicy.RETHROW, None)


def test_answers_are_read_in_large_pieces() -> None:
    """4,096 bytes at a time took more of the processor than all that the audit did with them."""
    driver = _driver(Endpoint(contact_points=("127.0.0.1",), local_dc="north"), None, RoundRobinPolicy(), 1)
    assert issubclass(driver.connection_class, Cluster.connection_class)
    assert driver.connection_class.in_buffer_size == 65_536 > Cluster.connection_class.in_buffer_size
