// Package destinationtest is the conformance suite of destinations: how each must take what a hostile endpoint does to it.
package destinationtest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// Suite is a destination under test.
type Suite struct {
	// New returns a destination that sends to that endpoint, such as "http://127.0.0.1:1234". Each call returns another one, which
	// remembers nothing.
	New func(t *testing.T, endpoint string) forward.Destination
	// Event is one that the destination takes.
	Event tracker.Event
	// Accept answers as the system does that takes the event. Nil: 200 and nothing else.
	Accept http.HandlerFunc
	// BodyDecides says that success is told by the answer's body: 2xx with anything else in it is a failure.
	BodyDecides bool
	// Secrets are what must come back in no answer and no error.
	Secrets []string
	// ID returns the delivery's id as the request has it; "" for a request that has none, such as one for a token. Nil: the wire
	// has no place for it.
	ID func(r *http.Request, body string) string
}

// patience is the client's time for a request of an endpoint that uses all of it, and slack what an attempt may take beside that.
const patience, slack = 400 * time.Millisecond, 3 * time.Second

// tries is how often a machine that stands still for a moment may have made an attempt last longer. A destination that waits where it
// should not does so each time.
const tries = 3

// Run tests the destination.
func Run(t *testing.T, s Suite) {
	if s.Accept == nil {
		s.Accept = func(http.ResponseWriter, *http.Request) {}
	}
	t.Run("accepted", s.accepted)
	t.Run("at once", s.together)
	t.Run("the same id in each attempt", s.sameID)
	t.Run("nobody there", s.nobody)
	t.Run("not allowed", s.notAllowed)
	t.Run("given up", s.givenUp)
	for requests, k := s.requests(t), 0; k < requests; k++ {
		for _, h := range hostilities {
			t.Run(h.name+", from request "+string(rune('1'+k))+" on", func(t *testing.T) { s.suffer(t, h, k) })
		}
	}
}

// endpoint is what a destination sends to: it accepts some requests, and is hostile to those after them.
type endpoint struct {
	*httptest.Server
	suite *Suite

	mu       sync.Mutex
	accepts  int // requests; below zero: all
	hostile  http.HandlerFunc
	requests []received
}

type received struct {
	request *http.Request
	body    string
}

func (s *Suite) endpoint(t *testing.T, accepts int, hostile http.HandlerFunc) *endpoint {
	t.Helper()
	e := &endpoint{suite: s, accepts: accepts, hostile: hostile}
	e.Server = httptest.NewServer(http.HandlerFunc(e.serve))
	t.Cleanup(e.Server.Close)
	t.Cleanup(e.Server.CloseClientConnections)
	return e
}

func (e *endpoint) serve(w http.ResponseWriter, r *http.Request) {
	body := read(r)
	r.Body = io.NopCloser(strings.NewReader(body)) // for the handlers
	e.mu.Lock()
	e.requests = append(e.requests, received{r, body})
	accept := e.accepts != 0
	if e.accepts > 0 {
		e.accepts--
	}
	e.mu.Unlock()
	if accept {
		e.suite.Accept(w, r)
	} else {
		e.hostile(w, r)
	}
}

func (e *endpoint) all() []received {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.requests
}

// client connects to this machine.
func client() *forward.Client {
	return forward.NewClient([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")})
}

// requests is how many requests the first event takes.
func (s *Suite) requests(t *testing.T) int {
	t.Helper()
	e := s.endpoint(t, -1, nil)
	if _, err := s.New(t, e.URL).Send(t.Context(), client(), s.Event); err != nil {
		t.Fatalf("what the endpoint accepts is an error: %v", err)
	}
	return len(e.all())
}

func (s *Suite) accepted(t *testing.T) {
	e := s.endpoint(t, -1, nil)
	d := s.New(t, e.URL)
	answer, err := d.Send(t.Context(), client(), s.Event)
	if err != nil || answer.Status < 200 || answer.Status > 299 {
		t.Errorf("the answer is %d, %v", answer.Status, err)
	}
	if len(e.all()) == 0 {
		t.Error("nothing was sent")
	}
	u, _ := url.Parse(e.URL)
	if d.Host() != u.Host {
		t.Errorf("it sends to %s and says %s", u.Host, d.Host())
	}
	if len(d.Kinds()) == 0 {
		t.Error("it takes no events")
	}
}

func (s *Suite) together(t *testing.T) {
	e := s.endpoint(t, -1, nil)
	d, c := s.New(t, e.URL), client()
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := d.Send(t.Context(), c, s.Event); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

func (s *Suite) sameID(t *testing.T) {
	if s.ID == nil {
		return // the wire has none
	}
	e := s.endpoint(t, 0, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	d := s.New(t, e.URL)
	for range 2 {
		if _, err := d.Send(t.Context(), client(), s.Event); err == nil {
			t.Error("500 is taken for success")
		}
	}
	e.mu.Lock()
	e.accepts = -1
	e.mu.Unlock()
	if _, err := d.Send(t.Context(), client(), s.Event); err != nil {
		t.Error(err)
	}
	seen := 0
	for i, r := range e.all() {
		if id := s.ID(r.request, r.body); id == s.Event.ID {
			seen++
		} else if id != "" {
			t.Errorf("request %d has the id %q", i+1, id)
		}
	}
	if seen == 0 {
		t.Error("no request has the delivery's id")
	}
}

func (s *Suite) nobody(t *testing.T) {
	e := s.endpoint(t, -1, nil)
	d := s.New(t, e.URL)
	e.Close()
	answer, err := d.Send(t.Context(), client(), s.Event)
	s.judge(t, retry, answer, err)
}

func (s *Suite) notAllowed(t *testing.T) {
	e := s.endpoint(t, -1, nil)
	_, err := s.New(t, e.URL).Send(t.Context(), forward.NewClient(nil), s.Event)
	if !errors.Is(err, forward.ErrForbidden) || len(e.all()) > 0 {
		t.Errorf("an address of this machine is tried with %v, %d requests", err, len(e.all()))
	}
}

// givenUp ends the attempt from outside, as the end of the process does.
func (s *Suite) givenUp(t *testing.T) {
	within(t, slack, func() {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		e := s.endpoint(t, 0, func(_ http.ResponseWriter, r *http.Request) {
			cancel()
			<-r.Context().Done()
		})
		if _, err := s.New(t, e.URL).Send(ctx, client(), s.Event); err == nil {
			t.Error("an attempt that is ended is taken for success")
		}
	})
}

// within requires that one of the tries takes no longer.
func within(t *testing.T, most time.Duration, try func()) {
	t.Helper()
	var took time.Duration
	for range tries {
		began := time.Now()
		try()
		if took = time.Since(began); took <= most {
			return
		}
	}
	t.Errorf("it took %s each time", took)
}

// suffer sends to an endpoint that is hostile from request k on.
func (s *Suite) suffer(t *testing.T, h hostility, k int) {
	c, most := client(), slack
	if h.endless {
		c, most = c.Within(patience), slack+time.Duration(k+1)*patience
	}
	for range max(1, h.times) {
		within(t, most, func() { s.attempt(t, h, k, c) })
	}
}

func (s *Suite) attempt(t *testing.T, h hostility, k int, c *forward.Client) {
	t.Helper()
	e := s.endpoint(t, k, h.serve)
	before := allocated()
	answer, err := s.New(t, e.URL).Send(t.Context(), c, s.Event)
	if used := allocated() - before; used > maxMemory {
		t.Errorf("it took %d bytes of memory", used)
	}
	want := h.want
	if want == bodyDecides {
		if want = success; s.BodyDecides {
			want = retry
		}
	}
	s.judge(t, want, answer, err)
	for _, r := range e.all() {
		if strings.Contains(r.request.URL.Path, "redirected") {
			t.Error("a redirect was followed")
		}
	}
}
