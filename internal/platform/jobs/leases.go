package jobs

import (
	"time"

	"github.com/jackc/pgx/v5"
)

// lease is what a worker can see of another's hold on a job: it changes whenever that is renewed.
type lease struct {
	id      string
	attempt int
	until   int64 // microseconds, by the server's clock
}

// leases are those that a worker has seen, and since when. One that isn't renewed for as long as it lasts is over. How long that is the
// worker measures itself: the server's clock may be set meanwhile, and then all seem to be over, or none for hours.
type leases map[lease]time.Time

// seen gives the leases that there are now the times at which they were seen first.
func (l leases) seen(now time.Time, list []lease) leases {
	next := make(leases, len(list))
	for _, one := range list {
		next[one] = now
		if first, known := l[one]; known {
			next[one] = first
		}
	}
	return next
}

// over are those that weren't renewed for so long.
func (l leases) over(now time.Time, lasting time.Duration) (ids []string, attempts []int, untils []time.Time) {
	for one, first := range l {
		if now.Sub(first) >= lasting {
			ids, attempts, untils = append(ids, one.id), append(attempts, one.attempt), append(untils, time.UnixMicro(one.until))
		}
	}
	return ids, attempts, untils
}

func readLeases(rows pgx.Rows) ([]lease, error) {
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (l lease, err error) {
		var until time.Time
		err = row.Scan(&l.id, &l.attempt, &until)
		l.until = until.UnixMicro()
		return l, err
	})
}
