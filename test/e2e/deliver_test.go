package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
	"github.com/caddy-affiliate/caddy-affiliate/test/load"
)

// hook is a service that takes webhooks, or is broken.
type hook struct {
	*httptest.Server
	mu     sync.Mutex
	broken bool
	ids    []string // of the messages, as they came
}

func newHook(t *testing.T) *hook {
	h := &hook{broken: true}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.ids = append(h.ids, r.Header.Get("webhook-id"))
		if h.broken {
			w.WriteHeader(http.StatusInternalServerError)
			fmt.Fprintf(w, "no good: %s %s", r.URL, r.Header.Get("webhook-id"))
		}
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *hook) mend() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.broken = false
}

// crm is a site that tells the service at $HOOK of its sessions.
const crm = `{
	affiliate {
		journal ./affiliate {
			max_wait 10s
		}
		link demo
		forward webhook crm {
			url {env.HOOK}
			secret {env.SECRET}
			kinds session.created
			allow 127.0.0.0/8
		}
	}
}

http://:{$HTTP_PORT} {
	affiliate
	respond "hello"
}
`

// What an operator sees and does while a service is broken, by the commands alone.
func TestDeliveriesByCommand(t *testing.T) {
	h := newHook(t)
	p := caddy.Start(t, crm, caddy.Env("HOOK="+h.URL+"/in?token=a-t0ken-of-theirs", "SECRET="+whsec(3)))
	p.AwaitHealth()
	command := func(args ...string) string {
		t.Helper()
		out, errs, status := p.CLI(append([]string{"affiliate"}, args...)...)
		if status != 0 {
			t.Fatalf("caddy affiliate %s exits with %d: %s", strings.Join(args, " "), status, errs)
		}
		return out
	}
	request, err := http.NewRequest(http.MethodGet, p.URL+"/?via=demo", nil)
	if err != nil {
		t.Fatal(err)
	}
	load.AsBrowser(request.Header)
	resp, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()

	var rows []struct {
		ID, State string
		Attempts  int
	}
	first := func(state string, attempts int) func() bool {
		return func() bool {
			out := command("delivery", "list", "--destination", "crm", "--json")
			return json.Unmarshal([]byte(out), &rows) == nil && len(rows) == 1 && rows[0].State == state && rows[0].Attempts >= attempts
		}
	}
	await(t, "an attempt to fail", func() bool {
		return first("due", 1)() && strings.Contains(command("delivery", "show", rows[0].ID), "answered 500")
	})
	shown := command("delivery", "show", rows[0].ID, "--json")
	if !strings.Contains(shown, "no good: /in") || strings.Contains(shown, "a-t0ken-of-theirs") {
		t.Errorf("the delivery is %s", shown)
	}
	if state := command("destination", "list"); !strings.Contains(state, "crm") || !strings.Contains(state, "failing") {
		t.Errorf("the destinations are %s", state)
	}
	if out, errs, status := p.CLI("affiliate", "destination", "test", "crm"); status == 0 || !strings.Contains(out+errs, "answered 500") {
		t.Errorf("the test of a broken service exits with %d: %s%s", status, out, errs)
	}
	if out := command("delivery", "pause", "crm"); !strings.Contains(out, "paused") || !strings.Contains(command("destination", "list"), "paused") {
		t.Errorf("to pause it says %s", out)
	}
	h.mend()
	command("delivery", "resume", "crm")
	awaitDelivery(t, "the delivery to be sent", first("sent", 2))
	if _, _, status := p.CLI("affiliate", "delivery", "retry"); status == 0 {
		t.Error("everything is sent again though nobody said so")
	}
	if out := command("delivery", "retry", rows[0].ID); !strings.Contains(out, "1 delivery is due again") {
		t.Errorf("to retry it says %s", out)
	}
	await(t, "the delivery to be sent again", first("sent", 3))
	h.mu.Lock()
	defer h.mu.Unlock()
	mine := 0
	for _, id := range h.ids {
		if id == rows[0].ID {
			mine++
		}
	}
	if mine < 3 || len(h.ids) != mine+1 {
		t.Errorf("of %v the test's is one, and the delivery's id is %s", h.ids, rows[0].ID)
	}
	if logs := p.Logs(); strings.Contains(logs, "a-t0ken-of-theirs") || strings.Contains(logs, whsec(3)) {
		t.Error("the log has a secret in it")
	}
}

// A hub that is killed during an attempt makes the next one when it is back, and not when its lease has ended.
func TestAKilledHubDoesNotWaitForItsOwnLease(t *testing.T) {
	const lessThanALease = 40 * time.Second
	ids := make(chan string, 1)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // so that the server notices the end of the connection
		ids <- r.Header.Get("webhook-id")
		<-r.Context().Done()
	}))
	defer hook.Close()
	next := func() string {
		t.Helper()
		select {
		case id := <-ids:
			return id
		case <-time.After(lessThanALease):
			t.Fatalf("no attempt within %s", lessThanALease)
			return ""
		}
	}
	p := caddy.Start(t, crm, caddy.Env("HOOK="+hook.URL, "SECRET="+whsec(3)))
	p.AwaitHealth()
	newBrowser(t).open(p.URL + "/?via=demo")
	first := next()
	for range 3 {
		p.Kill()
		p.Restart()
		if again := next(); again != first {
			t.Errorf("what was sent under the id %s is sent again under %s", first, again)
		}
	}
	p.Kill()
}
