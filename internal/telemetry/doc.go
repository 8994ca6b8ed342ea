// Package telemetry follows one request through services, queues and jobs: by W3C trace context in headers, rows and messages, by
// spans for a collector (OpenTelemetry, OTLP over HTTP), and by what every log line says of whose it is.
//
// Ids are made and handed on whether anybody collects spans or not: they lead from line to line in the logs, too. This is the one
// room that knows OpenTelemetry.
package telemetry
