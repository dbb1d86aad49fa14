//go:build unix

package ledger_test

import (
	"errors"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/test/servers"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// calls are one of each way in which the books ask the database.
var calls = map[string]func(t *testing.T, l *ledger.Ledger) error{
	"a change": func(t *testing.T, l *ledger.Ledger) error {
		_, err := l.CreateAffiliate(t.Context(), "default", tracker.AffiliateFields{Name: "Ann"})
		return err
	},
	"a list": func(t *testing.T, l *ledger.Ledger) error {
		_, _, err := l.Affiliates(t.Context(), "default", tracker.AffiliateFilter{}, tracker.Page{})
		return err
	},
	"a view": func(t *testing.T, l *ledger.Ledger) error {
		_, err := l.Conversion(t.Context(), "default", newOrigin())
		return err
	},
	"a look-up": func(t *testing.T, l *ledger.Ledger) error {
		_, err := l.CatalogLink(t.Context(), "default", 7)
		return err
	},
	"a count": func(t *testing.T, l *ledger.Ledger) error {
		f := tracker.ConversionFilter{Status: tracker.StatusPending, Type: tracker.TypeBuy}
		_, _, err := l.Conversions(t.Context(), "default", f, tracker.Page{})
		return err
	},
}

// A server that was made a standby, and one that is gone, are away for every call; one that does its work is not, whatever it
// answers.
func TestPostgresAway(t *testing.T) {
	dsn := servers.SharedPostgres(t).Database(t)
	name := databaseOf(t, dsn)
	l := openOne(t, dsn)
	for what, call := range calls {
		if err := call(t, l); errors.Is(err, tracker.ErrAway) {
			t.Errorf("%s: %v", what, err)
		}
	}
	const cut = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`
	execute(t, dsn, `ALTER DATABASE `+name+` SET default_transaction_read_only = on`)
	execute(t, dsn, cut)
	for what, call := range calls {
		if err := call(t, l); !errors.Is(err, tracker.ErrAway) {
			t.Errorf("%s of a standby: %v", what, err)
		}
	}
	execute(t, with(t, dsn, "default_transaction_read_only", "off"), `ALTER DATABASE `+name+` RESET default_transaction_read_only`)
	for what, call := range calls {
		if err := call(t, l); errors.Is(err, tracker.ErrAway) {
			t.Errorf("%s, afterwards: %v", what, err)
		}
	}

	execute(t, dsn, `ALTER TABLE affiliate RENAME TO partner`)
	err := calls["a list"](t, l)
	if err == nil || errors.Is(err, tracker.ErrAway) {
		t.Errorf("a table that is not there: %v", err)
	}
}
