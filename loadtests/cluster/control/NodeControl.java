import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;

import org.apache.cassandra.service.StorageService;

/**
 * The clock of a node of the bench (-Dcassandra.clock), and its ear for orders: FOLDER/control/NUMBER.order holds a verb and its
 * arguments; what came of it stands in NUMBER.answer, after "ok" or "failed". Files need no port that others could reach.
 */
public final class NodeControl implements org.apache.cassandra.utils.Clock {
    private static final int MEBIBYTE = 1 << 20;
    private static final long LOOK_EVERY_MS = 50;
    private static final Set<String> LONG = Set.of("decommission", "repair"); // minutes: each has a thread of its own
    private static volatile long skewMillis;
    private static volatile byte[][] held = {};

    static {
        Path folder = Path.of(System.getProperty("meterstorm.folder"), "control");
        start("node-control", () -> listen(folder));
    }

    @Override
    public long currentTimeMillis() {
        return System.currentTimeMillis() + skewMillis;
    }

    @Override
    public long nanoTime() {
        return System.nanoTime(); // waits and time-outs are by this one, and go on as they should
    }

    private static void start(String name, Runnable work) {
        Thread thread = new Thread(work, name);
        thread.setDaemon(true);
        thread.start();
    }

    private static void listen(Path folder) {
        while (true) {
            try {
                for (int number : given(folder)) {
                    Path order = folder.resolve(number + ".order");
                    String[] words = Files.readString(order).trim().split(" ");
                    Files.delete(order);
                    if (LONG.contains(words[0])) {
                        start("order-" + number, () -> answer(folder, number, words));
                    } else {
                        answer(folder, number, words); // here: one that undoes another must not come before it
                    }
                }
                Thread.sleep(LOOK_EVERY_MS);
            } catch (IOException error) {
                System.err.println("node control: " + error);
                pause();
            } catch (InterruptedException end) {
                return;
            }
        }
    }

    /** The numbers of the orders that wait, in the order in which they were given. */
    private static int[] given(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString())
                    .filter(name -> name.endsWith(".order"))
                    .mapToInt(name -> Integer.parseInt(name.replace(".order", "")))
                    .sorted()
                    .toArray();
        }
    }

    private static void pause() {
        try {
            Thread.sleep(LOOK_EVERY_MS);
        } catch (InterruptedException end) {
            Thread.currentThread().interrupt();
        }
    }

    private static void answer(Path folder, int number, String[] words) {
        String said;
        try {
            said = "ok " + carryOut(words);
        } catch (Exception error) {
            said = "failed " + error;
        }
        try {
            Path draft = folder.resolve(number + ".draft");
            Files.writeString(draft, said);
            Files.move(draft, folder.resolve(number + ".answer"), StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException error) {
            System.err.println("node control: " + error);
        }
    }

    private static String carryOut(String[] words) throws Exception {
        switch (words[0]) {
            case "skew":
                skewMillis = Long.parseLong(words[1]);
                return "";
            case "hold":
                return hold(Double.parseDouble(words[1]));
            case "decommission":
                StorageService.instance.decommission(true); // Cassandra's own keyspaces ask for three nodes; ours was checked
                return "";
            case "repair":
                return repair(words[1]);
            default:
                throw new IllegalArgumentException("no such order: " + words[0]);
        }
    }

    /** Keep a share of the heap from everybody else; a share of 0 gives all back. */
    private static String hold(double share) {
        held = new byte[0][];
        byte[][] taken = new byte[(int) (share * Runtime.getRuntime().maxMemory() / MEBIBYTE)][];
        for (int index = 0; index < taken.length; index++) {
            taken[index] = new byte[MEBIBYTE];
        }
        held = taken;
        return held.length + " MiB";
    }

    /** A full repair of all ranges that the node holds, to its end. */
    private static String repair(String keyspace) throws Exception {
        Map<String, String> options = new HashMap<>();
        options.put("incremental", "false");
        options.put("primaryRange", "false");
        options.put("parallelism", "parallel");
        int command = StorageService.instance.repairAsync(keyspace, options);
        if (command == 0) {
            return "nothing to repair"; // one replica of all
        }
        while (true) {
            List<String> status = StorageService.instance.getParentRepairStatus(command);
            if (status != null && !status.get(0).equals("IN_PROGRESS")) {
                if (!status.get(0).equals("COMPLETED")) {
                    throw new IllegalStateException(String.join(" ", status));
                }
                return String.join(" ", status);
            }
            Thread.sleep(LOOK_EVERY_MS);
        }
    }
}
