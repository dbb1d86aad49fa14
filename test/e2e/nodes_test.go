package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
	"github.com/caddy-affiliate/caddy-affiliate/test/check"
	"github.com/caddy-affiliate/caddy-affiliate/test/load"
	"github.com/caddy-affiliate/caddy-affiliate/test/servers"
)

// node is a Caddyfile of one of several nodes: site, with the relay and that ledger.
func node(redis *servers.RedisServer, ledger string) string {
	return fmt.Sprintf(`{
	affiliate {
		secret {env.AFFILIATE_SECRET}
		journal ./affiliate {
			max_wait 10s
		}
		redis redis://%s
		ledger %s
	}
}

:{$HTTP_PORT} {
	affiliate
	header %s {affiliate.session_id}
	respond "hello from {affiliate.affiliate}"
}
`, redis.Addr, ledger, load.SessionHeader)
}

// secret is the one that all nodes of a test share.
var secret = caddy.Env("AFFILIATE_SECRET=one-secret-for-every-node-of-the-test")

// Two edges that keep no books know the hub's links and their clicks reach its ledger; a visitor of one is known to the other.
func TestEdgesAndHub(t *testing.T) {
	redis := servers.Redis(t)
	hub := caddy.Start(t, node(redis, "postgres "+servers.SharedPostgres(t).Database(t)), secret)
	edges := []*caddy.Process{
		caddy.Start(t, node(redis, "none"), secret),
		caddy.Start(t, node(redis, "none"), secret),
	}
	hub.AwaitHealth()
	run(t, hub, "affiliate", "link", "add", "demo", "--affiliate", "Demo Partner")

	visitor := newBrowser(t)
	var first string
	within(t, knownTime, "the link to reach the edge", func() bool {
		first = visitor.open(edges[0].URL + "/?via=demo").session()
		return first != ""
	})
	if elsewhere := visitor.open(edges[1].URL + "/").session(); elsewhere != first {
		t.Errorf("the visitor's session is %q at the first edge and %q at the second", first, elsewhere)
	}
	within(t, knownTime, "the link to reach the other edge", func() bool {
		return newBrowser(t).open(edges[1].URL+"/?via=demo").session() != ""
	})

	loads := []*load.Run{clicks(edges[0]).Start(), clicks(edges[1]).Start(), clicks(hub).Start()}
	time.Sleep(2 * time.Second)
	var tokens []load.Token
	for _, r := range loads {
		result := r.Stop()
		t.Log(result)
		if result.Failed() > 0 {
			t.Errorf("%d requests failed", result.Failed())
		}
		tokens = append(tokens, result.Tokens...)
	}
	check.Acked(t, tokens, hub, edges...)

	run(t, hub, "affiliate", "link", "disable", "demo")
	within(t, knownTime, "the edges to know that the link is disabled", func() bool {
		for _, edge := range edges {
			if newBrowser(t).open(edge.URL+"/?via=demo").session() != "" {
				return false
			}
		}
		return true
	})
	run(t, hub, "affiliate", "link", "add", "spring")
	within(t, knownTime, "the edges to know another link", func() bool {
		for _, edge := range edges {
			if newBrowser(t).open(edge.URL+"/?via=spring").session() == "" {
				return false
			}
		}
		return true
	})
}

// knownTime is three times as long as a change of a link may take to be known on another node, for the sake of busy machines.
const knownTime = 15 * time.Second

// within is await with a bound that the documentation promises.
func within(t *testing.T, bound time.Duration, what string, ok func() bool) {
	t.Helper()
	began := time.Now()
	await(t, what, ok)
	took := time.Since(began).Round(time.Millisecond)
	t.Logf("%s took %s", what, took)
	if took > bound {
		t.Errorf("%s took %s, may take %s", what, took, bound)
	}
}

// A single node with Redis between, on its embedded ledger.
func TestThroughRedis(t *testing.T) {
	p := caddy.Start(t, node(servers.Redis(t), "sqlite"), secret)
	p.AwaitHealth()
	run(t, p, "affiliate", "link", "add", "demo")
	result := clicks(p).For(2 * time.Second)
	t.Log(result)
	check.Acked(t, result.Tokens, p)
}
