"""The class that heeds orders, in a JVM without a node: its clock, its heap, and how an order that fails is told."""

import subprocess
import time
from pathlib import Path

import pytest

from loadtests.cluster.control import compiler
from loadtests.cluster.control.compiler import control_classes
from loadtests.cluster.control.orders import Orders
from loadtests.cluster.jars import locked_jars, ready_jars
from loadtests.cluster.java import find_java
from loadtests.cluster.tether import run_tied
from loadtests.errors import HarnessError
from loadtests.faults.ordered_acts import wait_done

PROBE = """
public final class Probe {
    public static void main(String[] words) throws Exception {
        org.apache.cassandra.utils.Clock clock = (org.apache.cassandra.utils.Clock) Class.forName("NodeControl").newInstance();
        java.lang.reflect.Field held = Class.forName("NodeControl").getDeclaredField("held");
        held.setAccessible(true);
        while (System.in.read() != -1) {
            System.out.println(clock.currentTimeMillis() - System.currentTimeMillis());
            System.out.println(((Object[]) held.get(null)).length);
        }
    }
}
"""


def test_orders_set_the_clock_and_take_the_heap_and_what_fails_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    java, jars = find_java().path, ready_jars(locked_jars(), print)
    classes = control_classes(java, jars, tmp_path / "classes", run_tied)
    assert classes == control_classes(java, jars, tmp_path / "classes", lambda *_: pytest.fail("compiled twice"))
    probe = tmp_path / "Probe.java"
    probe.write_text(PROBE)
    monkeypatch.setattr(compiler, "SOURCE", probe)
    monkeypatch.setattr(compiler, "CLASS_FILE", "Probe.class")
    probed = control_classes(java, jars, tmp_path / "classes", run_tied)
    orders = Orders("north-1", tmp_path)
    orders.clear()
    path = ":".join(str(each) for each in (classes, probed, next(jar for jar in jars if "cassandra-all" in jar.name)))
    command = [
        str(java),
        "-Xmx128m",
        "-XX:+UseSerialGC",
        "-XX:+ExitOnOutOfMemoryError",
        f"-Dmeterstorm.folder={tmp_path}",
        "-cp",
        path,
        "Probe",
    ]
    at_once = [orders.give("hold", share) for share in ("0.5", "0", "0.4", "0.5", "0", "0.5", "0", "0.4", "0.5", "0")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as jvm:
        assert jvm.stdin is not None and jvm.stdout is not None

        def looked_at() -> tuple[int, int]:
            """How far the clock is ahead [ms], and what is held [MiB]."""
            assert jvm.stdin is not None and jvm.stdout is not None
            jvm.stdin.write("?")
            jvm.stdin.flush()
            return int(jvm.stdout.readline()), int(jvm.stdout.readline())

        assert looked_at()[0] == 0
        for order in at_once:
            wait_done(order, 30)
        assert looked_at()[1] == 0  # the last that was given holds, though many came at one time
        wait_done(orders.give("skew", "60000"), 30)
        assert looked_at()[0] == pytest.approx(60_000, abs=50)
        wait_done(orders.give("skew", "0"), 30)
        assert looked_at()[0] == pytest.approx(0, abs=50)
        held_mib = int(wait_done(orders.give("hold", "0.5"), 30).split()[0])
        assert 55 <= held_mib <= 64  # of 128, of which a survivor space counts as none
        assert looked_at()[1] == held_mib
        assert wait_done(orders.give("hold", "0"), 30) == "0 MiB"
        with pytest.raises(HarnessError, match=r"'dance': java.lang.IllegalArgumentException: no such order: dance"):
            wait_done(orders.give("dance"), 30)
        order = orders.give("hold", "3.0")
        assert jvm.wait(30) != 0 and order.answer() is None  # as a node does that has no memory left


def test_a_node_that_does_not_answer_an_order_is_told(tmp_path: Path) -> None:
    orders = Orders("north-1", tmp_path)
    orders.clear()
    order = orders.give("skew", "1")
    assert order.answer() is None
    began = time.monotonic()
    with pytest.raises(HarnessError, match="north-1 has not carried out 'skew 1' after 0 s"):
        wait_done(order, 0.0)
    assert time.monotonic() - began < 5


def test_a_class_that_can_not_be_compiled_is_told_in_the_compilers_words(tmp_path: Path) -> None:
    said = "1. ERROR in NodeControl.java (at line 1)"
    jars = [tmp_path / "cassandra-all-5.0.9.jar", tmp_path / "ecj-3.33.0.jar"]
    failed = subprocess.CompletedProcess([], 1, stdout="", stderr=said)
    with pytest.raises(HarnessError, match=r"NodeControl.java can't be compiled: 1. ERROR in NodeControl.java"):
        control_classes(tmp_path / "java", jars, tmp_path / "classes", lambda *_: failed)
    with pytest.raises(
        HarnessError, match=r"classes/[0-9a-f]{16} can't be written: .*name another folder in METERSTORM"
    ):
        (tmp_path / "file").touch()
        control_classes(tmp_path / "java", jars, tmp_path / "file" / "classes", lambda *_: failed)
