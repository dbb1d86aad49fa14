package caddymodule

import (
	"strings"
	"testing"
	"time"
)

// What the flags of the commands select, of one delivery to an endpoint that refuses connections.
func TestDeliveryFlags(t *testing.T) {
	s := newServer(t)
	s.load(s.adapt("link demo\n forward postback net {\n kinds session.created\n url http://127.0.0.1:9/{event_id}\n allow 127.0.0.0/8\n}", ""))
	s.visit("/?via=demo")
	says := func(args ...string) string {
		t.Helper()
		out, err := s.command(append([]string{"delivery"}, args...)...)
		if err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		return out
	}
	s.eventually("an attempt fails", func() bool {
		return strings.Contains(says("list", "--destination", "net"), " 1 ")
	})
	yesterday, tomorrow := time.Now().UTC().AddDate(0, 0, -1).Format(time.DateOnly), time.Now().UTC().AddDate(0, 0, 1).Format(time.DateOnly)
	for _, c := range []struct {
		listed bool
		args   []string
	}{
		{true, []string{"--since", yesterday}}, {false, []string{"--since", tomorrow}}, {true, []string{"--until", tomorrow}},
		{false, []string{"--until", yesterday}}, {true, []string{"--since", yesterday, "--until", tomorrow}},
	} {
		if got := strings.Contains(says(append([]string{"list"}, c.args...)...), "session.created"); got != c.listed {
			t.Errorf("%v lists it: %t", c.args, got)
		}
	}
	says("pause", "net")
	s.eventually("it waits, and is hurried", func() bool {
		out := says("retry", "--destination", "net", "--due", "--since", yesterday)
		return strings.Contains(out, "1 delivery is due again") && strings.Contains(out, "it is paused")
	})
	if out := says("retry", "--destination", "net", "--since", tomorrow, "--due"); !strings.Contains(out, "0 deliveries are due again") {
		t.Errorf("of tomorrow it says %s", out)
	}
	if _, err := s.command("delivery", "retry", "--destination", "nosuch"); err == nil {
		t.Error("a destination that nobody knows has its deliveries sent again")
	}
	if out, err := s.command("delivery", "drop", "--destination", "net"); err == nil || out != "" {
		t.Errorf("without an answer to drop it says %q, %v", out, err)
	}
	if out := says("drop", "--destination", "net", "--yes"); !strings.Contains(out, "1 delivery is given up") {
		t.Errorf("to drop it says %s", out)
	}
}
