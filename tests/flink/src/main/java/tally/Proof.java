/* Proof.java: runs each case in Flink, as a stream and as a record, and leaves its rows in files.
 *
 * A folder of the working folder is a case: flink.sql, as `tally explain --flink` prints it, and events, a message a line. Each mode gets a
 * folder in it: stream/VIEW.rows, record/VIEW.rows (RowsTable.java); a case that Flink refuses gets the file `error` there. */
package tally;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;
import org.apache.flink.table.catalog.Column;
import org.apache.flink.util.ExceptionUtils;

public final class Proof {
    private static final Pattern INSERT = Pattern.compile("INSERT INTO (\\S+)\\s+(SELECT.*?);", Pattern.DOTALL);

    private Proof() {}

    public static void main(String[] args) throws Exception {
        int jobs = Runtime.getRuntime().availableProcessors();
        ExecutorService threads = Executors.newFixedThreadPool(jobs);
        List<Future<?>> waiting = new ArrayList<>();

        try (Cluster cluster = new Cluster(jobs)) {
            for (Path folder : cases(Path.of(args[0]))) {
                waiting.add(threads.submit(() -> runCase(cluster, folder)));
            }
            for (Future<?> one : waiting) {
                one.get();
            }
        } finally {
            threads.shutdown();
        }
    }

    private static List<Path> cases(Path work) throws IOException {
        try (Stream<Path> folders = Files.list(work)) {
            return folders.filter(folder -> Files.exists(folder.resolve("flink.sql"))).sorted().toList();
        }
    }

    private static Void runCase(Cluster cluster, Path folder) throws IOException {
        for (String mode : List.of("stream", "record")) {
            Path out = Files.createDirectories(folder.resolve(mode));

            try {
                runScript(cluster, folder, out, mode.equals("record"));
            } catch (Throwable e) { /* NoClassDefFoundError and its like too: the next case goes on */
                Files.writeString(out.resolve("error"), reasons(e));
            }
        }
        return null;
    }

    private static void runScript(Cluster cluster, Path folder, Path out, boolean record) throws Exception {
        StreamTableEnvironment tables = StreamTableEnvironment.create(cluster.environment(),
                EnvironmentSettings.newInstance().inStreamingMode().build());
        String script = Files.readString(folder.resolve("flink.sql")).replace("'connector' = 'print'", "'connector' = 'rows'");

        tables.getConfig().set("table.optimizer.agg-phase-strategy", "ONE_PHASE"); /* one phase judges lateness row by row */
        tables.getConfig().set(EventsTable.EVENTS, folder.resolve("events").toString());
        tables.getConfig().set(EventsTable.RECORD, record);
        tables.getConfig().set(RowsTable.ROWS, out.toString());
        for (String statement : Script.statements(script)) {
            if (Script.isJob(statement)) {
                checkTypes(tables, statement);
                tables.executeSql(statement).await(10, TimeUnit.MINUTES); /* a job that hangs fails alone */
            } else {
                Script.prepare(tables, statement);
            }
        }
    }

    /* A sink's columns must have the types that Flink derives for its SELECT: an INSERT would cast them and hide a difference. */
    private static void checkTypes(StreamTableEnvironment tables, String set) {
        Matcher insert = INSERT.matcher(set);

        while (insert.find()) {
            List<Column> wanted = tables.sqlQuery(insert.group(2)).getResolvedSchema().getColumns();
            List<Column> given = tables.from(insert.group(1)).getResolvedSchema().getColumns();

            for (int i = 0; i < wanted.size(); i++) {
                String type = typeName(wanted.get(i));

                if (!type.equals(typeName(given.get(i)))) {
                    throw new ValidationException("%s.%s is %s in Flink, and %s in the script".formatted(insert.group(1),
                            given.get(i).getName(), type, typeName(given.get(i))));
                }
            }
        }
    }

    /* What an event time and a literal text are called beside their type says nothing of their values. */
    private static String typeName(Column column) {
        return column.getDataType().getLogicalType().copy(true).asSummaryString()
                .replaceFirst(" \\*ROWTIME\\*$", "")
                .replaceFirst("^CHAR\\(\\d+\\)$|^VARCHAR\\(\\d+\\)$", "STRING");
    }

    private static String reasons(Throwable e) {
        StringBuilder text = new StringBuilder();
        String last = "";

        for (Throwable at = e; at != null; at = at.getCause()) {
            String reason = String.valueOf(at.getMessage());

            if (!reason.equals(last)) {
                text.append(at.getClass().getSimpleName()).append(": ").append(reason).append('\n');
            }
            last = reason;
        }
        return text + "\n" + ExceptionUtils.stringifyException(e);
    }
}
