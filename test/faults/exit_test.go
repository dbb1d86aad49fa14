package faults

import (
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
	"github.com/caddy-affiliate/caddy-affiliate/test/check"
	"github.com/caddy-affiliate/caddy-affiliate/test/load"
	"github.com/caddy-affiliate/caddy-affiliate/test/servers"
)

// exitTime is far above the two seconds that an exit may take, and far below what a wait for a store takes.
const exitTime = 5 * time.Second

// SIGTERM while Redis is frozen and the ledger's server takes connections and says nothing: the process makes an effort of a
// second and exits, and what it had acknowledged is booked by the next one.
func TestExitWithoutStores(t *testing.T) {
	store := servers.Redis(t)
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer mute.Close()
	books := fmt.Sprintf("ledger postgres postgres://nobody@%s/none?sslmode=disable", mute.Addr())
	p := caddy.Start(t, with(secret, through(store.Addr), books))
	var tokens []load.Token
	var took time.Duration
	for n := range 3 { // a machine that stands still for a moment makes one of them late
		if n > 0 {
			p.Restart()
		}
		tokens = append(tokens, clicks(p).For(500*time.Millisecond).Tokens...)
		store.Stop()
		tokens = append(tokens, clicks(p).For(500*time.Millisecond).Tokens...)
		took = p.Term()
		store.Cont()
		t.Logf("the exit took %s", took.Round(time.Millisecond))
		if took <= exitTime {
			break
		}
	}
	if took > exitTime {
		t.Errorf("the exit took %s each time, may take %s", took, exitTime)
	}
	if len(tokens) == 0 {
		t.Error("no token was handed out")
	}
	check.Acked(t, tokens, caddy.Start(t, with(secret, through(store.Addr), embedded), caddy.In(p.Dir)))
}
