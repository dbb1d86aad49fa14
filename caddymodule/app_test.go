package caddymodule

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-affiliate/caddy-affiliate/storage/journal"
)

const demoLink = "link demo \"Demo Partner\" https://example.com/"

// references is how many configurations hold the engine.
func references() int {
	n, _ := engines.References(engineKey)
	return n
}

// mustBeFree fails unless the journal's folder can be opened, and so its lock taken. One whose disk is slow is closed a moment later.
func mustBeFree(t *testing.T, dir string) {
	t.Helper()
	j, err := journal.Open(dir, journal.Options{SegmentBytes: 1 << 16})
	for deadline := time.Now().Add(testTime); errors.Is(err, journal.ErrLocked) && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		j, err = journal.Open(dir, journal.Options{SegmentBytes: 1 << 16})
	}
	if err != nil {
		t.Fatalf("the journal's folder is not free: %v", err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

// occupied is a site on a port that somebody else holds: the http app refuses to start.
func occupied(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	port := l.Addr().(*net.TCPAddr).Port
	return fmt.Sprintf("http://127.0.0.1:%d {\n bind tcp4/127.0.0.1\n respond \"taken\"\n}", port)
}

func TestDirectiveAloneRecords(t *testing.T) {
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	s := newServer(t)
	s.load(s.adaptGlobal("", fmt.Sprintf("http://127.0.0.1:%d {\n affiliate\n respond hello\n}", s.site)))
	if _, err := os.Stat(filepath.Join(os.Getenv("XDG_DATA_HOME"), "caddy", "affiliate")); err != nil {
		t.Errorf("the journal is not in Caddy's data directory: %v", err)
	}
	if out, err := s.command("link", "add", "demo"); err != nil {
		t.Fatal(out, err)
	}
	if s.visit("/?via=demo") == "" {
		t.Error("a click got no token")
	}
	if got := s.sessions(1); got[0].Code != "demo" || got[0].Affiliate != "demo" {
		t.Errorf("the session is %+v", got[0])
	}
}

func TestReloadKeepsEngine(t *testing.T) {
	s := newServer(t)
	config := s.adapt(demoLink, "")
	s.load(config)
	first, token := running(), s.visit("/?via=demo")
	if token == "" {
		t.Fatal("a click got no token")
	}
	s.load(config)
	before := settledGoroutines()
	const reloads = 30
	for range reloads {
		s.load(config)
		if s.visit("/?via=demo") == "" {
			t.Error("a click after a reload got no token")
		}
	}
	if running() != first {
		t.Error("a reload made another engine")
	}
	if n := references(); n != 1 {
		t.Errorf("%d references after the reloads, want 1", n)
	}
	s.eventually("the goroutines of the reloads end", func() bool { return settledGoroutines() <= before+3 })
	if _, err := running().app.Load().sealer().Open("default", token); err != nil {
		t.Errorf("a token from before the reloads does not open: %v", err)
	}
	s.sessions(1 + reloads)
}

// settledGoroutines counts once connections of the test's own client are gone.
func settledGoroutines() int {
	closeIdle()
	runtime.GC()
	return runtime.NumGoroutine()
}

func TestReloadAppliesLinks(t *testing.T) {
	s := newServer(t)
	s.load(s.adapt(demoLink, ""))
	s.load(s.adapt(demoLink+"\n link other https://example.org/", ""))
	s.eventually("the new link works", func() bool { return s.visit("/?via=other") != "" })
	s.load(s.adapt("link other https://example.org/", ""))
	s.eventually("the link that left the configuration is disabled", func() bool {
		link := running().Links().Lookup("default", "demo")
		return link != nil && !link.Active
	})
}

func TestRefusedReloadKeepsFormerConfiguration(t *testing.T) {
	s := newServer(t)
	s.load(s.adapt(demoLink, ""))
	first, app := running(), running().app.Load()
	reason := s.refused(s.adapt("network other\n"+demoLink, occupied(t)))
	if !strings.Contains(reason, "address already in use") {
		t.Fatalf("refused for another reason: %s", reason)
	}
	if running() != first || references() != 1 {
		t.Errorf("the engine has %d references, want the first configuration's one", references())
	}
	if running().app.Load() != app {
		t.Error("the refused configuration is the one in force")
	}
	if s.visit("/?via=demo") == "" {
		t.Error("the former configuration does not record any more")
	}
	// The admin endpoint is the refused configuration's by now.
	if out, err := s.command("link", "add", "late"); err != nil || !strings.Contains(out, "in network default") {
		t.Errorf("the admin routes do not answer for the former configuration: %s %v", out, err)
	}
	s.sessions(1)
	_, metrics := s.get("/metrics")
	if !strings.Contains(metrics, "caddy_affiliate_tokens_total") {
		t.Error("the metrics are gone")
	}
}

func TestChangedJournalPathNeedsRestart(t *testing.T) {
	s := newServer(t)
	s.load(s.adapt(demoLink, ""))
	moved := s.adaptGlobal(fmt.Sprintf("affiliate {\n journal %s/elsewhere\n}", s.dir), "")
	if reason := s.refused(moved); !strings.Contains(reason, "needs a restart") {
		t.Errorf("the reason is %q", reason)
	}
	if references() != 1 {
		t.Errorf("%d references, want 1", references())
	}
	if _, err := os.Stat(filepath.Join(s.dir, "elsewhere")); !os.IsNotExist(err) {
		t.Errorf("the refused configuration made its folder: %v", err)
	}
	if s.visit("/?via=demo") == "" {
		t.Error("the former configuration does not record any more")
	}
}

func TestRefusedFirstConfigurationLeavesNothing(t *testing.T) {
	s := newServer(t)
	// Caddy starts its apps in random order, so ours is tried before and after the one that fails.
	for range 8 {
		s.refused(s.adapt(demoLink, occupied(t)))
		if running() != nil {
			t.Fatal("the refused configuration's engine is still there")
		}
		mustBeFree(t, s.journal())
	}
	s.load(s.adapt(demoLink, ""))
	if s.visit("/?via=demo") == "" {
		t.Error("a click got no token")
	}
}

func TestUnusableFolderRefusesFirstConfiguration(t *testing.T) {
	s := newServer(t)
	if err := os.WriteFile(s.journal(), []byte("a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	if reason := s.refused(s.adapt(demoLink, "")); !strings.Contains(reason, "opening the affiliate engine") {
		t.Errorf("the reason is %q", reason)
	}
	if running() != nil {
		t.Error("the refused configuration's engine is still there")
	}
}

func TestEngineGoesWithTheApp(t *testing.T) {
	s := newServer(t)
	with := s.adapt(demoLink, "")
	s.load(with)
	token := s.visit("/?via=demo")
	s.load(s.adaptGlobal("", fmt.Sprintf("http://127.0.0.1:%d {\n respond bare\n}", s.site)))
	if running() != nil {
		t.Error("the app left the configuration and the engine is still there")
	}
	if status, body := s.get("/affiliate/health"); status != 503 || !strings.Contains(body, "not running") {
		t.Errorf("health answers %d %s", status, body)
	}
	mustBeFree(t, s.journal())
	s.load(with)
	if _, err := running().app.Load().sealer().Open("default", token); err != nil {
		t.Errorf("a token from before does not open: %v", err)
	}
	s.visit("/?via=demo")
	s.sessions(2)
}

func TestValidateOpensNothing(t *testing.T) {
	s := newServer(t)
	s.load(s.adapt(demoLink, ""))
	// What `caddy validate` does, in the process where that shows.
	config := new(caddy.Config)
	if err := caddy.StrictUnmarshalJSON(s.adapt("network other", ""), config); err != nil {
		t.Fatal(err)
	}
	config.Admin = nil
	if err := caddy.Validate(config); err != nil {
		t.Fatal(err)
	}
	if references() != 1 || running().app.Load().Network != "default" {
		t.Errorf("validating left %d references and network %q", references(), running().app.Load().Network)
	}
	if s.visit("/?via=demo") == "" {
		t.Error("a click got no token")
	}
}

func TestInvalidSettings(t *testing.T) {
	for name, c := range map[string]struct{ app, want string }{
		"network":        {`{"network": "a b"}`, "a network is"},
		"window":         {`{"window": "401d"}`, "at most 400 days"},
		"attribution":    {`{"attribution": "linear"}`, "none of: last_click, first_click"},
		"organic":        {`{"organic": "keep"}`, "none of: assign, reject"},
		"retention":      {`{"retention": {"ip": "10m"}}`, "at least 1h"},
		"no room":        {`{"journal": {"max_size": 1}}`, "max_size is at least 131072 bytes"},
		"sizes":          {`{"journal": {"max_size": -1}}`, "sizes are positive"},
		"segment":        {`{"journal": {"max_size": 1048576, "segment_size": 2097152}}`, "at most its max_size"},
		"retain":         {`{"journal": {"retain": "1ms"}}`, "at least 1s"},
		"max_wait":       {`{"journal": {"max_wait": "11s"}}`, "from 1ms to 10s"},
		"journal path":   {`{"journal": {"path": "{env.AFFILIATE_NOT_SET}"}}`, "AFFILIATE_NOT_SET"},
		"ledger":         {`{"ledger": {"kind": "mysql"}}`, "mysql"},
		"dsn":            {`{"ledger": {"kind": "postgres"}, "secrets": ["` + testSecret + `"]}`, "needs a connection string"},
		"dsn elsewhere":  {`{"ledger": {"dsn": "x"}}`, "ledger sqlite has no dsn"},
		"path elsewhere": {`{"ledger": {"kind": "none", "path": "x"}}`, "ledger none has no path"},
		"none alone":     {`{"ledger": {"kind": "none"}}`, "needs redis"},
		"code":           {`{"links": [{"code": "a b"}]}`, "a code is 1 to 64"},
		"twice":          {`{"links": [{"code": "a"}, {"code": "A"}]}`, "declared twice"},
		"subdomains":     {`{"links": [{"code": "a", "subdomain": "x"}, {"code": "b", "subdomain": "X"}]}`, "has the subdomain"},
		"label":          {`{"links": [{"code": "a", "subdomain": "-x"}]}`, "not one host label"},
		"deep link":      {`{"links": [{"code": "a", "deep_link_hosts": ["https://x"]}]}`, "not a host name"},
		"destination":    {`{"links": [{"code": "a", "destination": "javascript:alert(1)"}]}`, "a destination is"},
		"unknown":        {`{"sink": "x"}`, "sink"},
	} {
		t.Run(name, func(t *testing.T) {
			err := provision(t, c.app)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v, want %q", err, c.want)
			}
			if running() != nil {
				t.Error("a refused app holds the engine")
			}
		})
	}
}

func TestSettingsWithoutEffectAreWarnedOf(t *testing.T) {
	none := &Ledger{Kind: "none"}
	relay := &Redis{Addresses: []string{"a:1"}}
	links := []Link{{Code: "demo"}}
	for name, c := range map[string]struct {
		app  *App
		want string // "" for no warning
	}{
		"retain":             {&App{Ledger: none, Redis: relay, Journal: &Journal{Retain: caddy.Duration(time.Hour)}}, "retain has no effect"},
		"link":               {&App{Ledger: none, Redis: relay, Links: links}, "known to this node only"},
		"attribution":        {&App{Ledger: none, Redis: relay, Attribution: firstClick}, "attribution, organic and retention have no effect"},
		"neither":            {&App{Ledger: none, Redis: relay, Journal: &Journal{MaxSize: 1 << 30}}, ""},
		"both with a ledger": {&App{Redis: relay, Links: links, Attribution: firstClick, Journal: &Journal{Retain: caddy.Duration(time.Hour)}}, ""},
	} {
		var lines strings.Builder
		if _, err := c.app.engineConfig(caddy.NewReplacer(), slog.New(slog.NewJSONHandler(&lines, nil))); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(lines.String(), c.want) || c.want == "" && lines.Len() > 0 {
			t.Errorf("%s: the log says %q, want %q", name, lines.String(), c.want)
		}
	}
}

func TestRedisOptions(t *testing.T) {
	t.Setenv("TEST_REDIS", "rediss://edge:s3cret-in-env@one.internal:6380/3?read_timeout=1s")
	a := &App{Redis: &Redis{Addresses: []string{"{env.TEST_REDIS}"}, Username: "other"}}
	c, err := a.engineConfig(caddy.NewReplacer(), discard)
	if err != nil {
		t.Fatal(err)
	}
	o := c.Redis
	if len(o.Addrs) != 1 || o.Addrs[0] != "one.internal:6380" || o.DB != 3 || o.Username != "other" || o.Password != "s3cret-in-env" ||
		o.ReadTimeout != time.Second || o.TLSConfig == nil || o.TLSConfig.InsecureSkipVerify {
		t.Errorf("the options of a URL are %+v", o)
	}
	a = &App{Redis: &Redis{Addresses: []string{"redis://:watch@s1:26379", "redis://:watch@s2:26379"}, Master: "main", Password: testSecret, DB: 1}}
	if c, err = a.engineConfig(caddy.NewReplacer(), discard); err != nil {
		t.Fatal(err)
	}
	if o = c.Redis; o.MasterName != "main" || o.SentinelPassword != "watch" || o.Password != testSecret || o.DB != 1 || len(o.Addrs) != 2 {
		t.Errorf("the options of Sentinels are %+v", o)
	}
	a = &App{Redis: &Redis{Addresses: []string{"a:1", "b:2"}, Cluster: true}}
	if c, err = a.engineConfig(caddy.NewReplacer(), discard); err != nil || !c.Redis.IsClusterMode || c.Redis.Addrs[1] != "b:2" {
		t.Errorf("the options of a Cluster are %+v, %v", c.Redis, err)
	}
}

func TestInvalidRedis(t *testing.T) {
	const password = "pa55word-that-must-not-show"
	for name, c := range map[string]struct {
		redis Redis
		want  string
	}{
		"none":      {Redis{}, "needs an address"},
		"several":   {Redis{Addresses: []string{"a:1", "b:1"}}, "master <name>"},
		"both":      {Redis{Addresses: []string{"a:1"}, Master: "m", Cluster: true}, "not both"},
		"scheme":    {Redis{Addresses: []string{"http://:" + password + "@a"}}, "does not parse"},
		"port":      {Redis{Addresses: []string{"redis://:" + password + "@a:port"}}, "does not parse"},
		"unescaped": {Redis{Addresses: []string{"redis://:" + password + "/%@a:1"}}, "does not parse"},
		"fragment":  {Redis{Addresses: []string{"redis://a:1#" + password + "@b:1"}}, "does not parse"},
		"parameter": {Redis{Addresses: []string{"redis://:" + password + "@a:1?max_retries=5"}}, "may set db, dial_timeout"},
		"differ":    {Redis{Addresses: []string{"redis://:" + password + "@a:1", "redis://b:1"}, Cluster: true}, "differ"},
		"cluster":   {Redis{Addresses: []string{"a:1"}, Cluster: true, DB: 1}, "a cluster has only 0"},
		"unset":     {Redis{Addresses: []string{"a:1"}, Password: "{env.AFFILIATE_NOT_SET}"}, "AFFILIATE_NOT_SET"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.redis.options(caddy.NewReplacer(), discard)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v, want %q", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), password) {
				t.Errorf("the error shows the password: %v", err)
			}
		})
	}
}
