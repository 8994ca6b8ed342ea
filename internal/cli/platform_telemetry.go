package cli

import (
	"context"
	"log/slog"
	"time"

	"tenantctl/internal/config"
	"tenantctl/internal/local"
	"tenantctl/internal/telemetry"
	"tenantctl/internal/telemetry/logs"
)

// collectorVariable names the collector where tenants.yaml doesn't. The others of OpenTelemetry's variables (headers, certificates, time
// limits) are read by its exporter.
const collectorVariable = "OTEL_EXPORTER_OTLP_ENDPOINT"

// collect opens what sends spans, where there is a collector.
func (f *Factory) collect(ctx context.Context, settings config.Platform, log *slog.Logger) (*telemetry.Collected, error) {
	endpoint := settings.Collector
	if endpoint == "" {
		endpoint, _ = f.env(collectorVariable)
	}
	ratio := 1.0
	if settings.Traced != nil {
		ratio = *settings.Traced
	}
	collected, err := telemetry.Open(ctx, telemetry.Options{Endpoint: endpoint, Ratio: ratio, Build: thisBuild().Version, Log: log})
	f.onClose(func(ctx context.Context) {
		if err := collected.Close(ctx); err != nil {
			log.WarnContext(ctx, "the last spans can't be sent", "error", err)
		}
	})
	return collected, err
}

// processItself names the lines of what all services of a process share.
const processItself = "platform"

// logOf is where a service of this process writes its lines.
func (p *platform) logOf(service string) *slog.Logger { return p.log.With(logs.KeyService, service) }

// serviceLog is where a process that goes on and on writes its lines: as JSON into its file among the logs and to standard error. A
// person at a terminal reads only what somebody should read, and finds the rest by `tenantctl logs`. A line that can't be written is
// lost: no request fails for that.
func (f *Factory) serviceLog(name string) *slog.Logger {
	s, _ := f.Settings() // checked before any command runs
	level := &slog.HandlerOptions{Level: s.Level, ReplaceAttr: readable}
	if !f.Streams.ErrTerminal {
		return slog.New(telemetry.Handler(f.kept(name, slog.NewJSONHandler(f.Streams.Err, level), level)))
	}
	shown := level
	if s.Level == slog.LevelInfo {
		shown = &slog.HandlerOptions{Level: slog.LevelWarn}
	}
	return slog.New(telemetry.Handler(f.kept(name, slog.NewTextHandler(f.Streams.Err, shown), level)))
}

// readable writes durations as people say them, in JSON, too.
func readable(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().Round(10 * time.Microsecond).String())
	}
	return a
}

// kept adds the file to what is shown. Where the folder is nobody's choice, doing without is better than not running.
func (f *Factory) kept(name string, shown slog.Handler, level *slog.HandlerOptions) slog.Handler {
	dir, err := f.logsDir()
	if err == nil && dir == "" {
		return shown
	}
	var file *logs.File
	if err == nil {
		file, err = logs.Create(dir, name, 0)
	}
	if err != nil {
		f.Warn("lines are written to standard error only, and `tenantctl logs` won't find them: %v", err)
		return shown
	}
	f.onClose(func(context.Context) { _ = file.Close() }) // nothing is buffered
	f.Tell("logs in %s; `tenantctl logs -f` follows them", dir)
	return slog.NewMultiHandler(shown, slog.NewJSONHandler(file, level))
}

// logsDir is where lines are kept; empty where none are.
func (f *Factory) logsDir() (string, error) {
	file, err := f.Config()
	if err != nil {
		return "", err
	}
	switch dir := file.Platform().Logs; dir {
	case "":
	case config.NoLogs:
		return "", nil
	default:
		return dir, nil
	}
	dir, err := f.StackDir()
	if err != nil {
		return "", err
	}
	return local.LogsDir(dir), nil
}
