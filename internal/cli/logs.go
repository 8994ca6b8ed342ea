package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tenantctl/internal/cli/output"
	"tenantctl/internal/cli/terminal"
	"tenantctl/internal/config"
	"tenantctl/internal/platform/bus"
	"tenantctl/internal/telemetry/logs"
	"tenantctl/internal/tenant"
)

type logsOptions struct {
	Factory  *Factory
	Services []string
	Files    []string // "-" is standard input
	Trace    string
	Tenant   string
	Level    string
	Since    time.Duration
	Limit    int
	Follow   bool
}

// operatorService names the operator's lines.
const operatorService = "operator"

func newCmdLogs(f *Factory, runF func(context.Context, *logsOptions) error) *cobra.Command {
	opts := &logsOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "logs [SERVICE|FILE|-]...",
		Short: "Read the services' logs, by trace, tenant and level",
		Long: `Read what the services and the operator have written, by time over all processes, and follow it with -f. Each line says its service, and its
tenant and trace where there are such: the trace of a request leads through every service, queue and job that it set to work, to the mail
that came of it. The header X-Trace-Id of an answer, and of a mail, names it.

Processes of this machine keep their lines in the folder platform.logs of tenants.yaml. Others' can be given as files, or piped in: what
isn't JSON between them is shown as it is, unless one trace, tenant or service is asked for.`,
		Example: `  tenantctl logs -f
  tenantctl logs core auth --level warn --since 1h
  tenantctl logs --trace 0af7651916cd43dd8448eb211c80319c
  kubectl logs -l app=tenantctl --tail=-1 | tenantctl logs - --tenant client-x`,
		Args: func(cmd *cobra.Command, args []string) error { return opts.check(cmd, args) },
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runLogs(cmd.Context(), opts)
		},
	}
	flags := cmd.Flags()
	flags.BoolVarP(&opts.Follow, "follow", "f", false, "go on with new lines until interrupted")
	flags.String(config.OptionFile, defaultOf(config.OptionFile), "tenants.yaml, or a folder of such files (here without -f)")
	flags.StringVar(&opts.Trace, "trace", "", "only lines of this trace: its id, or the first digits of it")
	flags.StringVar(&opts.Tenant, "tenant", "", "only lines of this tenant")
	flags.StringVar(&opts.Level, "level", "", "only lines of this level or a graver one: debug, info, warn or error")
	flags.DurationVar(&opts.Since, "since", 0, "only lines younger than this, such as 90m or 24h")
	flags.IntVar(&opts.Limit, "limit", defaultLines, "at most so many of the newest; 0 for all")
	return cmd
}

const defaultLines = 1000

var tracePattern = regexp.MustCompile(`^[0-9a-f]{4,32}$`)

func (o *logsOptions) check(cmd *cobra.Command, args []string) error {
	o.Services, o.Files = nil, nil
	for _, arg := range args {
		switch {
		case arg == "-" || strings.ContainsAny(arg, "./"):
			o.Files = append(o.Files, arg)
		case slices.Contains(writers(), arg):
			o.Services = append(o.Services, arg)
		default:
			return usageError(cmd, "the services are: "+strings.Join(writers(), ", ")+"; a file has a / or a dot in its name: ./"+arg, "no service %q", arg)
		}
	}
	if o.Trace != "" && !tracePattern.MatchString(o.Trace) {
		return usageError(cmd, "it looks like 0af7651916cd43dd8448eb211c80319c", "--trace: %q is no trace", o.Trace)
	}
	if _, err := o.level(); err != nil {
		return usageError(cmd, "one of debug, info, warn, error", "--level: %q is none", o.Level)
	}
	if cmd.Flags().Changed("limit") && slices.Contains(o.Files, "-") {
		return usageError(cmd, "put `tail` before the pipe", "--limit: what is piped in is shown as it comes")
	}
	if o.Since < 0 || o.Limit < 0 {
		return usageError(cmd, "", "--since and --limit can't be less than 0")
	}
	if o.Tenant == "" {
		return nil
	}
	_, err := tenant.ParseName(o.Tenant)
	return err
}

// writers are those who name themselves in lines.
func writers() []string { return append(allServices(), bus.Service, operatorService, processItself) }

func (o *logsOptions) level() (slog.Leveler, error) {
	if o.Level == "" {
		return nil, nil
	}
	var level slog.Level
	err := level.UnmarshalText([]byte(o.Level))
	return level, err
}

func runLogs(ctx context.Context, opts *logsOptions) error {
	f := opts.Factory
	sources, from, err := opts.sources()
	if err != nil {
		return err
	}
	level, _ := opts.level() // was checked
	q := logs.Query{Services: opts.Services, Tenant: opts.Tenant, Trace: opts.Trace, Level: level, Last: opts.Limit}
	if opts.Since > 0 {
		q.Since = f.now().Add(-opts.Since)
	}
	if slices.Contains(opts.Files, "-") {
		q.Last = 0 // a pipe may go on for ever
	}
	read := logs.Open(sources...).Lines
	if opts.Follow {
		read = logs.Open(sources...).Follow
	}
	p, count := f.Printer(), 0
	for line, err := range read(ctx, q) {
		if err != nil {
			return err
		}
		count++
		if err := opts.print(p, line); err != nil {
			return err
		}
	}
	if count == 0 && !opts.Follow {
		f.Tell("no such lines in %s", from)
	}
	return silent(ctx.Err()) // the end that was asked for
}

func (o *logsOptions) sources() (list []logs.Source, from string, err error) {
	for _, name := range o.Files {
		if name == "-" {
			list = append(list, logs.Stream(o.Factory.Streams.In))
			continue
		}
		list = append(list, logs.Path(name))
	}
	if len(list) > 0 {
		return list, strings.Join(o.Files, ", "), nil
	}
	dir, err := o.Factory.logsDir()
	if err != nil {
		return nil, "", err
	}
	if dir == "" {
		return nil, "", tenant.WithHint(fmt.Errorf("no lines are kept on this machine: platform.logs is %q: %w", config.NoLogs, tenant.ErrNotFound),
			"pipe in what collects the services' standard error: kubectl logs ... | tenantctl logs -")
	}
	return []logs.Source{logs.Folder(dir)}, dir, nil
}

// print writes a line. For programs it is the object that was written; what was none is its msg.
func (o *logsOptions) print(p output.Printer, line logs.Line) error {
	var value any = rawLine(line.Raw)
	if line.Raw == nil {
		value = map[string]string{logs.KeyMessage: line.Message}
	}
	return p.Line("LogLine", value, output.View{Table: func(w io.Writer) error {
		_, err := io.WriteString(w, o.text(p, line)+"\n")
		return err
	}})
}

// rawLine is an object as it stands in a log.
type rawLine []byte

// MarshalJSON implements json.Marshaler.
func (l rawLine) MarshalJSON() ([]byte, error) { return l, nil }

// text is a line for people: when, how grave, who, for whom, what. The trace is left out where it was asked for.
func (o *logsOptions) text(p output.Printer, line logs.Line) string {
	if line.Raw == nil {
		return printable(line.Message)
	}
	paint := func(style terminal.Style, text string) string {
		if !p.Color || style == terminal.Plain {
			return text
		}
		return style.Paint(text)
	}
	var rest strings.Builder
	for _, a := range line.Others {
		rest.WriteString(" " + printable(a.Key) + "=" + quotedWhereNeeded(a.Value))
	}
	if line.Trace != "" && len(o.Trace) < len(line.Trace) {
		rest.WriteString(" trace=" + printable(line.Trace))
	}
	who := line.Tenant
	if who == "" {
		who = "-"
	}
	return fmt.Sprintf("%s %s %-13s %-12s %s%s", line.Time.Local().Format("2006-01-02 15:04:05.000"), paint(gravity(line.Level), fmt.Sprintf("%-5s", line.Level)),
		printable(line.Service), printable(who), printable(line.Message), paint(terminal.Dim, rest.String()))
}

func gravity(level slog.Level) terminal.Style {
	switch {
	case level >= slog.LevelError:
		return terminal.Red
	case level >= slog.LevelWarn:
		return terminal.Yellow
	}
	return terminal.Plain
}

// printable keeps what a client sent from talking to the terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, text)
}

func quotedWhereNeeded(text string) string {
	if text == "" || strings.ContainsAny(text, " \"=\n\t") || printable(text) != text {
		return strconv.Quote(text)
	}
	return text
}
