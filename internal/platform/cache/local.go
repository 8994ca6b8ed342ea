package cache

import (
	"context"
	"fmt"
	"sync"

	"github.com/maypok86/otter/v2"
)

// local keeps values in the process.
type local struct {
	values      *otter.Cache[string, entry]
	generations sync.Map // by space: as many as there are tenants and kinds
}

type entry struct {
	generation string
	value      []byte
}

// Local is a cache in the process. Other processes' writes don't reach it: where a service runs several times, use Redis, or
// values that may be old for a moment.
func Local(opts Options) (*Cache, error) {
	opts = opts.withDefaults()
	values, err := otter.New(&otter.Options[string, entry]{
		MaximumWeight:    opts.Bytes,
		Weigher:          func(key string, e entry) uint32 { return uint32(len(key)+len(e.generation)+len(e.value)) + overhead }, //nolint:gosec // a value's size
		ExpiryCalculator: otter.ExpiryWriting[string, entry](opts.Life),
	})
	if err != nil {
		return nil, fmt.Errorf("make the cache: %w", err)
	}
	return opts.cache(&local{values: values}), nil
}

// overhead is about what an entry takes besides its content, in bytes.
const overhead = 128

func (l *local) generation(space string) string {
	found, _ := l.generations.Load(space)
	generation, _ := found.(string)
	return generation
}

func (l *local) get(_ context.Context, space, key string) (string, []byte, error) {
	generation := l.generation(space)
	if e, ok := l.values.GetIfPresent(key); ok && e.generation == generation {
		return generation, e.value, nil
	}
	return generation, nil, nil
}

func (l *local) set(_ context.Context, key, generation string, value []byte) error {
	l.values.Set(key, entry{generation, value})
	return nil
}

func (l *local) renew(_ context.Context, space, generation string) error {
	l.generations.Store(space, generation)
	return nil
}

func (l *local) close() error {
	l.values.InvalidateAll()
	l.values.StopAllGoroutines()
	return nil
}
