//go:build unix

// Package model_test drives the real journal, shipper, relay, appliers and ledger step by step through faults that a random
// state machine chooses, and holds them against the protocol's promises after each: every acknowledged click is in the
// ledger or can still get there, none is there twice, and the books balance. When the faults end, all come home.
//
// Time is the test's own (testing/synctest), so that a day of retention takes no time.
package model_test

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"pgregory.net/rapid"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger/sqlite"
	"github.com/caddy-affiliate/caddy-affiliate/storage/relay"
	"github.com/caddy-affiliate/caddy-affiliate/test/check"
	"github.com/caddy-affiliate/caddy-affiliate/test/servers"
)

func TestThroughRedis(t *testing.T) { explore(t, servers.Redis(t), retain, check.Times(100, 10_000)) }

func TestWithoutRedis(t *testing.T) { explore(t, nil, retain, check.Times(50, 5_000)) }

// A ledger that comes back older than retain has lost for good what the journals have forgotten; the rest must hold (L3).
func TestLedgerOlderThanRetain(t *testing.T) {
	explore(t, servers.Redis(t), 100*retain, check.Times(25, 2_500))
}

func TestLedgerOlderThanRetainWithoutRedis(t *testing.T) {
	explore(t, nil, 100*retain, check.Times(25, 2_500))
}

// explore makes that many runs with seeds that are the same each time, and as many with others. The ledger may come back
// older by fallback. Flags of rapid that were given go before: -rapid.seed repeats a failure.
func explore(t *testing.T, server *servers.RedisServer, fallback time.Duration, runs int) {
	for name, seed := range map[string]string{"the same seeds": "1", "other seeds": "0"} {
		t.Run(name, func(t *testing.T) {
			setFlags(t, map[string]string{
				"rapid.seed": seed, "rapid.checks": strconv.Itoa(runs), "rapid.steps": "15", "rapid.nofailfile": "true",
			})
			rapid.Check(t, func(r *rapid.T) {
				dir, err := os.MkdirTemp(memory(), "model")
				if err != nil {
					t.Fatal(err)
				}
				defer os.RemoveAll(dir)
				rapid.SyncTest(r, func(r *rapid.T) { newMachine(r, dir, server, fallback).run() })
			})
		})
	}
}

// memory is a file system in memory, where there is one: no power is cut here, so fsync need not wait for a disk.
func memory() string {
	const dir = "/dev/shm"
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return os.TempDir()
	}
	return dir
}

// setFlags sets the flags that were not given, until the test ends.
func setFlags(t *testing.T, values map[string]string) {
	t.Helper()
	flag.Visit(func(f *flag.Flag) { delete(values, f.Name) })
	for name, value := range values {
		f := flag.Lookup(name)
		before := f.Value.String()
		if err := f.Value.Set(value); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Value.Set(before) })
	}
}

var (
	ctx   = context.Background()
	quiet = slog.New(slog.DiscardHandler)
)

// machine is one run: an edge, its hubs, and what the faults left of everything.
type machine struct {
	t      *rapid.T
	dir    string
	files  int
	server *servers.RedisServer // nil in direct mode
	redis  *redis.Client        // the stranger's, and the judge's

	edge       *edge
	twin       *twin // of the edge, nil while there is none
	hubs       []*hub
	ledgerPath string
	books      *ledger.Ledger // the judge's
	admin      *sql.DB

	origins []string // all there ever were, in their order
	disk    disk
	rotted  map[place]bool // records that ever were damaged
	records []*record
	forked  bool // the edge took itself for a copy, so a session may be offered twice

	fallback time.Duration // how old the ledger may come back
	tooFar   bool          // it came back older than retain
	calm     bool          // no more faults

	images  []image
	backups []backup
	replica map[string]dumped // what a replica has that was cut off
	held    [][]byte          // calls that were given up and are still on their way
}

func newMachine(t *rapid.T, dir string, server *servers.RedisServer, fallback time.Duration) *machine {
	m := &machine{
		t: t, dir: dir, server: server, fallback: fallback, ledgerPath: filepath.Join(dir, "ledger.db"),
		disk: disk{}, rotted: map[place]bool{},
	}
	var err error
	m.books, err = sqlite.Open(ctx, m.ledgerPath)
	m.must(err)
	m.admin, err = sql.Open("sqlite", "file:"+m.ledgerPath+"?_pragma=busy_timeout(5000)")
	m.must(err)
	hubs := 1
	if server != nil {
		m.redis = redis.NewClient(&redis.Options{
			Addr: server.Addr, MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
		})
		m.must(m.redis.FlushAll(ctx).Err())
		hubs = 2
	}
	m.startEdge(m.path("journal"))
	for range hubs {
		m.hubs = append(m.hubs, m.startHub())
	}
	if server != nil {
		m.must(m.edge.relay.PublishLinks(ctx, m.books.ID(), 1, nil)) // the edge pins the ledger
	}
	return m
}

// close ends all processes, also those that a failure left half closed.
func (m *machine) close() {
	m.both(func() { m.edge.close() })
	for _, h := range m.hubs {
		h.close()
	}
	m.books.Close()
	m.admin.Close()
	if m.redis != nil {
		m.redis.Close()
	}
}

// run lets work and faults alternate, and then everything come home.
func (m *machine) run() {
	defer m.close()
	actions := map[string]func(*rapid.T){"": func(*rapid.T) { m.check() }}
	add := func(name string, times int, do ...func()) {
		for i := range times {
			actions[fmt.Sprint(name, i)] = func(*rapid.T) { do[rapid.IntRange(0, len(do)-1).Draw(m.t, name)]() }
		}
	}
	add("work", 4, m.work)
	add("time", 2, m.wait, m.mark)
	add("kill", 1, m.crash, m.killHub)
	add("disk", 1, m.photograph, m.restore, m.rot)
	add("ledger", 2, m.backUp, m.fallBack)
	if m.server != nil {
		add("redis", 2, m.damage, m.late)
	}
	if m.fallback > retain {
		m.history()
	}
	m.t.Repeat(actions)
	m.settle()
}

// history is a backup and, since then, more than a day without a fault in which the journal has forgotten a part.
func (m *machine) history() {
	m.calm = true
	m.backUp()
	for range 11 {
		m.click(1, true)
		time.Sleep(retain / 8)
		m.round()
	}
	m.calm = false
}

func (m *machine) wait() {
	time.Sleep(rapid.SampledFrom([]time.Duration{time.Second, time.Minute}).Draw(m.t, "time"))
}

// work is a few steps of the processes, in any order.
func (m *machine) work() {
	steps := map[string]func(){
		"click": func() { m.click(rapid.IntRange(1, 4).Draw(m.t, "clicks"), true) },
		"ship":  m.ship,
		"apply": func() { h := m.aHub(); m.try(h.line, h.step) },
		"pass":  func() { h := m.aHub(); m.try(h.line, h.pass) },
		"adopt": func() { h := m.aHub(); m.try(h.line, h.adopt) },
	}
	names := []string{"click", "ship", "apply", "pass", "adopt"}
	for _, name := range rapid.SliceOfN(rapid.SampledFrom(names), 1, 6).Draw(m.t, "steps") {
		time.Sleep(300 * time.Millisecond)
		steps[name]()
	}
}

// ship is a step of the shipper.
func (m *machine) ship() {
	if m.server == nil {
		return
	}
	m.try(m.edge.line, func() error { return m.edge.shipper.Step(ctx) })
	m.follow()
}

// try does something on a line that may fail. Without a fault it must succeed.
func (m *machine) try(l *line, do func() error) {
	if l != nil && !m.calm {
		l.disturb(rapid.SampledFrom([]fault{arrives, arrives, isLost, goesUnsaid, isHeld}).Draw(m.t, "a call"),
			rapid.IntRange(0, 5).Draw(m.t, "after"))
	}
	err := do()
	if l == nil || !l.calm() {
		m.must(err)
	}
	if m.tooFar {
		m.excuse() // the journal may learn only now that it may forget
	}
}

func (m *machine) killHub() {
	i := rapid.IntRange(0, len(m.hubs)-1).Draw(m.t, "hub")
	m.hubs[i] = m.restart(m.hubs[i])
}

func (m *machine) aHub() *hub { return m.hubs[rapid.IntRange(0, len(m.hubs)-1).Draw(m.t, "hub")] }

func (m *machine) anOrigin() string {
	return m.origins[rapid.IntRange(0, len(m.origins)-1).Draw(m.t, "origin")]
}

// openRelay connects a process to Redis.
func (m *machine) openRelay() (*relay.Relay, *line) {
	l := &line{held: &m.held}
	return relay.Open(&redis.UniversalOptions{
		Addrs: []string{m.server.Addr}, Dialer: l.dial, WriteBufferSize: 1 << 20,
	}), l
}

// path is a new name in the run's folder.
func (m *machine) path(name string) string {
	m.files++
	return filepath.Join(m.dir, name+strconv.Itoa(m.files))
}

func (m *machine) must(err error) {
	m.t.Helper()
	if err != nil {
		text := err.Error()
		for i, name := range m.origins { // the same failure has the same text, or it cannot be made smaller
			text = strings.ReplaceAll(text, name, fmt.Sprint("#", i))
		}
		m.t.Fatal(text)
	}
}
