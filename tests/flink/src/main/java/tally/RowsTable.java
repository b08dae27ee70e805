/* RowsTable.java: what a view gave, as a file: a line of its columns, [name, type], then each row as a JSON array.
 *
 * Takes insertions alone, so Flink refuses a view that would take rows back. Times are RFC 3339 with milliseconds and Z; a TIMESTAMP,
 * which has no zone, is written as if it were UTC. A DOUBLE that is no number is a text. */
package tally;

import java.io.IOException;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ConfigOptions;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.flink.table.connector.ChangelogMode;
import org.apache.flink.table.connector.sink.DynamicTableSink;
import org.apache.flink.table.connector.sink.SinkV2Provider;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.factories.DynamicTableSinkFactory;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.RowType;
import org.apache.flink.table.types.logical.utils.LogicalTypeChecks;

public final class RowsTable implements DynamicTableSinkFactory {
    /* A setting that the runner makes for each job: the folder of the files. */
    static final ConfigOption<String> ROWS = ConfigOptions.key("tally-proof.rows").stringType().noDefaultValue();

    @Override
    public String factoryIdentifier() {
        return "rows";
    }

    @Override
    public Set<ConfigOption<?>> requiredOptions() {
        return Set.of();
    }

    @Override
    public Set<ConfigOption<?>> optionalOptions() {
        return Set.of();
    }

    @Override
    public DynamicTableSink createDynamicTableSink(Context context) {
        String view = context.getObjectIdentifier().getObjectName();

        return new Table(new File(context.getConfiguration().get(ROWS) + "/" + view + ".rows",
                (RowType) context.getPhysicalRowDataType().getLogicalType()));
    }

    private record Table(File file) implements DynamicTableSink {
        @Override
        public ChangelogMode getChangelogMode(ChangelogMode wanted) {
            return ChangelogMode.insertOnly();
        }

        @Override
        public SinkRuntimeProvider getSinkRuntimeProvider(Context context) {
            return SinkV2Provider.of(file, 1);
        }

        @Override
        public DynamicTableSink copy() {
            return this;
        }

        @Override
        public String asSummaryString() {
            return "rows";
        }
    }

    private record File(String path, RowType type) implements Sink<RowData> {
        @Override
        public SinkWriter<RowData> createWriter(WriterInitContext context) throws IOException {
            return new Lines(path, type);
        }
    }

    private static final class Lines implements SinkWriter<RowData> {
        private static final ObjectMapper JSON = new ObjectMapper();
        private static final DateTimeFormatter TIME =
                DateTimeFormatter.ofPattern("uuuu-MM-dd'T'HH:mm:ss.SSS'Z'").withZone(ZoneOffset.UTC);

        private final List<LogicalType> types;
        private final Writer out;

        Lines(String path, RowType type) throws IOException {
            List<List<String>> head = new ArrayList<>();

            for (RowType.RowField field : type.getFields()) {
                head.add(List.of(field.getName(), field.getType().asSummaryString()));
            }
            types = type.getChildren();
            out = Files.newBufferedWriter(Path.of(path), StandardCharsets.UTF_8);
            out.write(JSON.writeValueAsString(head) + "\n");
        }

        @Override
        public void write(RowData row, Context context) throws IOException {
            List<Object> values = new ArrayList<>();

            for (int i = 0; i < types.size(); i++) {
                values.add(row.isNullAt(i) ? null : value(row, i, types.get(i)));
            }
            out.write(JSON.writeValueAsString(values) + "\n");
        }

        private static Object value(RowData row, int i, LogicalType type) {
            return switch (type.getTypeRoot()) {
                case BOOLEAN -> row.getBoolean(i);
                case TINYINT -> row.getByte(i);
                case SMALLINT -> row.getShort(i);
                case INTEGER -> row.getInt(i);
                case BIGINT -> row.getLong(i);
                case FLOAT -> row.getFloat(i);
                case DOUBLE -> row.getDouble(i);
                case CHAR, VARCHAR -> row.getString(i).toString();
                case TIMESTAMP_WITHOUT_TIME_ZONE, TIMESTAMP_WITH_LOCAL_TIME_ZONE -> TIME.format(Instant.ofEpochMilli(
                        row.getTimestamp(i, LogicalTypeChecks.getPrecision(type)).getMillisecond()));
                default -> throw new IllegalArgumentException("a column of type " + type.asSummaryString());
            };
        }

        @Override
        public void flush(boolean endOfInput) {}

        @Override
        public void close() throws IOException {
            out.close();
        }
    }
}
