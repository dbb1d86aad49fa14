package caddymodule

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// hookReceiver takes webhooks, slowly where it is told to.
type hookReceiver struct {
	*httptest.Server
	mu      sync.Mutex
	entered int
	taken   []message
	slow    chan struct{} // nil: it answers at once; else when this is closed
}

// message is a webhook.
type message struct{ id, at, signature, body string }

func newHookReceiver(t *testing.T) *hookReceiver {
	h := &hookReceiver{}
	h.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		h.mu.Lock()
		h.entered++
		slow := h.slow
		h.mu.Unlock()
		if slow != nil {
			select {
			case <-slow:
			case <-r.Context().Done():
				return
			}
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		m := message{r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp"), r.Header.Get("webhook-signature"), string(body)}
		h.taken = append(h.taken, m)
	}))
	t.Cleanup(h.Close)
	return h
}

// signedWith reports whether the secret has made the message's signature.
func (m message) signedWith(secret string) bool {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", m.id, m.at, m.body)
	return err == nil && m.signature == "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func (h *hookReceiver) messages() []message {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]message(nil), h.taken...)
}

func (h *hookReceiver) begun() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.entered
}

func secretOf(letter string) string {
	return "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat(letter, 32)))
}

// A secret that is rotated in its file reaches the sender with the next reload, whatever else stays as it is.
func TestARotatedSecretReachesTheSender(t *testing.T) {
	s, h := newServer(t), newHookReceiver(t)
	file := filepath.Join(s.dir, "secret.txt")
	rotate := func(letter string) {
		if err := os.WriteFile(file, []byte(secretOf(letter)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rotate("a")
	config := s.adapt(fmt.Sprintf("link demo\n forward webhook {\n kinds session.created\n url %s\n secret {file.%s}\n allow 127.0.0.0/8\n}", h.URL, file), "")
	for i, letter := range []string{"a", "b"} {
		rotate(letter)
		s.load(config)
		s.visit("/?via=demo")
		s.eventually("the webhook comes", func() bool { return len(h.messages()) == i+1 })
		if m := h.messages()[i]; !m.signedWith(secretOf(letter)) {
			t.Errorf("after the secret became %s it signs %s", letter, m.signature)
		}
	}
	if strings.Contains(s.log(), secretOf("a")[6:]) || strings.Contains(s.log(), secretOf("b")[6:]) {
		t.Error("the log has a secret in it")
	}
}

// A reload that changes a link, or the destination itself, cuts no attempt short, and nothing is sent twice.
func TestAReloadCutsNothingShort(t *testing.T) {
	s, h := newServer(t), newHookReceiver(t)
	config := func(link, more string) []byte {
		return s.adapt(fmt.Sprintf("link demo %q\n forward webhook {\n kinds session.created\n url %s\n secret %s\n allow 127.0.0.0/8\n %s\n}",
			link, h.URL, secretOf("a"), more), "")
	}
	h.slow = make(chan struct{})
	s.load(config("Ann", ""))
	s.visit("/?via=demo")
	s.eventually("the webhook is under way", func() bool { return h.begun() == 1 })
	s.load(config("Bob", ""))
	s.load(config("Bob", "concurrency 2"))
	time.Sleep(300 * time.Millisecond) // longer than the grace that attempts have at the end of a process
	close(h.slow)
	s.eventually("the webhook ends", func() bool { return len(h.messages()) == 1 })
	s.visit("/?via=demo&sub1=second")
	s.visit("/?via=demo&sub1=third")
	s.eventually("later ones are sent", func() bool { return len(h.messages()) == 3 })
	ids := map[string]bool{}
	for _, m := range h.messages() {
		ids[m.id] = true
	}
	if len(ids) != 3 || h.begun() != 3 {
		t.Errorf("%d webhooks were sent in %d attempts", len(ids), h.begun())
	}
}

// The fingerprint tells settings apart and tells nothing of them.
func TestFingerprint(t *testing.T) {
	t.Setenv("TEST_FINGERPRINT", "one")
	raw := []byte(`{"kind": "webhook", "secrets": ["{env.TEST_FINGERPRINT}"], "links": {"a": {"b": "{env.TEST_FINGERPRINT}"}}}`)
	one := fingerprint(raw)
	if one != fingerprint(raw) || one == fingerprint([]byte(`{"kind": "webhook", "secrets": ["one"], "links": {"a": {"b": "one"}}}`)) {
		t.Error("it is not that of the settings as they are written and as they are")
	}
	t.Setenv("TEST_FINGERPRINT", "two")
	if two := fingerprint(raw); two == one || strings.Contains(two, "two") || len(two) != 64 {
		t.Errorf("the fingerprint is %s", two)
	}
}
