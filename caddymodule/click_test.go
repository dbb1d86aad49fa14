package caddymodule

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-affiliate/caddy-affiliate/storage/journal"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func TestClickIsRecorded(t *testing.T) {
	e := newEdge(t, Handler{})
	before := time.Now().Truncate(time.Millisecond)
	res := e.ask("http://shop.test:8080/s%20hoes/ä?sub1=a;b&via=Demo&q=%zz", header("Referer", "https://blog.test/ü"))
	if res.Code != http.StatusOK || res.Body.String() != "hello" {
		t.Fatalf("status %d, body %q", res.Code, res.Body)
	}
	token, session := e.open(res), e.sessions(1)[0]
	if session.ID != token.Last.Session || token.First != token.Last || session.Visitor != token.Visitor {
		t.Errorf("the token %+v is not the session's %+v", token, session)
	}
	if session.Time.Before(before) || session.Time.After(time.Now()) {
		t.Errorf("time %v", session.Time)
	}
	got := []string{
		session.Network, session.Code, string(session.Class), session.UserAgent, session.Host, session.Route, session.Query,
		session.Referrer, session.Param, session.IP,
	}
	want := []string{
		"default", "demo", "human", browser, "shop.test:8080", "/s%20hoes/%C3%A4", "sub1=a;b&via=Demo&q=%zz",
		"https://blog.test/%C3%BC", "via", "192.0.2.1",
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("captured %q, want %q", got[i], want[i])
		}
	}
}

func TestClickClasses(t *testing.T) {
	for name, test := range map[string]struct {
		class  tracker.Class
		change request
	}{
		"navigation":    {tracker.ClassHuman, header("Sec-Fetch-Dest", "document")},
		"no metadata":   {tracker.ClassHuman, header("Accept", "*/*")},
		"fetch":         {tracker.ClassSubresource, header("Sec-Fetch-Dest", "empty")},
		"image":         {tracker.ClassSubresource, header("Sec-Fetch-Dest", "image")},
		"frame":         {tracker.ClassSubresource, header("Sec-Fetch-Dest", "iframe")},
		"prerender":     {tracker.ClassPrefetch, header("Sec-Purpose", "prefetch;prerender")},
		"old prefetch":  {tracker.ClassPrefetch, header("X-Moz", "prefetch")},
		"crawler":       {tracker.ClassBot, header("User-Agent", "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)")},
		"no user agent": {tracker.ClassBot, header("User-Agent")},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEdge(t, Handler{})
			want := counts{"clicks/" + string(test.class): 1}
			if test.class == tracker.ClassHuman {
				want["tokens"] = 1
			}
			var res result
			counted(t, want, func() { res = e.ask("http://shop.test/?via=demo", test.change) })
			if (res.cookie() != nil) != (test.class == tracker.ClassHuman) {
				t.Errorf("cookie %v", res.cookie())
			}
			if res.expand("{affiliate.class}") != string(test.class) {
				t.Errorf("the placeholder says %q", res.expand("{affiliate.class}"))
			}
			if control := res.Header().Get("Cache-Control"); control != "private, no-store" {
				t.Errorf("a cache may store it and hide the next click: Cache-Control %q", control)
			}
			if got := e.sessions(1)[0]; got.Class != test.class || got.Code != "demo" {
				t.Errorf("recorded as %q of %q", got.Class, got.Code)
			}
		})
	}
}

func TestClickOnInactiveLink(t *testing.T) {
	e := newEdge(t, Handler{})
	e.sessions(0)
	l, err := e.engine.Ledger()
	if err != nil {
		t.Fatal(err)
	}
	e.waitForLinks()
	if _, err := l.SetLinkActive(t.Context(), "default", "demo", false); err != nil {
		t.Fatal(err)
	}
	if err := e.engine.RefreshLinks(t.Context()); err != nil {
		t.Fatal(err)
	}
	counted(t, counts{"clicks/inactive_link": 1}, func() {
		if res := e.ask("http://shop.test/?via=demo"); res.cookie() != nil {
			t.Error("a disabled link gave a token")
		}
	})
	counted(t, counts{"clicks/bot": 1}, func() { e.ask("http://shop.test/?via=demo", header("User-Agent", "curl/8.0")) })
	if res := e.ask("http://shop.test/r/demo"); res.Code != http.StatusFound || res.cookie() != nil {
		t.Errorf("its redirect: status %d, cookie %v", res.Code, res.cookie())
	}
}

func TestClickOnExpiredLink(t *testing.T) {
	e := newEdge(t, Handler{})
	r := newRequest("http://shop.test/")
	v := e.visitor(r, time.Now())
	for age, want := range map[time.Duration]tracker.Class{time.Second: tracker.ClassInactiveLink, -time.Minute: tracker.ClassHuman} {
		link := &tracker.Link{Network: "default", Code: "demo", Active: true, ExpiresAt: v.now.Add(-age)}
		if got := e.classify(r, v, link); got != want {
			t.Errorf("a click %v after the link's end is %s, want %s", age, got, want)
		}
	}
}

// waitForLinks waits until the configuration's links are in the ledger.
func (e *edge) waitForLinks() {
	e.t.Helper()
	for deadline := time.Now().Add(testTime); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		l, err := e.engine.Ledger()
		if err != nil {
			continue
		}
		if links, err := l.Links(e.t.Context(), ""); err == nil && len(links) >= len(testLinks) {
			return
		}
	}
	e.t.Fatal("the links did not reach the ledger")
}

func TestClickRepeat(t *testing.T) {
	e := newEdge(t, Handler{})
	token, own := e.seal("demo", 29*time.Minute)
	counted(t, counts{"clicks/repeat": 1}, func() {
		res := e.ask("http://shop.test/?via=DEMO", own)
		if res.cookie() != nil {
			t.Error("a repeat changed the cookie")
		}
		if got := res.expand("{affiliate.session_id}"); got != token.Last.Session.String() {
			t.Errorf("the placeholder says %s, want the visitor's session", got)
		}
	})
	if got := e.sessions(1)[0]; got.Class != tracker.ClassRepeat || got.Visitor != token.Visitor || got.ID == token.Last.Session {
		t.Errorf("recorded as %+v", got)
	}
	_, later := e.seal("demo", 31*time.Minute)
	counted(t, counts{"clicks/human": 1, "tokens": 1}, func() { e.ask("http://shop.test/?via=demo", later) })
	counted(t, counts{"clicks/human": 1, "tokens": 1}, func() { e.ask("http://shop.test/?via=Partner-2", own) })

	e = newEdge(t, Handler{Repeat: caddy.Duration(time.Second)})
	_, soon := e.seal("demo", 2*time.Second)
	counted(t, counts{"clicks/human": 1, "tokens": 1}, func() { e.ask("http://shop.test/?via=demo", soon) })
}

// A clock that was ahead must not keep a visitor from counting until that time has come.
func TestClickAfterAClockThatWasAhead(t *testing.T) {
	e := newEdge(t, Handler{})
	before, ahead := e.seal("demo", -24*time.Hour)
	counted(t, counts{"clicks/human": 1, "tokens": 1}, func() {
		after := e.open(e.ask("http://shop.test/?via=demo", ahead))
		if after.Visitor != before.Visitor || after.First != after.Last || time.Until(after.Last.Time) > 0 {
			t.Errorf("from %+v to %+v", before, after)
		}
	})
	_, slightly := e.seal("demo", -time.Second) // another node's clock
	counted(t, counts{"clicks/repeat": 1}, func() { e.ask("http://shop.test/?via=demo", slightly) })
}

func TestClickKeepsVisitorAndFirstTouch(t *testing.T) {
	e := newEdge(t, Handler{})
	old, cookie := e.seal("demo", 24*time.Hour)
	token := e.open(e.ask("http://shop.test/?via=partner-2", cookie))
	if token.Visitor != old.Visitor || token.First.Session != old.First.Session || token.Last.Code != "Partner-2" {
		t.Errorf("from %+v to %+v", old, token)
	}
	_, expired := e.seal("demo", 31*24*time.Hour)
	token = e.open(e.ask("http://shop.test/?via=partner-2", expired))
	if token.First != token.Last {
		t.Errorf("a touch past its window stayed: %+v", token)
	}
}

func TestClickIsAGetNavigation(t *testing.T) {
	e := newEdge(t, Handler{})
	for name, changes := range map[string][]request{
		"HEAD":       {method(http.MethodHead)},
		"POST":       {method(http.MethodPost)},
		"upgrade":    {header("Connection", "Upgrade"), header("Upgrade", "websocket")},
		"early data": {early},
	} {
		want := counts{}
		if name == "early data" {
			want["early"] = 1
		}
		counted(t, want, func() {
			if res := e.ask("http://shop.test/?via=demo", changes...); res.seen == nil || res.cookie() != nil {
				t.Errorf("%s: asked %v, cookie %v", name, res.seen != nil, res.cookie())
			}
		})
	}
	counted(t, counts{}, func() {
		e.ask("http://shop.test/", early)
		e.ask("http://shop.test/?via=demo", early, method(http.MethodHead))
	})
}

func TestClickPrefetchRefused(t *testing.T) {
	e := newEdge(t, Handler{Prefetch: "refuse"})
	for _, url := range []string{"http://shop.test/?via=demo", "http://shop.test/r/demo"} {
		counted(t, counts{"clicks/prefetch": 1}, func() {
			res := e.ask(url, header("Sec-Purpose", "prefetch"))
			if res.Code != http.StatusServiceUnavailable || res.seen != nil || res.Header().Get("Cache-Control") != "private, no-store" {
				t.Errorf("%s: status %d, header %v", url, res.Code, res.Header())
			}
		})
	}
	if res := e.ask("http://shop.test/", header("Sec-Purpose", "prefetch")); res.Code != http.StatusOK {
		t.Errorf("a prefetch of an ordinary page: status %d", res.Code)
	}
}

// Caddy may serve requests before it has started the app.
func TestClickBeforeTheStart(t *testing.T) {
	e := newStartingEdge(t, Handler{})
	opened := make(chan error)
	go func() {
		time.Sleep(50 * time.Millisecond) // so that the click is there first; if it is not, the test only proves less
		opened <- e.start()
	}()
	counted(t, counts{"clicks/human": 1, "tokens": 1}, func() {
		if e.ask("http://shop.test/?via=demo").cookie() == nil {
			t.Error("a click that waited for the links got no token")
		}
	})
	if err := <-opened; err != nil {
		t.Fatal(err)
	}
}

// The waits for the links and for the journal share one patience.
func TestClickWaitsOnce(t *testing.T) {
	defer func(usual time.Duration) { patience = usual }(patience)
	patience = shippedPatience
	synctest.Test(t, func(t *testing.T) {
		e := newStartingEdge(t, Handler{})
		other, err := journal.Open(e.dir, journal.Options{SegmentBytes: 1 << 16}) // so that ours stays closed
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		opened := make(chan error)
		go func() {
			time.Sleep(patience / 2)
			opened <- e.start()
		}()
		counted(t, counts{"clicks/human": 1, "withheld/starting": 1}, func() {
			start := time.Now() // of the bubble's clock, which moves only while everybody waits
			e.ask("http://shop.test/?via=demo")
			if took := time.Since(start); took != patience {
				t.Errorf("the answer took %v with a patience of %v", took, patience)
			}
		})
		if err := <-opened; err != nil {
			t.Fatal(err)
		}
	})
}

// What is left of a journal that is nearly full is for people.
func TestClickOfOthersNeedsARoomyJournal(t *testing.T) {
	e := newStartingEdge(t, Handler{})
	e.size = 1 << 20
	if err := e.start(); err != nil {
		t.Fatal(err)
	}
	robot := header("User-Agent", "curl/8")
	counted(t, counts{"clicks/bot": 1}, func() { e.ask("http://shop.test/?via=demo", robot) })
	e.crowd()
	counted(t, counts{"clicks/bot": 1, "dropped": 1}, func() { e.ask("http://shop.test/?via=demo", robot) })
	counted(t, counts{"clicks/human": 1, "tokens": 1}, func() { e.ask("http://shop.test/?via=demo") })
}

// crowd fills the journal until it is no longer roomy.
func (e *edge) crowd() {
	e.t.Helper()
	filler := make([]byte, 1<<10)
	for deadline := time.Now().Add(testTime); e.engine.Roomy() && time.Now().Before(deadline); {
		ticket, err := e.engine.Append(filler, testTime)
		if err == nil {
			err = ticket.Wait(testTime)
		}
		if err != nil {
			e.t.Fatal(err)
		}
	}
}

func TestClickWithheld(t *testing.T) {
	t.Run("starting", func(t *testing.T) {
		defer func(usual time.Duration) { patience = usual }(patience)
		patience = 25 * time.Millisecond
		e := newStartingEdge(t, Handler{})
		// A table of links is all that an engine has before it is open.
		v := e.visitor(newRequest("http://shop.test/"), time.Time{})
		ref := tracker.Referral{Link: &tracker.Link{Network: "default", Code: "demo", Active: true}, Param: "via"}
		r := caddyhttp.PrepareRequest(newRequest("http://shop.test/"), caddy.NewReplacer(), nil, new(caddyhttp.Server))
		counted(t, counts{"clicks/human": 1, "withheld/starting": 1}, func() {
			header := http.Header{}
			if e.click(r, v, ref).keep(header) || len(header) != 0 {
				t.Errorf("a token before the journal is open: %v", header)
			}
		})
		if !v.token.Last.Session.IsZero() {
			t.Error("the placeholders show a session that is not recorded")
		}
	})
	t.Run("no secret yet", func(t *testing.T) {
		e := newEdge(t, Handler{})
		e.app.seal.Store(nil)
		counted(t, counts{"clicks/human": 1, "withheld/starting": 1}, func() { e.ask("http://shop.test/?via=demo") })
	})
	t.Run("disk", func(t *testing.T) {
		e := newEdge(t, Handler{})
		e.close()
		counted(t, counts{"clicks/human": 1, "withheld/disk": 1}, func() {
			res := e.ask("http://shop.test/?via=demo")
			if res.Code != http.StatusOK || res.Body.String() != "hello" || len(res.Header()) > 1 {
				t.Errorf("status %d, header %v", res.Code, res.Header())
			}
		})
		counted(t, counts{"clicks/human": 1, "withheld/disk": 1}, func() {
			if res := e.ask("http://shop.test/r/macro"); res.Header().Get("Location") != "https://shop.example.net/?sid=" {
				t.Errorf("header %v", res.Header())
			}
		})
		counted(t, counts{"clicks/bot": 1, "dropped": 1}, func() {
			e.ask("http://shop.test/?via=demo", header("User-Agent", "curl/8"))
		})
	})
	t.Run("late", func(t *testing.T) {
		e := newEdge(t, Handler{})
		before, deadline := read(t), time.Now().Add(testTime)
		for read(t)["withheld/late"] == before["withheld/late"] && time.Now().Before(deadline) {
			// The patience of this click is over at once, so only the quickest disk would be in time.
			r := caddyhttp.PrepareRequest(newRequest("http://shop.test/"), caddy.NewReplacer(), nil, new(caddyhttp.Server))
			v := e.visitor(r, time.Time{})
			v.now = v.now.Add(-time.Minute)
			p := e.click(r, v, tracker.Referral{Link: e.link("demo"), Param: "via"})
			p.keep(http.Header{})
		}
		after := read(t)
		if after["withheld/late"] == before["withheld/late"] {
			t.Error("no click was late")
		}
		checkSum(t, before, after)
	})
	t.Run("queue", func(t *testing.T) {
		e := newEdge(t, Handler{})
		record := make([]byte, 64) // smaller than a click's, so where none of these fits no click does
		before, deadline := read(t), time.Now().Add(testTime)
		for read(t)["withheld/queue"] == before["withheld/queue"] && time.Now().Before(deadline) {
			for err := error(nil); err == nil; {
				_, err = e.engine.Append(record, 0)
			}
			e.ask("http://shop.test/?via=demo")
		}
		after := read(t)
		if after["withheld/queue"] == before["withheld/queue"] {
			t.Error("no click found the queue full")
		}
		checkSum(t, before, after)
	})
}

func TestClickCapturesWithinCaps(t *testing.T) {
	e := newEdge(t, Handler{})
	long := strings.Repeat("x", 6000)
	counted(t, counts{
		"clicks/human": 1, "tokens": 1, "truncated/query": 1, "truncated/referrer": 1, "truncated/route": 1, "truncated/user_agent": 1,
	}, func() {
		e.ask("http://shop.test/"+long+"?via=demo&q="+long, header("Referer", "https://"+long), header("User-Agent", browser+long))
	})
	s := e.sessions(1)[0]
	if len(s.Query) != tracker.MaxQuery || len(s.Referrer) != tracker.MaxReferrer || len(s.Route) != tracker.MaxRoute ||
		len(s.UserAgent) != tracker.MaxUserAgent {
		t.Errorf("kept %d %d %d %d bytes", len(s.Query), len(s.Referrer), len(s.Route), len(s.UserAgent))
	}
}

func TestClickCountsParametersThatNobodyLooksAt(t *testing.T) {
	e := newEdge(t, Handler{})
	crowd := strings.Repeat("a=1&", tracker.MaxParams-1)
	counted(t, counts{"clicks/human": 1, "tokens": 1}, func() { e.ask("http://shop.test/?" + crowd + "via=demo") })
	counted(t, counts{"clicks/human": 1, "tokens": 1, "truncated/params": 1}, func() {
		e.ask("http://shop.test/?via=demo&" + crowd + "b=1")
	})
	counted(t, counts{"truncated/params": 1}, func() { e.ask("http://shop.test/?a=1&" + crowd + "via=demo") })
	counted(t, counts{}, func() { e.ask("http://shop.test/?a=1&" + crowd + "b=1") })
}

func TestClickTakesClientIPFromCaddyAlone(t *testing.T) {
	e := newEdge(t, Handler{})
	e.ask("http://shop.test/?via=demo", header("X-Forwarded-For", "203.0.113.9"), header("X-Real-Ip", "203.0.113.9"),
		header("Forwarded", "for=203.0.113.9"), header("Cf-Connecting-Ip", "203.0.113.9"))
	if got := e.sessions(1)[0].IP; got != "192.0.2.1" {
		t.Errorf("the address is %s, want the connection's", got)
	}
}
