package cache

import (
	"bytes"
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"tenantctl/internal/tenant"
)

const (
	redisTimeout = 250 * time.Millisecond
	// redisPause is how long nothing is asked of a Redis that didn't answer: every request would wait for it.
	redisPause = time.Second
)

// remote keeps values in Redis.
type remote struct {
	client *redis.Client
	life   time.Duration
	began  time.Time    // the clock of the day may be set back, and with it nothing be asked for an hour
	away   atomic.Int64 // until when, in nanoseconds since then
}

// Redis is a cache in Redis, at redis://[USER:PASSWORD@]HOST:PORT/DB or rediss:// with TLS. It needn't be there when this begins.
func Redis(url string, opts Options) (*Cache, error) {
	opts = opts.withDefaults()
	config, err := redis.ParseURL(url)
	if err != nil {
		return nil, fmt.Errorf("the URL of Redis isn't valid: %w", tenant.ErrInvalid) // the cause may quote the password
	}
	config.MaxRetries, config.DialerRetries = -1, 1
	config.DialTimeout, config.ReadTimeout, config.WriteTimeout, config.PoolTimeout = redisTimeout, redisTimeout, redisTimeout, redisTimeout
	config.ContextTimeoutEnabled = true
	return opts.cache(&remote{client: redis.NewClient(config), life: opts.Life, began: time.Now()}), nil
}

const prefix = "tenantctl:"

func (r *remote) get(ctx context.Context, space, key string) (string, []byte, error) {
	if int64(time.Since(r.began)) < r.away.Load() {
		return "", nil, redis.ErrClosed
	}
	found, err := r.client.MGet(ctx, prefix+space, prefix+key).Result()
	if err != nil {
		return "", nil, r.failed(ctx, err)
	}
	generation, _ := found[0].(string)
	stored, _ := found[1].(string)
	under, value, ok := bytes.Cut([]byte(stored), []byte("\n"))
	if !ok || string(under) != generation {
		return generation, nil, nil
	}
	return generation, value, nil
}

func (r *remote) set(ctx context.Context, key, generation string, value []byte) error {
	return r.failed(ctx, r.client.Set(ctx, prefix+key, append([]byte(generation+"\n"), value...), r.life).Err())
}

// renew keeps the generation for longer than any value of one before it lives.
func (r *remote) renew(ctx context.Context, space, generation string) error {
	return r.failed(ctx, r.client.Set(ctx, prefix+space, generation, 2*r.life).Err())
}

func (r *remote) failed(ctx context.Context, err error) error {
	if err != nil && ctx.Err() == nil {
		r.away.Store(int64(time.Since(r.began) + redisPause))
	}
	return err
}

func (r *remote) close() error { return r.client.Close() }
