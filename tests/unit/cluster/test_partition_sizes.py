"""What `sstablepartitions` prints, lines of its log in between."""

from loadtests.cluster.partition_sizes import StoredPartition, read_listing

HEAD = (
    "key,keyBinary,live,offset,size,rowCount,cellCount,tombstoneCount,rowTombstoneCount,rangeTombstoneCount,"
    "complexTombstoneCount,cellTombstoneCount,rowTtlExpired,cellTtlExpired,directory,keyspace,table,index,snapshot,backup,"
    "generation,format,version"
)
# as Cassandra 5.0.9 printed it
PRINTED = f"""18:05:58.040 [main] INFO org.apache.cassandra.config.DatabaseDescriptor -- Supported: [Data.db, Index.db, TOC.txt]
{HEAD}
18:05:58.272 [main] INFO org.apache.cassandra.io.sstable.format -- Opening /d/k/t-7e/da-1-bti (26.360KiB)
"2:202601",0008000000020004000317,true,0,8237,400,400,3,0,0,0,3,0,0,/d/k/t-7e/da-1-bti-Data.db,k,t,,,,1,bti,da
"3:202601",0008000000030004000317,true,10257,31270,1488,1488,0,0,0,0,0,0,0,/d/k/t-7e/da-1-bti-Data.db,k,t,,,,1,bti,da

"""


def test_partitions_are_read_from_between_the_lines_of_a_log() -> None:
    assert read_listing(PRINTED) == (
        StoredPartition(keyspace="k", table="t", key="2:202601", size_bytes=8_237, rows=400, tombstones=3),
        StoredPartition(keyspace="k", table="t", key="3:202601", size_bytes=31_270, rows=1_488, tombstones=0),
    )
    assert read_listing("nothing to read\n") == ()
