// Package sqlite opens a ledger in a SQLite file, the embedded default: no server, no cgo.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pressly/goose/v3"
	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
)

// readers is how many reads may run at once. They see the last commit and never wait for the writer (WAL).
const readers = 4

// Open opens the ledger in the file at path, and makes both where they are missing, readable by the owner alone. Every
// commit is on disk before it is answered (WAL, synchronous=FULL). Several processes may open one file, on a local disk.
func Open(ctx context.Context, path string) (*ledger.Ledger, error) {
	path, err := create(path)
	if err != nil {
		return nil, fmt.Errorf("opening ledger %s: %w", path, err)
	}
	write, err := sql.Open("sqlite", writerDSN(path))
	if err != nil {
		return nil, fmt.Errorf("opening ledger %s: %w", path, err)
	}
	write.SetMaxOpenConns(1)
	read, err := sql.Open("sqlite", readerDSN(path))
	if err != nil {
		write.Close()
		return nil, fmt.Errorf("opening ledger %s: %w", path, err)
	}
	read.SetMaxOpenConns(readers)
	place := &place{path: path}
	l, err := ledger.New(ctx, ledger.Database{
		Write: write, Read: read,
		Dialect: goose.DialectSQLite3,
		Insert:  insert,
		Values:  values,
		Purge:   func(ctx context.Context) error { return purge(ctx, write) },
		Refused: refused,
		Busy:    busy,
		Away:    away,
		Hint:    hint,
		Gone:    place.gone,
		Release: place.release,

		Warnings: libcWarning(),
	})
	if err != nil {
		return nil, fmt.Errorf("opening ledger %s: %w", path, err)
	}
	if err := place.hold(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("opening ledger %s: %w", path, err), l.Close())
	}
	return l, nil
}

// hint names the index: without ANALYZE, whose statistics nobody would keep up to date, SQLite has to guess.
func hint(index string) string { return " INDEXED BY " + index }

// create makes the file and its folder where they are missing, and returns its absolute path. SQLite gives the files beside it
// the same mode. A file that is there is not even opened: closing it would end the locks that this process has on it
// (https://www.sqlite.org/howtocorrupt.html §2.2).
func create(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return path, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return path, err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return path, nil
	}
	if err != nil {
		return path, err
	}
	return path, file.Close()
}

// busyTimeout is short, since nothing can end it early; package ledger repeats it.
const busyTimeout = "busy_timeout(100)" // milliseconds

func writerDSN(path string) string {
	return dsn(path, url.Values{
		"_txlock": {"immediate"},
		"_pragma": {
			busyTimeout, "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(ON)",
			"cache_size(-16384)",           // KiB
			"secure_delete(ON)",            // what is deleted or replaced is overwritten, see purge
			"journal_size_limit(67108864)", // bytes that the log keeps after a large transaction
			"wal_autocheckpoint(4096)",     // pages, 16 MiB: a batch changes the same ends of indexes as the one before
		},
	})
}

func readerDSN(path string) string {
	return dsn(path, url.Values{"mode": {"ro"}, "_pragma": {busyTimeout, "query_only(ON)"}})
}

// dsn returns the driver's name of the file: a URI, so that no byte of the path is taken for a parameter.
func dsn(path string, parameters url.Values) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // a drive's letter
	}
	u := url.URL{Scheme: "file", Path: path, RawQuery: parameters.Encode()}
	return u.String()
}

// refused reports whether SQLite refuses the values: a constraint, a type, a size. BUSY, FULL, IOERR, NOMEM and the like are
// the state of the machine and pass.
func refused(err error) bool {
	return slices.Contains([]int{lib.SQLITE_CONSTRAINT, lib.SQLITE_MISMATCH, lib.SQLITE_TOOBIG}, code(err))
}

// busy reports whether another connection has the lock that was asked for.
func busy(err error) bool { return code(err) == lib.SQLITE_BUSY }

// away reports whether what failed is the file, the disk, the memory or another's lock, and not what was asked for.
func away(err error) bool {
	return slices.Contains([]int{
		lib.SQLITE_BUSY, lib.SQLITE_LOCKED, lib.SQLITE_PROTOCOL, lib.SQLITE_NOMEM, lib.SQLITE_READONLY, lib.SQLITE_PERM,
		lib.SQLITE_IOERR, lib.SQLITE_FULL, lib.SQLITE_CANTOPEN,
	}, code(err))
}

// code returns SQLite's primary result code, or 0 for an error that is not SQLite's.
func code(err error) int {
	var e *driver.Error
	if !errors.As(err, &e) {
		return 0
	}
	return e.Code() & 0xff
}
