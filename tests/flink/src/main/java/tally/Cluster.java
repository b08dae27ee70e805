/* Cluster.java: one local Flink for all jobs: starting one for each would take longer than the jobs. */
package tally;

import org.apache.flink.api.common.JobID;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.MemorySize;
import org.apache.flink.configuration.RestartStrategyOptions;
import org.apache.flink.configuration.TaskManagerOptions;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.runtime.minicluster.MiniCluster;
import org.apache.flink.runtime.minicluster.MiniClusterConfiguration;
import org.apache.flink.runtime.minicluster.MiniClusterJobClient;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.graph.StreamGraph;

final class Cluster implements AutoCloseable {
    private final MiniCluster cluster;

    /* Runs `jobs` jobs at a time. */
    Cluster(int jobs) throws Exception {
        Configuration settings = new Configuration();

        settings.set(TaskManagerOptions.MANAGED_MEMORY_SIZE, MemorySize.ofMebiBytes(256L * jobs));
        settings.set(TaskManagerOptions.NETWORK_MEMORY_MIN, MemorySize.ofMebiBytes(256));
        settings.set(TaskManagerOptions.NETWORK_MEMORY_MAX, MemorySize.ofMebiBytes(256));
        cluster = new MiniCluster(new MiniClusterConfiguration.Builder()
                .setConfiguration(settings)
                .withRandomPorts()
                .setNumTaskManagers(1)
                .setNumSlotsPerTaskManager(jobs)
                .build());
        cluster.start();
    }

    /* An environment whose jobs run here, each on one thread: parallelism 1, no restarts. */
    StreamExecutionEnvironment environment() {
        Configuration settings = new Configuration();

        settings.set(RestartStrategyOptions.RESTART_STRATEGY, "none");
        StreamExecutionEnvironment env = new StreamExecutionEnvironment(settings) {
            @Override
            public JobClient executeAsync(StreamGraph graph) throws Exception {
                graph.setJobId(JobID.generate());
                graph.serializeUserDefinedInstances();
                return cluster.submitJob(graph)
                        .thenApply(submitted -> new MiniClusterJobClient(submitted.getJobID(), cluster,
                                Cluster.class.getClassLoader(), MiniClusterJobClient.JobFinalizationBehavior.NOTHING))
                        .get();
            }
        };

        env.setParallelism(1);
        env.setMaxParallelism(1);
        return env;
    }

    @Override
    public void close() throws Exception {
        cluster.close();
    }
}
