package caddymodule

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/spf13/cobra"

	"github.com/caddy-affiliate/caddy-affiliate/api"
	"github.com/caddy-affiliate/caddy-affiliate/engine"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger/sqlite/sqlitetest"
)

// server is a real Caddy in the test's process, with its own ports and folder.
type server struct {
	t           *testing.T
	dir         string
	admin, site int // ports
}

func newServer(t *testing.T) *server {
	t.Helper()
	if running() != nil {
		t.Fatal("an earlier test left an engine behind")
	}
	s := &server{t: t, dir: t.TempDir(), admin: freePort(t), site: freePort(t)}
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Errorf("stopping Caddy: %v", err)
		}
		if running() != nil {
			t.Error("Caddy has stopped and the engine still has references")
		}
	})
	return s
}

// lastPort is the port that was given out last. They lie below those of outgoing connections, one of which could else take a port
// before Caddy does, and none is given out twice.
var lastPort = 10000 + rand.IntN(5000)

func freePort(t *testing.T) int {
	t.Helper()
	for range 1000 {
		lastPort++
		if l, err := net.Listen("tcp", fmt.Sprintf(":%d", lastPort)); err == nil {
			l.Close()
			return lastPort
		}
	}
	t.Fatal("found no free port")
	return 0
}

// journal is the folder of the server's journal.
func (s *server) journal() string { return filepath.Join(s.dir, "affiliate") }

// adapt makes the configuration: options are further lines of the global option affiliate, sites further sites.
func (s *server) adapt(options, sites string) []byte {
	s.t.Helper()
	affiliate := fmt.Sprintf("affiliate {\n journal %s\n %s\n}", s.journal(), options)
	return s.adaptGlobal(affiliate, fmt.Sprintf("http://127.0.0.1:%d {\n affiliate\n respond \"hello {affiliate.code}\"\n}\n%s", s.site, sites))
}

func (s *server) adaptGlobal(global, sites string) []byte {
	s.t.Helper()
	input := fmt.Sprintf(`{
		admin 127.0.0.1:%d
		persist_config off
		auto_https off
		storage file_system %s
		log default {
			output file %s
			level DEBUG
		}
		%s
	}
	%s`, s.admin, filepath.Join(s.dir, "storage"), s.logFile(), global, sites)
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(input), nil)
	if err != nil {
		s.t.Fatalf("adapting: %v", err)
	}
	return config
}

func (s *server) logFile() string { return filepath.Join(s.dir, "caddy.log") }

func (s *server) log() string {
	s.t.Helper()
	text, err := os.ReadFile(s.logFile())
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

// load gives Caddy a configuration that it must take.
func (s *server) load(config []byte) {
	s.t.Helper()
	if bytes.Contains(config, []byte(s.journal())) {
		sqlitetest.Place(s.t, filepath.Join(s.journal(), "ledger.db"))
	}
	if err := caddy.Load(config, true); err != nil {
		s.t.Fatalf("loading: %v", err)
	}
	http.DefaultClient.CloseIdleConnections() // those of the configuration before, which Caddy may close under a request
	s.eventually("the engine is open and its links are in the ledger", func() bool {
		live := running()
		if live == nil {
			return !bytes.Contains(config, []byte("affiliate"))
		}
		for _, link := range live.Links().All() {
			if link.ID == 0 {
				return false
			}
		}
		return live.Health(s.t.Context()).Status == engine.StatusOK
	})
}

// refused gives Caddy a configuration that it must refuse, and returns why.
func (s *server) refused(config []byte) string {
	s.t.Helper()
	err := caddy.Load(config, true)
	if err == nil {
		s.t.Fatal("Caddy took the configuration")
	}
	return err.Error()
}

func (s *server) eventually(what string, ok func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(testTime); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("it does not happen: %s\n%s", what, s.log())
		}
	}
}

// visit asks the site as a browser would and returns the token that it was given.
func (s *server) visit(path string, changes ...request) (token string) {
	s.t.Helper()
	r, err := http.NewRequest(http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d%s", s.site, path), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("User-Agent", browser)
	for _, change := range changes {
		change(r)
	}
	var answer *http.Response
	s.eventually("the site answers "+path, func() bool {
		// Bare Caddy, too, closes a new connection unanswered now and then when two reloads are a millisecond apart. A browser
		// asks again.
		answer, err = http.DefaultTransport.RoundTrip(r)
		return err == nil
	})
	defer answer.Body.Close()
	for _, c := range answer.Cookies() {
		token = c.Value
	}
	return token
}

// get asks the admin endpoint.
func (s *server) get(path string) (status int, body string) {
	s.t.Helper()
	return s.call(http.MethodGet, path, "")
}

func (s *server) call(method, path, body string) (int, string) {
	s.t.Helper()
	r, err := http.NewRequest(method, fmt.Sprintf("http://127.0.0.1:%d%s", s.admin, path), strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if strings.HasPrefix(body, "{") {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// decoded asks the admin endpoint for JSON.
func decoded[T any](s *server, path string) T {
	s.t.Helper()
	status, body := s.get(path)
	if status != http.StatusOK {
		s.t.Fatalf("%s answers %d: %s", path, status, body)
	}
	var v T
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		s.t.Fatalf("%s: %v in %s", path, err, body)
	}
	return v
}

// sessions returns the ledger's sessions, newest first, once there are n.
func (s *server) sessions(n int) (list []api.Session) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("%d sessions in the ledger", n), func() bool {
		list = decoded[[]api.Session](s, "/affiliate/sessions?limit=0")
		return len(list) >= n
	})
	if len(list) > n {
		s.t.Fatalf("%d sessions in the ledger, want %d", len(list), n)
	}
	return list
}

// command runs `caddy affiliate` with those arguments against the server.
func (s *server) command(args ...string) (output string, err error) {
	s.t.Helper()
	return runCommand(append(args, "--address", fmt.Sprintf("127.0.0.1:%d", s.admin))...)
}

func runCommand(args ...string) (output string, err error) {
	output, _, err = runCommandWith("", args...)
	return output, err
}

// runCommandWith runs the command with that standard input and returns both its outputs.
func runCommandWith(input string, args ...string) (output, notes string, err error) {
	root := &cobra.Command{Use: "caddy", SilenceUsage: true, SilenceErrors: true}
	cmd := &cobra.Command{Use: "affiliate"}
	affiliateCommand(cmd)
	root.AddCommand(cmd)
	var out, note bytes.Buffer
	root.SetIn(strings.NewReader(input))
	root.SetOut(&out)
	root.SetErr(&note)
	root.SetArgs(append([]string{"affiliate"}, args...))
	err = root.Execute()
	return out.String(), note.String(), err
}
