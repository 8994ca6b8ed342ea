package records

import (
	"context"
	"time"

	"tenantctl/internal/tenant"
	"tenantctl/internal/tui"
)

// sizes remembers what tenants' tables take: to ask costs a look at every file of theirs.
type sizes map[tenant.Name]sized

type sized struct {
	at   time.Time
	size tui.Size
	err  error
}

const (
	sizeEvery   = 15 * time.Second
	sizeTimeout = 3 * time.Second // of an instance that doesn't answer, the rest of the page shouldn't wait for
)

func (s *Source) size(ctx context.Context, d *tui.Detail) {
	if s.Size == nil {
		return
	}
	known, there := s.sizes[d.Name]
	if !there || time.Since(known.at) > sizeEvery {
		ctx, cancel := context.WithTimeout(ctx, sizeTimeout)
		defer cancel()
		size, err := s.Size(ctx, d.Instance, d.Schema)
		known = sized{time.Now(), size, err}
		if len(s.sizes) == 0 || len(s.sizes) > maxSizes {
			s.sizes = sizes{}
		}
		s.sizes[d.Name] = known
	}
	if known.err != nil {
		d.SizeWhy = s.Mask(known.err.Error())
		return
	}
	d.Size = &known.size
}

const maxSizes = 1000
