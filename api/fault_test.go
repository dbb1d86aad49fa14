package api

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// faulty are books that count look-ups of keys and fail at the rest.
type faulty struct {
	Books
	lookUps int
	err     error
	yields  int // how much Export yields before it fails
}

func (f *faulty) KeyByID(ctx context.Context, id string) (tracker.Key, error) {
	f.lookUps++
	return f.Books.KeyByID(ctx, id)
}

func (f *faulty) Affiliate(context.Context, string, int64) (tracker.Affiliate, error) {
	return tracker.Affiliate{}, f.err
}

func (f *faulty) Export(_ context.Context, _ string, _ tracker.Subject, yield func(string, any) error) error {
	for range f.yields {
		if err := yield("session", tracker.BookedSession{}); err != nil {
			return err
		}
	}
	return f.err
}

// withFaulty makes an API whose books are the shop's, with faults.
func (s *shop) withFaulty(f *faulty) *bytes.Buffer {
	f.Books = s.books
	log := new(bytes.Buffer)
	s.api = New(Options{
		Books:  func() (Books, error) { return f, nil },
		Logger: slog.New(slog.NewTextHandler(log, nil)),
		Now:    s.api.now,
	})
	return log
}

func TestEachKeyCostsOneLookUp(t *testing.T) {
	s := newShop(t)
	f := &faulty{err: tracker.ErrNotFound}
	s.withFaulty(f)
	good := s.key
	for _, key := range []string{good, "", "nonsense", good[:4] + strings.Repeat("a", 12) + good[16:], strings.Repeat("x", 5000)} {
		f.lookUps = 0
		s.key = key
		s.do("GET", "affiliates/1", nil)
		if f.lookUps != 1 {
			t.Errorf("%.20q: %d look-ups", key, f.lookUps)
		}
	}
}

func TestFaultsOfTheBooks(t *testing.T) {
	s := newShop(t)
	f := &faulty{}
	log := s.withFaulty(f)
	for _, c := range []struct {
		err    error
		status int
		name   string
	}{
		{errors.New("disk I/O error"), http.StatusInternalServerError, "internal"},
		{context.DeadlineExceeded, http.StatusServiceUnavailable, "unavailable"},
		{fmt.Errorf("reading: %w: %w", tracker.ErrAway, errors.New("database is locked (5) (SQLITE_BUSY)")),
			http.StatusServiceUnavailable, "unavailable"},
		{errors.New("SQL logic error"), http.StatusInternalServerError, "internal"},
	} {
		f.err = c.err
		got := s.do("GET", "affiliates/1", nil).wantProblem(c.status, c.name)
		if strings.Contains(got.body, c.err.Error()) {
			t.Errorf("the client is told %s", got.body)
		}
		if (got.header.Get("Retry-After") != "") != (c.status == http.StatusServiceUnavailable) {
			t.Errorf("%v: Retry-After is %q", c.err, got.header.Get("Retry-After"))
		}
	}
	if strings.Count(log.String(), "\n") != 2 || !strings.Contains(log.String(), "disk I/O error") || !strings.Contains(log.String(), "request_id=") {
		t.Errorf("the log is %s", log)
	}
}

// The books are one SQLite file: another writer that does not end keeps changes waiting, and a reload closes them under the
// requests that it finds.
func TestALockedOrClosedLedgerIsAway(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	other, err := sql.Open("sqlite", s.books.Path+"?_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	tx, err := other.Begin()
	if err != nil {
		t.Fatal(err)
	}
	got := s.do("POST", "affiliates", fields{"name": "Ann"}).wantProblem(http.StatusServiceUnavailable, "unavailable")
	if got.header.Get("Retry-After") == "" {
		t.Error("nothing says when to come again")
	}
	s.do("GET", "affiliates", nil).want(http.StatusOK)
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	s.do("POST", "affiliates", fields{"name": "Ann"}).want(http.StatusCreated)

	if err := s.books.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"affiliates", "conversions?min_amount=1&status=pending", "links/1", "sessions", "customers", "keys"} {
		s.do("GET", path, nil).wantProblem(http.StatusServiceUnavailable, "unavailable")
	}
	s.do("POST", "conversions", sale).wantProblem(http.StatusServiceUnavailable, "unavailable")
}

func TestAnExportThatFailsHalfwayBreaksOff(t *testing.T) {
	s := newShop(t)
	f := &faulty{err: errors.New("disk I/O error")}
	s.withFaulty(f)
	person := fields{"visitor_id": strings.Repeat("7", 32)}
	s.do("POST", "privacy/export", person).wantProblem(http.StatusInternalServerError, "internal")

	f.yields = 1
	defer func() {
		if recover() != http.ErrAbortHandler {
			t.Error("half an export was ended as if it were whole")
		}
	}()
	s.api.ServeHTTP(httptest.NewRecorder(), s.request("POST", "privacy/export", person))
}

// counted is how many requests the metrics have of each operation and class of status.
func counted(t *testing.T) map[string]float64 {
	t.Helper()
	registry := prometheus.NewRegistry()
	for _, collector := range Collectors() {
		registry.MustRegister(collector)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]float64{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			name := family.GetName()
			for _, label := range metric.GetLabel() {
				name += " " + label.GetValue()
			}
			counts[name] = metric.GetCounter().GetValue() + float64(metric.GetHistogram().GetSampleCount())
		}
	}
	return counts
}

func TestMetricsHaveBoundedLabels(t *testing.T) {
	s := newShop(t)
	s.do("GET", "x", nil)
	s.do("GET", "affiliates/7", nil).want(http.StatusNotFound)
	before := counted(t)
	for _, path := range []string{"a", "b", "affiliates/8", "affiliates/9", "c?x=1"} {
		s.do("GET", path, nil).want(http.StatusNotFound)
	}
	after := counted(t)
	if len(after) != len(before) {
		t.Errorf("the series %v became %v", before, after)
	}
	for name, more := range map[string]float64{
		"caddy_affiliate_api_requests_total get-affiliate 4xx": 2, "caddy_affiliate_api_requests_total unknown 4xx": 3,
		"caddy_affiliate_api_request_seconds get-affiliate": 2, "caddy_affiliate_api_request_seconds unknown": 3,
	} {
		if after[name]-before[name] != more {
			t.Errorf("%s went from %v to %v", name, before[name], after[name])
		}
	}
}
