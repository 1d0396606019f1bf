import json
from pathlib import Path

from loadtests.cluster.durability import why_lost
from loadtests.cluster.layout import NodeSpec
from loadtests.cluster.node_config import ClientSecurity, argument_file, cassandra_yaml, jvm_options, rack_properties
from loadtests.cluster.sizing import NodeSize
from scenarios.domain import CommitLogSync
from scenarios.spec import Dc, Topology

NODE = NodeSpec(name="north-1", dc="north", address="127.42.0.1", is_seed=True, tokens=(-5, 7))
FOLDER = Path("/runs/my first run/north-1")
SIZE = NodeSize(heap_mib=512)


def config(security: ClientSecurity, sync: CommitLogSync = CommitLogSync.PERIODIC) -> dict[str, object]:
    text = cassandra_yaml(NODE, FOLDER, seeds=("127.42.0.1", "127.42.0.2"), size=SIZE, security=security, sync=sync)
    parsed: dict[str, object] = json.loads(text)
    return parsed


def test_the_node_stands_where_it_was_laid_out() -> None:
    written = config(ClientSecurity())

    assert written["initial_token"] == "-5,7"
    assert written["num_tokens"] == 2
    assert written["listen_address"] == written["rpc_address"] == "127.42.0.1"
    assert written["data_file_directories"] == ["/runs/my first run/north-1/data"]
    assert "127.42.0.1,127.42.0.2" in json.dumps(written["seed_provider"])
    assert rack_properties(NODE) == "dc=north\nrack=r1\n"


def test_acknowledgements_mean_what_cassandra_ships() -> None:
    written = config(ClientSecurity())

    assert (written["commitlog_sync"], written["commitlog_sync_period"]) == ("periodic", "10000ms")


def test_a_scenario_may_have_acknowledgements_wait_for_the_disk() -> None:
    topology = Topology.model_validate({"dcs": [{"name": "north", "nodes": 1, "rf": 1}], "commit_log_sync": "batch"})
    batch, group = (config(ClientSecurity(), sync) for sync in (topology.commit_log_sync, CommitLogSync.GROUP))
    assert batch["commitlog_sync"] == "batch" and "commitlog_sync_period" not in batch
    assert (group["commitlog_sync"], group["commitlog_sync_group_window"]) == ("group", "10ms")


def test_only_a_lone_replica_that_acknowledges_too_early_excuses_a_loss() -> None:
    dcs = (Dc(name="north", nodes=1, rf=1), Dc(name="south", nodes=3, rf=3))
    topology = Topology(dcs=dcs)
    assert "DC north keeps one replica" in (why_lost(topology, {"north", "south"}) or "")
    assert why_lost(topology, {"south"}) is None and why_lost(topology, set()) is None
    assert why_lost(Topology(dcs=dcs, commit_log_sync=CommitLogSync.BATCH), {"north"}) is None


def test_login_and_tls_are_off_unless_asked_for() -> None:
    plain = config(ClientSecurity())
    secured = config(ClientSecurity(password_login=True, keystore_pem=Path("/keys/node.pem")))

    assert plain["authenticator"] == "AllowAllAuthenticator"
    assert "client_encryption_options" not in plain
    assert secured["authenticator"] == "PasswordAuthenticator"
    assert '"optional": false' in json.dumps(secured["client_encryption_options"])


def test_the_class_path_is_the_locked_jars_and_nothing_else() -> None:
    jars = [Path("/cache/cassandra-all-5.jar"), Path("/cache/jamm-0.4.0.jar")]

    options = jvm_options(FOLDER, jars, size=SIZE, processors=2)

    class_path = options[options.index("-cp") + 1]
    assert class_path == "/runs/my first run/north-1/conf:/cache/cassandra-all-5.jar:/cache/jamm-0.4.0.jar"
    assert "-javaagent:/cache/jamm-0.4.0.jar" in options
    assert {"-Xms512m", "-Xmx512m", "-XX:MaxDirectMemorySize=256m"} <= set(options)


def test_an_argument_file_quotes_spaces_quotes_and_backslashes() -> None:
    assert argument_file(["-Da=b c", 'say "hi"', "c:\\x"]) == '"-Da=b c"\n"say \\"hi\\""\n"c:\\\\x"\n'
