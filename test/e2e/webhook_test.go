package e2e

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
	"github.com/caddy-affiliate/caddy-affiliate/test/load"
)

// receivedWebhook is what the receiver in JavaScript says of a request.
type receivedWebhook struct {
	ID, Timestamp, Signature, Body string
	Verified, Refused              []struct {
		Event *struct {
			Type string
			Data struct {
				Test    bool
				Session struct{ ID, Route string }
			}
		}
		Error string
	}
	Signed []string
}

// receiver runs the official library for JavaScript under node, as a service that takes webhooks. It returns its address and a
// function that waits for the next one.
func receiver(t *testing.T, secrets ...string) (url string, next func() receivedWebhook) {
	t.Helper()
	dir := t.TempDir()
	const from = "testdata/standardwebhooks/"
	for file, to := range map[string]string{
		"receiver.js": "receiver.js", "index.js": "node_modules/standardwebhooks/index.js",
		"timing_safe_equal.js": "node_modules/standardwebhooks/timing_safe_equal.js",
		"base64.js":            "node_modules/@stablelib/base64/index.js", "sha256.js": "node_modules/fast-sha256/index.js",
	} {
		copyFile(t, from+file, filepath.Join(dir, to))
	}
	cmd := exec.Command("node", append([]string{"receiver.js"}, secrets...)...)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	lines := make(chan string, 16)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			lines <- s.Text()
		}
	}()
	line := func() string {
		t.Helper()
		select {
		case text, ok := <-lines:
			if ok {
				return text
			}
		case <-time.After(time.Minute):
		}
		t.Fatal("the receiver says nothing")
		return ""
	}
	return "http://127.0.0.1:" + line(), func() (r receivedWebhook) {
		t.Helper()
		if err := json.Unmarshal([]byte(line()), &r); err != nil {
			t.Fatal(err)
		}
		return r
	}
}

// Each message verifies with the official library in another language, with the old secret and with the new one, and what that
// library signs is what we sign.
func TestWebhookSignaturesInJavaScript(t *testing.T) {
	secrets := []string{whsec(1), whsec(2)}
	url, next := receiver(t, secrets...)
	p := caddy.Start(t, `{
	affiliate {
		journal ./affiliate {
			max_wait 10s
		}
		link demo
		forward webhook {
			url `+url+`/hooks
			secret {env.OLD_SECRET} {env.NEW_SECRET}
			kinds session.created
			allow 127.0.0.0/8
		}
	}
}

http://:{$HTTP_PORT} {
	affiliate
	header `+load.SessionHeader+` {affiliate.session_id}
	respond "hello"
}
`, caddy.Env("OLD_SECRET="+secrets[0], "NEW_SECRET="+secrets[1]))
	p.AwaitHealth()
	out, errs, status := p.CLI("affiliate", "destination", "test", "webhook")
	if status != 0 || !strings.Contains(out, "204") {
		t.Fatalf("destination test exits with %d: %s%s", status, out, errs)
	}
	if r := next(); r.verified(t) && (r.Verified[0].Event.Type != "test" || !r.Verified[0].Event.Data.Test) {
		t.Errorf("the test event is %s", r.Body)
	}
	request, err := http.NewRequest(http.MethodGet, p.URL+"/caf%C3%A9/%22%5C?via=demo", nil)
	if err != nil {
		t.Fatal(err)
	}
	load.AsBrowser(request.Header)
	resp, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	r := next()
	if got := r.Verified[0].Event; r.verified(t) && (got.Type != "session.created" || got.Data.Session.ID != resp.Header.Get(load.SessionHeader)) {
		t.Errorf("the click's event is %s", r.Body)
	}
}

// verified checks what the library made of a message, and of those that are none of ours.
func (r receivedWebhook) verified(t *testing.T) bool {
	t.Helper()
	for i, v := range r.Verified {
		if v.Event == nil {
			t.Errorf("with secret %d it is refused: %s", i+1, v.Error)
			return false
		}
	}
	for i, v := range r.Refused {
		if v.Event != nil {
			t.Errorf("variation %d is taken", i+1)
		}
	}
	if ours := strings.Join(r.Signed, " "); len(r.Verified) != 2 || r.Signature != ours {
		t.Errorf("the library signs\n%s\nwe\n%s", ours, r.Signature)
	}
	return true
}

// whsec is a secret as the specification writes it.
func whsec(n byte) string {
	return "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat(fmt.Sprintf("%c", 'a'+n), 32)))
}
