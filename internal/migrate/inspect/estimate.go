package inspect

import "time"

const (
	// assumedRate is what a move copies, proves and indexes on modest hardware, in bytes of tables a second.
	assumedRate = 60 << 20
	// assumedPerObject is what a table, view or sequence costs besides its rows: definitions, locks, round trips.
	assumedPerObject = 10 * time.Millisecond
)

// Estimate guesses how long the rows of a catalog take from one server to another, at 60 MB/s of table size and 10 ms for each
// table, view and sequence. A slow network or disk makes it longer; the progress of the move knows better.
func Estimate(c *Catalog) time.Duration {
	var bytes int64
	for _, t := range c.Tables {
		bytes += t.Bytes
	}
	objects := len(c.Tables) + len(c.Views) + len(c.MatViews) + len(c.Sequences)
	copying := time.Duration(float64(bytes) / assumedRate * float64(time.Second))
	return (copying + time.Duration(objects)*assumedPerObject).Round(time.Second) + time.Second
}
