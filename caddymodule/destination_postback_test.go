package caddymodule

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// A token of the receiver's URL comes from the environment, is sent, and is not kept where the receiver sends it back. Braces in
// it begin no macro.
func TestPostbackTokensFromOutside(t *testing.T) {
	got := ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.RequestURI
		io.WriteString(w, "you are tk{n}, at "+r.RequestURI)
	}))
	defer server.Close()
	t.Setenv("TEST_NETTOKEN", "tk{n}")
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	defer cancel()
	to, err := (&Postback{URL: server.URL + "/{env.TEST_NETTOKEN}/pb?cid={event_id}"}).Destination(ctx)
	if err != nil {
		t.Fatal(err)
	}
	client := forward.NewClient([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")})
	answer, err := to.Send(t.Context(), client, tracker.Event{ID: "e1", Kind: tracker.EventTest, Time: time.Now()})
	if err != nil || got != "/tk%7Bn%7D/pb?cid=e1" {
		t.Errorf("it asks for %s, %v", got, err)
	}
	if strings.Contains(string(answer.Body), "tk") {
		t.Errorf("kept is %s", answer.Body)
	}
	if _, err := (&Postback{URL: server.URL + "/{env.TEST_NOT_THERE}"}).Destination(ctx); err == nil || strings.Contains(err.Error(), server.URL) {
		t.Errorf("without a value: %v", err)
	}
}
