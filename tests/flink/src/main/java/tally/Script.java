/* Script.java: a script as `tally explain --flink` prints it: settings, tables, and all INSERTs as one statement set, which is a job. */
package tally;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.flink.table.api.TableEnvironment;

final class Script {
    private static final Pattern SET = Pattern.compile("SET\\s+'((?:[^']|'')*)'\\s*=\\s*'((?:[^']|'')*)'");
    private static final Pattern SET_END = Pattern.compile(";\\s*END$");

    private Script() {}

    static boolean isJob(String statement) {
        return statement.startsWith("EXECUTE");
    }

    /* A setting or a table: whatever is not the job. */
    static void prepare(TableEnvironment tables, String statement) {
        Matcher set = SET.matcher(statement);

        if (set.matches()) { /* executeSql takes no SET: it is the client's */
            tables.getConfig().set(set.group(1).replace("''", "'"), set.group(2).replace("''", "'"));
        } else {
            tables.executeSql(statement);
        }
    }

    /* Splits a script at its semicolons; the INSERTs of a statement set stay together. Comments are left out. */
    static List<String> statements(String script) {
        List<String> statements = new ArrayList<>();
        StringBuilder one = new StringBuilder();

        for (int i = 0; i < script.length(); i++) {
            char c = script.charAt(i);
            int end = i;

            if (script.startsWith("--", i)) {
                end = script.indexOf('\n', i);
                i = end < 0 ? script.length() : end;
                one.append('\n');
            } else if (script.startsWith("/*", i)) {
                i = script.indexOf("*/", i + 2) + 1;
                one.append(' ');
            } else if (c == '\'' || c == '`') {
                end = script.indexOf(c, i + 1); /* a doubled quote is the end of one text and the start of another */
                one.append(script, i, end + 1);
                i = end;
            } else if (c == ';' && !isOpenSet(one)) {
                if (!one.toString().isBlank()) {
                    statements.add(one.toString().strip());
                }
                one.setLength(0);
            } else {
                one.append(c);
            }
        }
        return statements;
    }

    private static boolean isOpenSet(CharSequence text) {
        String statement = text.toString().strip();

        return statement.startsWith("EXECUTE STATEMENT SET") && !SET_END.matcher(statement).find();
    }
}
