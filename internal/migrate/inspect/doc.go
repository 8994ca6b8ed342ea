// Package inspect reads a legacy database before anything is touched: what is in it (Catalog) and everything that could break
// its move (Findings). It writes nothing to the legacy database.
package inspect
