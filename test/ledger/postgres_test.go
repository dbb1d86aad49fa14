//go:build unix

// Package ledger_test runs the ledger's conformance suite, and what only PostgreSQL can do, against real servers.
package ledger_test

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger/ledgertest"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger/postgres"
	"github.com/caddy-affiliate/caddy-affiliate/test/servers"
)

// patience is how long a test waits for the server to come to a state.
const patience = 20 * time.Second

func TestPostgresConformance(t *testing.T) {
	server := servers.Postgres(t, "fsync=off") // hundreds of databases are made and dropped; what a power cut leaves is tried elsewhere
	ledgertest.Run(t, func(t *testing.T) ledgertest.Database { return database(server, server.Database(t)) })
}

func database(server *servers.PostgresServer, dsn string) ledgertest.Database {
	return ledgertest.Database{
		Open: func(t testing.TB) *ledger.Ledger { return open(t, dsn) },
		Copy: func(t testing.TB) ledgertest.Database {
			name := databaseOf(t, dsn)
			copied := "copy_of_" + name
			execute(t, server.DSN(), "CREATE DATABASE "+copied+" TEMPLATE "+name)
			t.Cleanup(func() { execute(t, server.DSN(), "DROP DATABASE "+copied+" WITH (FORCE)") })
			return database(server, strings.Replace(dsn, "/"+name+"?", "/"+copied+"?", 1))
		},
	}
}

func databaseOf(t testing.TB, dsn string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(u.Path, "/")
}

func open(t testing.TB, dsn string) *ledger.Ledger {
	t.Helper()
	l, err := postgres.Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// openOne opens a ledger in a database of its own, closed when the test ends.
func openOne(t testing.TB, dsn string) *ledger.Ledger {
	t.Helper()
	l := open(t, dsn)
	t.Cleanup(func() { l.Close() })
	return l
}

// execute runs a statement on a connection of its own, also when the test's context has ended.
func execute(t testing.TB, dsn, query string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, query); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// Bytes that SQLite stores and PostgreSQL refuses, in columns of the session and of the link that it needs.
func TestPostgresPoison(t *testing.T) {
	for name, spoil := range map[string]func(*ledger.Session){
		"NUL in the host":             func(s *ledger.Session) { s.Host = "a\x00b" },
		"no UTF-8 in the agent":       func(s *ledger.Session) { s.UserAgent = "\xff\xfe" },
		"NUL in the code":             func(s *ledger.Session) { s.Code = "a\x00b" },
		"no UTF-8 in the network":     func(s *ledger.Session) { s.Network = "\xc3" },
		"half a rune in the referrer": func(s *ledger.Session) { s.Referrer = "\xe2\x82" },
		"a time before the epoch":     func(s *ledger.Session) { s.Time = time.UnixMilli(-1) },
		"a code that is too long":     func(s *ledger.Session) { s.Code = strings.Repeat("é", 65) },
		"no class":                    func(s *ledger.Session) { s.Class = "" },
	} {
		t.Run(name, func(t *testing.T) {
			pg := servers.SharedPostgres(t)
			ledgertest.PoisonBy(t, database(pg, pg.Database(t)), spoil, 500, 77)
		})
	}
}
