package providers

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// contained calls code that is not ours: it has a deadline even if it does not
// listen to its context, and its panics become errors. Code that does not come
// back is left behind.
func contained[T any](ctx context.Context, do func(context.Context) (T, error)) (T, error) {
	type outcome struct {
		value T
		err   error
	}
	limited, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	done := make(chan outcome, 1)
	go func() {
		var o outcome
		defer func() {
			if r := recover(); r != nil {
				o.err = fmt.Errorf("the provider's code failed: %v", r)
			}
			done <- o
		}()
		o.value, o.err = do(limited)
	}()
	select {
	case o := <-done:
		return o.value, o.err
	case <-limited.Done():
	}
	select {
	case o := <-done:
		return o.value, o.err
	case <-time.After(callGrace):
	}
	var none outcome
	err := errors.New("the provider's code did not come back")
	if ctx.Err() != nil {
		return none.value, fmt.Errorf("%w (%v)", ctx.Err(), err)
	}
	return none.value, temporary(fmt.Errorf("%w within %s", err, callLimit))
}
