package faults

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
	"github.com/caddy-affiliate/caddy-affiliate/test/check"
	"github.com/caddy-affiliate/caddy-affiliate/test/servers"
)

const secret = "secret a-secret-of-this-test-and-nothing-else"

// An older copy of the journal, taken under load, comes back after a kill, and the ledger is ahead of it.
func TestOldCopyBehindLedger(t *testing.T) {
	p := caddy.Start(t, with(embedded))
	r := clicks(p).Start()
	await(t, "tokens", func() bool { return r.Tokens() >= 300 })
	copied := copyJournal(t, p)
	await(t, "more tokens", func() bool { return r.Tokens() >= 800 })
	result := r.Stop()
	check.Settle(t, p)
	p.Kill()
	copied.restore()
	p.Restart()
	after := clicks(p).For(500 * time.Millisecond)
	t.Logf("%s; after the copy came back: %s", result, after)
	check.Acked(t, append(result.Tokens, after.Tokens...), p)
}

// The same while the ledger was away, so that the copy is ahead of it: all that the copy holds is applied, once.
func TestOldCopyAheadOfLedger(t *testing.T) {
	p := caddy.Start(t, with(embedded))
	applied := clicks(p).For(500 * time.Millisecond)
	check.Settle(t, p)
	must(t, p.Reload(with(closed)))
	waiting := clicks(p).For(500 * time.Millisecond)
	copied := copyJournal(t, p)
	p.Kill()
	copied.restore()
	p = caddy.Start(t, with(embedded), caddy.In(p.Dir))
	check.Acked(t, append(applied.Tokens, waiting.Tokens...), p)
}

// With Redis the records that came after the copy are nowhere but there, and no hub has read them yet. A stranger removes
// one of those that the copy has, so that the edge finds the stream broken and begins it anew: what only Redis has must
// survive that too.
func TestOldCopyWithRedis(t *testing.T) {
	for name, stranger := range map[string]bool{"stream whole": false, "stream broken": true} {
		t.Run(name, func(t *testing.T) {
			redis := servers.Redis(t)
			options := []string{secret, "redis " + redis.Addr}
			hub, edge := with(append(options, embedded)...), with(append(options, "ledger none")...)
			p := caddy.Start(t, hub)
			applied := clicks(p).For(500 * time.Millisecond)
			check.Settle(t, p)
			must(t, p.Reload(edge))
			r := clicks(p).Start()
			await(t, "tokens", func() bool { return r.Tokens() >= 300 })
			copied := copyJournal(t, p)
			await(t, "more tokens", func() bool { return r.Tokens() >= 800 })
			shipped := r.Stop()

			client, ctx := redis.Client(), context.Background()
			stream := "affiliate:{" + origins(t, p)[0] + "}:events"
			await(t, "all to be in Redis", func() bool {
				m := p.Metrics()
				return m[`caddy_affiliate_relay_entries_total{direction="appended"}`] == m["caddy_affiliate_journal_records_total"]
			})
			p.Kill()
			copied.restore()
			if stranger {
				entries, err := client.XRangeN(ctx, stream, "-", "+", 5).Result()
				must(t, err)
				must(t, client.XDel(ctx, stream, entries[len(entries)-1].ID).Err())
			}
			p = caddy.Start(t, hub, caddy.In(p.Dir))
			after := clicks(p).For(500 * time.Millisecond)
			check.Acked(t, append(append(applied.Tokens, shipped.Tokens...), after.Tokens...), p)
			m := p.Metrics()
			parked := m[`caddy_affiliate_relay_resets_total{stream="parked"}`]
			t.Logf("applied %d tokens; %d while no hub ran; %d after the copy came back; %.0f streams parked",
				len(applied.Tokens), len(shipped.Tokens), len(after.Tokens), parked)
			if (parked > 0) != stranger {
				t.Errorf("%.0f streams were parked", parked)
			}
		})
	}
}

// A second process on the journal's folder serves its site and hands out no token, since the first has the journal: each
// click is counted as one that came while starting. When the first is gone, the second takes over.
func TestSecondProcess(t *testing.T) {
	for name, end := range map[string]func(*caddy.Process){
		"the first exits":     func(p *caddy.Process) { p.Term() },
		"the first is killed": func(p *caddy.Process) { p.Kill() },
	} {
		t.Run(name, func(t *testing.T) {
			first := caddy.Start(t, with(embedded))
			second := caddy.Start(t, with(embedded), caddy.In(first.Dir))
			mine, theirs, visit := clicks(first).Start(), clicks(second).Start(), visits(second).Start()
			time.Sleep(time.Second)
			with, without := mine.Stop(), theirs.Stop()
			unnoticed(t, "clicks on the first", with)
			unnoticed(t, "clicks on the second", without)
			exact(t, countsOf(first), with)
			got := countsOf(second)
			exact(t, got, without)
			if len(with.Tokens) == 0 || got.tokens > 0 || got.starting != got.human {
				t.Errorf("the first handed out %d tokens; the second: %s", len(with.Tokens), got)
			}
			if status, health := second.AdminGet("/affiliate/health"); status != 503 || !strings.Contains(health, `"status":"starting"`) {
				t.Errorf("the second's health is %d %s", status, health)
			}
			end(first)
			after := untilTokens(t, second)
			unnoticed(t, "clicks on the second after it took over", after)
			unnoticed(t, "pages on the second", visit.Stop())
			check.Acked(t, append(with.Tokens, after.Tokens...), second)
		})
	}
}

// journalCopy is a copy of a journal's folder, taken while its process wrote to it.
type journalCopy struct {
	t            *testing.T
	journal, dir string
}

func copyJournal(t *testing.T, p *caddy.Process) journalCopy {
	t.Helper()
	c := journalCopy{t, filepath.Join(p.Dir, "affiliate"), filepath.Join(t.TempDir(), "copy")}
	must(t, os.CopyFS(c.dir, os.DirFS(c.journal)))
	return c
}

// restore puts the copy in the journal's place, whose process must be gone.
func (c journalCopy) restore() {
	c.t.Helper()
	must(c.t, os.RemoveAll(c.journal))
	must(c.t, os.CopyFS(c.journal, os.DirFS(c.dir)))
}
