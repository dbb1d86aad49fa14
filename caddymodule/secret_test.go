package caddymodule

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

var discard = slog.New(slog.DiscardHandler)

func closeIdle() { http.DefaultTransport.(*http.Transport).CloseIdleConnections() }

// provision provisions an app with that JSON, in Caddy, and gives everything back.
func provision(t *testing.T, app string) error {
	t.Helper()
	config := &caddy.Config{
		StorageRaw: json.RawMessage(`{"module": "file_system", "root": "` + t.TempDir() + `"}`),
		AppsRaw:    caddy.ModuleMap{"affiliate": json.RawMessage(app)},
	}
	return caddy.Validate(config)
}

func TestSecretIsMadeOnce(t *testing.T) {
	storage := &certmagic.FileStorage{Path: t.TempDir()}
	const nodes = 8
	sealed := make([]string, nodes)
	sealers := make([]*tracker.Sealer, nodes)
	var all sync.WaitGroup
	for i := range nodes {
		all.Go(func() {
			sealer, err := storedSealer(storage)
			if err != nil {
				t.Error(err)
				return
			}
			sealers[i] = sealer
			sealed[i], err = sealer.Seal(tracker.Token{Network: "default", Last: tracker.Touch{Code: "demo", Time: time.Now()}})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if t.Failed() {
		return
	}
	for i, token := range sealed {
		if _, err := sealers[(i+1)%nodes].Open("default", token); err != nil {
			t.Fatalf("one process cannot open another's token: %v", err)
		}
	}
	file, err := os.Stat(filepath.Join(storage.Path, secretKey))
	if err != nil {
		t.Fatal(err)
	}
	if file.Mode().Perm() != 0o600 {
		t.Errorf("the stored secret has mode %v", file.Mode())
	}
}

func TestDamagedStoredSecret(t *testing.T) {
	storage := &certmagic.FileStorage{Path: t.TempDir()}
	if err := storage.Store(context.Background(), secretKey, []byte("short-one")); err != nil {
		t.Fatal(err)
	}
	_, err := storedSealer(storage)
	if err == nil || !strings.Contains(err.Error(), secretKey) || strings.Contains(err.Error(), "short-one") {
		t.Errorf("the error is %v", err)
	}
}

func TestSecretsThatAreRefused(t *testing.T) {
	t.Setenv("TEST_EMPTY", "")
	t.Setenv("TEST_SHORT", "too-short-to-be-any-good")
	for name, c := range map[string]struct{ app, want string }{
		"empty":           {`{"secrets": [""]}`, "openssl rand -hex 32"},
		"short":           {`{"secrets": ["too-short-to-be-any-good"]}`, "openssl rand -hex 32"},
		"second is short": {`{"secrets": ["` + testSecret + `", "too-short-to-be-any-good"]}`, "openssl rand -hex 32"},
		"twice":           {`{"secrets": ["` + testSecret + `", " ` + testSecret + `"]}`, "the same as one before it"},
		"unset variable":  {`{"secrets": ["{env.TEST_NOT_SET}"]}`, "{env.TEST_NOT_SET}"},
		"empty variable":  {`{"secrets": ["{env.TEST_EMPTY}"]}`, "{env.TEST_EMPTY}"},
		"short variable":  {`{"secrets": ["{env.TEST_SHORT}"]}`, "openssl rand -hex 32"},
		"no such file":    {`{"secrets": ["{file./nowhere/at/all}"]}`, "openssl rand -hex 32"},
		"none with redis": {`{"redis": {"addresses": ["localhost:1"]}}`, "secret {env.AFFILIATE_SECRET}"},
		"none with a dsn": {`{"ledger": {"kind": "postgres", "dsn": "postgres://localhost:1/x"}}`, "secret {env.AFFILIATE_SECRET}"},
	} {
		t.Run(name, func(t *testing.T) {
			err := provision(t, c.app)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v, want %q", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "too-short") {
				t.Errorf("the error shows the secret: %v", err)
			}
		})
	}
}

// A connection string that is none is refused with the configuration, and not shown: its password may be in it.
func TestMalformedDSNIsRefused(t *testing.T) {
	t.Setenv("TEST_DSN", "postgres://shop:planted-password@host:port/db")
	for _, dsn := range []string{
		"::bad planted-password", "postgres://shop:planted-password@host:port/db", "{env.TEST_DSN}", "host=h password='planted-password",
		"host=h password=planted-password sslmode=never", "mysql://shop:planted-password@host/db",
	} {
		err := provision(t, fmt.Sprintf(`{"secrets": [%q], "ledger": {"kind": "postgres", "dsn": %q}}`, testSecret, dsn))
		if err == nil || !strings.Contains(err.Error(), "no PostgreSQL connection string") || strings.Contains(err.Error(), "planted") {
			t.Errorf("%s: the error is %v", dsn, err)
		}
	}
	for _, dsn := range []string{"postgres://shop:p@localhost:1/db?sslmode=disable", "host=localhost port=1 dbname=x password='a b'"} {
		if err := provision(t, fmt.Sprintf(`{"secrets": [%q], "ledger": {"kind": "postgres", "dsn": %q}}`, testSecret, dsn)); err != nil {
			t.Errorf("%s: %v", dsn, err)
		}
	}
}

func TestSecretsThatAreTaken(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(testSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TEST_SECRET", testSecret)
	for name, app := range map[string]string{
		"literal":             `{"secrets": ["` + testSecret + `"]}`,
		"braces in a literal": `{"secrets": ["{` + testSecret + `}"]}`,
		"variable":            `{"secrets": ["{env.TEST_SECRET}"]}`,
		"file":                `{"secrets": ["{file.` + file + `}"]}`,
		"with redis":          `{"secrets": ["{env.TEST_SECRET}"], "redis": {"addresses": ["localhost:1"]}}`,
	} {
		t.Run(name, func(t *testing.T) {
			if err := provision(t, app); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestLiteralSecretsAreWarnedOf(t *testing.T) {
	t.Setenv("TEST_SECRET", testSecret)
	for name, c := range map[string]struct {
		app  *App
		want string // the option that the warning names; "" for no warning
	}{
		"secret":            {&App{Secrets: []string{testSecret}}, "secret"},
		"variable":          {&App{Secrets: []string{"{env.TEST_SECRET}"}}, ""},
		"redis":             {&App{Redis: &Redis{Addresses: []string{"redis://:pw@a:1"}}}, "redis"},
		"redis open":        {&App{Redis: &Redis{Addresses: []string{"redis://a:1"}}}, ""},
		"redis password":    {&App{Redis: &Redis{Addresses: []string{"a:1"}, Password: "pw"}}, "redis password"},
		"postgres":          {&App{Ledger: &Ledger{Kind: "postgres", DSN: "postgres://u:pw@h/db"}}, "ledger postgres"},
		"postgres pairs":    {&App{Ledger: &Ledger{Kind: "postgres", DSN: "host=h password=pw"}}, "ledger postgres"},
		"postgres variable": {&App{Ledger: &Ledger{Kind: "postgres", DSN: "host=h password={env.TEST_SECRET}"}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var lines strings.Builder
			log := slog.New(slog.NewJSONHandler(&lines, nil))
			if _, err := c.app.engineConfig(caddy.NewReplacer(), log); err != nil {
				t.Fatal(err)
			}
			if _, err := c.app.configuredSealer(caddy.NewReplacer(), log); err != nil {
				t.Fatal(err)
			}
			if warned := strings.Contains(lines.String(), `"option":"`+c.want+`"`); warned != (c.want != "") || c.want == "" && lines.Len() > 0 {
				t.Errorf("the log says %s", lines.String())
			}
			if strings.Contains(lines.String(), testSecret) || strings.Contains(lines.String(), "pw") {
				t.Errorf("the log shows the secret: %s", lines.String())
			}
		})
	}
}

// TestSecretsStayInside plants secrets in every place that may hold one and looks for them wherever Caddy shows itself.
func TestSecretsStayInside(t *testing.T) {
	planted := map[string]string{
		"TEST_AFFILIATE_SECRET": "planted-affiliate-secret-0123456789abcdef",
		"TEST_OLD_SECRET":       "planted-old-secret-0123456789abcdef-0123",
		"TEST_FORWARD_KEY":      "planted-forward-key-0123456789abcdef-012",
		"TEST_REDIS_PASSWORD":   "planted-redis-password",
	}
	for name, value := range planted {
		t.Setenv(name, value)
	}
	s := newServer(t)
	options := "secret {env.TEST_AFFILIATE_SECRET} {env.TEST_OLD_SECRET}\n" + demoLink +
		"\n redis 127.0.0.1:1 {\n password {env.TEST_REDIS_PASSWORD}\n}"
	config := s.adapt(options, "")
	config = []byte(strings.Replace(string(config), `{"handler":"affiliate"}`,
		`{"forward_header":{"key":"{env.TEST_FORWARD_KEY}"},"handler":"affiliate"}`, 1))
	if !strings.Contains(string(config), "TEST_FORWARD_KEY") {
		t.Fatal("the configuration has no forward_header")
	}
	if err := caddy.Load(config, true); err != nil {
		t.Fatal(err)
	}
	s.eventually("a click gets a token", func() bool {
		token := s.visit("/?via=demo&email=planted-query")
		if token != "" {
			planted["token"], planted["query"] = token, "planted-query"
		}
		return token != ""
	})
	if err := caddy.Load(config, true); err != nil {
		t.Fatal(err)
	}
	s.command("link", "add", "more")
	s.command("audit")
	shown := map[string]string{"log": s.log(), "adapted": string(config)}
	for _, path := range []string{"/config/", "/metrics", "/affiliate/health", "/affiliate/audit", "/affiliate/links"} {
		_, shown[path] = s.get(path)
	}
	if !strings.Contains(shown["log"], `"logger":"affiliate"`) {
		t.Error("the log says nothing of the app, so the scan proves nothing:\n" + shown["log"])
	}
	for what, secret := range planted {
		for where, text := range shown {
			if strings.Contains(text, secret) {
				t.Errorf("%s shows the %s", where, what)
			}
		}
	}
}
