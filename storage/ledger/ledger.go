// Package ledger is the system of record, in SQL: networks, affiliates, campaigns, links, sessions, and the cursors that
// decide what of an origin has been applied. Packages sqlite and postgres open one; everything else here is the same text
// for both engines.
//
// A method whose error is tracker.ErrAway may succeed as soon as the database is well; any other error comes again.
//
// A method that fails has changed nothing, with one exception that no database can avoid: an error of the commit itself
// leaves it unknown whether the change is there. Calling again is always right.
package ledger

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/pressly/goose/v3"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// Errors of the ledger's methods: those of package tracker, under the names that callers of links know.
var (
	ErrExists   = tracker.ErrExists
	ErrNotFound = tracker.ErrNotFound
)

// ErrGone is returned, with tracker.ErrAway, while the database's files are not in their place.
var ErrGone = errors.New("the ledger's file is not in its place, so what is booked now would be lost: put it back, or restart Caddy to open what is there")

//go:embed migrations/*.sql
var migrations embed.FS

// migrationTable is goose's own table. It is named, so that another program's goose in the same database does not meet ours.
const migrationTable = "affiliate_migration"

// Database is an open database with what is particular to its engine. Packages sqlite and postgres fill it in.
type Database struct {
	Write *sql.DB // for transactions that write
	Read  *sql.DB // for reads, which must not wait for writers; may be Write itself

	Snapshot sql.IsolationLevel // at which the reads of one transaction see one state

	Dialect   goose.Dialect
	Migration []goose.ProviderOption // how several processes are kept from migrating at once

	// Insert adds rows to a table and returns how many were new, or changed what was there, see Rows.Conflict.
	Insert func(ctx context.Context, tx *sql.Tx, r Rows) (int64, error)
	// Values returns the batch as a table of that name, to stand after FROM, and what it binds: the first parameters.
	Values func(r Rows) (table string, args []any)
	// Refused reports whether err says that the database refuses the values themselves, now and for ever (protocol R9).
	Refused func(err error) bool
	// Busy reports whether a transaction could not begin because of another writer. Nil: writers wait for each other as they go.
	Busy func(err error) bool
	// Hint is what in FROM has a table read by that index. Nil: the engine knows from statistics which index is best.
	Hint func(index string) string
	// Clash reports whether the database ended a transaction because it and another stood in each other's way, so that the
	// same one may pass when it is tried again. Nil: that does not happen.
	Clash func(err error) bool
	// Away reports whether err is of the machine, of the server or of the connection to it, so that the same may pass later.
	Away func(err error) bool
	// Gone returns ErrGone while the database's files are not those that are open: what is committed is then found by nobody else,
	// and by no restart. It is asked while a connection is open. Nil: the database is not in files of this machine.
	Gone func() error
	// Release gives back what was held beside Write and Read, before they are closed. Nil: nothing was.
	Release func() error
	// Enter waits while another transaction has excluded others from the table. Nil: whoever writes is alone.
	Enter func(ctx context.Context, tx *sql.Tx, table string) error
	// Exclude waits until no other transaction that has entered the table is under way, and keeps others from entering it until
	// tx ends. Nil: whoever writes is alone.
	Exclude func(ctx context.Context, tx *sql.Tx, table string) error
	// SkipLocked ends a SELECT whose rows are to be changed so that it passes over those which another transaction changes. Empty:
	// whoever writes is alone.
	SkipLocked string
	// Purge takes out of the database's files what committed changes have left of the old rows. Nil: the engine does so itself.
	Purge func(ctx context.Context) error
	// Commit commits, and fails when it is not certain that the commit will last (protocol L4). Nil: tx.Commit.
	Commit func(conn *sql.Conn, tx *sql.Tx) error

	Warnings []string // see Ledger.Warnings
}

// Ledger is an open ledger. All methods may be called from several goroutines, and several ledgers, in any number of
// processes, may be open on one database.
type Ledger struct {
	db    Database
	id    string
	clock atomic.Pointer[func() time.Time]
	terms atomic.Pointer[tracker.Terms]

	routes atomic.Pointer[[]tracker.Route]
	node   atomic.Pointer[string]

	closed atomic.Bool
	tick   ticker
}

// New brings the schema of db up to date and returns the ledger in it. It takes db over: when New fails, db is closed.
func New(ctx context.Context, db Database) (*Ledger, error) {
	l := &Ledger{db: db}
	l.SetClock(time.Now)
	l.UseTerms(tracker.Terms{})
	l.UseNode(uuid.NewString())
	if err := l.prepare(ctx); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

func (l *Ledger) prepare(ctx context.Context) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("reading migrations: %w", err)
	}
	options := append([]goose.ProviderOption{
		goose.WithTableName(migrationTable),
		goose.WithDisableGlobalRegistry(true),
	}, l.db.Migration...)
	provider, err := goose.NewProvider(l.db.Dialect, l.db.Write, files, options...)
	if err != nil {
		return fmt.Errorf("reading migrations: %w", err)
	}
	if err := l.migrate(ctx, provider); err != nil {
		return fmt.Errorf("bringing the ledger's schema up to date: %w", err)
	}
	return l.write(ctx, l.identify)
}

// migrateAttempts bounds the retries of migrate.
const migrateAttempts = 20

// migrate tries again when it fails on SQLite, which has no lock that would span a migration: of two processes that open a
// new file at once the second fails on what the first is making, and finds it made when it looks again.
func (l *Ledger) migrate(ctx context.Context, provider *goose.Provider) (err error) {
	for range migrateAttempts {
		if _, err = provider.Up(ctx); err == nil || l.db.Busy == nil || ctx.Err() != nil {
			return err
		}
	}
	return err
}

// identify gives a new ledger its id, and reads that of an old one.
func (l *Ledger) identify(tx *sql.Tx) error {
	_, err := tx.Exec(`INSERT INTO meta (one, ledger_id, link_version) VALUES (1, $1, 0) ON CONFLICT (one) DO NOTHING`,
		uuid.NewString())
	if err == nil {
		err = tx.QueryRow(`SELECT ledger_id FROM meta`).Scan(&l.id)
	}
	if err != nil {
		return fmt.Errorf("reading the ledger's id: %w", err)
	}
	return nil
}

// ID returns the random name that the ledger got when it was made (protocol L5). A restored copy has the id of its original.
func (l *Ledger) ID() string { return l.id }

// Warnings returns what the operator should know of the database as it was found, one sentence each, for the caller to log.
func (l *Ledger) Warnings() []string { return l.db.Warnings }

// Ping reports whether the ledger answers, and ErrGone when what it answers is gone with the process.
func (l *Ledger) Ping(ctx context.Context) error {
	var one int
	if err := l.db.Read.QueryRowContext(ctx, `SELECT one FROM meta`).Scan(&one); err != nil {
		return l.told(fmt.Errorf("asking the ledger: %w", err))
	}
	return l.gone()
}

// gone returns ErrGone, which is of the passing kind, while the database's files are not in their place.
func (l *Ledger) gone() error {
	if l.db.Gone == nil {
		return nil
	}
	if err := l.db.Gone(); err != nil {
		return fmt.Errorf("%w: %w", tracker.ErrAway, err)
	}
	return nil
}

// Close closes the database. Calls under way may fail.
func (l *Ledger) Close() error {
	l.closed.Store(true)
	var err error
	if l.db.Release != nil {
		err = l.db.Release()
	}
	if l.db.Read != l.db.Write {
		err = errors.Join(err, l.db.Read.Close())
	}
	if err := errors.Join(err, l.db.Write.Close()); err != nil {
		return fmt.Errorf("closing the ledger: %w", err)
	}
	return nil
}

// write runs do in one transaction and commits it, or rolls back when do fails.
func (l *Ledger) write(ctx context.Context, do func(tx *sql.Tx) error) error {
	return l.told(l.tryWrite(ctx, do))
}

func (l *Ledger) tryWrite(ctx context.Context, do func(tx *sql.Tx) error) error {
	conn, err := l.db.Write.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connecting to the ledger: %w", err)
	}
	defer conn.Close()
	tx, err := l.begin(ctx, conn)
	if err != nil {
		return fmt.Errorf("beginning a transaction: %w", err)
	}
	defer tx.Rollback()
	if err := l.gone(); err != nil {
		return err
	}
	if err := do(tx); err != nil {
		return err
	}
	commit := l.db.Commit
	if commit == nil {
		commit = func(_ *sql.Conn, tx *sql.Tx) error { return tx.Commit() }
	}
	if err := commit(conn, tx); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	return l.gone() // a commit that went into a removed file is none
}

// busyWait is how long a transaction waits for another writer to end.
const busyWait = 5 * time.Second

// begin begins a transaction. SQLite's own wait for another writer takes no notice of ctx, so it is a short one, repeated.
func (l *Ledger) begin(ctx context.Context, conn *sql.Conn) (*sql.Tx, error) {
	started := time.Now()
	for {
		tx, err := conn.BeginTx(ctx, nil)
		if err == nil || l.db.Busy == nil || !l.db.Busy(err) || time.Since(started) > busyWait {
			return tx, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
}

// millis is the form of a time in the ledger: milliseconds since 1970.
func millis(t time.Time) int64 { return t.UnixMilli() }

// fromMillis is the inverse of millis, in UTC.
func fromMillis(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
