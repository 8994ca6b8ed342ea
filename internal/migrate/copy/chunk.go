package copy

import (
	"fmt"
	"sort"
)

// Chunk is the rows of a table that lie in a range of heap pages: what one transaction of the target takes.
type Chunk struct {
	Number int
	Of     int   // how many the table has
	From   int64 // first page
	To     int64 // first page after it; 0: to the end, however far that is
}

// DefaultChunkBytes is how much of a table one transaction takes: little enough to be lost at a crash, to keep other tenants'
// replication slots from spilling, and to divide well among a few streams (of 650 MB in five chunks, two streams take three and
// two); enough that its commit doesn't count.
const DefaultChunkBytes = 32 << 20

// tidRangeScan is the first PostgreSQL version that reads a range of pages without reading the pages before it.
const tidRangeScan = 140000

// Chunks divides a table into chunks of about so many bytes; 0 means DefaultChunkBytes. A server without range scans over ctid gets one chunk: more would each read the whole table.
func (t Table) Chunks(chunkBytes int64, sourceVersion int) []Chunk {
	if chunkBytes <= 0 {
		chunkBytes = DefaultChunkBytes
	}
	if t.Source.Pages <= 1 || t.Source.Bytes <= chunkBytes || sourceVersion < tidRangeScan {
		return []Chunk{{Number: 0, Of: 1}}
	}
	perPage := max(t.Source.Bytes/t.Source.Pages, 1)
	pages := max(chunkBytes/perPage, 1)
	count := int((t.Source.Pages + pages - 1) / pages)
	chunks := make([]Chunk, count)
	for i := range chunks {
		chunks[i] = Chunk{Number: i, Of: count, From: int64(i) * pages, To: int64(i+1) * pages}
	}
	chunks[count-1].To = 0
	return chunks
}

func (c Chunk) conditions() []string {
	var conditions []string
	if c.From > 0 {
		conditions = append(conditions, fmt.Sprintf("ctid >= '(%d,0)'::tid", c.From))
	}
	if c.To > 0 {
		conditions = append(conditions, fmt.Sprintf("ctid < '(%d,0)'::tid", c.To))
	}
	return conditions
}

// task is one chunk of one table.
type task struct {
	table Table
	chunk Chunk
	alone bool // the target gets its rows from this chunk only
}

// tasks lists what is left to do, largest table first, so that no big one is begun when all others are done.
func tasks(tables []Table, chunkBytes int64, sourceVersion int, done map[chunkKey]bool) []task {
	ordered := append([]Table(nil), tables...)
	sort.SliceStable(ordered, func(i, j int) bool { return ordered[i].Source.Bytes > ordered[j].Source.Bytes })
	feeds := make(map[Target]int, len(tables))
	for _, table := range tables {
		feeds[table.Target]++
	}
	var list []task
	for _, table := range ordered {
		for _, chunk := range table.Chunks(chunkBytes, sourceVersion) {
			if !done[chunkKey{table.Name, chunk.Number}] {
				list = append(list, task{table, chunk, chunk.Of == 1 && feeds[table.Target] == 1})
			}
		}
	}
	return list
}

type chunkKey struct {
	table string
	chunk int
}
