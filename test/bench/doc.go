// Package bench measures what the product promises about speed and size against the programs that people would use otherwise,
// both sides in one run on servers of its own: make bench. docs/benchmarks.md keeps the last full run.
package bench
