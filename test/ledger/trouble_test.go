//go:build unix

package ledger_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger/ledgertest"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger/postgres"
	"github.com/caddy-affiliate/caddy-affiliate/test/servers"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func newOrigin() string { return tracker.NewSessionID(time.Now()).String() }

// with returns the DSN with one more parameter.
func with(t *testing.T, dsn, name, value string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set(name, value)
	u.RawQuery = q.Encode()
	return u.String()
}

// await polls until the query answers true.
func await(t *testing.T, dsn, query string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for {
		var yes bool
		if err := conn.QueryRow(ctx, query).Scan(&yes); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		if yes {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// wantBalance checks that the origin's books say so many applied records, and nothing else.
func wantBalance(t *testing.T, l *ledger.Ledger, origin string, applied uint64) {
	t.Helper()
	o, err := l.Origin(t.Context(), origin)
	if err != nil {
		t.Fatal(err)
	}
	if o.Cursor != applied || o.Applied != applied || o.Repeated != 0 || o.Quarantined != 0 {
		t.Fatalf("origin %+v, want %d applied", o, applied)
	}
	rows := 0
	if err := l.Sessions(t.Context(), "", 0, func(ledger.Session) error { rows++; return nil }); err != nil {
		t.Fatal(err)
	}
	if rows != int(applied) {
		t.Fatalf("%d sessions are there, want %d", rows, applied)
	}
}

// An insert that waits for a lock ends in errors of classes 55 and 57, in a cut connection and in a timeout of the caller.
// Nothing lands, nothing goes to quarantine, and the same records land when the lock is gone.
func TestPostgresTroubleIsNoPoison(t *testing.T) {
	const waiting = `SELECT count(*) > 0 FROM pg_stat_activity
		WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'INSERT INTO session%'`
	const terminate = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE datname = current_database() AND wait_event_type = 'Lock'`
	for _, c := range []struct {
		name, parameter, value, state string
		disturb                       func(dsn string, cancel context.CancelFunc)
	}{
		{"statement timeout", "statement_timeout", "300ms", "57014", nil},
		{"lock timeout", "lock_timeout", "300ms", "55P03", nil},
		{"terminated", "", "", "57P01", func(dsn string, _ context.CancelFunc) { execute(t, dsn, terminate) }},
		{"caller's timeout", "", "", "", func(_ string, cancel context.CancelFunc) { cancel() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			dsn := servers.SharedPostgres(t).Database(t)
			l, origin, all := openOne(t, dsn), newOrigin(), ledgertest.Sessions(1, 20)
			troubled := l
			if c.parameter != "" {
				troubled = openOne(t, with(t, dsn, c.parameter, c.value))
			}
			locker, err := pgx.Connect(t.Context(), dsn)
			if err != nil {
				t.Fatal(err)
			}
			defer locker.Close(context.Background())
			if _, err := locker.Exec(t.Context(), `BEGIN; LOCK TABLE session IN EXCLUSIVE MODE`); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			failed := make(chan error, 1)
			go func() {
				_, err := troubled.Apply(ctx, origin, all)
				failed <- err
			}()
			if c.disturb != nil {
				await(t, dsn, waiting)
				c.disturb(dsn, cancel)
			}
			select {
			case err := <-failed:
				if err == nil || !strings.Contains(err.Error(), c.state) {
					t.Fatalf("the call ended with %v, want %s", err, c.state)
				}
				if errors.Is(err, tracker.ErrAway) != (c.state != "") { // a caller's own end says nothing of the books
					t.Errorf("%v: away %v", err, c.state == "")
				}
			case <-time.After(patience):
				t.Fatal("the call does not end")
			}
			if _, err := locker.Exec(t.Context(), `ROLLBACK`); err != nil {
				t.Fatal(err)
			}
			if o, err := l.Origin(t.Context(), origin); err != nil || o != (ledger.Origin{}) {
				t.Fatalf("origin %+v, %v", o, err)
			}
			if done, err := troubled.Apply(t.Context(), origin, all); err != nil || done.Sessions != 20 {
				t.Fatalf("afterwards: %+v, %v", done, err)
			}
			wantBalance(t, l, origin, 20)
		})
	}
}

// Whichever reply of an apply is lost, that of its COMMIT included, applying again from the ledger's cursor on leaves
// every record there once.
func TestPostgresLostReply(t *testing.T) {
	pg := servers.SharedPostgres(t)
	dsn := pg.Database(t)
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	proxy := servers.Proxy(t, u.Host)
	u.Host = proxy.Addr
	direct, l, origin := openOne(t, dsn), openOne(t, u.String()), newOrigin()
	all := ledgertest.Sessions(1, 1000)
	unknown := 0 // calls that failed and had committed
	for call := 1; ; call++ {
		before, err := direct.Origin(t.Context(), origin)
		if err != nil {
			t.Fatal(err)
		}
		calls, lost := 0, proxy.Lost()
		proxy.DropReplies(func(int) bool { calls++; return calls == call })
		batch := all[before.Cursor : before.Cursor+10]
		_, failure := l.Apply(t.Context(), origin, batch)
		proxy.DropReplies(nil)
		if proxy.Lost() == lost { // the call was over before its turn
			if failure != nil {
				t.Fatalf("call %d: %v", call, failure)
			}
			break
		}
		after, err := direct.Origin(t.Context(), origin)
		if err != nil {
			t.Fatal(err)
		}
		if failure != nil && after.Cursor > before.Cursor {
			unknown++
		}
		if _, err := l.Apply(t.Context(), origin, batch); err != nil {
			t.Fatalf("after the loss of reply %d: %v", call, err)
		}
		wantBalance(t, direct, origin, before.Cursor+10)
	}
	if unknown == 0 {
		t.Fatal("the reply of no COMMIT was lost")
	}
}

// A commit whose wait for the standby is cancelled is visible, and answered with a warning: an error here (protocol L4).
func TestPostgresUncertainCommit(t *testing.T) {
	pg := servers.Postgres(t)
	l, origin, all := openOne(t, pg.DSN()), newOrigin(), ledgertest.Sessions(1, 20)
	if _, err := l.Apply(t.Context(), origin, all[:10]); err != nil {
		t.Fatal(err)
	}
	execute(t, pg.DSN(), `ALTER SYSTEM SET synchronous_standby_names = 'nobody'`)
	execute(t, pg.DSN(), `SELECT pg_reload_conf()`)
	await(t, pg.DSN(), `SELECT setting = 'nobody' FROM pg_settings WHERE name = 'synchronous_standby_names'`)
	failed := make(chan error, 1)
	go func() {
		_, err := l.Apply(t.Context(), origin, all[10:])
		failed <- err
	}()
	await(t, pg.DSN(), `SELECT count(pg_cancel_backend(pid)) > 0 FROM pg_stat_activity WHERE wait_event = 'SyncRep'`)
	select {
	case err := <-failed:
		if !errors.Is(err, postgres.ErrUncertain) {
			t.Fatalf("the call ended with %v", err)
		}
	case <-time.After(patience):
		t.Fatal("the call does not end")
	}
	wantBalance(t, l, origin, 20) // it is visible all the same

	execute(t, pg.DSN(), `ALTER SYSTEM RESET synchronous_standby_names`)
	execute(t, pg.DSN(), `SELECT pg_reload_conf()`)
	await(t, pg.DSN(), `SELECT setting = '' FROM pg_settings WHERE name = 'synchronous_standby_names'`)
	if done, err := l.Apply(t.Context(), origin, all[10:]); err != nil || done.Dropped != 10 {
		t.Fatalf("with a commit that lasts: %+v, %v", done, err)
	}
}

// A server with synchronous_commit=off answers before its log is on disk. The ledger says so, and insists.
func TestPostgresInsistsOnDurability(t *testing.T) {
	pg := servers.Postgres(t, "synchronous_commit=off", "wal_writer_delay=10s")
	l, origin := openOne(t, pg.DSN()), newOrigin()
	if w := l.Warnings(); len(w) != 1 || !strings.Contains(w[0], "synchronous_commit") {
		t.Fatalf("the warnings are %q", w)
	}
	const n = 20
	for seq := uint64(1); seq <= n; seq++ {
		if _, err := l.Apply(t.Context(), origin, ledgertest.Sessions(seq, 1)); err != nil {
			t.Fatal(err)
		}
	}
	pg.Kill()
	if err := l.Ping(t.Context()); err == nil {
		t.Fatal("a dead server answers")
	}
	pg.Restart(t)
	wantBalance(t, openOne(t, pg.DSN()), origin, n)
}

// The pool of a ledger outlives its server.
func TestPostgresRestart(t *testing.T) {
	pg := servers.Postgres(t)
	l, origin, all := openOne(t, pg.DSN()), newOrigin(), ledgertest.Sessions(1, 20)
	if w := l.Warnings(); len(w) != 0 {
		t.Fatalf("a server as it comes gets the warnings %q", w)
	}
	if _, err := l.Apply(t.Context(), origin, all[:10]); err != nil {
		t.Fatal(err)
	}
	pg.Kill()
	if _, err := l.Apply(t.Context(), origin, all[10:]); err == nil {
		t.Fatal("a dead server applied")
	}
	pg.Restart(t)
	deadline := time.Now().Add(patience) // more than one connection of the pool may be found dead
	for _, err := l.Apply(t.Context(), origin, all[10:]); err != nil; _, err = l.Apply(t.Context(), origin, all[10:]) {
		if time.Now().After(deadline) {
			t.Fatalf("after the restart: %v", err)
		}
	}
	wantBalance(t, l, origin, 20)
}

// A hub that freezes, or whose machine loses power, in the middle of a transaction holds the origin's row. PostgreSQL ends
// its transaction soon, or every other hub would wait for as long as TCP does: two hours.
func TestPostgresFrozenHub(t *testing.T) {
	dsn := servers.SharedPostgres(t).Database(t)
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	line := servers.Proxy(t, u.Host)
	u.Host = line.Addr
	frozen, other := openOne(t, u.String()), openOne(t, dsn)
	origin, all := newOrigin(), ledgertest.Sessions(1, 20)

	locker, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer locker.Close(context.Background())
	if _, err := locker.Exec(t.Context(), `BEGIN; LOCK TABLE session IN EXCLUSIVE MODE`); err != nil {
		t.Fatal(err)
	}
	failed := make(chan error, 1)
	go func() {
		_, err := frozen.Apply(context.Background(), origin, all)
		failed <- err
	}()
	await(t, dsn, `SELECT count(*) > 0 FROM pg_stat_activity
		WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'INSERT INTO session%'`)
	line.BlackHole()
	if _, err := locker.Exec(t.Context(), `ROLLBACK`); err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if done, err := other.Apply(ctx, origin, all); err != nil || done.Sessions != 20 {
		t.Errorf("the other hub: %+v, %v", done, err)
	}
	line.Restore()
	if err := <-failed; err == nil {
		t.Error("the frozen hub believes that its transaction went on")
	}
	if done, err := frozen.Apply(t.Context(), origin, all); err != nil || done.Dropped != 20 {
		t.Errorf("the frozen hub afterwards: %+v, %v", done, err)
	}
	wantBalance(t, other, origin, 20)
}
