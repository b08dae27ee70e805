/* EventsTable.java: the events of a case as a table, in place of the Kafka connector.
 *
 * It answers to 'connector' = 'kafka', so a views file's CREATE TABLE is taken as it is: the topic is a file of messages, a line each, and
 * Flink's own format reads them. The watermark is pushed down as into Kafka's source; tables say 'scan.watermark.emit.strategy' = 'on-event',
 * so that it follows each event and not the clock. One reader of one list is one partition.
 *
 * In the mode "record" the events come in the order of their times, those of equal time in the order of arrival, and no watermark comes
 * before the end of input, so that nothing is late: what batch makes of a record. */
package tally;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import org.apache.flink.api.common.eventtime.Watermark;
import org.apache.flink.api.common.eventtime.WatermarkGenerator;
import org.apache.flink.api.common.eventtime.WatermarkOutput;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ConfigOptions;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.metrics.groups.UnregisteredMetricsGroup;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.operators.source.TimestampsAndWatermarksContext;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.connector.ChangelogMode;
import org.apache.flink.table.connector.ProviderContext;
import org.apache.flink.table.connector.format.DecodingFormat;
import org.apache.flink.table.connector.source.DataStreamScanProvider;
import org.apache.flink.table.connector.source.DynamicTableSource;
import org.apache.flink.table.connector.source.ScanTableSource;
import org.apache.flink.table.connector.source.abilities.SupportsWatermarkPushDown;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.factories.DeserializationFormatFactory;
import org.apache.flink.table.factories.DynamicTableSourceFactory;
import org.apache.flink.table.factories.FactoryUtil;
import org.apache.flink.table.types.DataType;
import org.apache.flink.table.watermark.WatermarkEmitStrategy;
import org.apache.flink.util.Collector;
import org.apache.flink.util.SimpleUserCodeClassLoader;
import org.apache.flink.util.UserCodeClassLoader;
import org.apache.flink.util.clock.SystemClock;

public final class EventsTable implements DynamicTableSourceFactory {
    /* Settings that the runner makes for each job. */
    static final ConfigOption<String> EVENTS = ConfigOptions.key("tally-proof.events").stringType().noDefaultValue();
    static final ConfigOption<Boolean> RECORD = ConfigOptions.key("tally-proof.record").booleanType().noDefaultValue();

    @Override
    public String factoryIdentifier() {
        return "kafka";
    }

    @Override
    public Set<ConfigOption<?>> requiredOptions() {
        return Set.of();
    }

    @Override
    public Set<ConfigOption<?>> optionalOptions() {
        return Set.of();
    }

    /* Kafka's own options are many and mean nothing here, so the helper does not check for unknown ones. */
    @Override
    public DynamicTableSource createDynamicTableSource(Context context) {
        FactoryUtil.TableFactoryHelper helper = FactoryUtil.createTableFactoryHelper(this, context);

        if (helper.getOptions().get(FactoryUtil.WATERMARK_EMIT_STRATEGY) != WatermarkEmitStrategy.ON_EVENT) {
            throw new ValidationException("add 'scan.watermark.emit.strategy' = 'on-event': else the clock decides what is late");
        }
        return new Source(helper.discoverDecodingFormat(DeserializationFormatFactory.class, FactoryUtil.FORMAT),
                context.getPhysicalRowDataType(), Path.of(context.getConfiguration().get(EVENTS)),
                context.getConfiguration().get(RECORD));
    }

    private static final class Source implements ScanTableSource, SupportsWatermarkPushDown {
        private final DecodingFormat<DeserializationSchema<RowData>> format;
        private final DataType type;
        private final Path file;
        private final boolean record;
        private WatermarkStrategy<RowData> watermarks = WatermarkStrategy.noWatermarks();

        Source(DecodingFormat<DeserializationSchema<RowData>> format, DataType type, Path file, boolean record) {
            this.format = format;
            this.type = type;
            this.file = file;
            this.record = record;
        }

        @Override
        public void applyWatermark(WatermarkStrategy<RowData> strategy) {
            watermarks = strategy;
        }

        @Override
        public ChangelogMode getChangelogMode() {
            return ChangelogMode.insertOnly();
        }

        @Override
        public DynamicTableSource copy() {
            Source copy = new Source(format, type, file, record);

            copy.watermarks = watermarks;
            return copy;
        }

        @Override
        public String asSummaryString() {
            return "events";
        }

        @Override
        public ScanRuntimeProvider getScanRuntimeProvider(ScanContext context) {
            DeserializationSchema<RowData> schema = format.createRuntimeDecoder(context, type);
            TypeInformation<RowData> rowType = context.createTypeInformation(type);

            return new DataStreamScanProvider() {
                @Override
                public DataStream<RowData> produceDataStream(ProviderContext provider, StreamExecutionEnvironment env) {
                    List<RowData> rows = read(schema);

                    if (!record) {
                        return env.fromData(rows, rowType).assignTimestampsAndWatermarks(watermarks);
                    }
                    return env.fromData(inOrderOfTime(rows), rowType);
                }

                @Override
                public boolean isBounded() {
                    return true;
                }
            };
        }

        private List<RowData> read(DeserializationSchema<RowData> schema) {
            List<RowData> rows = new ArrayList<>();
            Collector<RowData> collector = new Collector<>() {
                @Override
                public void collect(RowData row) {
                    rows.add(row);
                }

                @Override
                public void close() {}
            };

            try {
                schema.open(new DeserializationSchema.InitializationContext() {
                    @Override
                    public MetricGroup getMetricGroup() {
                        return new UnregisteredMetricsGroup();
                    }

                    @Override
                    public UserCodeClassLoader getUserCodeClassLoader() {
                        return SimpleUserCodeClassLoader.create(EventsTable.class.getClassLoader());
                    }
                });
                for (String line : Files.readAllLines(file, StandardCharsets.UTF_8)) {
                    schema.deserialize(line.getBytes(StandardCharsets.UTF_8), collector);
                }
            } catch (Exception e) {
                throw new IllegalStateException("cannot read " + file, e);
            }
            return rows;
        }

        /* The watermark of a row alone is its time less the delay, which gives the same order. */
        private List<RowData> inOrderOfTime(List<RowData> rows) {
            record Timed(RowData row, long time) {}
            List<Timed> timed = new ArrayList<>();

            for (RowData row : rows) {
                timed.add(new Timed(row, watermarkOf(row)));
            }
            timed.sort(Comparator.comparingLong(Timed::time)); /* stable */
            return timed.stream().map(Timed::row).toList();
        }

        private long watermarkOf(RowData row) {
            WatermarkGenerator<RowData> generator = watermarks.createWatermarkGenerator(
                    new TimestampsAndWatermarksContext(new UnregisteredMetricsGroup(), SystemClock.getInstance()));
            long[] time = {Long.MIN_VALUE};

            generator.onEvent(row, Long.MIN_VALUE, new WatermarkOutput() {
                @Override
                public void emitWatermark(Watermark watermark) {
                    time[0] = watermark.getTimestamp();
                }

                @Override
                public void markIdle() {}

                @Override
                public void markActive() {}
            });
            return time[0];
        }
    }
}
