// Package logs keeps the services' lines in files of bounded size, and reads them: in one order of time across files and services,
// over rotations, with whatever else stands between the lines.
//
// A line is a JSON object as log/slog writes it: time, level, msg, and service, tenant, trace and span where there are such.
package logs
