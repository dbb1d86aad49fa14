//go:build unix

package ledger_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/test/check"
	"github.com/caddy-affiliate/caddy-affiliate/test/servers"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// reporters is how many report at once, half of them to each hub.
const reporters = 12

// Each conversion is sent 1 to 20 times, in any order and at once, to two hubs on one database, and again 90 days later. It
// counts once, each repeat gets the first answer byte for byte, and one with other content gets the conflict.
func TestPostgresConversionsCountOnce(t *testing.T) {
	conversions := check.Times(10_000, 50_000)
	r := newRepeats(t, conversions)
	answers := make([][]byte, conversions)
	var mu sync.Mutex
	answered := func(i int, answer []byte) error {
		mu.Lock()
		defer mu.Unlock()
		if answers[i] == nil {
			answers[i] = answer
		}
		if !bytes.Equal(answers[i], answer) {
			return fmt.Errorf("two answers:\n%s\n%s", answers[i], answer)
		}
		return nil
	}
	var fresh atomic.Int64
	r.send(func(hub *ledger.Ledger, i int) error {
		answer, replayed, err := hub.CreateConversion(t.Context(), r.conversion(i))
		if err != nil {
			return err
		}
		if !replayed {
			fresh.Add(1)
		}
		return answered(i, answer)
	})
	if n := fresh.Load(); n != int64(conversions) {
		t.Errorf("%d of %d conversions were said to be new", n, conversions)
	}
	r.now.Add((90 * 24 * time.Hour).Milliseconds())
	r.send(func(hub *ledger.Ledger, i int) error {
		answer, replayed, err := hub.CreateConversion(t.Context(), r.conversion(i))
		if err != nil || !replayed {
			return fmt.Errorf("90 days later: replayed %t, %w", replayed, err)
		}
		return answered(i, answer)
	})
	r.sent = rand.Perm(conversions)
	r.send(func(hub *ledger.Ledger, i int) error {
		n := r.conversion(i)
		n.Amount++
		if _, _, err := hub.CreateConversion(t.Context(), n); !errors.Is(err, tracker.ErrConflict) {
			return fmt.Errorf("with other content: %w", err)
		}
		return nil
	})
	r.wantOnce(answers)
}

// repeats are conversions and the order in which they are sent.
type repeats struct {
	*testing.T
	hubs  []*ledger.Ledger
	now   atomic.Int64 // the hubs' clock
	token tracker.Token
	sent  []int
}

func newRepeats(t *testing.T, conversions int) *repeats {
	t.Helper()
	dsn := servers.SharedPostgres(t).Database(t)
	r := &repeats{T: t, hubs: []*ledger.Ledger{openOne(t, dsn), openOne(t, dsn)}}
	r.now.Store(time.Now().UnixMilli())
	for _, hub := range r.hubs {
		hub.SetClock(func() time.Time { return time.UnixMilli(r.now.Load()) })
	}
	if _, err := r.hubs[0].AddLink(t.Context(), ledger.NewLink{Code: "demo"}); err != nil {
		t.Fatal(err)
	}
	click := tracker.Touch{Session: tracker.NewSessionID(time.Now()), Code: "demo", Time: time.UnixMilli(r.now.Load() - 1000)}
	r.token = tracker.Token{Network: tracker.DefaultNetwork, Visitor: tracker.NewVisitorID(), First: click, Last: click}
	for i := range conversions {
		for range 1 + rand.IntN(20) {
			r.sent = append(r.sent, i)
		}
	}
	rand.Shuffle(len(r.sent), func(i, j int) { r.sent[i], r.sent[j] = r.sent[j], r.sent[i] })
	return r
}

func (r *repeats) conversion(i int) tracker.NewConversion {
	return tracker.NewConversion{
		Network: tracker.DefaultNetwork, ExternalID: fmt.Sprintf("order-%d", i), Type: tracker.TypeBuy,
		Amount: int64(100 + i), Currency: "EUR", Evidence: tracker.Evidence{Token: &r.token}, Actor: "key",
	}
}

// send calls do for each that is sent, with a hub; it ends with the first error of each reporter.
func (r *repeats) send(do func(hub *ledger.Ledger, i int) error) {
	r.Helper()
	var next atomic.Int64
	var all sync.WaitGroup
	for reporter := range reporters {
		all.Go(func() {
			for at := next.Add(1) - 1; at < int64(len(r.sent)); at = next.Add(1) - 1 {
				if err := do(r.hubs[reporter%len(r.hubs)], r.sent[at]); err != nil {
					r.Errorf("conversion %d: %v", r.sent[at], err)
					return
				}
			}
		})
	}
	all.Wait()
}

// wantOnce checks that the conversions are those of the answers, each once, and what they come to.
func (r *repeats) wantOnce(answers [][]byte) {
	r.Helper()
	left := map[string]int64{}
	sum := int64(0)
	for _, answer := range answers {
		var c tracker.Conversion
		if err := json.Unmarshal(answer, &c); err != nil {
			r.Fatal(err)
		}
		left[c.ID] = c.Amount
		sum += c.Amount
	}
	page := tracker.Page{Limit: tracker.MaxPage}
	for {
		rows, next, err := r.hubs[1].Conversions(r.Context(), tracker.DefaultNetwork, tracker.ConversionFilter{}, page)
		if err != nil {
			r.Fatal(err)
		}
		for _, c := range rows {
			if amount, known := left[c.ID]; !known || amount != c.Amount || c.Repeat != 0 {
				r.Errorf("the books have %+v", c)
			}
			delete(left, c.ID)
		}
		if page.After = next; next == "" {
			break
		}
	}
	if len(left) > 0 {
		r.Errorf("%d conversions are not in the books", len(left))
	}
	day := time.UnixMilli(r.now.Load()).AddDate(0, 0, -100)
	rows, err := r.hubs[0].Report(r.Context(), tracker.DefaultNetwork, tracker.ReportQuery{From: day, To: day.AddDate(0, 0, 101)})
	if err != nil || len(rows) == 0 || rows[0].Conversions != int64(len(answers)) || rows[0].Amount != sum {
		r.Errorf("the report says %+v, %v; want %d, %d", rows, err, len(answers), sum)
	}
}

// Two transactions that wait for each other's rows: PostgreSQL ends ours, which tries again and nobody notices.
func TestPostgresConversionAfterADeadlock(t *testing.T) {
	dsn := servers.SharedPostgres(t).Database(t)
	l := openOne(t, dsn)
	other, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close(context.Background())
	execOn := func(query string) {
		t.Helper()
		if _, err := other.Exec(t.Context(), query); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	execOn(`SET deadlock_timeout = '1min'`) // it is not the one to look for deadlocks
	execOn(`BEGIN`)
	execOn(`INSERT INTO conversion_identity VALUES ('default', 'api', 'buy', 'order', 0)`)
	booked := make(chan error, 1)
	go func() {
		_, _, err := l.CreateConversion(t.Context(), tracker.NewConversion{
			Network: tracker.DefaultNetwork, ExternalID: "order", Type: tracker.TypeBuy, Amount: 1, Currency: "EUR",
			IdempotencyKey: "k", Actor: "key",
		})
		booked <- err
	}()
	await(t, dsn, `SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
		AND query LIKE 'INSERT INTO conversion_identity%'`)
	execOn(`INSERT INTO idempotency VALUES ('default', 'key:k', 'hash', 1)`)
	execOn(`ROLLBACK`)
	select {
	case err := <-booked:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(patience):
		t.Fatal("the call does not end")
	}
}
