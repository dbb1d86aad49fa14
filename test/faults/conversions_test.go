package faults

import (
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
	"github.com/caddy-affiliate/caddy-affiliate/test/check"
	"github.com/caddy-affiliate/caddy-affiliate/test/servers"
)

// SIGKILL at random moments while sales come by the edge: an order whose page was answered is in the books once, also if its
// page was loaded again, and is its affiliate's.
func TestKillConversions(t *testing.T) {
	p := caddy.Start(t, selling(embedded))
	killedBuying(t, p, check.Times(5, 100))
}

// The same with Redis between the journal and the ledger.
func TestKillConversionsWithRedis(t *testing.T) {
	p := caddy.Start(t, selling(embedded, through(servers.Redis(t).Addr), secret))
	killedBuying(t, p, check.Times(2, 20))
}

// killedBuying buys while the process is killed and started again, n times; then without a fault; and judges.
func killedBuying(t *testing.T, p *caddy.Process, n int) {
	t.Helper()
	b := buy(t, p, "killed", 16)
	for range n {
		b.more(t, rand.IntN(200))
		time.Sleep(rand.N(20 * time.Millisecond)) // a batch takes about one
		p.Kill()
		p.Restart()
	}
	b.more(t, 100)
	orders := b.stop()
	t.Logf("%d kills: %d orders were answered, %d pages loaded again", n, len(orders), b.reloads)
	if b.wrong != nil {
		t.Error(b.wrong)
	}
	if b.reloads == 0 {
		t.Error("no page was ever loaded again: the kills met nobody")
	}

	before := told(p)
	quiet := buy(t, p, "quiet", 16)
	quiet.more(t, 300)
	orders = append(orders, quiet.stop()...)
	if after := told(p); int(after.recorded-before.recorded+after.unrecorded-before.unrecorded) != len(quiet.answered) {
		t.Errorf("%d orders were answered; counted are %+v, before %+v", len(quiet.answered), after, before)
	}

	// A process that is killed takes its counts with it. Its log says how many records the journal did not confirm in time.
	unrecorded := strings.Count(p.Logs(), "a conversion could not be recorded in time")
	t.Logf("of %d answered orders %d were not confirmed in time", len(orders), unrecorded)
	if unrecorded > len(orders)/2 {
		t.Errorf("of %d records %d were not confirmed in time: too many to judge by the others", len(orders), unrecorded)
	}
	rows := check.Counted(t, orders, unrecorded, p)
	t.Logf("%d conversions are in the books", len(rows))
	for _, c := range rows {
		if c.Status != "pending" || c.Amount != 100 || c.Source != "header" || c.Code != "demo" || c.Decision.Considered[0].Evidence != "cookie" {
			t.Fatalf("a conversion is %+v", c)
		}
	}
	reported(t, p, rows)
}

// reported fails the test unless the report has as many conversions, each of 1.00, as there are rows.
func reported(t *testing.T, p *caddy.Process, rows []check.Conversion) {
	t.Helper()
	day := func(days int) string { return time.Now().UTC().AddDate(0, 0, days).Format(time.DateOnly) }
	status, body := p.AdminGet("/affiliate/v1/reports?from=" + day(-1) + "&to=" + day(1))
	var report struct {
		Data []struct{ Pending, Amount int }
	}
	err := json.Unmarshal([]byte(body), &report)
	if err != nil || status != http.StatusOK || len(report.Data) != 1 {
		t.Fatalf("the report is %d %s (%v)", status, body, err)
	}
	if got := report.Data[0]; got.Pending != len(rows) || got.Amount != 100*len(rows) {
		t.Errorf("there are %d conversions; the report is %s", len(rows), body)
	}
}

// outcomes is what became of the edge's conversions, as the process counts them in its present life.
type outcomes struct{ recorded, unrecorded float64 }

func told(p *caddy.Process) outcomes {
	m := p.Metrics()
	count := func(outcome string) float64 {
		return m[`caddy_affiliate_conversions_total{outcome="`+outcome+`",source="header"}`]
	}
	return outcomes{count("recorded"), count("late") + count("disk") + count("queue") + count("starting")}
}
