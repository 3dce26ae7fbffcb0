package pictures

import (
	"context"
	"sync"
)

// flights let one caller do what several want at the same time. The work runs in the goroutine of the first, under his context: when that
// ends, the next of those who wait takes over, and nobody is given an error that belongs to another's context. The zero value is ready.
type flights[K comparable, V any] struct {
	mu      sync.Mutex
	running map[K]*flight[V]
}

type flight[V any] struct {
	done      chan struct{} // closed when the rest is set
	value     V
	err       error
	abandoned bool // its caller gave up: there is no result
}

// do returns the result of work, of this caller or of one who came first.
func (f *flights[K, V]) do(ctx context.Context, key K, work func() (V, error)) (V, error) {
	for {
		var none V
		if err := ctx.Err(); err != nil {
			return none, err
		}
		other, own := f.join(key)
		if own != nil {
			return f.lead(ctx, key, own, work)
		}
		select {
		case <-ctx.Done():
			return none, ctx.Err()
		case <-other.done:
			if !other.abandoned {
				return other.value, other.err
			}
		}
	}
}

// join returns the flight that is under way, or a new one to be led.
func (f *flights[K, V]) join(key K) (other, own *flight[V]) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if other, ok := f.running[key]; ok {
		return other, nil
	}
	if f.running == nil {
		f.running = make(map[K]*flight[V])
	}
	own = &flight[V]{done: make(chan struct{}), abandoned: true} // until work has returned; it may panic
	f.running[key] = own
	return nil, own
}

func (f *flights[K, V]) lead(ctx context.Context, key K, own *flight[V], work func() (V, error)) (V, error) {
	defer func() {
		f.mu.Lock()
		delete(f.running, key)
		f.mu.Unlock()
		close(own.done)
	}()
	own.value, own.err = work()
	own.abandoned = own.err != nil && ctx.Err() != nil
	return own.value, own.err
}
