package engine

import (
	"context"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
)

const (
	// forgetFirst leaves a start to what is more urgent.
	forgetFirst = time.Minute
	forgetEvery = time.Hour

	// forgetTime bounds one pass; the next goes on where it ended.
	forgetTime = 30 * time.Minute

	// deliveryTime is how long the log of what was sent is kept.
	deliveryTime = 30 * 24 * time.Hour
)

// forget takes what is older than its retention out of the books, now and then, until ctx ends. Each hub does so; where one
// was first, the others find nothing.
func (w *workers) forget(ctx context.Context, l *ledger.Ledger) {
	timer := time.NewTimer(forgetFirst)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		bounded, cancel := context.WithTimeout(ctx, forgetTime)
		w.forgetOld(bounded, l, time.Now())
		cancel()
		timer.Reset(forgetEvery)
	}
}

// forgetOld makes one pass.
func (w *workers) forgetOld(ctx context.Context, l *ledger.Ledger, now time.Time) {
	rows, err := l.Forget(ctx, w.config.Retention)
	forgottenRows.Add(float64(rows))
	if err != nil && ctx.Err() == nil {
		w.config.Logger.Error("what is older than its retention could not be taken out of the books; trying again in an hour", "error", err)
	}
	if _, err := l.ForgetIdempotency(ctx, now.Add(-ledger.IdempotencyTime)); err != nil && ctx.Err() == nil {
		w.config.Logger.Error("old idempotency keys could not be forgotten; trying again in an hour", "error", err)
	}
	if _, err := l.ForgetDeliveries(ctx, now.Add(-deliveryTime)); err != nil && ctx.Err() == nil {
		w.config.Logger.Error("old deliveries could not be forgotten; trying again in an hour", "error", err)
	}
}
