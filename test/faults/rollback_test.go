package faults

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
	"github.com/caddy-affiliate/caddy-affiliate/test/check"
	"github.com/caddy-affiliate/caddy-affiliate/test/load"
	"github.com/caddy-affiliate/caddy-affiliate/test/servers"
)

// The embedded ledger is replaced with an older copy of itself after the process was killed. What the journal of two lives
// has above the copy's cursors is applied again.
func TestSQLiteRestored(t *testing.T) {
	p := caddy.Start(t, with(embedded))
	books := filepath.Join(p.Dir, "books")
	var tokens []load.Token
	for range check.Times(1, 5) {
		tokens = append(tokens, clicks(p).For(time.Second).Tokens...)
		check.Settle(t, p)
		old := booked(t, p)
		p.Term()
		backup := filepath.Join(t.TempDir(), "backup")
		must(t, os.CopyFS(backup, os.DirFS(books)))
		p.Restart()

		visitors := drive(t, p)
		visitors.more(1000)
		ahead := booked(t, p)
		p.Kill()
		tokens = append(tokens, visitors.clicks.Stop().Tokens...)
		visitors.visits.Stop()
		must(t, os.RemoveAll(books))
		must(t, os.CopyFS(books, os.DirFS(backup)))
		p.Restart()
		check.Acked(t, tokens, p)
		now, again := booked(t, p), p.Metrics()["caddy_affiliate_applied_sessions_total"]
		t.Logf("the ledger fell from %.0f records to %.0f; %.0f were applied, and it has %.0f", ahead, old, again, now)
		if ahead <= old || again != now-old {
			t.Errorf("%.0f records were applied again, want %.0f", again, now-old)
		}
	}
}

// PostgreSQL's database is replaced with an older copy of itself, under load: the cursor in Redis falls, and the journal
// sends again what the copy lacks.
func TestPostgresRestored(t *testing.T) {
	store := servers.Redis(t)
	books := servers.SharedPostgres(t)
	dsn := books.Database(t)
	p := caddy.Start(t, with(secret, through(store.Addr), "ledger postgres "+dsn, "journal ./affiliate {\nretain 20s\n}"))
	p.AwaitHealth()
	visitors := drive(t, p)
	client, origin := store.Client(), onlyOrigin(t, store)
	cursor := func() int {
		n, err := client.HGet(t.Context(), cursorOf(origin), "cursor").Int()
		must(t, err)
		return n
	}
	database := backedUp{t, connect(t, books.DSN()), databaseOf(t, dsn)}
	for range check.Times(1, 5) {
		visitors.more(500)
		caughtUp(t, p, p)
		database.backUp()
		visitors.more(500)
		caughtUp(t, p, p)
		ahead, before := cursor(), resets(p)
		database.restore()
		lowest := ahead
		await(t, "the cursor in Redis to fall", func() bool { lowest = min(lowest, cursor()); return lowest < ahead })
		t.Logf("the cursor fell from %d to %d; caught up after %s", ahead, lowest, caughtUp(t, p, p))
		if resets(p) == before {
			t.Error("the edge sent nothing again")
		}
	}
	tokens := visitors.stop()
	check.Acked(t, tokens, p)
	if again := appended(p) - journalled(p); again < 500 {
		t.Errorf("%.0f entries were sent again", again)
	}
}

func databaseOf(t *testing.T, dsn string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	must(t, err)
	return strings.TrimPrefix(u.Path, "/")
}

// backedUp is a database of which a copy is kept.
type backedUp struct {
	t     *testing.T
	admin *pgx.Conn
	name  string
}

func (d backedUp) backUp() {
	d.t.Helper()
	d.disconnect()
	d.do("CREATE DATABASE %s_backup TEMPLATE %[1]s")
	d.do("ALTER DATABASE %s ALLOW_CONNECTIONS true")
}

// restore puts the copy in the place of the database.
func (d backedUp) restore() {
	d.t.Helper()
	d.disconnect()
	d.do("DROP DATABASE %s")
	d.do("ALTER DATABASE %s_backup RENAME TO %[1]s")
}

// disconnect makes everybody leave the database, and keeps them out, as copying and replacing it need.
func (d backedUp) disconnect() {
	d.t.Helper()
	d.do("ALTER DATABASE %s ALLOW_CONNECTIONS false")
	d.do("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '%s'")
}

func (d backedUp) do(sql string) {
	d.t.Helper()
	_, err := d.admin.Exec(d.t.Context(), fmt.Sprintf(sql, d.name))
	must(d.t, err)
}
