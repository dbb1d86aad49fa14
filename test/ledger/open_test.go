//go:build unix

package ledger_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger/postgres"
	"github.com/caddy-affiliate/caddy-affiliate/test/servers"
)

// No error of Open contains the password, whatever is wrong with the DSN or the server.
func TestPostgresErrorsKeepThePassword(t *testing.T) {
	const password = "s3cret-Pa55"
	server := servers.SharedPostgres(t)
	host := fmt.Sprintf("127.0.0.1:%d", server.Port)
	for _, dsn := range []string{
		"postgres://user:" + password + "@127.0.0.1:1/db",
		"postgres://user:" + password + "@" + host + "/no_such_database?sslmode=disable",
		"postgres://user:" + password + "@" + host + "/postgres?sslmode=wrong",
		"postgres://user:" + password + "@" + host + "/postgres?no_such_parameter=1&sslmode=disable",
		"postgres://user:" + password + "@host:port/db",
		"postgres://user:" + password + "%zz@host/db",
		"postgres://user:" + password + " @ho st/db",
		"host=127.0.0.1 port=x user=u password=" + password,
		"host=127.0.0.1 port=1 user=u password='" + password + "'",
		"password=" + password + " \\",
		"user:" + password + "@host",
	} {
		l, err := postgres.Open(t.Context(), dsn)
		if err == nil {
			l.Close()
			t.Errorf("%s was opened", dsn)
			continue
		}
		if strings.Contains(err.Error(), password) {
			t.Errorf("an error tells the password: %v", err)
		}
	}
}

// A file that the DSN names is named when it cannot be read.
func TestPostgresNamesAMissingFile(t *testing.T) {
	_, err := postgres.Open(t.Context(), "postgres://user:s3cret@127.0.0.1/db?sslmode=verify-full&sslrootcert=/no/such/ca.pem")
	if !errors.Is(err, postgres.ErrDSN) || !strings.Contains(err.Error(), "/no/such/ca.pem") || strings.Contains(err.Error(), "s3cret") {
		t.Fatalf("the error is %v", err)
	}
}

// A database in another encoding cannot hold every user agent.
func TestPostgresWarnsOfTheEncoding(t *testing.T) {
	pg := servers.SharedPostgres(t)
	execute(t, pg.DSN(), "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
	t.Cleanup(func() { execute(t, pg.DSN(), "DROP DATABASE latin WITH (FORCE)") })
	l := openOne(t, strings.Replace(pg.DSN(), "/postgres?", "/latin?", 1))
	if w := l.Warnings(); len(w) != 1 || !strings.Contains(w[0], "LATIN1") {
		t.Fatalf("the warnings are %q", w)
	}
}

// Only a primary is a ledger: a standby, or a server that was made read-only, is behind (protocol R5).
func TestPostgresRefusesAReadOnlyServer(t *testing.T) {
	dsn := servers.SharedPostgres(t).Database(t)
	openOne(t, dsn)
	l, err := postgres.Open(t.Context(), dsn+"&default_transaction_read_only=on")
	if err == nil {
		l.Close()
		t.Fatal("a read-only server was opened")
	}
	if !strings.Contains(err.Error(), "read only connection") {
		t.Errorf("the error is %v", err)
	}
}
