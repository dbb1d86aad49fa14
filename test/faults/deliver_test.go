package faults

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
	"github.com/caddy-affiliate/caddy-affiliate/test/check"
	"github.com/caddy-affiliate/caddy-affiliate/test/load"
	"github.com/caddy-affiliate/caddy-affiliate/test/servers"
)

// ownTime is less than a lease: what a killed hub has claimed does not wait for its end, as the hub starts again.
const ownTime = 45 * time.Second

// sink is a service that takes webhooks and notes what it was told.
type sink struct {
	*httptest.Server
	received chan struct{} // fires for a message, unless nobody looks

	mu       sync.Mutex
	messages int
	sessions map[string]string // by the message's id
	ids      map[string]string // by the session's
	wrong    error             // the first message that should not be
}

func openSink(t *testing.T) *sink {
	t.Helper()
	s := &sink{received: make(chan struct{}), sessions: map[string]string{}, ids: map[string]string{}}
	s.Server = httptest.NewServer(http.HandlerFunc(s.take))
	t.Cleanup(s.Close)
	return s
}

// forward is the destination's block for a Caddyfile's global option.
func (s *sink) forward() string {
	return "forward webhook sink {\nurl " + s.URL + "/hooks\nkinds session.created\nsecret whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=\nallow 127.0.0.0/8\n}"
}

func (s *sink) take(_ http.ResponseWriter, r *http.Request) {
	var message struct {
		Type string
		Data struct{ Session struct{ ID string } }
	}
	err := json.NewDecoder(r.Body).Decode(&message)
	id, session := r.Header.Get("webhook-id"), message.Data.Session.ID
	s.mu.Lock()
	s.messages++
	switch {
	case err != nil || message.Type != "session.created" || id == "" || session == "":
		s.note(fmt.Errorf("a message with the id %q is of %q, session %q (%v)", id, message.Type, session, err))
	case s.sessions[id] != "" && s.sessions[id] != session:
		s.note(fmt.Errorf("the id %s is that of sessions %s and %s", id, s.sessions[id], session))
	case s.ids[session] != "" && s.ids[session] != id:
		s.note(fmt.Errorf("session %s comes under the ids %s and %s", session, s.ids[session], id))
	}
	s.sessions[id], s.ids[session] = session, id
	s.mu.Unlock()
	select {
	case s.received <- struct{}{}:
	default:
	}
}

func (s *sink) note(err error) {
	if s.wrong == nil {
		s.wrong = err
	}
}

// repeats counts the messages that came again.
func (s *sink) repeats() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.messages - len(s.sessions)
}

// missing counts the tokens whose session the sink was not told of.
func (s *sink) missing(tokens []load.Token) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, token := range tokens {
		if s.ids[token.Session] == "" {
			n++
		}
	}
	return n
}

// told waits until the sink was told of every token's session, and judges.
func (s *sink) told(t *testing.T, tokens []load.Token, p *caddy.Process) {
	t.Helper()
	for deadline := time.Now().Add(ownTime); ; time.Sleep(50 * time.Millisecond) {
		missing, due := s.missing(tokens), unsent(p)
		if missing == 0 && due == "" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("of %d sessions %d were not forwarded; still due: %s", len(tokens), missing, due)
		}
	}
	repeats := s.repeats()
	s.mu.Lock()
	defer s.mu.Unlock()
	t.Logf("%d messages of %d sessions, %d of them again", s.messages, len(s.sessions), repeats)
	if s.wrong != nil {
		t.Error(s.wrong)
	}
	if repeats == 0 {
		t.Error("nothing was ever sent again: the kills met no delivery")
	}
}

// unsent is a delivery that is not sent, as the process's API has it; empty if there is none.
func unsent(p *caddy.Process) string {
	for _, state := range []string{"due", "dead", "gone"} {
		status, body := p.AdminGet("/affiliate/v1/deliveries?limit=1&state=" + state)
		if status != http.StatusOK || !strings.Contains(body, `"data":[]`) {
			return fmt.Sprintf("%d %s", status, body)
		}
	}
	return ""
}

// SIGKILL between sending and booking: what the sink was told may come again, always under the same id, and nothing is left out.
func TestKillDeliveries(t *testing.T) {
	t.Parallel()
	s := openSink(t)
	p := caddy.Start(t, with(embedded, s.forward()))
	killedForwarding(t, s, check.Times(5, 1000), p)
}

// The same with two hubs on one PostgreSQL, of which now the one dies, now the other.
func TestKillDeliveriesOfTwoHubs(t *testing.T) {
	t.Parallel()
	s := openSink(t)
	books := "ledger postgres " + servers.SharedPostgres(t).Database(t)
	p, other := caddy.Start(t, with(secret, books, s.forward())), caddy.Start(t, with(secret, books, s.forward()))
	killedForwarding(t, s, check.Times(4, 200), p, other)
}

// killedForwarding loads the first hub's site while the hubs are killed in turn, n times, each time just after the sink was told
// of something, and then until a kill has met a delivery.
func killedForwarding(t *testing.T, s *sink, n int, hubs ...*caddy.Process) {
	t.Helper()
	visitors := clicks(hubs[0])
	visitors.Rate = 300
	r := visitors.Start()
	i := 0
	for ; i < n || s.repeats() == 0 && i < n+50; i++ {
		due := r.Tokens() + 50
		await(t, "more tokens", func() bool { return r.Tokens() >= due })
		select {
		case <-s.received:
		case <-time.After(time.Minute):
			t.Fatal("waited a minute for a message")
		}
		time.Sleep(rand.N(3 * time.Millisecond)) // a batch takes about one
		hub := hubs[i%len(hubs)]
		hub.Kill()
		hub.Restart()
	}
	result := r.Stop()
	t.Logf("%d kills: %s", i, result)
	check.Acked(t, result.Tokens, hubs[0], hubs[1:]...)
	s.told(t, result.Tokens, hubs[0])
}
