package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
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

// state is an error of a database server, as drivers show one.
type state string

func (s state) Error() string    { return "the server says " + string(s) }
func (s state) SQLState() string { return string(s) }

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
		{&net.OpError{Op: "dial", Err: errors.New("refused")}, http.StatusServiceUnavailable, "unavailable"},
		{fmt.Errorf("reading: %w", io.ErrUnexpectedEOF), http.StatusServiceUnavailable, "unavailable"},
		{state("57P03"), http.StatusServiceUnavailable, "unavailable"},
		{state("42P01"), http.StatusInternalServerError, "internal"},
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
