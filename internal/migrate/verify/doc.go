// Package verify proves that two sides hold the same rows: counts and 128-bit sums over every row in the form in which COPY sends it,
// both read while neither side changes. Where they differ it descends to the keys.
package verify
