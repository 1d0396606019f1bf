"""A local cluster: the nodes of a topology as child JVMs, on loopback addresses of this machine or each in its site's network.

Rules that hold here: no node outlives the process that started it, however that ends (`tether.py`); a start that fails
or is interrupted leaves nothing running; the data of a kept folder is never deleted.
"""

import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from loadtests.cluster import health, machine
from loadtests.cluster.connect import Endpoint, LivenessWatch
from loadtests.cluster.control.compiler import control_classes
from loadtests.cluster.control.orders import Order
from loadtests.cluster.jars import cache_folder, cassandra_version, locked_jars, ready_jars
from loadtests.cluster.java import find_java
from loadtests.cluster.jmx_exporter import EXPORTER_PORT, ready_exporter
from loadtests.cluster.kit import Entry, StartKit
from loadtests.cluster.layout import lay_out, lay_out_joining
from loadtests.cluster.node_config import ClientSecurity
from loadtests.cluster.places import Place, addresses_of, claim_place, room_for
from loadtests.cluster.prepared import PreparedData, key_of
from loadtests.cluster.process import NodeProcess, stop_all
from loadtests.cluster.record import ClusterRecord
from loadtests.cluster.tether import run_tied
from loadtests.errors import HarnessError
from loadtests.sites.cost import NetworkCost, measure_cost
from loadtests.sites.disks import fill_disk, free_disk, mount_disk
from loadtests.sites.network import SiteNetwork
from scenarios.parts.faults import MEMBERSHIP_KINDS, Fault, FaultKind, disks_of, joining, need_orders, without_power
from scenarios.spec import Topology

DATA_FOLDERS = ("data", "commitlog", "hints", "saved_caches", "cdc", "tmp")
FIRST_USER = "cassandra"  # name and password of the user that Cassandra itself makes where a login is asked for

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A running node."""

    name: str
    dc: str
    address: str
    pid: int
    folder: Path  # holds system.log, gc.log, out.log, conf/, data/, commitlog/
    metrics: str | None = None  # HOST:PORT, where it tells Prometheus of itself


class LocalCluster:
    """A running local cluster; use as a context manager, or `stop` it. Made by `start` and `restart`."""

    def __init__(
        self,
        record: ClusterRecord,
        folder: Path,
        place: Place,
        kit: StartKit,
        *,
        keep: bool,
        joiners: Mapping[str, int],
        tables: Sequence[str] = (),
    ) -> None:
        self.record = record
        self.folder = folder
        self._place = place
        self._kit = kit
        self.network_cost: NetworkCost | None = None
        self.network = place if isinstance(place, SiteNetwork) else None
        self._keep = keep
        self._stopped = False
        first, further = addresses_of(place, record.topology, joiners)
        specs, later = lay_out(record.topology, first), lay_out_joining(record.topology, joiners, further)
        self._all = [
            NodeProcess(spec, folder / spec.name, self.network.namespace_of(spec.address) if self.network else None)
            for spec in (*specs, *later)
        ]
        self._processes = self._all[: len(specs)]  # those that are meant to run
        self._prepared = PreparedData.of(key_of(record, specs, tables)) if tables else None
        self._has_tables = False  # from a copy
        self._broken: set[str] = set()  # names of those that a fault of ours holds down
        self._joining: set[str] = set()  # names of those that have not taken their share of the rows yet

    @classmethod
    def start(
        cls,
        topology: Topology,
        folder: Path,
        progress: Progress = lambda _: None,
        *,
        keep: bool = False,
        heap_mib: int | None = None,
        security: ClientSecurity | None = None,
        faults: Sequence[Fault] = (),
        metrics: bool = False,
        table_metrics: bool = False,
        check_network: Callable[[NetworkCost], None] = lambda _: None,
        is_throwaway: bool = False,
        tables: Sequence[str] = (),
    ) -> Self:
        """A new cluster in `folder`, serving CQL with every node seeing every node.

        `keep`: leave the data when the cluster is stopped. `heap_mib`: of each node, instead of what the memory allows.
        `faults`: that are to befall it. For some of them nodes get what others don't: a disk of their own, in memory, of which
        nothing can be kept, a commit log of another kind, or an ear for orders. `metrics`: each node has the JMX exporter,
        which tells of tables too with `table_metrics`.
        `check_network`: raises HarnessError where the emulated WAN, as it was measured, is too little for what is meant.
        `is_throwaway`: no node that was not drained is ever started again: none flushes what its schema would be read from.
        `tables`: the statements that will make its tables. Where `keep_tables` of an earlier cluster has left a copy of what they
        come to, the nodes begin with that.
        Raises HarnessError, with nothing left running, when the machine lacks something or a node does not come up.
        """
        record = ClusterRecord(
            cassandra=cassandra_version(locked_jars(topology.cassandra_version)),
            topology=topology,
            heap_mib=heap_mib,
            security=security or ClientSecurity(),
            metrics=metrics,
            table_metrics=table_metrics,
        )
        folder = folder.absolute()
        if ClusterRecord.exists(folder):
            raise HarnessError(f"{folder} already holds a cluster; restart that one, remove it, or name another folder")
        assert not (is_throwaway and (keep or faults)), "what is thrown away is neither kept nor broken"
        return cls._run(
            record,
            folder,
            progress,
            keep=keep,
            faults=faults,
            check_network=check_network,
            is_throwaway=is_throwaway,
            tables=tables,
        )

    @classmethod
    def restart(
        cls,
        folder: Path,
        progress: Progress = lambda _: None,
        *,
        metrics: bool = False,
        table_metrics: bool = False,
    ) -> Self:
        """The cluster that `stop(keep=True)`, or a crash, left in `folder`, on its former addresses. Data stays, ever.

        `metrics`, `table_metrics`: each node has the JMX exporter, as in `start`, whether it had it before or not.
        """
        folder = folder.absolute()
        record = ClusterRecord.read(folder)
        if not record.holds_data(folder):
            raise HarnessError(f"{folder} holds no data of a cluster; only a run with --keep leaves it")
        told = {"metrics": metrics, "table_metrics": table_metrics}
        return cls._run(record.model_copy(update=told), folder, progress, keep=True)

    @classmethod
    def _run(
        cls,
        record: ClusterRecord,
        folder: Path,
        progress: Progress,
        *,
        keep: bool,
        faults: Sequence[Fault] = (),
        check_network: Callable[[NetworkCost], None] = lambda _: None,
        is_throwaway: bool = False,
        tables: Sequence[str] = (),
    ) -> Self:
        """Bring up the nodes of `record`, which has no addresses yet if they are new."""
        is_new = record.block is None
        joiners = joining(faults, record.topology.dcs)
        size = room_for(record, folder, sum(joiners.values()))
        java = find_java()
        paths = ready_jars(locked_jars(record.cassandra), progress)
        kinds = {fault.kind for fault in faults}
        upgrade = next((fault.to_version for fault in faults if fault.kind is FaultKind.UPGRADE), None)
        kit = StartKit(
            java=java.path,
            jars=paths,
            record=record,
            size=size,
            processors=max(2, machine.processor_count() // record.topology.node_count),
            upgraded=() if upgrade is None else ready_jars(locked_jars(upgrade), progress),
            control=(
                control_classes(java.path, paths, cache_folder() / "classes", run_tied) if need_orders(faults) else None
            ),
            is_moving=bool(kinds & set(MEMBERSHIP_KINDS)),
            exporter=(
                ready_exporter(record.topology.keyspace, progress, tables=record.table_metrics)
                if record.metrics
                else None
            ),
            without_power=without_power(faults, record.topology.dcs),
            is_throwaway=is_throwaway,
        )
        place = claim_place(record, folder, joiners)
        cluster = cls(record.with_block(place.block), folder, place, kit, keep=keep, joiners=joiners, tables=tables)
        try:
            if cluster.network is not None:
                cluster.network_cost = measure_cost(cluster.network)
                progress(f"the emulated WAN: {cluster.network_cost}")
                check_network(cluster.network_cost)
            cluster.record.write(folder)
            progress(
                f"starting {record.topology.node_count} nodes of Cassandra {record.cassandra} "
                f"at {size.heap_mib} MiB heap each, Java {java.version} from {java.origin}"
            )
            cluster._bring_up(disks_of(faults, record.topology.dcs), progress)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                progress("stopping what was started, which takes some seconds")
            cluster._end(drain=False, delete=is_new)
            if is_new:
                record.forget(folder)  # the start may be tried again in the same folder
            raise
        return cluster

    def _bring_up(self, disks_mib: Mapping[str, int], progress: Progress) -> None:
        for process in self._processes:
            self._kit.write(process, self._seeds)
            if process.spec.name in disks_mib:
                mount_disk(process.folder, DATA_FOLDERS, disks_mib[process.spec.name])
        if not self._has_come_up_prepared(progress):
            self._launch(self._processes[:1], progress)  # the ring that the others find must be there before they look
        progress(f"all {len(self._processes)} nodes serve CQL and see one another")

    def _launch(self, first: Sequence[NodeProcess], progress: Progress) -> None:
        """Launch all nodes, these before the others, and wait until all see one another."""
        for process in first:
            process.launch(self._kit.java)
        health.wait_serving(first, progress)
        rest = [process for process in self._processes if process not in first]
        for process in rest:
            process.launch(self._kit.java)
        if rest:
            progress(f"waiting for {', '.join(process.spec.name for process in rest)}")
        health.wait_serving(rest, progress)
        progress("waiting until all nodes see one another")
        health.wait_agreeing(self._processes, self.endpoint())

    def _has_come_up_prepared(self, progress: Progress) -> bool:
        """Whether the nodes run with their tables made, by a copy that has proved right. Of one that has not nothing is left."""
        if self._prepared is None:
            return False
        wanted = self._prepared.lay({process.spec.name: process.folder for process in self._processes}, progress)
        if wanted is None:
            return False
        progress("the nodes begin with their tables made, by a copy of an earlier run's")
        try:
            # Each knows its place. One that is no seed ends itself when it finds none that gossips within 3 s.
            self._launch([process for process in self._processes if process.spec.is_seed], progress)
            found = health.schema_versions(self.endpoint())
            if found == {wanted}:
                self._has_tables = True
                return True
            why = f"the nodes tell schema version {', '.join(sorted(found))}, not {wanted}"
        except HarnessError as error:
            why = str(error)
        progress(f"the copy of tables in {self._prepared.folder} is thrown away; starting without: {why}")
        stop_all(self._processes, drain=False)
        for process in self._processes:
            _delete_data(process)
            (process.folder / "tmp").mkdir(exist_ok=True)
        self._prepared.discard()
        return False

    def keep_tables(self) -> bool:
        """Keep a copy of what the nodes hold, for later clusters of the same `tables`, which have just been made on them all.

        Returns whether there is one now. Nothing is written to them meanwhile. Without one later clusters lose time alone.
        """
        if self._prepared is None or self._kit.is_throwaway:
            return False
        if self._has_tables:
            return True
        try:
            versions = health.schema_versions(self.endpoint())
        except HarnessError:  # whatever comes next tells of a node that does not answer
            return False
        if len(versions) != 1:
            return False
        return self._prepared.keep({process.spec.name: process.folder for process in self._processes}, versions.pop())

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes that are meant to run, DC by DC in the topology's order."""
        return tuple(
            Node(
                name=process.spec.name,
                dc=process.spec.dc,
                address=process.spec.address,
                pid=process.pid,
                folder=process.folder,
                metrics=f"{process.spec.address}:{EXPORTER_PORT}" if self.record.metrics else None,
            )
            for process in self._processes
        )

    @property
    def members(self) -> tuple[Node, ...]:
        """Those of `nodes` that are of the ring: not those that are joining it still."""
        return tuple(node for node in self.nodes if node.name not in self._joining)

    @property
    def contact_points(self) -> tuple[str, ...]:
        """The addresses of the nodes that are meant to run."""
        return tuple(process.spec.address for process in self._processes)

    def endpoint(self, dc: str | None = None) -> Endpoint:
        """How to connect to DC `dc`, by default the topology's first business DC that was not stopped."""
        running = {process.spec.dc for process in self._processes}
        local_dc = dc or next(each.name for each in self.record.topology.business_dcs if each.name in running)
        login = FIRST_USER if self.record.security.password_login else None
        return Endpoint(
            contact_points=tuple(process.spec.address for process in self._processes if process.spec.dc == local_dc),
            local_dc=local_dc,
            username=login,
            password=login,
            ca=self.record.security.ca,
            verify_hostname=False,  # our own nodes: their addresses are claimed after their certificate was made
        )

    def require_alive(self) -> None:
        """Raise HarnessError, with the last errors of its log, when a node has died by itself."""
        for process in self._unbroken():
            process.require_alive()

    @property
    def dead_dcs(self) -> set[str]:
        """The DCs that have lost a node which was meant to run."""
        return {process.spec.dc for process in self._unbroken() if not process.is_alive}

    def _unbroken(self) -> list[NodeProcess]:
        """Those that no fault of the bench's own holds down."""
        return [process for process in self._processes if process.spec.name not in self._broken]

    def break_nodes(self, kind: FaultKind, names: Collection[str]) -> None:
        """Let a fault befall some nodes, which are meant to come back: `heal_nodes` undoes it. Nobody waits for the others.

        Raises HarnessError when a node is gone before it, or does not end.
        """
        chosen, _ = self._split(names)
        for process in chosen:
            process.require_alive()
        self._broken.update(names)
        if kind is FaultKind.PAUSE:
            for process in chosen:
                process.pause()
        elif kind is FaultKind.DISK_FULL:
            for process in chosen:
                fill_disk(process.folder)
        else:
            stop_all(chosen, drain=kind in (FaultKind.STOP, FaultKind.UPGRADE, FaultKind.SSTABLE_BIT_FLIP))
        if kind is FaultKind.REPLACE:
            for process in chosen:
                _delete_data(process)

    def heal_nodes(self, kind: FaultKind, names: Collection[str]) -> None:
        """Undo a fault; returns when the nodes answer, and all that no other fault holds down see one another.

        Raises HarnessError when one does not come back.
        """
        chosen, _ = self._split(names)
        if kind is FaultKind.PAUSE:
            for process in chosen:
                process.resume()
        else:
            if kind is FaultKind.DISK_FULL:
                stop_all(chosen, drain=False)  # one that has not ended itself yet is in no state to go on
                for process in chosen:
                    free_disk(process.folder)
            for process in chosen:
                if kind is FaultKind.REPLACE:
                    others = [each.spec.address for each in self._processes if each is not process]
                    self._kit.write(process, others, Entry.REPLACES)  # a seed would not ask for rows
                elif kind is FaultKind.UPGRADE:
                    self._kit.write(process, self._seeds, is_upgraded=True)
                process.launch(self._kit.java)
        self._await_back(chosen)

    def start_broken(self, names: Collection[str]) -> None:
        """Launch nodes that a fault has ended; returns when they answer. Raises HarnessError when one does not come up.

        The fault goes on: one that ends itself from now on surprises nobody.
        """
        chosen, _ = self._split(names)
        for process in chosen:
            process.launch(self._kit.java)
        health.wait_answering(chosen)

    def end_broken(self, names: Collection[str]) -> None:
        """End nodes that a fault goes on with, drained where they run, before `heal_nodes`."""
        chosen, _ = self._split(names)
        stop_all(chosen, drain=True)

    def _await_back(self, chosen: Sequence[NodeProcess]) -> None:
        health.wait_answering(chosen)
        self._broken.difference_update(process.spec.name for process in chosen)
        unbroken = self._unbroken()
        health.wait_agreeing(unbroken, self.endpoint(unbroken[0].spec.dc))

    def begin_joining(self, name: str) -> None:
        """Launch a node that joins its data centre, which it was started with the faults for. Returns at once."""
        process = next(each for each in self._all if each.spec.name == name)
        self._kit.write(process, self._seeds, Entry.JOINS)
        process.launch(self._kit.java)
        self._joining.add(name)
        self._processes = [*self._processes, process]
        self._broken.add(name)  # it is not meant to serve yet

    def await_joined(self, name: str) -> None:
        """Until it serves, and all see one another. Raises HarnessError when it does not come to that."""
        chosen, _ = self._split([name])
        self._await_back(chosen)
        self._joining.discard(name)

    def retire(self, name: str) -> None:
        """End a node that has left the ring, and delete its data. Raises HarnessError when the others don't see one another."""
        gone, left = self._split([name])
        self._processes = left
        stop_all(gone, drain=False)
        for process in gone:
            _delete_data(process)
        health.wait_agreeing(self._unbroken(), self.endpoint(left[0].spec.dc))

    @property
    def _seeds(self) -> list[str]:
        return [process.spec.address for process in self._processes if process.spec.is_seed]

    def order(self, name: str, *words: str) -> Order:
        """Tell a node to do something to itself; returns at once. It must have been started for faults that need it."""
        (process,), _ = self._split([name])
        assert process.orders is not None, "the cluster was started without such faults"
        return process.orders.give(*words)

    def watch(self, names: Collection[str]) -> LivenessWatch:
        """Hears from now on which nodes these find to be down. Raises HarnessError when one does not answer."""
        chosen, _ = self._split(names)
        return LivenessWatch(self.endpoint(), [process.spec.address for process in chosen])

    def silent(self, names: Collection[str]) -> set[str]:
        """Those of these nodes that answer no CQL."""
        chosen, _ = self._split(names)
        return {process.spec.name for process in chosen if not health.answers(process.spec.address)}

    def stop(self, keep: bool | None = None) -> None:
        """End all nodes and wait till they are gone; a second call does nothing.

        With `keep`, as given here or else at the start, the nodes first drain, and their data stays for `restart`.
        Without, data is deleted; logs and configuration stay.
        """
        if self._stopped:
            return
        keeps = self._keep if keep is None else keep
        self._end(drain=keeps, delete=not keeps)

    def _end(self, *, drain: bool, delete: bool) -> None:
        try:
            stop_all(self._processes, drain=drain)
            self._stopped = True
        finally:
            self._place.release()
        if delete:
            for process in self._all:
                _delete_data(process)

    def stop_nodes(self, names: Collection[str]) -> None:
        """End some nodes of a serving cluster, drained, and wait until those that are left know it.

        `start_nodes` brings them back with their data. Raises HarnessError when the others don't notice.
        """
        chosen, left = self._split(names)
        assert left, "the last node is stopped by stop()"
        self._stop_seen(chosen, left, drain=True)

    def start_nodes(self, names: Collection[str], progress: Progress = lambda _: None) -> None:
        """Launch nodes that `stop_nodes` ended, and wait until all nodes see one another again. Raises HarnessError."""
        chosen, _ = self._split(names)
        java = find_java()
        for process in chosen:
            process.launch(java.path)
        health.wait_serving(chosen, progress)
        health.wait_agreeing(self._processes, self.endpoint())

    def stop_dc(self, name: str) -> None:
        """End the nodes of one DC at once, as a DC that is lost, and wait until the others know it.

        Unlike those of `stop_nodes` they are not meant to run any more: nobody is surprised that they are
        gone, nor connects to them.
        """
        lost, left = self._split([process.spec.name for process in self._processes if process.spec.dc == name])
        assert lost and left, "a DC is lost, and another is left"
        self._stop_seen(lost, left, drain=False)
        self._processes = left

    def _stop_seen(self, chosen: Sequence[NodeProcess], left: Sequence[NodeProcess], *, drain: bool) -> None:
        with LivenessWatch(self.endpoint(left[0].spec.dc), [node.spec.address for node in left]) as watch:
            stop_all(chosen, drain=drain)
            health.wait_missed(watch, chosen)

    def _split(self, names: Collection[str]) -> tuple[list[NodeProcess], list[NodeProcess]]:
        assert set(names) <= {process.spec.name for process in self._processes}, "a node that is not there"
        chosen = [process for process in self._processes if process.spec.name in names]
        return chosen, [process for process in self._processes if process.spec.name not in names]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _delete_data(process: NodeProcess) -> None:
    for part in DATA_FOLDERS:
        shutil.rmtree(process.folder / part, ignore_errors=True)
