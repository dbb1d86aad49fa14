package faults

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
	"github.com/caddy-affiliate/caddy-affiliate/test/check"
	"github.com/caddy-affiliate/caddy-affiliate/test/load"
	"github.com/caddy-affiliate/caddy-affiliate/test/servers"
)

// through is the line for a Redis at that address.
func through(address string) string { return "redis redis://" + address }

// apart starts an edge that keeps no books and a hub that does, so that one can be held up without the other.
func apart(t *testing.T, address string) (edge, hub *caddy.Process) {
	t.Helper()
	return joined(t, through(address))
}

// joined is apart with any line for Redis.
func joined(t *testing.T, redis string) (edge, hub *caddy.Process) {
	t.Helper()
	hub = caddy.Start(t, with(secret, redis, embedded))
	edge = caddy.Start(t, with(secret, redis, "ledger none"))
	hub.AwaitHealth()
	return edge, hub
}

// traffic is what visitors ask of an edge that lives throughout, while its stores do not.
type traffic struct {
	t              *testing.T
	edge           *caddy.Process
	before         counts // of the edge, when the traffic began
	clicks, visits *load.Run
}

// drive begins the traffic, and returns when tokens are handed out.
func drive(t *testing.T, edge *caddy.Process) *traffic {
	t.Helper()
	r := &traffic{t: t, edge: edge, before: countsOf(edge), clicks: clicks(edge).Start(), visits: visits(edge).Start()}
	r.more(200)
	return r
}

// more returns when that many more tokens were handed out.
func (r *traffic) more(tokens int) {
	r.t.Helper()
	due := r.clicks.Tokens() + tokens
	await(r.t, fmt.Sprintf("%d more tokens", tokens), func() bool { return r.clicks.Tokens() >= due })
}

// stop ends the traffic and returns the tokens that visitors got. Whatever failed meanwhile, none of them may have noticed,
// and nobody but a referred visitor was held up at all.
func (r *traffic) stop() []load.Token {
	r.t.Helper()
	clicks, visits := r.clicks.Stop(), r.visits.Stop()
	unnoticed(r.t, "clicks", clicks)
	unnoticed(r.t, "other pages", visits)
	exact(r.t, countsOf(r.edge).since(r.before), clicks)
	m := r.edge.Metrics()
	held := m["caddy_affiliate_added_wait_seconds_count"]
	r.t.Logf("%.0f waits for the journal, %.0f of them over 50 ms", held, held-m[`caddy_affiliate_added_wait_seconds_bucket{le="0.05"}`])
	if held > m[`caddy_affiliate_clicks_total{class="human"}`] {
		r.t.Errorf("%.0f responses were held for the journal, more than there were clicks", held)
	}
	r.t.Logf("%.0f records journalled, %.0f entries appended to streams; %.0f streams begun anew", journalled(r.edge),
		appended(r.edge), resets(r.edge))
	return clicks.Tokens
}

// journalled counts the records that the process has made durable.
func journalled(p *caddy.Process) float64 {
	return p.Metrics()["caddy_affiliate_journal_records_total"]
}

// appended counts the entries that the process has appended to streams, those included that it appended again.
func appended(p *caddy.Process) float64 {
	return p.Metrics()[`caddy_affiliate_relay_entries_total{direction="appended"}`]
}

// resets counts the streams that the process found broken and began anew.
func resets(p *caddy.Process) float64 {
	return check.Sum(p.Metrics(), "caddy_affiliate_relay_resets_total")
}

// caughtUp returns when the hub's books have every record that the edge, in its first life, has made durable by now, and
// how long that took.
func caughtUp(t *testing.T, edge, hub *caddy.Process) time.Duration {
	t.Helper()
	due, began := journalled(edge), time.Now()
	await(t, fmt.Sprintf("the books to have %.0f records", due), func() bool { return booked(t, hub) >= due })
	return time.Since(began).Round(time.Millisecond)
}

// booked counts the records in the hub's books; 0 while the hub cannot say.
func booked(t *testing.T, hub *caddy.Process) (records float64) {
	t.Helper()
	status, body := hub.AdminGet("/affiliate/audit")
	if status != http.StatusOK {
		return 0
	}
	var audit check.Audit
	if err := json.Unmarshal([]byte(body), &audit); err != nil {
		t.Fatalf("the audit is %v: %s", err, body)
	}
	for _, o := range audit.Origins {
		records += float64(o.Applied)
	}
	return records
}

// awaitMore returns when the series has risen.
func awaitMore(t *testing.T, p *caddy.Process, series string) {
	t.Helper()
	before := p.Metrics()[series]
	await(t, series+" to rise", func() bool { return p.Metrics()[series] > before })
}

// The keys of an origin in Redis.
func eventsOf(origin string) string { return "affiliate:{" + origin + "}:events" }
func cursorOf(origin string) string { return "affiliate:{" + origin + "}:cursor" }

// onlyOrigin returns the one origin that is announced.
func onlyOrigin(t *testing.T, store *servers.RedisServer) string {
	t.Helper()
	client := store.Client()
	defer client.Close()
	names, err := client.ZRange(t.Context(), "affiliate:origins", 0, -1).Result()
	if err != nil || len(names) != 1 {
		t.Fatalf("announced are the origins %v, %v; want the edge's only", names, err)
	}
	return names[0]
}
