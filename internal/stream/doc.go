// Package stream reads one service's ordered schema migrations and brings a schema to a version of them.
//
// The file format, the version row and the advisory locks are golang-migrate's, and its engine decides what to run, so that its
// command line tool and this program can follow each other on one schema. What differs is the database driver underneath: a
// file that can run in a transaction is one message to the server (settings, lock, check of the version, body, version row,
// commit) and therefore never leaves a dirty version behind.
package stream
