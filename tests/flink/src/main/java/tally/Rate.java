/* Rate.java: how long a warm Flink takes for scripts, each one job from its start to its end; planning it is not counted.
 *
 * Rate PARALLELISM SCRIPT...      runs all of them once, and then once more with the clock; prints "seconds=1.2345 script=PATH" a line
 *
 * Flink as it is at its best: objects are reused, there are no checkpoints, and state lies on the heap. */
package tally;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import org.apache.flink.configuration.PipelineOptions;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;

public final class Rate {
    private Rate() {}

    public static void main(String[] args) throws Exception {
        int parallelism = Integer.parseInt(args[0]);
        List<String> scripts = Arrays.asList(args).subList(1, args.length);

        try (Cluster cluster = new Cluster(parallelism)) {
            for (String script : scripts) {
                seconds(cluster, parallelism, script);
            }
            for (String script : scripts) {
                System.out.printf(Locale.ROOT, "seconds=%.4f script=%s%n", seconds(cluster, parallelism, script), script);
            }
        }
    }

    private static double seconds(Cluster cluster, int parallelism, String script) throws Exception {
        StreamExecutionEnvironment env = cluster.environment();
        double seconds = 0;

        env.setMaxParallelism(128); /* Flink's own default */
        env.setParallelism(parallelism);
        StreamTableEnvironment tables =
                StreamTableEnvironment.create(env, EnvironmentSettings.newInstance().inStreamingMode().build());

        tables.getConfig().set(PipelineOptions.OBJECT_REUSE, true);
        for (String statement : Script.statements(Files.readString(Path.of(script)))) {
            if (Script.isJob(statement)) {
                JobClient job = tables.executeSql(statement).getJobClient().orElseThrow();

                seconds += job.getJobExecutionResult().get().getNetRuntime(TimeUnit.MILLISECONDS) / 1e3;
            } else {
                Script.prepare(tables, statement);
            }
        }
        return seconds;
    }
}
