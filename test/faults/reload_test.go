package faults

import (
	"fmt"
	"net"
	"regexp"
	"strconv"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
	"github.com/caddy-affiliate/caddy-affiliate/test/check"
)

// Reloads under load, with the configuration as it was, with one that needs other workers, and with one that is refused
// only when it has half started: no request fails, every click is counted once, the journal stays open, and nothing
// piles up.
func TestReload(t *testing.T) {
	same, other, refused := with(embedded), with(embedded, "journal ./affiliate {\nretain 12h\n}"), with(embedded)+takenPort(t)
	p := caddy.Start(t, same)
	clicks(p).For(0)
	must(t, p.Reload(same))
	idle := resourcesOf(t, p)
	earlier := countsOf(p)

	click, visit := clicks(p).Start(), visits(p).Start()
	for n := range check.Times(20, 200) {
		switch n % 4 {
		case 1:
			must(t, p.Reload(other))
		case 2:
			if p.Reload(refused) == nil {
				t.Fatal("a configuration with a port that is taken is accepted")
			}
		default:
			must(t, p.Reload(same))
		}
	}
	result := click.Stop()
	unnoticed(t, "pages", visit.Stop())
	unnoticed(t, "clicks", result)
	exact(t, countsOf(p).since(earlier), result)

	var now resources
	await(t, "goroutines and descriptors to be as many as before", func() bool {
		now = resourcesOf(t, p)
		return now.goroutines <= idle.goroutines+5 && now.descriptors <= idle.descriptors+5
	})
	t.Logf("idle after one reload: %s; after all of them: %s", idle, now)
	if names := origins(t, p); len(names) != 1 {
		t.Errorf("the journal has %d origins: it was opened again", len(names))
	}
	check.Acked(t, result.Tokens, p)
}

// takenPort is a site on a port that somebody has, without leave to share it.
func takenPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", fmt.Sprintf(":%d", caddy.Port(t)))
	must(t, err)
	t.Cleanup(func() { l.Close() })
	return fmt.Sprintf("\nhttp://:%d {\n\taffiliate\n}\n", l.Addr().(*net.TCPAddr).Port)
}

// resources is what a process would leak.
type resources struct{ goroutines, descriptors int }

func (r resources) String() string {
	return fmt.Sprintf("%d goroutines, %d descriptors", r.goroutines, r.descriptors)
}

func resourcesOf(t *testing.T, p *caddy.Process) resources {
	t.Helper()
	_, profile := p.AdminGet("/debug/pprof/goroutine?debug=1")
	total := regexp.MustCompile(`^goroutine profile: total (\d+)`).FindStringSubmatch(profile)
	if total == nil {
		t.Fatalf("the goroutine profile begins %.100q", profile)
	}
	n, err := strconv.Atoi(total[1])
	must(t, err)
	return resources{n, p.Descriptors()}
}
