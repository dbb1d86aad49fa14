package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/test/servers"
)

// dialectSpan is how long each dialect is asked for.
const dialectSpan = 5 * time.Second

// ask is a request of a dialect, the nth of its kind, and what its answer has to hold.
type ask struct {
	method, path, authorization, body string
	holds                             string
}

// dialects are what is measured, each as the platform's own documents write it. setUp asks for what the requests refer to.
var dialects = []struct {
	name  string
	setUp func(s *books) func(n int64) ask
}{
	{"Kraken's createAffiliateSession", func(s *books) func(n int64) ask {
		const query = "mutation create($input: CreateAffiliateSessionInputType!) { createAffiliateSession(input: $input) { " +
			"affiliateSession { id ipAddress userAgent queryParams link { id subdomain } } } }"
		link := s.linkID("link1")
		return func(n int64) ask {
			return ask{http.MethodPost, "/v1/graphql/", s.key, fmt.Sprintf(`{"query":%q,"variables":{"input":{"linkId":%q,
				"ipAddress":"203.0.113.%d","userAgent":"Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0",
				"queryParams":"{\"utm_source\":\"bench\",\"n\":%d}"}}}`, query, link, n%250, n), `"affiliateSession":{"id":`}
		}
	}},
	{"Affili's POST conversions", func(s *books) func(n int64) ask {
		bearer := "Bearer " + s.key
		token := s.affiliToken(bearer)
		return func(n int64) ask {
			return ask{http.MethodPost, "/api/merchants/conversions", bearer, fmt.Sprintf(`{"external_id":"order-%d","amount":"10000",
				"token":%q,"aff_id":"link1","referrer":"link1","commissions":[{"name":"default","sub_amount":"10000"}],"type":"buy"}`, n, token),
				`"publisher":{`}
		}
	}},
	{"Invoca's GET affiliates, all 20", func(s *books) func(n int64) ask {
		return func(int64) ask {
			return ask{http.MethodGet, "/api/2018-11-01/default/affiliates.json", s.key, "", `"Partner 20"`}
		}
	}},
}

// BenchmarkPlatforms prints the table of what the dialects take. The figures are the machine's: clients, Caddy and database share
// it.
func BenchmarkPlatforms(b *testing.B) {
	sqlite := openBooks(b, "sqlite ./ledger.db")
	postgres := openBooks(b, "postgres "+servers.SharedPostgres(b).Database(b))
	var rows [][]string
	for _, d := range dialects {
		ofSQLite, ofPostgres := sqlite.serve(d.setUp(sqlite)), postgres.serve(d.setUp(postgres))
		rows = append(rows, []string{
			fmt.Sprintf("%s, %d clients, SQLite / PostgreSQL", d.name, reporters), "",
			fmt.Sprintf("%.0f / %.0f per s", ofSQLite.perSecond(), ofPostgres.perSecond()),
			fmt.Sprintf("p99 %.1f / %.1f ms, medians %.1f / %.1f ms", ofSQLite.quantile(.99), ofPostgres.quantile(.99),
				ofSQLite.quantile(.5), ofPostgres.quantile(.5)),
		})
	}
	show(rows)
}

// served is how long each request took, the slowest last.
type served struct{ timing }

// perSecond is how many were answered in a second.
func (s served) perSecond() float64 { return float64(len(s.took)) / dialectSpan.Seconds() }

// serve has clients ask one request after the other, and fails if one is not answered as it has to be.
func (s *books) serve(next func(n int64) ask) served {
	s.b.Helper()
	if err := s.send(next(0)); err != nil { // warm up
		s.b.Fatal(err)
	}
	var clients sync.WaitGroup
	took, failed := make([][]time.Duration, reporters), make([]error, reporters)
	began := time.Now()
	for i := range reporters {
		clients.Go(func() {
			for n := int64(1 + i); failed[i] == nil && time.Since(began) < dialectSpan; n += reporters {
				asked := time.Now()
				failed[i] = s.send(next(n))
				took[i] = append(took[i], time.Since(asked))
			}
		})
	}
	clients.Wait()
	for _, err := range failed {
		if err != nil {
			s.b.Fatal(err)
		}
	}
	all := served{timing{took: slices.Concat(took...)}}
	slices.Sort(all.took)
	return all
}

// send sends a request, whose answer has to be 200 and hold what it has to.
func (s *books) send(a ask) error {
	r, err := http.NewRequest(a.method, s.URL+a.path, strings.NewReader(a.body))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", a.authorization)
	if a.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := s.client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && (resp.StatusCode != http.StatusOK || !bytes.Contains(answer, []byte(a.holds))) {
		err = fmt.Errorf("%s %s is answered %d: %s", a.method, a.path, resp.StatusCode, answer)
	}
	return err
}

// linkID is the number of a link, as a dialect's id.
func (s *books) linkID(code string) string {
	s.b.Helper()
	status, answer, err := s.ask(http.MethodGet, "links?code="+code, nil)
	var list struct{ Data []struct{ ID int64 } }
	if err != nil || status != http.StatusOK || json.Unmarshal(answer, &list) != nil || len(list.Data) != 1 {
		s.b.Fatalf("the link %s is %d %s (%v)", code, status, answer, err)
	}
	return strconv.FormatInt(list.Data[0].ID, 10)
}

// affiliToken is a visitor's token, as Affili's set-cookie makes one.
func (s *books) affiliToken(bearer string) string {
	s.b.Helper()
	r, err := http.NewRequest(http.MethodPost, s.URL+"/api/merchants/set-cookie", strings.NewReader(`{"referrer":"link1"}`))
	if err != nil {
		s.b.Fatal(err)
	}
	r.Header.Set("Authorization", bearer)
	r.Header.Set("Content-Type", "application/json")
	resp, err := s.client.Do(r)
	if err != nil {
		s.b.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct{ Data struct{ Token string } }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.Data.Token == "" {
		s.b.Fatalf("set-cookie is answered %d and has no token (%v)", resp.StatusCode, err)
	}
	return answer.Data.Token
}
