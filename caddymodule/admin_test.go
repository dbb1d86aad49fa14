package caddymodule

import (
	"database/sql"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-affiliate/caddy-affiliate/api"
	"github.com/caddy-affiliate/caddy-affiliate/engine"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func TestAdminLinks(t *testing.T) {
	s := newServer(t)
	s.load(s.adapt(demoLink, ""))
	status, body := s.call(http.MethodPost, "/affiliate/links",
		`{"code": "Summer", "affiliate": "Sara", "destination": "https://example.com/sale", "subdomain": "Sara", "deep_link_hosts": ["example.com"], "window": "7d"}`)
	if status != http.StatusCreated {
		t.Fatalf("adding answers %d %s", status, body)
	}
	for _, want := range []string{`"code":"Summer"`, `"affiliate":"Sara"`, `"subdomain":"sara"`, `"window":"7d"`, `"active":true`, `"source":"api"`, `"network":"default"`} {
		if !strings.Contains(body, want) {
			t.Errorf("the added link lacks %s: %s", want, body)
		}
	}
	// Live at once: no waiting here.
	if s.visit("/?via=summer") == "" {
		t.Error("a click on the new link got no token")
	}
	if status, body = s.call(http.MethodPost, "/affiliate/links/SUMMER/disable", ""); status != http.StatusOK || !strings.Contains(body, `"active":false`) {
		t.Errorf("disabling answers %d %s", status, body)
	}
	if s.visit("/?via=summer") != "" {
		t.Error("a click on the disabled link got a token")
	}
	if status, body = s.call(http.MethodPost, "/affiliate/links/summer/enable", ""); status != http.StatusOK || !strings.Contains(body, `"active":true`) {
		t.Errorf("enabling answers %d %s", status, body)
	}
	if s.visit("/?via=summer") == "" {
		t.Error("a click on the enabled link got no token")
	}
	links := decoded[[]linkJSON](s, "/affiliate/links")
	if len(links) != 2 {
		t.Fatalf("the links are %+v\n%s", links, s.log())
	}
	if links := decoded[[]linkJSON](s, "/affiliate/links?network=other"); len(links) != 0 {
		t.Errorf("another network has %+v", links)
	}
	classes := map[string]int{}
	for _, session := range s.sessions(3) {
		classes[string(session.Class)]++
	}
	if classes["human"] != 2 || classes["inactive_link"] != 1 {
		t.Errorf("the classes are %v", classes)
	}
}

func TestAdminNetworks(t *testing.T) {
	s := newServer(t)
	s.load(s.adapt("network acme", ""))
	for path, network := range map[string]string{"/affiliate/links": "acme", "/affiliate/links?network=other": "other"} {
		status, body := s.call(http.MethodPost, path, `{"code": "same"}`)
		if status != http.StatusCreated || !strings.Contains(body, `"network":"`+network+`"`) {
			t.Errorf("%s answers %d %s", path, status, body)
		}
	}
	for _, query := range []string{"network=Default;x", "network=", "network", "network=other&network=acme", "network=%zz", "network=a%20b"} {
		for _, path := range []string{"/affiliate/links", api.Prefix + "links", api.Prefix + "conversions", "/affiliate/sessions"} {
			if path == "/affiliate/sessions" && query == "network=a%20b" || path == "/affiliate/links" && query == "network=a%20b" {
				continue // they list what there is
			}
			if status, body := s.call(http.MethodGet, path+"?"+query, ""); status != http.StatusBadRequest {
				t.Errorf("%s?%s answers %d %s", path, query, status, body)
			}
		}
		if status, body := s.call(http.MethodPost, "/affiliate/links?"+query, `{"code": "wrong"}`); status != http.StatusBadRequest {
			t.Errorf("adding to ?%s answers %d %s", query, status, body)
		}
	}
	if status, _ := s.call(http.MethodPost, "/affiliate/links/same/disable?network=other", ""); status != http.StatusOK {
		t.Errorf("disabling answers %d", status)
	}
	for _, link := range decoded[[]linkJSON](s, "/affiliate/links") {
		if link.Active != (link.Network == "acme") {
			t.Errorf("the link of network %s is active: %v", link.Network, link.Active)
		}
	}
	s.visit("/?via=same")
	if got := s.sessions(1); got[0].Network != "acme" || got[0].Class != "human" {
		t.Errorf("the session is %+v", got[0])
	}
}

func TestAdminRefuses(t *testing.T) {
	s := newServer(t)
	s.load(s.adapt(demoLink, ""))
	for name, c := range map[string]struct {
		method, path, body string
		status             int
		want               string
	}{
		"no JSON":       {"POST", "/affiliate/links", "code=x", 400, "reading the link"},
		"unknown field": {"POST", "/affiliate/links", `{"code": "x", "cod": "y"}`, 400, "cod"},
		"bad code":      {"POST", "/affiliate/links", `{"code": "a b"}`, 400, "a code is 1 to 64"},
		"bad URL":       {"POST", "/affiliate/links", `{"code": "x", "destination": "//evil"}`, 400, "a destination is"},
		"long":          {"POST", "/affiliate/links", `{"code": "` + strings.Repeat("x", maxLinkBody) + `"}`, 400, "too large"},
		"window":        {"POST", "/affiliate/links", `{"code": "x", "window": "500d"}`, 400, "400 days"},
		"twice":         {"POST", "/affiliate/links", `{"code": "DEMO"}`, 409, "exists already"},
		"unknown code":  {"POST", "/affiliate/links/nobody/disable", "", 404, "not found"},
		"bad path code": {"POST", "/affiliate/links/a%20b/disable", "", 400, "a code is 1 to 64"},
		"network":       {"POST", "/affiliate/links/demo/disable?network=other", "", 404, "not found"},
		"bad network":   {"POST", "/affiliate/links?network=a%20b", `{"code": "x"}`, 400, "a network is"},
		"its links":     {"POST", "/affiliate/links/demo/disable?network=a%20b", "", 400, "a network is"},
		"limit":         {"GET", "/affiliate/sessions?limit=-1", "", 400, "limit is a number"},
		"method":        {"DELETE", "/affiliate/links", "", 405, ""},
		"method only":   {"GET", "/affiliate/links/demo/disable", "", 405, ""},
	} {
		t.Run(name, func(t *testing.T) {
			status, body := s.call(c.method, c.path, c.body)
			if status != c.status || !strings.Contains(body, c.want) {
				t.Errorf("the answer is %d %s, want %d with %q", status, body, c.status, c.want)
			}
			if c.want != "" && !strings.HasPrefix(body, `{"error":`) {
				t.Errorf("the answer is no error of the admin API: %s", body)
			}
		})
	}
}

func TestAdminSessions(t *testing.T) {
	s := newServer(t)
	s.load(s.adapt(demoLink, ""))
	if status, body := s.get("/affiliate/sessions"); status != 200 || strings.TrimSpace(body) != "[]" {
		t.Errorf("no sessions are %d %q", status, body)
	}
	s.visit("/landing?via=demo&sub1=spring&gclid=g-1")
	got := s.sessions(1)[0]
	if got.Code != "demo" || got.Affiliate != "Demo Partner" || got.Class != "human" || got.Route != "/landing" || got.Network != "default" ||
		got.Query != "via=demo&sub1=spring&gclid=g-1" || got.SubIDs["sub1"] != "spring" || got.ClickIDs["gclid"] != "g-1" ||
		got.IP != "127.0.0.1" || got.UserAgent != browser || !strings.HasPrefix(got.Browser, "Firefox") || got.Param != "via" || got.LinkID == 0 || len(got.VisitorID) != 32 {
		t.Errorf("the session is %+v", got)
	}
	if age := time.Since(got.Time); age < 0 || age > time.Minute || got.Time.Location() != time.UTC {
		t.Errorf("the time is %v", got.Time)
	}
	for range 24 {
		s.visit("/?via=demo")
	}
	all := s.sessions(25)
	for i := 1; i < len(all); i++ {
		if all[i].Time.After(all[i-1].Time) {
			t.Fatal("the sessions are not newest first")
		}
	}
	if n := len(decoded[[]api.Session](s, "/affiliate/sessions")); n != defaultSessions {
		t.Errorf("%d sessions without a limit", n)
	}
	if n := len(decoded[[]api.Session](s, "/affiliate/sessions?limit=3")); n != 3 {
		t.Errorf("%d sessions with limit 3", n)
	}
	if n := len(decoded[[]api.Session](s, "/affiliate/sessions?network=other")); n != 0 {
		t.Errorf("%d sessions in another network", n)
	}
}

func TestAdminAuditAndHealth(t *testing.T) {
	s := newServer(t)
	s.load(s.adapt(demoLink, ""))
	s.visit("/?via=demo")
	s.sessions(1)
	audit := decoded[engine.Audit](s, "/affiliate/audit")
	if !audit.Balanced || len(audit.Origins) != 1 || audit.Origins[0].Issued != 1 || audit.Origins[0].Applied != 1 {
		t.Errorf("the audit is %+v", audit)
	}
	if health := decoded[engine.Health](s, "/affiliate/health"); health.Status != engine.StatusOK || health.Links != 1 {
		t.Errorf("the health is %+v", health)
	}
}

// TestEdgeWithoutLedger asks an edge whose hub keeps the books; its Redis is away, which must not matter.
func TestEdgeWithoutLedger(t *testing.T) {
	s := newServer(t)
	config := s.adapt("secret "+testSecret+"\n redis 127.0.0.1:1\n ledger none\n"+demoLink, "")
	if err := caddy.Load(config, true); err != nil {
		t.Fatal(err)
	}
	if s.visit("/?via=demo") == "" {
		t.Error("a click got no token")
	}
	for _, path := range []string{"/affiliate/audit", "/affiliate/sessions"} {
		if status, body := s.get(path); status != http.StatusNotImplemented || !strings.Contains(body, "ask a hub") {
			t.Errorf("%s answers %d %s", path, status, body)
		}
	}
	if links := decoded[[]linkJSON](s, "/affiliate/links"); len(links) != 1 || links[0].Code != "demo" {
		t.Errorf("the links are %+v", links)
	}
	if health := decoded[engine.Health](s, "/affiliate/health"); health.Status != engine.StatusDegraded || health.Ledger.Status != engine.StatusOff {
		t.Errorf("the health is %+v", health)
	}
}

// Another process that writes to the ledger's file and does not end keeps a change from being made, which is no fault of the
// request: it can be made again.
func TestAdminWhileTheBooksAreLocked(t *testing.T) {
	s := newServer(t)
	s.load(s.adapt(demoLink, ""))
	s.visit("/?via=demo")
	s.sessions(1)
	other, err := sql.Open("sqlite", filepath.Join(s.journal(), "ledger.db")+"?_txlock=immediate&_pragma=busy_timeout(60000)")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	tx, err := other.Begin()
	if err != nil {
		t.Fatal(err)
	}
	status, body := s.call(http.MethodPost, "/affiliate/links", `{"code": "late"}`)
	if status != http.StatusServiceUnavailable || !strings.Contains(body, tracker.ErrAway.Error()) {
		t.Errorf("the endpoint answers %d %s", status, body)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	s.eventually("afterwards the same change is made", func() bool {
		_, err := s.command("link", "add", "late")
		return err == nil || strings.Contains(err.Error(), "exists already") // since the command waits only so long for it to be live
	})
}
