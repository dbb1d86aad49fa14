// Package postgres opens a ledger in PostgreSQL, for several nodes.
package postgres

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
)

// ErrDSN is returned for a connection string that is none. What is wrong with it is not said, unless it is a file that the
// string names, since a message that quotes a malformed string could quote its password.
var ErrDSN = errors.New("the DSN is no PostgreSQL connection string (postgres://user:password@host:port/database?sslmode=…)")

// Limits of a process's connections.
const (
	maxConns       = 8
	maxIdleConns   = 4
	maxIdleTime    = 5 * time.Minute
	maxLifetime    = 30 * time.Minute // so that connections leave a server that has become a standby
	connectTimeout = 5 * time.Second  // unless the DSN has its own
)

// abandonedAfter is how long PostgreSQL keeps a transaction whose client says nothing, unless it has a limit already. Between
// the statements of ours lie microseconds; but a hub that freezes, or whose machine loses power, between two would hold an
// origin's row, and keep every other hub waiting for as long as TCP does, which is two hours.
const abandonedAfter = "10s"

// Open connects to PostgreSQL and opens the ledger in the schema that dsn leads to (search_path, by default public). Errors
// never contain the DSN's password.
func Open(ctx context.Context, dsn string) (*ledger.Ledger, error) {
	config, err := parse(dsn)
	if err != nil {
		return nil, err
	}
	db := stdlib.OpenDB(*config, stdlib.OptionAfterConnect(prepare))
	db.SetMaxOpenConns(maxConns)
	db.SetMaxIdleConns(maxIdleConns)
	db.SetConnMaxIdleTime(maxIdleTime)
	db.SetConnMaxLifetime(maxLifetime)
	l, err := open(ctx, db)
	if err != nil {
		return nil, fmt.Errorf("opening ledger in PostgreSQL at %s: %w", config.Host, err)
	}
	return l, nil
}

// CheckDSN returns ErrDSN for a connection string with which Open would fail before it connects. It reads the files that the
// string names, and connects to nothing.
func CheckDSN(dsn string) error {
	_, err := parse(dsn)
	return err
}

func parse(dsn string) (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(dsn)
	var file *fs.PathError // of a certificate, a key or a service file
	if errors.As(err, &file) {
		return nil, fmt.Errorf("%w: %w", ErrDSN, file)
	}
	if err != nil {
		return nil, ErrDSN
	}
	config.OnNotice = noteWarning
	if config.ValidateConnect == nil { // the primary only: a standby's cursors may be old (protocol R5)
		config.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	config.ConnectTimeout = cmp.Or(config.ConnectTimeout, connectTimeout)
	config.RuntimeParams["application_name"] = cmp.Or(config.RuntimeParams["application_name"], "caddy-affiliate")
	return config, nil
}

func open(ctx context.Context, db *sql.DB) (*ledger.Ledger, error) {
	warnings, err := inspect(ctx, db)
	if err != nil {
		db.Close()
		return nil, err
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 120), lock.WithUnlockTimeout(1, 10))
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("making the migrations' lock: %w", err)
	}
	return ledger.New(ctx, ledger.Database{
		Write: db, Read: db,
		Snapshot:   sql.LevelRepeatableRead,
		Dialect:    goose.DialectPostgres,
		Migration:  []goose.ProviderOption{goose.WithSessionLocker(locker)},
		Insert:     insert,
		Values:     values,
		Refused:    refused,
		Clash:      clash,
		Away:       away,
		Enter:      enter,
		Exclude:    exclude,
		SkipLocked: " FOR UPDATE OF d SKIP LOCKED",
		Commit:     commit,
		Warnings:   warnings,
	})
}

// inspect reads what the operator should know of the server's settings.
func inspect(ctx context.Context, db *sql.DB) (warnings []string, err error) {
	var encoding, reset string
	err = db.QueryRowContext(ctx, `SELECT current_setting('server_encoding'),
		(SELECT reset_val FROM pg_settings WHERE name = 'synchronous_commit')`).Scan(&encoding, &reset)
	if err != nil {
		return nil, fmt.Errorf("reading the server's settings: %w", err)
	}
	if encoding != "UTF8" {
		warnings = append(warnings, fmt.Sprintf("the database's encoding is %s: sessions with other characters go to quarantine; "+
			"make the database with ENCODING 'UTF8'", encoding))
	}
	if reset == "off" {
		warnings = append(warnings, "synchronous_commit is off in PostgreSQL: the ledger turns it on for its own connections, "+
			"since a commit that is answered must last")
	}
	return warnings, nil
}

// prepare makes a new connection safe: it turns synchronous_commit on where it is off (any other setting waits for the disk
// at least, and stays), and bounds abandoned transactions.
func prepare(ctx context.Context, conn *pgx.Conn) error {
	for _, s := range []struct{ name, bad, good string }{
		{"synchronous_commit", "off", "on"},
		{"idle_in_transaction_session_timeout", "0", abandonedAfter},
	} {
		_, err := conn.Exec(ctx, `SELECT set_config($1, $3, false) WHERE current_setting($1) = $2`, s.name, s.bad, s.good)
		if err != nil {
			return fmt.Errorf("setting %s to %s: %w", s.name, s.good, err)
		}
	}
	return nil
}

// refused reports whether PostgreSQL refuses the values: SQLSTATE class 22 (data exception) or 23 (integrity constraint).
// Every other class is the state of the server, of the connection or of a competitor, and passes.
func refused(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && len(e.Code) == 5 && (e.Code[:2] == "22" || e.Code[:2] == "23")
}

// clash reports whether PostgreSQL ended a transaction for another's sake: serialization_failure or deadlock_detected.
func clash(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && (e.Code == "40001" || e.Code == "40P01")
}

// away reports whether PostgreSQL could not be reached, or cannot do it now: SQLSTATE class 08 (connection), 40 (rolled back for
// another's sake), 53 (resources: a full disk, no memory, no connection left), 57 (a server that starts, stops or recovers), 58
// (the system under it); a standby; a lock that was not to be had; a transaction that took too long.
func away(err error) bool {
	var e *pgconn.PgError
	var connecting *pgconn.ConnectError
	if errors.As(err, &connecting) || pgconn.SafeToRetry(err) || errors.Is(err, ErrUncertain) {
		return true
	}
	return errors.As(err, &e) && len(e.Code) == 5 &&
		(slices.Contains([]string{"08", "40", "53", "57", "58"}, e.Code[:2]) ||
			slices.Contains([]string{"25006", "25P03", "25P04", "55P03"}, e.Code))
}
