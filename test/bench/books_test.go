package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
	"github.com/caddy-affiliate/caddy-affiliate/test/load"
	"github.com/caddy-affiliate/caddy-affiliate/test/servers"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

const (
	reporters   = 16              // clients that report conversions at once
	reportSpan  = 5 * time.Second // for which they do
	listAsked   = 200             // requests for each filter
	reportAsked = 20              // requests for each report
)

// keeping is a Caddy that serves the API, with its books in %s.
const keeping = `{
	auto_https off
	log {
		output discard
	}
	affiliate {
		secret 0123456789abcdef0123456789abcdef
		journal ./affiliate
		ledger %s
	}
}
http://:{$HTTP_PORT} {
	affiliate
	affiliate_api
	header ` + load.SessionHeader + ` {affiliate.session_id}
	respond "ok"
}
`

// books is a running Caddy whose API is asked, with a key that may do everything as fast as a key can be allowed to.
type books struct {
	*caddy.Process
	b      *testing.B
	key    string
	client http.Client
}

func openBooks(b *testing.B, ledger string) *books {
	b.Helper()
	s := &books{Process: caddy.Start(b, fmt.Sprintf(keeping, ledger)), b: b}
	s.client = http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: reporters, DisableCompression: true}}
	b.Cleanup(s.client.CloseIdleConnections)
	s.AwaitHealth()
	s.addLinks()
	s.key = strings.TrimSpace(s.must("key", "create", "--scope", "*", "--rate", strconv.Itoa(tracker.MaxRate)))
	return s
}

// addLinks makes 2,000 links, 100 of each of 20 affiliates, so that link 101 is the second affiliate's first.
func (s *books) addLinks() {
	s.b.Helper()
	var sheet strings.Builder
	sheet.WriteString("code,affiliate\n")
	for i := range links {
		fmt.Fprintf(&sheet, "link%d,Partner %d\n", i+1, i/linksOfOne+1)
	}
	file := filepath.Join(s.b.TempDir(), "links.csv")
	if err := os.WriteFile(file, []byte(sheet.String()), 0o600); err != nil {
		s.b.Fatal(err)
	}
	s.must("import", "links", file)
}

func (s *books) must(args ...string) string {
	s.b.Helper()
	out, errs, status := s.CLI(append([]string{"affiliate"}, args...)...)
	if status != 0 {
		s.b.Fatalf("caddy affiliate %s exits with %d: %s", strings.Join(args, " "), status, errs)
	}
	return out
}

// click is a visitor who comes by the first link, and returns the session's id.
func (s *books) click() string {
	s.b.Helper()
	r, err := http.NewRequest(http.MethodGet, s.URL+"/?via=link1", nil)
	if err != nil {
		s.b.Fatal(err)
	}
	load.AsBrowser(r.Header)
	resp, err := s.client.Do(r)
	if err != nil {
		s.b.Fatal(err)
	}
	resp.Body.Close()
	session := resp.Header.Get(load.SessionHeader)
	if session == "" {
		s.b.Fatal("a click got no session")
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if status, _, _ := s.ask(http.MethodGet, "sessions/"+session, nil); status == http.StatusOK {
			return session
		}
		if time.Now().After(deadline) {
			s.b.Fatal("a click's session is not in the books within a minute")
		}
	}
}

// ask sends a request of the API; path begins behind /affiliate/v1/.
func (s *books) ask(method, path string, body []byte) (status int, answer []byte, err error) {
	r, err := http.NewRequest(method, s.URL+"/affiliate/v1/"+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Authorization", "Bearer "+s.key)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := s.client.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

// report reports the nth conversion, a sale of the session's visitor.
func (s *books) report(n int64, session string) error {
	body := fmt.Sprintf(`{"external_id":"order-%d","type":"sale","amount":%d,"currency":"EUR","session_id":%q}`, n, 1000+n%90_000, session)
	status, answer, err := s.ask(http.MethodPost, "conversions", []byte(body))
	if err == nil && status != http.StatusCreated {
		err = fmt.Errorf("a conversion is answered %d: %s", status, answer)
	}
	return err
}

// BenchmarkBooks prints the table of what the books take. The figures are the machine's: client, Caddy and database share it.
func BenchmarkBooks(b *testing.B) {
	sqlite := openBooks(b, "sqlite ./ledger.db")
	dsn := servers.SharedPostgres(b).Database(b)
	postgres := openBooks(b, "postgres "+dsn)
	rows := [][]string{{
		fmt.Sprintf("conversions through the API, attributed, %d clients, SQLite / PostgreSQL", reporters), "", "",
		fmt.Sprintf("%.0f / %.0f per s", sqlite.conversions(), postgres.conversions()),
	}}
	fillBoth(sqlite, postgres, dsn)
	rows = append(rows, lists(sqlite, postgres)...)
	show(append(rows, reports(sqlite, postgres)...))
}

// conversions is how many attributed conversions a second the API takes.
func (s *books) conversions() float64 {
	s.b.Helper()
	session := s.click()
	var sent atomic.Int64
	if err := s.report(sent.Add(1), session); err != nil {
		s.b.Fatal(err)
	}
	var clients sync.WaitGroup
	var failed atomic.Pointer[error]
	before, began := sent.Load(), time.Now()
	for range reporters {
		clients.Go(func() {
			for failed.Load() == nil && time.Since(began) < reportSpan {
				if err := s.report(sent.Add(1), session); err != nil {
					failed.Store(&err)
				}
			}
		})
	}
	clients.Wait()
	if err := failed.Load(); err != nil {
		s.b.Fatal(*err)
	}
	rate := float64(sent.Load()-before) / time.Since(began).Seconds()
	if _, answer, err := s.ask(http.MethodGet, "conversions?affiliate_id=1&limit=1", nil); err != nil || !bytes.Contains(answer, []byte(session)) {
		s.b.Fatalf("the conversions are nobody's: %v %s", err, answer)
	}
	return rate
}

// filters are what lists are asked for; each call asks for something else.
var filters = []struct {
	name  string
	query func() url.Values
}{
	{"status", func() url.Values { return url.Values{"status": {"approved"}} }},
	{"status and min_amount", func() url.Values {
		return url.Values{"status": {"approved"}, "min_amount": {between(1, maxAmount)}}
	}},
	{"affiliate_id", func() url.Values { return url.Values{"affiliate_id": {between(1, links/linksOfOne)}} }},
	{"affiliate_id and status", func() url.Values {
		return url.Values{"affiliate_id": {between(1, links/linksOfOne)}, "status": {"duplicated"}}
	}},
	{"link_id", func() url.Values { return url.Values{"link_id": {between(1, links)}} }},
	{"external_id", func() url.Values { return url.Values{"external_id": {"filled-" + between(1, conversions)}} }},
	{"min_created_at and max_created_at", func() url.Values {
		day := time.Now().Add(-time.Duration(1+rand.IntN(conversionDays-1)) * 24 * time.Hour)
		return url.Values{"min_created_at": {day.Format(time.RFC3339)}, "max_created_at": {day.Add(24 * time.Hour).Format(time.RFC3339)}}
	}},
	{"min_wage", func() url.Values { return url.Values{"min_wage": {between(1, maxAmount/wagePart)}} }},
	{"min_amount and max_amount", func() url.Values {
		low := 1 + rand.IntN(maxAmount-100)
		return url.Values{"min_amount": {strconv.Itoa(low)}, "max_amount": {strconv.Itoa(low + 100)}}
	}},
	{"is_closed and min_amount", func() url.Values { return url.Values{"is_closed": {"false"}, "min_amount": {between(1, maxAmount)}} }},
}

func between(low, high int) string { return strconv.Itoa(low + rand.IntN(high-low+1)) }

// lists is how long filtered lists take.
func lists(sqlite, postgres *books) (rows [][]string) {
	for _, f := range filters {
		path := func() string {
			query := f.query()
			query.Set("limit", "50")
			return "conversions?" + query.Encode()
		}
		what := fmt.Sprintf("list of 1,000,000 conversions by %s, p99, SQLite / PostgreSQL", f.name)
		rows = append(rows, pair(what, "≤ 20 ms", .99, sqlite.times(listAsked, path), postgres.times(listAsked, path)))
	}
	return rows
}

// reports is how long reports take. They read the sums that sessions are counted in when they land, never the sessions.
func reports(sqlite, postgres *books) (rows [][]string) {
	day := func(ago int) string { return time.Now().AddDate(0, 0, -ago).UTC().Format(time.DateOnly) }
	for _, by := range []string{"day", "affiliate", "sub1"} {
		query := url.Values{"from": {day(reportDays)}, "to": {day(0)}, "by": {by}}
		path := func() string { return "reports?" + query.Encode() }
		what := fmt.Sprintf("report over the sums of 10,000,000 sessions by %s, slowest of %d, SQLite / PostgreSQL", by, reportAsked)
		rows = append(rows, pair(what, "≤ 200 ms", 1, sqlite.times(reportAsked, path), postgres.times(reportAsked, path)))
	}
	return rows
}

// pair is a row of what the engines took.
func pair(what, bar string, quantile float64, sqlite, postgres timing) []string {
	return []string{what, bar,
		fmt.Sprintf("%.1f / %.1f ms", sqlite.quantile(quantile), postgres.quantile(quantile)),
		fmt.Sprintf("medians %.1f / %.1f ms, %.0f / %.0f rows", sqlite.quantile(.5), postgres.quantile(.5), sqlite.rows, postgres.rows)}
}

// timing is how long requests took, the slowest last, and how many rows their answers had on average.
type timing struct {
	took []time.Duration
	rows float64
}

// quantile returns in milliseconds how long that part of the requests took at most.
func (t timing) quantile(part float64) float64 {
	return float64(t.took[int(math.Ceil(part*float64(len(t.took))))-1]) / float64(time.Millisecond)
}

// times asks n times, one request after the other, once a few have warmed it up.
func (s *books) times(n int, path func() string) (t timing) {
	s.b.Helper()
	for i := range n + n/10 {
		path := path()
		began := time.Now()
		status, answer, err := s.ask(http.MethodGet, path, nil)
		if err != nil || status != http.StatusOK {
			s.b.Fatalf("%s is answered %d: %v %s", path, status, err, answer)
		}
		if i >= n/10 {
			t.took = append(t.took, time.Since(began))
			t.rows += float64(s.count(answer)) / float64(n)
		}
	}
	slices.Sort(t.took)
	return t
}

// count is how many rows a list has.
func (s *books) count(answer []byte) int {
	s.b.Helper()
	var list struct{ Data []json.RawMessage }
	if err := json.Unmarshal(answer, &list); err != nil {
		s.b.Fatal(err)
	}
	return len(list.Data)
}
